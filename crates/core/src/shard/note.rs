//! A shard's part of a checkpoint: note where the log stands, make that durable, then free what the checkpoint let go of.

use super::{Locked, Shard, Writer};
use crate::Result;
use crate::layout::checkpoint::{Link, ShardState};
use crate::layout::directory::Root;
use crate::layout::extent::Descriptor;
use crate::layout::head;
use crate::layout::names::{self, Name};
use crate::layout::segment::{SegmentId, State};
use crate::log::{Pace, Segment, extent};
use crate::mem::{READERS, enter};
use crate::rules::{Rule, holds};

/// What a shard looked like when its tail was noted.
#[derive(Debug, Default)]
pub(crate) struct Note {
    pub state: ShardState,
    /// Segments whose bytes up to here must be durable before the checkpoint is, and whether they are sealed.
    sync: Vec<(usize, usize, bool)>,
    extents: Vec<SegmentId>,
    /// Left out of the chain: they go once the checkpoint is durable.
    emptied: Vec<usize>,
    dead_extents: Vec<Descriptor>,
}

/// What nothing leads to any more, found under the lock.
#[derive(Default)]
struct Gone {
    names: Vec<String>,
    /// Segments that were mapped, and nobody holds.
    segments: Vec<(Segment, String)>,
}

/// Makes a file durable, and gives for how many bytes the device was asked.
pub(crate) type Sync<'a> = Box<dyn FnOnce() -> Result<u64> + Send + 'a>;

impl Shard {
    pub fn note(&self) -> Result<Note> {
        let guard = enter();
        let mut writer = self.lock_for_upkeep()?;
        writer.changed = false;
        let page = self.page();
        if !self.is_written() {
            return Ok(Note { state: self.unserved_state(), ..Note::default() });
        }
        let tail = self.tail();
        self.meter.note(tail.offset());
        let mut note = Note {
            state: ShardState { entries: page.load(head::ENTRIES), seq: page.load(head::SEQ), chain: Vec::new() },
            extents: std::mem::take(&mut self.extents.lock().unsynced),
            emptied: writer.emptied.clone(),
            dead_extents: std::mem::take(&mut writer.dead_extents),
            ..Note::default()
        };
        for &index in &writer.chain {
            let entry = self.log.entry(index, &guard)?;
            let sealed = index != tail.segment();
            let end = if sealed { entry.end } else { tail.offset() as u64 };
            note.state.chain.push(Link { id: entry.id, end });
            if !sealed || writer.unsynced.contains(&index) {
                note.sync.push((index, end as usize, sealed));
            }
        }
        Ok(note)
    }

    /// Whether all files that the shard uses are still there, under their names and whole. Under the lock, for else one that
    /// compaction is just freeing would be missed.
    pub fn check_files(&self) -> Result<()> {
        let guard = enter();
        let writer = self.writer.read();
        if !self.is_written() {
            return Ok(());
        }
        let checked = self.log.check_files(&writer.chain, &guard).and_then(|()| self.index.check_names(&guard));
        self.checked(checked)
    }

    /// Whether a checkpoint would say anything new.
    pub fn is_changed(&self) -> bool {
        let writer = self.writer.read();
        writer.changed || !writer.emptied.is_empty() || !writer.dead_extents.is_empty()
    }

