//! The index of one shard: its files, and the way from a hash to its table.

use super::table::Table;
use crate::layout::directory::{MAX_DEPTH, Root, entries_at, entry_of, file_len, shares_prefix};
use crate::layout::file::Kind;
use crate::layout::table::{FULL, MAX_TABLES, MIN_TABLES, SLOT_COUNT, TABLE, TableRef, Tag, index_len};
use crate::layout::{head, names};
use crate::medium::{Medium, Page};
use crate::mem::{Bits, Guard, Region, Slots, enter};
use crate::{Error, Result};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Far more files than tables for 2^40 entries need.
pub(super) const MAX_FILES: usize = 1 << 16;

/// From so many entries a table on all tables are about to split: hashes fill them evenly, so that they get there together.
const WAVE: u64 = FULL as u64 / 5 * 4;

/// A file of tables.
#[derive(Debug)]
pub(super) struct IndexFile {
    pub region: Region,
    pub tables: usize,
    /// Which tables were compared with their sums; `None`: this process made the file.
    pub checked: Option<Bits>,
}

impl IndexFile {
    fn new(region: Region, made_here: bool) -> IndexFile {
        let tables = region.len().saturating_sub(index_len(0)) / TABLE;
        IndexFile { region, tables, checked: (!made_here).then(|| Bits::new(tables)) }
    }

    #[inline]
    pub fn table(&self, number: usize) -> Option<Table<'_>> {
        let at = TableRef { file: 0, number }.offset();
        (number < self.tables).then(|| Table::new(self.region.words(at, TABLE / 8)))
    }
}

/// A shard's index. Readers follow it without a lock; what changes it holds the shard's lock.
#[derive(Debug)]
pub(crate) struct Index {
    pub(super) medium: Arc<Medium>,
    pub(super) shard: u32,
    pub(super) directories: Slots<Region>,
    pub(super) files: Slots<IndexFile>,
    /// Held while a file is mapped or made, so that none is twice. Taken after the shard's lock, never before.
    pub(super) mapping: Mutex<()>,
}

/// The table of a hash, and what led to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'g> {
    pub table: Table<'g>,
    pub reference: TableRef,
    pub root: Root,
    directory: &'g Region,
    entry: usize,
    word: u64,
}

impl Index {
    pub fn new(medium: Arc<Medium>, shard: u32) -> Index {
        Index { medium, shard, directories: Slots::new(), files: Slots::new(), mapping: Mutex::new(()) }
    }

