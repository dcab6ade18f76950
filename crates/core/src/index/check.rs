//! What a verification asks of the index: its tables one after the other, each with what leads to it.

use super::files::Index;
use super::table::Table;
use crate::Result;
use crate::layout::directory::{MAX_DEPTH, Root, entries_at, entry_of, shares_prefix};
use crate::layout::file::Kind;
use crate::layout::table::{BUCKET_SLOTS, BUCKETS, DEPTH, PREFIX, SLOT_COUNT, SUM, TableRef, Tag, USED_LIVE, slot_at};
use crate::layout::{head, names};
use crate::mem::{Guard, Region};

/// Entries of a directory that show one table are looked at up to this many; hashes are even, so only damage makes more.
const MAX_RUN: usize = 1 << 16;

/// A table as the directory shows it.
pub(crate) struct Run<'g> {
    /// What is wrong with the way to it, or with its own header and slots: the file and the offset.
    pub wrong: Vec<(String, usize)>,
    pub table: Option<(Table<'g>, TableRef)>,
    /// The first prefix that belongs to another table; `None`: this is the last.
    pub next: Option<u64>,
}

/// How the free queue looked; read without the lock, and true if the two looks around it were equal.
pub(crate) struct QueueLook {
    words: [u64; 6],
    pub is_whole: bool,
}

impl Index {
    /// The table of a prefix and, with `thoroughly`, all that its header says. Under the shard's lock.
    pub fn run<'g>(&'g self, prefix: u64, thoroughly: bool, guard: &'g Guard) -> Result<Run<'g>> {
        let Some(root) = self.root() else { return Ok(Run { wrong: Vec::new(), table: None, next: None }) };
        let directory = self.checked_directory(root, guard)?;
        let depth = root.depth();
        let at = |entry: usize| entries_at(depth) + entry * 8;
        let first = entry_of(prefix, depth);
        let word = directory.load(at(first));
        let count = 1usize << depth;
        let mut end = first + 1;
        while end < count && end - first < MAX_RUN && directory.load(at(end)) == word {
            end += 1;
        }
        // Two shifts, because a shift by 64 is none.
        let next = (end < count).then(|| (end as u64) << 1 << (63 - depth));
        let mut run = Run { wrong: Vec::new(), table: None, next };
        let directory_name = || names::directory(self.shard, root.file() as u32);
        let Some(reference) = TableRef::from_word(word) else {
            run.wrong.push((directory_name(), at(first)));
            return Ok(run);
        };
        let Some(table) = self.table_at(reference, guard) else {
            run.wrong.push((directory_name(), at(first)));
            return Ok(run);
        };
        if thoroughly {
            let name = names::index(self.shard, reference.file as u32);
            let base = reference.offset();
            run.wrong.extend(self.wrong_words(table, reference).into_iter().map(|field| (name.clone(), base + field)));
            let mut start = first;
            while start > 0 && first - start < MAX_RUN && directory.load(at(start - 1)) == word {
                start -= 1;
            }
            let fits = table.depth() <= depth
                && end - start == 1 << (depth - table.depth())
                && table.prefix() == (start as u64) << 1 << (63 - depth);
            if !fits {
                // Either the entry leads to the wrong table or the table says the wrong thing.
                let own = self.entries_of(directory, root, table.prefix(), table.depth());
                let is_own = own.is_ok_and(|own| own.contains(&first))
                    && table.prefix().checked_shl(table.depth()).unwrap_or(0) == 0;
                run.wrong.push(if is_own { (directory_name(), at(first)) } else { (name, base + PREFIX) });
            }
        }
        run.table = Some((table, reference));
        Ok(run)
    }

    /// A table below the place of the next new one, whatever its sum says.
    fn table_at<'g>(&'g self, reference: TableRef, guard: &'g Guard) -> Option<Table<'g>> {
        let allocate = TableRef::from_word(self.page().load(head::ALLOCATE))?;
        if (reference.file, reference.number) >= (allocate.file, allocate.number) {
            return None;
        }
        self.file(reference.file, guard).ok()?.table(reference.number)
    }

