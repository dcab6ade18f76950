//! Compaction: live records move from the emptiest segment to the tail, in short steps under the lock.

use super::append::Parts;
use super::room::{Purpose, Room};
use super::{Effort, Locked, Shard, Victim, Writer};
use crate::events::{Doing, Event};
use crate::index::Probe;
use crate::layout::head;
use crate::layout::intent::{Operation, RecordIntent, slot_word};
use crate::layout::record::{HEADER, Type};
use crate::layout::segment::{RecordRef, State};
use crate::log::{Record, Segment};
use crate::mem::{Guard, enter, guarded, trace};
use crate::rules::{Rule, holds};
use crate::{Code, Result};
use std::time::{Duration, Instant};

/// A step holds the lock no longer than this, and ends sooner when a call waits for the lock.
const STEP: Duration = Duration::from_micros(50);
/// Records between two looks at the clock.
const BATCH: usize = 16;
/// Changes between two helpings of a writer, a batch each: it looks at twice as many records as it writes. The emptiest
/// segments are half dead at least where the log is above its bound, so that it frees what it takes.
const HELP: u32 = BATCH as u32 / 2;

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing is left to do.
    Idle,
    /// There is more.
    Working,
    /// What was emptied is to be freed now: by a checkpoint.
    Checkpoint,
}

impl Shard {
    /// One step. The background calls it until it is idle.
    pub fn compact(&self, effort: Effort) -> Result<Progress> {
        if !self.is_written() || self.medium.check_writable().is_err() {
            return Ok(Progress::Idle);
        }
        let guard = enter();
        let mut writer = self.lock_to_compact()?;
        self.checked(self.compact_under(&mut writer, effort, &guard))
    }

    fn compact_under(&self, writer: &mut Locked<'_>, effort: Effort, guard: &Guard) -> Result<Progress> {
        if writer.victim.is_none() {
            let tail = self.tail().0;
            // The background may come to rest in the middle of a `compact()`, which is not over then.
            let at_rest = match effort {
                Effort::Bound => writer.rested_at == tail,
                Effort::Full => writer.rested_full_at == tail,
                Effort::Erase => false,
            };
            writer.victim = if at_rest { None } else { self.choose(writer, effort, guard)? };
            if writer.victim.is_none() {
                // A round that frees nothing is not repeated until something was written.
                writer.rested_at = tail;
                if effort == Effort::Full {
                    writer.rested_full_at = tail;
                }
                let nothing = writer.emptied.is_empty() && !self.extents_over_bound(writer);
                return Ok(if nothing { Progress::Idle } else { Progress::Checkpoint });
            }
        }
        match self.work(writer, STEP, guard) {
            Ok(()) => {}
            Err(error) if error.code() == Code::NoSpace => {
                writer.victim = None;
                writer.rested_at = self.tail().0;
                return if writer.emptied.is_empty() { Err(error) } else { Ok(Progress::Checkpoint) };
            }
            // A damaged index is mended from the log; what is to be moved is looked for again.
            Err(error) if error.is_of_index() => {
                writer.victim = None;
                self.rebuild_locked(writer, guard)?;
            }
            Err(error) => return Err(error),
        }
        let held: u64 = self.emptied_bytes(writer, guard)?;
        let much = held > (self.page().load(head::LIVE) / 2).max(2 * writer.largest);
        Ok(if much { Progress::Checkpoint } else { Progress::Working })
    }

    /// A change of a log that lags pays for itself, a little at a time: else writers that leave the background no processor
    /// would make the log grow without end.
    #[cold]
    pub(super) fn help(&self, writer: &mut Writer, guard: &Guard) {
        writer.owed += 1;
        if writer.owed < HELP {
            return;
        }
        writer.owed = 0;
        // What is wrong is met by whoever needs it.
        let chosen = self.choose_for_bound(writer, guard);
        let _ = chosen.and_then(|()| self.work_within(writer, Duration::ZERO, false, guard));
    }

    /// A put that is about to open a segment above the bound helps first.
    pub(super) fn compact_briefly(&self, writer: &mut Writer, guard: &Guard) -> Result<()> {
        self.choose_for_bound(writer, guard)?;
        // Only into the room that is there: opening segments is what the caller is about to do.
        let tail = self.tail();
        let room = self.log.segment(tail.segment(), guard)?.log.len() - tail.offset();
        if writer.victim.is_some() && room > 2 * HEADER {
            match self.work_within(writer, STEP, false, guard) {
                // The put that asks has nothing to do with it; the background meets it again.
                Err(error) if error.code() == Code::NoSpace || error.is_of_index() => {}
                worked => return worked,
            }
        }
        Ok(())
    }

