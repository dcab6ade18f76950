//! Making a shard's index from its log: at open when the index cannot be trusted, and in place when a table is damaged.

use super::{Locked, OPEN, REBUILDING, Shard, Writer};
use crate::index::Probe;
use crate::layout::checkpoint::Link;
use crate::layout::head;
use crate::layout::record::{HEADER, Type};
use crate::layout::segment::{FIRST_RECORD, RecordRef, SegmentId};
use crate::layout::table::{EMPTY, FULL};
use crate::log::{Record, Segment, extent};
use crate::mem::{Guard, enter};
use crate::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

/// While an index is made, a slot may name a tombstone; this bit of its reference says so. No segment is long enough for
/// an offset that has it.
const BURIED: u64 = 1 << 39;

/// What a walk of the chain found.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The segments that are kept, and where their records end.
    pub segments: Vec<Link>,
    seq: u64,
    /// Of the last clear record.
    cleared: u64,
}

/// What a rebuild kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rebuilt {
    pub records: u64,
}

impl Shard {
    /// Walks the checkpoint's chain, every byte of which must verify, and follows it from there as long as it does.
    /// `successors`: the segments found in the directory, by the predecessor that their header names.
    pub fn plan(&self, chain: &[Link], successors: &HashMap<u64, Vec<SegmentId>>) -> Result<Plan> {
        let mut plan = Plan::default();
        let mut last = 0;
        for link in chain {
            let segment = self.log.scan(link.id, 0)?;
            if !(FIRST_RECORD as u64..=segment.size()).contains(&link.end) {
                return Err(Error::corrupt(format_args!(
                    "a segment of shard {} is not as long as the checkpoint says",
                    self.number
                )));
            }
            let end = self.walk(&segment, FIRST_RECORD, link.end as usize, &mut plan, false);
            if (end as u64) < link.end && link.end as usize - end >= HEADER {
                return Err(segment.damage(end));
            }
            plan.segments.push(Link { id: link.id, end: link.end });
            last = link.id.0;
        }
        let mut seen: HashSet<SegmentId> = chain.iter().map(|link| link.id).collect();
        if let Some(link) = plan.segments.pop() {
            let segment = self.log.scan(link.id, 0)?;
            let end = self.walk(&segment, link.end as usize, segment.log.len(), &mut plan, true);
            plan.segments.push(Link { id: link.id, end: end as u64 });
            // Past a record that fails nothing counts, in this segment or a later one.
            if segment.log.len() - end >= HEADER {
                return Ok(plan);
            }
        }
        while let Some(id) =
            successors.get(&last).and_then(|ids| ids.iter().filter(|id| !seen.contains(id)).max()).copied()
        {
            seen.insert(id);
            let Ok(segment) = self.log.scan(id, 0) else { break };
            let end = self.walk(&segment, FIRST_RECORD, segment.log.len(), &mut plan, true);
            plan.segments.push(Link { id, end: end as u64 });
            last = id.0;
            if segment.log.len() - end >= HEADER {
                break;
            }
        }
        Ok(plan)
    }

    /// Verifies records from an offset on; where it stops, the first one that does not begins. Beyond a checkpoint an
    /// extent that fails stops it too.
    fn walk(&self, segment: &Segment, from: usize, to: usize, plan: &mut Plan, extents: bool) -> usize {
        let mut at = from;
        while to - at >= HEADER {
            let Some(record) = segment.headed(at, self.align(), &self.medium.keys) else { break };
            if at + record.len() > to || !record.body_verifies(&self.medium.keys) {
                break;
            }
            if extents && record.extent().is_some_and(|extent| !extent::verifies(&self.medium, self.number, &extent)) {
                break;
            }
            plan.seq = plan.seq.max(record.header.seq);
            if record.header.kind == Type::Clear {
                plan.cleared = plan.cleared.max(record.header.seq);
            }
            at += record.len();
        }
        at
    }

