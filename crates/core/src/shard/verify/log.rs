//! The log's part: each record against its sums and against what the index says of its key.

use super::{Check, Clock, Hole};
use crate::index::Probe;
use crate::layout::extent::{Descriptor, VALUE_AT};
use crate::layout::file::Kind;
use crate::layout::hash::Keys;
use crate::layout::record::{HEADER, Type};
use crate::layout::segment::{ENTRY_MARKS, FIRST_RECORD, RecordRef, SegmentId, entry_place};
use crate::layout::{file, head, names};
use crate::log::extent::{self, WrittenFor};
use crate::log::{Record, Segment};
use crate::mem::{Guard, enter};
use crate::shard::{Shard, Writer};
use crate::{Code, Result};
use std::collections::HashMap;
use std::fs::File;

/// Bytes of the log that are checked under one guard: while it is held nothing that was freed is deleted.
const PORTION: usize = 64 << 10;
/// The follower reads heads only, and waits for nobody meanwhile.
const STRETCH: usize = 1 << 20;
/// What it reads under the lock at most, at first; doubled whenever the writers were faster, up to a stretch.
const CLOSE: usize = 64 << 10;

/// A stretch of a linked segment.
#[derive(Clone, Copy, Debug)]
struct Range {
    index: usize,
    id: SegmentId,
    from: usize,
    to: usize,
}

/// Reads the log behind its writers and remembers what removes keys: a deletion leaves nothing in the index.
#[derive(Debug, Default)]
pub(super) struct Follower {
    id: SegmentId,
    offset: usize,
    /// By the key's hash, the number of its last tombstone.
    removed: HashMap<u64, u64>,
    cleared: u64,
    seq: u64,
    /// Bytes of tombstones and clears of the segment that it is in.
    marks: u64,
    /// Something in that segment could not be read.
    is_blurred: bool,
    /// The same of any segment: what was removed is not certain any more.
    was_blurred: bool,
}

/// An extent of a live record, open, and the record's key.
struct OpenExtent {
    file: File,
    descriptor: Descriptor,
    hash: u64,
    key: Vec<u8>,
}

/// What the index says of a record's key.
enum Standing {
    /// It names this record.
    Named,
    /// It names another: its number and body sum.
    Other(u64, u64),
    Absent,
    /// It cannot be followed; the walk of the index says why.
    Unknown,
}

