//! One thread for all maps of the process. It keeps no map open and no process alive.

use super::instance::Instance;
use crate::durability::recover;
use crate::events::Doing;
use crate::shard::{Effort, Progress, Shard};
use crate::{Code, Error, signal};
use parking_lot::Mutex;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

/// How long compaction of one map goes on before the others get their turn.
const TURN: Duration = Duration::from_millis(5);
/// Until readers have left what was freed.
const SOON: Duration = Duration::from_millis(2);
/// Between two looks at what only pins keep. Nobody says when the last one goes.
const PINNED: Duration = Duration::from_secs(1);
/// After a flush that failed.
const RETRY: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(3600);
/// Short-lived threads that flush.
const MAX_FLUSHES: usize = 8;

static MAPS: Mutex<Vec<Weak<Instance>>> = Mutex::new(Vec::new());
static THREAD: OnceLock<bool> = OnceLock::new();
static FLUSHES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// Has the background serve a map until it is closed.
pub(crate) fn serve(instance: &Arc<Instance>) {
    MAPS.lock().push(Arc::downgrade(instance));
    THREAD.get_or_init(|| std::thread::Builder::new().name("opendiskmap".into()).spawn(run).is_ok());
    signal::raise();
}

fn run() {
    let mut wait = Duration::ZERO;
    loop {
        signal::wait(wait);
        let maps: Vec<Arc<Instance>> = {
            let mut maps = MAPS.lock();
            maps.retain(|map| map.strong_count() > 0);
            maps.iter().filter_map(Weak::upgrade).collect()
        };
        // A panic belongs to one map, whose shard it has poisoned; the others are served on.
        wait = maps
            .iter()
            .map(|map| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| turn(map))).unwrap_or(IDLE))
            .min()
            .unwrap_or(IDLE);
    }
}

/// One turn for a map; how long it can wait for the next.
fn turn(map: &Arc<Instance>) -> Duration {
    let mut service = map.serving.lock();
    if service.closed || map.medium.failure().is_some() {
        return IDLE;
    }
    // Before the work, so that what is asked for meanwhile gets a turn of its own. AcqRel: partner of `want_background`.
    map.medium.work.swap(false, Ordering::AcqRel);
    if !service.orphans_removed {
        service.orphans_removed = true;
        recover::remove_orphans(&map.medium, &map.shards);
    }
    let mut wait = IDLE;
    let mut checkpoint = false;
    let mut made = Ok(());
    for shard in &map.shards {
        // What cannot be made ahead, or moved, is met again by the call that needs it.
        made = made.and(shard.make_ahead());
    }
    map.report(Doing::Growth, made);
    // When the disk is full every dead byte counts, not only those above the bound.
    if map.medium.pressed.swap(false, Ordering::AcqRel) {
        map.medium.give_up_recycled();
        service.full_round = map.forget_rest().is_ok();
    }
    let effort = if service.full_round { Effort::Full } else { Effort::Bound };
    let (mut at_rest, mut moved) = (true, Ok(()));
    let started = Instant::now();
    for shard in &map.shards {
        loop {
            match shard.compact(effort) {
                Ok(Progress::Working) if started.elapsed() < TURN => {}
                Ok(Progress::Working) => {
                    (wait, at_rest) = (Duration::ZERO, false);
                    break;
                }
                Ok(Progress::Checkpoint) => {
                    checkpoint = true;
                    break;
                }
                Ok(Progress::Idle) => break,
                Err(error) => {
                    moved = Err(error);
                    break;
                }
            }
        }
    }
    map.report(Doing::Compaction, moved);
    if at_rest {
        service.full_round = false;
    }
    if !map.reclaim() {
        wait = wait.min(SOON);
    }
    if !map.medium.remove_in_use() || map.shards.iter().any(Shard::has_pinned) {
        wait = wait.min(PINNED);
    }
    if map.spare_is_unfit() && map.restore_spare().is_err_and(|error| error.code() == Code::NoSpace) {
        wait = wait.min(Duration::from_millis(100));
    }
    let changed = map.shards.iter().any(Shard::is_changed);
    if !changed {
        map.medium.give_up_recycled();
    }
    if let Some(interval) = map.flush_interval
        && changed
    {
        let due = interval.saturating_sub(service.flushed_at.elapsed());
        if due.is_zero() {
            checkpoint = true;
        } else {
            wait = wait.min(due);
        }
    }
    if let Some(failed) = *map.flush_failed.lock()
        && failed.elapsed() < RETRY
        && checkpoint
    {
        return wait.min(RETRY).max(SOON);
    }
    if checkpoint && flush_aside(map) {
        service.flushed_at = Instant::now();
    } else if checkpoint {
        wait = wait.min(SOON);
    }
    wait
}

/// Flushes on a thread of its own: a sync may take long, and the other maps wait for nobody's disk.
fn flush_aside(map: &Arc<Instance>) -> bool {
    if map.flushing.swap(true, Ordering::AcqRel) {
        return false;
    }
    if FLUSHES.fetch_add(1, Ordering::AcqRel) >= MAX_FLUSHES {
        FLUSHES.fetch_sub(1, Ordering::AcqRel);
        map.flushing.store(false, Ordering::Release);
        return false;
    }
    let flushing = Arc::clone(map);
    let spawned = std::thread::Builder::new().name("opendiskmap-sync".into()).spawn(move || {
        // What fails here fails for the user's next write or flush too: the map has remembered it.
        let flushed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| flushing.flush()));
        *flushing.flush_failed.lock() = if matches!(flushed, Ok(Ok(()))) { None } else { Some(Instant::now()) };
        flushing.report(Doing::Flush, flushed.unwrap_or_else(|_| Err(Error::stopped())));
        flushing.flushing.store(false, Ordering::Release);
        FLUSHES.fetch_sub(1, Ordering::AcqRel);
        drop(flushing);
        signal::raise();
    });
    if spawned.is_err() {
        map.flushing.store(false, Ordering::Release);
        FLUSHES.fetch_sub(1, Ordering::AcqRel);
    }
    spawned.is_ok()
}
