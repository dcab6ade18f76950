//! What a thread does: drawn from a seed, so that the supervisor knows every call without being told more than how
//! many returned.

use std::io;
use std::ops::Range;

use opendiskmap::Map;

use crate::model::{Model, key, value};
use crate::random::Random;

/// Small, so that nearly every put replaces something and compaction has work all the time.
const KEYS: usize = 96;

/// The most threads of a round.
pub const THREADS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Put {
        index: usize,
        version: usize,
        length: usize,
    },
    Delete {
        index: usize,
    },
    Get {
        index: usize,
    },
    Flush,
    /// Only where one thread writes alone: what else it takes away cannot be told from the acknowledgements.
    Clear,
}

#[derive(Clone)]
pub struct Script {
    thread: usize,
    random: Random,
    range: Range<usize>,
    alone: bool,
    made: usize,
}

impl Script {
    #[must_use]
    pub fn new(seed: u64, thread: usize, threads: usize) -> Self {
        let mut random = Random::new(seed);
        let own = (0..=thread).map(|_| random.word()).last().unwrap_or_default();
        Self { thread, random: Random::new(own), range: range(thread, threads), alone: threads == 1, made: 0 }
    }

    #[must_use]
    pub fn thread(&self) -> usize {
        self.thread
    }

    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    pub fn call(&mut self) -> Call {
        self.made += 1;
        let random = &mut self.random;
        let index = self.range.start + random.below(self.range.len());
        match random.below(1000) {
            0..600 => {
                let length = match random.below(1000) {
                    0..3 => (256 << 10) + 1 + random.below(50_000),
                    3..40 => random.below(9000),
                    _ => random.below(400),
                };
                Call::Put { index, version: self.made, length }
            }
            600..880 => Call::Delete { index },
            880..990 => Call::Get { index },
            990..994 if self.alone => Call::Clear,
            990..996 => Call::Flush,
            _ => Call::Delete { index },
        }
    }
}

/// The keys that only this thread writes: all, if it is alone.
#[must_use]
pub fn range(thread: usize, threads: usize) -> Range<usize> {
    if threads == 1 { 0..THREADS * KEYS } else { thread * KEYS..(thread + 1) * KEYS }
}

impl Call {
    /// Does it to a model and tells what a map would have answered.
    pub fn effect(self, model: &mut Model) -> bool {
        match self {
            Self::Put { index, version, length } => model.insert(key(index), value(index, version, length)).is_none(),
            Self::Delete { index } => model.remove(&key(index)).is_some(),
            Self::Get { index } => model.contains_key(&key(index)),
            Self::Flush => true,
            Self::Clear => {
                model.clear();
                true
            }
        }
    }

    /// Does it to a map; a read that is not what the model holds is an error.
    pub fn run(self, map: &Map, model: &Model) -> io::Result<bool> {
        let fails = |error: opendiskmap::Error| io::Error::other(format!("{self:?}: {}: {error}", error.code()));
        match self {
            Self::Put { index, version, length } => map.put(&key(index), &value(index, version, length)).map_err(fails),
            Self::Delete { index } => map.remove(&key(index)).map_err(fails),
            Self::Get { index } => {
                let got = map.get(&key(index)).map_err(fails)?;
                if got.as_ref() != model.get(&key(index)) {
                    return Err(io::Error::other(format!("{self:?} reads what this thread did not write last")));
                }
                Ok(got.is_some())
            }
            Self::Flush => map.flush().map(|()| true).map_err(fails),
            Self::Clear => map.clear().map(|()| true).map_err(fails),
        }
    }
}
