//! The segments of one shard and the table that lists them.

use super::prepared::Prepared;
use super::segment::{Record, Segment};
use crate::layout::file::{self, Kind};
use crate::layout::segment::{
    ENTRY_END, ENTRY_ID, ENTRY_LIVE, ENTRY_MARKS, ENTRY_SIZE, ENTRY_STATE, FIRST_RECORD, MAX_FIRST_SEGMENT,
    MAX_SEGMENTS, MAX_TABLE_FILES, MIN_SEGMENT, OFFSETS_END, RecordRef, SegmentId, State, TABLE_ENTRIES, TABLE_SUM,
    entry_place, table_entries, table_len,
};
use crate::layout::{head, names};
use crate::medium::{Medium, Page};
use crate::mem::{Guard, LogRegion, Region, Slots, enter, guarded};
use crate::{Code, Error, Result};
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A shard's log. Readers follow references without a lock; what appends holds the shard's lock.
#[derive(Debug)]
pub(crate) struct Log {
    pub(super) medium: Arc<Medium>,
    pub(super) shard: u32,
    segments: Slots<Segment>,
    tables: Slots<Region>,
    /// Held while a file is mapped, so that none is twice. Taken after the shard's lock, never before.
    mapping: Mutex<()>,
    /// The next segment, made ahead. Held while it is made: a put in need waits for the background rather than make a second.
    pub(super) prepared: Mutex<Option<Prepared>>,
}

/// An entry of the segment table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub state: State,
    pub id: SegmentId,
    pub size: u64,
    pub end: u64,
    pub live: u64,
    pub marks: u64,
}

impl Entry {
    /// Whether its numbers are those of one segment.
    pub fn fits(&self) -> bool {
        let Entry { size, end, live, marks, .. } = *self;
        size <= MAX_FIRST_SEGMENT && size.is_multiple_of(MIN_SEGMENT) && end <= size && live.max(marks) <= size
    }
}

impl Log {
    pub fn new(medium: Arc<Medium>, shard: u32) -> Log {
        Log {
            medium,
            shard,
            segments: Slots::new(),
            tables: Slots::new(),
            mapping: Mutex::new(()),
            prepared: Mutex::new(None),
        }
    }

