//! The operations that are stepped: what the map holds before, what is done, and what it must hold after.

use std::path::{Path, PathBuf};

use opendiskmap::{Capacity, Hooks, Map, Options, Recovery, Result};

use crate::model::{Model, key, value};

/// Any constant does, as long as every opening says the same: then a state counts as left by a killed process.
const BOOT: [u8; 16] = *b"the only boot id";

/// Nothing in the background, no timer, and copies are taken for the originals: what happens is what the call does.
#[must_use]
pub fn options(recovery: Recovery) -> Options {
    Options {
        flush_interval: Some(None),
        recovery: Some(recovery),
        hooks: Hooks { background: false, same_files: true, boot_id: Some(BOOT) },
        ..Options::default()
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Put {
        index: usize,
        version: usize,
        length: usize,
    },
    Delete {
        index: usize,
    },
    Clear,
    /// One step of what the background thread would do.
    Background,
    Compact,
    Flush,
    Close,
    Open(Recovery),
    /// Makes a map that is made for so many entries.
    Reserve {
        entries: u64,
    },
}

impl Operation {
    /// What it makes of a model.
    pub fn effect(self, model: &mut Model) {
        match self {
            Self::Put { index, version, length } => {
                model.insert(key(index), value(index, version, length));
            }
            Self::Delete { index } => {
                model.remove(&key(index));
            }
            Self::Clear => model.clear(),
            Self::Background | Self::Compact | Self::Flush | Self::Close | Self::Open(_) | Self::Reserve { .. } => {}
        }
    }
}

/// An operation whose arguments are made already, so that the stepping sees the engine's instructions only.
pub enum Armed {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Plain(Operation),
}

impl From<Operation> for Armed {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Put { index, version, length } => Self::Put(key(index), value(index, version, length)),
            Operation::Delete { index } => Self::Delete(key(index)),
            other => Self::Plain(other),
        }
    }
}

impl Armed {
    pub fn run(&self, map: Option<Map>, path: &Path, shards: u32) -> Result<Option<Map>> {
        let Some(map) = map else {
            let (recovery, capacity) = match self {
                Self::Plain(Operation::Open(recovery)) => (*recovery, None),
                Self::Plain(Operation::Reserve { entries }) => {
                    (Recovery::Auto, Some(Capacity { entries: *entries, bytes: 0 }))
                }
                _ => return Ok(None),
            };
            return Map::open(path, &Options { shards: Some(shards), capacity, ..options(recovery) }).map(Some);
        };
        match self {
            Self::Put(key, value) => drop(map.put(key, value)?),
            Self::Delete(key) => drop(map.remove(key)?),
            Self::Plain(Operation::Clear) => map.clear()?,
            Self::Plain(Operation::Background) => drop(map.compact_step()?),
            Self::Plain(Operation::Compact) => map.compact()?,
            Self::Plain(Operation::Flush) => map.flush()?,
            Self::Plain(Operation::Close) => return map.close().map(|()| None),
            Self::Plain(_) => {}
        }
        Ok(Some(map))
    }
}

/// A map and the model of what it holds.
pub struct Bench {
    path: PathBuf,
    pub shards: u32,
    pub map: Option<Map>,
    pub model: Model,
}

impl Bench {
    pub fn open(path: &Path, shards: u32) -> Result<Self> {
        let map = Armed::Plain(Operation::Open(Recovery::Auto)).run(None, path, shards)?;
        Ok(Self { path: path.into(), shards, map, model: Model::new() })
    }

    pub fn run(&mut self, operation: Operation) -> Result<()> {
        operation.effect(&mut self.model);
        self.map = Armed::from(operation).run(self.map.take(), &self.path, self.shards)?;
        Ok(())
    }

    fn puts(&mut self, indexes: impl IntoIterator<Item = usize>, version: usize, length: usize) -> Result<()> {
        indexes.into_iter().try_for_each(|index| self.run(Operation::Put { index, version, length }))
    }
}

