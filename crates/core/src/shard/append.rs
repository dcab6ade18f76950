//! Appending a record and changing its slot, as one operation: intent, record, slot, counters, tail.

use super::{Shard, Writer};
use crate::Result;
use crate::layout::head;
use crate::layout::intent::{Operation, RecordIntent, slot_place};
use crate::layout::record::Header;
use crate::layout::segment::RecordRef;
use crate::layout::table::{SLOT_COUNT, TableRef, Tag};
use crate::mem::Guard;
use crate::rules::{Rule, holds};

/// A record's bytes, still in their parts.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub header: Header,
    pub key: &'a [u8],
    pub value: &'a [u8],
}

impl Shard {
    /// Does a whole operation. Everything that can fail was done before: an error here means that the mapping itself is
    /// not what it was a moment ago, and closes the shard.
    pub(super) fn append(
        &self,
        writer: &mut Writer,
        operation: Operation,
        intent: &RecordIntent,
        parts: Parts<'_>,
        guard: &Guard,
    ) -> Result<()> {
        if writer.watch.is_some() {
            self.watch_change(writer, operation, intent, guard)?;
        }
        let page = self.page();
        let intended = match operation {
            Operation::Move | Operation::MoveMark => holds(Rule::MoveIntent),
            _ => holds(Rule::Intent),
        };
        if intended {
            page.write_intent(&intent.encode(operation));
        }
        if !holds(Rule::SlotAfterRecord) {
            self.finish_slot(operation, intent, guard)?;
        }
        let appended =
            self.write_record(intent, parts, guard).and_then(|()| self.finish_record(operation, intent, false, guard));
        if appended.is_err() {
            self.poison();
        }
        writer.marks = match operation {
            Operation::Delete | Operation::MoveMark => writer.marks + intent.length,
            _ => writer.marks,
        };
        appended
    }

    pub(super) fn write_record(&self, intent: &RecordIntent, parts: Parts<'_>, guard: &Guard) -> Result<()> {
        let place = RecordRef(intent.record);
        let segment = self.log.segment(place.segment(), guard)?;
        let at = place.offset();
        segment.log.write(at, &parts.header.encode(segment.id, at, &self.medium.keys));
        segment.log.write(at + crate::layout::record::HEADER, parts.key);
        if !parts.value.is_empty() {
            segment.log.write(at + parts.header.value_at(self.align()), parts.value);
        }
        segment.log.publish(at + intent.length as usize);
        segment.mark_verified(at);
        Ok(())
    }

    /// Everything after the record's bytes; a fix-up does it again, however far it had come.
    pub(super) fn finish_record(
        &self,
        operation: Operation,
        intent: &RecordIntent,
        again: bool,
        guard: &Guard,
    ) -> Result<()> {
        self.finish_slot(operation, intent, guard)?;
        let record = RecordRef(intent.record);
        self.log.set_live(record.segment(), intent.new_segment_live, guard)?;
        self.log.set_marks(record.segment(), intent.new_segment_marks, guard)?;
        if intent.old_record != 0 && RecordRef(intent.old_record).segment() != record.segment() {
            self.log.set_live(RecordRef(intent.old_record).segment(), intent.old_segment_live, guard)?;
        }
        let page = self.page();
        let entries = if again && !holds(Rule::Absolute) { page.load(head::ENTRIES) + 1 } else { intent.entries };
        page.store(head::ENTRIES, entries);
        page.store(head::SEQ, intent.seq);
        page.store(head::LIVE, intent.live);
        page.store(head::EXTENTS, intent.extents);
        if entries > page.load(head::PEAK) {
            page.store(head::PEAK, entries);
        }
        page.store(head::TAIL, intent.tail);
        page.clear_intent();
        Ok(())
    }

    fn finish_slot(&self, operation: Operation, intent: &RecordIntent, guard: &Guard) -> Result<()> {
        if operation == Operation::MoveMark {
            return Ok(());
        }
        let (table, slot) = slot_place(intent.slot);
        let table = TableRef::from_word(table).ok_or_else(|| self.damage("an intent names no table"))?;
        let table = self.index.table(table, guard)?;
        if slot >= SLOT_COUNT {
            return Err(self.damage("an intent names a slot beyond its table"));
        }
        table.unsum();
        match operation {
            Operation::Delete => table.bury_slot(slot),
            _ => table.set_slot(slot, Tag::from_word(intent.tag), intent.record),
        }
        table.set_used_live(intent.used_live);
        Ok(())
    }
}
