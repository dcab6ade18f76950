//! Opening what is there: trust the index, or make it anew from the log.

use super::checkpoints::Checkpoints;
use crate::layout::checkpoint::Checkpoint;
use crate::layout::file::Kind;
use crate::layout::names::{self, Name};
use crate::layout::segment::SegmentId;
use crate::layout::{MAX_SHARDS, PAGE, head};
use crate::medium::Medium;
use crate::mem::Region;
use crate::shard::{Shard, Share};
use crate::sys::{self, Dir, FileId};
use crate::{Code, Error, Result};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a map came to be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It was made.
    Created,
    /// It was closed cleanly before.
    Clean,
    /// Its process died and the system did not: the index was trusted after at most one fix-up a shard.
    Killed,
    /// The machine died, the files were copied, or `recovery: 'full'` was asked for: the index was made from the log.
    Rebuilt,
}

impl Reason {
    /// The name that `stats()` shows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Created => "created",
            Reason::Clean => "clean",
            Reason::Killed => "killed",
            Reason::Rebuilt => "rebuilt",
        }
    }
}

/// What an open did.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Recovery {
    pub reason: Reason,
    /// Records read to make the index; 0 unless it was made.
    pub records: u64,
    pub time: Duration,
}

/// What an open is to go by.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub writable: bool,
    pub full: bool,
    /// Damage of the log does not keep the map from opening.
    pub quarantine: bool,
    /// A test hook: copied files are taken for the originals.
    pub same_files: bool,
    pub boot: [u8; 16],
}

/// An opened map's parts.
pub(crate) struct Opened {
    pub medium: Arc<Medium>,
    pub shards: Vec<Shard>,
    pub checkpoints: Option<Checkpoints>,
    pub checkpoint: Checkpoint,
    pub recovery: Recovery,
}

/// A new map's first files; nothing of a shard is made before it is written.
pub(crate) fn create(dir: Dir, mut checkpoint: Checkpoint, terms: &Terms) -> Result<Opened> {
    let started = Instant::now();
    checkpoint.boot = terms.boot;
    checkpoint.mount = dir.mount_id();
    let medium = fresh_medium(dir, &checkpoint, terms)?;
    let sync = |error: std::io::Error| Error::os("sync the map's first files", &error);
    medium.head.sync(0, head::LEN).map_err(sync)?;
    let checkpoints = Checkpoints::create(&medium.dir, checkpoint.clone())?;
    let medium = Arc::new(medium);
    let recovery = Recovery { reason: Reason::Created, records: 0, time: started.elapsed() };
    Ok(Opened { shards: shards(&medium, &checkpoint), medium, checkpoints: Some(checkpoints), checkpoint, recovery })
}

fn shards(medium: &Arc<Medium>, checkpoint: &Checkpoint) -> Vec<Shard> {
    (0..checkpoint.shards.len() as u32).map(|number| Shard::new(Arc::clone(medium), number)).collect()
}

/// A medium over a new `HEAD`, every shard's page in the checkpoint's generation.
fn fresh_medium(dir: Dir, checkpoint: &Checkpoint, terms: &Terms) -> Result<Medium> {
    let blank = Region::anonymous(PAGE).map_err(|error| Error::os("reserve memory", &error))?;
    let mut medium = medium_over(dir, checkpoint, terms, false, blank);
    let region = medium.create(names::HEAD, Kind::Head, 0, 0, head::LEN, 0)?;
    region.store(head::SUM_KEY, checkpoint.keys.sum);
    for shard in 0..MAX_SHARDS {
        region.store(head::shard(shard) + head::GENERATION, u64::from(checkpoint.generation));
    }
    medium.head = region;
    Ok(medium)
}

fn medium_over(dir: Dir, checkpoint: &Checkpoint, terms: &Terms, clean: bool, head: Region) -> Medium {
    let medium = Medium::new(dir, checkpoint, terms.writable, clean, terms.same_files, head);
    medium.spare.find(&medium);
    medium
}

