//! Mapped files as words and bytes.

use super::prefetch::prefetch;
use super::sync::{MappedU64, Ordering};
use super::trace;
use crate::rules::{Rule, holds};
use crate::sys::fault_guard::Watch;
use crate::sys::faults::{self, Call};
use crate::sys::{self, FileId};
use memmap2::{MmapMut, MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::ops::Range;

/// How a file is brought into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Stores reach the file and every thread.
    Shared,
    /// Stores stay in this mapping: for a reader that must repair what it may not write.
    Private,
    /// Nothing may be stored: for a file that was written once and is whole.
    ReadOnly,
}

/// A mapping of fixed size: never grown, moved or truncated while it lives.
///
/// What other threads may change is reached as atomic words only. Bytes that are written once and then never again go
/// through [`super::LogRegion`].
#[derive(Debug)]
pub(crate) struct Region {
    // Dropped before the mapping: until then no other has its addresses.
    _traced: trace::Mapping,
    /// The same. None for memory that no file stands behind.
    watch: Option<Watch>,
    map: MmapRaw,
    /// Stores reach a file.
    shared: bool,
    file: FileId,
}

impl Region {
    pub fn map(file: &File, access: Access) -> io::Result<Region> {
        faults::check(Call::Mmap)?;
        let map = match access {
            Access::Shared => MmapRaw::map_raw(file)?,
            Access::ReadOnly => MmapOptions::new().map_raw_read_only(file)?,
            // SAFETY: memmap2 asks that the file not change underneath. The pages are read as atomic words, or as bytes
            // that their writer never changes again; the owner's lock keeps other writers out.
            Access::Private => unsafe { MmapOptions::new().map_copy(file)? }.into(),
        };
        let watch = Watch::new(map.as_ptr() as usize, map.len(), access != Access::ReadOnly);
        let reaches = Some(file).filter(|_| access == Access::Shared);
        let traced = trace::Mapping::new(reaches, map.as_ptr(), map.len());
        Ok(Region { _traced: traced, watch: Some(watch), map, shared: reaches.is_some(), file: sys::file_id(file)? })
    }

    /// A part of a file, from a multiple of the page size on, in a private mapping.
    pub fn map_part(file: &File, offset: usize, len: usize) -> io::Result<Region> {
        faults::check(Call::Mmap)?;
        // SAFETY: as for `Access::Private` above.
        let map: MmapRaw = unsafe { MmapOptions::new().offset(offset as u64).len(len).map_copy(file)? }.into();
        let watch = Watch::new(map.as_ptr() as usize, map.len(), true);
        let traced = trace::Mapping::new(None, map.as_ptr(), map.len());
        Ok(Region { _traced: traced, watch: Some(watch), map, shared: false, file: sys::file_id(file)? })
    }

    /// Whom to tell when a page of the file is not there any more.
    pub fn set_owner(&self, owner: u64) {
        if let Some(watch) = &self.watch {
            watch.set_owner(owner);
        }
    }

    /// The file that was mapped; all zero for memory without one.
    pub fn file_id(&self) -> FileId {
        self.file
    }

    /// Memory that no file stands behind.
    pub fn anonymous(len: usize) -> io::Result<Region> {
        let map: MmapRaw = MmapMut::map_anon(len)?.into();
        let traced = trace::Mapping::new(None, map.as_ptr(), map.len());
        Ok(Region { _traced: traced, watch: None, map, shared: false, file: FileId::default() })
    }

    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// The word at a byte offset that the caller has checked or derived from the layout.
    #[inline]
    pub fn word(&self, offset: usize) -> &MappedU64 {
        &self.words(offset, 1)[0]
    }

    /// `count` words from a byte offset on.
    #[inline]
    pub fn words(&self, offset: usize, count: usize) -> &[MappedU64] {
        assert!(
            offset.is_multiple_of(8) && count <= self.len() / 8 && offset <= self.len() - count * 8,
            "word out of range"
        );
        // SAFETY:
        // - offset + 8 × count is at most the mapping's length (checked above), and the mapping lives as long as `self`;
        // - mappings start on a page, so a multiple of 8 is aligned for a word;
        // - the file is preallocated, so no page of the mapping lacks a block;
        // - these bytes are reached as atomics only: `LogRegion` gives out plain bytes for its own range alone.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(offset).cast::<MappedU64>(), count) }
    }

    #[inline]
    pub fn load(&self, offset: usize) -> u64 {
        self.word(offset).load(Ordering::Acquire)
    }

    /// Release, so that a store to a mapping is never seen, by another thread or after a kill, before those that precede it.
    #[inline]
    pub fn store(&self, offset: usize, value: u64) {
        self.word(offset).store(value, Ordering::Release);
    }

    /// Makes the bytes of the range durable.
    pub fn sync(&self, offset: usize, len: usize) -> io::Result<()> {
        let begun = trace::begin_sync();
        let synced = faults::check(Call::Msync).and_then(|()| self.map.flush_range(offset, len));
        if holds(Rule::SyncResult) {
            synced?;
        }
        begun.mapped(self.map.as_ptr().wrapping_add(offset), len);
        Ok(())
    }

    /// Takes the range's pages out of the process, ahead of a sync; whoever touches one has it again. Best effort.
    pub fn unmap_pages(&self, offset: usize, len: usize) {
        if self.shared && len > 0 {
            sys::unmap_pages(&self.map, offset, len);
        }
    }

    /// Brings a range's pages in for writing, in bulk, as far as the system can. Best effort.
    pub fn prefault(&self, offset: usize, len: usize) {
        let len = len.min(self.len().saturating_sub(offset));
        if len > 0 {
            sys::prefault(&self.map, offset, len);
        }
    }

    /// Gives a range to which nothing was stored yet its pages, and brings them in for writing. Best effort.
    pub fn fill(&self, file: &File, range: Range<usize>, piece: usize) {
        if !range.is_empty() {
            sys::fill(file, range.clone(), piece);
            self.prefault(range.start, range.len());
        }
    }

    /// Stores zeros all over a mapping that nobody else reaches.
    pub fn zero(&mut self) {
        self.prefault(0, self.len());
        // SAFETY: the range is the whole mapping, which is writable but for `Access::ReadOnly`, of which nobody asks this;
        // `&mut self` says that no reference into it lives.
        unsafe { std::ptr::write_bytes(self.map.as_mut_ptr(), 0, self.map.len()) };
        if trace::is_on() {
            trace::copied(self.map.as_ptr(), &vec![0; self.map.len()]);
        }
    }

    /// Has the processor fetch the line of an offset, which need not be in the mapping: a hint.
    #[inline]
    pub fn prefetch(&self, offset: usize) {
        prefetch(self.map.as_ptr().wrapping_add(offset));
    }

    /// Where the first byte lies.
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }
}
