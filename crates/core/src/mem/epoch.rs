//! Reader epochs: what was unlinked is freed only after every thread that was inside a read has left it.
//!
//! Every thread owns one word. Entering a read stores the domain's number there, leaving stores 0. Whoever unlinks
//! something draws a stamp, which moves the domain's number on; the thing may go once every word is 0 or above the stamp.
//! The number that a reader stores may be older than the domain's: that keeps more alive than needed, and nothing less.

use super::sync::{AtomicU64, Mutex, Ordering, fence, lock};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

/// One thread's word, on cache lines of its own: it is written at every read.
#[repr(align(128))]
#[derive(Debug)]
pub(super) struct Word(pub(super) AtomicU64);

/// The threads that may hold on to what a writer unlinks.
#[derive(Debug)]
pub(crate) struct Domain {
    number: AtomicU64,
    /// Pages of mappings that were replaced by zeros. Here because every call reads this line when it enters.
    #[cfg(not(loom))]
    faults: AtomicU64,
    words: Mutex<Vec<Arc<Word>>>,
}

/// When something was unlinked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(u64);

impl Domain {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Domain { number: AtomicU64::new(1), faults: AtomicU64::new(0), words: Mutex::new(Vec::new()) }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Domain { number: AtomicU64::new(1), words: Mutex::new(Vec::new()) }
    }

    /// By the handler of SIGBUS, before the zeros are there.
    #[cfg(not(loom))]
    pub fn note_fault(&self) {
        self.faults.fetch_add(1, Ordering::SeqCst);
    }

    /// To be asked after reading what a mapping holds: who has read zeros in the place of a page sees a number that it did
    /// not see before.
    #[cfg(not(loom))]
    #[inline]
    pub fn faults(&self) -> u64 {
        // Acquire: what was read before is read before the number is. Partner: the count in `note_fault`, which comes before
        // the zeros.
        fence(Ordering::Acquire);
        self.faults.load(Ordering::Relaxed)
    }

    pub(super) fn register(&self) -> Arc<Word> {
        let word = Arc::new(Word(AtomicU64::new(0)));
        lock(&self.words).push(Arc::clone(&word));
        word
    }

    fn unregister(&self, word: &Arc<Word>) {
        lock(&self.words).retain(|other| !Arc::ptr_eq(other, word));
    }

    pub(super) fn enter(&self, word: &Word) {
        // Relaxed: an old number only keeps more alive.
        let number = self.number.load(Ordering::Relaxed);
        // The store must be visible before any link is followed. On x86 a swap is that fence and costs a third of one;
        // elsewhere, and for loom, the fence is spelled out. Partner: the fence in `passed`.
        if cfg!(all(target_arch = "x86_64", not(loom))) {
            word.0.swap(number, Ordering::SeqCst);
        } else {
            word.0.store(number, Ordering::Relaxed);
            fence(Ordering::SeqCst);
        }
    }

    pub(super) fn leave(&self, word: &Word) {
        // Release: all that was read under the guard is read before the word says so. Partner: the load in `passed`.
        word.0.store(0, Ordering::Release);
    }

    /// Call after unlinking: readers that enter from now on cannot find the thing any more.
    pub fn stamp(&self) -> Stamp {
        fence(Ordering::SeqCst);
        Stamp(self.number.fetch_add(1, Ordering::SeqCst))
    }

    /// Whether every reader that could have found what was unlinked before the stamp has left.
    pub fn passed(&self, stamp: Stamp) -> bool {
        fence(Ordering::SeqCst);
        lock(&self.words).iter().all(|word| {
            // Acquire: partner of the store in `leave`.
            let number = word.0.load(Ordering::Acquire);
            number == 0 || number > stamp.0
        })
    }
}

/// The one domain of the process: a thread that reads two maps still has one word.
#[cfg(not(loom))]
pub(crate) static READERS: Domain = Domain::new();

struct Reader {
    word: Arc<Word>,
    depth: Cell<usize>,
}

#[cfg(not(loom))]
impl Drop for Reader {
    fn drop(&mut self) {
        READERS.unregister(&self.word);
    }
}

#[cfg(not(loom))]
thread_local! {
    static READER: Reader = Reader { word: READERS.register(), depth: const { Cell::new(0) } };
}

/// While it lives, nothing that this thread can reach by following links is freed. Not to be held while JavaScript runs.
pub(crate) struct Guard {
    /// Of its own only in a thread whose locals are already destroyed.
    own: Option<Arc<Word>>,
    not_send: PhantomData<*const ()>,
}

#[cfg(not(loom))]
#[inline]
pub(crate) fn enter() -> Guard {
    let entered = READER.try_with(|reader| {
        if reader.depth.get() == 0 {
            READERS.enter(&reader.word);
        }
        reader.depth.set(reader.depth.get() + 1);
    });
    match entered {
        Ok(()) => Guard { own: None, not_send: PhantomData },
        Err(_) => enter_late(),
    }
}

/// For a call that follows links once.
#[cfg(not(loom))]
pub(crate) fn guarded<R>(work: impl FnOnce(&Guard) -> R) -> R {
    work(&enter())
}

#[cfg(not(loom))]
#[cold]
fn enter_late() -> Guard {
    let word = READERS.register();
    READERS.enter(&word);
    Guard { own: Some(word), not_send: PhantomData }
}

#[cfg(not(loom))]
impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        if let Some(word) = self.own.take() {
            READERS.leave(&word);
            READERS.unregister(&word);
            return;
        }
        let _ = READER.try_with(|reader| {
            reader.depth.set(reader.depth.get() - 1);
            if reader.depth.get() == 0 {
                READERS.leave(&reader.word);
            }
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_passes_only_after_the_reader_that_was_inside_has_left() {
        let guard = enter();
        let nested = enter();
        let stamp = READERS.stamp();
        assert!(!READERS.passed(stamp));
        drop(nested);
        assert!(!READERS.passed(stamp), "the outer read still runs");
        drop(guard);
        let _later = enter();
        // Other tests read in threads of their own; wait for those that were inside.
        while !READERS.passed(stamp) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_thread_that_ends_gives_its_word_back() {
        let word = std::thread::spawn(|| {
            drop(enter());
            READER.with(|reader| Arc::downgrade(&reader.word))
        })
        .join()
        .unwrap();
        assert!(word.upgrade().is_none());
    }
}
