//! Opening what is there: trust the index, or make it anew from the log.

use super::checkpoints::Checkpoints;
use super::report::{Passes, Reason, Recovery, ShardRecovery};
use crate::control::Control;
use crate::layout::checkpoint::{Checkpoint, Link};
use crate::layout::file::Kind;
use crate::layout::names::{self, Name};
use crate::layout::segment::SegmentId;
use crate::layout::{MAX_SHARDS, PAGE, head};
use crate::medium::{Medium, Page};
use crate::mem::{READERS, Region};
use crate::parallel::{self, cores};
use crate::rules::{Rule, holds};
use crate::shard::{Shard, Share};
use crate::sys::{self, Dir, FileId};
use crate::{Code, Error, Result};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// What an open is to go by.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub writable: bool,
    pub full: bool,
    /// Damage of the log does not keep the map from opening.
    pub quarantine: bool,
    /// A test hook: copied files are taken for the originals.
    pub same_files: bool,
    /// Files that held records are overwritten before they are deleted.
    pub secure: bool,
    pub boot: [u8; 16],
    /// Watches a rebuild, and calls the open off.
    pub control: Arc<Control>,
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
    let sync = |error: std::io::Error| Error::sync("sync the map's first files", &error);
    medium.head.sync(0, head::LEN).map_err(sync)?;
    let checkpoints = Checkpoints::create(&medium.dir, checkpoint.clone())?;
    let medium = Arc::new(medium);
    let untouched = vec![ShardRecovery::default(); checkpoint.shards.len()];
    let recovery = Recovery::new(Reason::Created, untouched, started.elapsed());
    Ok(Opened { shards: shards(&medium, &checkpoint), medium, checkpoints: Some(checkpoints), checkpoint, recovery })
}

fn shards(medium: &Arc<Medium>, checkpoint: &Checkpoint) -> Vec<Shard> {
    (0..checkpoint.shards.len() as u32).map(|number| Shard::new(Arc::clone(medium), number)).collect()
}

/// A medium over a new `HEAD`, every shard's page in the checkpoint's generation.
fn fresh_medium(dir: Dir, checkpoint: &Checkpoint, terms: &Terms) -> Result<Medium> {
    let blank = Region::anonymous(PAGE).map_err(|error| Error::os("reserve memory", &error))?;
    let mut medium = medium_over(dir, checkpoint, terms, false, blank)?;
    let region = medium.create(names::HEAD, Kind::Head, 0, 0, head::LEN)?;
    region.store(head::SUM_KEY, checkpoint.keys.sum);
    for shard in 0..MAX_SHARDS {
        region.store(head::shard(shard) + head::GENERATION, u64::from(checkpoint.generation));
    }
    medium.head = region;
    Ok(medium)
}

fn medium_over(dir: Dir, checkpoint: &Checkpoint, terms: &Terms, clean: bool, head: Region) -> Result<Medium> {
    let mut medium = Medium::new(dir, checkpoint, terms.writable, clean, terms.same_files, head);
    medium.secure = terms.secure;
    medium.spare.find(&medium)?;
    Ok(medium)
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
    let mut medium = medium_over(dir, &checkpoint, terms, clean, blank)?;
    let mut checkpoints = match terms.writable {
        true => Some(Checkpoints::open(&medium.dir, which, checkpoint.number)?),
        false => None,
    };
    let mut map_intent = 0;
    let mut trusted = false;
    let found = match medium.map(names::HEAD, Kind::Head, 0, 0) {
        Ok(region) => Some(region),
        Err(error) if error.code() == Code::Corrupt => None,
        Err(error) => return Err(error),
    };
    if let Some(region) = found.filter(|region| region.len() == head::LEN) {
        map_intent = region.load(head::MAP_INTENT);
        // A killed process that had not come to its first store yet, or a damaged checkpoint: what the clean close summed is
        // compared all the same.
        medium.clean = clean || alive && is_summed(&region, checkpoint.shards.len() as u32);
        trusted = region.load(head::SUSPECT) == 0 && (alive || clean) && !(medium.clean && map_intent != 0);
        medium.head = region;
    }
    // Where nothing is written the record that finishes a clear is in no file: the walk is told of it.
    let clears = match alive && map_intent != 0 && !terms.writable && holds(Rule::TellClears) {
        true => (0..checkpoint.shards.len() as u32).map(|shard| Page::new(&medium, shard).intended_clear()).collect(),
        false => vec![0; checkpoint.shards.len()],
    };
    let mut checkpoint = checkpoint;
    let medium = if trusted && !terms.full {
        let medium = Arc::new(medium);
        let shards = shards(&medium, &checkpoint);
        // Durable before the first store into any page: from here on the index is trusted only while this system runs.
        let dirty = Checkpoint { clean: false, boot: terms.boot, mount: medium.dir.mount_id(), ..checkpoint.clone() };
        let marks = terms.writable && holds(Rule::DirtyFirst);
        let before_stores = || match &mut checkpoints {
            Some(checkpoints) if marks => checkpoints.write(dirty.clone()),
            _ => Ok(()),
        };
        match trust(&medium, &shards, &checkpoint, map_intent != 0, before_stores) {
            Ok(undone) => {
                if marks {
                    checkpoint = dirty;
                }
                let reason = if medium.clean { Reason::Clean } else { Reason::Killed };
                let recovery = Recovery::new(reason, undone, started.elapsed());
                return Ok(Opened { medium, shards, checkpoints, checkpoint, recovery });
            }
            // What is derived is damaged; the log is asked instead.
            Err(error) if error.is_of_index() || error.code() == Code::FileGone => {}
            Err(error) => return Err(error),
        }
        medium
    } else {
        Arc::new(medium)
    };
    if alive && map_intent != 0 {
        finish_clear(&shards(&medium, &checkpoint), &checkpoint);
    }
    rebuild(medium, checkpoint, checkpoints, terms, started, &clears)
}

