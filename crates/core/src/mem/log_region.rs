//! A region that only grows: bytes are written once, above the published end, and read below it.

use super::prefetch::LINE;
use super::published::Published;
use super::region::Region;
use super::sync::MappedU64;
use super::trace;
use crate::sys::{self, FileId};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// The header's length: the only part of a segment that is reached as words.
const HEADER: usize = 64;
/// Fewer pages are synced as they are.
const WORTH_UNMAPPING: usize = 4;
/// Header, key and value of about a hundred bytes; the processor's own prefetching follows longer ones.
const LINES_OF_A_RECORD: usize = 3;

/// A segment's mapping. Everything below `published` is immutable for as long as the mapping lives; above it one writer,
/// which holds the shard's lock, copies records in.
#[derive(Debug)]
pub(crate) struct LogRegion {
    region: Region,
    published: Published,
    /// Raised while a writer copies: a second one would break the lock's promise, and is stopped here.
    writing: AtomicBool,
}

impl LogRegion {
    /// The bytes of the header are words; the log's start where it ends.
    pub fn new(region: Region, published: usize) -> Self {
        let published = published.clamp(HEADER, region.len());
        LogRegion { region, published: Published::new(published), writing: AtomicBool::new(false) }
    }

    /// The same mapping under another end: by value, so that no slice of it lives.
    pub fn ending(self, published: usize) -> LogRegion {
        LogRegion::new(self.region, published)
    }

    /// The mapping alone: by value, so that no slice of it lives.
    pub fn into_region(self) -> Region {
        self.region
    }

    pub fn len(&self) -> usize {
        self.region.len()
    }

    pub fn published(&self) -> usize {
        self.published.end()
    }

    /// A word of the header, which no record ever covers.
    pub fn header(&self, offset: usize) -> &MappedU64 {
        assert!(offset < HEADER, "not a header word");
        self.region.word(offset)
    }

    /// Bytes below the published end, `None` beyond it.
    #[inline]
    pub fn bytes(&self, offset: usize, len: usize) -> Option<&[u8]> {
        let end = offset.checked_add(len)?;
        if end > self.published.end() {
            return None;
        }
        // SAFETY:
        // - end ≤ published ≤ the mapping's length, and the mapping lives as long as `self`;
        // - bytes below `published` are written by nobody: `write` refuses offsets below it, and it never falls.
        Some(unsafe { std::slice::from_raw_parts(self.region.as_mut_ptr().add(offset), len) })
    }

    /// Has the processor fetch what stands from an offset on: a short record's lines.
    #[inline]
    pub fn prefetch(&self, offset: usize) {
        (0..LINES_OF_A_RECORD).for_each(|line| self.region.prefetch(offset.wrapping_add(line * LINE)));
    }

    /// Copies bytes in above the published end. Two writers at once, or an offset below the end, are bugs and panic.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let end = offset.checked_add(bytes.len()).expect("offset overflows");
        assert!(end <= self.len(), "record beyond the segment's end");
        assert!(!self.writing.swap(true, Ordering::Acquire), "two writers in one segment");
        assert!(offset >= self.published.end(), "published bytes are never written again");
        // SAFETY:
        // - the range is inside the mapping (checked above) and above `published`, so no `&[u8]` from `bytes` covers it;
        // - `writing` makes this the only writer; the source is a Rust slice and cannot overlap an unpublished range.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.region.as_mut_ptr().add(offset), bytes.len()) };
        trace::copied(self.region.as_mut_ptr().wrapping_add(offset), bytes);
        // Release: the copy is done before the next writer starts, and before any later store of this thread.
        self.writing.store(false, Ordering::Release);
    }

    /// Everything below `end` is final from now on.
    pub fn publish(&self, end: usize) {
        assert!(end <= self.len(), "published end beyond the segment");
        self.published.raise(end);
    }

    pub fn file_id(&self) -> FileId {
        self.region.file_id()
    }

    /// Makes the bytes of the range durable. Nothing is written to them any more, but to the page on which the log ends.
    pub fn sync(&self, offset: usize, len: usize) -> io::Result<()> {
        let page = sys::page_size();
        let first = offset / page * page;
        let whole = ((offset + len) / page * page).saturating_sub(first);
        if whole >= WORTH_UNMAPPING * page {
            self.region.unmap_pages(first, whole);
        }
        self.region.sync(offset, len)
    }

    pub fn prefault(&self, offset: usize, len: usize) {
        self.region.prefault(offset, len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable_once_published_and_never_writable_again() {
        let log = LogRegion::new(Region::anonymous(4096).unwrap(), 64);
        log.write(64, b"record");
        assert!(log.bytes(64, 6).is_none());
        log.publish(70);
        assert_eq!(log.bytes(64, 6).unwrap(), b"record");
        assert!(log.bytes(64, 7).is_none());
        assert!(log.bytes(usize::MAX, 2).is_none());
        assert!(std::panic::catch_unwind(|| log.write(69, b"x")).is_err());
    }

    /// For the thread sanitizer, which must report it: else it does not see what threads do to a mapping.
    #[cfg(thread_sanitizer)]
    #[test]
    fn planted_race() {
        let log = LogRegion::new(Region::anonymous(4096).unwrap(), 64);
        std::thread::scope(|scope| {
            scope.spawn(|| log.write(64, b"record"));
            // SAFETY: in range; that another thread writes there, which is against all rules, is what the test is for.
            std::hint::black_box(unsafe { log.region.as_mut_ptr().add(64).read_volatile() });
        });
    }
}
