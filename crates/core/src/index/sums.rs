//! The sums that a clean close leaves on tables and directory pages, and that the first touch after an open compares.

use super::files::Index;
use super::table::Table;
use crate::layout::directory::{MAX_DEPTH, Root, entries_at, file_len, pages, sum_at};
use crate::layout::head;
use crate::layout::table::TableRef;
use crate::mem::{Guard, Region, enter};
use crate::rules::{Rule, holds};
use crate::{Error, Result};

impl Index {
    /// With its place, or two tables that changed places would both verify, and hide each other's keys.
    pub(super) fn table_sum(&self, table: Table<'_>, reference: TableRef) -> u64 {
        let place = if holds(Rule::TablePlace) { reference.word() } else { 0 };
        self.medium.keys.sum_words(std::iter::once(place).chain(table.summed()))
    }

    /// After a clean close every table has a sum; after a killed process those that it changed have none.
    #[cold]
    pub(super) fn check_table(&self, table: Table<'_>, reference: TableRef) -> Result<()> {
        let sum = table.sum();
        if sum == 0 && !self.medium.clean || sum != 0 && sum == self.table_sum(table, reference) {
            return Ok(());
        }
        // A table that a writer is just changing has lost its sum since; look again.
        if table.sum() == 0 && !self.medium.clean || !holds(Rule::TableSum) {
            return Ok(());
        }
        Err(self.damage(&format!("table {} of index file {} does not match its sum", reference.number, reference.file)))
    }

    /// Compares the directory's pages; done at open, before anything follows it.
    pub fn check_directory(&self) -> Result<()> {
        let guard = enter();
        let Some(root) = self.root() else { return Ok(()) };
        let directory = self.checked_directory(root, &guard)?;
        for (page, entries) in pages(root.depth()) {
            if directory.load(sum_at(root.depth(), page)) != self.page_sum(directory, root, entries) {
                return Err(self.damage("a page of the directory does not match its sum"));
            }
        }
        Ok(())
    }

    /// The directory, as long as its depth says.
    pub(super) fn checked_directory<'g>(&'g self, root: Root, guard: &'g Guard) -> Result<&'g Region> {
        let directory = self.directory(root, guard)?;
        if root.depth() > MAX_DEPTH || file_len(root.depth()) > directory.len() {
            return Err(self.damage("the directory is shorter than its depth says"));
        }
        Ok(directory)
    }

    fn page_sum(&self, directory: &Region, root: Root, entries: std::ops::Range<usize>) -> u64 {
        self.medium.keys.sum_words(entries.map(|entry| directory.load(entries_at(root.depth()) + entry * 8)))
    }

    /// The clean close: every table that has no sum gets one. After an unclean open all files are walked, for the process
    /// that died may have changed any. After a clean one a table without a sum that this process did not look at is damaged,
    /// and stays so: what nobody could mend must not look whole at the next open.
    pub fn write_sums(&self) -> Result<()> {
        let guard = enter();
        let Some(root) = self.root() else { return Ok(()) };
        let directory = self.checked_directory(root, &guard)?;
        for (page, entries) in pages(root.depth()) {
            let mut last = 0;
            for entry in entries.clone() {
                let word = directory.load(entries_at(root.depth()) + entry * 8);
                let untouched = self.medium.clean
                    && TableRef::from_word(word).is_some_and(|table| self.files.load(table.file, &guard).is_none());
                if word == last || untouched {
                    continue;
                }
                last = word;
                let reference = TableRef::from_word(word).ok_or_else(|| self.damage("a directory entry is empty"))?;
                let file = self.file(reference.file, &guard)?;
                let Some(table) = file.table(reference.number) else {
                    return Err(self.damage("a directory entry names a table beyond its file"));
                };
                let known = file.checked.as_ref().is_none_or(|checked| checked.get(reference.number));
                if table.sum() == 0 && (known || !self.medium.clean) {
                    table.set_sum(self.table_sum(table, reference));
                }
            }
            directory.store(sum_at(root.depth(), page), self.page_sum(directory, root, entries));
        }
        Ok(())
    }

    /// Makes the index's files durable: those touched since a clean open, all of them otherwise.
    pub fn sync(&self) -> Result<()> {
        let guard = enter();
        let Some(root) = self.root() else { return Ok(()) };
        let page = self.page();
        let fail = |error: std::io::Error| Error::sync("sync the index", &error);
        for number in page.load(head::FIRST_INDEX)..page.load(head::NEXT_INDEX) {
            let file = match self.files.load(number as usize, &guard) {
                None if self.medium.clean => continue,
                _ => self.file(number as usize, &guard)?,
            };
            file.region.sync(0, file.region.len()).map_err(fail)?;
        }
        let small = Root::new(0, page.load(head::SMALL_DIRECTORY) as usize, 0);
        for root in [small, root] {
            let directory = self.directory(root, &guard)?;
            directory.sync(0, directory.len()).map_err(fail)?;
        }
        Ok(())
    }
}

impl Index {
    /// Calls `work` once for every table in the directory.
    pub fn each_table<'g>(&'g self, guard: &'g Guard, mut work: impl FnMut(Table<'g>)) -> Result<()> {
        let Some(root) = self.root() else { return Ok(()) };
        let directory = self.checked_directory(root, guard)?;
        let mut last = 0;
        for entry in 0..1usize << root.depth() {
            let word = directory.load(entries_at(root.depth()) + entry * 8);
            if word != last {
                last = word;
                let reference = TableRef::from_word(word).ok_or_else(|| self.damage("a directory entry is empty"))?;
                work(self.table(reference, guard)?);
            }
        }
        Ok(())
    }
}
