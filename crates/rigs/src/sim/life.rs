//! From an open to a crash: the calls that a process makes, and the trace of what they did to the files.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use opendiskmap::trace::{self, AtSync, Event};
use opendiskmap::{Error, Hooks, Map, Options, Reason, Recovery};

use super::oracle::{self, Effect, Expected, Flight, Shard, State};
use super::script::{Call, Script};
use crate::random::Random;

/// How a map is opened: which run of the system, and whether the index is to be made anew.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub boot: u64,
    pub full: bool,
    pub read_only: bool,
}

pub fn open(path: &Path, script: &Script, way: Way) -> Result<Map, Error> {
    let mut boot_id = [0x5a; 16];
    boot_id[..8].copy_from_slice(&way.boot.to_le_bytes());
    Map::open(
        path,
        &Options {
            shards: Some(script.shards),
            capacity: script.capacity,
            read_only: way.read_only,
            flush_interval: Some(None),
            recovery: Some(if way.full { Recovery::Full } else { Recovery::Auto }),
            hooks: Hooks { background: false, same_files: true, boot_id: Some(boot_id) },
            ..Options::default()
        },
    )
}

/// A call and how far the trace was when it began and returned.
#[derive(Clone, Copy, Debug)]
struct Made {
    begun: usize,
    returned: usize,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// In one shard, or, a clear, in all.
    Change(Option<usize>, Effect),
    /// A flush: the calls before this one had returned when it was asked for.
    Flush { after: usize },
}

const NOT_YET: usize = usize::MAX;

/// What the calls of a life and those that are made beside its flushes share.
struct Scene {
    random: Random,
    script: Script,
    made: Vec<Made>,
    joiner: Option<(usize, JoinHandle<Result<(), Error>>)>,
    failed: Option<String>,
    remade: bool,
}

/// A life that went on until somebody stopped looking.
pub struct Life {
    pub events: Vec<Event>,
    /// Where the trace was when the open had returned.
    pub opened: usize,
    pub reason: Reason,
    /// What the map held then.
    pub held: Vec<State>,
    made: Vec<Made>,
    /// The map was opened again with an index made from the log.
    pub remade: bool,
    pub script: Script,
}

impl Life {
    /// What a crash at this place of the trace may leave, of a map that held this when it was opened.
    pub fn expected(&self, first: &[Shard], place: usize) -> Expected {
        let mut shards = first.to_vec();
        let mut flight: Flight = None;
        let flushed = self.made.iter().filter(|made| made.returned <= place).filter_map(|made| match made.what {
            What::Flush { after } => Some(after),
            What::Change(..) => None,
        });
        let flushed = flushed.max();
        for (number, made) in self.made.iter().enumerate() {
            if flushed == Some(number) {
                shards.iter_mut().for_each(Shard::flush);
            }
            let What::Change(shard, effect) = made.what else { continue };
            if made.returned <= place {
                match shard {
                    Some(shard) => shards[shard].since.push(effect),
                    None => shards.iter_mut().for_each(|shard| shard.since.push(effect)),
                }
            } else if made.begun <= place {
                flight = Some((shard, effect));
            }
        }
        if flushed == Some(self.made.len()) {
            shards.iter_mut().for_each(Shard::flush);
        }
        Expected { shards, flight }
    }

    /// Where the changes begin and end.
    pub fn changes(&self) -> Vec<(usize, usize)> {
        let changes = self.made.iter().filter(|made| matches!(made.what, What::Change(..)) && made.returned != NOT_YET);
        changes.map(|made| (made.begun, made.returned)).collect()
    }

    /// Whether a kill at this place may come into the write of a checkpoint of several pages, and leave one that is torn.
    pub fn is_long_write(&self, place: usize) -> bool {
        matches!(self.events.get(place), Some(Event::Write { bytes, .. }) if (4097..1 << 16).contains(&bytes.len()))
    }

    /// Places where a crash is likelier to show something: syncs, names, and where calls begin and end.
    pub fn edges(&self) -> Vec<usize> {
        let edge = |event: &Event| {
            !matches!(event, Event::Store { .. } | Event::Copy { .. } | Event::Write { .. } | Event::Length { .. })
        };
        let events = self.events.iter().enumerate().filter(|(_, event)| edge(event)).map(|(place, _)| place);
        let calls = self.made.iter().flat_map(|made| [made.begun, made.returned]).filter(|&place| place != NOT_YET);
        events.chain(calls).collect()
    }
}

