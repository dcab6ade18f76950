//! The two checkpoint files, written in turn, so that a power cut while one is written leaves the other.

use crate::layout::checkpoint::{BODY, Checkpoint, Invalid};
use crate::layout::{PAGE, names};
use crate::medium::Medium;
use crate::rules::{Rule, holds};
use crate::sys::{self, Dir, FileId};
use crate::{Code, Error, Result};
use std::fs::File;
use std::io;

/// Where the next checkpoint goes.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    files: Vec<(File, FileId, u64)>,
    current: usize,
    number: u64,
}

/// What the two files say.
#[derive(Debug)]
pub(crate) enum Found {
    /// Neither exists, or neither was ever written.
    Nothing,
    Newest {
        checkpoint: Box<Checkpoint>,
        which: usize,
        /// The other file was being written: it may have been newer, so this one's clean flag counts for nothing.
        torn: bool,
        /// The file is the very one that the checkpoint was written to, not a copy.
        same: bool,
    },
}

fn fail(action: &str) -> impl Fn(io::Error) -> Error + '_ {
    move |error| Error::os(action, &error)
}

/// Reads both files and picks the newest that verifies.
pub(crate) fn read(dir: &Dir) -> Result<Found> {
    let mut newest: Option<(Checkpoint, usize)> = None;
    let (mut torn, mut present) = (false, false);
    for (which, name) in names::CHECKPOINTS.into_iter().enumerate() {
        let bytes = match read_file(dir, name) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::os(format_args!("read {name}"), &error)),
        };
        match Checkpoint::decode(&bytes) {
            Ok(checkpoint) => {
                if newest.as_ref().is_none_or(|(other, _)| other.number < checkpoint.number) {
                    newest = Some((checkpoint, which));
                }
            }
            Err(Invalid::Blank) => {}
            Err(Invalid::Torn) => (torn, present) = (true, true),
            Err(Invalid::Version(version)) => {
                return Err(Error::new(
                    Code::Version,
                    format!(
                        "The map has format version {version}; this version of opendiskmap reads {}. Use a newer one.",
                        crate::layout::FORMAT_VERSION
                    ),
                ));
            }
            Err(Invalid::Features(features)) => {
                return Err(Error::new(
                    Code::Version,
                    format!(
                        "The map uses features ({features:#x}) that this version of opendiskmap does not have. Use a newer one."
                    ),
                ));
            }
        }
    }
    match newest {
        Some((checkpoint, which)) => {
            let id = dir.file_id_of(names::CHECKPOINTS[which]).map_err(fail("look at a checkpoint file"))?;
            let same = id == checkpoint.file;
            Ok(Found::Newest { checkpoint: Box::new(checkpoint), which, torn, same })
        }
        None if present => Err(Error::corrupt("neither checkpoint verifies")),
        None => Ok(Found::Nothing),
    }
}

/// As much of a file as its checkpoint takes; of one that holds none only what shows that.
fn read_file(dir: &Dir, name: &str) -> io::Result<Vec<u8>> {
    let first = dir.read_start(name, BODY)?;
    match Checkpoint::length(&first) {
        Some(length) => dir.read_start(name, length),
        None => Ok(first),
    }
}

