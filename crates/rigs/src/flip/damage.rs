//! Ways in which files can be damaged, each of which can be named again by its number.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use super::files::{Files, write_at};
use crate::random::Random;

const PAGE: usize = 4096;
/// A table of the index: the one unit larger than a page that has a sum of its own.
const TABLE: usize = 16384;
/// More than any machine has memory.
const HUGE: usize = 1 << 42;

#[derive(Clone, Debug)]
pub enum Damage {
    Bit {
        file: usize,
        bit: usize,
    },
    /// Several bits at once, as after a bad night of the memory.
    Bits(Vec<(usize, usize)>),
    Zeroed {
        file: usize,
        at: usize,
        length: usize,
    },
    /// Two stretches of one file change places, as a drive does that writes to the wrong sector.
    Swapped {
        file: usize,
        first: usize,
        second: usize,
        length: usize,
    },
    /// Cut off, or longer than any memory.
    Length {
        file: usize,
        length: usize,
    },
    /// Two files change names.
    Exchanged {
        first: usize,
        second: usize,
    },
    Missing {
        file: usize,
    },
}

impl Damage {
    pub fn apply(&self, files: &Files, directory: &Path) -> io::Result<()> {
        let path = |file: usize| directory.join(&files.names[file]);
        match *self {
            Self::Bit { file, bit } => write_at(&path(file), bit / 8, &[files.bytes[file][bit / 8] ^ (1 << (bit % 8))]),
            Self::Bits(ref bits) => {
                let mut damaged = std::collections::BTreeMap::<(usize, usize), u8>::new();
                for &(file, bit) in bits {
                    *damaged.entry((file, bit / 8)).or_insert(files.bytes[file][bit / 8]) ^= 1 << (bit % 8);
                }
                damaged.into_iter().try_for_each(|((file, at), byte)| write_at(&path(file), at, &[byte]))
            }
            Self::Zeroed { file, at, length } => {
                let end = (at + length).min(files.bytes[file].len());
                write_at(&path(file), at, &vec![0; end - at])
            }
            Self::Swapped { file, first, second, length } => {
                let bytes = &files.bytes[file];
                write_at(&path(file), first, &bytes[second..second + length])?;
                write_at(&path(file), second, &bytes[first..first + length])
            }
            Self::Length { file, length } => OpenOptions::new().write(true).open(path(file))?.set_len(length as u64),
            Self::Exchanged { first, second } => {
                let aside = directory.join("aside");
                fs::rename(path(first), &aside)?;
                fs::rename(path(second), path(first))?;
                fs::rename(&aside, path(second))
            }
            Self::Missing { file } => fs::remove_file(path(file)),
        }
    }

    /// Whether undoing it is one write, as long as nobody else has written.
    pub fn undo(&self, files: &Files, directory: &Path) -> io::Result<bool> {
        let Self::Bit { file, bit } = *self else { return Ok(false) };
        write_at(&directory.join(&files.names[file]), bit / 8, &files.bytes[file][bit / 8..=bit / 8])?;
        Ok(true)
    }

    #[must_use]
    pub fn show(&self, files: &Files) -> String {
        let name = |file: usize| files.names[file].as_str();
        match *self {
            Self::Bit { file, bit } => format!("bit {} of byte {} of {}", bit % 8, bit / 8, name(file)),
            Self::Bits(ref bits) => format!("{} bits from bit {} of {} on", bits.len(), bits[0].1, name(bits[0].0)),
            Self::Zeroed { file, at, length } => format!("{length} bytes at {at} of {} zeroed", name(file)),
            Self::Swapped { file, first, second, length } => {
                format!("{length} bytes at {first} and {second} of {} swapped", name(file))
            }
            Self::Length { file, length } => format!("{} made {length} bytes long", name(file)),
            Self::Exchanged { first, second } => format!("{} and {} exchanged", name(first), name(second)),
            Self::Missing { file } => format!("{} missing", name(file)),
        }
    }
}

/// Every bit of every file.
pub fn all_bits(files: &Files) -> impl Iterator<Item = Damage> + '_ {
    (0..files.names.len()).flat_map(|file| (0..files.bytes[file].len() * 8).map(move |bit| Damage::Bit { file, bit }))
}

