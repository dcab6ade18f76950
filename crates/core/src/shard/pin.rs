//! Records that stay in place for as long as somebody looks at them: their segment is shared by a count.

use super::Shard;
use crate::layout::extent::Descriptor;
use crate::layout::record::{HEADER, Header};
use crate::layout::segment::RecordRef;
use crate::log::{Record, Segment, extent};
use crate::mem::{Guard, enter};
use crate::{Code, Result};
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

/// A record and a share of its segment. It holds neither a lock nor an epoch.
#[derive(Debug)]
pub(crate) struct Pin {
    pub seq: u64,
    pub segment: Arc<Segment>,
    pub key: Range<usize>,
    pub value: PinnedValue,
}

/// Where a pinned record's value is.
#[derive(Debug)]
pub(crate) enum PinnedValue {
    Inline(Range<usize>),
    /// An extent, open: its file's name may go meanwhile. One that is missing is told to who asks for the value; a change
    /// replaces it all the same.
    Extent(Result<File>, Descriptor),
}

/// Which record a change hands out. It is pinned under the lock under which the change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    /// The one that the change replaces or removes.
    Old,
    /// The one that it writes.
    New,
}

impl Shard {
    /// What `keep` makes of the key's record, under a guard. `None` from it says that the record's segment was freed since
    /// it was found; then the key is looked up again.
    #[inline]
    pub fn find<R>(
        &self,
        hash: u64,
        key: &[u8],
        mut keep: impl FnMut(&Record<'_>, &Guard) -> Result<Option<R>>,
    ) -> Result<Option<R>> {
        let guard = enter();
        let mut find = || {
            loop {
                let Some(record) = self.lookup(hash, key, &guard)? else { return Ok(None) };
                if let Some(kept) = keep(&record, &guard)? {
                    return Ok(Some(kept));
                }
            }
        };
        self.checked(find())
    }

    /// A share of a record's segment; `None` as for [`pin_record`](Self::pin_record).
    #[inline]
    pub fn pin_segment(&self, record: &Record<'_>, guard: &Guard) -> Option<Arc<Segment>> {
        self.log.pin(record.place.segment(), guard)
    }

    /// `None` if the segment was freed since the record was found; not while the lock is held.
    pub fn pin_record(&self, record: &Record<'_>, guard: &Guard) -> Result<Option<Pin>> {
        let Some(segment) = self.pin_segment(record, guard) else { return Ok(None) };
        let value = match record.extent() {
            None => PinnedValue::Inline(record.value_range()),
            Some(descriptor) => match self.open_extent(&descriptor) {
                Err(error) if !matches!(error.code(), Code::Corrupt | Code::FileGone) => return Err(error),
                file => PinnedValue::Extent(file, descriptor),
            },
        };
        Ok(Some(Pin { seq: record.header.seq, segment, key: record.key_range(), value }))
    }

    /// A record that was written a moment ago, under the lock that is still held. Its extent was opened before: now that the
    /// change is done nothing may fail.
    pub(super) fn pin_written(
        &self,
        place: RecordRef,
        header: &Header,
        extent: Option<(File, Descriptor)>,
        guard: &Guard,
    ) -> Option<Pin> {
        let segment = self.log.pin(place.segment(), guard)?;
        let key = place.offset() + HEADER;
        let at = place.offset() + header.value_at(self.align());
        let value = match extent {
            None => PinnedValue::Inline(at..at + header.value_len),
            Some((file, descriptor)) => PinnedValue::Extent(Ok(file), descriptor),
        };
        Some(Pin { seq: header.seq, segment, key: key..key + header.key_len, value })
    }

    pub fn open_extent(&self, descriptor: &Descriptor) -> Result<File> {
        extent::open(&self.medium, self.number, descriptor)
    }
}
