//! The operations that are stepped: what is done to a map, and what it must hold after.

use std::path::{Path, PathBuf};

use opendiskmap::{Amount, Capacity, Code, Error, Hooks, Map, NumberType, Options, Recovery, Result};

use crate::model::{Model, key, value};

/// Any constant does, as long as every opening says the same: then a state counts as left by a killed process.
const BOOT: [u8; 16] = *b"the only boot id";
/// Of the system that came up after the one that died.
const NEXT_BOOT: [u8; 16] = *b"the next boot id";

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

/// The same on a machine that was started anew.
#[must_use]
pub fn rebooted() -> Options {
    let options = options(Recovery::Auto);
    Options { hooks: Hooks { boot_id: Some(NEXT_BOOT), ..options.hooks.clone() }, ..options }
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
    /// Every key is atomic by itself.
    PutMany {
        from: usize,
        count: usize,
        version: usize,
        length: usize,
    },
    DeleteMany {
        from: usize,
        count: usize,
    },
    /// Puts a new version of a value if the old one is there, both of one length.
    Replace {
        index: usize,
        length: usize,
        version: usize,
        by: usize,
    },
    Increment {
        index: usize,
        by: u64,
    },
    /// Changes nothing, unless the index is damaged: then it is made again.
    Get {
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

fn number(model: &Model, index: usize) -> u64 {
    let bytes = model.get(&key(index)).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
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
            Self::PutMany { .. } | Self::DeleteMany { .. } => self.parts().for_each(|part| part.effect(model)),
            Self::Replace { index, length, by, .. } => {
                model.insert(key(index), value(index, by, length));
            }
            Self::Increment { index, by } => {
                let sum = number(model, index) + by;
                model.insert(key(index), sum.to_le_bytes().into());
            }
            Self::Clear => model.clear(),
            _ => {}
        }
    }

    /// What happens one after the other, each entirely or not at all.
    fn parts(self) -> Box<dyn Iterator<Item = Self>> {
        match self {
            Self::PutMany { from, count, version, length } => {
                Box::new((from..from + count).map(move |index| Self::Put { index, version, length }))
            }
            Self::DeleteMany { from, count } => Box::new((from..from + count).map(|index| Self::Delete { index })),
            whole => Box::new(std::iter::once(whole)),
        }
    }

    /// The models that the map may hold at any time from the call to its return, in their order.
    #[must_use]
    pub fn stages(self, model: &Model) -> Vec<Model> {
        let mut now = model.clone();
        let after = self.parts().map(|part| {
            part.effect(&mut now);
            now.clone()
        });
        std::iter::once(model.clone()).chain(after).collect()
    }
}

/// An operation whose arguments are made already, so that the stepping sees the engine's instructions only.
pub enum Armed {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    PutMany(Vec<(Vec<u8>, Vec<u8>)>),
    DeleteMany(Vec<Vec<u8>>),
    Replace(Vec<u8>, Vec<u8>, Vec<u8>),
    Increment(Vec<u8>, i128),
    Plain(Operation),
}

impl From<Operation> for Armed {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Put { index, version, length } => Self::Put(key(index), value(index, version, length)),
            Operation::Delete { index } => Self::Delete(key(index)),
            Operation::PutMany { from, count, version, length } => {
                Self::PutMany((from..from + count).map(|index| (key(index), value(index, version, length))).collect())
            }
            Operation::DeleteMany { from, count } => Self::DeleteMany((from..from + count).map(key).collect()),
            Operation::Replace { index, length, version, by } => {
                Self::Replace(key(index), value(index, version, length), value(index, by, length))
            }
            Operation::Increment { index, by } => Self::Increment(key(index), by.into()),
            other => Self::Plain(other),
        }
    }
}

impl Armed {
    /// Opens the map where there is none, and does the operation to one that there is. A map that refuses stays open.
    pub fn run(&self, open: &mut Option<Map>, path: &Path, shards: u32) -> Result<()> {
        let Some(map) = open else {
            let (recovery, capacity) = match self {
                Self::Plain(Operation::Open(recovery)) => (*recovery, None),
                Self::Plain(Operation::Reserve { entries }) => {
                    (Recovery::Auto, Some(Capacity { entries: *entries, bytes: 0 }))
                }
                _ => return Ok(()),
            };
            *open = Some(Map::open(path, &Options { shards: Some(shards), capacity, ..options(recovery) })?);
            return Ok(());
        };
        match self {
            Self::Put(key, value) => map.put(key, value).map(drop),
            Self::Delete(key) => map.remove(key).map(drop),
            Self::PutMany(pairs) => map.put_many(pairs.iter().map(|(key, value)| (&key[..], &value[..]))).ended,
            Self::DeleteMany(keys) => map.remove_many(keys.iter().map(|key| &key[..]), |_| ()).ended,
            Self::Replace(key, old, new) => match map.compare_and_set(key, Some(old), Some(new))? {
                true => Ok(()),
                false => Err(Error::new(Code::Conflict, "the map does not hold what the scenario has put there")),
            },
            Self::Increment(key, by) => map.increment(key, NumberType::U64, Amount::Int(*by)).map(drop),
            Self::Plain(Operation::Get { index }) => map.get(&key(*index)).map(drop),
            Self::Plain(Operation::Clear) => map.clear(),
            Self::Plain(Operation::Background) => map.compact_step().map(drop),
            Self::Plain(Operation::Compact) => map.compact(),
            Self::Plain(Operation::Flush) => map.flush(),
            Self::Plain(Operation::Close) => open.take().map_or(Ok(()), Map::close),
            Self::Plain(_) => Ok(()),
        }
    }
}

/// A map and the model of what it holds.
pub struct Bench {
    pub path: PathBuf,
    pub shards: u32,
    pub map: Option<Map>,
    pub model: Model,
}

impl Bench {
    pub fn open(path: &Path, shards: u32) -> Result<Self> {
        let mut bench = Self { path: path.into(), shards, map: None, model: Model::new() };
        bench.run(Operation::Open(Recovery::Auto))?;
        Ok(bench)
    }

    pub fn run(&mut self, operation: Operation) -> Result<()> {
        operation.effect(&mut self.model);
        Armed::from(operation).run(&mut self.map, &self.path, self.shards)
    }

    pub fn puts(&mut self, indexes: impl IntoIterator<Item = usize>, version: usize, length: usize) -> Result<()> {
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

/// What tells that an operation was the one that a scenario is named for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    Anything,
    /// This intent stood.
    Intent(u64),
    /// A file whose name begins like this appeared.
    Made(&'static str),
    /// A file whose name begins like this went.
    Gone(&'static str),
    /// It was refused.
    Refusal,
}

/// System calls that fail while an operation is stepped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    Nothing,
    /// The disk is full: no block is allocated.
    Allocation,
    /// What is to be made durable is not.
    Sync,
}

/// When exactly a table splits depends on the map's random hash key, so a scenario only comes near: then each
/// operation of the script is stepped until one shows what is looked for.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub shards: u32,
    pub prepare: fn(&mut Bench) -> Result<()>,
    pub script: fn(usize) -> Operation,
    pub shows: Shows,
    pub fails: Fails,
    /// An operation that fails with this code has changed nothing.
    pub refusal: Option<Code>,
    /// Whether the index that a kill leaves is to be trusted: not one that was just being made again.
    pub trusted: bool,
    /// The most states that are opened unless all are; 0: it is not stepped then.
    pub sample: usize,
}

/// More operations than any script needs to get to the one it is named for.
pub const TRIES: usize = 200;
