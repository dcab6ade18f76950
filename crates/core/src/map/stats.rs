//! What a map holds and uses.

use super::instance::Instance;
use crate::damage::Damages;
use crate::durability::report::Recovery;
use std::sync::atomic::Ordering;

/// Numbers of an open map. Sizes are bytes. Taken shard by shard: under load they are not one moment's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    pub entries: u64,
    pub shards: u64,
    /// Records that slots name, headers and padding included.
    pub live_bytes: u64,
    /// Segments on disk: linked, emptied and made ahead.
    pub log_bytes: u64,
    /// The largest that `log_bytes` may be once compaction is idle.
    pub log_bound: u64,
    /// In linked segments, neither live nor a tombstone.
    pub dead_bytes: u64,
    pub tombstone_bytes: u64,
    /// Of segments that wait for a checkpoint before they are freed.
    pub emptied_bytes: u64,
    pub segments: u64,
    pub largest_segment: u64,
    /// Index and directory files on disk.
    pub index_bytes: u64,
    /// The largest that `index_bytes` may be.
    pub index_bound: u64,
    pub tables: u64,
    pub slots: u64,
    /// Values in files of their own, that are live.
    pub extent_bytes: u64,
    /// Windows through which somebody looks, and freed segments that references of the typed maps keep.
    pub pins: u64,
    /// Of freed segments whose files stay because somebody looks at them.
    pub pinned_bytes: u64,
    /// Of the spare segment, and of freed ones that are to become new ones.
    pub spare_bytes: u64,
    /// Calls that had to make a file which the background should have made.
    pub waits: u64,
    /// Checkpoints since the open.
    pub checkpoints: u64,
    pub recovery: Recovery,
    /// What the open found damaged, under [`OnCorrupt::Quarantine`](crate::OnCorrupt::Quarantine).
    pub damage: Damages,
    /// Where the map was first opened in this process.
    pub path: String,
    /// Differs between two openings of one directory; a JavaScript number holds it.
    pub instance: u64,
}

impl Stats {
    pub(crate) fn of(instance: &Instance) -> Stats {
        let mut stats = Stats {
            entries: instance.len(),
            shards: instance.shards.len() as u64,
            live_bytes: 0,
            log_bytes: 0,
            log_bound: 0,
            dead_bytes: 0,
            tombstone_bytes: 0,
            emptied_bytes: 0,
            segments: 0,
            largest_segment: 0,
            index_bytes: 0,
            index_bound: 0,
            tables: 0,
            slots: 0,
            extent_bytes: 0,
            pins: instance.medium.viewers.looking(),
            pinned_bytes: 0,
            spare_bytes: instance.medium.spare.size() + instance.medium.recycled.bytes(),
            waits: instance.medium.waits.load(Ordering::Relaxed),
            checkpoints: instance.checkpoint_count.load(Ordering::Relaxed),
            recovery: instance.recovery.clone(),
            damage: Damages::default(),
            path: instance.path.to_string_lossy().into_owned(),
            instance: instance.number,
        };
        for shard in &instance.shards {
            let part = shard.stats();
            stats.damage.append(shard.damages());
            stats.live_bytes = stats.live_bytes.saturating_add(part.live_bytes);
            stats.log_bytes += part.log_bytes;
            stats.log_bound = stats.log_bound.saturating_add(part.log_bound);
            stats.dead_bytes = stats.dead_bytes.saturating_add(part.dead_bytes);
            stats.tombstone_bytes += part.tombstone_bytes;
            stats.emptied_bytes += part.emptied_bytes;
            stats.segments += part.segments;
            stats.largest_segment = stats.largest_segment.max(part.largest_segment);
            stats.index_bytes += part.index_bytes;
            stats.index_bound = stats.index_bound.saturating_add(part.index_bound);
            stats.tables = stats.tables.saturating_add(part.tables);
            stats.extent_bytes = stats.extent_bytes.saturating_add(part.extent_bytes);
            stats.pins += part.pins;
            stats.pinned_bytes += part.pinned_bytes;
        }
        stats.slots = stats.tables.saturating_mul(crate::layout::table::SLOT_COUNT as u64);
        stats
    }
}