/// Whether the pages of all shards have their sums: the first to be void once a clean close is over, the last that it makes.
fn is_summed(region: &Region, shards: u32) -> bool {
    (0..shards).all(|shard| region.load(head::shard(shard) + head::SUM) != 0)
}

/// Before a rebuild of a map whose process died: a clear that was cut in two is finished, so that its records are in every
/// shard's log. A shard where that is not possible is told by the rebuild.
fn finish_clear(shards: &[Shard], checkpoint: &Checkpoint) {
    for shard in shards {
        let _ = shard.open(checkpoint).and_then(|()| shard.fix_up(true));
    }
}

/// Opens what is there as it is. After a clean close all that has a sum is compared before anything is stored: a map that is
/// damaged, and refused because its log is too, must be found so by the next open.
fn trust(
    medium: &Medium,
    shards: &[Shard],
    checkpoint: &Checkpoint,
    clearing: bool,
    mut before_stores: impl FnMut() -> Result<()>,
) -> Result<Vec<ShardRecovery>> {
    let mut undone = vec![ShardRecovery::default(); shards.len()];
    if !medium.clean {
        before_stores()?;
    }
    for (shard, undone) in shards.iter().zip(&mut undone) {
        shard.open(checkpoint)?;
        if !medium.clean {
            undone.dropped = shard.fix_up(clearing)?;
        }
    }
    if !medium.clean {
        medium.head.store(head::MAP_INTENT, 0);
        for shard in shards {
            shard.forget_clear();
        }
    }
    shards.iter().try_for_each(Shard::load)?;
    if medium.clean {
        before_stores()?;
    }
    shards.iter().for_each(Shard::unsum);
    // What a fix-up has made of a page that could not be read is not to be trusted by anybody.
    shards.iter().try_for_each(Shard::check_pages)?;
    Ok(undone)
}

/// Reads the log once and makes everything else anew. May be killed at any point and started again: until the caller's
/// first checkpoint of the new generation nothing that the old one names has changed.
fn rebuild(
    medium: Arc<Medium>,
    mut checkpoint: Checkpoint,
    mut checkpoints: Option<Checkpoints>,
    terms: &Terms,
    started: Instant,
    clears: &[u64],
) -> Result<Opened> {
    let faults = READERS.faults();
    let mut files = Files::list(&medium)?;
    let paths: Vec<Vec<SegmentId>> =
        checkpoint.shards.iter().zip(&files.successors).map(|(state, known)| path(&state.chain, known)).collect();
    let progress = Passes::new(&terms.control);
    progress.begin(files.log_bytes)?;
    let written =
        checkpoint.shards.iter().zip(&paths).filter(|(state, path)| !state.chain.is_empty() || !path.is_empty());
    // A shard each, and where there are more cores than shards several on each shard.
    let outer = cores().min(written.count()).max(1);
    let inner = cores() / outer;
    // All of the log is read before anything is changed: where it is damaged everything stays as it was found.
    let plans = {
        let old = shards(&medium, &checkpoint);
        let plans = parallel::map(outer, &old, |number, shard| {
            let state = &checkpoint.shards[number];
            match shard.plan(state, &paths[number], clears[number], inner, &progress) {
                // Set aside below.
                Err(error) if terms.quarantine && error.code() == Code::Corrupt => Ok(None),
                plan => plan.map(Some),
            }
        });
        plans.into_iter().collect::<Result<Vec<_>>>()?
    };
    check_pages(faults)?;
    let medium = Arc::try_unwrap(medium).map_err(|_| Error::corrupt("a shard is still held"))?;
    if let Some(checkpoints) = &mut checkpoints {
        // Without a boot id nothing that is half made here is ever trusted.
        checkpoint.clean = false;
        checkpoint.boot = if holds(Rule::VoidRebuild) { [0; 16] } else { terms.boot };
        checkpoints.write(checkpoint.clone())?;
    }
    // By shard: ids count in each from 1. `None`: all are, for the shard is set aside.
    let kept: Vec<Option<HashSet<SegmentId>>> =
        plans.iter().map(|plan| plan.as_ref().map(|plan| plan.segments.iter().map(|link| link.id).collect())).collect();
    // Before anything is written: what the chain does not reach must not look like a part of it ever again.
    for (name, parsed) in &files.names {
        let gone = match parsed {
            Name::Segment { shard, id } => {
                !kept.get(*shard as usize).is_some_and(|ids| ids.as_ref().is_none_or(|ids| ids.contains(id)))
            }
            Name::SegmentTable { .. } | Name::Directory { .. } | Name::Index { .. } => true,
            _ => false,
        };
        if gone {
            medium.remove(name);
        }
    }
    sync_names(&medium)?;
    checkpoint.generation += 1;
    checkpoint.boot = terms.boot;
    checkpoint.mount = medium.dir.mount_id();
    // The old `HEAD` is unmapped first: a file that is mapped cannot be deleted everywhere.
    let Medium { dir, .. } = { medium };
    let medium = Arc::new(fresh_medium(dir, &checkpoint, terms)?);
    let shards = shards(&medium, &checkpoint);
    let plans: Vec<_> = plans.into_iter().map(Mutex::new).collect();
    let restored = parallel::map(outer, &shards, |number, shard| {
        let Some(plan) = plans[number].lock().take() else {
            shard.set_aside(&checkpoint.shards[number])?;
            return Ok(ShardRecovery::default());
        };
        if terms.quarantine {
            shard.tolerate();
        }
        let (segments, extents) = files.counters[number];
        let restored = shard.recover(plan, segments, extents, inner, &progress)?;
        shard.load()?;
        Ok(restored)
    });
    let restored = restored.into_iter().collect::<Result<Vec<_>>>()?;
    for ((shard, extents), kept) in shards.iter().zip(&mut files.extents).zip(&kept) {
        if kept.is_some() {
            shard.distrust_extents(extents.drain(..));
        }
    }
    check_pages(faults)?;
    progress.finish()?;
    let recovery = Recovery::new(Reason::Rebuilt, restored, started.elapsed());
    Ok(Opened { medium, shards, checkpoints, checkpoint, recovery })
}

