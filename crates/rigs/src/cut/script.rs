//! What a thread does until the power fails: drawn from a seed, so that the supervisor can make the same calls.

use std::ops::Range;

use crate::random::Random;

/// Enough for tables to split.
const KEYS: usize = 1150;
/// Nearly every call goes to these, so that compaction has work all the time.
const HOT: usize = 90;
/// The most threads of a life.
pub const THREADS: usize = 4;
pub const ALL_KEYS: usize = THREADS * KEYS;

/// Long enough that every value says which it is.
const SHORTEST: usize = 32;

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
    Compact,
    /// Only where one thread writes alone, for it takes away the keys of all.
    Clear,
}

/// What a life does more of than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    Mixed,
    Extents,
    Compacts,
    Clears,
}

impl Focus {
    const ALL: [Self; 4] = [Self::Mixed, Self::Extents, Self::Compacts, Self::Clears];
}

/// A life of the writer.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Of all lives of a map; part of every value's version, so that none is ever written twice.
    pub life: usize,
    pub threads: usize,
}

impl Plan {
    #[must_use]
    pub fn focus(self) -> Focus {
        Focus::ALL[(self.seed >> 8) as usize % Focus::ALL.len()]
    }

    /// How many calls are made before they are told, so that many cuts come in the middle of a call.
    #[must_use]
    pub fn at_once(self) -> usize {
        [1, 32][(self.seed >> 16) as usize % 2]
    }

    /// Whether the map is flushed every few milliseconds, or only when the script says so.
    #[must_use]
    pub fn flushes(self) -> bool {
        (self.seed >> 24).is_multiple_of(2)
    }
}

/// The keys that only this thread writes: all, if it is alone.
#[must_use]
pub fn range(thread: usize, threads: usize) -> Range<usize> {
    if threads == 1 { 0..ALL_KEYS } else { thread * KEYS..(thread + 1) * KEYS }
}

#[derive(Clone)]
pub struct Script {
    random: Random,
    range: Range<usize>,
    plan: Plan,
    made: usize,
}

impl Script {
    #[must_use]
    pub fn new(plan: Plan, thread: usize) -> Self {
        let mut random = Random::new(plan.seed);
        let own = (0..=thread).map(|_| random.word()).last().unwrap_or_default();
        Self { random: Random::new(own), range: range(thread, plan.threads), plan, made: 0 }
    }

    pub fn call(&mut self) -> Call {
        self.made += 1;
        let focus = self.plan.focus();
        let random = &mut self.random;
        let among = if random.below(20) == 0 { self.range.len() } else { HOT };
        let index = self.range.start + random.below(among);
        match random.below(1000) {
            0..620 => {
                let extents = if focus == Focus::Extents { 20 } else { 2 };
                let length = match random.below(1000) {
                    draw if draw < extents => (256 << 10) + 1 + random.below(50_000),
                    20..60 => SHORTEST + random.below(9000),
                    _ => SHORTEST + random.below(400),
                };
                let version = self.plan.life << 32 | self.made;
                Call::Put { index, version, length }
            }
            620..880 => Call::Delete { index },
            880..970 => Call::Get { index },
            970..974 => Call::Flush,
            974..980 if focus == Focus::Compacts => Call::Compact,
            974..980 if focus == Focus::Clears && self.plan.threads == 1 => Call::Clear,
            _ => Call::Delete { index },
        }
    }
}