    /// The files that a note needs on the disk, as calls that can be spread over threads and give what they have synced.
    pub fn syncs<'a>(&'a self, note: &'a Note) -> impl Iterator<Item = Sync<'a>> + 'a {
        let segments = note.sync.iter().map(move |&(index, end, _)| -> Sync<'a> {
            Box::new(move || {
                let guard = enter();
                self.log.segment(index, &guard)?.sync(end)
            })
        });
        let extents = note
            .extents
            .iter()
            .map(move |&id| -> Sync<'a> { Box::new(move || extent::sync(&self.medium, self.number, id)) });
        segments.chain(extents)
    }

    /// A checkpoint that did not come to be: what it was to free and to sync waits for the next.
    pub fn give_back(&self, note: Note) {
        if let Ok(mut writer) = self.lock_for_upkeep() {
            writer.changed = true;
            writer.dead_extents.extend(note.dead_extents);
        }
        self.extents.lock().unsynced.extend(note.extents);
    }

    /// The checkpoint is durable. A segment that was sealed when it was noted needs no sync any more, ever; what was
    /// emptied, or dead, before it was noted is freed.
    pub fn settle(&self, note: Note) -> Result<()> {
        let guard = enter();
        let mut writer = self.lock_for_upkeep()?;
        let mut gone = Gone::default();
        for (index, _, sealed) in note.sync {
            if sealed {
                writer.unsynced.remove(&index);
            }
        }
        let emptied = if holds(Rule::FreeAfterNote) { note.emptied } else { writer.emptied.clone() };
        for index in emptied {
            writer.emptied.retain(|&other| other != index);
            writer.unsynced.remove(&index);
            let id = self.log.entry(index, &guard)?.id;
            self.log.set_state(index, State::Free, &guard)?;
            match self.log.retire(index, &guard) {
                Some((retired, name)) => writer.leaving.push((retired, index, name)),
                None => {
                    // Emptied by a process that died; this one never mapped it.
                    gone.names.push(names::segment(self.number, id));
                    writer.free.push(index);
                }
            }
        }
        let stamp = READERS.stamp();
        writer.leaving_extents.extend(note.dead_extents.iter().map(|extent| (stamp, extent.id)));
        self.reclaim_locked(&mut writer, &mut gone);
        drop(writer);
        self.remove_all(gone);
        Ok(())
    }

    /// After the lock is gone: deleting takes time, and overwriting more. Nothing leads to these files any more, and their
    /// names are not given again.
    fn remove_all(&self, gone: Gone) {
        let live = self.page().load(head::LIVE);
        let is_fast = self.pace() == Pace::Fast;
        for (segment, name) in gone.segments {
            let left = if is_fast { self.log.recycle(segment, name, live) } else { Some(name) };
            if let Some(name) = left {
                self.medium.remove(&name);
            }
        }
        gone.names.iter().for_each(|name| self.medium.remove(name));
        self.medium.viewers.ask();
    }

    /// Deletes what its readers have left and nobody pins. Returns whether something still waits for readers: a pin may
    /// stay for hours.
    pub fn reclaim(&self) -> bool {
        match self.lock_for_upkeep() {
            Ok(mut writer) => {
                let mut gone = Gone::default();
                let waits = self.reclaim_locked(&mut writer, &mut gone);
                drop(writer);
                self.remove_all(gone);
                waits
            }
            Err(_) => false,
        }
    }

    fn reclaim_locked(&self, writer: &mut Writer, gone: &mut Gone) -> bool {
        let mut segments_wait = false;
        for (retired, index, name) in std::mem::take(&mut writer.leaving) {
            match retired.try_free() {
                Ok(freed) => {
                    match freed {
                        Some(segment) => gone.segments.push((segment, name)),
                        None => gone.names.push(name),
                    }
                    writer.free.push(index);
                }
                Err(retired) => {
                    segments_wait |= retired.pinned().is_none();
                    writer.leaving.push((retired, index, name));
                }
            }
        }
        let held = self.extents.lock().held.iter().max().copied();
        let mut extents_wait = false;
        writer.leaving_extents.retain(|&(stamp, id)| {
            if held.is_some_and(|held| id <= held) {
                return true;
            }
            let passed = READERS.passed(stamp);
            extents_wait |= !passed;
            let name = names::extent(self.number, id);
            // Who began to read before may take its time, like a pin.
            let kept = !passed || self.medium.is_being_read(&name);
            if !kept {
                gone.names.push(name);
                self.medium.viewers.free_extent(self.number, id);
            }
            kept
        });
        let index_waits = self.index.reclaim(&mut writer.queue);
        index_waits || segments_wait || extents_wait
    }

    /// After an unclean open: these extents may not be durable.
    pub fn distrust_extents(&self, ids: impl Iterator<Item = SegmentId>) {
        self.extents.lock().unsynced.extend(ids);
    }

    /// Deletes a file of the shard that the mapping does not name; asked after an open, for each that is found.
    pub fn remove_orphan(&self, name: &str, parsed: Name) {
        if let Name::Extent { id, .. } = parsed {
            let kept = !self.is_written() || self.extents.lock().in_flight.contains(&id) || self.names_extent(id);
            if !kept && let Ok(mut writer) = self.lock() {
                // Its record may still be in a log that a rebuild reads: it goes with the next checkpoint.
                let len = self.medium.dir.file_len(name).unwrap_or(0);
                writer.dead_extents.push(Descriptor { id, len, sum: 0 });
            }
            return;
        }
        // Held until the file is gone: a new one may get the number of one that was left behind.
        let Ok(writer) = self.lock() else { return };
        let _index = self.index.hold();
        if !self.names_file(&writer, parsed) {
            self.medium.remove(name);
        }
    }

    fn names_file(&self, writer: &Writer, name: Name) -> bool {
        let guard = enter();
        let page = self.page();
        match name {
            Name::Segment { id, .. } => {
                let entry = |index| self.log.entry(index, &guard);
                let listed = |index| entry(index).is_ok_and(|entry| entry.state != State::Free && entry.id == id);
                // What is leaving is deleted by whoever waits for its readers.
                let leaving = || writer.leaving.iter().any(|(_, _, name)| *name == names::segment(self.number, id));
                let is_recycled = || self.medium.recycled.has(&names::segment(self.number, id));
                (0..writer.high).any(listed) || self.log.is_prepared(id) || leaving() || is_recycled()
            }
            Name::SegmentTable { number, .. } => u64::from(number) < page.load(head::SEGMENT_TABLES),
            Name::Directory { number, .. } => {
                let root = self.index.root().map_or(0, Root::file);
                self.is_written() && (number as usize == root || u64::from(number) == page.load(head::SMALL_DIRECTORY))
            }
            Name::Index { number, .. } => {
                self.is_written()
                    && (page.load(head::FIRST_INDEX)..page.load(head::NEXT_INDEX)).contains(&u64::from(number))
            }
            _ => true,
        }
    }

    /// Whether a live record holds the extent, or may: its file says for which hash it was written. One that is damaged there
    /// may still hold a whole value, and stays.
    fn names_extent(&self, id: SegmentId) -> bool {
        let hash = match extent::written_for(&self.medium, self.number, id) {
            extent::WrittenFor::Hash(hash) => hash,
            extent::WrittenFor::Nobody => return false,
            extent::WrittenFor::Unknown => return true,
        };
        let guard = enter();
        let _writer = self.writer.read();
        let Ok(Some(place)) = self.index.resolve(hash, &guard) else { return true };
        let mut named = false;
        let probed = place.table.probe(self.index.tag(hash), |record| {
            let record = self.log.record(crate::layout::segment::RecordRef(record), &guard)?;
            named |= record.extent().is_some_and(|extent| extent.id == id);
            Ok::<_, crate::Error>(false)
        });
        named || probed.is_err()
    }

    /// The last step of a clean close: sums for tables, directory, segment table and page, all of it durable but the page.
    pub fn write_sums(&self) -> Result<()> {
        self.log.drop_prepared();
        let _writer: Locked<'_> = self.lock_for_upkeep()?;
        if self.is_written() {
            self.index.write_sums()?;
            if holds(Rule::SyncIndex) {
                self.index.sync()?;
            }
            self.log.write_sums()?;
        }
        let page = self.page();
        page.store(head::SUM, page.sum(&self.medium.keys));
        Ok(())
    }

    /// After a clean open, before the first change: the page's sum says nothing any more.
    pub fn unsum(&self) {
        self.page().store(head::SUM, 0);
    }
}