impl Check<'_> {
    /// The first pass reads for the follower, so that what it lacks under the lock is little. The second checks all that
    /// was in the chain when it began.
    pub fn log(&mut self) -> Result<()> {
        self.follow()?;
        let end = {
            let writer = self.shard.writer.read();
            self.shard.check_open()?;
            let guard = enter();
            let Some(&last) = writer.chain.last() else { return Ok(()) };
            (self.shard.log.entry(last, &guard)?.id, self.shard.tail().offset())
        };
        let (mut id, mut offset) = (SegmentId(0), FIRST_RECORD);
        while let Some(next) = self.portion(id, offset, end)? {
            (id, offset) = next;
        }
        Ok(())
    }

    /// Checks the records from a place on; where to go on.
    fn portion(&mut self, id: SegmentId, offset: usize, end: (SegmentId, usize)) -> Result<Option<(SegmentId, usize)>> {
        let shard = self.shard;
        let guard = enter();
        let range = {
            let writer = shard.writer.read();
            shard.check_open()?;
            shard.linked_from(&writer, id, offset, &guard)?
        };
        let Some(range) = range.filter(|range| range.id <= end.0) else { return Ok(None) };
        let limit = if range.id == end.0 { range.to.min(end.1) } else { range.to };
        if range.from + HEADER > limit {
            return Ok((range.id < end.0).then(|| (SegmentId(range.id.0 + 1), FIRST_RECORD)));
        }
        let segment = match shard.log.segment(range.index, &guard) {
            Ok(segment) => segment,
            Err(error) => {
                self.met(error, names::segment(shard.number, range.id), 0)?;
                self.holes.push(Hole { id: range.id, from: 0, to: usize::MAX });
                return Ok(Some((SegmentId(range.id.0 + 1), FIRST_RECORD)));
            }
        };
        if range.from == FIRST_RECORD && !header_verifies(shard, segment) {
            self.damaged(self.segment_name(range.id), 0, None);
        }
        let mut records = Vec::new();
        let mut at = range.from;
        let stop = limit.min(range.from + PORTION);
        while at < stop && limit - at >= HEADER {
            match segment.whole(at, limit, shard.align(), &shard.medium.keys) {
                Some(record) => {
                    at += record.len();
                    records.push(record);
                }
                None => at = self.hole(segment, at, limit, &guard)?,
            }
        }
        let extents = self.compare(&range, &records, &guard)?;
        let count = records.len() as u64;
        drop(guard);
        for extent in extents {
            self.extent(&extent)?;
        }
        self.checked(count, (at - range.from) as u64)?;
        Ok(Some((range.id, at)))
    }

    /// Reports what does not verify and finds the next record that does.
    fn hole(&mut self, segment: &Segment, at: usize, limit: usize, guard: &Guard) -> Result<usize> {
        let shard = self.shard;
        let next = segment.next_whole(at, limit, shard.align(), &shard.medium.keys);
        // A key is named only if the index leads from it to this very place: then its bytes are whole.
        let key = segment.headed(at, shard.align(), &shard.medium.keys).map(|record| record.key().to_vec());
        let key = key.filter(|key| {
            let hash = shard.medium.keys.hash(key);
            let _writer = shard.writer.read();
            let place = shard.index.resolve(hash, guard).ok().flatten();
            let wanted = RecordRef::new(segment.index, at).0;
            place.is_some_and(|place| place.table.entries().any(|slot| slot == (shard.index.tag(hash), wanted)))
        });
        self.damaged(self.segment_name(segment.id), at, key.as_deref());
        self.holes.push(Hole { id: segment.id, from: at, to: next });
        Ok(next)
    }

    /// Compares records that verify with the index, in steps under the lock. Gives the extents of those that live, open.
    fn compare(&mut self, range: &Range, records: &[Record<'_>], guard: &Guard) -> Result<Vec<OpenExtent>> {
        let shard = self.shard;
        let mut extents = Vec::new();
        let mut rest = records.iter();
        while rest.len() > 0 {
            let mut close = CLOSE;
            let writer = loop {
                let writer = shard.writer.read();
                shard.check_open()?;
                if self.catch_up(&writer, close, guard)? {
                    break writer;
                }
                drop(writer);
                close = (close * 2).min(STRETCH);
                self.follow()?;
            };
            let entry = shard.log.entry(range.index, guard);
            if !entry.is_ok_and(|entry| entry.id == range.id) || !writer.chain.contains(&range.index) {
                // It left the chain, and with it what is to be said of its records.
                return Ok(extents);
            }
            let mut clock = Clock::start();
            for record in rest.by_ref() {
                self.compare_one(range, record, &mut extents, guard)?;
                if clock.is_over() {
                    break;
                }
            }
        }
        Ok(extents)
    }

    fn compare_one(
        &mut self,
        range: &Range,
        record: &Record<'_>,
        extents: &mut Vec<OpenExtent>,
        guard: &Guard,
    ) -> Result<()> {
        if !matches!(record.header.kind, Type::Put | Type::PutExtent | Type::Tombstone) {
            return Ok(());
        }
        let shard = self.shard;
        let hash = shard.medium.keys.hash(record.key());
        let seq = record.header.seq;
        let is_put = record.header.kind.is_put();
        let removed = self.follower.removed.get(&hash).copied().unwrap_or(0).max(self.follower.cleared);
        let is_right = match standing(shard, hash, record, guard) {
            Standing::Named => is_put && removed < seq,
            Standing::Other(other, _) if !is_put => other > seq,
            // Equal numbers are one record that compaction copied.
            Standing::Other(other, sum) => other > seq || other == seq && sum == record.header.body_sum,
            Standing::Absent => !is_put || removed > seq || self.follower.was_blurred,
            Standing::Unknown => true,
        };
        if !is_right {
            let file = names::segment(shard.number, range.id);
            self.damaged(file, record.place.offset(), Some(record.key()));
        }
        if let Some(descriptor) = record.extent()
            && matches!(standing(shard, hash, record, guard), Standing::Named)
        {
            // The record lives under this guard, so its extent is there; once open it stays readable.
            match extent::open(&shard.medium, shard.number, &descriptor) {
                Ok(file) => extents.push(OpenExtent { file, descriptor, hash, key: record.key().to_vec() }),
                Err(error) => {
                    let name = names::extent(shard.number, descriptor.id);
                    self.found.damages.add(error.code(), name, 0, Some(record.key()));
                }
            }
        }
        Ok(())
    }

    fn extent(&mut self, extent: &OpenExtent) -> Result<()> {
        let shard = self.shard;
        let OpenExtent { file, descriptor, hash, key } = extent;
        let name = || names::extent(shard.number, descriptor.id);
        let written_for = extent::key_hash_of(&shard.medium, file, shard.number, descriptor.id);
        if !matches!(written_for, WrittenFor::Hash(written) if written == *hash) {
            self.damaged(name(), 0, Some(key));
        }
        let whole = extent::matches(&shard.medium, file, descriptor, &mut |bytes| {
            self.found.bytes += bytes;
            (self.proceed)(bytes)
        });
        let code = match whole {
            Ok(true) => return Ok(()),
            Ok(false) => Code::Corrupt,
            Err(error) if error.code() == Code::Io => Code::Io,
            Err(error) => return Err(error),
        };
        self.found.damages.add(code, name(), VALUE_AT as u64, Some(key));
        Ok(())
    }

    /// Reads on without the lock until little is left.
    pub fn follow(&mut self) -> Result<()> {
        loop {
            let guard = enter();
            let range = {
                let writer = self.shard.writer.read();
                self.shard.check_open()?;
                self.next_unread(&writer, &guard)?
            };
            let Some(range) = range.filter(|range| range.to - range.from > CLOSE) else { return Ok(()) };
            self.read(&Range { to: range.to.min(range.from + STRETCH), ..range }, range.to, &guard);
            drop(guard);
            (self.proceed)(0)?;
        }
    }

    /// Reads the rest under the lock; `false`: it is more than this many bytes.
    pub fn catch_up(&mut self, writer: &Writer, bytes: usize, guard: &Guard) -> Result<bool> {
        let mut left = bytes;
        while let Some(range) = self.next_unread(writer, guard)? {
            let Some(rest) = left.checked_sub(range.to - range.from) else { return Ok(false) };
            left = rest;
            self.read(&range, range.to, guard);
        }
        Ok(true)
    }

    /// What the follower reads next; `None`: it has read all. A segment that left the chain before it was read is passed
    /// by: what it removed was moved, or removes nothing any more.
    fn next_unread(&mut self, writer: &Writer, guard: &Guard) -> Result<Option<Range>> {
        loop {
            let (id, offset) = (self.follower.id, self.follower.offset);
            let Some(range) = self.shard.linked_from(writer, id, offset, guard)? else { return Ok(None) };
            if range.id != id {
                self.follower.enter(range.id);
                continue;
            }
            if range.to >= range.from + HEADER {
                return Ok(Some(range));
            }
            let tail = self.shard.tail();
            if range.index == tail.segment() {
                return Ok(None);
            }
            self.check_marks(range.index, guard)?;
            self.follower.enter(SegmentId(range.id.0 + 1));
        }
    }

    /// Once all of a segment was read: its tombstones' bytes are what the table says.
    pub fn check_marks(&mut self, index: usize, guard: &Guard) -> Result<()> {
        let marks = self.shard.log.marks(index, guard)?;
        if !self.follower.is_blurred && marks != self.follower.marks {
            let (number, at) = entry_place(index);
            self.damaged(names::segment_table(self.shard.number, number), at + ENTRY_MARKS, None);
        }
        Ok(())
    }

    /// Takes the heads of records up to `range.to`, and the last one to its end.
    fn read(&mut self, range: &Range, limit: usize, guard: &Guard) {
        let shard = self.shard;
        let follower = &mut self.follower;
        let Ok(segment) = shard.log.segment(range.index, guard) else {
            follower.skip(range.to);
            return;
        };
        let keys = &shard.medium.keys;
        let mut at = range.from;
        while at < range.to && limit - at >= HEADER {
            let record = segment.headed(at, shard.align(), keys).filter(|record| at + record.len() <= limit);
            match record {
                Some(record) if follower.take(&record, keys) => at += record.len(),
                _ => {
                    at = segment.next_whole(at, limit, shard.align(), &shard.medium.keys);
                    follower.skip(at);
                }
            }
        }
        follower.offset = at;
    }

    /// The follower's last word, under the lock and at the tail.
    pub fn check_follower(&mut self, guard: &Guard) -> Result<()> {
        let shard = self.shard;
        self.check_marks(shard.tail().segment(), guard)?;
        if self.follower.seq > shard.page().load(head::SEQ) {
            self.damaged(names::HEAD.into(), head::shard(shard.number) + head::SEQ, None);
        }
        Ok(())
    }
}

