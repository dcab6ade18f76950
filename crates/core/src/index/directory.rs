//! Making, doubling and dropping directories.

use super::files::Index;
use super::rewrite::Queue;
use crate::layout::directory::{MAX_DEPTH, Root, SMALL_DEPTH, entries_at, file_len};
use crate::layout::file::Kind;
use crate::layout::table::{MIN_TABLES, TableRef};
use crate::layout::{head, names};
use crate::mem::{Guard, Region};
use crate::{Code, Error, Result};

impl Index {
    /// The first files of a shard: a directory of one table. Counts only once the root is stored.
    pub fn create(&self, guard: &Guard) -> Result<()> {
        let page = self.page();
        let directory = self.make_directory(0)?;
        page.store(head::SMALL_DIRECTORY, directory as u64);
        page.store(head::FIRST_INDEX, page.load(head::NEXT_INDEX));
        page.store(head::ALLOCATE, 0);
        for field in [head::FREE_HEAD, head::FREE_TAIL, head::FREE_COUNT] {
            page.store(field, 0);
        }
        let file = page.load(head::NEXT_INDEX) as usize;
        // Without an allocation word the file counts as late whatever its number.
        page.store(head::ALLOCATE, if file == 0 { 0 } else { TableRef { file: file - 1, number: 0 }.word() });
        self.make_file(MIN_TABLES, false)?;
        let table = TableRef { file, number: 0 };
        self.table(table, guard)?.reset(0, 0);
        page.store(head::ALLOCATE, TableRef { file, number: 1 }.word());
        page.store(head::TABLES, 1);
        let root = Root::new(Root(page.load(head::ROOT)).version() + 1, directory, 0);
        self.directory(root, guard)?.store(entries_at(0), table.word());
        page.store(head::ROOT, root.0);
        Ok(())
    }

    /// The same directory under a new version.
    pub fn renew_root(&self) {
        if let Some(root) = self.root() {
            self.page().store(head::ROOT, Root::new(root.version().wrapping_add(1), root.file(), root.depth()).0);
        }
    }

    /// A directory file for a depth, under the next free number.
    pub(super) fn make_directory(&self, depth: u32) -> Result<usize> {
        let _mapping = self.mapping.lock();
        let page = self.page();
        let number = page.load(head::NEXT_DIRECTORY);
        let name = names::directory(self.shard, number as u32);
        let region = self.medium.create(&name, Kind::Directory, self.shard, number, file_len(depth), 0)?;
        self.directories.set(number as usize, region);
        page.store(head::NEXT_DIRECTORY, number + 1);
        Ok(number as usize)
    }

    /// Gives every entry a twin. The copy is complete before one store of the root puts it in force.
    pub(super) fn double(&self, root: Root, queue: &mut Queue, guard: &Guard) -> Result<Root> {
        let depth = root.depth() + 1;
        if depth > MAX_DEPTH {
            return Err(Error::new(
                Code::TooLarge,
                format!(
                    "Shard {} holds as many entries as its directory can name. Create the map with more shards.",
                    self.shard
                ),
            ));
        }
        let old = self.directory(root, guard)?;
        let file = if depth <= SMALL_DEPTH {
            self.page().load(head::SMALL_DIRECTORY) as usize
        } else {
            self.make_directory(depth)?
        };
        let doubled = Root::new(root.version().wrapping_add(1), file, depth);
        let new = self.directory(doubled, guard)?;
        for entry in 0..1usize << root.depth() {
            let word = old.load(entries_at(root.depth()) + entry * 8);
            new.store(entries_at(depth) + entry * 16, word);
            new.store(entries_at(depth) + entry * 16 + 8, word);
        }
        self.page().store(head::ROOT, doubled.0);
        self.drop_directory(root, queue);
        Ok(doubled)
    }

    /// A directory file that no root names any more goes once its readers have left; the small one stays.
    pub(super) fn drop_directory(&self, root: Root, queue: &mut Queue) {
        if root.file() as u64 != self.page().load(head::SMALL_DIRECTORY) {
            self.retire_directory(root.file(), queue);
        }
    }

    pub(super) fn retire_directory(&self, number: usize, queue: &mut Queue) {
        let name = names::directory(self.shard, number as u32);
        match self.directories.take(number) {
            Some(retired) => queue.directories.push((retired, name)),
            None => self.medium.remove(&name),
        }
    }

    /// The entries that a table of this prefix and depth stands under.
    pub(super) fn entries_of(
        &self,
        directory: &Region,
        root: Root,
        prefix: u64,
        depth: u32,
    ) -> Result<std::ops::Range<usize>> {
        if depth > root.depth() || root.depth() > MAX_DEPTH || file_len(root.depth()) > directory.len() {
            return Err(self.damage("a table is deeper than its directory"));
        }
        let first = crate::layout::directory::entry_of(prefix, root.depth());
        let count = 1usize << (root.depth() - depth);
        if !first.is_multiple_of(count) {
            return Err(self.damage("a table's prefix does not fit its depth"));
        }
        Ok(first..first + count)
    }
}
