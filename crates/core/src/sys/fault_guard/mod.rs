//! A page of a mapping of ours that is not there when it is touched: the file was cut off by somebody, the device does not give
//! it, or a file system that copies on write has no room for it. A handler of the system's learns of it and asks here whose
//! mapping it is; what it can do about it is another matter on each.
//!
//! All that a handler touches is atomics in memory that is never freed. It takes no lock and allocates nothing.

#[cfg(unix)]
#[path = "unix.rs"]
mod handler;
#[cfg(windows)]
#[path = "windows.rs"]
mod handler;

use parking_lot::Mutex;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};

/// A mapping, as the handler sees it. Never freed; another mapping gets it when this one is gone.
#[derive(Debug)]
struct Entry {
    /// Odd while the entry changes. The thread that faults uses its mapping, so the entry of that one stands still.
    version: AtomicUsize,
    start: AtomicUsize,
    len: AtomicUsize,
    writable: AtomicBool,
    owner: AtomicU64,
    struck: AtomicBool,
    /// Written before the entry is linked, and then never again.
    next: AtomicPtr<Entry>,
}

/// The newest entry; the others follow by their links.
static ENTRIES: AtomicPtr<Entry> = AtomicPtr::new(ptr::null_mut());
static UNUSED: Mutex<Vec<&'static Entry>> = Mutex::new(Vec::new());

/// A mapping that is watched for as long as this lives. To be dropped before it is unmapped.
#[derive(Debug)]
pub(crate) struct Watch(&'static Entry);

impl Watch {
    pub fn new(start: usize, len: usize, writable: bool) -> Watch {
        handler::install();
        let entry = UNUSED.lock().pop().unwrap_or_else(add);
        entry.change(|| {
            entry.start.store(start, Ordering::Relaxed);
            entry.len.store(len, Ordering::Relaxed);
            entry.writable.store(writable, Ordering::Relaxed);
        });
        Watch(entry)
    }

    /// Who is to be told.
    pub fn set_owner(&self, owner: u64) {
        // Release: partner of the load in `struck`. Whoever faults from here on is its owner's.
        self.0.owner.store(owner, Ordering::Release);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.change(|| {
            self.0.len.store(0, Ordering::Relaxed);
            self.0.owner.store(0, Ordering::Relaxed);
            self.0.struck.store(false, Ordering::Relaxed);
        });
        UNUSED.lock().push(self.0);
    }
}

/// Whether a page of one of these owners' mappings was replaced.
pub(crate) fn struck(owners: [u64; 2]) -> bool {
    // Acquire: partners of the stores in a handler and `set_owner`.
    entries().any(|entry| entry.struck.load(Ordering::Acquire) && owners.contains(&entry.owner.load(Ordering::Acquire)))
}

impl Entry {
    /// By the holder of the entry's watch, or of an entry that has none.
    fn change(&self, change: impl FnOnce()) {
        self.version.fetch_add(1, Ordering::AcqRel);
        // Release: partner of the fence in `holds`; the version is odd before anything else changes.
        fence(Ordering::Release);
        change();
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Whether the address lies in the mapping, and whether that may be written. An entry that changes meanwhile is not the
    /// one of the mapping that a running thread uses.
    fn holds(&self, address: usize) -> Option<bool> {
        // Acquire: partner of the last store in `change`.
        let version = self.version.load(Ordering::Acquire);
        let (start, len) = (self.start.load(Ordering::Relaxed), self.len.load(Ordering::Relaxed));
        let writable = self.writable.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let still = version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
        (still && address.wrapping_sub(start) < len).then_some(writable)
    }
}

fn add() -> &'static Entry {
    let entry: &'static Entry = Box::leak(Box::new(Entry {
        version: AtomicUsize::new(0),
        start: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
        writable: AtomicBool::new(false),
        owner: AtomicU64::new(0),
        struck: AtomicBool::new(false),
        next: AtomicPtr::new(ptr::null_mut()),
    }));
    let linked = ptr::from_ref(entry).cast_mut();
    // AcqRel: partner of the load in `entries`, which sees a whole entry.
    let _ = ENTRIES.fetch_update(Ordering::AcqRel, Ordering::Acquire, |first| {
        entry.next.store(first, Ordering::Relaxed);
        Some(linked)
    });
    entry
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    // Acquire: partner of the exchange in `add`.
    let mut at = ENTRIES.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        // SAFETY: the list holds leaked entries only, which are never freed.
        let entry = unsafe { at.as_ref() }?;
        at = entry.next.load(Ordering::Relaxed);
        Some(entry)
    })
}

/// The entry of the mapping that an address lies in, and whether that may be written. For a handler.
fn of_address(address: usize) -> Option<(&'static Entry, bool)> {
    entries().find_map(|entry| Some((entry, entry.holds(address)?)))
}
