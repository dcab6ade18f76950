//! Bytes in place: a record's segment, or a mapped extent, shared for as long as somebody looks at them.

use super::Map;
use crate::layout::extent::VALUE_AT;
use crate::layout::segment::SegmentId;
use crate::log::{Segment, extent};
use crate::mem::{CHUNKS, LogRegion, chunk_len, place};
use crate::shard::{Changed, Expect, Keep, Pin, PinnedValue};
use crate::{Error, Result};
use elsa::sync::FrozenMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use yoke::Yoke;
use yoke::erased::ErasedArcCart;

/// A reference together with what keeps it valid.
pub type Held<T> = Yoke<&'static T, ErasedArcCart>;

/// Bytes that a share of their mapping keeps in place.
#[derive(Debug)]
pub struct Shared {
    mapping: Mapping,
    range: Range<usize>,
}

#[derive(Debug)]
enum Mapping {
    Segment(Arc<Segment>),
    Extent(Arc<LogRegion>),
}

impl Shared {
    /// What `decode` makes of the bytes, and the share with it.
    pub fn hold<T: ?Sized + 'static>(self, decode: impl for<'a> FnOnce(&'a [u8]) -> Result<&'a T>) -> Result<Held<T>> {
        let range = self.range;
        Ok(match self.mapping {
            Mapping::Segment(segment) => {
                Yoke::try_attach_to_cart(segment, |segment: &Segment| decode(published(&segment.log, &range)))?
                    .erase_arc_cart()
            }
            Mapping::Extent(region) => {
                Yoke::try_attach_to_cart(region, |region: &LogRegion| decode(published(region, &range)))?
                    .erase_arc_cart()
            }
        })
    }

    pub fn bytes(&self) -> &[u8] {
        match &self.mapping {
            Mapping::Segment(segment) => published(&segment.log, &self.range),
            Mapping::Extent(region) => published(region, &self.range),
        }
    }
}

/// The range was inside the published bytes when the record was found, and their end never falls.
fn published<'a>(region: &'a LogRegion, range: &Range<usize>) -> &'a [u8] {
    region.bytes(range.start, range.len()).expect("a record stays published")
}

impl Pin {
    pub fn shared_key(&self) -> Shared {
        Shared { mapping: Mapping::Segment(Arc::clone(&self.segment)), range: self.key.clone() }
    }
}

impl Map {
    /// The key's sequence number and value, shared; any call may be made while it is.
    pub(crate) fn shared(&self, key: &[u8]) -> Result<Option<(u64, Shared)>> {
        let (instance, hash) = self.hashed(key)?;
        let shard = instance.shard(hash);
        let found = shard.find(hash, key, |record, guard| {
            if record.extent().is_some() {
                return Ok(shard.pin_record(record, guard)?.map(Found::Extent));
            }
            let Some(segment) = shard.pin_segment(record, guard) else { return Ok(None) };
            let shared = Shared { mapping: Mapping::Segment(segment), range: record.value_range() };
            Ok(Some(Found::Inline((record.header.seq, shared))))
        })?;
        match found {
            None => Ok(None),
            Some(Found::Inline(found)) => Ok(Some(found)),
            Some(Found::Extent(pin)) => Ok(Some((pin.seq, self.shared_value(pin)?))),
        }
    }

    /// The key's value, kept in place by `pins`; for a map of one shard.
    pub(crate) fn value_in<'p>(&self, key: &[u8], pins: &'p Pins) -> Result<Option<&'p [u8]>> {
        let (instance, hash) = self.hashed(key)?;
        let shard = instance.shard(hash);
        let found = shard.find(hash, key, |record, guard| {
            if record.extent().is_some() {
                return Ok(shard.pin_record(record, guard)?.map(Found::Extent));
            }
            let segment = pins.segment(record.place.segment(), || shard.pin_segment(record, guard));
            Ok(segment.map(|segment| Found::Inline(published(&segment.log, &record.value_range()))))
        })?;
        match found {
            None => Ok(None),
            Some(Found::Inline(bytes)) => Ok(Some(bytes)),
            Some(Found::Extent(pin)) => pins.value(self, pin).map(Some),
        }
    }

    /// A pinned record's value; an extent is mapped and verified here.
    pub(crate) fn shared_value(&self, pin: Pin) -> Result<Shared> {
        match pin.value {
            PinnedValue::Inline(range) => Ok(Shared { mapping: Mapping::Segment(pin.segment), range }),
            PinnedValue::Extent(file, descriptor) => {
                let region = extent::map(&self.instance()?.medium, &file?, &descriptor)?;
                let range = VALUE_AT..VALUE_AT + descriptor.len as usize;
                Ok(Shared { mapping: Mapping::Extent(Arc::new(region)), range })
            }
        }
    }

    /// [`put`](Map::put) that pins what it replaced or what it wrote.
    pub(crate) fn put_keeping(&self, key: &[u8], value: &[u8], keep: Keep) -> Result<Option<Pin>> {
        Ok(unboxed(self.store(self.hashed(key)?.1, key, value, Expect::Any, keep)?))
    }

    /// Stores the value if the key is absent, and pins it; `None`: it is there.
    pub(crate) fn put_absent(&self, key: &[u8], value: &[u8]) -> Result<Option<Pin>> {
        Ok(unboxed(self.store(self.hashed(key)?.1, key, value, Expect::Seq(None), Keep::New)?))
    }

    /// [`remove`](Map::remove) that pins what it removed.
    pub(crate) fn take(&self, key: &[u8]) -> Result<Option<Pin>> {
        Ok(unboxed(self.delete(self.hashed(key)?.1, key, Expect::Any, Keep::Old)?))
    }
}

