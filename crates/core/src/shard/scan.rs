//! Iteration: a step copies out a portion of one table under the read lock and lets go.

use super::Shard;
use crate::layout::extent::Descriptor;
use crate::layout::segment::RecordRef;
use crate::log::extent;
use crate::mem::enter;
use crate::{Error, Result};
use std::fs::File;

/// A portion is about this many bytes.
const PORTION: usize = 256 << 10;

/// How far an iteration of one shard has come: all hashes below this prefix are done. Tables may split and join between
/// two steps; hashes do not move, so each key that stays is met exactly once.
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

impl Shard {
    /// Copies the next entries; the position to go on from, `None` at the shard's end.
    pub fn scan(&self, from: Position, portion: &mut Portion) -> Result<Option<Position>> {
        match self.scan_once(from, portion) {
            Err(error) if error.is_of_index() => {
                self.rebuild_in_place()?;
                self.scan_once(from, portion)
            }
            scanned => scanned,
        }
    }

    fn scan_once(&self, from: Position, portion: &mut Portion) -> Result<Option<Position>> {
        portion.bytes.clear();
        portion.entries.clear();
        let guard = enter();
        let _writer = self.writer.read();
        self.check_open()?;
        let bits = self.medium.shard_bits;
        let Some(place) = self.index.resolve(from.prefix >> bits, &guard)? else { return Ok(None) };
        self.index.check_place(&place, from.prefix >> bits)?;
        let (table, depth) = (place.table, place.table.depth());
        let mut entries: Vec<(u64, u64)> = table
            .entries()
            .map(|(hash, record)| (self.index.prefix(hash), record))
            .filter(|&(prefix, _)| prefix >= from.prefix)
            .collect();
        entries.sort_unstable();
        let mut rest = entries.as_slice();
        while let Some(&(prefix, _)) = rest.first() {
            if portion.bytes.len() >= PORTION {
                return Ok(Some(Position { prefix }));
            }
            // Equal hashes go together: a position stands between hashes.
            let equal = rest.partition_point(|&(other, _)| other == prefix);
            for &(_, record) in &rest[..equal] {
                self.copy_entry(RecordRef(record), portion, &guard)?;
            }
            rest = &rest[equal..];
            if portion.entries.last().is_some_and(|(_, value)| matches!(value, Copied::Extent(..))) {
                // An extent is a portion's last entry, so that few files are open at a time.
                return Ok(next_prefix(prefix, 64 - bits).map(|prefix| Position { prefix }));
            }
        }
        // The table covers all prefixes that share its first `depth` bits.
        let covered = table.prefix() & (u64::MAX.checked_shl(64 - depth).unwrap_or(0));
        Ok(next_prefix(covered, depth).map(|prefix| Position { prefix }))
    }

    fn copy_entry(&self, place: RecordRef, portion: &mut Portion, guard: &crate::mem::Guard) -> Result<()> {
        let record = self.log.record(place, guard)?;
        if !record.header.kind.is_put() {
            return Err(self.damage("a slot names a record that is not a put"));
        }
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
        portion.entries.push((key, value));
        Ok(())
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