    pub(super) fn page(&self) -> Page<'_> {
        Page::new(&self.medium, self.shard)
    }

    #[cold]
    fn damage(&self, what: &str) -> Error {
        Error::corrupt(format_args!("{what} (log of shard {})", self.shard)).of_index()
    }

    /// Maps the segment table of a shard that has one, and compares its sums after a clean close.
    pub fn open_tables(&self) -> Result<()> {
        let count = self.page().load(head::SEGMENT_TABLES);
        if count == 0 || count > u64::from(MAX_TABLE_FILES) {
            return Err(self.damage("the segment table has an impossible number of files"));
        }
        for number in 0..count as u32 {
            let name = names::segment_table(self.shard, number);
            let region =
                self.medium.map(&name, Kind::SegmentTable, self.shard, u64::from(number)).map_err(Error::of_index)?;
            if region.len() != table_len(number) {
                return Err(self.damage("a file of the segment table has the wrong length"));
            }
            if self.medium.clean && region.load(TABLE_SUM) != self.table_sum(&region) {
                return Err(self.damage("a file of the segment table does not match its sum"));
            }
            self.tables.set(number as usize, region);
        }
        Ok(())
    }

    fn table_sum(&self, region: &Region) -> u64 {
        self.medium.keys.sum_words((TABLE_ENTRIES..region.len()).step_by(8).map(|at| region.load(at)))
    }

    /// The table's first file, unless an earlier attempt of this process has made it.
    pub fn ensure_table(&self) -> Result<()> {
        match guarded(|guard| self.tables.load(0, guard).is_some()) {
            true => Ok(()),
            false => self.add_table(0),
        }
    }

    fn add_table(&self, number: u32) -> Result<()> {
        let name = names::segment_table(self.shard, number);
        let region = self.medium.create(&name, Kind::SegmentTable, self.shard, u64::from(number), table_len(number))?;
        self.tables.set(number as usize, region);
        self.page().store(head::SEGMENT_TABLES, u64::from(number) + 1);
        Ok(())
    }

    /// How many entries the table's files have.
    pub fn capacity(&self) -> usize {
        self.table_files().map(table_entries).sum()
    }

    /// The numbers of the table's files; no more than there can be, whatever the page says.
    fn table_files(&self) -> Range<u32> {
        0..self.page().load(head::SEGMENT_TABLES).min(MAX_TABLE_FILES.into()) as u32
    }

    /// Makes sure that the table has an entry of this index.
    pub fn ensure_entry(&self, index: usize) -> Result<()> {
        if index >= MAX_SEGMENTS {
            return Err(Error::new(
                Code::NoSpace,
                format!("Shard {} has as many segments as its table can list.", self.shard),
            ));
        }
        let (number, _) = entry_place(index);
        if u64::from(number) >= self.page().load(head::SEGMENT_TABLES) {
            self.add_table(number)?;
        }
        Ok(())
    }

    fn entry_words<'g>(&'g self, index: usize, guard: &'g Guard) -> Result<(&'g Region, usize)> {
        let (number, at) = entry_place(index);
        match self.tables.load(number as usize, guard) {
            Some(table) if index < MAX_SEGMENTS => Ok((table, at)),
            _ => Err(self.damage("a reference names a segment that the table does not list")),
        }
    }

    pub fn entry(&self, index: usize, guard: &Guard) -> Result<Entry> {
        let (table, at) = self.entry_words(index, guard)?;
        let Some(state) = State::from_word(table.load(at + ENTRY_STATE)) else {
            return Err(self.damage("an entry of the segment table has an unknown state"));
        };
        Ok(Entry {
            state,
            id: SegmentId(table.load(at + ENTRY_ID)),
            size: bytes_in(table, at + ENTRY_SIZE),
            end: bytes_in(table, at + ENTRY_END),
            live: bytes_in(table, at + ENTRY_LIVE),
            marks: bytes_in(table, at + ENTRY_MARKS),
        })
    }

    #[inline]
    pub fn live(&self, index: usize, guard: &Guard) -> Result<u64> {
        let (table, at) = self.entry_words(index, guard)?;
        Ok(bytes_in(table, at + ENTRY_LIVE))
    }

    #[inline]
    pub fn set_live(&self, index: usize, live: u64, guard: &Guard) -> Result<()> {
        let (table, at) = self.entry_words(index, guard)?;
        table.store(at + ENTRY_LIVE, live);
        Ok(())
    }

    pub fn marks(&self, index: usize, guard: &Guard) -> Result<u64> {
        let (table, at) = self.entry_words(index, guard)?;
        Ok(bytes_in(table, at + ENTRY_MARKS))
    }

    pub fn set_marks(&self, index: usize, marks: u64, guard: &Guard) -> Result<()> {
        let (table, at) = self.entry_words(index, guard)?;
        table.store(at + ENTRY_MARKS, marks);
        Ok(())
    }

    pub fn set_state(&self, index: usize, state: State, guard: &Guard) -> Result<()> {
        let (table, at) = self.entry_words(index, guard)?;
        table.store(at + ENTRY_STATE, state.word());
        Ok(())
    }

    /// Seals a segment: nothing is appended to it any more.
    pub fn set_end(&self, index: usize, end: u64, guard: &Guard) -> Result<()> {
        let (table, at) = self.entry_words(index, guard)?;
        table.store(at + ENTRY_END, end);
        Ok(())
    }

    /// Lists a segment; its state goes last.
    pub fn list(&self, index: usize, id: SegmentId, size: u64, end: u64, guard: &Guard) -> Result<()> {
        let (table, at) = self.entry_words(index, guard)?;
        // Already listed: a fix-up must not forget what was counted since. Nothing is, but the order costs nothing.
        if table.load(at + ENTRY_STATE) != State::Linked.word() || table.load(at + ENTRY_ID) != id.0 {
            table.store(at + ENTRY_LIVE, 0);
            table.store(at + ENTRY_MARKS, 0);
        }
        table.store(at + ENTRY_ID, id.0);
        table.store(at + ENTRY_SIZE, size);
        table.store(at + ENTRY_END, end);
        table.store(at + ENTRY_STATE, State::Linked.word());
        Ok(())
    }

    /// A segment by its index, mapped at the first touch.
    #[inline]
    pub fn segment<'g>(&'g self, index: usize, guard: &'g Guard) -> Result<&'g Segment> {
        match self.segments.load(index, guard) {
            Some(segment) => Ok(segment),
            None => self.map_segment(index, guard),
        }
    }

    /// A share of a mapped segment; `None` if it was freed after the caller's guard was entered.
    pub fn pin(&self, index: usize, guard: &Guard) -> Option<Arc<Segment>> {
        self.segments.pin(index, guard)
    }

    #[cold]
    fn map_segment<'g>(&'g self, index: usize, guard: &'g Guard) -> Result<&'g Segment> {
        let _mapping = self.mapping.lock();
        if self.segments.load(index, guard).is_none() {
            let entry = self.entry(index, guard)?;
            if entry.state == State::Free {
                return Err(self.damage("a reference names a segment that was freed"));
            }
            let region = self.open_segment(entry.id).map_err(|error| self.gone_or(entry.id, error))?;
            if region.len() as u64 != entry.size {
                return Err(self.damage("a segment is not as long as the table says"));
            }
            let tail = RecordRef(self.page().load(head::TAIL));
            let end = if tail.segment() == index { tail.offset() } else { entry.end as usize };
            if end > region.len() || end < FIRST_RECORD {
                return Err(self.damage("a segment ends beyond its file"));
            }
            let synced = if self.medium.clean { end } else { 0 };
            self.segments.set(index, Segment::new(entry.id, index, LogRegion::new(region, end), false, synced));
        }
        self.segments.load(index, guard).ok_or_else(|| self.damage("a segment vanished"))
    }

    /// Files of the segment table whose header does not verify.
    pub fn wrong_headers(&self, guard: &Guard) -> Vec<String> {
        let verifies = |number: u32| {
            self.tables.load(number as usize, guard).is_some_and(|region| {
                self.medium.header_verifies(region, Kind::SegmentTable, self.shard, u64::from(number))
            })
        };
        self.table_files()
            .filter(|&number| !verifies(number))
            .map(|number| names::segment_table(self.shard, number))
            .collect()
    }

    /// One that is listed and not there was deleted by somebody.
    #[cold]
    fn gone_or(&self, id: SegmentId, error: Error) -> Error {
        let name = names::segment(self.shard, id);
        match self.medium.dir.file_len(&name) {
            Err(looked) if looked.kind() == std::io::ErrorKind::NotFound => Error::file_gone(&name),
            _ => error,
        }
    }

    /// Maps a segment's file as it lies, for the walk of a rebuild.
    pub fn open_segment(&self, id: SegmentId) -> Result<Region> {
        self.medium.map(&names::segment(self.shard, id), Kind::Segment, self.shard, id.0)
    }

    /// A second mapping of a segment in which everything counts as published: only while nobody writes.
    pub fn scan(&self, id: SegmentId, index: usize) -> Result<Segment> {
        let region = self.open_segment(id)?;
        let len = region.len();
        Ok(Segment::new(id, index, LogRegion::new(region, len), false, 0))
    }

    pub fn publish(&self, segment: Segment) {
        self.segments.set(segment.index, segment);
    }

    #[inline]
    pub fn record<'g>(&'g self, place: RecordRef, guard: &'g Guard) -> Result<Record<'g>> {
        self.segment(place.segment(), guard)?.record(place.offset(), self.medium.align, &self.medium.keys)
    }

    /// Has the processor fetch a record, if its segment is mapped.
    #[inline]
    pub fn prefetch(&self, place: RecordRef, guard: &Guard) {
        if let Some(segment) = self.segments.load(place.segment(), guard) {
            segment.log.prefetch(place.offset());
        }
    }

    /// The last id that a segment was given. A damaged counter gives one that none has.
    pub fn last_id(&self) -> SegmentId {
        let page = self.page();
        let counter = page.load(head::SEGMENT_COUNTER).min(u32::MAX.into());
        SegmentId::new(page.load(head::GENERATION) as u32, counter as u32)
    }

    /// The next id by one of the shard's two counters. A generation has 2^32 of each, and none is given twice.
    pub fn next_id(&self, counter: usize) -> Result<SegmentId> {
        let page = self.page();
        // Looked at before it is raised: one at its end stays there, and none, damaged as it may be, begins again at 0.
        let left = page.load(counter) < u64::from(u32::MAX);
        match left.then(|| u32::try_from(page.next(counter))) {
            Some(Ok(counter)) => Ok(SegmentId::new(page.load(head::GENERATION) as u32, counter)),
            _ => Err(Error::new(
                Code::NoSpace,
                format!("Shard {} has used up its file numbers. Open the map once with recovery: 'full'.", self.shard),
            )),
        }
    }

    /// Names a segment's predecessor in its header, which makes it part of the chain for a rebuild. Two stores; between
    /// them, and before, the header verifies and says that the segment is not linked.
    pub fn link(&self, segment: &Segment, predecessor: u64) {
        let header = |at: usize| segment.log.header(at);
        header(file::PREDECESSOR).store(predecessor, Ordering::Release);
        let mut bytes = [0; file::HEADER];
        for (at, word) in bytes.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&header(at * 8).load(Ordering::Acquire).to_le_bytes());
        }
        let sum = self.medium.keys.sum(&bytes[..file::SUM]) << 32;
        let own = header(file::SUM).load(Ordering::Acquire) & u64::from(u32::MAX);
        header(file::SUM).store(sum | own, Ordering::Release);
    }

    /// Whether the files of these segments, and of the table that lists them, are still there.
    pub fn check_files(&self, chain: &[usize], guard: &Guard) -> Result<()> {
        for &index in chain {
            let entry = self.entry(index, guard)?;
            let mapped = self.segments.load(index, guard).map(|segment| segment.log.file_id());
            self.medium.check_file(&names::segment(self.shard, entry.id), mapped, entry.size)?;
        }
        for number in self.table_files() {
            let Some(region) = self.tables.load(number as usize, guard) else { continue };
            let name = names::segment_table(self.shard, number);
            self.medium.check_file(&name, Some(region.file_id()), region.len() as u64)?;
        }
        Ok(())
    }

    /// Unlinks a freed segment from memory; its file goes once its readers have left.
    pub fn retire(&self, index: usize, guard: &Guard) -> Option<(crate::mem::Retired<Segment>, String)> {
        let segment = self.segments.load(index, guard)?;
        // Release: partner of the load in a window's `is_freed`.
        segment.freed.store(true, Ordering::Release);
        if segment.windows.load(Ordering::Acquire) > 0 {
            self.medium.viewers.note_freed();
        }
        let name = names::segment(self.shard, segment.id);
        Some((self.segments.take(index)?, name))
    }

    /// The clean close: each file of the segment table gets its sum and is made durable.
    pub fn write_sums(&self) -> Result<()> {
        let guard = enter();
        for number in 0..self.page().load(head::SEGMENT_TABLES) as usize {
            let Some(region) = self.tables.load(number, &guard) else { continue };
            region.store(TABLE_SUM, self.table_sum(region));
            region.sync(0, region.len()).map_err(|error| Error::sync("sync the segment table", &error))?;
        }
        Ok(())
    }
}

/// A field of the segment table that counts bytes of a segment. Bounded, so that no sum of such fields overflows: a damaged
/// counter must not stop whoever asks.
#[inline]
fn bytes_in(table: &Region, at: usize) -> u64 {
    table.load(at).min(OFFSETS_END)
}