fn unboxed((_, kept): Changed) -> Option<Pin> {
    kept.map(|pin| *pin)
}

/// A value that is at hand under the guard, or one whose extent is to be mapped without it.
enum Found<T> {
    Inline(T),
    Extent(Pin),
}

type Chunk = Box<[OnceLock<Arc<Segment>>]>;

/// What references into a map of one shard lead to, until the map may change again. A segment's index is not given to
/// another while the segment is pinned, so an index is all it takes to find it here.
#[derive(Default)]
pub(crate) struct Pins {
    segments: [OnceLock<Chunk>; CHUNKS],
    extents: FrozenMap<SegmentId, Arc<LogRegion>>,
}

impl std::fmt::Debug for Pins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pins").finish_non_exhaustive()
    }
}

impl Pins {
    /// The segment of an index, which is shared only if it is not yet.
    #[inline]
    fn segment(&self, index: usize, share: impl FnOnce() -> Option<Arc<Segment>>) -> Option<&Segment> {
        let (chunk, at) = place(index);
        let cells = self.segments[chunk].get_or_init(|| (0..chunk_len(chunk)).map(|_| OnceLock::new()).collect());
        match cells[at].get() {
            Some(segment) => Some(segment),
            None => {
                let segment = share()?;
                Some(cells[at].get_or_init(|| segment))
            }
        }
    }

    fn pinned(&self, pin: &Pin, range: &Range<usize>) -> &[u8] {
        let segment = self.segment(pin.segment.index, || Some(Arc::clone(&pin.segment))).expect("a share is given");
        debug_assert!(std::ptr::eq(segment, &*pin.segment), "an index was given away under a pin");
        published(&segment.log, range)
    }

    pub fn key(&self, pin: &Pin) -> &[u8] {
        self.pinned(pin, &pin.key)
    }

    /// Of an extent that is mapped already no second mapping is made.
    pub fn value(&self, map: &Map, pin: Pin) -> Result<&[u8]> {
        let (file, descriptor) = match &pin.value {
            PinnedValue::Inline(range) => return Ok(self.pinned(&pin, range)),
            PinnedValue::Extent(file, descriptor) => (file, descriptor),
        };
        let region = match self.extents.get(&descriptor.id) {
            Some(region) => region,
            None => {
                let file = file.as_ref().map_err(Error::clone)?;
                let region = extent::map(&map.instance()?.medium, file, descriptor)?;
                self.extents.insert(descriptor.id, Arc::new(region))
            }
        };
        region
            .bytes(VALUE_AT, descriptor.len as usize)
            .ok_or_else(|| Error::corrupt("two records name one extent with different lengths"))
    }

    pub fn has_extents(&mut self) -> bool {
        !self.extents.as_mut().is_empty()
    }

    /// Lets everything go; whether there was anything. No reference is left: they borrow `self`.
    pub fn release(&mut self) -> bool {
        let mut held = self.has_extents();
        self.extents.as_mut().clear();
        for cells in self.segments.iter_mut().filter_map(OnceLock::get_mut) {
            for cell in cells {
                held |= cell.take().is_some();
            }
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::names;
    use crate::layout::record::Type;
    use crate::map::Options;
    use crate::shard::Body;

    /// Else the extent would be deleted, as nobody's, under a record that names it.
    #[test]
    fn a_put_that_cannot_pin_what_it_writes_writes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let map = Map::open(directory.path().join("map"), &Options::default()).unwrap();
        let (instance, hash) = map.hashed(b"key").unwrap();
        let shard = instance.shard(hash);
        let descriptor = shard.write_extent(hash, &vec![7; 300 << 10]).unwrap();
        instance.medium.remove(&names::extent((hash >> 60) as u32, descriptor.id));
        let value = descriptor.encode();
        let body = Body { kind: Type::PutExtent, value: &value };
        assert!(shard.put(hash, b"key", body, Expect::Any, Keep::New).is_err());
        assert!(!map.contains_key(b"key").unwrap());
    }
}
