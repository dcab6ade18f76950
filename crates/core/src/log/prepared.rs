//! A segment that is made and not yet in the chain: until it joins, nothing is stored in it but its header.

use super::files::Log;
use super::pace::Pace;
use super::recycled;
use super::segment::Segment;
use crate::layout::file::{Header, Kind, UNLINKED};
use crate::layout::segment::{FIRST_RECORD, MAX_SEGMENT, MIN_SEGMENT, SegmentId};
use crate::layout::{head, names};
use crate::mem::{Access, Region};
use crate::{Error, Result, medium, sys};
use parking_lot::MutexGuard;
use std::fs::File;
use std::sync::atomic::Ordering;

/// So much gets its pages in one go, some hundred microseconds.
const STEP: usize = 1 << 18;
/// A freed segment of this size is zeros again sooner than a new file is there.
const QUICK: u64 = 1 << 18;

#[derive(Debug)]
pub(crate) struct Prepared {
    pub id: SegmentId,
    pub region: Region,
    /// Open while more of it can be filled.
    file: Option<File>,
    /// Up to here it has its pages.
    pub filled: usize,
}

impl Prepared {
    pub fn new(id: SegmentId, region: Region, file: Option<File>, filled: usize) -> Prepared {
        Prepared { id, region, file, filled }
    }

    /// Gives the next part of it its pages. `false`: it has them all.
    pub fn fill(&mut self) -> bool {
        let Some(file) = &self.file else { return false };
        // The first piece holds the header, and it is filled before that is stored or never.
        let from = self.filled.max(medium::piece(Kind::Segment));
        let to = (from + STEP).min(self.region.len());
        self.region.fill(file, from..to, medium::piece(Kind::Segment));
        self.filled = to;
        to < self.region.len()
    }
}

impl Log {
    /// The size of the next segment: an eighth of the live bytes, and at least four times the record at hand.
    pub fn next_size(&self, live: u64, need: usize) -> u64 {
        let size = (live / 8).clamp(MIN_SEGMENT, MAX_SEGMENT);
        let least = if need as u64 + FIRST_RECORD as u64 > MIN_SEGMENT / 4 { 4 * need as u64 } else { 0 };
        size.max(least).next_multiple_of(MIN_SEGMENT)
    }

    /// Makes a segment's file; it joins the chain later. One that is to be full soon has its first pages.
    pub fn make(&self, size: u64, pace: Pace) -> Result<Prepared> {
        if pace == Pace::Fast
            && size <= QUICK
            && let Some(reused) = self.zeroed(size, size).and_then(|freed| self.reuse(freed))
        {
            return Ok(reused);
        }
        self.medium.spare.ensure(&self.medium, size)?;
        let id = self.next_id(head::SEGMENT_COUNTER)?;
        let name = names::segment(self.shard, id);
        let filled = if pace == Pace::Fast { MIN_SEGMENT as usize } else { 0 };
        let (region, file) =
            self.medium.create_filled(&name, Kind::Segment, self.shard, id.0, size as usize, filled)?;
        Ok(Prepared::new(id, region, file, filled))
    }

    /// The spare, cut to size, as a segment; `None` while it is lent out.
    pub fn take_spare(&self, size: u64) -> Result<Option<Prepared>> {
        self.medium.spare.take(&self.medium, size, || self.adopt(names::SPARE, size))
    }

    /// A file that was made under another name becomes a segment.
    fn adopt(&self, name: &str, size: u64) -> Result<Prepared> {
        let fail = |error: std::io::Error| Error::os("turn the spare into a segment", &error);
        let file = self.medium.dir.open_file(name, true).map_err(fail)?;
        sys::set_len(&file, size).map_err(fail)?;
        let region = Region::map(&file, Access::Shared).map_err(fail)?;
        self.become_segment(name, region, 0)
    }

    /// The header first: under its old name the file is nobody's, whatever it holds.
    fn become_segment(&self, name: &str, region: Region, filled: usize) -> Result<Prepared> {
        let id = self.next_id(head::SEGMENT_COUNTER)?;
        region.set_owner(self.medium.owner(Kind::Segment, self.shard));
        let (length, file) = (region.len() as u64, region.file_id());
        let header = Header { kind: Kind::Segment, shard: self.shard, id: id.0, length, file, predecessor: UNLINKED };
        self.medium.write_header(&region, &header);
        let renamed = self.medium.dir.rename(name, &names::segment(self.shard, id));
        renamed.map_err(|error| Error::os(format_args!("make {name} a new segment"), &error))?;
        self.medium.names_changed.store(true, Ordering::Release);
        Ok(Prepared::new(id, region, None, filled))
    }

