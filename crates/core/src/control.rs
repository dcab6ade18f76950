//! How a long call is watched, and called off, by other threads.

use crate::{Code, Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A long call's progress, and the wish that it end. Any thread may read the one and state the other.
#[derive(Debug, Default)]
pub struct Control {
    cancelled: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
}

impl Control {
    /// The call ends soon, with an error of the code `ERR_CLOSED`.
    pub fn cancel(&self) {
        // Relaxed, as all of these are: nothing else hangs on what they say.
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Bytes that were dealt with.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Bytes that there were to deal with when the call began; 0 before.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub(crate) fn begin(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// Where a call is that counts by itself.
    pub(crate) fn stand_at(&self, done: u64, total: u64) -> Result<()> {
        self.begin(total);
        self.done.store(done, Ordering::Relaxed);
        self.proceed(0)
    }

    /// The same, of several threads: it does not go back.
    pub(crate) fn reach(&self, done: u64) -> Result<()> {
        self.done.fetch_max(done, Ordering::Relaxed);
        self.proceed(0)
    }

    /// Between two steps.
    pub(crate) fn proceed(&self, done: u64) -> Result<()> {
        self.done.fetch_add(done, Ordering::Relaxed);
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::new(Code::Closed, "The call was called off."));
        }
        Ok(())
    }
}
