//! Room in the log: the chain grows by a segment, and on a full disk the spare is lent.

use super::{Shard, Writer};
use crate::layout::head;
use crate::layout::intent::{Operation, SegmentIntent};
use crate::layout::record::{HEADER, Header};
use crate::layout::segment::{FIRST_RECORD, RecordRef, SegmentId};
use crate::log::{Pace, Prepared, Segment};
use crate::mem::{Guard, LogRegion};
use crate::rules::{Rule, holds};
use crate::{Code, Error, Result};
use std::sync::atomic::Ordering;

/// Who asks for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Never gets the spare.
    Put,
    /// Gets the spare, for a delete frees room: this much in this segment.
    Delete { segment: usize, length: u64 },
    /// Gets the spare to empty a victim into.
    Compaction,
}

/// How room came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It was there: nothing has moved.
    There,
    /// A segment joined the chain, and records may have moved.
    Made,
    /// The segment came from the spare; this one is to be emptied into it in the same breath.
    Lent { victim: usize },
}

/// The tail's pages are brought in this far ahead, in steps of this size.
const PREFAULT: usize = 1 << 20;

impl Shard {
    /// The first files of a shard. It counts as written once the last of them stands.
    pub(super) fn create(&self, writer: &mut Writer, guard: &Guard) -> Result<()> {
        let page = self.page();
        // Nothing of an attempt that was killed may look like a part of the chain.
        for field in [head::TAIL, head::ROOT, head::ENTRIES, head::LIVE, head::SEQ] {
            page.store(field, 0);
        }
        // What an attempt that failed has made is in the way of this one.
        self.index.reclaim(&mut writer.queue);
        self.log.ensure_table()?;
        let prepared = self.log.make(self.first_segment(), Pace::Slow)?;
        if let Err(error) = self.index.create(self.first_depth(), guard) {
            self.log.discard(prepared);
            self.index.discard(&mut writer.queue);
            return Err(error);
        }
        self.join(writer, prepared, guard)?;
        page.store(head::SUM, 0);
        page.store(head::WRITTEN, 1);
        // A map with room for all that is to come makes no file on the way, the next index file included.
        if self.reserved_entries() > 0 { self.index.make_ahead() } else { Ok(()) }
    }

    /// Makes sure that the tail has room for a record. On a full disk a delete or a compaction may be given a part of the
    /// spare.
    #[inline]
    pub(super) fn make_room(
        &self,
        writer: &mut Writer,
        length: usize,
        purpose: Purpose,
        guard: &Guard,
    ) -> Result<Room> {
        if (self.tail().offset() + length) as u64 <= writer.tail_size {
            return Ok(Room::There);
        }
        self.grow(writer, length, purpose, guard)
    }