impl Follower {
    fn enter(&mut self, id: SegmentId) {
        (self.id, self.offset, self.marks, self.is_blurred) = (id, FIRST_RECORD, 0, false);
    }

    fn skip(&mut self, to: usize) {
        self.offset = to;
        (self.is_blurred, self.was_blurred) = (true, true);
    }

    /// `false`: a record that removes something does not verify.
    fn take(&mut self, record: &Record<'_>, keys: &Keys) -> bool {
        let seq = record.header.seq;
        match record.header.kind {
            Type::Put | Type::PutExtent => self.seq = self.seq.max(seq),
            Type::Pad => {}
            Type::Tombstone | Type::Clear => {
                if !record.body_verifies(keys) {
                    return false;
                }
                self.seq = self.seq.max(seq);
                self.marks += record.len() as u64;
                if record.header.kind == Type::Clear {
                    self.cleared = self.cleared.max(seq);
                } else {
                    let last = self.removed.entry(keys.hash(record.key())).or_default();
                    *last = seq.max(*last);
                }
            }
        }
        true
    }
}

impl Shard {
    /// The rest of the first linked segment from an id on; of that very segment what stands behind an offset.
    fn linked_from(&self, writer: &Writer, id: SegmentId, offset: usize, guard: &Guard) -> Result<Option<Range>> {
        let id_of = |index: usize| self.log.entry(index, guard).map_or(SegmentId(0), |entry| entry.id);
        let at = writer.chain.partition_point(|&index| id_of(index) < id);
        let Some(&index) = writer.chain.get(at) else { return Ok(None) };
        let entry = self.log.entry(index, guard)?;
        let tail = self.tail();
        let end = if index == tail.segment() { tail.offset() } else { entry.end as usize };
        // A gap that is shorter than a header is not published.
        let to = self.log.segment(index, guard).map_or(end, |segment| match segment.log.published() {
            published if end.saturating_sub(published) < HEADER => end.min(published),
            _ => end,
        });
        let from = if entry.id == id { offset } else { FIRST_RECORD };
        Ok(Some(Range { index, id: entry.id, from, to: to.max(from) }))
    }
}

