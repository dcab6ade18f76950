//! `compact()` of the index: sibling tables are joined and everything moves to new files, the old ones go.

use super::files::{Index, MAX_FILES};
use super::rewrite::{Queue, forget};
use crate::Result;
use crate::layout::directory::{Root, SMALL_DEPTH, entries_at, entry_of, shares_prefix};
use crate::layout::head;
use crate::layout::intent::{IndexIntent, Operation};
use crate::layout::names;
use crate::layout::table::{MAX_TABLES, MIN_TABLES, SLOT_COUNT, TableRef, Tag, index_len};
use crate::mem::Guard;

/// A joined table is filled this far, so that the next inserts do not split it again.
const JOIN_FILL: usize = 875;

/// The index as it will be.
struct Plan {
    /// In the order of the prefixes.
    tables: Vec<PlannedTable>,
    depth: u32,
}

struct PlannedTable {
    prefix: u64,
    depth: u32,
    /// Tags and records.
    entries: Vec<(Tag, u64)>,
}

/// The tables of new files, given as their numbers and how many each holds.
pub(super) fn tables_of(files: &[(usize, usize)]) -> impl Iterator<Item = TableRef> {
    files.iter().flat_map(|&(file, tables)| (0..tables).map(move |number| TableRef { file, number }))
}

impl Index {
    /// Rewrites the index if that frees at least an eighth of its bytes. The caller holds the shard's lock.
    pub fn shrink(&self, queue: &mut Queue, guard: &Guard) -> Result<bool> {
        let Some(root) = self.root() else { return Ok(false) };
        let page = self.page();
        let live = page.load(head::ENTRIES);
        page.store(head::PEAK, live);
        // A damaged counter asks for more than there is, and then nothing is to be gained.
        let wanted = (live as usize / (JOIN_FILL / 2)).clamp(1, MAX_FILES * MAX_TABLES);
        if (index_len(wanted.max(MIN_TABLES)) as u64) * 8 >= self.bytes(guard) * 7 {
            return Ok(false);
        }
        let plan = self.plan(root, guard)?;
        let count = plan.tables.len();
        // Planned tables are at least a quarter full unless a prefix is alone; what would not get smaller stays.
        if index_len(count.max(MIN_TABLES)) as u64 * 8 >= self.bytes(guard) * 7 {
            return Ok(false);
        }
        self.write_plan(&plan, root, queue, guard)?;
        Ok(true)
    }

    fn plan(&self, root: Root, guard: &Guard) -> Result<Plan> {
        let mut plan = Plan { tables: Vec::new(), depth: 0 };
        self.plan_range(root, 0, 0, guard, &mut plan)?;
        Ok(plan)
    }

    /// One table for the prefix if its entries fit, else one plan for each half.
    fn plan_range(&self, root: Root, prefix: u64, depth: u32, guard: &Guard, plan: &mut Plan) -> Result<()> {
        let directory = self.checked_directory(root, guard)?;
        let entries = if depth <= root.depth() {
            let first = entry_of(prefix, root.depth());
            first..first + (1usize << (root.depth() - depth))
        } else {
            let first = entry_of(prefix, root.depth());
            first..first + 1
        };
        let mut live = 0;
        let mut last = 0;
        let mut tables = Vec::new();
        for entry in entries {
            let word = directory.load(entries_at(root.depth()) + entry * 8);
            if word == last {
                continue;
            }
            last = word;
            let reference = TableRef::from_word(word).ok_or_else(|| self.damage("a directory entry is empty"))?;
            let table = self.table(reference, guard)?;
            let common = table.depth().min(depth);
            if table.depth() > root.depth() || !shares_prefix(table.prefix(), prefix, common) {
                return Err(self.damage("a table's header does not fit its place in the directory"));
            }
            live += table.live() as usize;
            tables.push(table);
            // A table shallower than the range holds entries of others too, so its count says nothing yet.
            if live > JOIN_FILL && table.depth() >= depth && tables.len() > 1 {
                break;
            }
        }
        let single = tables.len() == 1 && tables[0].depth() <= depth;
        if single || live <= JOIN_FILL {
            let found: Vec<_> = tables
                .iter()
                .flat_map(|table| table.entries())
                .filter(|(tag, _)| shares_prefix(tag.prefix(), prefix, depth))
                // A damaged directory shows one table as many; it is split, as more than fit are.
                .take(SLOT_COUNT + 1)
                .collect();
            // One old table always fits one new one, whatever the fill.
            if single || found.len() <= JOIN_FILL {
                plan.depth = plan.depth.max(depth);
                plan.tables.push(PlannedTable { prefix, depth, entries: found });
                return Ok(());
            }
        }
        self.plan_range(root, prefix, depth + 1, guard, plan)?;
        self.plan_range(root, prefix | 1 << (63 - depth), depth + 1, guard, plan)
    }