/// A page that the device did not give has read as zeros: that is no end of a log, and nothing may be decided by it.
fn check_pages(faults: u64) -> Result<()> {
    if READERS.faults() == faults {
        return Ok(());
    }
    Err(Error::new(
        Code::Io,
        "A file of the map could not be read to its end. Check the device, and open the map again.",
    ))
}

fn sync_names(medium: &Medium) -> Result<()> {
    match medium.writable {
        true => medium.dir.sync().map_err(|error| Error::sync("sync the map's directory", &error)),
        false => Ok(()),
    }
}

/// The segments that may follow the checkpoint's chain, each naming the one before it. Which of them do is for their
/// records to say.
fn path(chain: &[Link], successors: &HashMap<u64, Vec<SegmentId>>) -> Vec<SegmentId> {
    let mut seen: HashSet<SegmentId> = chain.iter().map(|link| link.id).collect();
    let mut last = chain.last().map_or(0, |link| link.id.0);
    let mut path = Vec::new();
    while let Some(id) = successors.get(&last).and_then(|ids| ids.iter().filter(|id| !seen.contains(id)).max()).copied()
    {
        seen.insert(id);
        path.push(id);
        last = id.0;
    }
    path
}

/// The map's files as a listing shows them.
struct Files {
    names: Vec<(String, Name)>,
    /// By shard: segments by the predecessor that their header names.
    successors: Vec<HashMap<u64, Vec<SegmentId>>>,
    extents: Vec<Vec<SegmentId>>,
    /// By shard: the highest counter of a segment and of an extent, so that none is given twice.
    counters: Vec<(u64, u64)>,
    /// Of all segments.
    log_bytes: u64,
}

impl Files {
    fn list(medium: &Medium) -> Result<Files> {
        let count = 1usize << medium.shard_bits;
        let mut files = Files {
            names: Vec::new(),
            successors: vec![HashMap::new(); count],
            extents: vec![Vec::new(); count],
            counters: vec![(0, 0); count],
            log_bytes: 0,
        };
        let names = medium.dir.list().map_err(|error| Error::os("list the map's directory", &error))?;
        for name in names {
            let Some(parsed) = names::parse(&name) else { continue };
            match parsed {
                Name::Segment { shard, id } if (shard as usize) < count => {
                    let counter = &mut files.counters[shard as usize].0;
                    *counter = (*counter).max(id.counter().into());
                    match medium.open(&name, Kind::Segment) {
                        Ok((_, header, _)) if header.id == id.0 && header.shard == shard => {
                            files.log_bytes += header.length;
                            files.successors[shard as usize].entry(header.predecessor).or_default().push(id);
                        }
                        // One that is only not readable now must not be taken for one that is not there.
                        Err(error) if error.code() != Code::Corrupt && holds(Rule::ErrorIsNoDamage) => {
                            return Err(error);
                        }
                        _ => {}
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
/// A backup has none before it is opened for writing.
pub(crate) fn head_id(dir: &Dir) -> std::io::Result<FileId> {
    match dir.file_id_of(names::HEAD) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(FileId::default()),
        id => id,
    }
}

pub(crate) fn boot_id(overridden: Option<[u8; 16]>) -> [u8; 16] {
    overridden.unwrap_or_else(sys::boot_id)
}
