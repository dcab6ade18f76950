//! What happens to maps beside the calls of their users, told to whoever listens.

use crate::durability::report::Recovery;
use crate::viewers::Ask;
use crate::{Error, Result};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How many of each kind wait to be taken; of more than these the newest.
const MOST: usize = 256;

/// Those of the process that listen. Where nobody does, this is all that is looked at.
static LISTENING: AtomicUsize = AtomicUsize::new(0);

/// What a file is for that a map has grown by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grown {
    /// Part of the log.
    Segment,
    /// The list of a shard's segments.
    SegmentTable,
    /// Tables of the index.
    Index,
    /// The way to the tables.
    Directory,
    /// What is kept for deletes and compaction on a full disk.
    Spare,
}

impl Grown {
    /// The name that JavaScript sees.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Grown::Segment => "segment",
            Grown::SegmentTable => "segmentTable",
            Grown::Index => "index",
            Grown::Directory => "directory",
            Grown::Spare => "spare",
        }
    }
}

/// What a map was doing when something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// Making what was written durable.
    Flush,
    /// Emptying a segment.
    Compaction,
    /// Making a file ahead of need.
    Growth,
    /// A call of somebody's.
    Call,
}

impl Doing {
    /// The name that JavaScript sees.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Doing::Flush => "flush",
            Doing::Compaction => "compaction",
            Doing::Growth => "growth",
            Doing::Call => "call",
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// So much of the log and of extents was synced, and a checkpoint written that says so.
    Flush { duration: Duration, bytes: u64, files: u64 },
    /// What the open had to do, for the handle that opened the map.
    Recovery(Recovery),
    /// A shard's index was damaged, and was made anew from the log while the map was open.
    Mended { shard: u32, duration: Duration, records: u64 },
    /// A segment of so many bytes was emptied, which goes with the next checkpoint; what lived in it was moved.
    Compaction { shard: u32, duration: Duration, bytes: u64, moved: u64 },
    /// A file of so many bytes was made, or for the spare: grew to.
    Growth { shard: Option<u32>, duration: Duration, bytes: u64, file: Grown },
    /// What no call reports, or what changes the map for all: that it only reads from now on, or that a shard failed.
    Failure { doing: Doing, error: Error, read_only: bool },
}

impl Event {
    const KINDS: [&str; 5] = ["flush", "recovery", "compaction", "growth", "error"];

    /// Which of the five kinds of events it is, as JavaScript names them: a channel each.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        Event::KINDS[self.index()]
    }

    const fn index(&self) -> usize {
        match self {
            Event::Flush { .. } => 0,
            Event::Recovery(_) | Event::Mended { .. } => 1,
            Event::Compaction { .. } => 2,
            Event::Growth { .. } => 3,
            Event::Failure { .. } => 4,
        }
    }
}

/// An event, and whose it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Told {
    /// Where the map was first opened in this process.
    pub path: Arc<Path>,
    /// As in [`Stats`](crate::Stats).
    pub instance: u64,
    /// When it was over.
    pub time: SystemTime,
    /// How many events of its kind were dropped before it, because nobody took them.
    pub missed: u64,
    pub event: Event,
}

/// The events of any number of maps, for one listener to take: see [`Options::events`](crate::Options::events). Of each kind at
/// most 256 wait; of more the oldest go, and are counted. However many handles of a map have it, it is told once.
#[derive(Default)]
pub struct Events {
    /// Whom the next event wakes; `None` while nobody listens.
    state: Mutex<Option<Waiting>>,
}

struct Waiting {
    wake: Ask,
    /// Events so far: the order of those that wait.
    count: u64,
    kinds: [Kind; Event::KINDS.len()],
}

#[derive(Default)]
struct Kind {
    told: VecDeque<(u64, Told)>,
    missed: u64,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("listening", &self.state.lock().is_some()).finish_non_exhaustive()
    }
}