/// The intents of the format, as they stand in `HEAD`: what a state was in the middle of.
pub mod intent {
    pub const PUT: u64 = 1;
    pub const DELETE: u64 = 2;
    pub const MOVE: u64 = 3;
    pub const MOVE_MARK: u64 = 4;
    pub const SEGMENT: u64 = 5;
    pub const TABLE: u64 = 6;
    pub const CLEAR: u64 = 7;
    pub const INDEX: u64 = 8;
    pub const NAMES: [&str; 9] = ["none", "put", "delete", "move", "move-mark", "segment", "table", "clear", "index"];

    /// The intent of a shard, as a place in `HEAD`: a page for the map, then one for each shard.
    pub const fn place(shard: usize) -> usize {
        4096 * (1 + shard) + 256
    }
}

/// When exactly a table splits depends on the map's random hash key, so a scenario only comes near: then each
/// operation of the script is stepped until one shows the intent that is looked for.
pub struct Scenario {
    pub name: &'static str,
    pub shards: u32,
    pub prepare: fn(&mut Bench) -> Result<()>,
    pub script: fn(usize) -> Operation,
    pub shows: Option<u64>,
}

/// More operations than any script needs to get to the one it is named for.
pub const TRIES: usize = 200;

const SMALL: usize = 40;
const BIG: usize = 300 << 10;

fn put(index: usize, length: usize) -> Operation {
    Operation::Put { index, version: 1, length }
}

/// Undoes what opening the bench made: the operation is to make it.
fn unmade(bench: &mut Bench) -> Result<()> {
    bench.run(Operation::Close)?;
    std::fs::remove_dir_all(&bench.path).expect("an empty map can be deleted");
    Ok(())
}

fn closed(bench: &mut Bench) -> Result<()> {
    few(bench)?;
    bench.run(Operation::Close)
}

fn empty(_: &mut Bench) -> Result<()> {
    Ok(())
}

fn few(bench: &mut Bench) -> Result<()> {
    bench.puts(0..12, 0, SMALL)?;
    bench.run(Operation::Delete { index: 11 })
}

fn extents(bench: &mut Bench) -> Result<()> {
    few(bench)?;
    bench.puts(20..22, 0, BIG)
}

/// Several segments, most of whose records have been replaced since.
fn worn(bench: &mut Bench) -> Result<()> {
    bench.puts(0..60, 0, 2000)?;
    bench.puts((0..60).filter(|index| index % 5 != 0), 1, 2000)?;
    (40..50).try_for_each(|index| bench.run(Operation::Delete { index }))?;
    bench.puts((0..40).filter(|index| index % 7 != 0), 2, 2000)
}

/// A first segment in which everything lives, then many that hold little but tombstones: those cannot go while the
/// first stays, so they have to move.
fn marked(bench: &mut Bench) -> Result<()> {
    bench.puts(0..28, 0, 2000)?;
    (0..16).try_for_each(|round| {
        bench.puts(100..110, round, 2000)?;
        bench.puts([200 + round], 0, SMALL)?;
        bench.run(Operation::Delete { index: 200 + round })
    })
}

/// An index far larger than its few entries need, and a log with nothing left to move: clearing leaves no tombstone.
fn hollow(bench: &mut Bench) -> Result<()> {
    bench.puts(0..4500, 0, 8)?;
    bench.run(Operation::Clear)?;
    bench.puts(0..30, 1, SMALL)?;
    (0..300).try_for_each(|_| bench.run(Operation::Background))
}

