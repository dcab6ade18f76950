//! Iteration: a step copies or pins a portion of one table under the read lock and lets go.

use super::{Pin, Shard};
use crate::layout::extent::Descriptor;
use crate::layout::segment::RecordRef;
use crate::log::{Record, extent};
use crate::mem::{Guard, enter};
use crate::{Error, Result};
use std::fs::File;

/// A portion is about this many bytes.
const PORTION: usize = 256 << 10;

/// Records whose cache misses overlap: they lie all over the log.
const AHEAD: usize = 16;

/// How far an iteration of one shard has come: all tags below this prefix are done. Tables may split and join between two
/// steps; a key's tag stays the same, so each key that stays is met exactly once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    prefix: u64,
}

/// A copied value, or an extent that is read once the lock is gone.
#[derive(Debug)]
pub(crate) enum Copied {
    Inline(std::ops::Range<usize>),
    Extent(File, Descriptor),
}

/// A portion of entries, copied.
#[derive(Debug, Default)]
pub(crate) struct Portion {
    pub bytes: Vec<u8>,
    pub entries: Vec<(std::ops::Range<usize>, Copied)>,
}

/// Takes one entry of a scan; `true`: the portion is full after it.
type Take<'a> = &'a mut dyn FnMut(&Record<'_>, &Guard) -> Result<bool>;

impl Shard {
    /// Copies the next entries; the position to go on from, `None` at the shard's end.
    pub fn scan(&self, from: Position, portion: &mut Portion) -> Result<Option<Position>> {
        self.scan_repaired(|| {
            portion.bytes.clear();
            portion.entries.clear();
            self.scan_once(from, &mut |record, _| self.copy_entry(record, portion))
        })
    }

    /// Pins the next entries, at most those of one table.
    pub fn scan_pinned(&self, from: Position, pins: &mut Vec<Pin>) -> Result<Option<Position>> {
        self.scan_repaired(|| {
            pins.clear();
            self.scan_once(from, &mut |record, guard| {
                // Under the lock nothing that a slot names is freed.
                pins.extend(self.pin_record(record, guard)?);
                // An open extent is the last of its portion, so that few files are open at a time.
                Ok(record.extent().is_some())
            })
        })
    }

    /// Damage of the index is mended, and the step done once more.
    fn scan_repaired(&self, mut once: impl FnMut() -> Result<Option<Position>>) -> Result<Option<Position>> {
        match once() {
            Err(error) if error.is_of_index() => {
                self.rebuild_in_place()?;
                once()
            }
            scanned => scanned,
        }
    }

    fn scan_once(&self, from: Position, take: Take<'_>) -> Result<Option<Position>> {
        let guard = enter();
        self.checked(self.scan_under(from, take, &guard))
    }

    fn scan_under(&self, from: Position, take: Take<'_>, guard: &Guard) -> Result<Option<Position>> {
        let _writer = self.writer.read();
        self.check_open()?;
        let bits = self.medium.shard_bits;
        let Some(place) = self.index.resolve(from.prefix >> bits, guard)? else { return Ok(None) };
        self.index.check_place(&place, from.prefix >> bits)?;
        let (table, depth) = (place.table, place.table.depth());
        let mut entries: Vec<_> = table.entries().filter(|(tag, _)| tag.prefix() >= from.prefix).collect();
        entries.sort_unstable();
        let mut rest = entries.as_slice();
        let mut full = false;
        let mut ahead = entries.iter().map(|&(_, place)| RecordRef(place));
        ahead.by_ref().take(AHEAD).for_each(|place| self.log.prefetch(place, guard));
        while let Some(&(tag, _)) = rest.first() {
            if full {
                return Ok(Some(Position { prefix: tag.prefix() }));
            }
            // Equal tags go together: a position stands between tags.
            let equal = rest.partition_point(|&(other, _)| other == tag);
            for &(_, place) in &rest[..equal] {
                if let Some(place) = ahead.next() {
                    self.log.prefetch(place, guard);
                }
                let record = self.log.record(RecordRef(place), guard)?;
                if !record.header.kind.is_put() {
                    return Err(self.damage("a slot names a record that is not a put"));
                }
                full |= take(&record, guard)?;
            }
            rest = &rest[equal..];
        }
        // The table covers all prefixes that share its first `depth` bits.
        let covered = table.prefix() & (u64::MAX.checked_shl(64 - depth).unwrap_or(0));
        Ok(next_prefix(covered, depth).map(|prefix| Position { prefix }))
    }

    fn copy_entry(&self, record: &Record<'_>, portion: &mut Portion) -> Result<bool> {
        let start = portion.bytes.len();
        portion.bytes.extend_from_slice(record.key());
        let key = start..portion.bytes.len();
        let value = match record.extent() {
            Some(descriptor) => Copied::Extent(extent::open(&self.medium, self.number, &descriptor)?, descriptor),
            None => {
                portion.bytes.extend_from_slice(record.value());
                Copied::Inline(key.end..portion.bytes.len())
            }
        };
        // An extent is a portion's last entry, so that few files are open at a time.
        let full = portion.bytes.len() >= PORTION || matches!(value, Copied::Extent(..));
        portion.entries.push((key, value));
        Ok(full)
    }

    /// Reads an extent that a scan or a read left open.
    pub fn read_extent(&self, file: &File, descriptor: &Descriptor, out: &mut Vec<u8>) -> Result<(), Error> {
        extent::read(&self.medium, file, descriptor, out)
    }
}

/// The prefix after all that share the first `bits` bits with this one.
fn next_prefix(prefix: u64, bits: u32) -> Option<u64> {
    match bits {
        0 => None,
        _ => prefix.checked_add(1 << (64 - bits)),
    }
}
