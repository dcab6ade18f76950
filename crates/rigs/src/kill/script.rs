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
    hot: bool,
    made: usize,
}

/// In some rounds only small puts and deletes are made, as fast as they can be: what lies between the first and the
/// last store of a call takes some nanoseconds, and where anything else is done a kill hardly ever meets it.
#[must_use]
pub fn hot(seed: u64) -> bool {
    seed.is_multiple_of(3)
}

impl Script {
    #[must_use]
    pub fn new(seed: u64, thread: usize, threads: usize) -> Self {
        let mut random = Random::new(seed);
        let own = (0..=thread).map(|_| random.word()).last().unwrap_or_default();
        Self {
            thread,
            random: Random::new(own),
            range: range(thread, threads),
            alone: threads == 1,
            hot: hot(seed),
            made: 0,
        }
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
            draw if self.hot && draw < 500 => Call::Put { index, version: self.made, length: random.below(40) },
            _ if self.hot => Call::Delete { index },
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

    /// Makes the bytes, so that running it is the map's work only: kills should fall into that.
    #[must_use]
    pub fn armed(self) -> Armed {
        let (key, value) = match self {
            Self::Put { index, version, length } => (key(index), value(index, version, length)),
            Self::Delete { index } | Self::Get { index } => (key(index), Vec::new()),
            Self::Flush | Self::Clear => (Vec::new(), Vec::new()),
        };
        Armed { call: self, key, value }
    }
}

pub struct Armed {
    pub call: Call,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// What a map said: yes or no, and what a read read.
pub type Said = (bool, Option<Vec<u8>>);

impl Armed {
    pub fn run(&self, map: &Map) -> io::Result<Said> {
        let said = match self.call {
            Call::Put { .. } => map.put(&self.key, &self.value).map(|new| (new, None)),
            Call::Delete { .. } => map.remove(&self.key).map(|there| (there, None)),
            Call::Get { .. } => map.get(&self.key).map(|got| (got.is_some(), got)),
            Call::Flush => map.flush().map(|()| (true, None)),
            Call::Clear => map.clear().map(|()| (true, None)),
        };
        said.map_err(|error| io::Error::other(format!("{:?}: {}: {error}", self.call, error.code())))
    }

    /// Compares what was said with the model, which then has the call done to it.
    pub fn agrees(&self, said: &Said, model: &mut Model) -> io::Result<bool> {
        let read = matches!(self.call, Call::Get { .. }).then(|| model.get(&self.key).cloned()).flatten();
        let answer = self.call.effect(model);
        if (answer, &read) != (said.0, &said.1) {
            return Err(io::Error::other(format!("{:?} does not find what this thread wrote last", self.call)));
        }
        Ok(answer)
    }
}
