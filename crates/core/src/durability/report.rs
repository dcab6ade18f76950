//! What an open did, and how far a long one has come.

use crate::Result;
use crate::control::Control;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How a map came to be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It was made.
    Created,
    /// It was closed cleanly before.
    Clean,
    /// Its process died and the system did not: the index was trusted after at most one fix-up a shard.
    Killed,
    /// The machine died, the files were copied, or `recovery: 'full'` was asked for: the index was made from the log.
    Rebuilt,
}

impl Reason {
    /// The name that `stats()` shows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Created => "created",
            Reason::Clean => "clean",
            Reason::Killed => "killed",
            Reason::Rebuilt => "rebuilt",
        }
    }
}

/// What an open did in one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardRecovery {
    /// Records of the log that were read, verified and kept: puts, also those that later ones replaced, deletions and
    /// clears. 0 unless the index was made.
    pub kept: u64,
    /// Records that were taken out. Of a rebuild: those that can still be told behind the point where the log stopped
    /// verifying, the one that failed included. After a kill: changes that were in flight and are undone.
    pub dropped: u64,
    /// Bytes behind the point where the log stopped verifying, up to the last one that is not 0: the dropped records and
    /// whatever else stands there, like a record of which only a part reached the disk. What left no trace there, because
    /// nothing of it reached the disk, is in neither number.
    pub cut_bytes: u64,
}

/// What an open did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recovery {
    pub reason: Reason,
    /// Records kept, over all shards.
    pub records: u64,
    /// Records dropped, over all shards.
    pub dropped: u64,
    pub shards: Vec<ShardRecovery>,
    /// Until the map could be used, but for the sync that follows a rebuild.
    pub time: Duration,
}

impl Recovery {
    pub(crate) fn new(reason: Reason, shards: Vec<ShardRecovery>, time: Duration) -> Recovery {
        Recovery {
            reason,
            records: shards.iter().map(|shard| shard.kept).sum(),
            dropped: shards.iter().map(|shard| shard.dropped).sum(),
            shards,
            time,
        }
    }

    /// Whether the map had not been closed: its process or the machine died, or the index was made anew.
    #[must_use]
    pub fn had_to_recover(&self) -> bool {
        matches!(self.reason, Reason::Killed | Reason::Rebuilt)
    }
}

/// How far a rebuild has come. Each byte of the log is passed twice: when it is verified, and when its record is entered.
#[derive(Debug, Default)]
pub(crate) struct Passes {
    control: Arc<Control>,
    passed: AtomicU64,
}

impl Passes {
    pub fn new(control: &Arc<Control>) -> Passes {
        Passes { control: Arc::clone(control), passed: AtomicU64::new(0) }
    }

    /// How many bytes the log has.
    pub fn begin(&self, total: u64) -> Result<()> {
        self.control.stand_at(0, total)
    }

    /// Ends the rebuild if it was called off: it can be begun again, from any point.
    pub fn passed(&self, bytes: u64) -> Result<()> {
        // Relaxed: a number to look at.
        let passed = self.passed.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.control.reach((passed / 2).min(self.control.total()))
    }

    pub fn finish(&self) -> Result<()> {
        self.control.reach(self.control.total())
    }
}
