//! Replacing a full table by one or two fresh ones, and the queue in which the old ones wait for their readers.

use super::files::{Index, Place};
use super::table::Table;
use crate::layout::directory::{Root, entries_at};
use crate::layout::head;
use crate::layout::intent::{ClearIntent, Operation, TableIntent};
use crate::layout::table::{SLOT_COUNT, TableRef};
use crate::mem::{Guard, READERS, Region, Retired, Stamp};
use crate::rules::{Rule, holds};
use crate::{Result, medium::Page};
use std::collections::VecDeque;

/// What the index's writer keeps on the heap: when the tables at the end of the free queue were retired. Those before
/// them were free when the map was opened, and no reader of this process ever saw them.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    stamps: VecDeque<Stamp>,
    pub(super) directories: Vec<(Retired<Region>, String)>,
    pub(super) files: Vec<(Retired<super::files::IndexFile>, String)>,
}

impl Queue {
    /// No reader holds a table of the queue.
    pub fn forget_tables(&mut self) {
        self.stamps.clear();
    }
}

/// Tables taken for an operation that has not been written down yet.
struct Taken<'a> {
    index: &'a Index,
    guard: &'a Guard,
    allocate: TableRef,
    free_head: u64,
    free_count: u64,
    popped: usize,
    /// The last one that came from the queue.
    taken: Option<TableRef>,
}

/// Looks at the readers before a new file is made although a table is about to be free.
const PATIENCE: usize = 50;

impl<'a> Taken<'a> {
    /// Readers stay for microseconds, and a file costs more than to wait for them; within a file nobody waits.
    fn wait_for_readers(&self, stamp: Stamp) -> bool {
        if READERS.passed(stamp) {
            return true;
        }
        let has_fresh =
            self.index.file(self.allocate.file, self.guard).is_ok_and(|file| self.allocate.number < file.tables);
        !has_fresh
            && (0..PATIENCE).any(|_| {
                std::thread::yield_now();
                READERS.passed(stamp)
            })
    }

    fn new(index: &'a Index, guard: &'a Guard) -> Result<Taken<'a>> {
        let page = index.page();
        let Some(allocate) = TableRef::from_word(page.load(head::ALLOCATE)) else {
            return Err(index.damage("the index has no place for a new table"));
        };
        Ok(Taken {
            index,
            guard,
            allocate,
            free_head: page.load(head::FREE_HEAD),
            free_count: page.load(head::FREE_COUNT),
            popped: 0,
            taken: None,
        })
    }

    /// The oldest free table if its readers have left, else one never used.
    fn table(&mut self, queue: &Queue) -> Result<TableRef> {
        // The queue's last tables have stamps; those before them were free when the map was opened.
        let stamped = queue.stamps.len() - self.popped;
        let has_stamp = self.free_count <= stamped as u64;
        let oldest_is_free = self.free_count > 0
            && (!has_stamp || queue.stamps.get(self.popped).is_some_and(|&stamp| self.wait_for_readers(stamp)));
        if oldest_is_free && let Some(table) = TableRef::from_word(self.free_head) {
            self.free_head = self.index.free_table(table, self.taken, self.guard)?.next();
            self.taken = Some(table);
            self.free_count -= 1;
            self.popped += usize::from(has_stamp);
            return Ok(table);
        }
        let table = self.index.fresh_table(self.allocate, self.guard)?;
        self.allocate = TableRef { file: table.file, number: table.number + 1 };
        Ok(table)
    }
}

impl Index {
    /// A table that is in no directory, whose sum means nothing.
    fn table_unchecked<'g>(&'g self, reference: TableRef, guard: &'g Guard) -> Result<Table<'g>> {
        let file = self.file(reference.file, guard)?;
        let Some(table) = file.table(reference.number) else {
            return Err(self.damage("the free queue names a table beyond its file"));
        };
        if let Some(checked) = &file.checked {
            checked.set(reference.number);
        }
        Ok(table)
    }

