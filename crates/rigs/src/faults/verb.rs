//! What is done while a system call fails: an operation, and the map that it finds.

use std::fs;
use std::io;
use std::path::Path;

use opendiskmap::faults;
use opendiskmap::{Map, Recovery, Result};

use crate::catalogue::CATALOGUE;
use crate::model::{Model, key, value};
use crate::scenario::{Armed, Bench, Fails, Operation, Shows, intent, options};

/// An operation with its map. What is open when `prepare` ends is copied as it lies there, as a kill would leave it.
pub struct Verb {
    pub name: &'static str,
    pub shards: u32,
    prepare: fn(&mut Bench) -> Result<()>,
    script: fn(usize) -> Operation,
    /// The operation opens the map itself.
    pub opens: bool,
    /// The script is gone through until an operation makes a file or splits a table.
    searched: bool,
}

const BIG: usize = 300 << 10;
/// More operations than a script needs to make a file or split a table.
const TRIES: usize = 120;

fn put(bench: &mut Bench, indexes: impl IntoIterator<Item = usize>, version: usize, length: usize) -> Result<()> {
    indexes.into_iter().try_for_each(|index| bench.run(Operation::Put { index, version, length }))
}

/// Small records, extents, dead ones of both, and two segments.
fn mixed(bench: &mut Bench) -> Result<()> {
    put(bench, 0..40, 0, 900)?;
    put(bench, 50..52, 0, BIG)?;
    bench.run(Operation::Flush)?;
    put(bench, 20..30, 1, 2000)?;
    put(bench, [51, 52], 1, BIG + 5)?;
    bench.run(Operation::Delete { index: 3 })
}

fn closed(bench: &mut Bench) -> Result<()> {
    mixed(bench)?;
    bench.run(Operation::Close)
}

fn catalogued(name: &str) -> fn(&mut Bench) -> Result<()> {
    CATALOGUE.iter().find(|scenario| scenario.name == name).map_or(mixed, |scenario| scenario.prepare)
}

/// The operations that STEP knows, and those that only system calls make interesting.
#[must_use]
pub fn verbs() -> Vec<Verb> {
    // Here every call fails in its turn; what is made of several parts may be left between two of them, and what is made
    // again in place is not trusted.
    let mut verbs: Vec<Verb> = CATALOGUE
        .iter()
        .filter(|scenario| scenario.fails == Fails::Nothing && scenario.trusted && scenario.sample > 0)
        .filter(|scenario| !matches!((scenario.script)(0), Operation::PutMany { .. } | Operation::DeleteMany { .. }))
        .map(|scenario| Verb {
            name: scenario.name,
            shards: scenario.shards,
            prepare: scenario.prepare,
            script: scenario.script,
            opens: matches!((scenario.script)(0), Operation::Open(_) | Operation::Reserve { .. }),
            searched: matches!(scenario.shows, Shows::Intent(intent::SEGMENT | intent::TABLE)),
        })
        .collect();
    let own = |name, prepare, script: fn(usize) -> Operation| Verb {
        name,
        shards: 2,
        prepare,
        script,
        opens: matches!(script(0), Operation::Open(_)),
        searched: false,
    };
    let auto = |_| Operation::Open(Recovery::Auto);
    let full = |_| Operation::Open(Recovery::Full);
    verbs.push(own("open clean", closed, auto));
    verbs.push(own("open killed", mixed, auto));
    verbs.push(own("open killed, worn", catalogued("compact"), auto));
    verbs.push(own("rebuild", mixed, full));
    verbs.push(own("rebuild, split tables", |bench| put(bench, 0..2500, 0, 8), full));
    verbs.push(own("flush after all", mixed, |_| Operation::Flush));
    verbs.push(own("close after all", mixed, |_| Operation::Close));
    verbs.push(own("compact all", mixed, |_| Operation::Compact));
    verbs.push(own("clear extents", mixed, |_| Operation::Clear));
    // An open of what is open does nothing: it is the reading after it that meets the fault.
    verbs.push(Verb { opens: false, ..own("read", mixed, auto) });
    verbs.push(Verb {
        searched: true,
        ..own(
            "index file",
            |bench| put(bench, 0..1700, 0, 8),
            |index| Operation::Put { index: 1700 + index, version: 0, length: 8 },
        )
    });
    verbs
}

/// What a case of the verb starts from: its files, what they hold, what they shall hold, and how often each call is made.
pub struct Prepared {
    /// How far the script went.
    pub step: usize,
    pub operation: Operation,
    pub old: Model,
    pub new: Model,
    pub counts: Vec<u64>,
}

impl Verb {
    #[must_use]
    pub fn operation(&self, step: usize) -> Operation {
        (self.script)(step)
    }

    /// Makes the map in `image`, trying the operation out in `scratch`.
    pub fn prepare(&self, image: &Path, scratch: &Path) -> std::result::Result<Prepared, String> {
        let failed = |error: opendiskmap::Error| format!("{}: cannot prepare: {error}", self.name);
        fs::create_dir_all(scratch).map_err(|error| error.to_string())?;
        let live = scratch.join("live");
        let mut bench = Bench::open(&live, self.shards).map_err(failed)?;
        (self.prepare)(&mut bench).map_err(failed)?;
        let mut step = 0;
        let prepared = loop {
            let operation = self.operation(step);
            let last = !self.searched || step == TRIES;
            let (old, mut new) = (bench.model.clone(), bench.model.clone());
            operation.effect(&mut new);
            let trial = scratch.join("trial");
            copy(&live, &trial).map_err(|error| error.to_string())?;
            let (found, counts) = self.try_out(&trial, operation, &old).map_err(failed)?;
            let _ = fs::remove_dir_all(&trial);
            if found || last {
                break Prepared { step, operation, old, new, counts };
            }
            bench.run(operation).map_err(failed)?;
            step += 1;
        };
        copy(&live, image).map_err(|error| error.to_string())?;
        drop(bench);
        let _ = fs::remove_dir_all(&live);
        Ok(prepared)
    }

    /// Whether the operation made a file or split a table, and how often each call was made.
    fn try_out(&self, path: &Path, operation: Operation, old: &Model) -> Result<(bool, Vec<u64>)> {
        let mut map = self.start(path)?;
        let tables = |map: &Option<Map>| map.as_ref().map_or(Ok(0), |map| map.stats().map(|stats| stats.tables));
        let before = tables(&map)?;
        let armed = Armed::from(operation);
        faults::arm(None);
        armed.run(&mut map, path, self.shards)?;
        let split = map.is_some() && before != 0 && tables(&map)? != before;
        if let Some(map) = &map
            && self.name == "read"
        {
            read(map, old)?;
        }
        let (counts, _) = faults::disarm();
        let made = counts.get(faults::Call::Fallocate as usize).is_some_and(|&count| count > 0);
        Ok((made || split, counts))
    }

    /// The map that the operation is done to, if it does not open it itself.
    pub fn start(&self, path: &Path) -> Result<Option<Map>> {
        if self.opens { Ok(None) } else { Map::open(path, &options(Recovery::Auto)).map(Some) }
    }
}

/// Asks for every key of the model; the first error ends it.
pub fn read(map: &Map, model: &Model) -> Result<()> {
    model.keys().try_for_each(|key| map.get(key).map(drop))
}

/// A key and a value that no scenario uses.
#[must_use]
pub fn fresh(number: usize) -> (Vec<u8>, Vec<u8>) {
    (key(900_000 + number), value(900_000, number, 50))
}

/// Copies a directory's files; one that is not there is copied as that.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    fs::create_dir_all(to)?;
    for entry in entries {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
