//! A copy of the map as it is at one moment, made while others write.

use super::Map;
use super::instance::{Instance, run_all};
use crate::control::Control;
use crate::durability::checkpoints::Checkpoints;
use crate::layout::checkpoint::Checkpoint;
use crate::layout::extent::VALUE_AT;
use crate::layout::file;
use crate::layout::names::{self, Name};
use crate::layout::segment::FIRST_RECORD;
use crate::log::Segment;
use crate::shard::{Frozen, Shard, Snapshot};
use crate::sys::{self, Dir};
use crate::{Code, Error, Result};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

/// So much is copied, and so many files are synced, between two looks at whether to go on.
const PART: u64 = 4 << 20;
const SYNCS: usize = 64;

/// How far a backup is, in bytes of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupProgress {
    /// Copied; not all of it is durable yet.
    pub bytes: u64,
    pub total_bytes: u64,
}

type Watch<'a> = &'a mut dyn FnMut(BackupProgress) -> Result<()>;

impl Map {
    /// Copies the map to a directory that does not exist yet, under a parent that does.
    ///
    /// The copy is what the map held at one moment after the call, in all shards the same: every change that had returned
    /// when the call was made is in it, and none that began after it returned. Writers wait for that moment, some
    /// microseconds, and not for the copying. Where the file system can, the files share their blocks (reflinks).
    ///
    /// When this returns the copy is durable. It is complete before it gets its name: what a killed process leaves has
    /// another, `NAME.partial-…`, and no checkpoint, so that it does not open. After an error nothing is left. Directory and
    /// files are for their owner alone, whatever the map's are. Bytes are copied and not verified: the first open of the copy
    /// verifies all of them, as it does for any copied map, and makes the index from the log.
    ///
    /// Runs in the calling thread. `watch` is called every few MiB; an error that it returns calls the backup off, and is
    /// returned.
    ///
    /// # Errors
    /// `ERR_INVALID_ARGUMENT` if there is something at `target`, or if it is inside the map; `ERR_NOT_FOUND` without a
    /// parent; `ERR_NO_SPACE`, `ERR_IO`, `ERR_FILE_GONE`, `ERR_CORRUPT` (a file of the map is missing), `ERR_POISONED`;
    /// `ERR_CLOSED` when this handle is closed.
    pub fn backup(&self, target: impl AsRef<Path>, mut watch: impl FnMut(BackupProgress) -> Result<()>) -> Result<()> {
        let instance = self.instance()?;
        instance.check_files()?;
        let target = Target::make(target.as_ref(), instance)?;
        let mut watch = |progress| {
            self.instance()?;
            watch(progress)
        };
        let checkpoint = Copying::start(instance, &target.dir)?.run(&mut watch)?;
        Checkpoints::create(&target.dir, checkpoint)?;
        target.finish()
    }
}

impl Map {
    /// The same, watched and called off by `control`.
    ///
    /// # Errors
    /// As [`backup`](Map::backup); `ERR_CLOSED` also when it was called off.
    pub fn backup_with(&self, target: impl AsRef<Path>, control: &Control) -> Result<()> {
        self.backup(target, |progress| control.stand_at(progress.bytes, progress.total_bytes))
    }
}

/// Where the copy grows, under a name of its own until it is whole.
struct Target<'a> {
    path: &'a Path,
    parent: Dir,
    dir: Dir,
    partial: OsString,
    name: &'a OsStr,
    finished: bool,
}

