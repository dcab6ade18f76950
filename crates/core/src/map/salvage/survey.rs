//! One shard's log, read twice: which record of each key is the newest, then those records.

use super::Salvage;
use super::source::Source;
use crate::control::Control;
use crate::layout::hash::Keys;
use crate::layout::names;
use crate::layout::record::{HEADER, Type};
use crate::layout::segment::{FIRST_RECORD, SegmentId};
use crate::log::{Record, Segment, extent};
use crate::{Code, Result, sys};
use std::collections::HashMap;

/// Takes a key and its value.
type Put<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<()>;

/// A segment, and how much of it counts.
#[derive(Clone, Copy)]
struct Piece {
    id: SegmentId,
    /// Up to here all of it was durable: what does not verify is damage, and what follows counts.
    end: usize,
    /// Behind the end records count up to here as well, though it may be a crash that tore them.
    open: usize,
    /// A later generation begins behind it, so that what follows a torn record was given up then.
    was_given_up: bool,
}

/// The newest record of a key so far.
#[derive(Clone, Copy)]
struct Newest {
    rank: Rank,
    /// `None`: it removes the key.
    place: Option<(SegmentId, usize)>,
    /// The newest version whose long value does not verify.
    lost: Option<(Rank, SegmentId)>,
}

/// Records that count for certain before those that do not, then by their numbers, then by their places.
type Rank = (bool, u64, SegmentId, usize);

/// Keys by two hashes: 128 bits of one another's keys do not meet.
fn name(record: &Record<'_>, keys: &[Keys; 2]) -> u128 {
    u128::from(keys[0].hash(record.key())) << 64 | u128::from(keys[1].hash(record.key()))
}

pub(super) fn shard(source: &Source, shard: u32, salvage: &mut Salvage, control: &Control, put: Put<'_>) -> Result<()> {
    let names = [Keys { hash: sys::random()?, sum: 0 }, Keys { hash: sys::random()?, sum: 0 }];
    let medium = &source.medium;
    let pieces = pieces(source, shard);
    let mut newest: HashMap<u128, Newest> = HashMap::new();
    let mut cleared: Option<Rank> = None;
    for piece in &pieces {
        let Some(segment) = read(source, shard, piece, salvage) else { continue };
        each(&segment, piece, source, &mut |at, record| {
            let Some((record, is_certain)) = record else {
                salvage.dropped += 1;
                // The key may be what is damaged, so it is not named.
                salvage.damages.add(Code::Corrupt, names::segment(shard, piece.id), at as u64, None);
                return Ok(());
            };
            let rank = (is_certain, record.header.seq, piece.id, at);
            match record.header.kind {
                Type::Pad => return Ok(()),
                Type::Clear => {
                    cleared = cleared.max(Some(rank));
                    return Ok(());
                }
                Type::Put | Type::PutExtent | Type::Tombstone => {}
            }
            let found = newest.entry(name(&record, &names)).or_insert(Newest {
                rank: (false, 0, SegmentId(0), 0),
                place: None,
                lost: None,
            });
            if rank < found.rank {
                return Ok(());
            }
            if let Some(descriptor) = record.extent() {
                let whole = match extent::open(medium, shard, &descriptor) {
                    Ok(file) => {
                        match extent::matches(medium, &file, &descriptor, &mut |bytes| control.proceed(bytes)) {
                            // What the device does not give is lost here.
                            Err(error) if error.code() == Code::Io => false,
                            whole => whole?,
                        }
                    }
                    Err(_) => false,
                };
                if !whole {
                    found.lost = found.lost.max(Some((rank, descriptor.id)));
                    return Ok(());
                }
            }
            let place = record.header.kind.is_put().then_some((piece.id, at));
            (found.rank, found.place) = (rank, place);
            Ok(())
        })?;
        control.proceed(segment.size())?;
    }
    let is_void =
        |rank: &Rank| cleared.is_some_and(|cleared| rank.1 < cleared.1 || !rank.0 && cleared.0 && rank.2 < cleared.2);
    for found in newest.values_mut() {
        if is_void(&found.rank) {
            found.place = None;
        }
        if let Some((rank, id)) = found.lost
            && rank > found.rank
            && !is_void(&rank)
        {
            salvage.dropped += 1;
            salvage.damages.add(Code::Corrupt, names::extent(shard, id), 0, None);
        }
    }
    let mut value = Vec::new();
    for piece in &pieces {
        let Some(segment) = source.segment(shard, piece.id) else { continue };
        let mut since = 0;
        each(&segment, piece, source, &mut |at, record| {
            let Some((record, _)) = record else { return Ok(()) };
            let is_newest = record.header.kind.is_put()
                && newest.get(&name(&record, &names)).is_some_and(|found| found.place == Some((piece.id, at)));
            if !is_newest {
                return Ok(());
            }
            let bytes = match record.extent() {
                None => record.value(),
                Some(descriptor) => {
                    value.clear();
                    let file = extent::open(medium, shard, &descriptor)?;
                    extent::read(medium, &file, &descriptor, &mut value)?;
                    &value
                }
            };
            put(record.key(), bytes)?;
            salvage.records += 1;
            salvage.bytes += (record.key().len() + bytes.len()) as u64;
            since += 1;
            if since % 1024 == 0 { control.proceed(0) } else { Ok(()) }
        })?;
        control.proceed(0)?;
    }
    Ok(())
}

