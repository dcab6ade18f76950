//! What a shard holds and uses.

use super::{Shard, Writer};
use crate::layout::head;
use crate::log::Segment;
use crate::mem::enter;
use std::sync::atomic::Ordering;

/// Index and directory files may take this much for each entry of the shard's peak, and this much besides.
const INDEX_PER_ENTRY: u64 = 40;
const INDEX_BESIDES: u64 = 128 << 10;

/// One shard's part of the map's numbers; see `Stats` for their meaning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ShardStats {
    pub live_bytes: u64,
    pub log_bytes: u64,
    pub log_bound: u64,
    pub dead_bytes: u64,
    pub tombstone_bytes: u64,
    pub emptied_bytes: u64,
    pub segments: u64,
    pub largest_segment: u64,
    pub index_bytes: u64,
    pub index_bound: u64,
    pub tables: u64,
    pub extent_bytes: u64,
    pub pins: u64,
    pub pinned_bytes: u64,
}

impl Writer {
    /// Freed segments that only pins keep.
    fn pinned(&self) -> impl Iterator<Item = &Segment> {
        self.leaving.iter().filter_map(|(retired, _, _)| retired.pinned())
    }
}

impl Shard {
    pub fn stats(&self) -> ShardStats {
        if !self.is_written() {
            return ShardStats::default();
        }
        let guard = enter();
        let writer = self.writer.read();
        let page = self.page();
        let live_bytes = page.load(head::LIVE);
        let emptied_bytes = self.emptied_bytes(&writer, &guard).unwrap_or(0);
        ShardStats {
            live_bytes,
            log_bytes: writer.log_bytes + emptied_bytes + self.log.prepared_bytes(),
            log_bound: self.bound(&writer),
            dead_bytes: writer.log_bytes.saturating_sub(live_bytes).saturating_sub(writer.marks),
            tombstone_bytes: writer.marks,
            emptied_bytes,
            segments: (writer.chain.len() + writer.emptied.len()) as u64,
            largest_segment: writer.largest,
            index_bytes: self.index.bytes(&guard),
            index_bound: page
                .load(head::PEAK)
                .max(self.reserved_entries())
                .saturating_mul(INDEX_PER_ENTRY)
                .saturating_add(INDEX_BESIDES),
            tables: page.load(head::TABLES),
            extent_bytes: page.load(head::EXTENTS),
            // Those of windows are counted with the windows.
            pins: writer
                .leaving
                .iter()
                .filter(|(retired, _, _)| retired.is_pinned_beside(|segment| segment.windows.load(Ordering::Relaxed)))
                .count() as u64,
            pinned_bytes: writer.pinned().map(Segment::size).sum(),
        }
    }

    /// Bytes of the chain and of live extents, for a verification's progress.
    pub fn bytes_to_check(&self) -> u64 {
        match self.is_written() {
            true => self.writer.read().log_bytes.saturating_add(self.page().load(head::EXTENTS)),
            false => 0,
        }
    }

    pub fn largest_segment(&self) -> u64 {
        self.writer.read().largest
    }

    /// Whether something waits for those alone who hold it for longer: pins, a backup, the reader of a long value.
    pub fn has_pinned(&self) -> bool {
        let writer = self.writer.read();
        writer.pinned().next().is_some() || !writer.leaving_extents.is_empty()
    }

    /// Whether a checkpoint would free something.
    pub fn has_freeable(&self) -> bool {
        let writer = self.writer.read();
        !writer.emptied.is_empty()
            || !writer.dead_extents.is_empty()
            || !writer.leaving.is_empty()
            || !writer.leaving_extents.is_empty()
    }
}

#[cfg(test)]
impl Shard {
    /// Buckets that searches for all keys look into together, and the tables that they are in.
    pub fn search_lengths(&self) -> (u64, u64) {
        use crate::index::table::Table;
        use crate::layout::table::SLOT_COUNT;
        let guard = crate::mem::enter();
        let (mut looks, mut tables) = (0, 0);
        let counted = self.index.each_table(&guard, |table| {
            tables += 1;
            for slot in 0..SLOT_COUNT {
                let tag = table.tag(slot);
                if tag.is_entry() {
                    looks += Table::looks(slot, tag) as u64;
                }
            }
        });
        counted.expect("the tables can be read");
        (looks, tables)
    }
}