impl<'a> Target<'a> {
    fn make(path: &'a Path, instance: &Instance) -> Result<Target<'a>> {
        let shown = path.display();
        let refuse = |code, message: String| Err(Error::new(code, message));
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return refuse(Code::InvalidArgument, format!("{shown} names no new directory. Choose another path."));
        };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let failed = |error: io::Error| Error::os(format_args!("make the directory {shown}"), &error);
        let parent = match Dir::open(parent) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return refuse(
                    Code::NotFound,
                    format!("The parent directory of {shown} does not exist. Create it first."),
                );
            }
            opened => opened.map_err(failed)?,
        };
        if parent.has(name).map_err(failed)? {
            return Err(taken(path));
        }
        if parent.id().map_err(failed)? == instance.medium.dir.id().map_err(failed)? {
            return refuse(
                Code::InvalidArgument,
                format!("{shown} is inside the map. A backup needs a directory elsewhere; choose another path."),
            );
        }
        let mut partial = name.to_os_string();
        partial.push(format!(".partial-{:016x}", u64::from_le_bytes(sys::random()?)));
        let dir = parent.create_dir(&partial).map_err(failed)?;
        Ok(Target { path, parent, dir, partial, name, finished: false })
    }

    /// The copy is whole and durable: it gets its name.
    fn finish(mut self) -> Result<()> {
        let renamed = self.parent.rename_new(&self.partial, self.name);
        renamed.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => taken(self.path),
            _ => Error::os(format_args!("name the backup {}", self.path.display()), &error),
        })?;
        self.partial = self.name.to_os_string();
        let synced = self.parent.sync();
        synced
            .map_err(|error| Error::os(format_args!("sync the parent directory of {}", self.path.display()), &error))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // All that is in it was made here: it has a name that was drawn by lot.
        for name in self.dir.list().unwrap_or_default() {
            let _ = self.dir.unlink(&name);
        }
        let _ = self.parent.remove_dir(&self.partial);
    }
}

fn taken(path: &Path) -> Error {
    let shown = path.display();
    Error::new(
        Code::InvalidArgument,
        format!("There is something at {shown} already. A backup makes a directory of its own; choose another path."),
    )
}

/// One moment of all shards, and how much of it is copied.
struct Copying<'a> {
    instance: &'a Instance,
    to: &'a Dir,
    snapshots: Vec<Snapshot<'a>>,
    extents: Vec<Extent>,
    progress: BackupProgress,
    /// The files that were made.
    made: Vec<String>,
}

/// An extent's file.
struct Extent {
    shard: usize,
    name: String,
    len: u64,
}

