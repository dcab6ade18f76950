//! Verification: every record against its sums and the index, every slot against its record, every counter against what it
//! counts, while others read and write.
//!
//! Nothing is noted down first and compared later. Each check is made at one moment, under the shard's lock, and is exact
//! then; the lock is held for about a hundred microseconds at a time. Sums of published bytes need no lock, for those bytes
//! never change. Three things make single moments enough:
//!
//! - A record that no slot names is rightly dead if its key has a newer record now, or was removed or cleared after it. What
//!   was removed is known at every such moment, because a [`log::Follower`] has read all of the chain up to the tail by then.
//! - Keys do not change their hash, so the index is walked in the order of the hashes, like an iteration. Every key that
//!   stays is met once.
//! - What is counted on that walk is kept true by the writers: a [`watch::Watch`] takes the changes behind the walk. At its end
//!   it has counted what the counters should say at that moment.

mod index;
mod log;
mod watch;

pub(super) use watch::Watch;

use super::Shard;
use crate::damage::Damages;
use crate::layout::names;
use crate::layout::segment::SegmentId;
use crate::{Code, Error, Result};
use std::time::{Duration, Instant};

/// A step holds the lock about this long.
const STEP: Duration = Duration::from_micros(100);
/// Records or slots between two looks at the clock.
const BATCH: usize = 16;

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub damages: Damages,
    /// Records of the log that were checked, dead ones and tombstones too.
    pub records: u64,
    /// Bytes of the log and of extents that were checked.
    pub bytes: u64,
}

/// Called between two steps with the bytes that were checked since; its error ends the verification.
pub(crate) type Proceed<'a> = &'a mut dyn FnMut(u64) -> Result<()>;

/// The verification of one shard.
struct Check<'a> {
    shard: &'a Shard,
    found: &'a mut Findings,
    proceed: Proceed<'a>,
    follower: log::Follower,
    /// Bytes of the log that do not verify, reported already.
    holes: Vec<Hole>,
}

#[derive(Clone, Copy, Debug)]
struct Hole {
    id: SegmentId,
    from: usize,
    to: usize,
}

impl Shard {
    /// Checks everything of this shard and changes nothing.
    ///
    /// # Errors
    /// What `proceed` returns, and what keeps the check itself from going on; damage is no error here.
    pub fn verify(&self, found: &mut Findings, proceed: Proceed<'_>) -> Result<()> {
        found.damages.append(self.set_aside_damages());
        if !self.is_written() {
            return Ok(());
        }
        let mut check = Check { shard: self, found, proceed, follower: log::Follower::default(), holes: Vec::new() };
        check.log()?;
        check.index()
    }
}

impl Check<'_> {
    fn damaged(&mut self, file: String, offset: usize, key: Option<&[u8]>) {
        self.found.damages.add(Code::Corrupt, file, offset as u64, key);
    }

    /// An error on the way to what is to be checked: damage, unless it is the check that cannot go on.
    fn met(&mut self, error: Error, file: String, offset: usize) -> Result<()> {
        match error.code() {
            code @ (Code::Corrupt | Code::Io | Code::FileGone) => {
                self.found.damages.add(code, file, offset as u64, None);
                Ok(())
            }
            _ => Err(error),
        }
    }

    fn segment_name(&self, id: SegmentId) -> String {
        names::segment(self.shard.number, id)
    }

    fn checked(&mut self, records: u64, bytes: u64) -> Result<()> {
        self.found.records += records;
        self.found.bytes += bytes;
        (self.proceed)(bytes)
    }
}

/// When a step has to let go of the lock.
struct Clock {
    started: Instant,
    steps: usize,
}

impl Clock {
    fn start() -> Clock {
        Clock { started: Instant::now(), steps: 0 }
    }

    fn is_over(&mut self) -> bool {
        self.steps += 1;
        self.steps.is_multiple_of(BATCH) && self.started.elapsed() >= STEP
    }
}
