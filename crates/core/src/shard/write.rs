//! Put and delete, with or without a condition.

use super::append::Parts;
use super::read::Hint;
use super::room::{Purpose, Room};
use super::{Keep, Locked, Pin, Shard};
use crate::index::{Place, Probe};
use crate::layout::extent::Descriptor;
use crate::layout::head;
use crate::layout::intent::{Operation, RecordIntent, slot_word};
use crate::layout::record::{Header, MAX_SEQ, Type};
use crate::layout::segment::{RecordRef, SegmentId};
use crate::layout::table::{FULL, Tag};
use crate::log::{Record, extent};
use crate::mem::{Guard, enter};
use crate::{Code, Error, Result};

/// A value for the log.
#[derive(Clone, Copy)]
pub(crate) struct Body<'a> {
    pub kind: Type,
    /// The value, or the descriptor of its extent.
    pub value: &'a [u8],
}

/// What the key's sequence number must be for the change to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Any,
    /// `None`: the key is absent.
    Seq(Option<u64>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Inserted,
    Updated,
    Removed,
    /// There was nothing to remove.
    Absent,
    /// The key's sequence number was another.
    Lost,
}

/// What a change came to, and the pin that it was to hand out: seldom one, and in a box, since this is handed on by value.
pub(crate) type Changed = (Change, Option<Box<Pin>>);

impl Shard {
    /// Stores a value whose bytes go into the log, or whose extent is already written.
    pub fn put(&self, hash: u64, key: &[u8], body: Body<'_>, expect: Expect, keep: Keep) -> Result<Changed> {
        let guard = enter();
        self.checked(self.put_under(hash, key, body, expect, keep, &guard))
    }

    fn put_under(
        &self,
        hash: u64,
        key: &[u8],
        body: Body<'_>,
        expect: Expect,
        keep: Keep,
        guard: &Guard,
    ) -> Result<Changed> {
        let (hint, sum) = self.make_ready(hash, key, body.value, guard);
        let mut writer = self.lock_for_write()?;
        if !self.is_written() {
            if matches!(expect, Expect::Seq(Some(_))) {
                return Ok((Change::Lost, None));
            }
            self.create(&mut writer, guard)?;
        }
        let header = Header { kind: body.kind, seq: 0, key_len: key.len(), value_len: body.value.len(), body_sum: sum };
        let length = header.len(self.align());
        // Room comes first: making it may move records, and with them what a search found.
        self.make_room(&mut writer, length, Purpose::Put, guard)?;
        let tag = self.index.tag(hash);
        let (place, slot, tag_before, old) = loop {
            let (place, probe, old) = self.probe_repaired(hint, hash, key, &mut writer, guard)?;
            if !meets(expect, &old) {
                return Ok((Change::Lost, None));
            }
            match probe {
                Probe::Vacant { slot: Some(slot), tag: before }
                    if before != Tag::EMPTY || place.table.used() < FULL =>
                {
                    break (place, slot, before, None);
                }
                Probe::Vacant { .. } => match self.rewrite_table(&place, &mut writer, guard) {
                    // Before its intent, or the shard is poisoned: damage of the index is mended here as well.
                    Err(error) if error.is_of_index() => {
                        self.check_open()?;
                        self.rebuild_locked(&mut writer, guard)?;
                    }
                    rewritten => rewritten?,
                },
                Probe::Live { slot, .. } => break (place, slot, tag, old),
            }
        };
        let page = self.page();
        let tail = self.tail();
        let is_new = old.is_none();
        let (used, live) = (place.table.used(), place.table.live());
        let mut intent = self.intent(&writer, length, old.as_ref(), guard)?;
        intent.slot = slot_word(place.reference.word(), slot);
        intent.tag = tag.word();
        intent.old_tag = tag_before.word();
        // Saturating, here and below: a damaged counter is answered and is no panic.
        intent.entries = page.load(head::ENTRIES).saturating_add(u64::from(is_new));
        intent.used_live =
            u64::from(used + u32::from(tag_before == Tag::EMPTY)) << 32 | u64::from(live + u32::from(is_new));
        intent.live = intent.live.saturating_add(length as u64);
        intent.new_segment_live += length as u64;
        if old.is_some_and(|old| old.place.segment() == tail.segment()) {
            intent.old_segment_live = intent.new_segment_live;
        }
        let header = Header { seq: intent.seq, ..header };
        let extent = if body.kind == Type::PutExtent { Descriptor::decode(body.value) } else { None };
        intent.extents = intent.extents.saturating_add(extent.map_or(0, |descriptor| descriptor.len));
        let extent = extent.filter(|_| keep == Keep::New);
        let extent = extent.map(|descriptor| Ok((self.open_extent(&descriptor)?, descriptor))).transpose()?;
        let mut kept = self.kept_old(keep, old.as_ref(), guard)?;
        self.append(&mut writer, Operation::Put, &intent, Parts { header, key, value: body.value }, guard)?;
        self.bury_extent(&mut writer, old.as_ref());
        self.after_change(&mut writer, guard);
        if keep == Keep::New {
            kept = self.pin_written(tail, &header, extent, guard).map(Box::new);
        }
        Ok((if is_new { Change::Inserted } else { Change::Updated }, kept))
    }

