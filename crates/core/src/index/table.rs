//! One table: 1,020 slots of two words, searched by linear probing.
//!
//! Readers probe without a lock while a writer changes slots. That is harmless, because of three orders:
//! - a new slot gets its record before its hash, so a hash that is seen has a record;
//! - the two words may be read apart: the key in the record is compared, and a record that is named is complete;
//! - a table that is replaced is left as it was, and a reader looks again at the directory entry that led it there.

use crate::layout::table::{
    DEPTH, EMPTY, NEXT, PREFIX, SLOT_COUNT, SLOTS, SUM, TABLE, TOMBSTONE, USED_LIVE, first_slot,
};
use crate::mem::sync::{MappedU64, Ordering};

/// A table's words in its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    words: &'a [MappedU64; TABLE / 8],
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    Live {
        slot: usize,
        record: u64,
    },
    /// Where the key would go: a tombstone on the way, or the empty slot that ended it. `None` in a table without either,
    /// which only damage can make.
    Vacant {
        slot: Option<usize>,
        hash: u64,
    },
}

impl<'a> Table<'a> {
    pub fn new(words: &'a [MappedU64]) -> Table<'a> {
        Table { words: words.try_into().expect("a table's words") }
    }

    #[inline]
    fn load(self, at: usize) -> u64 {
        self.words[at / 8].load(Ordering::Acquire)
    }

    #[inline]
    fn store(self, at: usize, value: u64) {
        // Release: partner of the Acquire loads of readers and of what is found after a kill.
        self.words[at / 8].store(value, Ordering::Release);
    }

    pub fn sum(self) -> u64 {
        self.load(SUM)
    }

    pub fn set_sum(self, sum: u64) {
        self.store(SUM, sum);
    }

    /// Before the first change: the sum does not hold any more.
    #[inline]
    pub fn unsum(self) {
        if self.sum() != 0 {
            self.set_sum(0);
        }
    }

    /// What the sum is over.
    pub fn summed(self) -> impl Iterator<Item = u64> + use<'a> {
        self.words[SUM / 8 + 1..].iter().map(|word| word.load(Ordering::Acquire))
    }

    pub fn prefix(self) -> u64 {
        self.load(PREFIX)
    }

    pub fn depth(self) -> u32 {
        self.load(DEPTH).min(u64::from(u32::MAX)) as u32
    }

    pub fn used(self) -> u32 {
        (self.load(USED_LIVE) >> 32) as u32
    }

    pub fn live(self) -> u32 {
        self.load(USED_LIVE) as u32
    }

    pub fn set_used_live(self, word: u64) {
        self.store(USED_LIVE, word);
    }

    pub fn next(self) -> u64 {
        self.load(NEXT)
    }

    pub fn set_next(self, table: u64) {
        self.store(NEXT, table);
    }

    /// Empties a table that no directory names, whatever it held. Its link stays: until the operation that takes it is
    /// written down the free queue goes through it.
    pub fn reset(self, prefix: u64, depth: u32) {
        for word in &self.words[SLOTS / 8..] {
            word.store(0, Ordering::Relaxed);
        }
        self.set_sum(0);
        self.set_used_live(0);
        self.set_place(prefix, depth);
    }

    /// Which hashes belong in a table that no directory names.
    pub fn set_place(self, prefix: u64, depth: u32) {
        self.store(PREFIX, prefix);
        self.store(DEPTH, u64::from(depth));
    }

    #[inline]
    pub fn slot(self, slot: usize) -> (u64, u64) {
        let at = SLOTS / 8 + slot * 2;
        // Acquire, hash first: partner of `set_slot`'s last store.
        (self.words[at].load(Ordering::Acquire), self.words[at + 1].load(Ordering::Acquire))
    }

    /// Stores the record, then the hash, and neither where it is the same.
    #[inline]
    pub fn set_slot(self, slot: usize, hash: u64, record: u64) {
        let at = SLOTS / 8 + slot * 2;
        self.words[at + 1].store(record, Ordering::Release);
        if self.words[at].load(Ordering::Relaxed) != hash {
            self.words[at].store(hash, Ordering::Release);
        }
    }

    pub fn bury_slot(self, slot: usize) {
        self.words[SLOTS / 8 + slot * 2].store(TOMBSTONE, Ordering::Release);
    }