impl Checkpoints {
    /// The files of a map that exists. Both are synced first: what was read of them may be in the page cache only.
    pub fn open(dir: &Dir, current: usize, number: u64) -> Result<Checkpoints> {
        let mut files = Vec::new();
        for name in names::CHECKPOINTS {
            let file = match dir.open_file(name, true) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => dir.create_file(name, PAGE as u64),
                opened => opened,
            };
            let file = file.map_err(fail("open a checkpoint file"))?;
            sys::sync_file(&file).map_err(|error| Error::sync("sync a checkpoint file", &error))?;
            let id = sys::file_id(&file).map_err(fail("open a checkpoint file"))?;
            let len = file.metadata().map_err(fail("open a checkpoint file"))?.len();
            files.push((file, id, len));
        }
        Ok(Checkpoints { files, current, number })
    }

    /// The files of a new map. The first appears under its name only once it is whole: that is the map's birth.
    pub fn create(dir: &Dir, mut checkpoint: Checkpoint) -> Result<Checkpoints> {
        let failed = fail("create the map's first checkpoint");
        let unsynced = |error: io::Error| Error::sync("sync the map's first checkpoint", &error);
        let _ = dir.unlink(names::FIRST_CHECKPOINT);
        let _ = dir.unlink(names::CHECKPOINTS[1]);
        let first = dir.create_file(names::FIRST_CHECKPOINT, PAGE as u64).map_err(&failed)?;
        let second = dir.create_file(names::CHECKPOINTS[1], PAGE as u64).map_err(&failed)?;
        sys::sync_file(&second).map_err(&unsynced)?;
        let mut files = Vec::new();
        for file in [first, second] {
            let id = sys::file_id(&file).map_err(&failed)?;
            files.push((file, id, PAGE as u64));
        }
        let number = checkpoint.number;
        checkpoint.file = files[0].1;
        let mut checkpoints = Checkpoints { files, current: 1, number: number - 1 };
        checkpoints.write(checkpoint)?;
        dir.sync().map_err(&unsynced)?;
        dir.rename(names::FIRST_CHECKPOINT, names::CHECKPOINTS[0]).map_err(&failed)?;
        dir.sync().map_err(&unsynced)?;
        Ok(checkpoints)
    }

    /// The number of the newest checkpoint.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The file that it stands in.
    pub fn current(&self) -> usize {
        self.current
    }

    /// Writes a checkpoint to the file whose turn it is and makes it durable. All that it speaks of is durable already.
    pub fn write(&mut self, mut checkpoint: Checkpoint) -> Result<()> {
        let turn = if holds(Rule::TwoCheckpoints) { 1 - self.current } else { self.current };
        let (file, id, len) = &mut self.files[turn];
        checkpoint.number = self.number + 1;
        checkpoint.file = *id;
        let mut bytes = checkpoint.encode();
        let needed = bytes.len() as u64;
        if needed > *len {
            // Before anything is overwritten: on a full disk the old checkpoint stays whole.
            let wanted = (needed + needed / 2).next_multiple_of(PAGE as u64);
            let grown = sys::preallocate(file, wanted).inspect_err(|_| {
                let _ = sys::set_len(file, *len);
            });
            grown.map_err(fail("make room for a checkpoint"))?;
            *len = wanted;
        }
        bytes.resize(bytes.len().next_multiple_of(PAGE), 0);
        // The new checkpoint must not be on the disk before what it speaks of.
        sys::barrier(file).map_err(|error| Error::sync("sync what a checkpoint names", &error))?;
        sys::write_at(file, &bytes, 0).map_err(fail("write a checkpoint"))?;
        sys::sync_file(file).map_err(|error| Error::sync("sync a checkpoint", &error))?;
        self.current = turn;
        self.number += 1;
        self.grow_ahead(needed);
        Ok(())
    }

    /// Whether both files are still there.
    pub fn check_files(&self, medium: &Medium) -> Result<()> {
        let mut files = self.files.iter().zip(names::CHECKPOINTS);
        files.try_for_each(|((_, id, len), name)| medium.check_file(name, Some(*id), *len))
    }

    /// Both files get room for a chain half as long again, so that a flush on a full disk does not lack it.
    fn grow_ahead(&mut self, needed: u64) {
        for (file, _, len) in &mut self.files {
            if *len < needed + needed / 2 {
                let wanted = (2 * needed).next_multiple_of(PAGE as u64);
                match sys::preallocate(file, wanted) {
                    Ok(()) => *len = wanted,
                    Err(_) => drop(sys::set_len(file, *len)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::checkpoint::tests::sample;

    fn newest(dir: &Dir) -> (Checkpoint, bool) {
        match read(dir).unwrap() {
            Found::Newest { checkpoint, torn, .. } => (*checkpoint, torn),
            Found::Nothing => panic!("no checkpoint"),
        }
    }

    #[test]
    fn a_torn_checkpoint_leaves_the_one_before_it() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        assert!(matches!(read(&dir).unwrap(), Found::Nothing));
        let mut checkpoints = Checkpoints::create(&dir, sample()).unwrap();
        let first = newest(&dir).0;
        let mut next = sample();
        next.shards[0].entries = 77;
        checkpoints.write(next).unwrap();
        assert_eq!(newest(&dir).0.shards[0].entries, 77);
        assert_eq!(newest(&dir).0.number, first.number + 1);
        let torn = dir.open_file(names::CHECKPOINTS[1], true).unwrap();
        sys::write_at(&torn, b"torn", 100).unwrap();
        assert_eq!(newest(&dir), (first, true));
        let torn = dir.open_file(names::CHECKPOINTS[0], true).unwrap();
        sys::write_at(&torn, b"torn", 100).unwrap();
        assert_eq!(read(&dir).unwrap_err().code(), Code::Corrupt);
    }

    #[test]
    fn checkpoints_take_turns_also_after_an_open() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        Checkpoints::create(&dir, sample()).unwrap();
        for expected in [1usize, 0, 1] {
            let Found::Newest { checkpoint, which, same, .. } = read(&dir).unwrap() else { panic!() };
            assert!(same);
            assert_eq!(1 - which, expected);
            Checkpoints::open(&dir, which, checkpoint.number).unwrap().write(*checkpoint).unwrap();
        }
    }
}
