//! Reading without a lock.

use super::{OPEN, Shard};
use crate::index::{Place, Probe};
use crate::layout::extent::Descriptor;
use crate::layout::segment::RecordRef;
use crate::log::{Record, Segment};
use crate::mem::{Guard, enter};
use crate::{Error, Result};
use std::convert::Infallible;
use std::fs::File;
use std::sync::atomic::Ordering;

/// A reader that met a change this often waits at the lock instead.
const ATTEMPTS: usize = 8;

/// A value on its way out. Bytes are seen under a guard: copy them and let go.
pub(crate) enum Found<'a> {
    Inline(&'a [u8]),
    /// An extent, open: reading it needs no guard any more. Rare, and in a box: what is found is handed on by value.
    Extent(Box<OpenExtent>),
}

#[derive(Debug)]
pub(crate) struct OpenExtent {
    pub file: File,
    pub descriptor: Descriptor,
}

/// The table that a hash led to, looked up before the search, and what a slot with the hash's tag named then.
#[derive(Clone, Copy, Default)]
pub(crate) struct Hint<'g> {
    place: Option<Place<'g>>,
    record: Option<RecordRef>,
}

impl Shard {
    /// Calls `copy` with the key's value and sequence number. It must not call the map, nor anything that may.
    #[inline]
    pub fn read<R>(&self, hash: u64, key: &[u8], copy: impl FnOnce(Found<'_>, u64) -> R) -> Result<Option<R>> {
        let guard = enter();
        self.read_from(Hint::default(), hash, key, &guard, copy)
    }

    /// The same, for one who has looked ahead.
    #[inline]
    pub fn read_from<'g, R>(
        &'g self,
        hint: Hint<'g>,
        hash: u64,
        key: &[u8],
        guard: &'g Guard,
        copy: impl FnOnce(Found<'_>, u64) -> R,
    ) -> Result<Option<R>> {
        let read = match self.lookup_from(hint, hash, key, guard) {
            Ok(None) => Ok(None),
            Ok(Some(record)) => self.found(&record).map(|found| Some(copy(found, record.header.seq))),
            Err(error) => Err(error),
        };
        self.checked(read)
    }

    #[inline(always)]
    pub(super) fn found<'g>(&self, record: &Record<'g>) -> Result<Found<'g>> {
        match record.extent() {
            None => Ok(Found::Inline(record.value())),
            Some(descriptor) => {
                let file = self.open_extent(&descriptor)?;
                Ok(Found::Extent(Box::new(OpenExtent { file, descriptor })))
            }
        }
    }

    #[inline]
    pub fn contains(&self, hash: u64, key: &[u8]) -> Result<bool> {
        self.contains_from(Hint::default(), hash, key, &enter())
    }

    #[inline]
    pub fn contains_from<'g>(&'g self, hint: Hint<'g>, hash: u64, key: &[u8], guard: &'g Guard) -> Result<bool> {
        self.checked(self.lookup_from(hint, hash, key, guard).map(|record| record.is_some()))
    }

    /// Has the processor fetch where the search for a hash begins. What is wrong is met by the search itself.
    #[inline]
    pub fn look_ahead<'g>(&'g self, hash: u64, for_change: bool, guard: &'g Guard) -> Hint<'g> {
        let place = self.index.resolve(hash, guard).ok().flatten();
        if let Some(place) = &place {
            place.table.prefetch(self.index.tag(hash), for_change);
        }
        Hint { place, record: None }
    }

    /// Has the processor fetch the record that the search is likely to end at.
    #[inline]
    pub fn prefetch_record(&self, hint: &mut Hint<'_>, hash: u64, guard: &Guard) {
        if let Some(place) = hint.place
            && let Ok(Probe::Live { record, .. }) =
                place.table.probe(self.index.tag(hash), |_| Ok::<_, Infallible>(true))
        {
            let record = RecordRef(record);
            self.log.prefetch(record, guard);
            hint.record = Some(record);
        }
    }

    /// Goes by the hint once; what it led to is checked as ever.
    #[inline(always)]
    fn lookup_from<'g>(
        &'g self,
        hint: Hint<'g>,
        hash: u64,
        key: &[u8],
        guard: &'g Guard,
    ) -> Result<Option<Record<'g>>> {
        let Some(place) = hint.place else { return self.lookup(hash, key, guard) };
        // What a slot named a moment ago was the key's record then, if it is the key's at all and the table was in force: an
        // answer from within the call. The guard keeps it where it is.
        if let Some(record) = hint.record
            && let Ok(segment) = self.log.segment(record.segment(), guard)
            && let Ok(Some(found)) = self.named(segment, record, key)
            && self.is_in_force(&place)
        {
            return Ok(Some(found));
        }
        match self.attempt(&place, hash, key, guard) {
            Some(found) => Ok(found),
            None => self.lookup(hash, key, guard),
        }
    }

    /// Whether what was found in a table counts.
    #[inline(always)]
    fn is_in_force(&self, place: &Place<'_>) -> bool {
        // Acquire: as in `lookup`. The state first: a shard that is open again, after a rebuild that the search fell into,
        // has another root.
        self.state.load(Ordering::Acquire) == OPEN && self.index.still(place)
    }

    /// Searches a table; `None` if what was found does not count.
    #[inline(always)]
    fn attempt<'g>(&'g self, place: &Place<'g>, hash: u64, key: &[u8], guard: &'g Guard) -> Option<Option<Record<'g>>> {
        let mut found = None;
        // An error may come of a race as well as of damage: at the lock it shows which.
        match place.table.probe(self.index.tag(hash), |record| self.is_key(record, key, &mut found, guard)).ok()? {
            Probe::Live { .. } => {}
            Probe::Vacant { .. } => found = None,
        }
        self.is_in_force(place).then_some(found)
    }

    /// The key's record. What was found counts only if the way to it was still the same afterwards, on a miss too.
    #[inline(always)]
    pub(super) fn lookup<'g>(&'g self, hash: u64, key: &[u8], guard: &'g Guard) -> Result<Option<Record<'g>>> {
        for _ in 0..ATTEMPTS {
            // Acquire: partner of the stores that close the shard to readers before a rebuild changes the root.
            if self.state.load(Ordering::Acquire) != OPEN {
                break;
            }
            let Ok(place) = self.index.resolve(hash, guard) else { break };
            let Some(place) = place else {
                if self.state.load(Ordering::Acquire) == OPEN {
                    return Ok(None);
                }
                break;
            };
            if let Some(found) = self.attempt(&place, hash, key, guard) {
                return Ok(found);
            }
        }
        self.locked_lookup(hash, key, guard)
    }

    #[cold]
    fn locked_lookup<'g>(&'g self, hash: u64, key: &[u8], guard: &'g Guard) -> Result<Option<Record<'g>>> {
        let looked_up = {
            let _writer = self.writer.read();
            self.check_open()?;
            self.plain_lookup(hash, key, guard)
        };
        match looked_up {
            Err(error) if error.is_of_index() => {
                self.repair_index(error)?;
                let _writer = self.writer.read();
                self.plain_lookup(hash, key, guard)
            }
            looked_up => looked_up,
        }
    }

    fn plain_lookup<'g>(&'g self, hash: u64, key: &[u8], guard: &'g Guard) -> Result<Option<Record<'g>>> {
        let mut found = None;
        if let Some(place) = self.index.resolve(hash, guard)? {
            place.table.probe(self.index.tag(hash), |record| self.is_key(record, key, &mut found, guard))?;
        }
        Ok(found)
    }

    /// Whether a slot with the key's tag names the key's record, which it leaves in `found`.
    #[inline(always)]
    fn is_key<'g>(&'g self, record: u64, key: &[u8], found: &mut Option<Record<'g>>, guard: &'g Guard) -> Result<bool> {
        let place = RecordRef(record);
        let segment = self.log.segment(place.segment(), guard)?;
        // Header, key and value may lie on several cache lines. Asked for together they come in the time of one.
        segment.log.prefetch(place.offset());
        *found = self.named(segment, place, key)?;
        Ok(found.is_some())
    }

    /// The record that a slot names, if it is the key's.
    #[inline(always)]
    fn named<'g>(&self, segment: &'g Segment, place: RecordRef, key: &[u8]) -> Result<Option<Record<'g>>> {
        let record = segment.record(place.offset(), self.medium.align, &self.medium.keys)?;
        if !record.header.kind.is_put() {
            return Err(self.damage("a slot names a record that is not a put"));
        }
        Ok((record.key() == key).then_some(record))
    }

    /// The slot of a hash and key, for a writer.
    pub(super) fn probe<'g>(
        &'g self,
        hash: u64,
        key: &[u8],
        guard: &'g Guard,
    ) -> Result<Option<(Place<'g>, Probe, Option<Record<'g>>)>> {
        self.probe_from(Hint::default(), hash, key, guard)
    }

    /// The same, for one who has looked ahead. The caller holds the lock, so that a way that is still the same stays so.
    pub(super) fn probe_from<'g>(
        &'g self,
        hint: Hint<'g>,
        hash: u64,
        key: &[u8],
        guard: &'g Guard,
    ) -> Result<Option<(Place<'g>, Probe, Option<Record<'g>>)>> {
        let known = hint.place.filter(|place| self.index.still(place));
        let Some(place) = known.map_or_else(|| self.index.resolve(hash, guard), |place| Ok(Some(place)))? else {
            return Ok(None);
        };
        self.index.check_place(&place, hash)?;
        let mut found = None;
        let probe = place.table.probe(self.index.tag(hash), |record| self.is_key(record, key, &mut found, guard))?;
        Ok(Some((place, probe, found)))
    }

    /// Damage of the index is mended from the log, unless the log is what is damaged.
    #[cold]
    fn repair_index(&self, error: Error) -> Result<()> {
        self.rebuild_in_place().map_err(|failed| if failed.is_of_index() { error } else { failed })
    }
}
