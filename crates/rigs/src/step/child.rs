//! The process that is stepped: it prepares a map, stops itself, does one thing, stops itself again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use opendiskmap::{Map, Recovery};

use crate::draw::draw;
use crate::model;
use crate::scenario::{Armed, Bench, CATALOGUE, Operation, TRIES, options};

/// What the child says with its exit code when tracing is refused, so that the rig can tell that from a failure.
pub const NOT_PERMITTED: i32 = 77;

/// What a scenario's name begins with that is drawn; the seed follows.
pub const DRAWN: &str = "drawn ";

/// Where the parts of one stepped operation lie.
pub struct Place {
    /// What is watched and saved; the map is one directory in it, so that its creation can be stepped too.
    pub root: PathBuf,
    pub map: PathBuf,
    pub old: PathBuf,
    pub new: PathBuf,
}

impl Place {
    pub fn new(work: &Path) -> io::Result<Self> {
        let root = work.join("root");
        fs::create_dir_all(&root)?;
        let root = fs::canonicalize(root)?;
        Ok(Self { map: root.join("map"), root, old: work.join("old"), new: work.join("new") })
    }
}

/// Runs a scenario: each operation of its script between two stops, with the models of before and after written
/// beside it.
pub fn scenario(name: &str, work: &Path) -> io::Result<()> {
    let place = Place::new(work)?;
    let mut bench;
    let script: Box<dyn Fn(usize) -> Operation>;
    if let Some(seed) = name.strip_prefix(DRAWN) {
        let drawn = draw(seed.parse().map_err(io::Error::other)?);
        bench = Bench::open(&place.map, drawn.shards).map_err(engine)?;
        drawn.before.iter().try_for_each(|operation| bench.run(*operation)).map_err(engine)?;
        script = Box::new(move |_| drawn.stepped);
    } else {
        let scenario = CATALOGUE.iter().find(|scenario| scenario.name == name);
        let scenario = scenario.ok_or_else(|| io::Error::other(format!("no scenario is called {name}")))?;
        bench = Bench::open(&place.map, scenario.shards).map_err(engine)?;
        (scenario.prepare)(&mut bench).map_err(engine)?;
        script = Box::new(scenario.script);
    }
    trace_me();
    for index in 0..TRIES {
        let operation = script(index);
        let armed = Armed::from(operation);
        model::save(&bench.model, &place.old)?;
        operation.effect(&mut bench.model);
        model::save(&bench.model, &place.new)?;
        let map = bench.map.take();
        raise(Signal::SIGSTOP)?;
        let map = armed.run(map, &place.map, bench.shards);
        raise(Signal::SIGSTOP)?;
        bench.map = map.map_err(engine)?;
    }
    Ok(())
}

/// Opens what a killed process left: the kill may come in here as well.
pub fn reopen(recovery: &str, work: &Path) -> io::Result<()> {
    let place = Place::new(work)?;
    let options = options(if recovery == "full" { Recovery::Full } else { Recovery::Auto });
    trace_me();
    raise(Signal::SIGSTOP)?;
    let map = Map::open(&place.map, &options);
    raise(Signal::SIGSTOP)?;
    map.map(drop).map_err(engine)
}

/// A child with nothing to do: shows whether this machine lets a process be stepped.
pub fn probe() -> io::Result<()> {
    trace_me();
    raise(Signal::SIGSTOP)?;
    Ok(())
}

fn engine(error: opendiskmap::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", error.code()))
}

fn trace_me() {
    if let Err(error) = ptrace::traceme() {
        eprintln!("ptrace is refused: {error}");
        std::process::exit(NOT_PERMITTED);
    }
}