    #[inline]
    pub(super) fn page(&self) -> Page<'_> {
        Page::new(&self.medium, self.shard)
    }

    /// The directory in force; `None` while the shard was never written.
    #[inline]
    pub fn root(&self) -> Option<Root> {
        let root = self.page().load(head::ROOT);
        (root != 0).then_some(Root(root))
    }

    /// The hash with the bits that chose the shard shifted out.
    #[inline]
    pub fn prefix(&self, hash: u64) -> u64 {
        hash << self.medium.shard_bits
    }

    /// What the hash's slot shows of it.
    #[inline]
    pub fn tag(&self, hash: u64) -> Tag {
        Tag::of(self.prefix(hash))
    }

    #[inline]
    pub fn directory<'g>(&'g self, root: Root, guard: &'g Guard) -> Result<&'g Region> {
        match self.directories.load(root.file(), guard) {
            Some(region) => Ok(region),
            None => self.map_directory(root, guard),
        }
    }

    #[cold]
    fn map_directory<'g>(&'g self, root: Root, guard: &'g Guard) -> Result<&'g Region> {
        // So a number that `make_directory` gives is never one in use.
        if root.file() as u64 >= self.page().load(head::NEXT_DIRECTORY) {
            return Err(self.damage("the root names a directory file that there is not"));
        }
        let _mapping = self.mapping.lock();
        if self.directories.load(root.file(), guard).is_none() {
            let number = root.file() as u32;
            let name = names::directory(self.shard, number);
            let region =
                self.medium.map(&name, Kind::Directory, self.shard, u64::from(number)).map_err(Error::of_index)?;
            self.directories.set(root.file(), region);
        }
        self.directories.load(root.file(), guard).ok_or_else(|| self.damage("a directory file vanished"))
    }

    #[inline]
    pub(super) fn file<'g>(&'g self, number: usize, guard: &'g Guard) -> Result<&'g IndexFile> {
        match self.files.load(number, guard) {
            Some(file) => Ok(file),
            None => self.map_file(number, guard),
        }
    }

    #[cold]
    fn map_file<'g>(&'g self, number: usize, guard: &'g Guard) -> Result<&'g IndexFile> {
        let page = self.page();
        let numbers = page.load(head::FIRST_INDEX)..page.load(head::NEXT_INDEX);
        // The counters of a map whose process died are compared after the fix-up, which comes here.
        if !numbers.contains(&(number as u64)) || number as u64 >= names::FILE_NUMBERS {
            return Err(self.damage("a directory entry names an index file that there is not"));
        }
        let _mapping = self.mapping.lock();
        if self.files.load(number, guard).is_none() {
            let name = names::index(self.shard, number as u32);
            let region = self.medium.map(&name, Kind::Index, self.shard, number as u64).map_err(Error::of_index)?;
            self.files.set(number, IndexFile::new(region, false));
        }
        self.files.load(number, guard).ok_or_else(|| self.damage("an index file vanished"))
    }

    /// A table by its reference, checked against its sum at the first touch.
    #[inline(always)]
    pub fn table<'g>(&'g self, reference: TableRef, guard: &'g Guard) -> Result<Table<'g>> {
        let file = self.file(reference.file, guard)?;
        let Some(table) = file.table(reference.number) else {
            return Err(self.damage("a directory entry names a table beyond its file"));
        };
        if let Some(checked) = &file.checked
            && !checked.get(reference.number)
        {
            self.check_table(table, reference)?;
            checked.set(reference.number);
        }
        Ok(table)
    }

    /// The table that holds the hash, if anything does; `None` while the shard was never written.
    #[inline(always)]
    pub fn resolve<'g>(&'g self, hash: u64, guard: &'g Guard) -> Result<Option<Place<'g>>> {
        let Some(root) = self.root() else { return Ok(None) };
        let directory = self.directory(root, guard)?;
        let depth = root.depth();
        // As `checked_directory`, which would cost every search four instructions more.
        if depth > MAX_DEPTH || file_len(depth) > directory.len() {
            return Err(self.damage("the directory is shorter than its depth says"));
        }
        let entry = entries_at(depth) + entry_of(self.prefix(hash), depth) * 8;
        let word = directory.load(entry);
        let Some(reference) = TableRef::from_word(word) else {
            return Err(self.damage("a directory entry is empty"));
        };
        let table = self.table(reference, guard)?;
        Ok(Some(Place { table, reference, root, directory, entry, word }))
    }

    /// For whoever goes by the table's own header: that it fits the way to it, and its counts a table. Readers do not; a
    /// table that is not theirs has none of their keys.
    pub fn check_place(&self, place: &Place<'_>, hash: u64) -> Result<()> {
        let depth = place.table.depth();
        let fits = depth <= place.root.depth() && shares_prefix(place.table.prefix(), self.prefix(hash), depth) && {
            // All entries that the header claims lead here, or the first or the last does not.
            let entries = self.entries_of(place.directory, place.root, place.table.prefix(), depth)?;
            let word = |entry: usize| place.directory.load(entries_at(place.root.depth()) + entry * 8);
            word(entries.start) == place.word && word(entries.end - 1) == place.word
        };
        if !fits {
            return Err(self.damage("a table's header does not fit its place in the directory"));
        }
        let (used, live) = (place.table.used(), place.table.live());
        let fits = live <= used && used as usize <= SLOT_COUNT;
        if fits { Ok(()) } else { Err(self.damage("a table's header counts more slots than it has")) }
    }

    /// Whether the table is still the one for its hash: then it was all the time since `resolve`, because no table is
    /// used again while a reader that knew it is inside, and the root's version never returns.
    #[inline]
    pub fn still(&self, place: &Place<'_>) -> bool {
        place.directory.load(place.entry) == place.word && self.page().load(head::ROOT) == place.root.0
    }

    #[cold]
    pub fn damage(&self, what: &str) -> Error {
        Error::corrupt(format_args!("{what} (index of shard {})", self.shard)).of_index()
    }

    /// An eighth of the tables that there are.
    fn an_eighth(&self) -> usize {
        let page = self.page();
        // Saturating, here and below: a damaged counter must not stop whoever asks.
        let tables = page.load(head::TABLES).saturating_add(page.load(head::FREE_COUNT));
        (tables as usize / 8).clamp(MIN_TABLES, MAX_TABLES)
    }

    /// How many tables the next file is to have; `None` while enough are left. Ahead of a wave of splits that is as many as
    /// the wave takes: it is over in a moment, and no file could be made as fast as it uses them up.
    fn wanted_tables(&self, guard: &Guard) -> Option<usize> {
        let page = self.page();
        let next = TableRef::from_word(page.load(head::ALLOCATE))?;
        // A file that nobody has mapped yet is one that nobody was short of.
        let tables_in = |number: usize| Some(self.files.load(number, guard)?.tables);
        let current = tables_in(next.file)?;
        let mut ahead = 0;
        for number in next.file + 1..page.load(head::NEXT_INDEX) as usize {
            ahead += tables_in(number)?;
        }
        // Free tables are used before new ones.
        let unused = current.saturating_sub(next.number) + ahead;
        let left = unused.saturating_add(page.load(head::FREE_COUNT) as usize);
        let tables = page.load(head::TABLES);
        if page.load(head::ENTRIES) >= tables.saturating_mul(WAVE) {
            let tables = tables as usize;
            return (left < tables / 3 * 2).then(|| (tables - left).clamp(MIN_TABLES, MAX_TABLES));
        }
        (ahead == 0 && left <= current / 4).then(|| self.an_eighth())
    }

    /// Makes the next index file, if one is wanted. Ahead of need by the background, else by the call that needs it, which
    /// waits for a small one only.
    fn make_file(&self, background: bool, guard: &Guard) -> Result<()> {
        let _mapping = self.mapping.lock();
        let page = self.page();
        let current = TableRef::from_word(page.load(head::ALLOCATE)).map_or(0, |table| table.file as u64 + 1);
        let wanted = match background {
            true => self.wanted_tables(guard),
            false => (page.load(head::NEXT_INDEX) <= current).then(|| self.an_eighth()),
        };
        let Some(tables) = wanted else { return Ok(()) };
        // On a disk that is nearly full the spare comes first: deletes need it, and an index file may be what keeps it from
        // being made whole again.
        self.medium.spare.ensure(&self.medium, 0)?;
        self.add_file(tables, background)?;
        Ok(())
    }

    /// The number of the next file, by one of the shard's two counters. Nothing mends a counter at its end but an index that
    /// is made anew.
    pub(super) fn next_number(&self, counter: usize) -> Result<u64> {
        let number = self.page().load(counter);
        if number < names::FILE_NUMBERS { Ok(number) } else { Err(self.damage("the numbers of the files are used up")) }
    }

    /// Makes a file, if asked with all its pages, and gives its number. The caller holds `mapping`.
    fn add_file(&self, tables: usize, fill: bool) -> Result<usize> {
        let page = self.page();
        let number = self.next_number(head::NEXT_INDEX)?;
        let name = names::index(self.shard, number as u32);
        let len = index_len(tables);
        let filled = if fill { len } else { 0 };
        let (region, _) = self.medium.create_filled(&name, Kind::Index, self.shard, number, len, filled)?;
        self.files.set(number as usize, IndexFile::new(region, true));
        page.store(head::NEXT_INDEX, number + 1);
        Ok(number as usize)
    }

    /// Files for so many tables, which are about to be written: their numbers, and how many each holds.
    pub(super) fn make_files(&self, mut left: usize) -> Result<Vec<(usize, usize)>> {
        let mut files = Vec::new();
        while left > 0 {
            let tables = left.clamp(MIN_TABLES, MAX_TABLES);
            let _mapping = self.mapping.lock();
            files.push((self.add_file(tables, true)?, tables));
            left -= left.min(tables);
        }
        Ok(files)
    }

    /// The background's part.
    pub fn make_ahead(&self) -> Result<()> {
        let guard = enter();
        if self.wants_file(&guard) {
            self.make_file(true, &guard)?;
        }
        Ok(())
    }

    pub fn wants_file(&self, guard: &Guard) -> bool {
        self.wanted_tables(guard).is_some()
    }

    /// The next table never used yet; makes a file when the current one is used up.
    pub(super) fn fresh_table(&self, next: TableRef, guard: &Guard) -> Result<TableRef> {
        let file = self.file(next.file, guard)?;
        if next.number < file.tables {
            return Ok(next);
        }
        let following = next.file + 1;
        if self.page().load(head::NEXT_INDEX) <= following as u64 {
            self.medium.waits.fetch_add(1, Ordering::Relaxed);
            self.make_file(false, guard)?;
        }
        Ok(TableRef { file: following, number: 0 })
    }

    /// At an open, of a shard that was never written too: an index that is made anew while the map is open drops as many files
    /// as there can be, and finds numbers, for at most half of them were given.
    pub fn check_counters(&self) -> Result<()> {
        let counters = [head::FIRST_INDEX, head::NEXT_INDEX, head::NEXT_DIRECTORY].map(|field| self.page().load(field));
        let [first, next, next_directory] = counters;
        let given = next.max(next_directory);
        let fits = next.saturating_sub(first) <= MAX_FILES as u64 && given <= names::FILE_NUMBERS / 2;
        if fits { Ok(()) } else { Err(self.damage("the index counts more files than it can have")) }
    }

    /// At an open: the numbers of the index's files fit each other, so that a walk over them ends, and it counts no more
    /// tables than they can hold, nor a directory deeper than there can be.
    pub fn check_files(&self) -> Result<()> {
        let page = self.page();
        let (first, next) = (page.load(head::FIRST_INDEX), page.load(head::NEXT_INDEX));
        let current = TableRef::from_word(page.load(head::ALLOCATE)).map_or(u64::MAX, |table| table.file as u64);
        let fits = first <= current && current < next;
        let next_directory = page.load(head::NEXT_DIRECTORY);
        let directories = [self.root().map_or(0, |root| root.file() as u64), page.load(head::SMALL_DIRECTORY)];
        let fits = fits && directories.into_iter().all(|number| number < next_directory);
        if !fits {
            return Err(self.damage("the numbers of the index's files do not fit each other"));
        }
        let most = (MAX_FILES * MAX_TABLES) as u64;
        let depth = self.root().map_or(0, Root::depth);
        let fits = page.load(head::TABLES) <= most && page.load(head::FREE_COUNT) <= most && depth <= MAX_DEPTH;
        if fits { Ok(()) } else { Err(self.damage("the index counts more tables than it has room for")) }
    }

    /// Whether the files that are in use are still there.
    pub fn check_names(&self, guard: &Guard) -> Result<()> {
        let page = self.page();
        let Some(root) = self.root() else { return Ok(()) };
        for number in page.load(head::FIRST_INDEX)..page.load(head::NEXT_INDEX) {
            let Some(file) = self.files.load(number as usize, guard) else { continue };
            let name = names::index(self.shard, number as u32);
            self.medium.check_file(&name, Some(file.region.file_id()), file.region.len() as u64)?;
        }
        for number in [root.file(), page.load(head::SMALL_DIRECTORY) as usize] {
            let Some(region) = self.directories.load(number, guard) else { continue };
            let name = names::directory(self.shard, number as u32);
            self.medium.check_file(&name, Some(region.file_id()), region.len() as u64)?;
        }
        Ok(())
    }

    /// While it is held no file is made.
    pub fn hold(&self) -> parking_lot::MutexGuard<'_, ()> {
        self.mapping.lock()
    }

    /// Bytes of the index and directory files on disk.
    pub fn bytes(&self, guard: &Guard) -> u64 {
        let page = self.page();
        let Some(root) = self.root() else { return 0 };
        let files = page.load(head::FIRST_INDEX)..page.load(head::NEXT_INDEX);
        let index: usize =
            files.filter_map(|number| self.file(number as usize, guard).ok()).map(|file| file.region.len()).sum();
        let small = page.load(head::SMALL_DIRECTORY) as usize;
        let large = if root.file() == small { 0 } else { file_len(root.depth().min(MAX_DEPTH)) };
        (index + file_len(0) + large) as u64
    }
}
