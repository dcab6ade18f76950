//! Entering a log's records into an empty index: in groups, whose cache misses overlap, and on several threads.

use super::Shard;
use crate::durability::report::RebuildProgress;
use crate::index::{Place, Probe, Queue};
use crate::layout::head;
use crate::layout::record::{HEADER, Type};
use crate::layout::segment::{FIRST_RECORD, RecordRef};
use crate::layout::table::{EMPTY, FULL};
use crate::log::{Record, Segment, extent};
use crate::mem::{Guard, enter};
use crate::parallel;
use crate::{Error, Result};
use parking_lot::{Mutex, RwLock};

/// While an index is made, a slot may name a tombstone; this bit of its reference says so. No segment is long enough for
/// an offset that has it.
const BURIED: u64 = 1 << 39;
/// So many misses overlap.
const GROUP: usize = 32;
/// Locks for the tables; more than there are threads.
const STRIPES: usize = 128;

/// Of a key the highest sequence number wins; equal numbers are copies of one record, and the later one stays because the
/// earlier is about to go. That does not depend on the order in which records are entered, so any thread may enter any
/// segment.
struct Entering<'a> {
    shard: &'a Shard,
    /// By index of the segment table: the segment's place in the chain.
    order: Vec<usize>,
    cleared: u64,
    /// Held for reading while records are entered, and alone while a table is split.
    queue: RwLock<&'a mut Queue>,
    /// By table; none where one thread does it all.
    tables: Vec<Mutex<()>>,
    progress: &'a RebuildProgress,
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
        progress: &RebuildProgress,
        guard: &Guard,
    ) -> Result<()> {
        let segments = chain.iter().max().map_or(0, |last| last + 1);
        let mut order = vec![0; segments];
        for (place, &index) in chain.iter().enumerate() {
            order[index] = place;
        }
        let threads = threads.min(chain.len());
        let tables = (0..if threads > 1 { STRIPES } else { 0 }).map(|_| Mutex::new(())).collect();
        let entering = Entering { shard: self, order, cleared, queue: RwLock::new(queue), tables, progress };
        // A share of the chain for each thread, so that there are as many tallies as threads and not as segments.
        let shares: Vec<usize> = (0..threads).collect();
        let next = Mutex::new(chain.iter());
        let tallies = parallel::map(threads, &shares, |_, _| {
            let mut tally = Tally::new(segments);
            let take = || next.lock().next().copied();
            while let Some(index) = take() {
                entering.enter_segment(index, &mut tally)?;
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

    /// The extents that live records name must be whole; their bytes.
    fn verify_extents(&self, places: &[RecordRef], threads: usize) -> Result<u64> {
        let lengths = parallel::map(threads, places, |_, &place| {
            let guard = enter();
            let record = self.log.record(place, &guard)?;
            let hash = self.medium.keys.hash(record.key());
            let wins = self
                .probe(hash, record.key(), &guard)?
                .is_some_and(|(_, _, found)| found.is_some_and(|found| found.place == place));
            let Some(descriptor) = record.extent().filter(|_| wins) else { return Ok(0) };
            if extent::verifies(&self.medium, self.number, &descriptor)? {
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
            for slot in 0..crate::layout::table::SLOT_COUNT {
                let (hash, record) = table.slot(slot);
                if hash > crate::layout::table::TOMBSTONE && record & BURIED != 0 {
                    table.bury_slot(slot);
                    live -= 1;
                }
            }
            table.set_used_live(u64::from(table.used()) << 32 | u64::from(live));
        })
    }
}

impl Entering<'_> {
    fn enter_segment(&self, index: usize, tally: &mut Tally) -> Result<()> {
        let guard = enter();
        let segment = self.shard.log.segment(index, &guard)?;
        let end = segment.log.published();
        let mut group = Vec::with_capacity(GROUP);
        let (mut at, mut told) = (FIRST_RECORD, FIRST_RECORD);
        while end.saturating_sub(at) >= HEADER {
            let Some(record) = segment.raw(at, self.shard.align()) else { return Err(segment.damage(at)) };
            at += record.len();
            match record.header.kind {
                Type::Pad => continue,
                Type::Tombstone | Type::Clear => tally.marks[index] += record.len() as u64,
                Type::Put => {}
                Type::PutExtent => tally.extents.push(record.place),
            }
            if record.header.kind != Type::Clear && record.header.seq > self.cleared {
                group.push((self.shard.medium.keys.hash(record.key()), record));
                if group.len() == GROUP {
                    self.enter_group(&group, tally, &guard)?;
                    group.clear();
                    self.progress.passed((at - told) as u64);
                    told = at;
                }
            }
        }
        self.enter_group(&group, tally, &guard)?;
        self.progress.passed((end - told) as u64);
        Ok(())
    }

    fn enter_group(&self, mut group: &[(u64, Record<'_>)], tally: &mut Tally, guard: &Guard) -> Result<()> {
        while !group.is_empty() {
            let full = {
                let _queue = self.queue.read();
                let mut places = [const { None }; GROUP];
                for (place, &(hash, _)) in places.iter_mut().zip(group) {
                    let found = self.shard.index.resolve(hash, guard)?;
                    let found = found.ok_or_else(|| self.shard.damage("the new index has no directory"))?;
                    found.table.prefetch(hash, true);
                    *place = Some(found);
                }
                let mut full = false;
                for place in places.iter().flatten() {
                    let (hash, record) = &group[0];
                    if !self.enter_record(place, *hash, record, tally, guard)? {
                        full = true;
                        break;
                    }
                    group = &group[1..];
                }
                full
            };
            if full {
                self.split(group[0].0, guard)?;
            }
        }
        Ok(())
    }

    /// `false`: the table is full.
    fn enter_record(
        &self,
        place: &Place<'_>,
        hash: u64,
        record: &Record<'_>,
        tally: &mut Tally,
        guard: &Guard,
    ) -> Result<bool> {
        let _alone = self.tables.get(place.reference.number % STRIPES).map(Mutex::lock);
        let is_put = record.header.kind.is_put();
        let word = if is_put { record.place.0 } else { record.place.0 | BURIED };
        let mut before = None;
        let probe = place.table.probe(hash, |found| {
            let found = RecordRef(found & !BURIED);
            let segment: &Segment = self.shard.log.segment(found.segment(), guard)?;
            let other = segment.raw(found.offset(), self.shard.align());
            let other = other.ok_or_else(|| segment.damage(found.offset()))?;
            let same = other.key() == record.key();
            if same {
                before = Some(other);
            }
            Ok::<_, Error>(same)
        })?;
        match (probe, before) {
            (Probe::Live { slot, .. }, Some(other)) => {
                if self.rank(record) < self.rank(&other) {
                    return Ok(true);
                }
                place.table.set_slot(slot, hash, word);
                tally.count(&other, -1);
            }
            (Probe::Vacant { slot: Some(slot), hash: EMPTY }, _) if place.table.used() < FULL => {
                place.table.set_slot(slot, hash, word);
                let (used, live) = (u64::from(place.table.used()) + 1, u64::from(place.table.live()) + 1);
                place.table.set_used_live(used << 32 | live);
            }
            _ => return Ok(false),
        }
        tally.count(record, 1);
        Ok(true)
    }

    fn rank(&self, record: &Record<'_>) -> (u64, usize, usize) {
        (record.header.seq, self.order[record.place.segment()], record.place.offset())
    }

    /// Replaces the hash's table, unless another thread has done so.
    fn split(&self, hash: u64, guard: &Guard) -> Result<()> {
        let mut queue = self.queue.write();
        let Some(place) = self.shard.index.resolve(hash, guard)? else {
            return Err(self.shard.damage("the new index has no directory"));
        };
        if place.table.used() >= FULL {
            self.shard.index.rewrite(&place, &mut queue, guard)?;
            // No reader believes what it finds before the rebuild is over, so its tables can be used again at once.
            queue.forget_tables();
        }
        Ok(())
    }
}