    /// A segment that was freed and that nobody holds becomes another one soon, or its file's name is given back, to be deleted.
    /// Where records are overwritten before they are deleted, the file goes: its blocks are to be others'.
    pub fn recycle(&self, segment: Segment, name: String, live: u64) -> Option<String> {
        if self.medium.secure || !recycled::is_like(self.next_size(live, 0), segment.size()) {
            return Some(name);
        }
        // A quarter of the map, whose shards are about equal, and always one.
        let most = ((live << self.medium.shard_bits) / 4).max(segment.size());
        self.medium.recycled.keep(name, segment.log.into_region(), most)
    }

    /// The background's part: half of the tail is used, so make its successor. Where the log is written fast that is a freed
    /// segment, or one that is given its pages; whoever needs it has it between two steps of that.
    pub fn make_ahead(&self, live: u64, pace: Pace) -> Result<()> {
        let size = self.next_size(live, 0);
        // What takes milliseconds is done before the lock. The id is taken under it: a call in need that makes a segment itself
        // finds what was made before, and ids join in their order.
        let is_wanted = pace == Pace::Fast && self.prepared.lock().is_none();
        let freed = if is_wanted { self.zeroed(size, 0) } else { None };
        let mut prepared = self.prepared.lock();
        match freed {
            Some((name, _)) if prepared.is_some() => self.medium.remove(&name),
            Some(freed) => *prepared = self.reuse(freed),
            None => {}
        }
        if prepared.is_none() {
            let made = self.make(size, pace)?;
            if pace == Pace::Slow {
                made.region.prefault(0, MIN_SEGMENT as usize);
            }
            *prepared = Some(made);
        }
        while pace == Pace::Fast && prepared.as_mut().is_some_and(Prepared::fill) {
            MutexGuard::bump(&mut prepared);
        }
        Ok(())
    }

    /// A freed segment that is about as long as wanted, and no shorter than it has to be. What is behind a segment's tail is
    /// zeros.
    fn zeroed(&self, size: u64, least: u64) -> Option<(String, Region)> {
        let (name, mut region) = self.medium.recycled.take(size, least)?;
        region.zero();
        Some((name, region))
    }

    /// Makes it the next one.
    fn reuse(&self, (name, region): (String, Region)) -> Option<Prepared> {
        let len = region.len();
        let spared = self.medium.spare.ensure(&self.medium, len as u64);
        let reused = spared.and_then(|()| self.become_segment(&name, region, len));
        reused.inspect_err(|_| self.medium.remove(&name)).ok()
    }

    /// The segment that was made ahead, if it is as large as needed; one that is not goes, for ids join in their order.
    pub fn take_prepared(&self, need: u64) -> Option<Prepared> {
        let prepared = self.prepared.lock().take()?;
        if prepared.region.len() as u64 >= need {
            return Some(prepared);
        }
        self.discard(prepared);
        None
    }

    /// A segment that does not join after all.
    pub fn discard(&self, prepared: Prepared) {
        let id = prepared.id;
        // A file that is mapped cannot be deleted everywhere.
        drop(prepared);
        self.medium.remove(&names::segment(self.shard, id));
    }

    pub fn prepared_bytes(&self) -> u64 {
        self.prepared.lock().as_ref().map_or(0, |prepared| prepared.region.len() as u64)
    }

    pub fn is_prepared(&self, id: SegmentId) -> bool {
        self.prepared.lock().as_ref().is_some_and(|prepared| prepared.id == id)
    }

    /// What was made ahead and not used, at a close.
    pub fn drop_prepared(&self) {
        if let Some(prepared) = self.prepared.lock().take() {
            self.discard(prepared);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filling_leaves_the_header_and_ends_at_the_end() {
        let temp = tempfile::tempfile().unwrap();
        temp.set_len(3 << 18).unwrap();
        let region = Region::map(&temp, Access::Shared).unwrap();
        region.store(0, 7);
        let mut prepared = Prepared::new(SegmentId::new(1, 1), region, Some(temp), 0);
        while prepared.fill() {}
        assert_eq!(prepared.filled, 3 << 18);
        assert_eq!(prepared.region.load(0), 7);
        assert!(!prepared.fill());
    }
}