    /// A table that the free queue names. The links have no sum, so it is made sure that it is free: one that its own header
    /// leads to is in use, and would be emptied.
    fn free_table<'g>(&'g self, reference: TableRef, taken: Option<TableRef>, guard: &'g Guard) -> Result<Table<'g>> {
        let table = self.table_unchecked(reference, guard)?;
        let Some(root) = self.root() else { return Err(self.damage("there are free tables and no directory")) };
        let directory = self.checked_directory(root, guard)?;
        let used = self.entries_of(directory, root, table.prefix(), table.depth()).is_ok_and(|entries| {
            let word = |entry: usize| directory.load(entries_at(root.depth()) + entry * 8);
            word(entries.start) == reference.word() || word(entries.end - 1) == reference.word()
        });
        let next = TableRef::from_word(self.page().load(head::ALLOCATE));
        let unused = next.is_none_or(|next| (next.file, next.number) <= (reference.file, reference.number));
        if used || unused || taken == Some(reference) {
            return Err(self.damage("the free queue names a table that is not free"));
        }
        Ok(table)
    }

    /// Makes room in a full table: one fresh table if at most half of it is live, for churn would otherwise split for
    /// ever, else two, one prefix bit deeper.
    pub fn rewrite(&self, place: &Place<'_>, queue: &mut Queue, guard: &Guard) -> Result<()> {
        let old = place.table;
        let depth = old.depth();
        let split = old.live() as usize * 2 > SLOT_COUNT;
        let mut root = place.root;
        if split && depth == root.depth() {
            root = self.double(root, queue, guard)?;
        }
        let mut taken = Taken::new(self, guard)?;
        let first = taken.table(queue)?;
        let second = split.then(|| taken.table(queue)).transpose()?;
        let low = self.table_unchecked(first, guard)?;
        let prefix = old.prefix();
        low.reset(prefix, depth + u32::from(split));
        let high = match second {
            None => low,
            Some(second) => {
                let table = self.table_unchecked(second, guard)?;
                table.reset(prefix | 1 << (63 - depth), depth + 1);
                table
            }
        };
        for (tag, record) in old.entries() {
            let goes_high = split && tag.prefix() >> (63 - depth) & 1 == 1;
            if goes_high { high } else { low }.fill(tag, record);
        }
        let page = self.page();
        // Mapped before the intent: what cannot be mapped must not stop the operation halfway.
        if let Some(last) = TableRef::from_word(page.load(head::FREE_TAIL)).filter(|_| taken.free_count > 0) {
            self.table_unchecked(last, guard)?;
        }
        let intent = TableIntent {
            old: place.reference.word(),
            first: first.word(),
            second: second.map_or(0, TableRef::word),
            root: root.0,
            allocate: taken.allocate.word(),
            free_head: if taken.free_count > 0 { taken.free_head } else { place.reference.word() },
            free_last: if taken.free_count > 0 { page.load(head::FREE_TAIL) } else { 0 },
            free_count: taken.free_count + 1,
            tables: page.load(head::TABLES) + u64::from(split),
        };
        let popped = taken.popped;
        if holds(Rule::SplitIntent) {
            page.write_intent(&intent.encode(Operation::Table));
        }
        self.finish_rewrite(&intent, guard)?;
        queue.stamps.drain(..popped.min(queue.stamps.len()));
        queue.stamps.push_back(READERS.stamp());
        Ok(())
    }

    /// The part that a fix-up repeats.
    pub fn finish_rewrite(&self, intent: &TableIntent, guard: &Guard) -> Result<()> {
        let (Some(old), Some(first)) = (TableRef::from_word(intent.old), TableRef::from_word(intent.first)) else {
            return Err(self.damage("a table operation names no tables"));
        };
        let second = TableRef::from_word(intent.second).unwrap_or(first);
        let root = Root(intent.root);
        let directory = self.directory(root, guard)?;
        let old_table = self.table_unchecked(old, guard)?;
        let range = self.entries_of(directory, root, old_table.prefix(), old_table.depth())?;
        let middle = range.start + range.len() / 2;
        for entry in range {
            // A rewrite has one table for both halves; a split's range has at least two entries.
            let table = if entry < middle { first } else { second };
            directory.store(entries_at(root.depth()) + entry * 8, table.word());
        }
        old_table.unsum();
        old_table.set_next(0);
        if let Some(last) = TableRef::from_word(intent.free_last) {
            self.table_unchecked(last, guard)?.set_next(intent.old);
        }
        let page = self.page();
        page.store(head::FREE_HEAD, intent.free_head);
        page.store(head::FREE_TAIL, intent.old);
        page.store(head::FREE_COUNT, intent.free_count);
        page.store(head::ALLOCATE, intent.allocate);
        page.store(head::TABLES, intent.tables);
        page.clear_intent();
        Ok(())
    }

