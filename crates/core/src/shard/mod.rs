//! A shard: one lock, one index, one log.

mod append;
mod clear;
mod compact;
mod enter;
mod erase;
mod fixup;
mod lock;
mod note;
mod numbers;
mod pin;
mod quarantine;
mod read;
mod rebuild;
mod reserve;
mod room;
mod scan;
mod snapshot;
mod verify;
mod victim;
mod write;

pub(crate) use clear::Clearing;
pub(crate) use compact::Progress;
pub(crate) use note::Note;
pub(crate) use pin::{Keep, Pin, PinnedValue};
pub(crate) use read::{Found, Hint, OpenExtent};
pub(crate) use reserve::{MAX_CAPACITY_ENTRIES, Share};
pub(crate) use scan::{Copied, Portion, Position};
pub(crate) use snapshot::{Frozen, Snapshot};
pub(crate) use verify::Findings;
pub(crate) use victim::Effort;
pub(crate) use write::{Body, Change, Changed, Expect};

use self::lock::{Locked, Turns};
use self::victim::Victim;
use crate::events::Doing;
use crate::index::{Index, Queue};
use crate::layout::checkpoint::Checkpoint;
use crate::layout::extent::Descriptor;
use crate::layout::file::Kind;
use crate::layout::record::HEADER;
use crate::layout::segment::{RecordRef, SegmentId, State};
use crate::layout::{MAX_VALUE, head};
use crate::log::{Log, Meter, Segment};
use crate::medium::{Medium, Page};
use crate::mem::{Guard, READERS, Retired, Stamp, enter};
use crate::{Code, Error, Result, sys};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};

const OPEN: u8 = 0;
/// The index is being made anew: readers wait at the lock.
const REBUILDING: u8 = 1;
/// A panic left an operation half done.
const POISONED: u8 = 2;
/// The map is closing, or closed: what a late call of another thread would change is not synced any more.
const CLOSED: u8 = 3;
/// Its log is damaged, and the map was opened nevertheless.
const ASIDE: u8 = 4;

const LOST: u64 = u64::MAX;

/// Aligned, so that no two shards' locks share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Shard {
    state: AtomicU8,
    /// Pages that had been replaced, anywhere in the process, when this shard looked last; `LOST` once one was its own.
    faults: AtomicU64,
    number: u32,
    medium: Arc<Medium>,
    index: Index,
    log: Log,
    writer: RwLock<Writer>,
    /// Who wants the lock.
    turns: Turns,
    extents: Mutex<Extents>,
    /// Up to here the tail's pages were brought in, as a tail reference; the background moves it on.
    prefaulted: AtomicUsize,
    meter: Meter,
    quarantine: quarantine::Quarantine,
}

/// What only the holder of the lock knows; all of it is derived from the mapping at open.
#[derive(Debug, Default)]
struct Writer {
    /// The linked segments, oldest first; the last one holds the tail.
    chain: Vec<usize>,
    /// Segments that nothing lives in, until a checkpoint noted after that is durable.
    emptied: Vec<usize>,
    /// Indices of the segment table that are free again, and the lowest never used.
    free: Vec<usize>,
    high: usize,
    /// Sizes of the linked segments in all, and of the largest.
    log_bytes: u64,
    largest: u64,
    /// Of the last one.
    tail_size: u64,
    /// Bytes of tombstones and clears in the linked segments.
    marks: u64,
    /// Segments with bytes that are not known to be durable.
    unsynced: BTreeSet<usize>,
    /// Something changed since the last note.
    changed: bool,
    /// The background was asked for the tail's successor.
    asked_ahead: bool,
    /// Extents whose records are superseded.
    dead_extents: Vec<Descriptor>,
    queue: Queue,
    /// Freed, and held until their readers have left.
    leaving: Vec<(Retired<Segment>, usize, String)>,
    leaving_extents: Vec<(Stamp, SegmentId)>,
    victim: Option<Victim>,
    /// The background does not keep up: changes help.
    lagging: bool,
    /// Changes since the last that helped.
    owed: u32,
    /// A full round takes segments up to this one, the tail when it began.
    round_end: SegmentId,
    /// What `compact()` has still to rewrite, for nothing else would.
    to_erase: BTreeSet<SegmentId>,
    /// A round that freed nothing is not repeated until the tail has moved from here.
    rested_at: u64,
    /// The same of a full round.
    rested_full_at: u64,
    /// Segments with a record that does not verify: never emptied, so that damage is not laundered.
    damaged: BTreeSet<usize>,
    /// What keeps the index from being made anew: damage of the log.
    unmendable: Option<Error>,
    /// A verification counts the index, and its writers with it.
    watch: Option<Box<verify::Watch>>,
}

