//! The processes that the supervisor starts: one that writes until it is killed, one that looks.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, write};
use opendiskmap::{Map, Options, Recovery};

use super::script::{Script, range};
use crate::model::{self, Model, key};

/// An acknowledgement: thread, answer, and the number of the call.
pub const ACK: usize = 16;

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
pub fn write_until_killed(work: &Path, seed: u64, threads: usize) -> io::Result<()> {
    let map = open(&work.join("map"), Recovery::Auto)?;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let map = &map;
            scope.spawn(move || {
                if let Err(error) = call_and_say(map, seed, thread, threads) {
                    eprintln!("thread {thread}: {error}");
                    std::process::exit(1);
                }
            });
        }
    });
    Ok(())
}

fn call_and_say(map: &Map, seed: u64, thread: usize, threads: usize) -> io::Result<()> {
    let mut model = Model::new();
    for index in range(thread, threads) {
        if let Some(value) = map.get(&key(index)).map_err(|error| io::Error::other(error.to_string()))? {
            model.insert(key(index), value);
        }
    }
    let mut script = Script::new(seed, thread, threads);
    let output = io::stdout();
    for number in 0u64.. {
        let call = script.call();
        let answer = call.run(map, &model)?;
        call.effect(&mut model);
        let mut ack = [0; ACK];
        ack[..4].copy_from_slice(&(thread as u32).to_le_bytes());
        ack[4..8].copy_from_slice(&u32::from(answer).to_le_bytes());
        ack[8..].copy_from_slice(&number.to_le_bytes());
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
    let held = model::read(&map).map_err(io::Error::other)?;
    model::which(&map, &[&held]).map_err(io::Error::other)?;
    model::save(&held, &work.join("held"))?;
    if !closes {
        kill(Pid::this(), Signal::SIGKILL)?;
    }
    map.close().map_err(|error| io::Error::other(format!("close: {}: {error}", error.code())))
}
