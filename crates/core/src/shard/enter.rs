//! Entering a log's records into an empty index: in groups, whose cache misses overlap, and on several threads.

use super::{REBUILDING, Shard};
use crate::durability::report::Passes;
use crate::index::{Place, Probe, Queue};
use crate::layout::directory::entry_of;
use crate::layout::extent::VALUE_AT;
use crate::layout::record::{HEADER, Type};
use crate::layout::segment::{FIRST_RECORD, RecordRef};
use crate::layout::table::{FULL, SLOT_COUNT, Tag};
use crate::layout::{head, names};
use crate::log::{Record, extent};
use crate::mem::{Guard, enter};
use crate::parallel;
use crate::{Error, Result};
use parking_lot::{Mutex, RwLock};
use std::sync::atomic::Ordering;

/// While an index is made, a slot may name a tombstone; this bit of its reference says so. No segment is long enough for
/// an offset that has it.
const BURIED: u64 = 1 << 39;
/// Records of one part that are entered together: their misses overlap, and the pages of few tables are all they touch.
const GROUP: usize = 64;
/// The index is entered in at most 2 to the power of this many parts. A thread holds a group of 16 bytes a record for each.
const MOST_PARTS: u32 = 12;

/// Of a key the highest sequence number wins; equal numbers are copies of one record, and the later one stays because the
/// earlier is about to go. That does not depend on the order in which records are entered, so any thread may enter any
/// segment, and in any order.
struct Entering<'a> {
    shard: &'a Shard,
    /// By index of the segment table: the segment's place in the chain.
    order: Vec<usize>,
    cleared: u64,
    /// Held for reading while records are entered, and alone while a table is split.
    queue: RwLock<&'a mut Queue>,
    /// A lock for each part of the index: the tables whose prefixes share their first `bits` bits. No table is in two, for
    /// the index starts with tables of this depth.
    parts: Vec<Mutex<()>>,
    bits: u32,
    progress: &'a Passes,
}

/// What a thread has read and not entered yet: for each part a group of hashes and slot words.
struct Waiting {
    groups: Vec<(u64, u64)>,
    lengths: Vec<usize>,
}

impl Waiting {
    fn new(parts: usize) -> Waiting {
        Waiting { groups: vec![(0, 0); parts * GROUP], lengths: vec![0; parts] }
    }

    /// Whether the part's group is full with it.
    fn push(&mut self, part: usize, hash: u64, word: u64) -> bool {
        let length = &mut self.lengths[part];
        self.groups[part * GROUP + *length] = (hash, word);
        *length += 1;
        *length == GROUP
    }

    fn take(&mut self, part: usize) -> &[(u64, u64)] {
        let length = std::mem::take(&mut self.lengths[part]);
        &self.groups[part * GROUP..][..length]
    }
}

/// What the records of some segments come to. Signed, because one thread may enter a record and another replace it.
#[derive(Debug, Default)]
struct Tally {
    entries: i64,
    buried: i64,
    live: Vec<i64>,
    marks: Vec<u64>,
    /// Records that name an extent.
    extents: Vec<RecordRef>,
}

impl Tally {
    fn new(segments: usize) -> Tally {
        Tally { live: vec![0; segments], marks: vec![0; segments], ..Tally::default() }
    }

    fn add(mut self, other: Tally) -> Tally {
        self.entries += other.entries;
        self.buried += other.buried;
        self.live.iter_mut().zip(other.live).for_each(|(live, more)| *live += more);
        self.marks.iter_mut().zip(other.marks).for_each(|(marks, more)| *marks += more);
        self.extents.extend(other.extents);
        self
    }

    /// A slot names this record now (`by` 1), or no longer (-1).
    fn count(&mut self, record: &Record<'_>, by: i64) {
        if record.header.kind.is_put() {
            self.entries += by;
            self.live[record.place.segment()] += by * record.len() as i64;
        } else {
            self.buried += by;
        }
    }
}

