//! The maps that are damaged.

use std::fs;
use std::io;
use std::path::Path;

use opendiskmap::{Map, Options, Recovery, Result};

use super::files::Files;
use crate::model::{Model, key, value};
use crate::random::Random;
use crate::scenario::options;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One shard whose one segment of 64 KiB is nearly full, closed.
    Small,
    /// Two shards that have seen splits, segments, tombstones, extents and a compaction, closed.
    Rich,
    /// The same, left as a killed process leaves it.
    Killed,
    /// Some hundred megabytes in four shards, closed.
    Large,
    /// What the fuzzers begin with: two shards with little in them, closed.
    Seed,
    /// The same, left as a killed process leaves it.
    SeedKilled,
}

impl Kind {
    pub const ALL: [(Kind, &str); 6] = [
        (Kind::Small, "small"),
        (Kind::Rich, "rich"),
        (Kind::Killed, "killed"),
        (Kind::Large, "large"),
        (Kind::Seed, "seed"),
        (Kind::SeedKilled, "seed-killed"),
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Kind> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// Makes the map in a directory that does not exist yet; what it holds.
    pub fn make(self, directory: &Path) -> io::Result<(Files, Model)> {
        let mut model = Model::new();
        let shards = match self {
            Kind::Small => 1,
            Kind::Rich | Kind::Killed | Kind::Seed | Kind::SeedKilled => 2,
            Kind::Large => 4,
        };
        let made = directory.with_extension("made");
        let options = Options { shards: Some(shards), ..options(Recovery::Auto) };
        let map = Map::open(&made, &options).map_err(io::Error::other)?;
        let filled = match self {
            Kind::Small => small(&map, &mut model),
            Kind::Rich | Kind::Killed => rich(&map, &mut model),
            Kind::Large => large(&map, &mut model),
            Kind::Seed | Kind::SeedKilled => seed(&map, &mut model),
        };
        filled.map_err(io::Error::other)?;
        if matches!(self, Kind::Killed | Kind::SeedKilled) {
            // What a kill leaves is what stands in the files now.
            Files::read(&made)?.restore(directory)?;
            map.close().map_err(io::Error::other)?;
            fs::remove_dir_all(&made)?;
        } else {
            map.close().map_err(io::Error::other)?;
            fs::rename(&made, directory)?;
        }
        Ok((Files::read(directory)?, model))
    }
}

fn put(map: &Map, model: &mut Model, index: usize, version: usize, length: usize) -> Result<()> {
    let (key, value) = (key(index), value(index, version, length));
    map.put(&key, &value)?;
    model.insert(key, value);
    Ok(())
}

fn remove(map: &Map, model: &mut Model, index: usize) -> Result<()> {
    map.remove(&key(index))?;
    model.remove(&key(index));
    Ok(())
}

fn small(map: &Map, model: &mut Model) -> Result<()> {
    // Updates first, so that what they replaced lies in the log, and some tombstones among the rest.
    for index in 0..40 {
        put(map, model, index, 0, 60)?;
    }
    for index in 0..430 {
        put(map, model, index, 1, 50 + index % 80)?;
    }
    (400..430).try_for_each(|index| remove(map, model, index))
}

/// What a `Seed` holds.
#[must_use]
pub fn seeded() -> Model {
    let mut model = Model::new();
    for index in 0..24usize {
        if !index.is_multiple_of(7) {
            model.insert(key(index), value(index, 1, 12 + index));
        }
    }
    model
}

fn seed(map: &Map, model: &mut Model) -> Result<()> {
    for index in 0..24 {
        put(map, model, index, 0, 9)?;
    }
    map.clear()?;
    model.clear();
    for index in 0..24 {
        put(map, model, index, 1, 12 + index)?;
    }
    map.flush()?;
    (0..24).step_by(7).try_for_each(|index| remove(map, model, index))
}

fn rich(map: &Map, model: &mut Model) -> Result<()> {
    for version in 0..2 {
        for index in 0..2600 {
            put(map, model, index, version, 20 + index % 60)?;
        }
    }
    for index in 2200..2600 {
        remove(map, model, index)?;
    }
    for index in 0..4 {
        put(map, model, 10_000 + index, 1, (256 << 10) + 1 + index * 5000)?;
    }
    map.flush()?;
    while map.compact_step()? {}
    for index in 0..300 {
        put(map, model, index, 2, 30 + index % 50)?;
    }
    (100..150).try_for_each(|index| remove(map, model, index))
}

fn large(map: &Map, model: &mut Model) -> Result<()> {
    let mut random = Random::new(1);
    for index in 0..600_000 {
        put(map, model, index, 1, 60 + random.below(120))?;
    }
    for index in 0..60_000 {
        put(map, model, index * 9, 2, 60 + random.below(120))?;
    }
    (0..30_000).try_for_each(|index| remove(map, model, index * 17))
}
