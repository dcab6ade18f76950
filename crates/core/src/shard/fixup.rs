//! Finishing, or undoing, the operation that a killed process left in flight.

use super::Shard;
use crate::Result;
use crate::layout::head;
use crate::layout::intent::{ClearIntent, IndexIntent, Operation, RecordIntent, SegmentIntent, TableIntent};
use crate::layout::record::{HEADER, Header, Type};
use crate::layout::segment::{RecordRef, State};
use crate::mem::{Guard, enter};
use crate::rules::{Rule, holds};

impl Shard {
    /// To be called before anything else changes the shard; `clearing`: the map's own intent is raised. May be killed and
    /// called again: what it stores follows from the intent and not from what is there. Returns how many changes it undid: 1
    /// if a put or a delete was in flight and its record is not whole.
    pub fn fix_up(&self, clearing: bool) -> Result<u64> {
        let page = self.page();
        let words = page.read_intent();
        let Some(operation) = Operation::from_word(words[0]) else {
            return Err(self.damage("the intent names an unknown operation"));
        };
        if !self.is_written() {
            // The shard's first files were being made: they are made again.
            page.clear_intent();
            return Ok(0);
        }
        let guard = enter();
        match operation {
            Operation::None => Ok(0),
            Operation::Put | Operation::Delete | Operation::Move | Operation::MoveMark => {
                self.fix_record(operation, &RecordIntent::decode(&words), &guard)
            }
            Operation::Segment => {
                let intent = SegmentIntent::decode(&words);
                self.log.ensure_entry(intent.index as usize)?;
                self.list_joining(&intent, &guard)?;
                self.finish_join(&intent, &guard).map(|()| 0)
            }
            Operation::Table => self.index.finish_rewrite(&TableIntent::decode(&words), &guard).map(|()| 0),
            Operation::Index => {
                self.index.finish_shrink(&IndexIntent::decode(&words));
                Ok(0)
            }
            Operation::Clear => {
                if clearing {
                    let chain = self.linked(&guard)?;
                    self.finish_clear(&ClearIntent::decode(&words), &chain, &guard)?;
                }
                // The map lowers its own intent once all shards are done; this one goes after that.
                Ok(0)
            }
        }
    }

    /// After the map's intent is lowered.
    pub fn forget_clear(&self) {
        if self.page().read_intent()[0] == Operation::Clear.word() {
            self.page().clear_intent();
        }
    }

    /// The joining segment may not be listed yet, and only what is listed can be mapped.
    fn list_joining(&self, intent: &SegmentIntent, guard: &Guard) -> Result<()> {
        let index = intent.index as usize;
        let first = crate::layout::segment::FIRST_RECORD as u64;
        self.log.list(index, crate::layout::segment::SegmentId(intent.id), intent.size, first, guard)
    }

    fn linked(&self, guard: &Guard) -> Result<Vec<usize>> {
        let mut linked = Vec::new();
        for index in 0..self.log.capacity() {
            if self.log.entry(index, guard)?.state == State::Linked {
                linked.push(index);
            }
        }
        Ok(linked)
    }

    /// A record that is whole is finished; one that is not is covered with a pad, so that its bytes are never used again:
    /// after a power cut it would else stand there as if it had been written in its time.
    fn fix_record(&self, operation: Operation, intent: &RecordIntent, guard: &Guard) -> Result<u64> {
        let place = RecordRef(intent.record);
        let length = intent.length as usize;
        let segment = self.log.segment(place.segment(), guard)?;
        let end = place.offset().checked_add(length).filter(|&end| end <= segment.log.len() && length >= HEADER);
        let (Some(end), true) = (end, intent.tail == RecordRef::new(place.segment(), place.offset() + length).0) else {
            return Err(self.damage("an intent names a record beyond its segment"));
        };
        let scanned = self.log.scan(segment.id, place.segment())?;
        let whole = scanned.headed(place.offset(), self.align(), &self.medium.keys).is_some_and(|record| {
            // An earlier fix-up may have left a pad here, which verifies as well and is not what was meant.
            let meant = match operation {
                Operation::Put => record.header.kind.is_put() && record.header.seq == intent.seq,
                Operation::Delete => record.header.kind == Type::Tombstone && record.header.seq == intent.seq,
                Operation::Move => record.header.kind.is_put(),
                _ => matches!(record.header.kind, Type::Tombstone | Type::Clear),
            };
            meant && record.len() == length && record.body_verifies(&self.medium.keys)
        });
        if whole {
            segment.log.publish(end);
            return self.finish_record(operation, intent, true, guard).map(|()| 0);
        }
        if segment.log.published() <= place.offset() && holds(Rule::PadDiscarded) {
            let pad = Header::pad(length).encode(segment.id, place.offset(), &self.medium.keys);
            segment.log.write(place.offset(), &pad);
            segment.log.publish(end);
        }
        self.page().store(head::TAIL, intent.tail);
        self.page().clear_intent();
        // A move that is undone leaves the record where it was.
        Ok(u64::from(matches!(operation, Operation::Put | Operation::Delete)))
    }
}
