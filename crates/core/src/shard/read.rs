//! Reading without a lock.

use super::{OPEN, Shard};
use crate::index::Probe;
use crate::layout::extent::Descriptor;
use crate::layout::segment::RecordRef;
use crate::log::Record;
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
    /// An extent, open: reading it needs no guard any more.
    Extent(File, Descriptor),
}

impl Shard {
    /// Calls `copy` with the key's value and sequence number. It must not call the map, nor anything that may.
    #[inline]
    pub fn read<R>(&self, hash: u64, key: &[u8], copy: impl FnOnce(Found<'_>, u64) -> R) -> Result<Option<R>> {
        let guard = enter();
        let Some(record) = self.lookup(hash, key, &guard)? else { return Ok(None) };
        Ok(Some(copy(self.found(&record)?, record.header.seq)))
    }

    pub(super) fn found<'g>(&self, record: &Record<'g>) -> Result<Found<'g>> {
        match record.extent() {
            None => Ok(Found::Inline(record.value())),
            Some(descriptor) => Ok(Found::Extent(self.open_extent(&descriptor)?, descriptor)),
        }
    }

    #[inline]
    pub fn contains(&self, hash: u64, key: &[u8]) -> Result<bool> {
        let guard = enter();
        Ok(self.lookup(hash, key, &guard)?.is_some())
    }

    /// Has the processor fetch where the search for a hash begins. A hint: what is wrong is met by the search itself.
    pub fn prefetch_slot(&self, hash: u64, for_change: bool, guard: &Guard) {
        if let Ok(Some(place)) = self.index.resolve(hash, guard) {
            place.table.prefetch(hash, for_change);
        }
    }

    /// The same for the record that the search is likely to end at.
    pub fn prefetch_record(&self, hash: u64, guard: &Guard) {
        if let Ok(Some(place)) = self.index.resolve(hash, guard)
            && let Ok(Probe::Live { record, .. }) = place.table.probe(hash, |_| Ok::<_, Infallible>(true))
        {
            self.log.prefetch(RecordRef(record), guard);
        }
    }

    /// The key's record. What was found counts only if the way to it was still the same afterwards, on a miss too.
    #[inline]
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
            let mut found = None;
            // An error may come of a race as well as of damage: at the lock it shows which.
            match place.table.probe(hash, |record| self.is_key(record, key, &mut found, guard)) {
                Ok(Probe::Live { .. }) => {}
                Ok(Probe::Vacant { .. }) => found = None,
                Err(_) => break,
            }
            if self.index.still(&place) && self.state.load(Ordering::Acquire) == OPEN {
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
            place.table.probe(hash, |record| self.is_key(record, key, &mut found, guard))?;
        }
        Ok(found)
    }

    /// Whether a slot with the key's hash names the key's record, which it leaves in `found`.
    #[inline]
    pub(super) fn is_key<'g>(
        &'g self,
        record: u64,
        key: &[u8],
        found: &mut Option<Record<'g>>,
        guard: &'g Guard,
    ) -> Result<bool> {
        let record = self.log.record(RecordRef(record), guard)?;
        if !record.header.kind.is_put() {
            return Err(self.damage("a slot names a record that is not a put"));
        }
        let same = record.key() == key;
        if same {
            *found = Some(record);
        }
        Ok(same)
    }

    /// The slot of a hash and key, for a writer.
    pub(super) fn probe<'g>(
        &'g self,
        hash: u64,
        key: &[u8],
        guard: &'g Guard,
    ) -> Result<Option<(crate::index::Place<'g>, Probe, Option<Record<'g>>)>> {
        let Some(place) = self.index.resolve(hash, guard)? else { return Ok(None) };
        self.index.check_place(&place, hash)?;
        let mut found = None;
        let probe = place.table.probe(hash, |record| self.is_key(record, key, &mut found, guard))?;
        Ok(Some((place, probe, found)))
    }

    /// Damage of the index is mended from the log, unless the log is what is damaged.
    #[cold]
    fn repair_index(&self, error: Error) -> Result<()> {
        self.rebuild_in_place().map_err(|failed| if failed.is_of_index() { error } else { failed })
    }
}
