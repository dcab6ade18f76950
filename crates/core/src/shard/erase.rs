//! `compact()` of a map with `secureDelete`: of what was removed before the call nothing is left after it.

use super::Shard;
use crate::Result;
use crate::layout::record::Type;
use crate::layout::segment::FIRST_RECORD;
use crate::log::Segment;
use crate::mem::enter;
use std::collections::BTreeSet;

impl Shard {
    /// Chooses the segments that hold a dead record. Tombstones name keys and can be dropped only at the old end of the
    /// chain, so all that is older than the last of them goes too.
    pub fn choose_to_erase(&self) -> Result<()> {
        if !self.is_written() {
            return Ok(());
        }
        let chain = self.writer.read().chain.clone();
        let mut all = BTreeSet::new();
        let mut chosen = BTreeSet::new();
        for index in chain {
            let guard = enter();
            // One that was freed meanwhile is gone.
            let Ok(segment) = self.log.segment(index, &guard) else { continue };
            all.insert(segment.id);
            let marks = self.log.marks(index, &guard)?;
            let dead = self.records_len(segment) > self.log.live(index, &guard)? + marks;
            if marks > 0 {
                chosen.extend(&all);
            } else if dead {
                chosen.insert(segment.id);
            }
        }
        self.lock()?.to_erase = chosen;
        Ok(())
    }

    /// Bytes of a segment's records, without the pad behind them. Needs no lock, and no record to verify: what is damaged is
    /// met when it is to be moved.
    fn records_len(&self, segment: &Segment) -> u64 {
        let mut at = FIRST_RECORD;
        while let Some(record) = segment.raw(at, self.align()).filter(|record| record.header.kind != Type::Pad) {
            at += record.len();
        }
        (at - FIRST_RECORD) as u64
    }
}