    #[cold]
    fn grow(&self, writer: &mut Writer, length: usize, purpose: Purpose, guard: &Guard) -> Result<Room> {
        if purpose == Purpose::Put && self.over_bound(writer) {
            self.compact_briefly(writer, guard)?;
        }
        let live = self.page().load(head::LIVE);
        let least = (FIRST_RECORD + length) as u64;
        if let Some(prepared) = self.log.take_prepared(least) {
            self.join(writer, prepared, guard)?;
            return Ok(Room::Made);
        }
        self.medium.waits.fetch_add(1, Ordering::Relaxed);
        let made = match self.log.make(self.log.next_size(live, length), self.pace()) {
            // On a disk that is nearly full a small segment may still fit.
            Err(error) if error.code() == Code::NoSpace => {
                self.log.make(self.log.next_size(0, length), Pace::Slow).map_err(|_| error)
            }
            made => made,
        };
        match made {
            Ok(prepared) => {
                // One that the background made meanwhile has another id: ids join in their order, so it goes.
                self.log.drop_prepared();
                self.join(writer, prepared, guard)?;
                Ok(Room::Made)
            }
            Err(error) if error.code() == Code::NoSpace && purpose != Purpose::Put => {
                self.borrow_spare(writer, purpose, error, guard)
            }
            Err(error) if error.code() == Code::NoSpace => {
                self.medium.pressed.store(true, Ordering::Release);
                self.medium.want_background();
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The spare, cut to the size of the segment with most dead bytes: what lives in that one fits, with what is to come.
    fn borrow_spare(&self, writer: &mut Writer, purpose: Purpose, full: Error, guard: &Guard) -> Result<Room> {
        let mut best = None;
        for &index in &writer.chain {
            let size = self.log.segment(index, guard)?.size();
            let mut dead = size.saturating_sub(self.log.live(index, guard)? + self.log.marks(index, guard)?);
            if let Purpose::Delete { segment, length } = purpose
                && segment == index
            {
                dead += length;
            }
            if !writer.damaged.contains(&index) && best.is_none_or(|(most, _, _)| dead > most) {
                best = Some((dead, index, size));
            }
        }
        let Some((dead, victim, size)) = best else { return Err(full) };
        if dead == 0 {
            return Err(full);
        }
        let Some(prepared) = self.log.take_spare(size)? else { return Err(full) };
        self.log.drop_prepared();
        self.join(writer, prepared, guard)?;
        Ok(Room::Lent { victim })
    }

    /// Puts a segment at the end of the chain: pad, header, table entry, tail.
    pub(super) fn join(&self, writer: &mut Writer, prepared: Prepared, guard: &Guard) -> Result<()> {
        self.join_after(writer, prepared, true, guard)
    }

    /// Without `seal` the segment before keeps its bytes behind the end: after a rebuild nobody knows what they are.
    pub(super) fn join_after(&self, writer: &mut Writer, prepared: Prepared, seal: bool, guard: &Guard) -> Result<()> {
        let index = writer.free.pop().unwrap_or(writer.high);
        if index == writer.high {
            if let Err(error) = self.log.ensure_entry(index) {
                self.log.discard(prepared);
                return Err(error);
            }
            writer.high += 1;
        }
        let (size, filled) = (prepared.region.len() as u64, prepared.filled);
        debug_assert!(
            writer
                .chain
                .last()
                .is_none_or(|&last| { self.log.entry(last, guard).is_ok_and(|entry| entry.id < prepared.id) })
        );
        let segment = Segment::new(prepared.id, index, LogRegion::new(prepared.region, FIRST_RECORD), true, 0);
        self.log.publish(segment);
        let old_tail = self.page().load(head::TAIL);
        let predecessor = match old_tail {
            0 => 0,
            tail => self.log.entry(RecordRef(tail).segment(), guard)?.id.0,
        };
        let intent = SegmentIntent {
            index: index as u64,
            id: prepared.id.0,
            size,
            old_tail: if seal { old_tail } else { 0 },
            predecessor,
            tail: RecordRef::new(index, FIRST_RECORD).0,
        };
        if holds(Rule::Intent) {
            self.page().write_intent(&intent.encode(Operation::Segment));
        }
        self.finish_join(&intent, guard).inspect_err(|_| self.poison())?;
        self.meter.seal(if old_tail == 0 { 0 } else { writer.tail_size });
        writer.chain.push(index);
        writer.log_bytes += size;
        writer.largest = writer.largest.max(size);
        writer.unsynced.insert(index);
        writer.tail_size = size;
        writer.lagging = self.lags(writer);
        writer.asked_ahead = false;
        self.prefaulted.store(if filled as u64 == size { usize::MAX } else { filled }, Ordering::Relaxed);
        // The table's next file is made ahead, so that it is not what a delete on a full disk lacks.
        let _ = self.log.ensure_entry(writer.high);
        Ok(())
    }

    /// The part that a fix-up repeats.
    pub(super) fn finish_join(&self, intent: &SegmentIntent, guard: &Guard) -> Result<()> {
        let old = RecordRef(intent.old_tail);
        if intent.old_tail != 0 {
            let sealed = self.log.segment(old.segment(), guard)?;
            let rest = sealed.log.len().saturating_sub(old.offset());
            // A gap shorter than a header says by itself that nothing follows.
            if rest >= HEADER && sealed.log.published() <= old.offset() {
                let pad = Header::pad(rest).encode(sealed.id, old.offset(), &self.medium.keys);
                sealed.log.write(old.offset(), &pad);
                sealed.log.publish(sealed.log.len());
            }
            self.log.set_end(old.segment(), sealed.size(), guard)?;
        }
        let index = intent.index as usize;
        self.log.list(index, SegmentId(intent.id), intent.size, FIRST_RECORD as u64, guard)?;
        self.log.link(self.log.segment(index, guard)?, intent.predecessor);
        self.page().store(head::TAIL, intent.tail);
        self.page().clear_intent();
        Ok(())
    }

    /// Whether the tail is so full that its successor is to be made: half, or, where it was made long on purpose, but for
    /// one ordinary segment's length.
    pub(super) fn wants_successor(&self, tail: RecordRef, size: u64) -> bool {
        let used = tail.offset() as u64;
        used * 2 > size && size.saturating_sub(used) < self.log.next_size(self.page().load(head::LIVE), 0)
    }

    /// How fast the shard's log is written.
    pub(super) fn pace(&self) -> Pace {
        self.meter.pace(self.tail().offset())
    }

    pub(super) fn wants_prefault(&self, tail: RecordRef) -> bool {
        let done = self.prefaulted.load(Ordering::Relaxed);
        tail.offset() + PREFAULT / 2 > done && done != usize::MAX
    }

    /// The end of a `compact()`: a successor that was made for another tail is given up.
    pub fn fit_successor(&self) -> Result<()> {
        if !self.is_written() {
            return Ok(());
        }
        let guard = crate::mem::enter();
        let tail = self.tail();
        if !self.wants_successor(tail, self.log.segment(tail.segment(), &guard)?.size()) {
            self.log.drop_prepared();
        }
        Ok(())
    }

    /// The background's part: the next segment, the next index file, the next pages of the tail.
    pub fn make_ahead(&self) -> Result<()> {
        if !self.is_written() {
            return Ok(());
        }
        let guard = crate::mem::enter();
        let tail = self.tail();
        let segment = self.log.segment(tail.segment(), &guard)?;
        if self.wants_prefault(tail) {
            let from = self.prefaulted.load(Ordering::Relaxed).max(tail.offset());
            let to = tail.offset() + PREFAULT;
            segment.log.prefault(from & !4095, to - (from & !4095));
            // Nothing is left to bring in: the mark of the next tail starts over.
            let mark = if to >= segment.log.len() { usize::MAX } else { to };
            self.prefaulted.store(mark, Ordering::Relaxed);
        }
        if self.wants_successor(tail, segment.size()) {
            self.log.make_ahead(self.page().load(head::LIVE), self.pace())?;
        }
        self.index.make_ahead()
    }
}