    fn work(&self, writer: &mut Writer, time: Duration, guard: &Guard) -> Result<()> {
        self.work_within(writer, time, true, guard)
    }

    fn work_within(&self, writer: &mut Writer, time: Duration, may_grow: bool, guard: &Guard) -> Result<()> {
        let started = Instant::now();
        loop {
            self.fetch_slots(writer, guard);
            for _ in 0..BATCH {
                let Some(victim) = writer.victim else { return Ok(()) };
                self.empty_one(writer, victim, may_grow, guard)?;
                // A writer that helps goes on: its debt would else stay.
                if time > Duration::ZERO && self.is_waited_for() {
                    return Ok(());
                }
            }
            // A trace is to be the same whatever the clock says.
            if started.elapsed() >= time || trace::is_on() {
                return Ok(());
            }
        }
    }

    /// Empties a victim to its end, for a segment that was cut from the spare for it.
    pub(super) fn empty_whole(&self, writer: &mut Writer, index: usize, guard: &Guard) -> Result<()> {
        writer.victim = Some(Victim::new(index, &self.medium));
        while let Some(victim) = writer.victim.filter(|victim| victim.index == index) {
            self.empty_one(writer, victim, false, guard)?;
        }
        Ok(())
    }

    /// Has the processor fetch the slots of the victim's next records, all of them before the first is looked at. What is
    /// wrong is met by whoever empties the record.
    fn fetch_slots(&self, writer: &Writer, guard: &Guard) {
        let Some(victim) = writer.victim else { return };
        let Ok(segment) = self.log.segment(victim.index, guard) else { return };
        let mut offset = victim.offset;
        for _ in 0..BATCH {
            let Some(record) = segment.raw(offset, self.align()) else { return };
            if record.header.kind != Type::Pad {
                self.look_ahead(self.medium.keys.hash(record.key()), true, guard);
            }
            offset += record.len();
        }
    }

    /// Moves or drops the victim's next record.
    fn empty_one(&self, writer: &mut Writer, victim: Victim, may_grow: bool, guard: &Guard) -> Result<()> {
        let segment = self.log.segment(victim.index, guard)?;
        if self.tail().segment() == victim.index {
            // The tail is sealed like any other: what follows goes to a new one.
            let next = self.log.make(self.log.next_size(self.page().load(head::LIVE), 0), self.pace())?;
            self.log.drop_prepared();
            return self.join(writer, next, guard);
        }
        let end = self.log.entry(victim.index, guard)?.end.min(segment.size()) as usize;
        if victim.offset + HEADER > end {
            return self.retire_victim(writer, victim, guard);
        }
        let Some(record) = segment.headed(victim.offset, self.align(), &self.medium.keys) else {
            self.leave_damaged(writer, victim, segment);
            return Ok(());
        };
        self.empty_record(writer, victim, &record, may_grow, guard)?;
        if let Some(current) = &mut writer.victim
            && current.index == victim.index
        {
            current.offset = victim.offset + record.len();
        }
        Ok(())
    }

    fn empty_record(
        &self,
        writer: &mut Writer,
        victim: Victim,
        record: &Record<'_>,
        may_grow: bool,
        guard: &Guard,
    ) -> Result<()> {
        let hash = match record.header.kind {
            Type::Pad => return Ok(()),
            Type::Clear => 0,
            _ => self.medium.keys.hash(record.key()),
        };
        let live = match record.header.kind {
            Type::Put | Type::PutExtent => self.slot_of(hash, record, guard)?,
            // A tombstone or clear is needed while an older segment may hold what it covers.
            _ if writer.chain.first() == Some(&victim.index) || !holds(Rule::KeepTombstones) => None,
            Type::Tombstone if self.probe(hash, record.key(), guard)?.is_some_and(|(_, _, found)| found.is_some()) => {
                None
            }
            _ => Some((0, 0)),
        };
        let Some((slot, used_live)) = live else { return Ok(()) };
        if holds(Rule::KeepBodySum) && !record.body_verifies(&self.medium.keys) {
            self.leave_damaged(writer, victim, self.log.segment(victim.index, guard)?);
            return Ok(());
        }
        let length = record.len();
        let tail = self.tail();
        let room = self.log.segment(tail.segment(), guard)?.log.len() - tail.offset();
        if room < length {
            if !may_grow {
                return Err(crate::Error::new(Code::NoSpace, "The log has no room for compaction. Free some space."));
            }
            if let Room::Lent { victim: other } = self.make_room(writer, length, Purpose::Compaction, guard)? {
                self.empty_whole(writer, other, guard)?;
                writer.victim = None;
                return Ok(());
            }
        }
        let is_put = record.header.kind.is_put();
        let tail = self.tail();
        let page = self.page();
        let gained = length as u64;
        let tag = self.index.tag(hash).word();
        let intent = RecordIntent {
            record: tail.0,
            length: gained,
            slot,
            tag,
            old_tag: tag,
            old_record: record.place.0,
            entries: page.load(head::ENTRIES),
            // The sequence number stays: of two equal ones either will do, and the highest wins.
            seq: page.load(head::SEQ),
            live: page.load(head::LIVE),
            tail: RecordRef::new(tail.segment(), tail.offset() + length).0,
            used_live,
            new_segment_live: self.log.live(tail.segment(), guard)? + if is_put { gained } else { 0 },
            new_segment_marks: self.log.marks(tail.segment(), guard)? + if is_put { 0 } else { gained },
            old_segment_live: self.log.live(victim.index, guard)?.saturating_sub(if is_put { gained } else { 0 }),
            extents: page.load(head::EXTENTS),
        };
        let operation = if is_put { Operation::Move } else { Operation::MoveMark };
        let mut header = record.header;
        if !holds(Rule::KeepBodySum) {
            header.body_sum = self.medium.keys.body_sum(record.key(), record.value());
        }
        let parts = Parts { header, key: record.key(), value: record.value() };
        self.append(writer, operation, &intent, parts, guard)?;
        if let Some(victim) = &mut writer.victim {
            victim.moved += gained;
        }
        Ok(())
    }

