//! Finishing, or undoing, the operation that a killed process left in flight.

use super::Shard;
use crate::Result;
use crate::layout::head;
use crate::layout::intent::{ClearIntent, IndexIntent, Operation, RecordIntent, SegmentIntent, TableIntent};
use crate::layout::record::{HEADER, Header, Type};
use crate::layout::segment::{FIRST_RECORD, RecordRef, State};
use crate::log::Segment;
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
                self.check_joining(&intent)?;
                self.log.ensure_entry(intent.index as usize)?;
                self.finish_join(&intent, &guard).map(|()| 0)
            }
            Operation::Table => self.index.finish_rewrite(&TableIntent::decode(&words), &guard).map(|()| 0),
            Operation::Index => {
                self.index.finish_shrink(&IndexIntent::decode(&words));
                Ok(0)
            }
            Operation::Clear => {
                if clearing {
                    let intent = ClearIntent::decode(&words);
                    self.intended(intent.record, intent.length, intent.tail, &guard)?;
                    let chain = self.linked(&guard)?;
                    self.finish_clear(&intent, &chain, &guard)?;
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

    /// Where the record that an intent names lies, and where it ends: in its segment, and the tail behind it.
    fn intended<'g>(
        &'g self,
        record: u64,
        length: u64,
        tail: u64,
        guard: &'g Guard,
    ) -> Result<(&'g Segment, RecordRef, usize)> {
        let place = RecordRef(record);
        let segment = self.log.segment(place.segment(), guard)?;
        let end = usize::try_from(length).ok().and_then(|length| place.offset().checked_add(length));
        match end.filter(|&end| end <= segment.log.len() && end - place.offset() >= HEADER) {
            Some(end) if tail == RecordRef::new(place.segment(), end).0 => Ok((segment, place, end)),
            _ => Err(self.damage("an intent names a record beyond its segment")),
        }
    }

    /// The entry is one that the table has or would have next, and the tail goes there.
    fn check_joining(&self, intent: &SegmentIntent) -> Result<()> {
        let index = intent.index as usize;
        let fits = index <= self.log.capacity()
            && intent.tail == RecordRef::new(index, FIRST_RECORD).0
            && (intent.old_tail == 0 || RecordRef(intent.old_tail).segment() != index);
        if fits { Ok(()) } else { Err(self.damage("an intent names a segment that cannot be the next")) }
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
        let (segment, place, end) = self.intended(intent.record, intent.length, intent.tail, guard)?;
        let length = end - place.offset();
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
