//! One shard's part of `clear()`: the map writes all shards' intents, raises its own, and lets each shard finish.

use super::room::Purpose;
use super::{Locked, Shard, Writer};
use crate::layout::directory::Root;
use crate::layout::head;
use crate::layout::intent::{ClearIntent, Operation};
use crate::layout::names::{self, Name};
use crate::layout::record::{HEADER, Header, Type};
use crate::layout::segment::{RecordRef, SegmentId};
use crate::mem::{Guard, enter};
use crate::{Error, Result};

/// A shard that is locked and has room for its clear. One that is empty is locked too, until all are done: else what is
/// put there meanwhile would stay, and what is put elsewhere after it would not.
pub(crate) struct Clearing<'a> {
    writer: Locked<'a>,
    work: Option<(ClearIntent, Root)>,
}

impl Shard {
    /// Locks the shard and, if anything is in it, reserves a record and a table.
    pub fn begin_clear(&self) -> Result<Clearing<'_>> {
        let mut writer = self.lock_for_write()?;
        if !self.is_written() || self.entries() == 0 {
            return Ok(Clearing { writer, work: None });
        }
        let guard = enter();
        let length = HEADER.next_multiple_of(self.align());
        self.make_room(&mut writer, length, Purpose::Put, &guard)?;
        let (table, allocate) = match self.index.reserve_for_clear(&writer.queue, &guard) {
            Err(error) if error.is_of_index() => {
                self.rebuild_locked(&mut writer, &guard)?;
                self.index.reserve_for_clear(&writer.queue, &guard)?
            }
            reserved => reserved?,
        };
        let page = self.page();
        let tail = self.tail();
        let old_root = Root(page.load(head::ROOT));
        let small = page.load(head::SMALL_DIRECTORY) as usize;
        let intent = ClearIntent {
            record: tail.0,
            length: length as u64,
            table: table.word(),
            root: Root::new(old_root.version().wrapping_add(1), small, 0).0,
            seq: self.next_seq()?,
            marks: self.log.marks(tail.segment(), &guard)? + length as u64,
            tail: RecordRef::new(tail.segment(), tail.offset() + length).0,
            allocate,
        };
        Ok(Clearing { writer, work: Some((intent, old_root)) })
    }

    /// The part that a fix-up repeats. It writes the record again: its bytes follow from the intent alone.
    pub(super) fn finish_clear(&self, intent: &ClearIntent, chain: &[usize], guard: &Guard) -> Result<()> {
        let place = RecordRef(intent.record);
        let segment = self.log.segment(place.segment(), guard)?;
        if segment.log.published() <= place.offset() {
            let body_sum = self.medium.keys.body_sum(&[], &[]);
            let header = Header { kind: Type::Clear, seq: intent.seq, key_len: 0, value_len: 0, body_sum };
            segment.log.write(place.offset(), &header.encode(segment.id, place.offset(), &self.medium.keys));
            segment.log.publish(place.offset() + intent.length as usize);
            segment.mark_verified(place.offset());
        }
        self.index.finish_clear(intent, guard)?;
        for &index in chain {
            self.log.set_live(index, 0, guard)?;
        }
        self.log.set_marks(place.segment(), intent.marks, guard)?;
        let page = self.page();
        for field in [head::ENTRIES, head::LIVE, head::EXTENTS] {
            page.store(field, 0);
        }
        page.store(head::SEQ, intent.seq);
        page.store(head::TAIL, intent.tail);
        Ok(())
    }

    /// All extents of the shard that are whole and not just being written: after a clear they are dead.
    fn dead_after_clear(&self, writer: &mut Writer) -> Result<()> {
        let names = self.medium.dir.list().map_err(|error| Error::os("list the map's directory", &error))?;
        let extents = self.extents.lock();
        let known: Vec<SegmentId> = writer.dead_extents.iter().map(|extent| extent.id).collect();
        for name in names {
            if let Some(Name::Extent { shard, id }) = names::parse(&name)
                && shard == self.number
                && !extents.in_flight.contains(&id)
                && !known.contains(&id)
            {
                let len = self.medium.dir.file_len(&name).unwrap_or(0);
                writer.dead_extents.push(crate::layout::extent::Descriptor { id, len, sum: 0 });
            }
        }
        Ok(())
    }
}

impl Clearing<'_> {
    /// Before the map's own intent is raised this says nothing.
    pub fn announce(&self) {
        if let Some((intent, _)) = &self.work {
            self.writer.shard.page().write_intent(&intent.encode(Operation::Clear));
        }
    }

    pub fn finish(&mut self) -> Result<()> {
        let Some((intent, old_root)) = self.work else { return Ok(()) };
        let guard = enter();
        let shard = self.writer.shard;
        let had_extents = shard.page().load(head::EXTENTS) > 0;
        let chain = self.writer.chain.clone();
        // What was damaged is in no record that counts any more.
        self.writer.unmendable = None;
        shard.finish_clear(&intent, &chain, &guard).inspect_err(|_| shard.poison())?;
        shard.index.retire_all(old_root, &mut self.writer.queue);
        if had_extents {
            // What is missed here is found by the pass after the next open.
            let _ = shard.dead_after_clear(&mut self.writer);
        }
        self.writer.victim = None;
        self.writer.marks += intent.length;
        if let Some(watch) = &mut self.writer.watch {
            watch.clear();
        }
        Ok(())
    }

    /// Some shard could not finish.
    pub fn abandon(&self) {
        self.writer.shard.poison();
    }

    /// After the map's own intent is lowered.
    pub fn conclude(mut self) {
        if self.work.is_none() {
            return;
        }
        let shard = self.writer.shard;
        shard.page().clear_intent();
        shard.after_change(&mut self.writer, &crate::mem::enter());
    }
}
