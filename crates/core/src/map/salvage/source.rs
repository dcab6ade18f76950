//! The map that is salvaged, as far as it can still be read. Nothing of it is written, or mapped: a block that the disk
//! cannot read is an error of one read and not a signal.

use crate::durability::checkpoints::{self, Found};
use crate::layout::checkpoint::{Checkpoint, Codec, ShardState};
use crate::layout::file::{HEADER, Header, Kind};
use crate::layout::hash::Keys;
use crate::layout::names::{self, Name};
use crate::layout::record::HEADER as RECORD_HEADER;
use crate::layout::segment::{FIRST_RECORD, SegmentId};
use crate::layout::{MAX_SHARDS, PAGE, checkpoint, get_u64, head};
use crate::log::Segment;
use crate::medium::Medium;
use crate::mem::{LogRegion, Region};
use crate::sys::{self, Dir, Lock};
use crate::{Code, Error, Result};
use std::cmp::Reverse;
use std::path::Path;

/// A segment is read in parts of this size; of a part that the disk cannot read, page by page.
const PART: usize = 1 << 20;
/// No file of the log is longer: not the longest segment that a capacity asks for.
const MAX_FILE: u64 = 2 << 30;

/// What is left of a map.
pub(super) struct Source {
    pub medium: Medium,
    /// The codecs, if a checkpoint verifies.
    pub codecs: Option<(Codec, Codec)>,
    /// The segments in the directory, by shard, oldest first.
    pub segments: Vec<Vec<SegmentId>>,
    /// The chains of the checkpoint, if one verifies.
    pub chains: Option<Vec<ShardState>>,
    /// Bytes of all segments and extents.
    pub bytes: u64,
}

impl Source {
    pub fn open(path: &Path) -> Result<Source> {
        let shown = path.display();
        let dir = Dir::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::new(Code::NotFound, format!("There is no directory {shown}. Check the path."))
            }
            std::io::ErrorKind::NotADirectory => {
                Error::new(Code::NotAMap, format!("{shown} is not a directory, so it holds no map. Check the path."))
            }
            _ => Error::os(format_args!("open {shown}"), &error),
        })?;
        if !dir.lock(Lock::Shared).map_err(|error| Error::os(format_args!("lock {shown}"), &error))? {
            return Err(Error::new(
                Code::Locked,
                format!("{shown} is open for writing, here or in another process. Close it there first."),
            ));
        }
        let (mut bytes, mut segments) = (0, vec![Vec::new(); MAX_SHARDS as usize]);
        for name in dir.list().map_err(|error| Error::os(format_args!("list {shown}"), &error))? {
            match names::parse(&name) {
                Some(Name::Segment { shard, id }) if shard < MAX_SHARDS => segments[shard as usize].push(id),
                Some(Name::Extent { .. }) => {}
                _ => continue,
            }
            bytes = u64::saturating_add(bytes, dir.file_len(&name).unwrap_or(0));
        }
        segments.iter_mut().for_each(|ids| ids.sort_unstable());
        let checkpoint = match checkpoints::read(&dir) {
            Ok(Found::Newest { checkpoint, .. }) => Some(*checkpoint),
            Err(error) if error.code() == Code::Version => return Err(error),
            _ => None,
        };
        if let Some(checkpoint) = checkpoint {
            segments.truncate(checkpoint.shards.len());
            let codecs = (checkpoint.key_codec.clone(), checkpoint.value_codec.clone());
            let medium = medium(dir, &checkpoint)?;
            return Ok(Source { medium, codecs: Some(codecs), segments, chains: Some(checkpoint.shards), bytes });
        }
        let last = segments.iter().rposition(|ids| !ids.is_empty());
        let Some(last) = last else {
            return Err(Error::new(
                Code::NotAMap,
                format!("{shown} holds neither a checkpoint nor a segment of a map. Check the path."),
            ));
        };
        segments.truncate((last + 1).next_power_of_two());
        let (keys, align) = guess(&dir, &segments)?;
        let checkpoint = Checkpoint {
            number: 0,
            features: 0,
            generation: 0,
            clean: false,
            align,
            boot: [0; 16],
            file: sys::FileId::default(),
            mount: 0,
            keys,
            capacity: Default::default(),
            key_codec: Codec::default(),
            value_codec: Codec::default(),
            shards: vec![ShardState::default(); segments.len()],
        };
        Ok(Source { medium: medium(dir, &checkpoint)?, codecs: None, segments, chains: None, bytes })
    }

    /// A segment as it lies, whatever its header says: its records are sealed to the id in its name.
    pub fn segment(&self, shard: u32, id: SegmentId) -> Option<Segment> {
        read_segment(&self.medium.dir, shard, id)
    }

    /// Whether the header of a segment's file says what its name does.
    pub fn header_verifies(&self, shard: u32, id: SegmentId) -> bool {
        read_header(&self.medium.dir, shard, id).is_some_and(|bytes| {
            Header::decode(&bytes, Kind::Segment, &self.medium.keys)
                .is_some_and(|header| header.shard == shard && header.id == id.0)
        })
    }
}

