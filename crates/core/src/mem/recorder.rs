//! The recorder behind `trace`: one for the process, so one map at a time.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What was done, after it was done. A file is its inode number: a rig that makes the directory knows which that is.
#[derive(Clone, Debug)]
pub enum Event {
    /// A name leads to a file without a byte; if it led to this very file before, the file was cut to nothing.
    Create {
        name: String,
        file: u64,
    },
    Length {
        file: u64,
        length: u64,
    },
    /// Of a mapped word.
    Store {
        file: u64,
        at: u64,
        word: u64,
    },
    /// Bytes copied into a mapping.
    Copy {
        file: u64,
        at: u64,
        bytes: Box<[u8]>,
    },
    /// Bytes written to the file.
    Write {
        file: u64,
        at: u64,
        bytes: Box<[u8]>,
    },
    Unlink {
        name: String,
    },
    Rename {
        from: String,
        to: String,
    },
    /// What stood in this part of the file when the sync began is durable. `begun`: events that were recorded by then.
    Sync {
        file: u64,
        from: u64,
        to: u64,
        begun: usize,
    },
    /// The same for the directory's names.
    SyncNames {
        begun: usize,
    },
}

/// Called at the beginning of every sync, in its thread: what a rig does there happens while the sync is under way.
pub type AtSync = Arc<dyn Fn() + Send + Sync>;

struct Recorder {
    events: Vec<Event>,
    /// By where they start: where they end, and which file they show.
    mappings: BTreeMap<usize, (usize, u64)>,
    /// The mapping that was hit last.
    last: (usize, usize, u64),
    at_sync: Option<AtSync>,
    lot: Option<u64>,
}

static ON: AtomicBool = AtomicBool::new(false);
static RECORDER: Mutex<Recorder> =
    Mutex::new(Recorder { events: Vec::new(), mappings: BTreeMap::new(), last: (0, 0, 0), at_sync: None, lot: None });

/// Records from here on what happens to the map that is opened next. `lot`: what would be drawn by lot follows from this
/// number. With `at_sync`, syncs come one after the other in the caller's thread.
pub fn start(lot: Option<u64>, at_sync: Option<AtSync>) {
    *RECORDER.lock() = Recorder { events: Vec::new(), mappings: BTreeMap::new(), last: (0, 0, 0), at_sync, lot };
    ON.store(true, Ordering::SeqCst);
}

/// How much was recorded by now.
pub fn position() -> usize {
    RECORDER.lock().events.len()
}

/// Stops recording.
pub fn take() -> Vec<Event> {
    ON.store(false, Ordering::SeqCst);
    let mut recorder = RECORDER.lock();
    recorder.mappings.clear();
    (recorder.last, recorder.at_sync, recorder.lot) = ((0, 0, 0), None, None);
    std::mem::take(&mut recorder.events)
}

impl Recorder {
    fn place(&mut self, at: usize) -> Option<(u64, u64)> {
        if !(self.last.0..self.last.1).contains(&at) {
            let (&start, &(end, file)) = self.mappings.range(..=at).next_back()?;
            self.last = (start, end, file);
        }
        let (start, end, file) = self.last;
        (at < end).then_some((file, (at - start) as u64))
    }
}

fn record(event: Event) {
    RECORDER.lock().events.push(event);
}

fn inode(file: &File) -> Option<u64> {
    crate::sys::identify(file).ok().map(|id| id.inode)
}

#[inline]
pub(crate) fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Whether syncs are not to be spread over threads.
pub(crate) fn in_turn() -> bool {
    is_on() && RECORDER.lock().at_sync.is_some()
}

/// Bytes in the place of random ones.
pub(crate) fn drawn<const N: usize>() -> Option<[u8; N]> {
    if !is_on() {
        return None;
    }
    let mut recorder = RECORDER.lock();
    let mut lot = recorder.lot?;
    let bytes = std::array::from_fn(|_| {
        lot = lot.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (lot >> 56) as u8
    });
    recorder.lot = Some(lot);
    Some(bytes)
}

/// Says which file a mapping is of, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: Option<usize>,
}

