//! Lives of one map, each ended by a crash; and of each a few more crashes that are only looked at.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use opendiskmap::Reason;

use super::damage;
use super::disk::{Disk, Image, Weather};
use super::life::{Life, Way, forget, live, open};
use super::oracle::{self, Expected, Shard};
use super::script::Script;
use crate::random::Random;

/// Crashes of a life that are looked at, besides the one that ends it.
const LOOKS: usize = 11;
const LIVES: usize = 5;
/// One history of so many is about a bit that flips.
const FLIPS: u64 = 16;

#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub histories: usize,
    pub cuts: usize,
    pub kills: usize,
    /// Of both: while the map was being opened.
    pub in_open: usize,
    pub rebuilt: usize,
    pub flips: usize,
    pub events: usize,
}

impl Counts {
    pub fn add(&mut self, other: Counts) {
        self.histories += other.histories;
        self.cuts += other.cuts;
        self.kills += other.kills;
        self.in_open += other.in_open;
        self.rebuilt += other.rebuilt;
        self.flips += other.flips;
        self.events += other.events;
    }
}

#[derive(Clone, Copy, Debug)]
enum Crash {
    Kill,
    Cut(Weather),
}

/// What is known of a crash when its image is opened.
#[derive(Clone, Debug)]
struct Left {
    crash: Crash,
    expected: Expected,
    /// What the crash left is known to the byte: the open that it cut short had nothing left to lose.
    exact: bool,
    /// The index may have to be made anew although only a process died.
    may_rebuild: bool,
    boot: u64,
}

impl fmt::Display for Left {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.crash {
            Crash::Kill => write!(out, "a kill"),
            Crash::Cut(weather) => write!(out, "a power cut ({weather:?})"),
        }
    }
}

impl Left {
    /// Whether the map may hold this; and what its shards are from then on.
    fn check(&self, held: &[oracle::State], reason: Reason, full: bool) -> Result<Vec<Shard>, String> {
        let known = || held.iter().cloned().map(Shard::holding).collect::<Vec<_>>();
        match self.crash {
            Crash::Kill => {
                let shards = self.expected.after_kill(held)?;
                if reason == Reason::Rebuilt && !full && !self.may_rebuild {
                    return Err("a kill led to a full rebuild".into());
                }
                Ok(if reason == Reason::Rebuilt { known() } else { shards })
            }
            Crash::Cut(_) if self.exact => self.expected.after_kill(held).map(|_| known()),
            Crash::Cut(_) => self.expected.after_cut(held).map(|()| known()),
        }
    }
}

/// One history; `Err` says what was found.
pub fn run(seed: u64, work: &Path, counts: &mut Counts) -> Result<(), String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        if seed.is_multiple_of(FLIPS) {
            counts.flips += 1;
            return damage::run(&mut Random::new(seed), &work.join("flip"));
        }
        History::new(seed, work).run(counts)
    }));
    let _ = opendiskmap::trace::take();
    counts.histories += 1;
    match outcome {
        Ok(told) => told,
        Err(_) => Err("the engine panics (its message is above)".into()),
    }
}

struct History<'a> {
    random: Random,
    work: &'a Path,
    script: Script,
    boots: u64,
    directories: usize,
}