fn read(source: &Source, shard: u32, piece: &Piece, salvage: &mut Salvage) -> Option<Segment> {
    let name = || names::segment(shard, piece.id);
    let segment = source.segment(shard, piece.id);
    if segment.is_none() {
        salvage.dropped += 1;
    }
    if segment.is_none() || !source.header_verifies(shard, piece.id) {
        salvage.damages.add(Code::Corrupt, name(), 0, None);
    }
    segment
}

/// The segments that hold the shard's records. A checkpoint names its chain; ids rise along it, so what came after has
/// greater ones. Without a checkpoint every segment in the directory may be one.
fn pieces(source: &Source, shard: u32) -> Vec<Piece> {
    let ids = &source.segments[shard as usize];
    let chain = source.chains.as_ref().map(|chains| chains[shard as usize].chain.as_slice());
    let last = chain.and_then(<[_]>::last).map(|link| link.id);
    let mut pieces: Vec<Piece> = Vec::new();
    for link in chain.unwrap_or_default() {
        let open = if Some(link.id) == last { usize::MAX } else { 0 };
        pieces.push(Piece { id: link.id, end: link.end as usize, open, was_given_up: false });
    }
    let later = ids.iter().filter(|&&id| chain.is_none() || last.is_none_or(|last| id > last));
    pieces.extend(later.map(|&id| Piece { id, end: 0, open: usize::MAX, was_given_up: false }));
    for at in 1..pieces.len() {
        pieces[at - 1].was_given_up = pieces[at - 1].id.generation() < pieces[at].id.generation();
    }
    pieces
}

/// Calls `work` with each record that verifies, and whether it counts for certain; and with `None` where one does not.
fn each<'a>(
    segment: &'a Segment,
    piece: &Piece,
    source: &Source,
    work: &mut dyn FnMut(usize, Option<(Record<'a>, bool)>) -> Result<()>,
) -> Result<()> {
    let (align, keys) = (source.medium.align, &source.medium.keys);
    let len = segment.log.len();
    let (end, open) = (piece.end.min(len), piece.open.min(len));
    let mut is_certain = true;
    let mut at = FIRST_RECORD;
    loop {
        let limit = if at < end { end } else { open };
        if limit.saturating_sub(at) < HEADER {
            // A file that is shorter than the checkpoint says lacks records.
            return if piece.end > len && at >= end { work(len, None) } else { Ok(()) };
        }
        if let Some(record) = segment.whole(at, limit, align, keys) {
            work(at, Some((record, is_certain)))?;
            at += record.len();
            continue;
        }
        if at >= end && segment.log.bytes(at, limit - at).is_some_and(is_blank) {
            return Ok(());
        }
        work(at, None)?;
        if at >= end && piece.was_given_up {
            if source.chains.is_some() {
                return Ok(());
            }
            is_certain = false;
        }
        at = segment.next_whole(at, limit, align, keys);
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
