//! `HEAD`: one page for the map, one per possible shard. What a writer changes at every call stands here.

use super::{MAX_SHARDS, PAGE, file, intent};

pub(crate) const LEN: usize = PAGE * (1 + MAX_SHARDS as usize);

/// Not 0 once a sync has failed: nobody knows what the disk holds.
pub(crate) const SUSPECT: usize = file::HEADER;
/// Not 0 while every shard's intent to clear is to be finished.
pub(crate) const MAP_INTENT: usize = SUSPECT + 8;
/// The key of the sums, which both checkpoints have too: for a salvage without either.
pub(crate) const SUM_KEY: usize = MAP_INTENT + 8;

/// The page of a shard.
pub(crate) const fn shard(number: u32) -> usize {
    PAGE * (1 + number as usize)
}

// A shard's page, as byte offsets in it. A cache line for what rarely changes …

/// Over the rest of the page, written at a clean close; 0 while it may have changed since.
pub(crate) const SUM: usize = 0;
/// 1 once the shard has files.
pub(crate) const WRITTEN: usize = SUM + 8;
/// The last segment's counter.
pub(crate) const SEGMENT_COUNTER: usize = WRITTEN + 8;
/// The last extent's counter.
pub(crate) const EXTENT_COUNTER: usize = SEGMENT_COUNTER + 8;
/// Files of the segment table.
pub(crate) const SEGMENT_TABLES: usize = EXTENT_COUNTER + 8;
/// The directory file that holds the small depths; the numbers from the next word on are free.
pub(crate) const SMALL_DIRECTORY: usize = SEGMENT_TABLES + 8;
pub(crate) const NEXT_DIRECTORY: usize = SMALL_DIRECTORY + 8;
/// The generation that new segments and extents of the shard belong to.
pub(crate) const GENERATION: usize = NEXT_DIRECTORY + 8;

// … one for what every put changes …

/// Where the next record lies.
pub(crate) const TAIL: usize = GENERATION + 8;
/// The last sequence number given.
pub(crate) const SEQ: usize = TAIL + 8;
pub(crate) const ENTRIES: usize = SEQ + 8;
/// Bytes of live records, headers and padding included.
pub(crate) const LIVE: usize = ENTRIES + 8;
/// Bytes of the values in live extents.
pub(crate) const EXTENTS: usize = LIVE + 8;
/// The most entries since the last `compact()`.
pub(crate) const PEAK: usize = EXTENTS + 8;

// … one that readers follow …

/// The directory in force.
pub(crate) const ROOT: usize = 128;
const _: () = assert!(TAIL == 64 && PEAK + 8 <= ROOT);

// … and one for the index's files.

/// The lowest index file number in use, and the next free one.
pub(crate) const FIRST_INDEX: usize = 192;
pub(crate) const NEXT_INDEX: usize = FIRST_INDEX + 8;
/// The next table never used yet, as a table reference.
pub(crate) const ALLOCATE: usize = NEXT_INDEX + 8;
/// A queue of free tables, linked by their headers: readers leave them in the order in which they were retired.
pub(crate) const FREE_HEAD: usize = ALLOCATE + 8;
pub(crate) const FREE_TAIL: usize = FREE_HEAD + 8;
pub(crate) const FREE_COUNT: usize = FREE_TAIL + 8;
/// Tables in the directory.
pub(crate) const TABLES: usize = FREE_COUNT + 8;

/// The operation in flight.
pub(crate) const INTENT: usize = 256;
pub(crate) const SHARD_LEN: usize = INTENT + intent::LEN;
const _: () = assert!(TABLES + 8 <= INTENT && SHARD_LEN <= PAGE);