impl<'a> History<'a> {
    fn new(seed: u64, work: &'a Path) -> History<'a> {
        let mut random = Random::new(seed);
        let script = Script::draw(&mut random);
        History { random, work, script, boots: 1, directories: 0 }
    }

    fn directory(&mut self) -> std::path::PathBuf {
        self.directories += 1;
        self.work.join(self.directories.to_string())
    }

    fn run(&mut self, counts: &mut Counts) -> Result<(), String> {
        let mut disk = Disk::of(Image::new());
        let nothing = Expected { shards: vec![Shard::default(); self.script.shards as usize], flight: None };
        let mut left =
            Left { crash: Crash::Kill, expected: nothing, exact: true, may_rebuild: false, boot: self.boots };
        for life in 0..self.random.below(LIVES) + 1 {
            let root = self.directory();
            fs::create_dir(&root).map_err(|error| format!("a directory cannot be made: {error}"))?;
            disk.appear_in(&root).map_err(|error| format!("an image cannot be written: {error}"))?;
            let way = Way { boot: left.boot, full: self.random.below(100) < self.script.full, read_only: false };
            let mut known = Vec::new();
            let seed = Random::new(self.random.word());
            let lived = live(&root, self.script.clone(), way, seed, |_, held, reason| {
                known = left.check(held, reason, way.full)?;
                Ok(())
            });
            let lived = lived.map_err(|told| format!("life {life}, after {left}, {way:?}: {told}"))?;
            forget(&root)?;
            self.script = lived.script.clone();
            counts.events += lived.events.len();
            (disk, left) = self.crash(&disk, &left, &lived, &known, life, counts)?;
        }
        Ok(())
    }

    /// Crashes of a life, in the order of their places in its trace. One of them is where the next life begins.
    fn crash(
        &mut self,
        before: &Disk,
        left: &Left,
        lived: &Life,
        known: &[Shard],
        life: usize,
        counts: &mut Counts,
    ) -> Result<(Disk, Left), String> {
        let (edges, changes) = (lived.edges(), lived.changes());
        let last = lived.events.len();
        let mut places = BTreeSet::new();
        for _ in 0..=LOOKS {
            let place = match self.random.below(10) {
                0..3 if lived.opened > 0 => self.random.below(lived.opened),
                3..6 if !changes.is_empty() => {
                    let (begun, returned) = changes[self.random.below(changes.len())];
                    begun + self.random.below(returned - begun + 1)
                }
                0..8 if !edges.is_empty() => edges[self.random.below(edges.len())] + self.random.below(2),
                _ => self.random.below(last + 1),
            };
            places.insert(place.min(last));
        }
        // The end of a life is as often as not that of a close.
        places.insert(last);
        let next = if self.random.below(4) == 0 { places.len() - 1 } else { self.random.below(places.len()) };
        let mut disk = before.clone();
        let mut done = 0;
        let mut follows = None;
        for (number, place) in places.into_iter().enumerate() {
            lived.events[done..place].iter().for_each(|event| disk.apply(event));
            done = place;
            let (crash, image) = match self.random.below(4) {
                0 => (Crash::Kill, None),
                _ => {
                    let weather = Weather::draw(&mut self.random);
                    (Crash::Cut(weather), Some(disk.cut(weather, &mut self.random)))
                }
            };
            let look = self.left(left, lived, known, place, crash);
            match crash {
                Crash::Kill => counts.kills += 1,
                Crash::Cut(_) => counts.cuts += 1,
            }
            counts.in_open += usize::from(place < lived.opened);
            let image = image.map_or_else(|| killed(&disk, lived.events.get(place), &mut self.random), Disk::of);
            if number == next {
                follows = Some((image, look));
                continue;
            }
            let told = self.look(&image, &look, lived, place, counts);
            told.map_err(|told| {
                format!("life {life}, {look} at {place} of {last} (opened at {}): {told}", lived.opened)
            })?;
        }
        follows.ok_or_else(|| "no crash was drawn".into())
    }

    fn left(&mut self, before: &Left, lived: &Life, known: &[Shard], place: usize, crash: Crash) -> Left {
        let boot = match crash {
            Crash::Kill => before.boot,
            Crash::Cut(_) => {
                self.boots += 1;
                self.boots
            }
        };
        let in_rebuild = lived.reason == Reason::Rebuilt && place < lived.opened;
        let may_rebuild = in_rebuild || lived.remade || lived.is_long_write(place);
        if place >= lived.opened {
            let expected = lived.expected(known, place);
            return Left { crash, expected, exact: false, may_rebuild, boot };
        }
        match before.crash {
            // What a power cut left is all durable, so an open that is cut short comes to the same.
            Crash::Cut(_) => {
                let expected = Expected { shards: known.to_vec(), flight: None };
                Left { crash, expected, exact: true, may_rebuild, boot }
            }
            Crash::Kill => Left { crash, expected: before.expected.clone(), exact: before.exact, may_rebuild, boot },
        }
    }

    /// Opens a crash's image and asks it everything.
    fn look(
        &mut self,
        disk: &Disk,
        left: &Left,
        lived: &Life,
        place: usize,
        counts: &mut Counts,
    ) -> Result<(), String> {
        let root = self.directory();
        disk.write_to(&root).map_err(|error| format!("an image cannot be written: {error}"))?;
        let read_only = place > lived.opened && self.random.below(3) == 0;
        let full = if read_only { self.random.below(3) == 0 } else { self.random.below(100) < self.script.full };
        let way = Way { boot: left.boot, full, read_only };
        let map = open(&root, &self.script, way)
            .map_err(|error| format!("{way:?}: open fails with {}: {error}", error.code()))?;
        let reason = map.stats().map_err(|error| error.to_string())?.recovery.reason;
        counts.rebuilt += usize::from(reason == Reason::Rebuilt);
        let held = oracle::read(&map, self.script.shards as usize, self.script.all_keys());
        let held = held.map_err(|told| format!("{way:?}, {reason:?}: {told}"))?;
        left.check(&held, reason, way.full).map_err(|told| format!("{way:?}, {reason:?}: {told}"))?;
        drop(map);
        forget(&root)
    }
}

/// The disk as a kill leaves it, perhaps in the middle of a copy.
fn killed(disk: &Disk, next: Option<&opendiskmap::trace::Event>, random: &mut Random) -> Disk {
    let mut disk = disk.clone();
    if let Some(next) = next {
        disk.apply_part(next, random);
    }
    disk
}