impl Shard {
    /// Enters the records of these segments, which were verified, into an empty index, and counts what lives.
    pub(super) fn fill_index(
        &self,
        queue: &mut Queue,
        chain: &[usize],
        cleared: u64,
        threads: usize,
        progress: &Passes,
        guard: &Guard,
    ) -> Result<()> {
        let segments = chain.iter().max().map_or(0, |last| last + 1);
        let mut order = vec![0; segments];
        for (place, &index) in chain.iter().enumerate() {
            order[index] = place;
        }
        let threads = threads.min(chain.len());
        let bits = self.index.root().map_or(0, |root| root.depth().min(MOST_PARTS));
        let parts = (0..1 << bits).map(|_| Mutex::new(())).collect();
        let entering = Entering { shard: self, order, cleared, queue: RwLock::new(queue), parts, bits, progress };
        let next = Mutex::new(chain.iter());
        let tallies = parallel::map(threads, &vec![(); threads], |_, ()| {
            let guard = enter();
            let (mut tally, mut waiting) = (Tally::new(segments), Waiting::new(1 << bits));
            let take = || next.lock().next().copied();
            while let Some(index) = take() {
                entering.enter_segment(index, &mut tally, &mut waiting, &guard)?;
            }
            for part in 0..1 << bits {
                entering.enter_group(part, waiting.take(part), &mut tally, &guard)?;
            }
            Ok::<_, Error>(tally)
        });
        let mut tally = Tally::new(segments);
        for part in tallies {
            tally = tally.add(part?);
        }
        if tally.buried > 0 {
            self.drop_buried(guard)?;
        }
        let extent_bytes = self.verify_extents(&tally.extents, threads)?;
        for &index in chain {
            self.log.set_live(index, tally.live[index].max(0) as u64, guard)?;
            self.log.set_marks(index, tally.marks[index], guard)?;
        }
        let page = self.page();
        let entries = tally.entries.max(0) as u64;
        page.store(head::ENTRIES, entries);
        page.store(head::LIVE, tally.live.iter().sum::<i64>().max(0) as u64);
        page.store(head::EXTENTS, extent_bytes);
        page.store(head::PEAK, page.load(head::PEAK).max(entries));
        Ok(())
    }

    /// The extents that live records name must be whole; their bytes. Where an index is made anew in place the old one is gone
    /// by now: whoever reads the extent is told of it, and all other keys are served.
    fn verify_extents(&self, places: &[RecordRef], threads: usize) -> Result<u64> {
        // Acquire: the state was stored by this thread or by the one that started it.
        let in_place = self.state.load(Ordering::Acquire) == REBUILDING;
        let lengths = parallel::map(threads, places, |_, &place| {
            let guard = enter();
            let record = self.log.record(place, &guard)?;
            let hash = self.medium.keys.hash(record.key());
            let wins = self
                .probe(hash, record.key(), &guard)?
                .is_some_and(|(_, _, found)| found.is_some_and(|found| found.place == place));
            let Some(descriptor) = record.extent().filter(|_| wins) else { return Ok(0) };
            if in_place || extent::verifies(&self.medium, self.number, &descriptor)? {
                return Ok(descriptor.len);
            }
            let name = names::extent(self.number, descriptor.id);
            if self.tolerates(name, VALUE_AT, record.key()) {
                return Ok(descriptor.len);
            }
            Err(Error::corrupt(format_args!(
                "the extent of a record at offset {} of shard {} does not verify",
                place.offset(),
                self.number
            )))
        });
        lengths.into_iter().sum()
    }

    /// Slots that name a tombstone have done their work.
    fn drop_buried(&self, guard: &Guard) -> Result<()> {
        self.index.each_table(guard, |table| {
            let mut live = table.live();
            for slot in 0..SLOT_COUNT {
                let (tag, record) = table.slot(slot);
                if tag.is_entry() && record & BURIED != 0 {
                    table.bury_slot(slot);
                    live -= 1;
                }
            }
            table.set_used_live(u64::from(table.used()) << 32 | u64::from(live));
        })
    }
}