impl<'a> Copying<'a> {
    fn start(instance: &'a Instance, to: &'a Dir) -> Result<Copying<'a>> {
        let snapshots = snapshots(&instance.shards)?;
        let extents = extents(instance, &snapshots)?;
        let segments = snapshots.iter().flat_map(|snapshot| &snapshot.state.chain).map(|link| link.end);
        let total_bytes = segments.chain(extents.iter().map(|extent| extent.len)).fold(0, u64::saturating_add);
        let progress = BackupProgress { bytes: 0, total_bytes };
        Ok(Copying { instance, to, snapshots, extents, progress, made: Vec::new() })
    }

    /// Copies and syncs everything but the checkpoint, which it returns.
    fn run(mut self, watch: Watch<'_>) -> Result<Checkpoint> {
        watch(self.progress)?;
        for number in 0..self.snapshots.len() {
            let ends: Vec<u64> = self.snapshots[number].state.chain.iter().map(|link| link.end).collect();
            // Each share is given up once its segment is copied.
            for (segment, end) in std::mem::take(&mut self.snapshots[number].segments).into_iter().zip(ends) {
                self.copy_segment(number as u32, &segment, end, watch)?;
            }
        }
        self.copy_extents(watch)?;
        let shards = std::mem::take(&mut self.snapshots).into_iter().map(|snapshot| snapshot.state.clone()).collect();
        let to = self.to;
        for names in self.made.chunks(SYNCS) {
            watch(self.progress)?;
            let mut syncs: Vec<Box<dyn FnOnce() -> Result<()> + Send + '_>> = Vec::with_capacity(names.len());
            for name in names {
                let sync =
                    move || to.open_file(name, false).and_then(|file| sys::sync_file(&file)).map_err(failed(name));
                syncs.push(Box::new(sync));
            }
            run_all(syncs)?;
        }
        watch(self.progress)?;
        // Without a boot id nobody looks for an index, and there is none.
        Ok(Checkpoint { number: 1, clean: false, boot: [0; 16], mount: 0, shards, ..self.instance.template().clone() })
    }

    fn copy_segment(&mut self, shard: u32, segment: &Segment, end: u64, watch: Watch<'_>) -> Result<()> {
        let name = names::segment(shard, segment.id);
        if self.instance.medium.writable {
            let from = self.instance.medium.dir.open_file(&name, false).map_err(failed(&name))?;
            return self.copy_file(&name, &from, end, segment.size(), watch);
        }
        // A map that writes no file has repaired in memory what was to be repaired, and may have segments only there.
        let to = self.create(&name)?;
        let mut header = [0; file::HEADER];
        for (at, word) in header.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&segment.log.header(at * 8).load(Ordering::Acquire).to_le_bytes());
        }
        sys::write_at(&to, &header, 0).map_err(failed(&name))?;
        self.progress.bytes += FIRST_RECORD as u64;
        let mut at = FIRST_RECORD as u64;
        while at < end {
            let len = PART.min(end - at);
            let Some(bytes) = segment.log.bytes(at as usize, len as usize) else {
                return Err(segment.damage(at as usize));
            };
            sys::write_at(&to, bytes, at).map_err(failed(&name))?;
            at += len;
            self.progress.bytes += len;
            watch(self.progress)?;
        }
        to.set_len(segment.size()).map_err(failed(&name))
    }

    fn copy_extents(&mut self, watch: Watch<'_>) -> Result<()> {
        let mut found = vec![0; self.snapshots.len()];
        for Extent { shard, name, len } in std::mem::take(&mut self.extents) {
            match self.instance.medium.dir.open_file(&name, false) {
                Ok(from) => self.copy_file(&name, &from, len, len, watch)?,
                // Its put did not come to be.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.progress.total_bytes = self.progress.total_bytes.saturating_sub(len);
                    continue;
                }
                Err(error) => return Err(failed(&name)(error)),
            }
            found[shard] = u64::saturating_add(found[shard], len.saturating_sub(VALUE_AT as u64));
        }
        for (shard, (snapshot, found)) in self.snapshots.iter().zip(found).enumerate() {
            if found < snapshot.extent_bytes {
                return Err(Error::corrupt(format_args!("extents of shard {shard} are missing")));
            }
        }
        Ok(())
    }

    /// Copies the first `len` bytes to a file of `size` bytes. Behind them others may be writing what came after the moment.
    fn copy_file(&mut self, name: &str, from: &File, len: u64, size: u64, watch: Watch<'_>) -> Result<()> {
        let (to, shared) = self.to.create_clone(name, from).map_err(failed(name))?;
        self.made.push(name.to_owned());
        if shared {
            to.set_len(len).map_err(failed(name))?;
            self.progress.bytes += len;
        } else {
            let mut rest = len;
            while rest > 0 {
                let copied = sys::copy_part(from, &to, rest.min(PART)).map_err(failed(name))?;
                if copied == 0 {
                    return Err(Error::corrupt(format_args!("{name} is cut off")));
                }
                rest -= copied;
                self.progress.bytes += copied;
                watch(self.progress)?;
            }
        }
        to.set_len(size).map_err(failed(name))?;
        watch(self.progress)
    }

    /// Blocks are allocated as they are written: nothing is ever appended to a segment of a copy.
    fn create(&mut self, name: &str) -> Result<File> {
        let made = self.to.create_file(name, 0).map_err(failed(name))?;
        self.made.push(name.to_owned());
        Ok(made)
    }
}

fn failed(name: &str) -> impl Fn(io::Error) -> Error + '_ {
    move |error| match error.kind() {
        io::ErrorKind::NotFound => Error::corrupt(format_args!("{name} is missing")),
        _ => Error::os(format_args!("copy {name}"), &error),
    }
}

/// All shards at one moment: for as long as it takes to count their segments nobody writes.
fn snapshots(shards: &[Shard]) -> Result<Vec<Snapshot<'_>>> {
    shards.iter().for_each(Shard::map_chain);
    // In the order in which a clear locks them.
    let frozen = shards.iter().map(Shard::freeze).collect::<Result<Vec<_>>>()?;
    frozen.iter().map(Frozen::snapshot).collect()
}

fn extents(instance: &Instance, snapshots: &[Snapshot<'_>]) -> Result<Vec<Extent>> {
    let dir = &instance.medium.dir;
    let mut extents = Vec::new();
    for name in dir.list().map_err(|error| Error::os("list the map's directory", &error))? {
        let Some(Name::Extent { shard, id }) = names::parse(&name) else { continue };
        let shard = shard as usize;
        if snapshots.get(shard).is_some_and(|snapshot| snapshot.has_extent(id)) {
            // One that has gone meanwhile is met again when it is to be copied.
            let len = dir.file_len(&name).unwrap_or(0);
            extents.push(Extent { shard, name, len });
        }
    }
    Ok(extents)
}
