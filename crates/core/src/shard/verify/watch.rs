//! Counting while others write: what was walked already is kept true by those who change it.

use super::super::{Shard, Writer};
use crate::Result;
use crate::layout::head;
use crate::layout::intent::{Operation, RecordIntent};
use crate::layout::segment::RecordRef;
use crate::layout::table::Tag;
use crate::mem::Guard;
use std::collections::HashMap;

/// What the part of the index that a verification has walked holds. It hangs at the shard's writer, so that each change of
/// that part is added under the same lock.
#[derive(Debug, Default)]
pub(in crate::shard) struct Watch {
    /// Tags with a prefix below this are counted; `None`: all are.
    pub walked: Option<u64>,
    pub entries: u64,
    pub live: u64,
    pub extents: u64,
    /// Live bytes by segment.
    pub segments: HashMap<usize, u64>,
    /// The index was made anew: what was counted means nothing.
    pub void: bool,
    /// A slot's record could not be read, so nobody knows its length.
    pub blurred: bool,
}

impl Watch {
    pub fn new() -> Watch {
        Watch { walked: Some(0), ..Watch::default() }
    }

    /// After a clear nothing is left to count.
    pub fn clear(&mut self) {
        *self = Watch { walked: self.walked, void: self.void, ..Watch::default() };
    }
}

impl Shard {
    /// Before an operation's counters are stored: the difference that they will make is the watch's too.
    #[cold]
    pub(in crate::shard) fn watch_change(
        &self,
        writer: &mut Writer,
        operation: Operation,
        intent: &RecordIntent,
        guard: &Guard,
    ) -> Result<()> {
        let Some(watch) = &mut writer.watch else { return Ok(()) };
        let is_walked = watch.walked.is_none_or(|walked| Tag::from_word(intent.tag).prefix() < walked);
        if operation == Operation::MoveMark || !is_walked {
            return Ok(());
        }
        let page = self.page();
        let change = |count: &mut u64, before: u64, after: u64| *count = count.wrapping_add(after.wrapping_sub(before));
        change(&mut watch.entries, page.load(head::ENTRIES), intent.entries);
        change(&mut watch.live, page.load(head::LIVE), intent.live);
        change(&mut watch.extents, page.load(head::EXTENTS), intent.extents);
        let new = RecordRef(intent.record).segment();
        change(watch.segments.entry(new).or_default(), self.log.live(new, guard)?, intent.new_segment_live);
        let old = RecordRef(intent.old_record).segment();
        if intent.old_record != 0 && old != new {
            change(watch.segments.entry(old).or_default(), self.log.live(old, guard)?, intent.old_segment_live);
        }
        Ok(())
    }
}