/// Opens the map in a directory, makes calls, and says what happened to its files. What it holds when it is open is told to
/// `check` first.
pub fn live(
    root: &Path,
    script: Script,
    way: Way,
    random: Random,
    check: impl FnOnce(&Map, &[State], Reason) -> Result<(), String>,
) -> Result<Life, String> {
    let beside = script.beside_flush;
    let calls = script.calls;
    let shared = Shared::new(Scene { random, script, made: Vec::new(), joiner: None, failed: None, remade: false });
    let at_sync: Option<AtSync> = beside.then(|| {
        let shared = Arc::clone(&shared);
        Arc::new(move || shared.beside_flush()) as AtSync
    });
    let lot = shared.scene().random.word();
    trace::start(Some(lot), at_sync);
    let told = shared.live(root, way, calls, check);
    let events = trace::take();
    *shared.map() = None;
    let (opened, reason, held) = told?;
    let mut scene = shared.scene();
    if let Some(failed) = scene.failed.take() {
        return Err(failed);
    }
    let (made, script) = (std::mem::take(&mut scene.made), scene.script.clone());
    Ok(Life { events: in_order(events), opened, reason, held, made, remade: scene.remade, script })
}

/// Syncs that ran side by side, in an order that is the same every time.
fn in_order(mut events: Vec<Event>) -> Vec<Event> {
    let is_sync = |event: &Event| matches!(event, Event::Sync { .. });
    events.chunk_by_mut(|a, b| is_sync(a) && is_sync(b)).for_each(|chunk| {
        chunk.sort_by_key(|event| match event {
            Event::Sync { file, from, .. } => (*file, *from),
            _ => (0, 0),
        });
    });
    events
}

struct Shared {
    scene: Mutex<Scene>,
    map: Mutex<Option<Arc<Map>>>,
    /// A flush is under way, and nobody does anything beside it yet.
    may_act: AtomicBool,
    asking: AtomicUsize,
}

impl Shared {
    fn new(scene: Scene) -> Arc<Shared> {
        Arc::new(Shared {
            scene: Mutex::new(scene),
            map: Mutex::new(None),
            may_act: AtomicBool::new(false),
            asking: AtomicUsize::new(0),
        })
    }