    /// Makes the shard's files and index anew from a plan, and starts a fresh segment under the new generation. Nobody
    /// else has the shard.
    pub fn recover(&self, plan: &Plan, counter: u64, extents: u64) -> Result<Rebuilt> {
        let page = self.page();
        if plan.segments.is_empty() {
            return Ok(Rebuilt::default());
        }
        page.store(head::SEGMENT_COUNTER, counter);
        page.store(head::EXTENT_COUNTER, extents);
        page.store(head::SEQ, plan.seq);
        // Declared before the guard and so dropped after it: what it retires waits for readers.
        let mut writer = Writer::default();
        let guard = enter();
        let mut log_bytes = 0;
        for (index, link) in plan.segments.iter().enumerate() {
            self.log.ensure_entry(index)?;
            let size = self.medium.dir.file_len(&crate::layout::names::segment(self.number, link.id));
            let size = size.map_err(|error| Error::os("measure a segment", &error))?;
            self.log.list(index, link.id, size, link.end, &guard)?;
            log_bytes += size;
        }
        let last = plan.segments.len() - 1;
        page.store(head::TAIL, RecordRef::new(last, plan.segments[last].end as usize).0);
        self.index.create(self.rebuilt_depth(log_bytes), &guard)?;
        let rebuilt = self.fill_index(&mut writer, plan.segments.len(), plan.cleared, &guard)?;
        writer.high = plan.segments.len();
        let fresh = self.log.make(self.log.next_size(page.load(head::LIVE), 0))?;
        self.join_after(&mut writer, fresh, false, &guard)?;
        page.store(head::WRITTEN, 1);
        Ok(rebuilt)
    }

    /// A table or page that does not match its sum costs the index, not the data: it is made anew from the log while
    /// readers wait.
    pub(super) fn rebuild_in_place(&self) -> Result<()> {
        let guard = enter();
        let mut writer = self.lock()?;
        self.rebuild_locked(&mut writer, &guard)
    }

    pub(super) fn rebuild_locked(&self, writer: &mut Locked<'_>, guard: &Guard) -> Result<()> {
        // The log first: if it is damaged too, what is left of the index still serves.
        let (segments, cleared) = self.walk_chain(writer, guard)?;
        // Until this is done a process that opens the map after a kill must not trust what it finds.
        let suspect = self.medium.head.word(head::SUSPECT);
        suspect.fetch_add(1 << 32, Ordering::SeqCst);
        // Before the root changes: a reader that saw the new root sees this too, and does not believe a miss.
        self.state.store(REBUILDING, Ordering::SeqCst);
        let rebuilt = self.remake_index(writer, segments, cleared, guard);
        if rebuilt.is_err() {
            self.poison();
            return rebuilt;
        }
        // A reader may have slept through all of this and have met the root of the half-made index: it must not be the same.
        self.index.renew_root();
        suspect.fetch_sub(1 << 32, Ordering::SeqCst);
        self.state.store(OPEN, Ordering::SeqCst);
        writer.changed = true;
        self.medium.want_background();
        Ok(())
    }

    /// Verifies every record: how many entries of the segment table they are in, and the last clear.
    fn walk_chain(&self, writer: &Writer, guard: &Guard) -> Result<(usize, u64)> {
        let mut cleared = 0;
        let mut high = 0;
        for &index in &writer.chain {
            high = high.max(index + 1);
            for record in self.records(index, guard)? {
                let record = record?;
                if record.header.kind == Type::Clear {
                    cleared = cleared.max(record.header.seq);
                }
            }
        }
        Ok((high, cleared))
    }

    fn remake_index(&self, writer: &mut Writer, segments: usize, cleared: u64, guard: &Guard) -> Result<()> {
        if let Some(watch) = &mut writer.watch {
            watch.void = true;
        }
        self.index.discard(&mut writer.queue);
        self.index.create(self.rebuilt_depth(writer.log_bytes), guard)?;
        writer.victim = None;
        self.fill_index(writer, segments, cleared, guard).map(drop)
    }

    /// The records of a listed segment, in their order, each verified.
    fn records<'g>(&'g self, index: usize, guard: &'g Guard) -> Result<impl Iterator<Item = Result<Record<'g>>>> {
        let segment = self.log.segment(index, guard)?;
        let end = segment.log.published();
        let mut at = FIRST_RECORD;
        Ok(std::iter::from_fn(move || {
            if end.saturating_sub(at) < HEADER {
                return None;
            }
            let record = segment
                .headed(at, self.align(), &self.medium.keys)
                .filter(|record| record.body_verifies(&self.medium.keys));
            let Some(record) = record else {
                let failed = segment.damage(at);
                at = end;
                return Some(Err(failed));
            };
            segment.mark_verified(at);
            at += record.len();
            Some(Ok(record))
        }))
    }

