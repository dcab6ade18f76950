//! Segments: their ids, references to records in them, and the table that lists a shard's segments.

use super::file;

/// Never reused: the generation moves on at every rebuild, the counter at every new file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SegmentId(pub u64);

impl SegmentId {
    pub const fn new(generation: u32, counter: u32) -> Self {
        SegmentId((generation as u64) << 32 | counter as u64)
    }

    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub const fn counter(self) -> u32 {
        self.0 as u32
    }
}

/// Records start here.
pub(crate) const FIRST_RECORD: usize = file::HEADER;
/// Segments are a multiple of this.
pub(crate) const MIN_SEGMENT: u64 = 64 << 10;
/// No segment is larger, but for the first one of a map that was made for a capacity.
pub(crate) const MAX_SEGMENT: u64 = 64 << 20;

/// That one is no larger than this.
pub(crate) const MAX_FIRST_SEGMENT: u64 = 1 << 30;

const OFFSET_BITS: u32 = 40;
/// No segment reaches beyond what a reference can name.
pub(crate) const OFFSETS_END: u64 = 1 << (OFFSET_BITS + 3);
/// A segment's index in its shard's table has 24 bits.
pub(crate) const MAX_SEGMENTS: usize = 1 << (64 - OFFSET_BITS);

/// Where a record lies: the segment's index in the shard's table and the offset in it, as the slot's second word.
/// Also a tail: where the next record would lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordRef(pub u64);

impl RecordRef {
    pub const fn new(segment: usize, offset: usize) -> Self {
        RecordRef((segment as u64) << OFFSET_BITS | (offset as u64) >> 3)
    }

    #[inline]
    pub const fn segment(self) -> usize {
        (self.0 >> OFFSET_BITS) as usize
    }

    #[inline]
    pub const fn offset(self) -> usize {
        ((self.0 & ((1 << OFFSET_BITS) - 1)) << 3) as usize
    }
}

/// What a segment table's entry says of its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The index is free.
    Free,
    /// In the chain.
    Linked,
    /// Nothing live is left in it; it goes once a checkpoint noted after that is durable.
    Emptied,
}

impl State {
    pub const fn word(self) -> u64 {
        match self {
            State::Free => 0,
            State::Linked => 1,
            State::Emptied => 2,
        }
    }

    pub const fn from_word(word: u64) -> Option<State> {
        match word {
            0 => Some(State::Free),
            1 => Some(State::Linked),
            2 => Some(State::Emptied),
            _ => None,
        }
    }
}

// An entry of the segment table.
pub(crate) const ENTRY_STATE: usize = 0;
pub(crate) const ENTRY_ID: usize = ENTRY_STATE + 8;
pub(crate) const ENTRY_SIZE: usize = ENTRY_ID + 8;
/// Of a segment that has a successor: where its records end.
pub(crate) const ENTRY_END: usize = ENTRY_SIZE + 8;
/// Bytes of the records that slots name.
pub(crate) const ENTRY_LIVE: usize = ENTRY_END + 8;
/// Bytes of the tombstone and clear records in it.
pub(crate) const ENTRY_MARKS: usize = ENTRY_LIVE + 8;
/// Reserved up to here.
pub(crate) const ENTRY: usize = 64;

/// The table's first file has this many entries and each next one twice as many.
const FIRST_ENTRIES: usize = 64;
/// The page sum stands behind the header; entries follow.
pub(crate) const TABLE_SUM: usize = file::HEADER;
pub(crate) const TABLE_ENTRIES: usize = TABLE_SUM + 64;

/// Entries in the table's file `number`.
pub(crate) const fn table_entries(number: u32) -> usize {
    FIRST_ENTRIES << number
}

pub(crate) const fn table_len(number: u32) -> usize {
    TABLE_ENTRIES + table_entries(number) * ENTRY
}

/// The file that holds an index's entry, and the entry's byte offset in it.
pub(crate) const fn entry_place(index: usize) -> (u32, usize) {
    let shifted = index + FIRST_ENTRIES;
    let number = usize::BITS - 1 - shifted.leading_zeros() - FIRST_ENTRIES.trailing_zeros();
    (number, TABLE_ENTRIES + (shifted - (FIRST_ENTRIES << number)) * ENTRY)
}

/// No table has more files.
pub(crate) const MAX_TABLE_FILES: u32 = entry_place(MAX_SEGMENTS - 1).0 + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_keep_segment_and_offset() {
        let place = RecordRef::new(MAX_SEGMENTS - 1, (1 << 43) - 8);
        assert_eq!((place.segment(), place.offset()), (MAX_SEGMENTS - 1, (1 << 43) - 8));
        assert_eq!(RecordRef::new(0, FIRST_RECORD).0, 8, "no record's reference is 0");
    }

    #[test]
    fn entries_fill_the_tables_files_one_after_the_other() {
        assert_eq!(entry_place(0), (0, TABLE_ENTRIES));
        assert_eq!(entry_place(63), (0, TABLE_ENTRIES + 63 * ENTRY));
        assert_eq!(entry_place(64), (1, TABLE_ENTRIES));
        assert_eq!(entry_place(64 + 127).1 + ENTRY, table_len(1));
    }
}