    /// Removes a key by appending a tombstone.
    pub fn remove(&self, hash: u64, key: &[u8], expect: Expect, keep: Keep) -> Result<Changed> {
        let guard = enter();
        self.checked(self.remove_under(hash, key, expect, keep, &guard))
    }

    fn remove_under(&self, hash: u64, key: &[u8], expect: Expect, keep: Keep, guard: &Guard) -> Result<Changed> {
        let (hint, sum) = self.make_ready(hash, key, &[], guard);
        let mut writer = self.lock_for_write()?;
        if !self.is_written() {
            let change = if matches!(expect, Expect::Seq(Some(_))) { Change::Lost } else { Change::Absent };
            return Ok((change, None));
        }
        let mut found = self.probe_repaired(hint, hash, key, &mut writer, guard)?;
        if !meets(expect, &found.2) {
            return Ok((Change::Lost, None));
        }
        let Some(old) = found.2 else { return Ok((Change::Absent, None)) };
        let header = Header { kind: Type::Tombstone, seq: 0, key_len: key.len(), value_len: 0, body_sum: sum };
        let length = header.len(self.align());
        let purpose = Purpose::Delete { segment: old.place.segment(), length: old.len() as u64 };
        let room = self.make_room(&mut writer, length, purpose, guard)?;
        if room != Room::There {
            // Making room may have moved the record.
            found = self.probe_repaired(hint, hash, key, &mut writer, guard)?;
        }
        let (place, Probe::Live { slot, .. }, Some(old)) = found else {
            return Err(self.damage("a key vanished while its shard was locked"));
        };
        let page = self.page();
        let mut intent = self.intent(&writer, length, Some(&old), guard)?;
        intent.slot = slot_word(place.reference.word(), slot);
        intent.tag = self.index.tag(hash).word();
        intent.old_tag = intent.tag;
        intent.entries = page.load(head::ENTRIES).saturating_sub(1);
        intent.used_live = u64::from(place.table.used()) << 32 | u64::from(place.table.live().saturating_sub(1));
        intent.new_segment_marks += length as u64;
        let header = Header { seq: intent.seq, ..header };
        let kept = self.kept_old(keep, Some(&old), guard)?;
        self.append(&mut writer, Operation::Delete, &intent, Parts { header, key, value: &[] }, guard)?;
        self.bury_extent(&mut writer, Some(&old));
        if let Room::Lent { victim } = room {
            // The tail came from the spare: what lives in the victim follows at once, while the room is there. The key is
            // gone whatever comes of it.
            let _ = self.empty_whole(&mut writer, victim, guard);
        }
        self.after_change(&mut writer, guard);
        Ok((Change::Removed, kept))
    }