    /// Enters the records of the segments 0 to `segments` into an empty index. Of a key the highest sequence number
    /// wins; equal numbers are copies of one record, and the later one stays because the earlier is about to go.
    fn fill_index(&self, writer: &mut Writer, segments: usize, cleared: u64, guard: &Guard) -> Result<Rebuilt> {
        let page = self.page();
        let mut tally = Tally { live: vec![0; segments], marks: vec![0; segments], ..Tally::default() };
        let linked: Vec<usize> = if writer.chain.is_empty() { (0..segments).collect() } else { writer.chain.clone() };
        let mut extents = Vec::new();
        for &index in &linked {
            for record in self.records(index, guard)? {
                let record = record?;
                match record.header.kind {
                    Type::Pad => continue,
                    Type::Clear => tally.marks[index] += record.len() as u64,
                    kind => {
                        if kind == Type::Tombstone {
                            tally.marks[index] += record.len() as u64;
                        }
                        if record.header.seq > cleared {
                            self.enter_record(writer, &record, &mut tally, guard)?;
                        }
                        if kind == Type::PutExtent {
                            extents.push(record.place);
                        }
                    }
                }
                tally.records += 1;
            }
        }
        if tally.buried > 0 {
            self.drop_buried(guard)?;
        }
        let mut extent_bytes = 0;
        for place in extents {
            let record = self.log.record(place, guard)?;
            let hash = self.medium.keys.hash(record.key());
            let wins = self
                .probe(hash, record.key(), guard)?
                .is_some_and(|(_, _, found)| found.is_some_and(|found| found.place == place));
            if let Some(descriptor) = record.extent().filter(|_| wins) {
                let name = || crate::layout::names::extent(self.number, descriptor.id);
                if !extent::verifies(&self.medium, self.number, &descriptor)
                    && !self.tolerates(name(), crate::layout::extent::VALUE_AT, record.key())
                {
                    return Err(Error::corrupt(format_args!(
                        "the extent of a record at offset {} of shard {} does not verify",
                        place.offset(),
                        self.number
                    )));
                }
                extent_bytes += descriptor.len;
            }
        }
        for &index in &linked {
            self.log.set_live(index, tally.live[index], guard)?;
            self.log.set_marks(index, tally.marks[index], guard)?;
        }
        page.store(head::ENTRIES, tally.entries);
        page.store(head::LIVE, tally.live.iter().sum());
        page.store(head::EXTENTS, extent_bytes);
        page.store(head::PEAK, page.load(head::PEAK).max(tally.entries));
        Ok(Rebuilt { records: tally.records })
    }

    fn enter_record(&self, writer: &mut Writer, record: &Record<'_>, tally: &mut Tally, guard: &Guard) -> Result<()> {
        let hash = self.medium.keys.hash(record.key());
        let is_put = record.header.kind.is_put();
        let word = if is_put { record.place.0 } else { record.place.0 | BURIED };
        loop {
            let Some(place) = self.index.resolve(hash, guard)? else {
                return Err(self.damage("the new index has no directory"));
            };
            let mut before = None;
            let probe = place.table.probe(hash, |found| {
                let other = self.log.record(RecordRef(found & !BURIED), guard)?;
                let same = other.key() == record.key();
                if same {
                    before = Some((other.header.seq, other.header.kind.is_put(), other.place.segment(), other.len()));
                }
                Ok::<_, Error>(same)
            })?;
            match (probe, before) {
                (Probe::Live { slot, .. }, Some((seq, was_put, segment, length))) => {
                    if record.header.seq < seq {
                        return Ok(());
                    }
                    place.table.set_slot(slot, hash, word);
                    if was_put {
                        tally.live[segment] -= length as u64;
                        tally.entries -= 1;
                    } else {
                        tally.buried -= 1;
                    }
                }
                (Probe::Vacant { slot: Some(slot), hash: EMPTY }, _) if place.table.used() < FULL => {
                    place.table.set_slot(slot, hash, word);
                    let (used, live) = (u64::from(place.table.used()) + 1, u64::from(place.table.live()) + 1);
                    place.table.set_used_live(used << 32 | live);
                }
                _ => {
                    self.index.rewrite(&place, &mut writer.queue, guard)?;
                    // No reader believes what it finds before the rebuild is over, so its tables can be used again at once.
                    writer.queue.forget_tables();
                    continue;
                }
            }
            if is_put {
                tally.live[record.place.segment()] += record.len() as u64;
                tally.entries += 1;
            } else {
                tally.buried += 1;
            }
            return Ok(());
        }
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

#[derive(Debug, Default)]
struct Tally {
    records: u64,
    entries: u64,
    buried: u64,
    live: Vec<u64>,
    marks: Vec<u64>,
}
