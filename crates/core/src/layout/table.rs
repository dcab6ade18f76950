//! Tables of the index: 16 KiB with a header of 64 bytes and 255 buckets. A bucket is a cache line: five slots, their records
//! first and then their tags.

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
pub(crate) const FIRST_BUCKET: usize = 64;

pub(crate) const TABLE: usize = 16 << 10;
pub(crate) const BUCKET: usize = 64;
pub(crate) const BUCKETS: usize = (TABLE - FIRST_BUCKET) / BUCKET;
pub(crate) const BUCKET_SLOTS: usize = 5;
/// In a bucket, behind the records.
pub(crate) const TAGS: usize = BUCKET_SLOTS * 8;
pub(crate) const SLOT_COUNT: usize = BUCKETS * BUCKET_SLOTS;
/// A table with this many slots in use is rewritten before the next insert.
pub(crate) const FULL: u32 = (SLOT_COUNT as u32 / 8) * 7;

/// Where a slot's tag stands in its table, and its record.
pub(crate) const fn slot_at(slot: usize) -> (usize, usize) {
    let (bucket, place) = (FIRST_BUCKET + slot / BUCKET_SLOTS * BUCKET, slot % BUCKET_SLOTS);
    (bucket + TAGS + place * 4, bucket + place * 8)
}

/// What a slot keeps of a hash: the 32 bits behind those that chose the shard, moved off the two values that say that no entry
/// is there. The bits that all of a table's entries share are among them, so what tells entries apart is fewer, and 6 at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag(pub u32);

impl Tag {
    pub const EMPTY: Tag = Tag(0);
    pub const TOMBSTONE: Tag = Tag(1);

    /// Of a hash whose shard's bits are shifted out.
    #[inline]
    pub const fn of(prefix: u64) -> Tag {
        let tag = (prefix >> 32) as u32;
        Tag(if tag > Tag::TOMBSTONE.0 { tag } else { Tag::TOMBSTONE.0 + 1 })
    }

    pub const fn word(self) -> u64 {
        self.0 as u64
    }

    pub const fn from_word(word: u64) -> Tag {
        Tag(word as u32)
    }

    /// The hash as far as the slot knows it.
    #[inline]
    pub const fn prefix(self) -> u64 {
        (self.0 as u64) << 32
    }

    #[inline]
    pub const fn is_entry(self) -> bool {
        self.0 > Tag::TOMBSTONE.0
    }

    /// The bucket where a search starts. Multiplied by the golden ratio (Knuth, The Art of Computer Programming 3, 6.4), so that
    /// tags spread that have their upper bits in common, as all of a table's have.
    #[inline]
    pub const fn bucket(self) -> usize {
        ((self.0.wrapping_mul(0x9E37_79B1) as u64 * BUCKETS as u64) >> 32) as usize
    }
}

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
    fn a_table_has_1275_slots_each_with_a_place_of_its_own_and_is_full_at_seven_eighths() {
        assert_eq!((SLOT_COUNT, FULL), (1275, 1113));
        let places = (0..SLOT_COUNT).flat_map(|slot| {
            let (tag, record) = slot_at(slot);
            (tag..tag + 4).chain(record..record + 8)
        });
        let distinct: std::collections::BTreeSet<_> = places.collect();
        assert_eq!(distinct.len(), SLOT_COUNT * 12);
        assert!(distinct.into_iter().all(|at| (FIRST_BUCKET..TABLE).contains(&at)));
    }

    #[test]
    fn tags_of_a_deep_directory_still_spread_over_all_buckets() {
        for shared in [0u64, 8, 16, 20] {
            let mut filled = [0u32; BUCKETS];
            let mut hash = 0x0123_4567_89AB_CDEF_u64;
            for _ in 0..FULL {
                hash = hash.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                filled[Tag::of(hash >> shared | 0xA5A5_A5A5 << 1 << (63 - shared)).bucket()] += 1;
            }
            assert!(filled.iter().all(|&entries| entries < 20), "{shared} shared bits: {filled:?}");
        }
    }

    #[test]
    fn no_hash_reads_as_an_empty_slot_or_a_tombstone() {
        for prefix in [0, 1 << 32, 2 << 32, u64::MAX] {
            let tag = Tag::of(prefix);
            assert!(tag.is_entry());
            assert!(tag.prefix().abs_diff(prefix) < 4 << 32);
        }
    }
}