impl Events {
    /// From now on events are kept, and `wake` is called for each, by the thread in which it happened and while that holds
    /// locks of the map: it may only have another thread call [`take`](Self::take).
    pub fn listen(&self, wake: Ask) {
        let mut state = self.state.lock();
        if let Some(waiting) = state.as_mut() {
            waiting.wake = wake;
            return;
        }
        *state = Some(Waiting { wake, count: 0, kinds: Default::default() });
        // Relaxed, as all of these are: who is seen late misses what happens at that moment.
        LISTENING.fetch_add(1, Ordering::Relaxed);
    }

    /// Nothing is kept any more, and what was is dropped.
    pub fn stop(&self) {
        if self.state.lock().take().is_some() {
            LISTENING.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// What happened since the last time, in its order.
    #[must_use]
    pub fn take(&self) -> Vec<Told> {
        let mut state = self.state.lock();
        let Some(waiting) = state.as_mut() else { return Vec::new() };
        let mut all = Vec::new();
        for kind in &mut waiting.kinds {
            let mut told = std::mem::take(&mut kind.told);
            if let Some((_, first)) = told.front_mut() {
                first.missed = std::mem::take(&mut kind.missed);
            }
            all.extend(told);
        }
        drop(state);
        all.sort_unstable_by_key(|&(number, _)| number);
        all.into_iter().map(|(_, told)| told).collect()
    }

    fn push(&self, told: Told) {
        let mut state = self.state.lock();
        let Some(waiting) = state.as_mut() else { return };
        waiting.count += 1;
        let kind = &mut waiting.kinds[told.event.index()];
        if kind.told.len() == MOST {
            kind.told.pop_front();
            kind.missed += 1;
        }
        kind.told.push_back((waiting.count, told));
        let wake = Arc::clone(&waiting.wake);
        drop(state);
        wake();
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A map's listeners, as its layers know them.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    list: Mutex<Vec<Listener>>,
}

#[derive(Debug)]
struct Listener {
    events: Arc<Events>,
    /// Handles that have it.
    handles: usize,
    path: Arc<Path>,
    instance: u64,
}

impl Listener {
    fn tell(&self, time: SystemTime, event: Event) {
        self.events.push(Told { path: Arc::clone(&self.path), instance: self.instance, time, missed: 0, event });
    }
}

impl Listeners {
    /// A handle's events; `recovered`, if it opened the map, is the first of them.
    pub fn join(&self, events: &Arc<Events>, path: &Path, instance: u64, recovered: Option<&Recovery>) {
        let mut list = self.list.lock();
        let known = list.iter().position(|listener| Arc::ptr_eq(&listener.events, events));
        let at = known.unwrap_or_else(|| {
            let (events, path) = (Arc::clone(events), Arc::from(path));
            list.push(Listener { events, handles: 0, path, instance });
            list.len() - 1
        });
        list[at].handles += 1;
        if let Some(recovered) = recovered {
            list[at].tell(SystemTime::now(), Event::Recovery(recovered.clone()));
        }
    }

    /// A handle has ended.
    pub fn leave(&self, events: &Arc<Events>) {
        let mut list = self.list.lock();
        if let Some(at) = list.iter().position(|listener| Arc::ptr_eq(&listener.events, events)) {
            list[at].handles -= 1;
            if list[at].handles == 0 {
                list.swap_remove(at);
            }
        }
    }

    /// When something begins that is to be told; `None`: nobody listens.
    #[inline]
    pub fn began(&self) -> Option<Instant> {
        (LISTENING.load(Ordering::Relaxed) > 0).then(Instant::now)
    }

    /// Tells what began then, with how long it took.
    pub fn tell(&self, began: Option<Instant>, event: impl FnOnce(Duration) -> Event) {
        if let Some(began) = began {
            let event = event(began.elapsed());
            // One moment for all, so that what two threads were told can be told to be the same.
            let time = SystemTime::now();
            self.list.lock().iter().for_each(|listener| listener.tell(time, event.clone()));
        }
    }

    /// Tells of a failure that no call reports, or that concerns everybody.
    #[cold]
    pub fn fail(&self, doing: Doing, error: &Error, read_only: bool) {
        self.tell(self.began(), |_| Event::Failure { doing, error: error.clone(), read_only });
    }
}

/// Which failures of the background were told: each once, until what failed succeeds.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    told: Mutex<Vec<(Doing, crate::Code)>>,
}

impl Failures {
    /// How something in the background went; the error if it is to be told.
    pub fn note(&self, doing: Doing, result: Result<()>) -> Option<Error> {
        let mut told = self.told.lock();
        match result {
            Ok(()) => {
                told.retain(|&(other, _)| other != doing);
                None
            }
            Err(error) => {
                let failure = (doing, error.code());
                let is_new = !told.contains(&failure);
                if is_new {
                    told.push(failure);
                }
                is_new.then_some(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flush(bytes: u64) -> Event {
        Event::Flush { duration: Duration::ZERO, bytes, files: 1 }
    }

    fn sizes(told: &[Told]) -> Vec<u64> {
        let size = |told: &Told| match told.event {
            Event::Flush { bytes, .. } | Event::Growth { bytes, .. } => bytes,
            _ => unreachable!(),
        };
        told.iter().map(size).collect()
    }

    #[test]
    fn of_each_kind_the_newest_wait_in_their_order_and_those_that_went_are_counted() {
        let events = Arc::new(Events::default());
        let listeners = Listeners::default();
        listeners.join(&events, Path::new("map"), 7, None);
        listeners.tell(listeners.began(), |_| flush(0));
        assert!(events.take().is_empty(), "nobody listened");
        let woken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&woken);
        events.listen(Arc::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        }));
        let growth = |bytes| Event::Growth { shard: None, duration: Duration::ZERO, bytes, file: Grown::Spare };
        for bytes in 0..MOST as u64 + 10 {
            listeners.tell(listeners.began(), |_| growth(1000 + bytes));
            if bytes == 5 || bytes == 100 {
                listeners.tell(listeners.began(), |_| flush(bytes));
            }
        }
        assert_eq!(woken.load(Ordering::SeqCst), MOST + 12);
        let told = events.take();
        // The flush at 5 is older than all growth that is left; the one at 100 lies between.
        let mut expected: Vec<u64> = (1010..1000 + MOST as u64 + 10).collect();
        expected.insert(0, 5);
        expected.insert(1 + 91, 100);
        assert_eq!(sizes(&told), expected);
        let missed: Vec<u64> = told.iter().map(|told| told.missed).collect();
        assert_eq!((missed[0], missed[1], missed[2..].iter().sum::<u64>()), (0, 10, 0));
        assert!(events.take().is_empty());
        listeners.tell(listeners.began(), |_| flush(2));
        events.listen(Arc::new(|| ()));
        assert_eq!(sizes(&events.take()), [2], "who listens already keeps what waits");
        listeners.tell(listeners.began(), |_| flush(1));
        events.stop();
        assert!(events.take().is_empty(), "what waited was dropped");
    }

    #[test]
    fn a_listener_is_told_once_however_many_handles_have_it_and_until_the_last_of_them_has_ended() {
        let events = Arc::new(Events::default());
        events.listen(Arc::new(|| ()));
        let listeners = Listeners::default();
        for _ in 0..3 {
            listeners.join(&events, Path::new("map"), 7, None);
        }
        for left in (0..3).rev() {
            listeners.leave(&events);
            listeners.tell(listeners.began(), |_| flush(left));
            assert_eq!(events.take().len(), usize::from(left > 0));
        }
    }

    #[test]
    fn a_failure_is_told_once_until_what_failed_succeeds() {
        let failures = Failures::default();
        let full = || Err(Error::new(crate::Code::NoSpace, "full"));
        let broken = || Err(Error::new(crate::Code::Io, "broken"));
        assert!(failures.note(Doing::Growth, full()).is_some());
        assert!(failures.note(Doing::Growth, full()).is_none());
        assert!(failures.note(Doing::Compaction, full()).is_some());
        assert!(failures.note(Doing::Growth, broken()).is_some());
        assert!(failures.note(Doing::Growth, Ok(())).is_none());
        assert!(failures.note(Doing::Compaction, full()).is_none());
        assert!(failures.note(Doing::Growth, full()).is_some());
    }
}