impl Entering<'_> {
    fn enter_segment(&self, index: usize, tally: &mut Tally, waiting: &mut Waiting, guard: &Guard) -> Result<()> {
        let segment = self.shard.log.segment(index, guard)?;
        let end = segment.log.published();
        let (mut at, mut told) = (FIRST_RECORD, FIRST_RECORD);
        while end.saturating_sub(at) >= HEADER {
            let Some(record) = segment.raw(at, self.shard.align()) else { return Err(segment.damage(at)) };
            at += record.len();
            let is_put = record.header.kind.is_put();
            match record.header.kind {
                Type::Pad => continue,
                Type::Tombstone | Type::Clear => tally.marks[index] += record.len() as u64,
                Type::Put => {}
                Type::PutExtent => tally.extents.push(record.place),
            }
            if record.header.kind == Type::Clear || record.header.seq <= self.cleared {
                continue;
            }
            let hash = self.shard.medium.keys.hash(record.key());
            // Counted as if it won; who loses is subtracted.
            tally.count(&record, 1);
            let part = self.part(hash);
            if waiting.push(part, hash, if is_put { record.place.0 } else { record.place.0 | BURIED }) {
                self.enter_group(part, waiting.take(part), tally, guard)?;
                self.progress.passed((at - told) as u64)?;
                told = at;
            }
        }
        self.progress.passed((end - told) as u64)?;
        Ok(())
    }

    fn part(&self, hash: u64) -> usize {
        entry_of(self.shard.index.prefix(hash), self.bits)
    }

    fn enter_group(&self, part: usize, mut group: &[(u64, u64)], tally: &mut Tally, guard: &Guard) -> Result<()> {
        let _part = self.parts[part].lock();
        while let [(first, _), ..] = group {
            let entered = self.enter_until_full(group, tally, guard)?;
            if entered == 0 {
                self.split(*first, guard)?;
            }
            group = &group[entered..];
        }
        Ok(())
    }

    /// How many of the group were entered before a table was full.
    fn enter_until_full(&self, group: &[(u64, u64)], tally: &mut Tally, guard: &Guard) -> Result<usize> {
        let _queue = self.queue.read();
        let mut places = [const { None }; GROUP];
        for (place, &(hash, _)) in places.iter_mut().zip(group) {
            let found = self.shard.index.resolve(hash, guard)?;
            let found = found.ok_or_else(|| self.shard.damage("the new index has no directory"))?;
            found.table.prefetch(self.shard.index.tag(hash), false);
            *place = Some(found);
        }
        for (place, &(hash, word)) in places.iter().flatten().zip(group) {
            // A slot of this tag is most likely one of this key: its record is compared, and so is this one.
            if let Probe::Live { record, .. } =
                place.table.probe(self.shard.index.tag(hash), |_| Ok::<_, Error>(true))?
            {
                for word in [record, word] {
                    self.shard.log.prefetch(RecordRef(word & !BURIED), guard);
                }
            }
        }
        for (at, (place, &(hash, word))) in places.iter().flatten().zip(group).enumerate() {
            if !self.enter_record(place, hash, word, tally, guard)? {
                return Ok(at);
            }
        }
        Ok(group.len())
    }

    /// `false`: the table is full.
    fn enter_record(&self, place: &Place<'_>, hash: u64, word: u64, tally: &mut Tally, guard: &Guard) -> Result<bool> {
        let (table, tag) = (place.table, self.shard.index.tag(hash));
        let mut equal = None;
        let probe = table.probe(tag, |found| {
            let (record, other) = (self.record(word, guard)?, self.record(found, guard)?);
            let same = other.key() == record.key();
            if same {
                equal = Some((record, other));
            }
            Ok::<_, Error>(same)
        })?;
        match (probe, equal) {
            (Probe::Live { slot, .. }, Some((record, other))) => {
                if self.rank(&record) < self.rank(&other) {
                    tally.count(&record, -1);
                } else {
                    table.set_slot(slot, tag, word);
                    tally.count(&other, -1);
                }
            }
            (Probe::Vacant { slot: Some(slot), tag: Tag::EMPTY }, _) if table.used() < FULL => {
                table.set_slot(slot, tag, word);
                table.set_used_live((u64::from(table.used()) + 1) << 32 | (u64::from(table.live()) + 1));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn record<'g>(&'g self, word: u64, guard: &'g Guard) -> Result<Record<'g>> {
        let place = RecordRef(word & !BURIED);
        let segment = self.shard.log.segment(place.segment(), guard)?;
        segment.raw(place.offset(), self.shard.align()).ok_or_else(|| segment.damage(place.offset()))
    }

    fn rank(&self, record: &Record<'_>) -> (u64, usize, usize) {
        (record.header.seq, self.order[record.place.segment()], record.place.offset())
    }

    /// Replaces the hash's full table. Its part is the caller's, so no other thread enters anything there.
    fn split(&self, hash: u64, guard: &Guard) -> Result<()> {
        let mut queue = self.queue.write();
        let Some(place) = self.shard.index.resolve(hash, guard)? else {
            return Err(self.shard.damage("the new index has no directory"));
        };
        self.shard.index.rewrite(&place, &mut queue, guard)?;
        // No reader believes what it finds before the rebuild is over, so its tables can be used again at once.
        queue.forget_tables();
        Ok(())
    }
}