fn standing(shard: &Shard, hash: u64, record: &Record<'_>, guard: &Guard) -> Standing {
    let Ok(place) = shard.index.resolve(hash, guard) else { return Standing::Unknown };
    let Some(place) = place else { return Standing::Absent };
    let mut standing = Standing::Absent;
    let probe = place.table.probe(shard.index.tag(hash), |word| {
        if word == record.place.0 {
            standing = Standing::Named;
            return Ok(true);
        }
        let other = shard.log.record(RecordRef(word), guard)?;
        if other.key() != record.key() {
            return Ok(false);
        }
        standing = Standing::Other(other.header.seq, other.header.body_sum);
        Ok::<_, crate::Error>(true)
    });
    match probe {
        Ok(Probe::Live { .. }) => standing,
        Ok(Probe::Vacant { .. }) => Standing::Absent,
        Err(_) => Standing::Unknown,
    }
}

fn header_verifies(shard: &Shard, segment: &Segment) -> bool {
    let mut bytes = [0; file::HEADER];
    for (at, word) in bytes.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&segment.log.header(at * 8).load(std::sync::atomic::Ordering::Acquire).to_le_bytes());
    }
    file::Header::decode(&bytes, Kind::Segment, &shard.medium.keys).is_some_and(|header| {
        header.shard == shard.number
            && header.id == segment.id.0
            && header.length == segment.size()
            && header.predecessor < header.id
    })
}