fn medium(dir: Dir, checkpoint: &Checkpoint) -> Result<Medium> {
    let blank = Region::anonymous(PAGE).map_err(|error| Error::os("reserve memory", &error))?;
    Ok(Medium::new(dir, checkpoint, false, false, true, blank))
}

fn read_segment(dir: &Dir, shard: u32, id: SegmentId) -> Option<Segment> {
    let file = dir.open_file(&names::segment(shard, id), false).ok()?;
    let len = file.metadata().ok()?.len();
    if !(FIRST_RECORD as u64 + RECORD_HEADER as u64..=MAX_FILE).contains(&len) {
        return None;
    }
    let len = len as usize;
    let log = LogRegion::new(Region::anonymous(len).ok()?, 0);
    let mut part = vec![0; PART];
    for at in (FIRST_RECORD..len).step_by(PART) {
        let bytes = &mut part[..PART.min(len - at)];
        if sys::read_at(&file, bytes, at as u64).is_err() {
            bytes.fill(0);
            for (nth, page) in bytes.chunks_mut(PAGE).enumerate() {
                if sys::read_at(&file, page, (at + nth * PAGE) as u64).is_err() {
                    page.fill(0);
                }
            }
        }
        log.write(at, bytes);
    }
    log.publish(len);
    Some(Segment::new(id, 0, log, true, 0))
}

fn read_header(dir: &Dir, shard: u32, id: SegmentId) -> Option<[u8; HEADER]> {
    let mut bytes = [0; HEADER];
    let file = dir.open_file(&names::segment(shard, id), false).ok()?;
    sys::read_at(&file, &mut bytes, 0).ok()?;
    Some(bytes)
}

/// The sum key and the alignment of a map without a checkpoint that verifies. The key stands in both checkpoints and in `HEAD`,
/// and what stands there proves itself: segments verify under it.
fn guess(dir: &Dir, segments: &[Vec<SegmentId>]) -> Result<(Keys, u8)> {
    let mut candidates = Vec::new();
    for name in names::CHECKPOINTS.into_iter().chain([names::FIRST_CHECKPOINT]) {
        candidates.extend(word(dir, name, checkpoint::SUM_KEY));
    }
    candidates.extend(word(dir, names::HEAD, head::SUM_KEY));
    for sum in candidates {
        let keys = Keys { hash: [0; 16], sum };
        let (mut best, mut found) = ((0, Reverse(0)), 8);
        for (shard, ids) in segments.iter().enumerate() {
            for &id in ids {
                let Some(segment) = read_segment(dir, shard as u32, id) else { continue };
                for align in [8, 16] {
                    let score = score(&segment, align, &keys);
                    if score > best {
                        (best, found) = (score, align);
                    }
                }
                if best.0 > 2 {
                    return Ok((keys, found as u8));
                }
            }
        }
        if best.0 > 0 {
            return Ok((keys, found as u8));
        }
    }
    Err(Error::new(
        Code::Corrupt,
        "The key of the map's checksums is lost: neither checkpoint has it, nor HEAD, and without it nobody can say which records are whole. Restore a backup.",
    ))
}

/// Records that verify, and how often one does not begin where the one before it ends.
type Score = (usize, Reverse<usize>);

/// Under the wrong alignment a record ends in the wrong place: others are passed over, or found only behind a gap. Damage makes
/// gaps too, so all of the segment counts.
fn score(segment: &Segment, align: usize, keys: &Keys) -> Score {
    let end = segment.log.len();
    let (mut at, mut records, mut gaps) = (FIRST_RECORD, 0, 0);
    while end.saturating_sub(at) >= RECORD_HEADER {
        match segment.whole(at, end, align, keys) {
            Some(record) => {
                records += 1;
                at += record.len();
            }
            None => {
                at = segment.next_whole(at, end, align, keys);
                gaps += usize::from(at < end);
            }
        }
    }
    (records, Reverse(gaps))
}

fn word(dir: &Dir, name: &str, at: usize) -> Option<u64> {
    let mut bytes = [0; 8];
    sys::read_at(&dir.open_file(name, false).ok()?, &mut bytes, at as u64).ok()?;
    Some(get_u64(&bytes, 0))
}
