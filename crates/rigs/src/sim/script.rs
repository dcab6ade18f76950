//! The workload of a history: what kind of calls it makes, drawn from a seed.

use opendiskmap::Capacity;

use super::oracle::{LEAST, Made};
use crate::random::Random;

/// A value above this goes to a file of its own.
const EXTENT: usize = 256 << 10;

#[derive(Clone, Copy, Debug)]
pub enum Call {
    Put {
        key: usize,
        made: Made,
    },
    Delete {
        key: usize,
    },
    Clear,
    Flush,
    /// One step of what the background would do.
    Background,
    Compact,
    /// Close and open again.
    Reopen,
}

/// Weights of the calls, and what keys and values are like.
#[derive(Clone, Debug)]
pub struct Script {
    pub shards: u32,
    pub capacity: Option<Capacity>,
    pub calls: usize,
    /// Calls are made while a flush is under way.
    pub beside_flush: bool,
    /// Opens make the index from the log, by the hundred.
    pub full: usize,
    keys: usize,
    /// Keys from here on are put once, first of all.
    cold: usize,
    lengths: Lengths,
    extents: usize,
    puts: usize,
    deletes: usize,
    clears: usize,
    flushes: usize,
    background: usize,
    compactions: usize,
    reopens: usize,
    version: usize,
}

#[derive(Clone, Copy, Debug)]
enum Lengths {
    /// So that one record comes to lie exactly where another was.
    Same(usize),
    Upto(usize),
    /// Mostly short, some that fill a good part of a segment.
    Mixed,
}

impl Script {
    #[must_use]
    pub fn draw(random: &mut Random) -> Script {
        let mut weight = |weights: &[usize]| weights[random.below(weights.len())];
        let shards = weight(&[1, 1, 2, 4]) as u32;
        let crowd = weight(&[0; 60]) == 0 && random.below(60) == 0;
        // Few keys and long values, flushed and compacted again and again: segments are freed and used again.
        let churn = !crowd && random.below(12) == 0;
        let mut weight = |weights: &[usize]| weights[random.below(weights.len())];
        let lengths = match weight(&[0, 1, 2, 3, 3]) {
            _ if crowd => Lengths::Same(LEAST),
            _ if churn => Lengths::Upto(12_000),
            0 => Lengths::Same(weight(&[40, 200, 700])),
            1 => Lengths::Upto(weight(&[100, 400, 1500])),
            2 => Lengths::Upto(weight(&[6000, 12_000])),
            _ => Lengths::Mixed,
        };
        Script {
            shards: if crowd { 1 } else { shards },
            capacity: (weight(&[0, 0, 0, 0, 0, 1]) == 1)
                .then(|| Capacity { entries: weight(&[1, 100]) as u64, bytes: 0 }),
            calls: if crowd { 1400 } else { weight(if churn { &[300] } else { &[8, 20, 50, 120] }) },
            beside_flush: weight(&[0, 1]) == 1,
            full: weight(&[0, 10, 30]),
            keys: if crowd { 1400 } else { weight(&[2, 5, 12, 30]) },
            // A crowd fills a table nearly at once, so that the draws behind it split it.
            cold: if crowd { 1050 } else { weight(&[0, 0, 4, 20]) },
            lengths,
            extents: if crowd { 0 } else { weight(&[0, 0, 0, 0, 3]) },
            puts: weight(&[40, 60]),
            deletes: if crowd { 2 } else { weight(&[0, 10, 30]) },
            clears: if churn { 0 } else { weight(&[0, 0, 2, 10]) },
            flushes: if crowd { 1 } else { weight(&[2, 6, 15, 30]) },
            background: if crowd { 1 } else { weight(if churn { &[40] } else { &[0, 10, 40] }) },
            compactions: if crowd { 0 } else { weight(&[0, 1, 5]) },
            reopens: if crowd { 0 } else { weight(&[0, 1, 3]) },
            version: 0,
        }
    }

    /// Above every key's number.
    #[must_use]
    pub fn all_keys(&self) -> usize {
        self.keys + self.cold
    }

    pub fn next(&mut self, random: &mut Random) -> Call {
        self.version += 1;
        if self.version <= self.cold {
            return Call::Put { key: self.keys + self.version - 1, made: self.made(random) };
        }
        let weights =
            [self.puts, self.deletes, self.clears, self.flushes, self.background, self.compactions, self.reopens];
        let mut drawn = random.below(weights.iter().sum());
        let kind = weights.iter().position(|&weight| {
            let here = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            here
        });
        match kind {
            Some(2) => Call::Clear,
            Some(3) => Call::Flush,
            Some(4) => Call::Background,
            Some(5) => Call::Compact,
            Some(6) => Call::Reopen,
            _ => self.change(random, kind == Some(1)),
        }
    }

    /// A put or a delete, as they happen beside a flush too.
    pub fn change(&mut self, random: &mut Random, delete: bool) -> Call {
        self.version += 1;
        let key = match delete && self.cold > 0 && random.below(8) == 0 {
            true => self.keys + random.below(self.cold),
            false => random.below(self.keys),
        };
        if delete { Call::Delete { key } } else { Call::Put { key, made: self.made(random) } }
    }

    /// One of them or the other, in the script's own proportion.
    pub fn any_change(&mut self, random: &mut Random) -> Call {
        let delete = random.below(self.puts + self.deletes) >= self.puts;
        self.change(random, delete)
    }

    fn made(&self, random: &mut Random) -> Made {
        let length = match self.lengths {
            _ if random.below(100) < self.extents => EXTENT + 1 + random.below(3000),
            Lengths::Same(length) => length,
            Lengths::Upto(most) => random.below(most),
            Lengths::Mixed => match random.below(12) {
                0 => 8000 + random.below(24_000),
                1..4 => 800 + random.below(4000),
                _ => random.below(300),
            },
        };
        Made { version: self.version, length: length.max(LEAST) }
    }
}
