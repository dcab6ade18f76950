//! One open map, whoever holds handles of it.

use super::flusher::Flusher;
use super::options::{DEFAULT_FLUSH_INTERVAL, Options, Sharing};
use crate::durability::checkpoints::Checkpoints;
use crate::durability::recover::{self, Opened};
use crate::durability::report::{Reason, Recovery};
use crate::events::{Doing, Event, Failures};
use crate::layout::checkpoint::{Capacity, Checkpoint};
use crate::layout::{head, names};
use crate::medium::Medium;
use crate::mem::trace;
use crate::parallel;
use crate::rules::{Rule, holds};
use crate::shard::{Clearing, Effort, Note, Progress, Shard};
use crate::sys::{self, FileId};
use crate::{Code, Error, Result};
use parking_lot::{Mutex, MutexGuard};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// At most this many threads sync at a time.
const SYNC_THREADS: usize = 8;

#[derive(Debug)]
pub(crate) struct Instance {
    pub path: PathBuf,
    /// Drawn by lot, from 53 bits: no other opening has it, in this process or another.
    pub number: u64,
    pub medium: Arc<Medium>,
    pub shards: Vec<Shard>,
    pub recovery: Recovery,
    pub flush_interval: Option<Duration>,
    pub full_recovery: bool,
    pub quarantine: bool,
    pub background: bool,
    pub sharing: Sharing,
    pub checkpoint_count: AtomicU64,
    head_id: FileId,
    /// What every checkpoint repeats.
    template: Checkpoint,
    checkpoints: Mutex<Option<Checkpoints>>,
    flusher: Flusher,
    /// Held by the background while it works, and by `close` for good.
    pub serving: Mutex<Service>,
    /// One call at a time makes room on a full disk.
    room: Mutex<()>,
    /// One verification at a time.
    pub verifying: Mutex<()>,
    pub flushing: AtomicBool,
    /// When the background's last flush failed. It is not tried again at once: what is wrong may stay so.
    pub flush_failed: Mutex<Option<Instant>>,
    failures: Failures,
}

/// What the background remembers of a map.
#[derive(Debug)]
pub(crate) struct Service {
    pub closed: bool,
    pub flushed_at: Instant,
    pub orphans_removed: bool,
    /// A put found the disk full, and compaction goes round once for all that is dead.
    pub full_round: bool,
}

impl Instance {
    pub fn new(path: PathBuf, opened: Opened, options: &Options, sharing: Sharing) -> Result<Instance> {
        let Opened { medium, shards, checkpoints, checkpoint, recovery } = opened;
        let instance = Instance {
            path,
            number: u64::from_le_bytes(sys::random()?) >> 11,
            head_id: recover::head_id(&medium.dir).map_err(|error| Error::os("look at the map's HEAD", &error))?,
            recovery,
            flush_interval: options.flush_interval.unwrap_or(Some(DEFAULT_FLUSH_INTERVAL)),
            full_recovery: options.recovery == Some(super::Recovery::Full),
            quarantine: options.on_corrupt == Some(super::OnCorrupt::Quarantine),
            background: options.hooks.background && medium.writable && sharing == Sharing::Shared,
            sharing,
            checkpoint_count: AtomicU64::new(0),
            template: Checkpoint { clean: false, shards: Vec::new(), ..checkpoint },
            checkpoints: Mutex::new(checkpoints),
            flusher: Flusher::default(),
            serving: Mutex::new(Service {
                closed: false,
                flushed_at: Instant::now(),
                orphans_removed: false,
                full_round: false,
            }),
            room: Mutex::new(()),
            verifying: Mutex::new(()),
            flushing: AtomicBool::new(false),
            flush_failed: Mutex::new(None),
            failures: Failures::default(),
            medium,
            shards,
        };
        if instance.medium.writable {
            match instance.recovery.reason {
                Reason::Killed => recover::distrust_extents(&instance.medium, &instance.shards)?,
                // What was kept is made durable, and only then the index may be trusted again.
                Reason::Rebuilt => instance.flush()?,
                Reason::Created if instance.medium.capacity != Capacity::default() => {
                    // What was made of a shard that found no room is deleted before the error is told.
                    let reserved = instance.shards.iter().try_for_each(Shard::reserve);
                    reserved.inspect_err(|_| {
                        instance.drain();
                    })?;
                }
                Reason::Created | Reason::Clean => {}
            }
        }
        Ok(instance)
    }

    #[inline]
    pub fn shard(&self, hash: u64) -> &Shard {
        // Two shifts, because a shift by 64 is none.
        &self.shards[((hash >> 1) >> (63 - self.medium.shard_bits)) as usize]
    }