    fn scene(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn map(&self) -> MutexGuard<'_, Option<Arc<Map>>> {
        self.map.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn opened(&self) -> Arc<Map> {
        Arc::clone(self.map().as_ref().expect("the map is open"))
    }

    fn live(
        &self,
        root: &Path,
        way: Way,
        calls: usize,
        check: impl FnOnce(&Map, &[State], Reason) -> Result<(), String>,
    ) -> Result<(usize, Reason, Vec<State>), String> {
        let (mut random, mut script) = {
            let scene = self.scene();
            (scene.random.clone(), scene.script.clone())
        };
        let map = open(root, &script, way).map_err(|error| told("open", &error))?;
        let opened = trace::position();
        let reason = map.stats().map_err(|error| told("stats", &error))?.recovery.reason;
        let held = oracle::read(&map, script.shards as usize, script.all_keys())?;
        check(&map, &held, reason)?;
        *self.map() = Some(Arc::new(map));
        for _ in 0..random.below(calls) + 1 {
            let call = {
                let mut scene = self.scene();
                let Scene { random, script, .. } = &mut *scene;
                script.next(random)
            };
            match call {
                Call::Reopen => {
                    let map = self.map().take().and_then(Arc::into_inner).ok_or("a handle is left over")?;
                    self.flushed(|| map.close().map_err(|error| told("close", &error)))?;
                    let full = random.below(100) < script.full;
                    self.scene().remade |= full;
                    let map = open(root, &script, Way { full, ..way }).map_err(|error| told("open again", &error))?;
                    *self.map() = Some(Arc::new(map));
                }
                Call::Flush => {
                    let map = self.opened();
                    self.may_act.store(true, Ordering::SeqCst);
                    let flushed = self.flushed(|| map.flush().map_err(|error| told("flush", &error)));
                    self.may_act.store(false, Ordering::SeqCst);
                    flushed?;
                    self.join()?;
                }
                Call::Background => {
                    self.opened().compact_step().map_err(|error| told("background", &error))?;
                }
                Call::Compact => self.opened().compact().map_err(|error| told("compact", &error))?,
                change => self.change(change)?,
            }
            script = self.scene().script.clone();
        }
        // Not only where the last life happened to end: what a close does is traced as often as not.
        if random.below(3) == 0 {
            let map = self.map().take().and_then(Arc::into_inner).ok_or("a handle is left over")?;
            self.flushed(|| map.close().map_err(|error| told("close", &error)))?;
        }
        Ok((opened, reason, held))
    }

    /// Something after which all that had returned before it is durable.
    fn flushed(&self, flush: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        let number = {
            let mut scene = self.scene();
            let after = scene.made.len();
            scene.made.push(Made { begun: trace::position(), returned: NOT_YET, what: What::Flush { after } });
            after
        };
        flush()?;
        self.scene().made[number].returned = trace::position();
        Ok(())
    }

    fn change(&self, call: Call) -> Result<(), String> {
        let map = self.opened();
        let (key, effect) = match call {
            Call::Put { key, made } => (Some(key), Effect::Put { key, made }),
            Call::Delete { key } => (Some(key), Effect::Delete { key }),
            _ => (None, Effect::Clear),
        };
        let shard = key.map(|key| map.shard_of(&oracle::key(key))).transpose().map_err(|error| told("hash", &error))?;
        let number = {
            let mut scene = self.scene();
            let what = What::Change(shard, effect);
            scene.made.push(Made { begun: trace::position(), returned: NOT_YET, what });
            scene.made.len() - 1
        };
        let changed = match effect {
            Effect::Put { key, made } => map.put(&oracle::key(key), &oracle::value(key, made)).map(drop),
            Effect::Delete { key } => map.remove(&oracle::key(key)).map(drop),
            Effect::Clear => map.clear(),
        };
        changed.map_err(|error| told("a change", &error))?;
        self.scene().made[number].returned = trace::position();
        Ok(())
    }

    /// What other threads would do while a flush waits for the disk.
    fn beside_flush(self: &Arc<Self>) {
        if !self.may_act.swap(false, Ordering::SeqCst) {
            return;
        }
        let told = self.act();
        let mut scene = self.scene();
        let joined = scene.joiner.is_some();
        if let Err(told) = told {
            scene.failed.get_or_insert(told);
        }
        self.may_act.store(!joined, Ordering::SeqCst);
    }

    fn act(self: &Arc<Self>) -> Result<(), String> {
        let calls = self.scene().random.below(4);
        for _ in 0..calls {
            let (what, change) = {
                let mut scene = self.scene();
                let Scene { random, script, .. } = &mut *scene;
                (random.below(100), script.any_change(random))
            };
            match what {
                0..50 => self.change(change)?,
                50..90 => {
                    let map = self.opened();
                    let steps = self.scene().random.below(6);
                    for _ in 0..steps {
                        map.compact_beside_flush(what % 2 == 0).map_err(|error| told("compaction", &error))?;
                    }
                }
                _ => {
                    self.change(change)?;
                    self.ask_for_flush();
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Another thread asks for a flush while this one is under way.
    fn ask_for_flush(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        let mut scene = self.scene();
        let after = scene.made.len();
        scene.made.push(Made { begun: trace::position(), returned: NOT_YET, what: What::Flush { after } });
        let asked = self.asking.load(Ordering::SeqCst);
        let asks = std::thread::spawn(move || {
            let map = shared.opened();
            shared.asking.fetch_add(1, Ordering::SeqCst);
            map.flush()
        });
        scene.joiner = Some((after, asks));
        drop(scene);
        while self.asking.load(Ordering::SeqCst) == asked {
            std::thread::yield_now();
        }
        // It has only to take a lock to be among those that wait; one that comes late has a flush of its own.
        (0..20).for_each(|_| std::thread::yield_now());
    }

    fn join(&self) -> Result<(), String> {
        let Some((number, asks)) = self.scene().joiner.take() else { return Ok(()) };
        asks.join().map_err(|_| "a flush panics")?.map_err(|error| told("a second flush", &error))?;
        self.scene().made[number].returned = trace::position();
        Ok(())
    }
}

fn told(what: &str, error: &Error) -> String {
    format!("{what} fails with {}: {error}", error.code())
}

/// Deletes a directory that a life or a look was in.
pub fn forget(root: &Path) -> Result<(), String> {
    fs::remove_dir_all(root).map_err(|error| format!("a directory cannot be deleted: {error}"))
}