#[derive(Debug, Default)]
struct Extents {
    /// Being written, or written and not recorded yet.
    in_flight: HashSet<SegmentId>,
    unsynced: Vec<SegmentId>,
    /// A backup is under way that may have to copy extents up to these: none of them is deleted.
    held: Vec<SegmentId>,
}

impl Shard {
    pub fn new(medium: Arc<Medium>, number: u32) -> Shard {
        Shard {
            state: AtomicU8::new(OPEN),
            faults: AtomicU64::new(0),
            number,
            index: Index::new(Arc::clone(&medium), number),
            log: Log::new(Arc::clone(&medium), number),
            medium,
            writer: RwLock::new(Writer::default()),
            extents: Mutex::new(Extents::default()),
            turns: Turns::default(),
            prefaulted: AtomicUsize::new(0),
            meter: Meter::default(),
            quarantine: quarantine::Quarantine::default(),
        }
    }

    #[inline]
    fn page(&self) -> Page<'_> {
        Page::new(&self.medium, self.number)
    }

    fn tail(&self) -> RecordRef {
        RecordRef(self.page().load(head::TAIL))
    }

    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether the bytes of a segment up to `end` lie on pages that nobody writes to any more.
    pub fn tail_has_left(&self, segment: usize, end: usize) -> bool {
        let tail = self.tail();
        tail.segment() != segment || end <= tail.offset() & !(sys::page_size() - 1)
    }

    pub fn is_written(&self) -> bool {
        self.page().load(head::WRITTEN) == 1
    }

    pub fn entries(&self) -> u64 {
        self.page().load(head::ENTRIES)
    }

    /// Brings back what the heap knows of a shard whose mapping is trusted. After a clean close all sums must match, and the
    /// page's wherever it has one; after a kill at least what the checkpoint knows: its generation, and whether there is a log.
    pub fn open(&self, checkpoint: &Checkpoint) -> Result<()> {
        let page = self.page();
        let sum = page.load(head::SUM);
        if (self.medium.clean || sum != 0) && sum != page.sum(&self.medium.keys) {
            return Err(self.damage("the shard's page does not match its sum"));
        }
        if page.load(head::GENERATION) != u64::from(checkpoint.generation) {
            return Err(self.damage("the shard's page is of another generation"));
        }
        if !self.is_written() {
            return match checkpoint.shards.get(self.number as usize).is_some_and(|noted| !noted.chain.is_empty()) {
                // A process may have died while it made the shard's first files; they are made again.
                false => Ok(()),
                true => Err(self.damage("the shard's page knows of no log, and there is one")),
            };
        }
        self.log.open_tables()?;
        if self.medium.clean {
            self.index.check_directory()?;
        }
        Ok(())
    }

    /// Reads the segment table, once the fix-up is done.
    pub fn load(&self) -> Result<()> {
        self.index.check_counters()?;
        if !self.is_written() {
            return match self.entries() {
                0 => Ok(()),
                _ => Err(self.damage("the shard's page counts entries and knows of no log")),
            };
        }
        // Not before the fix-up: a kill may have left half of a shrink's numbers.
        self.index.check_files()?;
        let guard = enter();
        let mut writer = self.writer.write();
        let writer = &mut *writer;
        *writer = Writer::default();
        let mut linked = Vec::new();
        let mut ids = HashSet::new();
        let mut live = 0;
        let last_id = self.log.last_id();
        for index in 0..self.log.capacity() {
            let entry = self.log.entry(index, &guard)?;
            if entry.state == State::Free {
                continue;
            }
            if !entry.fits() {
                return Err(self.damage("the segment table counts more bytes than a segment has"));
            }
            // The next one's id is above all of these, and none is two's: a file that goes is nobody else's.
            if entry.id > last_id || !ids.insert(entry.id) {
                return Err(self.damage("the segment table lists a segment that was never made, or one twice"));
            }
            if entry.state == State::Emptied {
                writer.emptied.push(index);
            } else {
                linked.push((entry.id, index));
                live += entry.live;
                writer.log_bytes += entry.size;
                writer.largest = writer.largest.max(entry.size);
                writer.marks += entry.marks;
            }
            writer.free.extend(writer.high..index);
            writer.high = index + 1;
        }
        linked.sort_unstable();
        writer.chain = linked.iter().map(|&(_, index)| index).collect();
        match writer.chain.last() {
            Some(&last) if last == self.tail().segment() => {
                // Mapped now, so that no put finds after its intent that it cannot be.
                let log = &self.log.segment(last, &guard)?.log;
                // A fix-up has stored the tail as its intent said.
                if !(log.published()..=log.len()).contains(&self.tail().offset()) {
                    return Err(self.damage("the tail is not behind the last record"));
                }
                writer.tail_size = log.len() as u64;
                self.meter.start(self.tail().offset());
            }
            _ => return Err(self.damage("the tail is not in the last segment")),
        }
        if !self.counts_fit(live) {
            return Err(self.damage("the shard's page counts what its log does not hold"));
        }
        if self.medium.clean {
            // Its end is durable; what will be appended to it is not.
            writer.unsynced.extend(writer.chain.last());
        } else {
            writer.unsynced = writer.chain.iter().copied().collect();
            writer.changed = true;
        }
        Ok(())
    }

    /// Against the bytes that live in its segments. Where no close has summed the page, damage of a count shows here, and the
    /// log is asked instead.
    fn counts_fit(&self, live: u64) -> bool {
        let [entries, bytes, extents] = [head::ENTRIES, head::LIVE, head::EXTENTS].map(|field| self.page().load(field));
        bytes == live && entries <= live / HEADER as u64 && extents / MAX_VALUE as u64 <= entries
    }

    #[cold]
    fn damage(&self, what: &str) -> Error {
        Error::corrupt(format_args!("{what} (shard {})", self.number)).of_index()
    }

    #[cold]
    fn poisoned(&self) -> Error {
        Error::new(
            Code::Poisoned,
            format!(
                "An earlier call failed halfway in shard {}. Close the map and open it again; please report this.",
                self.number
            ),
        )
    }

    fn poison(&self) {
        if self.state.swap(POISONED, Ordering::SeqCst) != POISONED {
            self.medium.listeners.fail(Doing::Call, &self.poisoned(), false);
        }
    }

    fn closed(&self) -> Error {
        Error::new(Code::Closed, "The map is closed. Open it again to use it.")
    }

    /// Whether the shard serves calls; asked under its lock.
    fn check_open(&self) -> Result<()> {
        match self.state.load(Ordering::Acquire) {
            POISONED => Err(self.poisoned()),
            CLOSED => Err(self.closed()),
            ASIDE => Err(self.set_aside_error()),
            _ => Ok(()),
        }
    }

    /// What a call came to, if all that it has read and written was there; asked before the call leaves its guard. A page
    /// that a file did not give reads as zeros, and then nothing counts that the call has found.
    #[inline]
    fn checked<R>(&self, result: Result<R>) -> Result<R> {
        match self.check_pages() {
            Ok(()) => result,
            Err(error) => Err(error),
        }
    }

    #[inline]
    pub fn check_pages(&self) -> Result<()> {
        // Relaxed: an old number only has the shard look again.
        if READERS.faults() == self.faults.load(Ordering::Relaxed) { Ok(()) } else { self.look_for_fault() }
    }

    /// Some map of the process has lost a page.
    #[cold]
    fn look_for_fault(&self) -> Result<()> {
        let faults = READERS.faults();
        // The marks are looked at after the number: partner of the count in `note_fault`, which comes after the mark.
        fence(Ordering::SeqCst);
        if self.faults.load(Ordering::Relaxed) != LOST {
            let medium = &self.medium;
            if !sys::fault_guard::struck([medium.owner(Kind::Segment, self.number), medium.owner(Kind::Head, 0)]) {
                self.faults.store(faults, Ordering::Relaxed);
                return Ok(());
            }
            self.faults.store(LOST, Ordering::Relaxed);
        }
        Err(self.medium.fail(Error::new(
            Code::Io,
            format!(
                "A page of a file of shard {} is not there: the file was cut off, the device failed, or the disk is full. Close the map, see to the disk, and open it again.",
                self.number
            ),
        )))
    }

    fn align(&self) -> usize {
        self.medium.align
    }

    /// Wakes the background when the shard has become dirty, its tail half full, or its log too long.
    fn after_change(&self, writer: &mut Writer, guard: &Guard) {
        let tail = self.tail();
        let mut wanted = !std::mem::replace(&mut writer.changed, true);
        if !writer.asked_ahead && self.wants_successor(tail, writer.tail_size) {
            writer.asked_ahead = true;
            wanted = true;
        }
        wanted |= !writer.dead_extents.is_empty() && self.extents_over_bound(writer);
        wanted |= self.wants_prefault(tail) || self.over_bound(writer) && writer.rested_at != tail.0;
        if wanted {
            self.medium.want_background();
        }
        if writer.lagging {
            self.help(writer, guard);
        }
    }
}