    /// Damage stays where it is: whoever reads it is told too.
    fn leave_damaged(&self, writer: &mut Writer, victim: Victim, segment: &Segment) {
        writer.damaged.insert(victim.index);
        writer.victim = None;
        self.medium.listeners.fail(Doing::Compaction, &segment.damage(victim.offset), false);
    }

    /// The slot that names exactly this record, and its table's counts.
    fn slot_of(&self, hash: u64, record: &Record<'_>, guard: &Guard) -> Result<Option<(u64, u64)>> {
        let Some(place) = self.index.resolve(hash, guard)? else { return Ok(None) };
        let probe = place.table.probe(self.index.tag(hash), |found| Ok::<_, crate::Error>(found == record.place.0))?;
        let Probe::Live { slot, .. } = probe else { return Ok(None) };
        let used_live = u64::from(place.table.used()) << 32 | u64::from(place.table.live());
        Ok(Some((slot_word(place.reference.word(), slot), used_live)))
    }

    /// Nothing that lives is left in the victim.
    fn retire_victim(&self, writer: &mut Writer, victim: Victim, guard: &Guard) -> Result<()> {
        let bytes = self.log.segment(victim.index, guard)?.size();
        self.log.set_state(victim.index, State::Emptied, guard)?;
        writer.victim = None;
        writer.chain.retain(|&index| index != victim.index);
        writer.emptied.push(victim.index);
        self.recount(writer, guard)?;
        writer.changed = true;
        let (shard, moved) = (self.number, victim.moved);
        self.medium.listeners.tell(victim.began, |duration| Event::Compaction { shard, duration, bytes, moved });
        Ok(())
    }

    /// Sums over the chain, after it lost a segment.
    pub(super) fn recount(&self, writer: &mut Writer, guard: &Guard) -> Result<()> {
        (writer.log_bytes, writer.largest, writer.marks) = (0, 0, 0);
        for &index in &writer.chain {
            let entry = self.log.entry(index, guard)?;
            writer.log_bytes += entry.size;
            writer.largest = writer.largest.max(entry.size);
            writer.marks += entry.marks;
        }
        writer.lagging = self.lags(writer);
        Ok(())
    }

    pub(super) fn emptied_bytes(&self, writer: &Writer, guard: &Guard) -> Result<u64> {
        let mut bytes = 0;
        for &index in &writer.emptied {
            bytes += self.log.entry(index, guard)?.size;
        }
        Ok(bytes)
    }

    /// `compact()`: also what a finished round had given up on.
    pub fn forget_rest(&self) -> Result<()> {
        if !self.is_written() {
            return Ok(());
        }
        let mut writer = self.lock()?;
        (writer.rested_at, writer.rested_full_at) = (0, 0);
        if let Some(&last) = writer.chain.last() {
            writer.round_end = guarded(|guard| self.log.entry(last, guard).map(|entry| entry.id))?;
        }
        Ok(())
    }

    /// Joins sibling tables and moves the index to smaller files if that pays.
    pub fn shrink_index(&self) -> Result<()> {
        if !self.is_written() {
            return Ok(());
        }
        let guard = enter();
        let mut writer = self.lock_for_write()?;
        match self.index.shrink(&mut writer.queue, &guard) {
            // Half a smaller index is no index: what was made goes with the next open's pass.
            Err(error) if error.code() == Code::NoSpace => Ok(()),
            shrunk => shrunk.map(drop),
        }
    }
}
