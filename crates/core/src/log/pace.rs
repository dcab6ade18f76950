//! How fast a log is written.

use crate::mem::trace;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A shard's log that takes at least so many bytes between two checkpoints is written fast.
const FAST: u64 = 1 << 18;

/// Where a log is written fast its next segment is given all its pages ahead, in large pieces, which costs a third of what
/// single pages cost. A piece is written out as one, so where little is written between two checkpoints single pages are less
/// for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Slow,
    Fast,
}

/// Counts a log's bytes from checkpoint to checkpoint. A guess decides about cost alone, so all of it is relaxed, without
/// partners.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Bytes of the segments before the tail that this process has sealed.
    sealed: AtomicU64,
    /// Of these and the tail, at the last checkpoint.
    noted: AtomicU64,
    was_fast: AtomicBool,
}

impl Meter {
    /// The log that was found ends here.
    pub fn start(&self, tail: usize) {
        self.noted.store(self.written(tail), Ordering::Relaxed);
    }

    /// A segment of this size has a successor.
    pub fn seal(&self, size: u64) {
        self.sealed.fetch_add(size, Ordering::Relaxed);
    }

    /// A checkpoint is made.
    pub fn note(&self, tail: usize) {
        self.was_fast.store(self.since_note(tail) >= FAST, Ordering::Relaxed);
        self.start(tail);
    }

    /// Of the bytes since the last checkpoint, or between the last two.
    pub fn pace(&self, tail: usize) -> Pace {
        // Rigs that work out power cuts write little, and are to meet what becomes of freed segments.
        let is_fast = trace::is_on() || self.was_fast.load(Ordering::Relaxed) || self.since_note(tail) >= FAST;
        if is_fast { Pace::Fast } else { Pace::Slow }
    }

    fn written(&self, tail: usize) -> u64 {
        self.sealed.load(Ordering::Relaxed) + tail as u64
    }

    fn since_note(&self, tail: usize) -> u64 {
        self.written(tail).saturating_sub(self.noted.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fast_while_much_is_written_between_two_checkpoints() {
        let meter = Meter::default();
        meter.start(1000);
        assert_eq!(meter.pace(70_000), Pace::Slow);
        meter.seal(1 << 20);
        assert_eq!(meter.pace(64), Pace::Fast);
        meter.note(64);
        assert_eq!(meter.pace(64), Pace::Fast);
        meter.note(64);
        assert_eq!(meter.pace(64), Pace::Slow);
        assert_eq!(meter.pace(64 + FAST as usize), Pace::Fast);
    }
}