/// The order is that of the report; the rigs take the slow ones first by themselves.
pub const CATALOGUE: &[Scenario] = &[
    Scenario { name: "create", shards: 1, prepare: unmade, script: |_| Operation::Open(Recovery::Auto), shows: None },
    // So many that the directory is one of those that have a file each.
    Scenario {
        name: "create with capacity",
        shards: 1,
        prepare: unmade,
        script: |_| Operation::Reserve { entries: 200_000 },
        shows: None,
    },
    Scenario { name: "open", shards: 1, prepare: closed, script: |_| Operation::Open(Recovery::Auto), shows: None },
    Scenario { name: "first put", shards: 1, prepare: empty, script: |_| put(0, SMALL), shows: Some(intent::PUT) },
    Scenario { name: "put", shards: 1, prepare: few, script: |_| put(30, SMALL), shows: Some(intent::PUT) },
    Scenario { name: "update", shards: 1, prepare: few, script: |_| put(3, 60), shows: Some(intent::PUT) },
    Scenario {
        name: "delete",
        shards: 1,
        prepare: few,
        script: |_| Operation::Delete { index: 5 },
        shows: Some(intent::DELETE),
    },
    Scenario { name: "clear", shards: 1, prepare: few, script: |_| Operation::Clear, shows: Some(intent::CLEAR) },
    Scenario {
        name: "clear 4 shards",
        shards: 4,
        prepare: few,
        script: |_| Operation::Clear,
        shows: Some(intent::CLEAR),
    },
    Scenario { name: "extent put", shards: 1, prepare: few, script: |_| put(30, BIG), shows: Some(intent::PUT) },
    Scenario {
        name: "extent update",
        shards: 1,
        prepare: extents,
        script: |_| put(20, BIG + 9),
        shows: Some(intent::PUT),
    },
    Scenario {
        name: "extent to small",
        shards: 1,
        prepare: extents,
        script: |_| put(21, SMALL),
        shows: Some(intent::PUT),
    },
    Scenario {
        name: "segment change",
        shards: 1,
        prepare: |bench| bench.puts(0..50, 0, 1000),
        script: |index| put(50 + index, 1000),
        shows: Some(intent::SEGMENT),
    },
    Scenario {
        name: "larger segment",
        shards: 1,
        prepare: few,
        script: |_| put(30, 30_000),
        shows: Some(intent::SEGMENT),
    },
    Scenario {
        name: "extent delete",
        shards: 1,
        prepare: extents,
        script: |_| Operation::Delete { index: 20 },
        shows: Some(intent::DELETE),
    },
    Scenario {
        name: "table rewrite",
        shards: 1,
        prepare: |bench| {
            // Live keys take a slot each; a put after a delete would take the deleted one's often.
            bench.puts(0..889, 0, 8)?;
            (12..889).try_for_each(|index| bench.run(Operation::Delete { index }))
        },
        script: |index| if index % 2 == 0 { put(1000 + index, 8) } else { Operation::Delete { index: 999 + index } },
        shows: Some(intent::TABLE),
    },
    Scenario {
        name: "table split and doubling",
        shards: 1,
        prepare: |bench| bench.puts(0..885, 0, 8),
        script: |index| put(885 + index, 8),
        shows: Some(intent::TABLE),
    },
    Scenario {
        name: "table split",
        shards: 1,
        // After the second split there are three tables, and the one that has not split yet is as full as they were:
        // it splits soon, into a directory that is deep enough.
        prepare: |bench| {
            for index in 0.. {
                if bench.map.as_ref().is_none_or(|map| map.stats().is_ok_and(|stats| stats.tables == 3)) {
                    break;
                }
                bench.run(put(index, 8))?;
            }
            Ok(())
        },
        script: |index| put(10_000 + index, 8),
        shows: Some(intent::TABLE),
    },
    Scenario {
        name: "compaction move",
        shards: 1,
        prepare: worn,
        script: |_| Operation::Background,
        shows: Some(intent::MOVE),
    },
    Scenario {
        name: "compaction mark",
        shards: 1,
        prepare: marked,
        script: |_| Operation::Background,
        shows: Some(intent::MOVE_MARK),
    },
    Scenario { name: "compact", shards: 1, prepare: worn, script: |_| Operation::Compact, shows: Some(intent::MOVE) },
    Scenario {
        name: "index shrink",
        shards: 1,
        prepare: hollow,
        script: |_| Operation::Compact,
        shows: Some(intent::INDEX),
    },
    Scenario { name: "flush", shards: 1, prepare: few, script: |_| Operation::Flush, shows: None },
    Scenario { name: "flush extents", shards: 1, prepare: extents, script: |_| Operation::Flush, shows: None },
    Scenario { name: "close", shards: 1, prepare: few, script: |_| Operation::Close, shows: None },
];