    /// What is done before the lock is taken: the body's sum, while the processor fetches what the change will touch. Where that
    /// is, is a hint: under the lock it is looked at again.
    #[inline]
    fn make_ready<'g>(&'g self, hash: u64, key: &[u8], value: &[u8], guard: &'g Guard) -> (Hint<'g>, u64) {
        let mut hint = self.look_ahead(hash, true, guard);
        let sum = self.medium.keys.body_sum(key, value);
        self.prefetch_record(&mut hint, hash, guard);
        (hint, sum)
    }

    /// The old record, if that is what the change is to hand out.
    fn kept_old(&self, keep: Keep, old: Option<&Record<'_>>, guard: &Guard) -> Result<Option<Box<Pin>>> {
        match old {
            Some(old) if keep == Keep::Old => Ok(self.pin_record(old, guard)?.map(Box::new)),
            _ => Ok(None),
        }
    }

    /// A failure before the intent changes nothing; one after it leaves the operation half done.
    fn rewrite_table(&self, place: &Place<'_>, writer: &mut super::Writer, guard: &Guard) -> Result<()> {
        let rewritten = self.index.rewrite(place, &mut writer.queue, guard);
        if rewritten.is_err() && self.page().read_intent()[0] != 0 {
            self.poison();
        }
        // Tables split in waves, for hashes fill them evenly: the next file must be on its way before this one is used up.
        if self.index.wants_file(guard) {
            self.medium.want_background();
        }
        rewritten
    }

    pub(super) fn lock_for_write(&self) -> Result<Locked<'_>> {
        self.check_pages()?;
        self.medium.check_writable()?;
        self.lock()
    }

    /// The key's slot; damage of the index met on the way is mended first.
    fn probe_repaired<'g>(
        &'g self,
        hint: Hint<'g>,
        hash: u64,
        key: &[u8],
        writer: &mut Locked<'_>,
        guard: &'g Guard,
    ) -> Result<(Place<'g>, Probe, Option<Record<'g>>)> {
        let probed = match self.probe_from(hint, hash, key, guard) {
            Err(error) if error.is_of_index() => {
                self.rebuild_locked(writer, guard)?;
                self.probe(hash, key, guard)
            }
            probed => probed,
        };
        probed?.ok_or_else(|| self.damage("the shard has no directory"))
    }

    /// The sequence number of the next record.
    pub(super) fn next_seq(&self) -> Result<u64> {
        match self.page().load(head::SEQ) {
            MAX_SEQ => Err(Error::new(
                Code::TooLarge,
                "The shard has used up its sequence numbers. Copy the map into a new one.",
            )),
            seq if seq > MAX_SEQ => Err(self.damage("the last sequence number is none that there can be")),
            seq => Ok(seq + 1),
        }
    }

    /// The parts of an intent that all changes share: the record at the tail, the old record dead.
    pub(super) fn intent(
        &self,
        writer: &super::Writer,
        length: usize,
        old: Option<&Record<'_>>,
        guard: &Guard,
    ) -> Result<RecordIntent> {
        debug_assert!(!writer.chain.is_empty());
        let page = self.page();
        let tail = self.tail();
        let seq = self.next_seq()?;
        let old_length = old.map_or(0, |old| old.len() as u64);
        let mut new_segment_live = self.log.live(tail.segment(), guard)?;
        let mut old_segment_live = 0;
        if let Some(old) = old {
            if old.place.segment() == tail.segment() {
                new_segment_live = new_segment_live.saturating_sub(old_length);
                old_segment_live = new_segment_live;
            } else {
                old_segment_live = self.log.live(old.place.segment(), guard)?.saturating_sub(old_length);
            }
        }
        Ok(RecordIntent {
            record: tail.0,
            length: length as u64,
            old_record: old.map_or(0, |old| old.place.0),
            seq,
            live: page.load(head::LIVE).saturating_sub(old_length),
            tail: RecordRef::new(tail.segment(), tail.offset() + length).0,
            new_segment_live,
            new_segment_marks: self.log.marks(tail.segment(), guard)?,
            old_segment_live,
            extents: page.load(head::EXTENTS).saturating_sub(old.map_or(0, Record::extent_len)),
            ..RecordIntent::default()
        })
    }

    /// A superseded extent waits for the next checkpoint.
    fn bury_extent(&self, writer: &mut super::Writer, old: Option<&Record<'_>>) {
        writer.dead_extents.extend(old.and_then(Record::extent));
    }

    /// Writes a long value before the lock is taken. Until its record is in the log nothing else may delete the file.
    pub fn write_extent(&self, hash: u64, value: &[u8]) -> Result<Descriptor> {
        self.medium.check_writable()?;
        let id = {
            // The counter stands in a page that a close sums.
            let _writer = self.writer.read();
            self.check_open()?;
            self.log.next_id(head::EXTENT_COUNTER)?
        };
        self.extents.lock().in_flight.insert(id);
        let written = extent::write(&self.medium, self.number, id, hash, value);
        let mut extents = self.extents.lock();
        match written {
            Ok(descriptor) => {
                extents.unsynced.push(id);
                Ok(descriptor)
            }
            Err(error) => {
                extents.in_flight.remove(&id);
                Err(error)
            }
        }
    }

    /// After the put: the extent is the record's now, or nobody's.
    pub fn settle_extent(&self, id: SegmentId, recorded: bool) {
        if !recorded {
            self.medium.remove(&crate::layout::names::extent(self.number, id));
        }
        self.extents.lock().in_flight.remove(&id);
    }
}

fn meets(expect: Expect, old: &Option<Record<'_>>) -> bool {
    match expect {
        Expect::Any => true,
        Expect::Seq(seq) => old.map(|old| old.header.seq) == seq,
    }
}