    /// Follows the hash's slots until one matches or an empty one ends the search; at most once around.
    #[inline]
    pub fn probe<E>(self, hash: u64, mut matches: impl FnMut(u64) -> Result<bool, E>) -> Result<Probe, E> {
        let mut slot = first_slot(hash);
        let mut buried = None;
        for _ in 0..SLOT_COUNT {
            let found = self.words[SLOTS / 8 + slot * 2].load(Ordering::Acquire);
            if found == hash {
                let record = self.words[SLOTS / 8 + slot * 2 + 1].load(Ordering::Acquire);
                if matches(record)? {
                    // The slot may have been buried since, and the record be one that a put is only about to make
                    // visible: it counts if the hash still stands there.
                    if self.words[SLOTS / 8 + slot * 2].load(Ordering::Acquire) == hash {
                        return Ok(Probe::Live { slot, record });
                    }
                    continue;
                }
            } else if found == EMPTY {
                return Ok(match buried {
                    Some(slot) => Probe::Vacant { slot: Some(slot), hash: TOMBSTONE },
                    None => Probe::Vacant { slot: Some(slot), hash: EMPTY },
                });
            } else if found == TOMBSTONE && buried.is_none() {
                buried = Some(slot);
            }
            slot = if slot + 1 == SLOT_COUNT { 0 } else { slot + 1 };
        }
        Ok(Probe::Vacant { slot: buried, hash: TOMBSTONE })
    }

    /// Has the processor fetch where a search for the hash begins, and the header, which a writer needs too.
    #[cfg(not(loom))]
    #[inline]
    pub fn prefetch(self, hash: u64, for_change: bool) {
        crate::mem::prefetch(&self.words[SLOTS / 8 + first_slot(hash) * 2]);
        if for_change {
            crate::mem::prefetch(&self.words[0]);
        }
    }

    /// The live slots' words, in the order of the slots.
    pub fn entries(self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        (0..SLOT_COUNT).map(move |slot| self.slot(slot)).filter(|&(hash, _)| hash != EMPTY && hash != TOMBSTONE)
    }

    /// Adds an entry that is not there yet to a table that no directory names.
    pub fn fill(self, hash: u64, record: u64) {
        let mut slot = first_slot(hash);
        for _ in 0..SLOT_COUNT {
            if self.slot(slot).0 == EMPTY {
                self.set_slot(slot, hash, record);
                self.set_used_live(self.load(USED_LIVE) + (1 << 32 | 1));
                return;
            }
            slot = if slot + 1 == SLOT_COUNT { 0 } else { slot + 1 };
        }
        panic!("more entries than slots");
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::mem::Region;
    use std::convert::Infallible;

    fn find(table: Table<'_>, hash: u64, record: u64) -> Probe {
        table.probe(hash, |found| Ok::<_, Infallible>(found == record)).unwrap()
    }

    #[test]
    fn equal_hashes_are_told_apart_and_a_buried_slot_is_used_again() {
        let region = Region::anonymous(TABLE).unwrap();
        let table = Table::new(region.words(0, TABLE / 8));
        table.reset(0, 0);
        table.fill(u64::MAX, 8);
        table.fill(u64::MAX, 16);
        assert_eq!((table.used(), table.live()), (2, 2));
        let last = SLOT_COUNT - 1;
        assert_eq!(find(table, u64::MAX, 8), Probe::Live { slot: last, record: 8 });
        assert_eq!(find(table, u64::MAX, 16), Probe::Live { slot: 0, record: 16 }, "probing wraps around");
        assert_eq!(find(table, u64::MAX, 24), Probe::Vacant { slot: Some(1), hash: EMPTY });
        table.bury_slot(last);
        assert_eq!(find(table, u64::MAX, 24), Probe::Vacant { slot: Some(last), hash: TOMBSTONE });
        assert_eq!(find(table, u64::MAX, 16), Probe::Live { slot: 0, record: 16 });
    }

    #[test]
    fn a_search_in_a_table_without_an_empty_slot_ends() {
        let region = Region::anonymous(TABLE).unwrap();
        let table = Table::new(region.words(0, TABLE / 8));
        for slot in 0..SLOT_COUNT {
            table.set_slot(slot, 99, 8);
        }
        assert_eq!(find(table, 5, 8), Probe::Vacant { slot: None, hash: TOMBSTONE });
    }
}
