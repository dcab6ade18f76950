//! The directory: hash prefix → table. One word names the file and the depth that are in force.

use super::{PAGE, file};

/// The first directory file holds all directories up to this depth, each next file one of a greater depth.
pub(crate) const SMALL_DEPTH: u32 = 8;
/// Beyond this hardly anything of a slot's tag would tell a table's entries apart.
pub(crate) const MAX_DEPTH: u32 = 26;

/// The directory in force: its file's number, its depth, and a version that moves with every change of the two, so that
/// a reader that saw one and sees it again has missed nothing between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Root(pub u64);

impl Root {
    pub const fn new(version: u32, file: usize, depth: u32) -> Root {
        Root((version as u64) << 32 | (file as u64) << 8 | depth as u64)
    }

    pub const fn version(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    pub const fn file(self) -> usize {
        ((self.0 >> 8) & 0xFF_FFFF) as usize
    }

    #[inline]
    pub const fn depth(self) -> u32 {
        (self.0 & 0xFF) as u32
    }
}

/// The directory's entry for a hash whose shard bits are already shifted out.
#[inline]
pub(crate) const fn entry_of(prefix: u64, depth: u32) -> usize {
    // Two shifts, because a shift by 64 is none.
    ((prefix >> 1) >> (63 - depth)) as usize
}

/// Whether two such hashes agree in so many bits.
#[inline]
pub(crate) const fn shares_prefix(one: u64, other: u64, bits: u32) -> bool {
    entry_of(one ^ other, bits) == 0
}

/// Sums of the directory's pages stand here, one word each.
pub(crate) const SUMS: usize = file::HEADER;
const ENTRIES_PER_PAGE: usize = PAGE / 8;

const fn large_sums(depth: u32) -> usize {
    let bytes = ((1usize << depth) / ENTRIES_PER_PAGE) * 8;
    (SUMS + bytes).next_multiple_of(PAGE)
}

/// The byte offset of a directory's first entry in its file.
#[inline]
pub(crate) const fn entries_at(depth: u32) -> usize {
    if depth <= SMALL_DEPTH { PAGE + 8 * ((1 << depth) - 1) } else { large_sums(depth) }
}

/// The byte offset of the sum of a directory's page.
pub(crate) const fn sum_at(depth: u32, page: usize) -> usize {
    if depth <= SMALL_DEPTH { SUMS + depth as usize * 8 } else { SUMS + page * 8 }
}

/// The pages of a directory, as ranges of entries.
pub(crate) fn pages(depth: u32) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    let entries = 1usize << depth;
    (0..entries.div_ceil(ENTRIES_PER_PAGE))
        .map(move |page| (page, page * ENTRIES_PER_PAGE..((page + 1) * ENTRIES_PER_PAGE).min(entries)))
}

/// The length of the file that holds directories of this depth.
pub(crate) const fn file_len(depth: u32) -> usize {
    if depth <= SMALL_DEPTH { 2 * PAGE } else { large_sums(depth) + (8 << depth) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_the_top_bits() {
        assert_eq!(entry_of(u64::MAX, 0), 0);
        assert_eq!(entry_of(1 << 63, 1), 1);
        assert_eq!(entry_of(u64::MAX, MAX_DEPTH), (1 << MAX_DEPTH) - 1);
    }

    #[test]
    fn directories_fit_their_files_and_do_not_overlap() {
        for depth in 0..SMALL_DEPTH {
            assert_eq!(entries_at(depth) + (8 << depth), entries_at(depth + 1));
        }
        for depth in 0..=MAX_DEPTH {
            assert!(entries_at(depth) + (8 << depth) <= file_len(depth));
            let last = pages(depth).last().unwrap();
            assert_eq!(last.1.end, 1 << depth);
            assert!(sum_at(depth, last.0) + 8 <= entries_at(depth).max(PAGE));
        }
    }
}
