//! A shard at one moment, for a backup: its chain, pinned, and its extents, held until they are copied.

use super::{Shard, Writer};
use crate::Result;
use crate::layout::checkpoint::{Link, ShardState};
use crate::layout::head;
use crate::layout::segment::SegmentId;
use crate::log::Segment;
use crate::mem::enter;
use parking_lot::RwLockReadGuard;
use std::collections::HashSet;
use std::sync::Arc;

/// A shard that nobody changes.
pub(crate) struct Frozen<'a> {
    shard: &'a Shard,
    writer: RwLockReadGuard<'a, Writer>,
}

/// What it was then. As long as this lives none of its extents is deleted; a segment stays while its share does.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    shard: &'a Shard,
    pub state: ShardState,
    /// One for each link of the chain.
    pub segments: Vec<Arc<Segment>>,
    /// Bytes of the values in live extents.
    pub extent_bytes: u64,
    /// The last id that an extent had been given, and those up to it that nothing named any more.
    last_extent: SegmentId,
    dead_extents: HashSet<SegmentId>,
}

impl Shard {
    /// Maps what the chain names, so that nothing is left to map under the lock of a snapshot.
    pub fn map_chain(&self) {
        let chain = self.writer.read().chain.clone();
        for index in chain {
            // One that was freed meanwhile is not part of the snapshot; what is damaged is met again there.
            let _ = self.log.segment(index, &enter());
        }
    }

    /// Keeps writers out.
    pub fn freeze(&self) -> Result<Frozen<'_>> {
        let writer = self.writer.read();
        self.check_open()?;
        Ok(Frozen { shard: self, writer })
    }
}

impl<'a> Frozen<'a> {
    pub fn snapshot(&self) -> Result<Snapshot<'a>> {
        let Frozen { shard, writer } = self;
        let page = shard.page();
        let last_extent = SegmentId::new(page.load(head::GENERATION) as u32, page.load(head::EXTENT_COUNTER) as u32);
        shard.extents.lock().held.push(last_extent);
        let mut snapshot = Snapshot {
            shard,
            state: ShardState::default(),
            segments: Vec::with_capacity(writer.chain.len()),
            extent_bytes: 0,
            last_extent,
            dead_extents: HashSet::new(),
        };
        if !shard.is_written() {
            return Ok(snapshot);
        }
        snapshot.state.entries = page.load(head::ENTRIES);
        snapshot.state.seq = page.load(head::SEQ);
        snapshot.extent_bytes = page.load(head::EXTENTS);
        snapshot.dead_extents.extend(writer.dead_extents.iter().map(|extent| extent.id));
        snapshot.dead_extents.extend(writer.leaving_extents.iter().map(|&(_, id)| id));
        let guard = enter();
        let tail = shard.tail();
        for &index in &writer.chain {
            let entry = shard.log.entry(index, &guard)?;
            let end = if index == tail.segment() { tail.offset() as u64 } else { entry.end };
            shard.log.segment(index, &guard)?;
            let pin = shard.log.pin(index, &guard);
            snapshot.segments.push(pin.ok_or_else(|| shard.damage("a segment of the chain was freed"))?);
            snapshot.state.chain.push(Link { id: entry.id, end });
        }
        Ok(snapshot)
    }
}

impl Snapshot<'_> {
    /// Whether one of the shard's extents may belong to a record of the snapshot. One that is still without a record cannot
    /// be told apart; what is copied in vain is deleted when the copy is opened.
    pub fn has_extent(&self, id: SegmentId) -> bool {
        id <= self.last_extent && !self.dead_extents.contains(&id)
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let mut extents = self.shard.extents.lock();
        if let Some(at) = extents.held.iter().position(|&id| id == self.last_extent) {
            extents.held.swap_remove(at);
        }
        drop(extents);
        self.shard.medium.want_background();
    }
}