/// Opens a map by its newest checkpoint.
pub(crate) fn open(
    dir: Dir,
    which: usize,
    checkpoint: Checkpoint,
    torn: bool,
    same: bool,
    terms: &Terms,
) -> Result<Opened> {
    let started = Instant::now();
    if !Share::is_possible(checkpoint.capacity, checkpoint.shards.len() as u64, checkpoint.align.into()) {
        return Err(Error::corrupt("the checkpoint names a capacity that no map can have"));
    }
    let same = same || terms.same_files;
    let alive = same
        && terms.boot != [0; 16]
        && checkpoint.boot == terms.boot
        && (checkpoint.mount == dir.mount_id() || terms.same_files);
    let clean = same && checkpoint.clean && !torn;
    let blank = Region::anonymous(head::LEN).map_err(|error| Error::os("reserve memory", &error))?;
    let mut medium = medium_over(dir, &checkpoint, terms, clean, blank);
    let mut checkpoints = match terms.writable {
        true => Some(Checkpoints::open(&medium.dir, which, checkpoint.number)?),
        false => None,
    };
    let mut map_intent = 0;
    let mut trusted = false;
    if let Ok(region) = medium.map(names::HEAD, Kind::Head, 0, 0)
        && region.len() == head::LEN
    {
        map_intent = region.load(head::MAP_INTENT);
        trusted = region.load(head::SUSPECT) == 0 && (alive || clean) && !(clean && map_intent != 0);
        medium.head = region;
    }
    let mut checkpoint = checkpoint;
    if trusted && !terms.full {
        if let Some(checkpoints) = &mut checkpoints {
            // Durable before the first store into any page: from here on the index is trusted only while this system runs.
            checkpoint.clean = false;
            checkpoint.boot = terms.boot;
            checkpoint.mount = medium.dir.mount_id();
            checkpoints.write(checkpoint.clone())?;
        }
        let medium = Arc::new(medium);
        let shards = shards(&medium, &checkpoint);
        match trust(&medium, &shards, &checkpoint, map_intent != 0) {
            Ok(()) => {
                let reason = if clean { Reason::Clean } else { Reason::Killed };
                let recovery = Recovery { reason, records: 0, time: started.elapsed() };
                return Ok(Opened { medium, shards, checkpoints, checkpoint, recovery });
            }
            // What is derived is damaged; the log is asked instead.
            Err(error) if error.is_of_index() => {}
            Err(error) => return Err(error),
        }
        drop(shards);
        if alive && map_intent != 0 {
            finish_clear(&self::shards(&medium, &checkpoint));
        }
        let medium = Arc::try_unwrap(medium).map_err(|_| Error::corrupt("a shard is still held"))?;
        return rebuild(medium, checkpoint, checkpoints, terms, started);
    }
    if alive && map_intent != 0 {
        let medium = Arc::new(medium);
        finish_clear(&shards(&medium, &checkpoint));
        let medium = Arc::try_unwrap(medium).map_err(|_| Error::corrupt("a shard is still held"))?;
        return rebuild(medium, checkpoint, checkpoints, terms, started);
    }
    rebuild(medium, checkpoint, checkpoints, terms, started)
}

/// Before a rebuild of a map whose process died: a clear that was cut in two is finished, so that its records are in every
/// shard's log. A shard where that is not possible is told by the rebuild.
fn finish_clear(shards: &[Shard]) {
    for shard in shards {
        let _ = shard.open(false).and_then(|()| shard.fix_up(true));
    }
}

fn trust(medium: &Medium, shards: &[Shard], checkpoint: &Checkpoint, clearing: bool) -> Result<()> {
    for (shard, state) in shards.iter().zip(&checkpoint.shards) {
        shard.open(!state.chain.is_empty())?;
        if !medium.clean {
            shard.fix_up(clearing)?;
        }
    }
    if !medium.clean {
        medium.head.store(head::MAP_INTENT, 0);
        for shard in shards {
            shard.forget_clear();
        }
    }
    for shard in shards {
        shard.load()?;
        shard.unsum();
    }
    Ok(())
}

/// Reads the log once and makes everything else anew. May be killed at any point and started again: until the caller's
/// first checkpoint of the new generation nothing that the old one names has changed.
fn rebuild(
    medium: Medium,
    mut checkpoint: Checkpoint,
    mut checkpoints: Option<Checkpoints>,
    terms: &Terms,
    started: Instant,
) -> Result<Opened> {
    if let Some(checkpoints) = &mut checkpoints {
        // Without a boot id nothing that is half made here is ever trusted.
        checkpoint.clean = false;
        checkpoint.boot = [0; 16];
        checkpoints.write(checkpoint.clone())?;
    }
    let medium = Arc::new(medium);
    let mut files = Files::list(&medium)?;
    let plans = {
        let old = shards(&medium, &checkpoint);
        each_shard(&old, |number, shard| {
            match shard.plan(&checkpoint.shards[number].chain, &files.successors[number]) {
                // Set aside below.
                Err(error) if terms.quarantine && error.code() == Code::Corrupt => Ok(None),
                plan => plan.map(Some),
            }
        })?
    };
    let kept: Vec<SegmentId> =
        plans.iter().flatten().flat_map(|plan| plan.segments.iter().map(|link| link.id)).collect();
    // Before anything is written: what the chain does not reach must not look like a part of it ever again.
    for (name, parsed) in &files.names {
        let gone = match parsed {
            Name::Segment { shard, id } => !kept.contains(id) && plans.get(*shard as usize).is_none_or(Option::is_some),
            Name::SegmentTable { .. } | Name::Directory { .. } | Name::Index { .. } => true,
            _ => false,
        };
        if gone {
            medium.remove(name);
        }
    }
    let medium = Arc::try_unwrap(medium).map_err(|_| Error::corrupt("a shard is still held"))?;
    if terms.writable {
        medium.dir.sync().map_err(|error| Error::os("sync the map's directory", &error))?;
    }
    checkpoint.generation += 1;
    checkpoint.boot = terms.boot;
    checkpoint.mount = medium.dir.mount_id();
    let medium = Arc::new(fresh_medium(medium.dir, &checkpoint, terms)?);
    let shards = shards(&medium, &checkpoint);
    let mut records = 0;
    for (number, (shard, plan)) in shards.iter().zip(&plans).enumerate() {
        let Some(plan) = plan else {
            shard.set_aside(&checkpoint.shards[number]);
            continue;
        };
        if terms.quarantine {
            shard.tolerate();
        }
        let counters = (files.counters[number].0, files.counters[number].1);
        records += shard.recover(plan, counters.0, counters.1)?.records;
        shard.load()?;
        shard.distrust_extents(files.extents[number].drain(..));
    }
    let recovery = Recovery { reason: Reason::Rebuilt, records, time: started.elapsed() };
    Ok(Opened { medium, shards, checkpoints, checkpoint, recovery })
}

