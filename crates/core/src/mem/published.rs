//! Where the readable part of a log ends.

use super::sync::{AtomicUsize, Ordering};

/// It only grows. Bytes below it are final, and whoever sees it sees them.
#[derive(Debug)]
pub(super) struct Published(AtomicUsize);

impl Published {
    pub fn new(end: usize) -> Published {
        Published(AtomicUsize::new(end))
    }

    #[inline]
    pub fn end(&self) -> usize {
        // Acquire: partner of the store in `raise`, so that the bytes are there as they were written.
        self.0.load(Ordering::Acquire)
    }

    pub fn raise(&self, end: usize) {
        // Release: partner of the load in `end`.
        self.0.fetch_max(end, Ordering::Release);
    }
}