/// Every bit of what is small and decides much: checkpoints, the pages of `HEAD` that are in use, directories, the segment
/// table, headers, and the header and first slots of a table.
pub fn small_structures(files: &Files) -> impl Iterator<Item = Damage> + '_ {
    const CHECKPOINT: usize = 400;
    const SHARD_PAGE: usize = 384;
    let ranges = files.names.iter().map(|name| match &name[..3] {
        "CHE" => [0..CHECKPOINT, 0..0, 0..0],
        "HEA" => [0..80, PAGE..PAGE + SHARD_PAGE, 2 * PAGE..2 * PAGE + SHARD_PAGE],
        "tab" => [0..128 + 3 * 64, 0..0, 0..0],
        "dir" => [0..64 + 9 * 8, PAGE..PAGE + 7 * 8, 0..0],
        "seg" => [0..64 + 256, 0..0, 0..0],
        "idx" => [0..64, PAGE..PAGE + 64 + 160, 0..0],
        "ext" => [0..96, 0..0, 0..0],
        _ => [0..0, 0..0, 0..0],
    });
    ranges.enumerate().flat_map(move |(file, ranges)| {
        ranges.into_iter().flat_map(move |range| {
            let end = range.end.min(files.bytes[file].len());
            (range.start * 8..end * 8).map(move |bit| Damage::Bit { file, bit })
        })
    })
}

/// Bits drawn from all files alike; `HEAD`, most of which is never looked at, gets no more than the others.
pub fn drawn_bits(files: &Files, count: usize, seed: u64) -> impl Iterator<Item = Damage> + '_ {
    let mut random = Random::new(seed);
    (0..count).map(move |_| {
        let file = random.below(files.names.len());
        // Half of them where most of what counts is: at the front.
        let length = files.bytes[file].len().max(1);
        let near = if random.below(2) == 0 { length } else { length.min(3 * PAGE) };
        Damage::Bit { file, bit: random.below(near * 8).min(length * 8 - 1) }
    })
}

/// Bits drawn from all bytes alike, so many at a time. Every second time only from the log, so that the index is there to
/// find all that is whole.
pub fn drawn_bursts(files: &Files, count: usize, at_once: usize, seed: u64) -> impl Iterator<Item = Damage> + '_ {
    let mut random = Random::new(seed);
    (0..count).map(move |round| {
        let among: Vec<usize> = (0..files.names.len())
            .filter(|&file| round % 2 == 0 || ["seg", "ext"].contains(&&files.names[file][..3]))
            .collect();
        let total: usize = among.iter().map(|&file| files.bytes[file].len()).sum();
        Damage::Bits(
            (0..at_once)
                .map(|_| {
                    let mut at = random.below(total);
                    for &file in &among {
                        match at.checked_sub(files.bytes[file].len()) {
                            Some(rest) => at = rest,
                            None => return (file, at * 8 + random.below(8)),
                        }
                    }
                    unreachable!("the draw is below the sum of all lengths")
                })
                .collect(),
        )
    })
}

/// Pages and tables zeroed and swapped, files cut, exchanged and deleted.
pub fn structural(files: &Files) -> Vec<Damage> {
    let mut all = Vec::new();
    for (file, bytes) in files.bytes.iter().enumerate() {
        let used = |at: usize, length: usize| bytes[at..(at + length).min(bytes.len())].iter().any(|&byte| byte != 0);
        let pages: Vec<_> = (0..bytes.len()).step_by(PAGE).filter(|&at| used(at, PAGE)).collect();
        all.extend(pages.iter().map(|&at| Damage::Zeroed { file, at, length: PAGE }));
        let whole = |at: usize, length: usize| at + length <= bytes.len();
        let pairs = |units: &[usize], length: usize, all: &mut Vec<Damage>| {
            for (place, &first) in units.iter().enumerate() {
                for &second in units[place + 1..].iter().filter(|&&second| whole(second, length)) {
                    all.push(Damage::Swapped { file, first, second, length });
                }
            }
        };
        // Long files have too many pairs: neighbours then.
        match pages.len() {
            ..=20 => pairs(&pages, PAGE, &mut all),
            _ => pages.windows(2).for_each(|pair| pairs(pair, PAGE, &mut all)),
        }
        if files.names[file].starts_with("idx") {
            let tables: Vec<_> =
                (PAGE..bytes.len()).step_by(TABLE).filter(|&at| whole(at, TABLE) && used(at, TABLE)).collect();
            all.extend(tables.iter().map(|&at| Damage::Zeroed { file, at, length: TABLE }));
            pairs(&tables, TABLE, &mut all);
        }
        let length = bytes.len();
        let mut lengths = vec![0, 1, 8, 23, 24, 63, 64, 100, 4095, 4096, length / 2, length.saturating_sub(4096)];
        lengths.extend([length.saturating_sub(8), length.saturating_sub(1), length + 1, length + 4096, HUGE]);
        lengths.retain(|&other| other != length);
        lengths.sort_unstable();
        lengths.dedup();
        all.extend(lengths.into_iter().map(|length| Damage::Length { file, length }));
        all.push(Damage::Missing { file });
        all.extend((0..file).map(|other| Damage::Exchanged { first: other, second: file }));
    }
    all
}
