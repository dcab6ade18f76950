//! The processes that the supervisor starts: one that writes until it is killed, one that looks.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, write};
use opendiskmap::{Map, Options, Reason, Recovery};

use super::script::Script;
use crate::model::{self, Model, key};

/// An acknowledgement: thread, answers, and how many calls have returned.
pub const ACK: usize = 16;
/// One that is for many calls has a bit for the answer of each.
pub const MOST_AT_ONCE: usize = 32;

fn options(recovery: Recovery) -> Options {
    Options {
        shards: Some(2),
        // Far more often than anyone wants it: the kill should meet checkpoints and compaction.
        flush_interval: Some(Some(Duration::from_millis(3))),
        recovery: Some(recovery),
        ..Options::default()
    }
}

fn open(directory: &Path, recovery: Recovery) -> io::Result<Map> {
    Map::open(directory, &options(recovery))
        .map_err(|error| io::Error::other(format!("open: {}: {error}", error.code())))
}

/// Writes with several threads and says after each call that it returned, until it is killed.
pub fn write_until_killed(work: &Path, seed: u64, threads: usize, at_once: usize) -> io::Result<()> {
    let map = open(&work.join("map"), Recovery::Auto)?;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let map = &map;
            scope.spawn(move || {
                if let Err(error) = call_and_say(map, Script::new(seed, thread, threads), at_once) {
                    eprintln!("thread {thread}: {error}");
                    std::process::exit(1);
                }
            });
        }
    });
    Ok(())
}

fn call_and_say(map: &Map, mut script: Script, at_once: usize) -> io::Result<()> {
    let mut model = Model::new();
    for index in script.range() {
        if let Some(value) = map.get(&key(index)).map_err(|error| io::Error::other(error.to_string()))? {
            model.insert(key(index), value);
        }
    }
    let output = io::stdout();
    for round in 1u64.. {
        let calls: Vec<_> = (0..at_once).map(|_| script.call().armed()).collect();
        let said: Vec<_> = calls.iter().map(|call| call.run(map)).collect::<io::Result<_>>()?;
        let mut answers = 0u32;
        for (number, (call, said)) in calls.iter().zip(&said).enumerate() {
            answers |= u32::from(call.agrees(said, &mut model)?) << number;
        }
        let mut ack = [0; ACK];
        ack[..4].copy_from_slice(&(script.thread() as u32).to_le_bytes());
        ack[4..8].copy_from_slice(&answers.to_le_bytes());
        ack[8..].copy_from_slice(&(round * at_once as u64).to_le_bytes());
        // One system call for one acknowledgement: a pipe takes so few bytes whole or not at all.
        if write(output.as_fd(), &ack)? != ACK {
            return Err(io::Error::other("the pipe took half an acknowledgement"));
        }
    }
    Ok(())
}

/// Opens what was left, writes down what it holds, and ends: by closing, or like its predecessor.
pub fn look(work: &Path, recovery: Recovery, closes: bool) -> io::Result<()> {
    let map = open(&work.join("map"), recovery)?;
    let reason = map.stats().map_err(|error| io::Error::other(error.to_string()))?.recovery.reason;
    if recovery == Recovery::Auto && reason == Reason::Rebuilt {
        return Err(io::Error::other("a kill led to a full rebuild that nobody asked for"));
    }
    let held = model::read(&map).map_err(io::Error::other)?;
    model::which(&map, &[&held]).map_err(io::Error::other)?;
    model::save(&held, &work.join("held"))?;
    if !closes {
        kill(Pid::this(), Signal::SIGKILL)?;
    }
    map.close().map_err(|error| io::Error::other(format!("close: {}: {error}", error.code())))
}
