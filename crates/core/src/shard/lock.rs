//! The shard's lock, and how calls and compaction take turns at it.
//!
//! Who sleeps at a lock and is woken takes longer than any change does. So compaction, which wants the lock all the time, gives it
//! up within a record once a call waits, and the call asks again for some moments before it sleeps. Calls among themselves sleep
//! at once: where there are more threads than processors, whoever holds the lock may be one that waits for a processor.

use super::{CLOSED, OPEN, POISONED, Shard, Writer};
use crate::Result;
use parking_lot::RwLockWriteGuard;
use std::hint::spin_loop;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How often a call asks again for the lock that compaction holds.
const ASKED: usize = 8;
/// Turns of doing nothing between: to ask takes the lock's cache line from its holder.
const BETWEEN: usize = 8;
/// The most turns of doing nothing of compaction before it asks for a lock that others wait for: some microseconds.
const COURTESY: usize = 200;

/// Who wants the lock. Relaxed all over: these are hints, and who is seen late waits a step longer.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Calls that wait.
    waiting: AtomicUsize,
    /// The lock is compaction's.
    compacting: AtomicBool,
}

/// The shard's lock, held for a change.
pub(super) struct Locked<'a> {
    pub(super) shard: &'a Shard,
    writer: RwLockWriteGuard<'a, Writer>,
}

/// The same, held for a step of compaction.
pub(super) struct Step<'a>(Locked<'a>);

impl Shard {
    /// The lock for a change. What a panic under it leaves is not served any more.
    pub(super) fn lock(&self) -> Result<Locked<'_>> {
        let writer = self.writer.try_write().unwrap_or_else(|| self.wait_for_lock());
        self.check_open()?;
        self.check_pages()?;
        Ok(Locked { shard: self, writer })
    }

    #[cold]
    fn wait_for_lock(&self) -> RwLockWriteGuard<'_, Writer> {
        self.turns.waiting.fetch_add(1, Ordering::Relaxed);
        let mut turns = (0..ASKED).take_while(|_| self.turns.compacting.load(Ordering::Relaxed));
        let soon = turns.find_map(|_| {
            (0..BETWEEN).for_each(|_| spin_loop());
            self.writer.try_write()
        });
        let writer = soon.unwrap_or_else(|| self.writer.write());
        self.turns.waiting.fetch_sub(1, Ordering::Relaxed);
        writer
    }

    /// The lock for a step of compaction, after those who wait for it.
    pub(super) fn lock_to_compact(&self) -> Result<Step<'_>> {
        let turns = (0..COURTESY).take_while(|_| self.is_waited_for());
        turns.for_each(|_| spin_loop());
        let locked = self.lock()?;
        self.turns.compacting.store(true, Ordering::Relaxed);
        Ok(Step(locked))
    }

    pub(super) fn is_waited_for(&self) -> bool {
        self.turns.waiting.load(Ordering::Relaxed) > 0
    }

    /// The lock for what makes changes durable, which goes on while the map closes.
    pub(super) fn lock_for_upkeep(&self) -> Result<Locked<'_>> {
        let writer = self.writer.write();
        self.check_pages()?;
        match self.state.load(Ordering::Acquire) {
            POISONED => Err(self.poisoned()),
            _ => Ok(Locked { shard: self, writer }),
        }
    }

    /// No call changes the shard from here on.
    pub fn shut(&self) {
        let _writer = self.writer.write();
        let _ = self.state.compare_exchange(OPEN, CLOSED, Ordering::AcqRel, Ordering::Acquire);
    }
}

impl Deref for Locked<'_> {
    type Target = Writer;
    fn deref(&self) -> &Writer {
        &self.writer
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shard.poison();
        }
    }
}

impl<'a> Deref for Step<'a> {
    type Target = Locked<'a>;
    fn deref(&self) -> &Locked<'a> {
        &self.0
    }
}

impl<'a> DerefMut for Step<'a> {
    fn deref_mut(&mut self) -> &mut Locked<'a> {
        &mut self.0
    }
}

impl Drop for Step<'_> {
    /// Whoever unlocks is the first to lock again, unless it hands the lock to who sleeps at it.
    fn drop(&mut self) {
        self.0.shard.turns.compacting.store(false, Ordering::Relaxed);
        RwLockWriteGuard::bump(&mut self.0.writer);
    }
}