    /// Offsets of what does not fit in a table: its sum, its counts, a slot outside its range or one that no search finds.
    fn wrong_words(&self, table: Table<'_>, reference: TableRef) -> Vec<usize> {
        let mut wrong = Vec::new();
        if table.sum() != 0 && table.sum() != self.table_sum(table, reference) {
            wrong.push(SUM);
        }
        if table.depth() > MAX_DEPTH {
            wrong.push(DEPTH);
            return wrong;
        }
        let (mut used, mut live) = (0, 0);
        let mut full_before = table.full_before(0);
        for bucket in 0..BUCKETS {
            let mut is_full = true;
            for slot in bucket * BUCKET_SLOTS..(bucket + 1) * BUCKET_SLOTS {
                let tag = table.tag(slot);
                is_full &= tag != Tag::EMPTY;
                used += u32::from(tag != Tag::EMPTY);
                if tag.is_entry() {
                    live += 1;
                    let is_ours = shares_prefix(tag.prefix(), table.prefix(), table.depth());
                    if !is_ours || Table::looks(slot, tag) > full_before + 1 {
                        wrong.push(slot_at(slot).0);
                    }
                }
            }
            full_before = if is_full { full_before + 1 } else { 0 };
        }
        if (used, live) != (table.used(), table.live()) {
            wrong.push(USED_LIVE);
        }
        wrong
    }

    /// Where a slot stands, for the report.
    pub fn slot_place(&self, reference: TableRef, table: Table<'_>, entry: (Tag, u64)) -> (String, usize) {
        let slot = (0..SLOT_COUNT).find(|&slot| table.slot(slot) == entry).unwrap_or(0);
        (names::index(self.shard, reference.file as u32), reference.offset() + slot_at(slot).0)
    }

    /// Files of the index whose header does not verify. Under the shard's lock.
    pub fn wrong_headers(&self, guard: &Guard) -> Vec<String> {
        let page = self.page();
        let mut wrong = Vec::new();
        let medium = &self.medium;
        for number in page.load(head::FIRST_INDEX)..page.load(head::NEXT_INDEX) {
            let file = self.file(number as usize, guard);
            if !file.is_ok_and(|file| medium.header_verifies(&file.region, Kind::Index, self.shard, number)) {
                wrong.push(names::index(self.shard, number as u32));
            }
        }
        let small = Root::new(0, page.load(head::SMALL_DIRECTORY) as usize, 0);
        for root in [Some(small), self.root().filter(|root| root.file() != small.file())].into_iter().flatten() {
            let number = root.file() as u64;
            let directory = self.directory(root, guard);
            if !directory
                .is_ok_and(|region: &Region| medium.header_verifies(region, Kind::Directory, self.shard, number))
            {
                wrong.push(names::directory(self.shard, number as u32));
            }
        }
        wrong
    }

    /// Offsets in the shard's page of the counts of tables that are wrong. Under the shard's lock.
    pub fn wrong_counts(&self, guard: &Guard) -> Result<Vec<usize>> {
        let page = self.page();
        let Some(root) = self.root() else { return Ok(Vec::new()) };
        let directory = self.checked_directory(root, guard)?;
        let (mut tables, mut last) = (0, 0);
        for entry in 0..1usize << root.depth() {
            let word = directory.load(entries_at(root.depth()) + entry * 8);
            tables += u64::from(word != last);
            last = word;
        }
        let mut wrong = Vec::new();
        if tables != page.load(head::TABLES) {
            wrong.push(head::TABLES);
        }
        let Some(allocate) = TableRef::from_word(page.load(head::ALLOCATE)) else {
            wrong.push(head::ALLOCATE);
            return Ok(wrong);
        };
        let mut allocated = allocate.number as u64;
        for file in page.load(head::FIRST_INDEX) as usize..allocate.file {
            allocated += self.file(file, guard)?.tables as u64;
        }
        if tables + page.load(head::FREE_COUNT) != allocated {
            wrong.push(head::FREE_COUNT);
        }
        Ok(wrong)
    }

    fn queue_words(&self) -> [u64; 6] {
        let page = self.page();
        [head::FREE_HEAD, head::FREE_TAIL, head::FREE_COUNT, head::ALLOCATE, head::ROOT, head::TABLES]
            .map(|field| page.load(field))
    }

    /// Follows the free queue from its first table to its last. Where writers are busy the look counts only if
    /// [`queue_is`](Index::queue_is) says so afterwards.
    pub fn look_at_queue(&self, guard: &Guard) -> QueueLook {
        let words = self.queue_words();
        let [head, tail, count, ..] = words;
        let (mut next, mut last) = (head, 0);
        for _ in 0..count {
            let table = TableRef::from_word(next).and_then(|reference| self.table_at(reference, guard));
            let Some(table) = table else { return QueueLook { words, is_whole: false } };
            last = next;
            next = table.next();
        }
        QueueLook { words, is_whole: count == 0 || last == tail }
    }

    /// Whether the queue is still what it was. A count that does not fit has been reported by [`wrong_counts`](Index::wrong_counts).
    pub fn queue_is(&self, look: &QueueLook) -> bool {
        self.queue_words() == look.words
    }
}
