//! Making, doubling and dropping directories.

use super::files::Index;
use super::rewrite::Queue;
use super::shrink::tables_of;
use crate::layout::directory::{MAX_DEPTH, Root, SMALL_DEPTH, entries_at, file_len};
use crate::layout::file::Kind;
use crate::layout::table::TableRef;
use crate::layout::{head, names};
use crate::mem::{Guard, Region};
use crate::{Code, Error, Result};

impl Index {
    /// The first files of a shard: a directory of this depth, a table for each entry. Counts only once the root is stored.
    pub fn create(&self, depth: u32, guard: &Guard) -> Result<()> {
        let page = self.page();
        let small = self.make_directory(0)?;
        page.store(head::SMALL_DIRECTORY, small as u64);
        page.store(head::FIRST_INDEX, page.load(head::NEXT_INDEX));
        // Without an allocation word the background makes no file meanwhile.
        for field in [head::ALLOCATE, head::FREE_HEAD, head::FREE_TAIL, head::FREE_COUNT] {
            page.store(field, 0);
        }
        let files = self.make_files(1 << depth)?;
        // The last that can fail: `discard` would not know its number.
        let directory = if depth <= SMALL_DEPTH { small } else { self.make_directory(depth)? };
        let root = Root::new(Root(page.load(head::ROOT)).version().wrapping_add(1), directory, depth);
        let mut last = TableRef { file: 0, number: 0 };
        for (entry, table) in tables_of(&files).take(1 << depth).enumerate() {
            let prefix = (entry as u64).checked_shl(64 - depth).unwrap_or(0);
            // A file that was just made is all zeros.
            self.table(table, guard)?.set_place(prefix, depth);
            self.directory(root, guard)?.store(entries_at(depth) + entry * 8, table.word());
            last = table;
        }
        page.store(head::ALLOCATE, TableRef { file: last.file, number: last.number + 1 }.word());
        page.store(head::TABLES, 1 << depth);
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
        let number = self.next_number(head::NEXT_DIRECTORY)?;
        let name = names::directory(self.shard, number as u32);
        let region = self.medium.create(&name, Kind::Directory, self.shard, number, file_len(depth))?;
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
        let old = self.checked_directory(root, guard)?;
        let file = if depth <= SMALL_DEPTH {
            self.page().load(head::SMALL_DIRECTORY) as usize
        } else {
            self.make_directory(depth)?
        };
        let doubled = Root::new(root.version().wrapping_add(1), file, depth);
        let new = self.checked_directory(doubled, guard)?;
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
