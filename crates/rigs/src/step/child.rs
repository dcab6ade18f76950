//! The process that is stepped: it prepares a map, stops itself, does one thing, stops itself again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use opendiskmap::{Map, Options, Recovery};

use crate::catalogue::CATALOGUE;
use crate::draw::draw;
use crate::model;
use crate::scenario::{Armed, Bench, Operation, TRIES, options, rebooted};

/// What the child says with its exit code when tracing is refused, so that the rig can tell that from a failure.
pub const NOT_PERMITTED: i32 = 77;

/// What a scenario's name begins with that is drawn; the seed follows.
pub const DRAWN: &str = "drawn ";

/// Where the parts of one stepped operation lie.
pub struct Place {
    /// What is watched and saved; the map is one directory in it, so that its creation can be stepped too.
    pub root: PathBuf,
    pub map: PathBuf,
    /// What the map may hold while the operation runs, from before it to after it.
    pub models: PathBuf,
}

/// How a map that a killed process left is opened under stepping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopen {
    FixUp,
    /// The index is made anew because that was asked for.
    Rebuild,
    /// The same because the machine was started anew.
    Reboot,
    /// By who may not write.
    ReadOnly,
}

impl Reopen {
    pub const ALL: [(Self, &str); 4] = [
        (Self::FixUp, "fix-up"),
        (Self::Rebuild, "rebuild"),
        (Self::Reboot, "recovery of a new start"),
        (Self::ReadOnly, "reading"),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(how, _)| *how == self).map_or("", |(_, name)| name)
    }
}

impl Place {
    pub fn new(work: &Path) -> io::Result<Self> {
        let root = work.join("root");
        fs::create_dir_all(&root)?;
        let root = fs::canonicalize(root)?;
        Ok(Self { map: root.join("map"), root, models: work.join("models") })
    }
}

/// Runs a scenario: each operation of its script between two stops, with the models that it may leave written beside it.
/// A third stop says that it went as it should.
pub fn scenario(name: &str, work: &Path) -> io::Result<()> {
    let place = Place::new(work)?;
    let mut bench;
    let script: Box<dyn Fn(usize) -> Operation>;
    let mut refusal = None;
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
        refusal = scenario.refusal;
    }
    trace_me();
    for index in 0..TRIES {
        let operation = script(index);
        let armed = Armed::from(operation);
        let stages = operation.stages(&bench.model);
        model::save_all(&stages, &place.models)?;
        raise(Signal::SIGSTOP)?;
        let ran = armed.run(&mut bench.map, &place.map, bench.shards);
        raise(Signal::SIGSTOP)?;
        match ran {
            Ok(()) => operation.effect(&mut bench.model),
            // The operation has no other stage than the first.
            Err(error) if Some(error.code()) == refusal => model::save_all(&stages[..1], &place.models)?,
            Err(error) => return Err(engine(error)),
        }
        raise(Signal::SIGSTOP)?;
    }
    Ok(())
}

/// Opens what a killed process left: the kill may come in here as well.
pub fn reopen(how: &str, work: &Path) -> io::Result<()> {
    let place = Place::new(work)?;
    let how = Reopen::ALL.iter().find(|(_, name)| *name == how).map(|(how, _)| *how);
    let options = match how {
        None => return Err(io::Error::other("a map is opened in one of four ways")),
        Some(Reopen::FixUp) => options(Recovery::Auto),
        Some(Reopen::Rebuild) => options(Recovery::Full),
        Some(Reopen::Reboot) => rebooted(),
        Some(Reopen::ReadOnly) => Options { read_only: true, ..options(Recovery::Auto) },
    };
    trace_me();
    raise(Signal::SIGSTOP)?;
    let map = Map::open(&place.map, &options);
    raise(Signal::SIGSTOP)?;
    let _map = map.map_err(engine)?;
    raise(Signal::SIGSTOP)?;
    Ok(())
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
