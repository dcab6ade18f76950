//! Tables of the index: 16 KiB with a header of 64 bytes and 1,020 slots.

use super::file;

/// Over the rest of the table, written at a clean close; 0 while it may have changed since.
pub(crate) const SUM: usize = 0;
/// The hash bits that all entries share, left-aligned behind the shard's bits.
pub(crate) const PREFIX: usize = SUM + 8;
pub(crate) const DEPTH: usize = PREFIX + 8;
/// Slots that are not empty in the upper half, live ones in the lower.
pub(crate) const USED_LIVE: usize = DEPTH + 8;
/// Of a free table: the next free one.
pub(crate) const NEXT: usize = USED_LIVE + 8;
/// Reserved up to here.
pub(crate) const SLOTS: usize = 64;

pub(crate) const TABLE: usize = 16 << 10;
pub(crate) const SLOT: usize = 16;
pub(crate) const SLOT_COUNT: usize = (TABLE - SLOTS) / SLOT;
/// A table with this many slots in use is rewritten before the next insert.
pub(crate) const FULL: u32 = (SLOT_COUNT as u32 / 8) * 7;

pub(crate) const EMPTY: u64 = 0;
pub(crate) const TOMBSTONE: u64 = 1;

/// Tables start here in an index file.
pub(crate) const FIRST_TABLE: usize = super::PAGE;
const _: () = assert!(FIRST_TABLE >= file::HEADER);

/// The first index file has this many tables.
pub(crate) const MIN_TABLES: usize = 3;
/// No index file has more.
pub(crate) const MAX_TABLES: usize = 1024;

pub(crate) const fn index_len(tables: usize) -> usize {
    FIRST_TABLE + tables * TABLE
}

const NUMBER_BITS: u32 = 16;

/// Where a table lies: the index file's number and the table's number in it. As a word, 0 stands for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TableRef {
    pub file: usize,
    pub number: usize,
}

impl TableRef {
    #[inline]
    pub const fn from_word(word: u64) -> Option<TableRef> {
        match word.checked_sub(1) {
            None => None,
            Some(place) => Some(TableRef { file: (place >> NUMBER_BITS) as usize, number: (place & 0xFFFF) as usize }),
        }
    }

    #[inline]
    pub const fn word(self) -> u64 {
        ((self.file as u64) << NUMBER_BITS | self.number as u64) + 1
    }

    /// The table's first byte in its file.
    #[inline]
    pub const fn offset(self) -> usize {
        FIRST_TABLE + self.number * TABLE
    }
}

/// The slot where a search starts: the hash's low 32 bits, spread over the slots.
#[inline]
pub(crate) const fn first_slot(hash: u64) -> usize {
    (((hash & 0xFFFF_FFFF) * SLOT_COUNT as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_survive_a_word_and_zero_is_none() {
        let table = TableRef { file: 0xFF_FFFF, number: 1023 };
        assert_eq!(TableRef::from_word(table.word()), Some(table));
        assert_eq!(TableRef::from_word(0), None);
    }

    #[test]
    fn a_table_has_1020_slots_and_is_full_at_seven_eighths() {
        assert_eq!((SLOT_COUNT, FULL), (1020, 889));
        assert_eq!((first_slot(0), first_slot(u64::MAX)), (0, SLOT_COUNT - 1));
    }
}