    fn write_plan(&self, plan: &Plan, old: Root, queue: &mut Queue, guard: &Guard) -> Result<()> {
        let page = self.page();
        let first_file = page.load(head::NEXT_INDEX);
        let old_files = page.load(head::FIRST_INDEX)..first_file;
        // Where this fails, the files that were made stay and are the next ones to be used.
        let files = self.make_files(plan.tables.len())?;
        let small = self.make_directory(0)?;
        let directory_file = if plan.depth <= SMALL_DEPTH { small } else { self.make_directory(plan.depth)? };
        let root = Root::new(old.version().wrapping_add(1), directory_file, plan.depth);
        let directory = self.directory(root, guard)?;
        let mut places = tables_of(&files);
        for PlannedTable { prefix, depth, entries } in &plan.tables {
            let reference = places.next().expect("a place for every planned table");
            let table = self.table(reference, guard)?;
            table.reset(*prefix, *depth);
            for &(tag, record) in entries {
                table.fill(tag, record);
            }
            for entry in self.entries_of(directory, root, *prefix, *depth)? {
                directory.store(entries_at(plan.depth) + entry * 8, reference.word());
            }
        }
        let last = files.last().map_or(TableRef { file: first_file as usize, number: 0 }, |&(file, tables)| {
            let used = plan.tables.len() - files[..files.len() - 1].iter().map(|&(_, tables)| tables).sum::<usize>();
            TableRef { file, number: used.min(tables) }
        });
        let old_small = page.load(head::SMALL_DIRECTORY) as usize;
        let intent = IndexIntent {
            root: root.0,
            small_directory: small as u64,
            first_index: first_file,
            allocate: last.word(),
            tables: plan.tables.len() as u64,
        };
        page.write_intent(&intent.encode(Operation::Index));
        self.finish_shrink(&intent);
        queue.forget_tables();
        if old.file() != old_small {
            self.retire_directory(old.file(), queue);
        }
        self.retire_directory(old_small, queue);
        for number in old_files {
            self.retire_file(number as usize, queue);
        }
        Ok(())
    }

    /// The part that a fix-up repeats. Files that nothing names any more are found by the pass after the open.
    pub fn finish_shrink(&self, intent: &IndexIntent) {
        let page = self.page();
        forget(page);
        page.store(head::SMALL_DIRECTORY, intent.small_directory);
        page.store(head::FIRST_INDEX, intent.first_index);
        page.store(head::ALLOCATE, intent.allocate);
        page.store(head::TABLES, intent.tables);
        page.store(head::ROOT, intent.root);
        page.clear_intent();
    }

    fn retire_file(&self, number: usize, queue: &mut Queue) {
        let name = names::index(self.shard, number as u32);
        match self.files.take(number) {
            Some(retired) => queue.files.push((retired, name)),
            None => self.medium.remove(&name),
        }
    }

    /// Drops everything for a rebuild, or after a `create` that failed: the next `create` starts in new files. The caller
    /// has closed the shard to readers, or none has seen what is dropped.
    pub fn discard(&self, queue: &mut Queue) {
        let page = self.page();
        let files = page.load(head::FIRST_INDEX)..page.load(head::NEXT_INDEX);
        for number in files.take(names::FILE_NUMBERS as usize) {
            self.retire_file(number as usize, queue);
        }
        let small = page.load(head::SMALL_DIRECTORY) as usize;
        if let Some(root) = self.root().filter(|root| root.file() != small) {
            self.retire_directory(root.file(), queue);
        }
        self.retire_directory(small, queue);
        forget(page);
        queue.forget_tables();
    }
}
