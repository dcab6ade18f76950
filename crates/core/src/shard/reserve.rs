//! Room made when the map is: as many tables and as long a first segment as the map's creator asked for.

use super::Shard;
use crate::Result;
use crate::layout::checkpoint::Capacity;
use crate::layout::record::HEADER;
use crate::layout::segment::{FIRST_RECORD, MAX_FIRST_SEGMENT, MIN_SEGMENT};
use crate::layout::table::FULL;
use crate::mem::enter;

/// Room asked for in advance ends here: a number with some zeros too many is met as an error, not as a full disk.
pub(crate) const MAX_CAPACITY_ENTRIES: u64 = 1 << 31;
/// Entries that a table is made for. Hashes spread evenly: a table meant for so many gets to `FULL` once in 10^12.
const TABLE_ENTRIES: u64 = FULL as u64 * 7 / 9;

/// The same for a rebuild: a table gets to `FULL` once in a thousand, and then it is split.
const REBUILT_ENTRIES: u64 = FULL as u64 * 9 / 10;

/// One shard's part of a map's capacity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    entries: u64,
    /// The first segment's length.
    pub segment: u64,
}

impl Share {
    /// What a shard needs, with a margin for those that get more than their part; `None` if nothing was asked for.
    pub fn new(capacity: Capacity, shards: u64, align: usize) -> Option<Share> {
        if capacity == Capacity::default() {
            return None;
        }
        let part = capacity.rounded_entries().div_ceil(shards);
        // Six standard deviations; one shard gets everything.
        let entries = if shards > 1 { part + 6 * part.isqrt() } else { part };
        let record = (HEADER + 2 * align) as u64;
        let bytes = capacity.bytes.div_ceil(shards).saturating_add(entries.saturating_mul(record));
        // What is left at the end is more than would have a successor made.
        let segment = bytes.saturating_add(bytes / 4).saturating_add(MIN_SEGMENT + FIRST_RECORD as u64);
        Some(Share { entries, segment: segment.checked_next_multiple_of(MIN_SEGMENT).unwrap_or(u64::MAX) })
    }

    /// Whether a map can be made for so much.
    pub fn is_possible(capacity: Capacity, shards: u64, align: usize) -> bool {
        let segment = Share::new(capacity, shards, align).map_or(0, |share| share.segment);
        capacity.entries <= MAX_CAPACITY_ENTRIES && segment <= MAX_FIRST_SEGMENT
    }
}

/// Depth of a directory whose tables hold so many entries without a split.
fn depth_for(entries: u64) -> u32 {
    entries.div_ceil(TABLE_ENTRIES).max(1).next_power_of_two().trailing_zeros()
}

impl Shard {
    fn share(&self) -> Option<Share> {
        Share::new(self.medium.capacity, 1 << self.medium.shard_bits, self.align())
    }

    /// Makes the shard's files now instead of at its first write.
    pub fn reserve(&self) -> Result<()> {
        let guard = enter();
        let mut writer = self.lock_for_write()?;
        if !self.is_written() {
            self.create(&mut writer, &guard)?;
        }
        Ok(())
    }

    pub(super) fn first_depth(&self) -> u32 {
        depth_for(self.reserved_entries())
    }

    /// The same for a rebuild that expects so many entries: no more tables than a log of this length has records for. What
    /// is expected and what was asked for stand in files, and a few bytes there must not take all memory. The first segment
    /// of an honest map is longer than that.
    pub(super) fn rebuilt_depth(&self, log_bytes: u64, expected: u64) -> u32 {
        let most = log_bytes / HEADER as u64;
        let reserved = self.first_depth().min(depth_for(most));
        reserved.max(depth_for(expected.min(most) * TABLE_ENTRIES / REBUILT_ENTRIES))
    }

    pub(super) fn first_segment(&self) -> u64 {
        self.share().map_or(0, |share| share.segment).max(self.log.next_size(0, 0))
    }

    /// Entries that the index is made for, also while there are fewer.
    pub(super) fn reserved_entries(&self) -> u64 {
        self.share().map_or(0, |share| share.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_room_for_its_entries_and_is_not_twice_as_large_as_needed() {
        for shards in [1, 16, 64] {
            for entries in [1u64, 100, 1_000, 65_536, 1_000_000, 1 << 31] {
                let bytes = entries * 116;
                let share = Share::new(Capacity { entries, bytes }, shards, 8).unwrap();
                let tables = 1u64 << depth_for(share.entries);
                assert!(tables * u64::from(FULL) >= share.entries * 8 / 7);
                assert!(tables == 1 || tables * TABLE_ENTRIES < share.entries * 2);
                assert!(share.segment * shards >= bytes + entries * 40);
                assert!(share.segment / HEADER as u64 > share.entries, "a rebuild makes all tables again");
            }
        }
        assert!(Share::new(Capacity { entries: u64::MAX, bytes: u64::MAX }, 64, 16).unwrap().segment > 1 << 60);
        assert!(Share::new(Capacity::default(), 16, 8).is_none());
    }
}
