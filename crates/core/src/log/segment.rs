//! A mapped segment and the records in it.

use crate::layout::extent::Descriptor;
use crate::layout::hash::Keys;
use crate::layout::record::{HEADER, Header, Type};
use crate::layout::segment::{RecordRef, SegmentId};
use crate::mem::{Bits, LogRegion};
use crate::rules::{Rule, holds};
use crate::{Error, Result};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A record is at least this long, so no two start in the same unit.
const UNIT: usize = 16;
const _: () = assert!(HEADER >= UNIT);

#[derive(Debug)]
pub(crate) struct Segment {
    pub id: SegmentId,
    pub index: usize,
    pub log: LogRegion,
    /// Which records were verified since the open; `None`: this process wrote them all.
    verified: Option<Bits>,
    /// Everything below is durable.
    synced: AtomicUsize,
    /// It is in the log no more, and who keeps it is asked to let go.
    pub freed: AtomicBool,
    /// Windows that show it, each of which has a share.
    pub windows: AtomicUsize,
}

/// A record in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub header: Header,
    pub place: RecordRef,
    bytes: &'a [u8],
    value_at: usize,
}

impl<'a> Record<'a> {
    #[inline]
    pub fn key(&self) -> &'a [u8] {
        &self.bytes[HEADER..HEADER + self.header.key_len]
    }

    /// The value, or the extent's descriptor.
    #[inline]
    pub fn value(&self) -> &'a [u8] {
        &self.bytes[self.value_at..self.value_at + self.header.value_len]
    }

    /// Where the key stands in its segment.
    pub fn key_range(&self) -> Range<usize> {
        let at = self.place.offset() + HEADER;
        at..at + self.header.key_len
    }

    /// Where the value, or the extent's descriptor, stands in its segment.
    pub fn value_range(&self) -> Range<usize> {
        let at = self.place.offset() + self.value_at;
        at..at + self.header.value_len
    }

    /// With its padding.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn body_verifies(&self, keys: &Keys) -> bool {
        self.header.kind == Type::Pad || self.header.body_sum == keys.body_sum(self.key(), self.value())
    }

    pub fn extent(&self) -> Option<Descriptor> {
        if self.header.kind == Type::PutExtent { Descriptor::decode(self.value()) } else { None }
    }

    /// Length of the value as the user sees it.
    pub fn extent_len(&self) -> u64 {
        self.extent().map_or(0, |extent| extent.len)
    }
}

impl Segment {
    pub fn new(id: SegmentId, index: usize, log: LogRegion, made_here: bool, synced: usize) -> Segment {
        let verified = (!made_here).then(|| Bits::new(log.len() / UNIT));
        Segment {
            id,
            index,
            log,
            verified,
            synced: AtomicUsize::new(synced),
            freed: AtomicBool::new(false),
            windows: AtomicUsize::new(0),
        }
    }

    /// The mapping of a scan, put to use: at its place in the segment table, and with its records' end.
    pub fn ending(self, index: usize, end: usize) -> Segment {
        Segment::new(self.id, index, self.log.ending(end), false, 0)
    }

    pub fn size(&self) -> u64 {
        self.log.len() as u64
    }

    /// The record at an offset, its bounds checked, its checksums not.
    #[inline(always)]
    pub fn raw(&self, offset: usize, align: usize) -> Option<Record<'_>> {
        let header = Header::decode(self.log.bytes(offset, HEADER)?)?;
        let bytes = self.log.bytes(offset, header.len(align))?;
        let value_at = match header.kind {
            // What a pad covers has no key, and may be shorter than one.
            Type::Pad if header.key_len > 0 => return None,
            Type::Pad => HEADER,
            _ => header.value_at(align),
        };
        Some(Record { header, place: RecordRef::new(self.index, offset), bytes, value_at })
    }

    /// The record at an offset if its head belongs there.
    pub fn headed(&self, offset: usize, align: usize, keys: &Keys) -> Option<Record<'_>> {
        Header::verify(self.log.bytes(offset, HEADER)?, self.id, offset, keys)?;
        self.raw(offset, align)
    }

    /// The record at an offset if all of it verifies and ends within the limit.
    pub fn whole(&self, offset: usize, limit: usize, align: usize, keys: &Keys) -> Option<Record<'_>> {
        self.headed(offset, align, keys).filter(|record| offset + record.len() <= limit && record.body_verifies(keys))
    }

    /// Where the next such record begins behind one that does not verify, or the limit. Records start at multiples of 8, and
    /// each is sealed to its place, so that nothing inside a value can be taken for one.
    pub fn next_whole(&self, offset: usize, limit: usize, align: usize, keys: &Keys) -> usize {
        let mut next = (offset + 8).next_multiple_of(8);
        while limit.saturating_sub(next) >= HEADER {
            if self.whole(next, limit, align, keys).is_some() {
                return next;
            }
            next += 8;
        }
        limit
    }

    /// The record at an offset, verified unless this process wrote it or has verified it before.
    #[inline(always)]
    pub fn record(&self, offset: usize, align: usize, keys: &Keys) -> Result<Record<'_>> {
        if let Some(verified) = &self.verified
            && !verified.get(offset / UNIT)
        {
            return self.first_read(offset, align, keys, verified);
        }
        match self.raw(offset, align) {
            Some(record) => Ok(record),
            None => Err(self.damage(offset)),
        }
    }

    #[cold]
    fn first_read(&self, offset: usize, align: usize, keys: &Keys, verified: &Bits) -> Result<Record<'_>> {
        match self.headed(offset, align, keys) {
            Some(record) if record.body_verifies(keys) || !holds(Rule::RecordBody) => {
                verified.set(offset / UNIT);
                Ok(record)
            }
            _ => Err(self.damage(offset)),
        }
    }

    /// A record that this process has just appended is known to be whole.
    pub fn mark_verified(&self, offset: usize) {
        if let Some(verified) = &self.verified {
            verified.set(offset / UNIT);
        }
    }

    #[cold]
    pub fn damage(&self, offset: usize) -> Error {
        Error::corrupt(format_args!(
            "the record at offset {offset} of segment {:08x}-{:08x} does not verify",
            self.id.generation(),
            self.id.counter()
        ))
    }

    /// Makes everything up to `end` durable, unless it is. Returns the bytes for which the device was asked.
    pub fn sync(&self, end: usize) -> Result<u64> {
        let from = self.synced.load(Ordering::Acquire);
        if from >= end {
            return Ok(0);
        }
        self.log.sync(from, end - from).map_err(|error| Error::sync("sync a segment of the log", &error))?;
        // The header's page, when the header named its predecessor after an earlier sync.
        self.synced.fetch_max(end, Ordering::AcqRel);
        Ok((end - from) as u64)
    }
}