    pub fn codecs(&self) -> (&super::Codec, &super::Codec) {
        (&self.template.key_codec, &self.template.value_codec)
    }

    pub fn len(&self) -> u64 {
        self.shards.iter().map(Shard::entries).fold(0, u64::saturating_add)
    }

    /// While it is held no checkpoint is written.
    pub fn hold_checkpoints(&self) -> MutexGuard<'_, Option<Checkpoints>> {
        self.checkpoints.lock()
    }

    /// Everything written before the call is durable when it returns.
    pub fn flush(&self) -> Result<()> {
        if !self.medium.writable {
            return Ok(());
        }
        self.flusher.flush(|| self.flush_now())
    }

    fn flush_now(&self) -> Result<()> {
        if self.checkpoints.lock().is_none() {
            return Err(closed());
        }
        self.check_files()?;
        if let Some(error) = self.medium.failure() {
            return Err(error.clone());
        }
        let notes = self.note()?;
        match self.make_durable(&notes, false) {
            Ok(()) => {
                for (shard, note) in self.shards.iter().zip(notes) {
                    shard.settle(note)?;
                }
                Ok(())
            }
            Err(error) => {
                self.give_back(notes);
                Err(error)
            }
        }
    }

    /// What a checkpoint of this map says, but for its shards.
    pub fn template(&self) -> &Checkpoint {
        &self.template
    }

    fn note(&self) -> Result<Vec<Note>> {
        let mut notes = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            match shard.note() {
                Ok(note) => notes.push(note),
                Err(error) => {
                    self.give_back(notes);
                    return Err(error);
                }
            }
        }
        Ok(notes)
    }

    fn give_back(&self, notes: Vec<Note>) {
        for (shard, note) in self.shards.iter().zip(notes) {
            shard.give_back(note);
        }
    }

    /// Log and extents, then names, then the checkpoint: it may only speak of what is already on the disk.
    fn make_durable(&self, notes: &[Note], clean: bool) -> Result<()> {
        let began = self.medium.listeners.began();
        let syncs: Vec<_> = self.shards.iter().zip(notes).flat_map(|(shard, note)| shard.syncs(note)).collect();
        if !holds(Rule::DataFirst) {
            self.write_checkpoint(notes, false)?;
        }
        // After the first failure nobody knows what the disk holds: no retry, no later success.
        let synced = match holds(Rule::FlushSyncsLog) {
            true => run_all(syncs).map_err(|error| self.medium.failed(error))?,
            false => Vec::new(),
        };
        // AcqRel: partner of the stores that follow each new name.
        if self.medium.names_changed.swap(false, Ordering::AcqRel) && holds(Rule::NamesFirst) {
            let synced = self.medium.dir.sync();
            synced.map_err(|error| self.medium.failed(Error::sync("sync the map's directory", &error)))?;
        }
        if clean {
            self.make_index_durable()?;
        }
        // A page that was replaced meanwhile is not what was synced.
        self.check_pages()?;
        self.write_checkpoint(notes, clean)?;
        self.medium.listeners.tell(began, |duration| {
            let files = synced.iter().filter(|&&bytes| bytes > 0).count() as u64;
            Event::Flush { duration, bytes: synced.iter().sum(), files }
        });
        Ok(())
    }

    fn write_checkpoint(&self, notes: &[Note], clean: bool) -> Result<()> {
        let shards = notes.iter().map(|note| note.state.clone()).collect();
        let checkpoint = Checkpoint { clean, shards, ..self.template.clone() };
        let mut checkpoints = self.checkpoints.lock();
        let Some(checkpoints) = checkpoints.as_mut() else { return Err(closed()) };
        let mut write = |checkpoint| {
            checkpoints.write(checkpoint).map_err(|error| match error.code() {
                Code::NoSpace => error,
                _ => self.medium.fail(error),
            })?;
            self.checkpoint_count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        // A clean close has both files say the same. Were one of them damaged, the other would know of less, and what is
        // damaged behind its tails would pass for the end of the log.
        if clean {
            write(checkpoint.clone())?;
        }
        write(checkpoint)
    }

    fn make_index_durable(&self) -> Result<()> {
        self.medium.give_up_recycled();
        for shard in &self.shards {
            shard.write_sums().map_err(|error| self.medium.failed(error))?;
        }
        let synced = self.medium.head.sync(0, head::LEN);
        synced.map_err(|error| self.medium.failed(Error::sync("sync the map's head", &error)))
    }

    /// Somebody may have deleted or replaced the directory under us: then what we write goes nowhere.
    pub fn check_files(&self) -> Result<()> {
        // Who only reads may have made `HEAD` and the index in memory.
        if !self.medium.writable {
            return Ok(());
        }
        let head = self.medium.check_file(names::HEAD, Some(self.head_id), head::LEN as u64);
        let gone = match head {
            Ok(()) => self.medium.dir.is_gone().unwrap_or(false),
            Err(error) if error.code() == Code::FileGone => true,
            Err(error) => return Err(error),
        };
        if gone {
            return Err(Error::new(
                Code::FileGone,
                format!(
                    "Files of the map {} were deleted or replaced while it was open. Copy what you need to a new map.",
                    self.path.display()
                ),
            ));
        }
        if let Some(checkpoints) = self.checkpoints.lock().as_ref() {
            checkpoints.check_files(&self.medium)?;
        }
        self.shards.iter().try_for_each(Shard::check_files)
    }

    /// Whether all pages of all shards were there.
    pub fn check_pages(&self) -> Result<()> {
        self.shards.iter().try_for_each(Shard::check_pages)
    }

    /// The clean close, by the last handle. The map is closed whatever this returns.
    pub fn close(&self) -> Result<()> {
        // Waits for the background's step, and keeps it out from now on.
        self.serving.lock().closed = true;
        // All of it while no flush runs: one that comes later finds no checkpoint files and changes nothing.
        let closed = self.flusher.run_alone(|| {
            let closed = if self.medium.writable { self.close_now() } else { Ok(()) };
            self.shards.iter().for_each(Shard::shut);
            *self.checkpoints.lock() = None;
            closed
        });
        // A reader that holds the lock next must not be taken for this process.
        self.medium.remove(names::OWNER);
        let _ = self.medium.dir.unlock();
        closed
    }

    fn close_now(&self) -> Result<()> {
        if self.shards.iter().any(Shard::has_freeable) {
            self.flush_now()?;
            self.drain();
        }
        self.check_files()?;
        if let Some(error) = self.medium.failure() {
            return Err(error.clone());
        }
        // What a thread that still has the map would write now would not be synced.
        for shard in &self.shards {
            shard.shut();
        }
        let notes = self.note()?;
        self.make_durable(&notes, true)
    }

    /// One step of what the background does, for a map that has none. `false`: nothing is left.
    pub fn step(&self, effort: Effort) -> Result<bool> {
        let mut service = self.serving.lock();
        if service.closed {
            return Err(closed());
        }
        if !std::mem::replace(&mut service.orphans_removed, true) {
            recover::remove_orphans(&self.medium, &self.shards);
        }
        let (mut more, mut checkpoint, mut full) = (false, false, None);
        for shard in &self.shards {
            match shard.make_ahead() {
                // What cannot be made ahead is met again by the call that needs it.
                Err(error) if error.code() != Code::NoSpace => return Err(error),
                _ => {}
            }
            match shard.compact(effort) {
                Ok(Progress::Idle) => {}
                Ok(Progress::Working) => more = true,
                Ok(Progress::Checkpoint) => checkpoint = true,
                // Another shard may still free what this one lacks.
                Err(error) if error.code() == Code::NoSpace => full = Some(error),
                Err(error) => return Err(error),
            }
        }
        if checkpoint && !more {
            self.flush()?;
            more = true;
        }
        if !self.reclaim() {
            // Readers are inside; there is nothing to do but to ask again.
            more = true;
            std::thread::yield_now();
        }
        // Rigs that work out power cuts step more than they write, and are to see them used.
        if !more && !trace::is_on() && !self.shards.iter().any(Shard::is_changed) {
            self.medium.give_up_recycled();
        }
        self.medium.remove_in_use();
        match full {
            Some(error) if !more => Err(error),
            _ => Ok(more),
        }
    }

    /// After a change of a map without a background: one step, if the change asked for one. What fails here fails for the
    /// next call that needs it, too.
    pub fn upkeep(&self) {
        // AcqRel: partner of `want_background`. Before the work, so that what is asked for meanwhile is done next time.
        let asked = self.medium.work.load(Ordering::Relaxed) && self.medium.work.swap(false, Ordering::AcqRel);
        if !asked || self.medium.check_writable().is_err() {
            return;
        }
        let stepped = self.step(Effort::Bound);
        let more = *stepped.as_ref().unwrap_or(&false);
        self.report(Doing::Compaction, stepped.map(drop));
        if more || self.shards.iter().any(Shard::has_pinned) {
            self.medium.work.store(true, Ordering::Release);
        }
    }

    /// How something went that no call asked for. What the map keeps is told when it is kept, and a closed map fails nobody.
    pub fn report(&self, doing: Doing, result: Result<()>) {
        let failed = self.failures.note(doing, result);
        let is_kept = |error: &Error| matches!(error.code(), Code::Poisoned | Code::Closed);
        if let Some(error) = failed.filter(|error| !is_kept(error) && self.medium.failure().is_none()) {
            self.medium.listeners.fail(doing, &error, false);
        }
    }

    /// Before `compact()`: also what a finished round had given up on is tried again.
    pub fn forget_rest(&self) -> Result<()> {
        self.shards.iter().try_for_each(Shard::forget_rest)
    }

    /// The end of `compact()`: the index shrinks, and what was emptied is freed.
    pub fn shrink(&self) -> Result<()> {
        {
            let service = self.serving.lock();
            if service.closed {
                return Err(closed());
            }
            self.shards.iter().try_for_each(Shard::shrink_index)?;
        }
        self.flush()?;
        self.drain();
        self.medium.give_up_recycled();
        self.shards.iter().try_for_each(Shard::fit_successor)
    }

    /// Frees what readers have left; `false`: some are still inside. Every shard is asked, also after one that waits.
    pub fn reclaim(&self) -> bool {
        self.shards.iter().filter(|shard| shard.reclaim()).count() == 0
    }

    /// Waits a little for readers to leave what was freed.
    pub fn drain(&self) -> bool {
        for _ in 0..100 {
            if self.reclaim() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }

    /// On a full disk: frees what was emptied, and makes the spare whole again. A delete that found no spare waits for this.
    pub fn make_room(&self) -> Result<()> {
        let _room = self.room.lock();
        self.medium.give_up_recycled();
        self.forget_rest()?;
        // A step that finds no room has done what it could; what it emptied is freed by the flush.
        while self
            .step(Effort::Full)
            .or_else(|error| if error.code() == Code::NoSpace { Ok(false) } else { Err(error) })?
        {}
        self.flush()?;
        self.drain();
        self.restore_spare()
    }

    fn largest_segment(&self) -> u64 {
        self.shards.iter().map(Shard::largest_segment).max().unwrap_or(0)
    }

    /// The spare is as large as the largest segment, and not much larger.
    pub fn restore_spare(&self) -> Result<()> {
        let largest = self.largest_segment();
        if self.medium.spare.size() > 2 * largest {
            self.medium.spare.fit(&self.medium, largest);
        }
        self.medium.spare.ensure(&self.medium, largest)
    }

    pub fn spare_is_unfit(&self) -> bool {
        let (size, largest) = (self.medium.spare.size(), self.largest_segment());
        !self.medium.spare.is_whole() || size < largest || size > 2 * largest
    }

    /// Two phases, so that a kill between leaves all shards cleared or none.
    pub fn clear(&self) -> Result<()> {
        let mut clearing = Vec::new();
        for shard in &self.shards {
            clearing.push(shard.begin_clear()?);
        }
        for shard in &clearing {
            shard.announce();
        }
        if holds(Rule::MapIntent) {
            self.medium.head.store(head::MAP_INTENT, 1);
        }
        let finished = clearing.iter_mut().try_for_each(Clearing::finish);
        if let Err(error) = finished {
            // Half a clear is not served on; the next open finishes it.
            clearing.iter().for_each(Clearing::abandon);
            return Err(error);
        }
        self.medium.head.store(head::MAP_INTENT, 0);
        for shard in clearing {
            shard.conclude();
        }
        self.check_pages()
    }
}

fn closed() -> Error {
    Error::new(Code::Closed, "The map is closed. Open it again.")
}

/// Runs every call, on a few threads if there are several, and returns the first error.
pub(super) fn run_all<'a, T: Send>(calls: Vec<Box<dyn FnOnce() -> Result<T> + Send + 'a>>) -> Result<Vec<T>> {
    let threads = calls.len().min(SYNC_THREADS);
    if threads <= 2 || trace::in_turn() {
        return calls.into_iter().map(|call| call()).collect();
    }
    let calls: Vec<_> = calls.into_iter().map(|call| Mutex::new(Some(call))).collect();
    let run = |call: &Mutex<Option<_>>| call.lock().take();
    let results = parallel::map(threads, &calls, |_, call| run(call).map(|call: Box<dyn FnOnce() -> _ + Send>| call()));
    results.into_iter().flatten().collect()
}
