//! How large the log may be, and which segment compaction empties next.

use super::{Shard, Writer};
use crate::Result;
use crate::layout::head;
use crate::layout::segment::{FIRST_RECORD, MIN_SEGMENT};
use crate::medium::Medium;
use crate::mem::Guard;
use std::time::Instant;

/// The segment being emptied, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Victim {
    pub index: usize,
    pub offset: usize,
    /// When it was chosen, if somebody is to be told.
    pub began: Option<Instant>,
    /// Bytes that had to be kept.
    pub moved: u64,
}

impl Victim {
    pub fn new(index: usize, medium: &Medium) -> Victim {
        Victim { index, offset: FIRST_RECORD, began: medium.listeners.began(), moved: 0 }
    }
}

/// How thorough compaction is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Keep the log within its bound.
    Bound,
    /// Leave no segment that is worth rewriting.
    Full,
    /// Leave nothing of a record that was replaced or removed.
    Erase,
}

impl Shard {
    /// The largest that the log may be once compaction is idle.
    pub(super) fn bound(&self, writer: &Writer) -> u64 {
        // A damaged counter must not stop whoever asks.
        self.page().load(head::LIVE).saturating_add(writer.largest).saturating_mul(2)
    }

    pub(super) fn over_bound(&self, writer: &Writer) -> bool {
        // The tail's successor, once made, counts as log too.
        writer.log_bytes + self.log.next_size(self.page().load(head::LIVE), 0) > self.bound(writer)
    }

    /// Dead extents count like dead bytes of the log; what frees them is a checkpoint.
    pub(super) fn extents_over_bound(&self, writer: &Writer) -> bool {
        let dead = writer.dead_extents.iter().map(|extent| extent.len).fold(0, u64::saturating_add);
        let page = self.page();
        dead > page.load(head::LIVE).saturating_add(page.load(head::EXTENTS)) / 2
    }

    /// Whether the log is so far above its bound that the background does not keep up.
    pub(super) fn lags(&self, writer: &Writer) -> bool {
        let bound = self.bound(writer);
        writer.log_bytes > bound.saturating_add(bound / 8)
    }

    /// For a call that helps: the next segment to empty, unless compaction has found none worth it since the last change.
    pub(super) fn choose_for_bound(&self, writer: &mut Writer, guard: &Guard) -> Result<()> {
        if writer.victim.is_none() && writer.rested_at != self.tail().0 {
            writer.victim = self.choose(writer, Effort::Bound, guard)?;
        }
        Ok(())
    }

    /// The next segment to empty. Tombstones leave only at the old end of the chain: when there are many it is that end's turn.
    pub(super) fn choose(&self, writer: &Writer, effort: Effort, guard: &Guard) -> Result<Option<Victim>> {
        let live = self.page().load(head::LIVE);
        match effort {
            Effort::Bound if !self.over_bound(writer) => return Ok(None),
            Effort::Erase => return self.next_to_erase(writer, guard),
            _ => {}
        }
        let oldest_first = writer.marks > live / 4 && writer.marks > MIN_SEGMENT / 16;
        let mut best: Option<(u64, Victim)> = None;
        for (at, &index) in writer.chain.iter().enumerate() {
            let id = self.log.segment(index, guard)?.id;
            // A full round takes what was there when it began: it would else rewrite for ever what it has just written.
            if writer.damaged.contains(&index) || effort == Effort::Full && id > writer.round_end {
                continue;
            }
            let size = self.log.segment(index, guard)?.size();
            let is_tail = at + 1 == writer.chain.len();
            let used = if is_tail { self.tail().offset() as u64 } else { size };
            let live_here = self.log.live(index, guard)?;
            // A tombstone counts as dead only where it can be dropped: in the chain's first segment.
            let needed = if at == 0 { 0 } else { self.log.marks(index, guard)? };
            let dead = used.saturating_sub(FIRST_RECORD as u64 + live_here + needed);
            // A tail is emptied only when it is far larger than a new one would be, and nearly nothing lives in it.
            let oversized = size > 2 * self.log.next_size(live, 0) && live_here * 4 < size;
            let victim = Victim::new(index, &self.medium);
            // Behind the first segment stand those whose tombstones it holds up, so it goes whatever it is worth itself.
            if oldest_first && at == 0 && !is_tail {
                return Ok(Some(victim));
            }
            let worth = match effort {
                _ if is_tail => oversized && (dead > 0 || effort == Effort::Full),
                Effort::Bound => dead > 0,
                Effort::Full | Effort::Erase => dead * 8 > size || oversized,
            };
            if !worth {
                continue;
            }
            // Dead bytes by the thousand of the size: large and small segments compare.
            let share = (size - (live_here + needed).min(size)) * 1000 / size;
            if best.is_none_or(|(most, _)| share > most) {
                best = Some((share, victim));
            }
        }
        Ok(best.map(|(_, victim)| victim))
    }

    /// The oldest first: then its tombstones need not be moved.
    fn next_to_erase(&self, writer: &Writer, guard: &Guard) -> Result<Option<Victim>> {
        for &index in writer.chain.iter().filter(|index| !writer.damaged.contains(index)) {
            if writer.to_erase.contains(&self.log.segment(index, guard)?.id) {
                return Ok(Some(Victim::new(index, &self.medium)));
            }
        }
        Ok(None)
    }
}