    /// An empty table for `clear`, and the allocation word once it is taken. Nothing is written down yet: a failure here
    /// leaves everything as it was.
    pub fn reserve_for_clear(&self, queue: &Queue, guard: &Guard) -> Result<(TableRef, u64)> {
        let mut taken = Taken::new(self, guard)?;
        let table = taken.table(queue)?;
        self.table_unchecked(table, guard)?.reset(0, 0);
        // All that the clear will go through is mapped before it is written down.
        let page = self.page();
        for file in page.load(head::FIRST_INDEX) as usize..=taken.allocate.file {
            self.file(file, guard)?;
        }
        self.checked_directory(Root::new(0, page.load(head::SMALL_DIRECTORY) as usize, 0), guard)?;
        Ok((table, taken.allocate.word()))
    }

    /// Puts the empty table in force and queues all others as free.
    pub fn finish_clear(&self, intent: &ClearIntent, guard: &Guard) -> Result<()> {
        let Some(kept) = TableRef::from_word(intent.table) else {
            return Err(self.damage("a clear names no table"));
        };
        let Some(end) = TableRef::from_word(intent.allocate) else {
            return Err(self.damage("a clear names no place for a new table"));
        };
        let page = self.page();
        let root = Root(intent.root);
        let table = self.table_unchecked(kept, guard)?;
        table.reset(0, 0);
        self.checked_directory(root, guard)?.store(entries_at(root.depth()), kept.word());
        page.store(head::ROOT, root.0);
        let (mut free_head, mut last, mut count) = (0, None::<Table<'_>>, 0);
        let mut free_tail = 0;
        for file in page.load(head::FIRST_INDEX) as usize..=end.file {
            let tables = if file == end.file { end.number } else { self.file(file, guard)?.tables };
            for number in 0..tables {
                let reference = TableRef { file, number };
                if reference == kept {
                    continue;
                }
                let table = self.table_unchecked(reference, guard)?;
                table.unsum();
                table.set_next(0);
                match last {
                    None => free_head = reference.word(),
                    Some(last) => last.set_next(reference.word()),
                }
                (last, free_tail, count) = (Some(table), reference.word(), count + 1);
            }
        }
        page.store(head::FREE_HEAD, free_head);
        page.store(head::FREE_TAIL, free_tail);
        page.store(head::FREE_COUNT, count);
        page.store(head::ALLOCATE, intent.allocate);
        page.store(head::TABLES, 1);
        Ok(())
    }

    /// After a clear: every table of the queue may have a reader.
    pub fn retire_all(&self, old_root: Root, queue: &mut Queue) {
        let stamp = READERS.stamp();
        queue.stamps.clear();
        queue.stamps.extend(std::iter::repeat_n(stamp, self.page().load(head::FREE_COUNT) as usize));
        self.drop_directory(old_root, queue);
    }

    /// Frees what readers have left. Returns whether anything is still waiting.
    pub fn reclaim(&self, queue: &mut Queue) -> bool {
        let medium = &self.medium;
        free_all(&mut queue.directories, |name| medium.remove(name));
        free_all(&mut queue.files, |name| medium.remove(name));
        !queue.directories.is_empty() || !queue.files.is_empty()
    }
}

fn free_all<T>(waiting: &mut Vec<(Retired<T>, String)>, remove: impl Fn(&str)) {
    for (retired, name) in std::mem::take(waiting) {
        match retired.try_free() {
            Ok(_) => remove(&name),
            Err(retired) => waiting.push((retired, name)),
        }
    }
}

/// Starts the index of a shard over: its page's words as if no table had ever been.
pub(super) fn forget(page: Page<'_>) {
    for field in [head::FREE_HEAD, head::FREE_TAIL, head::FREE_COUNT, head::TABLES] {
        page.store(field, 0);
    }
}
