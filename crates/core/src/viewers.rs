//! Who looks at values in place, and how they are asked to let go of what was freed.

use crate::layout::segment::SegmentId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Called from any thread, it has another do something soon: what was freed is to be let go of, with no lock held; or what
/// happened is to be taken, see [`Events::listen`](crate::Events::listen).
pub type Ask = Arc<dyn Fn() + Send + Sync>;

/// Each window's own.
type Marks = Vec<Weak<AtomicBool>>;

/// A map's windows, as its shards know them.
#[derive(Default)]
pub(crate) struct Viewers {
    /// Windows through which somebody looks.
    looking: AtomicU64,
    /// How often something was freed that a window showed.
    freed: AtomicU64,
    /// The count at which the owners of windows were asked last.
    asked: AtomicU64,
    /// The extents that windows show; set once their names are gone.
    extents: Mutex<HashMap<(u32, SegmentId), Marks>>,
    asks: Mutex<HashMap<u64, Ask>>,
}

impl std::fmt::Debug for Viewers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Viewers").field("looking", &self.looking).finish_non_exhaustive()
    }
}

impl Viewers {
    /// Has `ask` called for an owner of windows, until [`leave`](Self::leave) is called with the number that this gives.
    pub fn join(&self, ask: Ask) -> u64 {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.asks.lock().insert(number, ask);
        number
    }

    pub fn leave(&self, number: u64) {
        self.asks.lock().remove(&number);
    }

    pub fn look(&self) {
        self.looking.fetch_add(1, Ordering::Relaxed);
    }

    pub fn look_away(&self) {
        self.looking.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn looking(&self) -> u64 {
        self.looking.load(Ordering::Relaxed)
    }

    /// Counts what was freed under a window. To be told to the owners by [`ask`](Self::ask) once no lock is held.
    pub fn note_freed(&self) {
        // Release: partner of the load in `freed`, whose caller then looks at the marks of what it has.
        self.freed.fetch_add(1, Ordering::Release);
    }

    /// How often something was freed: one number as long as nothing is.
    #[inline]
    pub fn freed(&self) -> u64 {
        self.freed.load(Ordering::Acquire)
    }

    /// Asks the owners of windows to look for what was freed, if anything was since the last time.
    pub fn ask(&self) {
        let freed = self.freed();
        if self.asked.swap(freed, Ordering::AcqRel) == freed {
            return;
        }
        let asks: Vec<Ask> = self.asks.lock().values().cloned().collect();
        asks.iter().for_each(|ask| ask());
    }

    /// The mark of an extent that a window shows, which is set when its file is deleted.
    pub fn watch_extent(&self, shard: u32, id: SegmentId) -> Arc<AtomicBool> {
        let mark = Arc::new(AtomicBool::new(false));
        let mut extents = self.extents.lock();
        let marks = extents.entry((shard, id)).or_default();
        marks.retain(|mark| mark.strong_count() > 0);
        marks.push(Arc::downgrade(&mark));
        mark
    }

    pub fn forget_extent(&self, shard: u32, id: SegmentId) {
        let mut extents = self.extents.lock();
        if let Some(marks) = extents.get_mut(&(shard, id)) {
            marks.retain(|mark| mark.strong_count() > 0);
            if marks.is_empty() {
                extents.remove(&(shard, id));
            }
        }
    }

    /// An extent's file is going.
    pub fn free_extent(&self, shard: u32, id: SegmentId) {
        let Some(marks) = self.extents.lock().remove(&(shard, id)) else { return };
        // Release: partner of the load in a window's `is_freed`.
        marks.iter().filter_map(Weak::upgrade).for_each(|mark| mark.store(true, Ordering::Release));
        self.note_freed();
    }
}