impl Mapping {
    /// `None`: what is stored there reaches no file.
    pub fn new(file: Option<&File>, start: *const u8, len: usize) -> Mapping {
        let file = file.filter(|_| is_on()).and_then(inode);
        let start = start as usize;
        if let Some(file) = file {
            RECORDER.lock().mappings.insert(start, (start + len, file));
        }
        Mapping { start: file.map(|_| start) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if let Some(start) = self.start {
            let mut recorder = RECORDER.lock();
            recorder.mappings.remove(&start);
            recorder.last = (0, 0, 0);
        }
    }
}

/// A word of a mapping.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct MappedU64(AtomicU64);

impl MappedU64 {
    #[inline]
    pub fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    #[inline]
    pub fn store(&self, word: u64, order: Ordering) {
        self.0.store(word, order);
        if is_on() {
            self.stored(word);
        }
    }

    #[inline]
    pub fn fetch_add(&self, by: u64, order: Ordering) -> u64 {
        let before = self.0.fetch_add(by, order);
        if is_on() {
            self.stored(before.wrapping_add(by));
        }
        before
    }

    #[inline]
    pub fn fetch_sub(&self, by: u64, order: Ordering) -> u64 {
        self.fetch_add(by.wrapping_neg(), order)
    }

    #[cold]
    fn stored(&self, word: u64) {
        let mut recorder = RECORDER.lock();
        if let Some((file, at)) = recorder.place(std::ptr::from_ref(self) as usize) {
            recorder.events.push(Event::Store { file, at, word });
        }
    }
}

/// Bytes were copied into a mapping.
pub(crate) fn copied(at: *const u8, bytes: &[u8]) {
    if is_on() {
        let mut recorder = RECORDER.lock();
        if let Some((file, at)) = recorder.place(at as usize) {
            recorder.events.push(Event::Copy { file, at, bytes: bytes.into() });
        }
    }
}

pub(crate) fn created(name: &str, file: &File) {
    if is_on()
        && let Some(file) = inode(file)
    {
        record(Event::Create { name: name.into(), file });
    }
}

/// The file's length may have changed.
pub(crate) fn length(file: &File) {
    if is_on()
        && let (Some(inode), Ok(metadata)) = (inode(file), file.metadata())
    {
        record(Event::Length { file: inode, length: metadata.len() });
    }
}

pub(crate) fn written(file: &File, at: u64, bytes: &[u8]) {
    if is_on()
        && let Some(file) = inode(file)
    {
        record(Event::Write { file, at, bytes: bytes.into() });
    }
}

pub(crate) fn unlinked(name: &str) {
    if is_on() {
        record(Event::Unlink { name: name.into() });
    }
}

pub(crate) fn renamed(from: &str, to: &str) {
    if is_on() {
        record(Event::Rename { from: from.into(), to: to.into() });
    }
}

/// A sync that is under way.
pub(crate) struct Begun(usize);

pub(crate) fn begin_sync() -> Begun {
    if !is_on() {
        return Begun(0);
    }
    let (begun, at_sync) = {
        let recorder = RECORDER.lock();
        (Begun(recorder.events.len()), recorder.at_sync.clone())
    };
    if let Some(at_sync) = at_sync {
        at_sync();
    }
    begun
}

impl Begun {
    /// The pages of a range of a mapping.
    pub fn mapped(self, start: *const u8, len: usize) {
        if is_on() {
            let mut recorder = RECORDER.lock();
            if let Some((file, from)) = recorder.place(start as usize) {
                // A mapping starts on a page, and pages are what is written.
                let (from, to) = (from & !4095, (from + len as u64).next_multiple_of(4096));
                recorder.events.push(Event::Sync { file, from, to, begun: self.0 });
            }
        }
    }

    pub fn file(self, file: &File) {
        if is_on()
            && let Some(file) = inode(file)
        {
            record(Event::Sync { file, from: 0, to: u64::MAX, begun: self.0 });
        }
    }

    pub fn names(self) {
        if is_on() {
            record(Event::SyncNames { begun: self.0 });
        }
    }
}