/// Runs `work` for every shard, on two threads: walking a log is reading and summing, which overlap.
fn each_shard<R: Send>(shards: &[Shard], work: impl Fn(usize, &Shard) -> Result<R> + Sync) -> Result<Vec<R>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(shards.len());
    let mut results: Vec<Option<Result<R>>> = (0..shards.len()).map(|_| None).collect();
    {
        let next = parking_lot::Mutex::new(results.iter_mut().zip(shards).enumerate());
        let take = || next.lock().next();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some((number, (result, shard))) = take() {
                        *result = Some(work(number, shard));
                    }
                });
            }
        });
    }
    results.into_iter().map(|result| result.unwrap_or_else(|| Err(Error::corrupt("a shard was not read")))).collect()
}

/// The map's files as a listing shows them.
struct Files {
    names: Vec<(String, Name)>,
    /// By shard: segments by the predecessor that their header names.
    successors: Vec<HashMap<u64, Vec<SegmentId>>>,
    extents: Vec<Vec<SegmentId>>,
    /// By shard: the highest counter of a segment and of an extent, so that none is given twice.
    counters: Vec<(u64, u64)>,
}

impl Files {
    fn list(medium: &Medium) -> Result<Files> {
        let count = 1usize << medium.shard_bits;
        let mut files = Files {
            names: Vec::new(),
            successors: vec![HashMap::new(); count],
            extents: vec![Vec::new(); count],
            counters: vec![(0, 0); count],
        };
        let names = medium.dir.list().map_err(|error| Error::os("list the map's directory", &error))?;
        for name in names {
            let Some(parsed) = names::parse(&name) else { continue };
            match parsed {
                Name::Segment { shard, id } if (shard as usize) < count => {
                    let counter = &mut files.counters[shard as usize].0;
                    *counter = (*counter).max(id.counter().into());
                    if let Ok((_, header, _)) = medium.map_any(&name, Kind::Segment)
                        && header.id == id.0
                        && header.shard == shard
                    {
                        files.successors[shard as usize].entry(header.predecessor).or_default().push(id);
                    }
                }
                Name::Extent { shard, id } if (shard as usize) < count => {
                    let counter = &mut files.counters[shard as usize].1;
                    *counter = (*counter).max(id.counter().into());
                    files.extents[shard as usize].push(id);
                }
                _ => {}
            }
            files.names.push((name, parsed));
        }
        Ok(files)
    }
}

/// The extents in the directory, for an unclean open that trusts the index: any of them may not be durable.
pub(crate) fn distrust_extents(medium: &Medium, shards: &[Shard]) -> Result<()> {
    let names = medium.dir.list().map_err(|error| Error::os("list the map's directory", &error))?;
    for name in names {
        if let Some(Name::Extent { shard, id }) = names::parse(&name)
            && let Some(shard) = shards.get(shard as usize)
        {
            shard.distrust_extents(std::iter::once(id));
        }
    }
    Ok(())
}

/// Deletes our files that nothing names: left by a process that died. Ids are never reused, so it may be killed too.
pub(crate) fn remove_orphans(medium: &Medium, shards: &[Shard]) {
    let Ok(names) = medium.dir.list() else { return };
    for name in names {
        let Some(parsed) = names::parse(&name) else { continue };
        let shard = match parsed {
            Name::Segment { shard, .. }
            | Name::Extent { shard, .. }
            | Name::SegmentTable { shard, .. }
            | Name::Directory { shard, .. }
            | Name::Index { shard, .. } => shards.get(shard as usize),
            _ => continue,
        };
        match (shard, parsed) {
            (None, _) => medium.remove(&name),
            (Some(shard), parsed) => shard.remove_orphan(&name, parsed),
        }
    }
}

/// The identity of the file that `HEAD` names now; it changes when somebody deletes or replaces it.
pub(crate) fn head_id(dir: &Dir) -> std::io::Result<FileId> {
    dir.file_id_of(names::HEAD)
}

pub(crate) fn boot_id(overridden: Option<[u8; 16]>) -> [u8; 16] {
    overridden.unwrap_or_else(sys::boot_id)
}
