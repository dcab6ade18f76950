//! Values where they lie: through windows on the files' own pages.

use super::windows::{Pages, Window, Windows, extent_range};
use super::{Cursor, Extent, Map};
use crate::Result;
use crate::layout::extent::Descriptor;
use crate::log::Segment;
use crate::shard::{OpenExtent, Pin, PinnedValue, Shard};
use std::fs::File;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

/// Where a value is to be seen.
#[derive(Debug)]
pub enum Sight<'a> {
    /// In a window that the caller has; a look through it has begun.
    Window { number: u32, at: usize, len: usize },
    /// In one that was made for this; if the caller drops it there is nothing to see. A look through it has begun.
    Opened { number: u32, window: Rc<Window>, at: usize, len: usize },
    /// Nowhere: the value was shown to be copied. It may be at the log's very end, on a page that is still written.
    Shown,
    /// Nowhere: a long value that has to be read.
    Extent(Extent<'a>),
}

/// A value of so many bytes has a window of its own while it lies on the page that is still written; a shorter one is copied,
/// which costs less.
const LONG: usize = 16 << 10;

/// What is found under a guard, and turned into a sight without it.
enum Found {
    Window(u32, Range<usize>),
    Segment(Arc<Segment>, Range<usize>, Pages),
    Shown,
    Extent(Result<File>, Descriptor),
}

impl Map {
    /// Where a key's value lies; `None` for a miss. A value that cannot be seen in a window, as all without windows, is shown
    /// to `sink`, which must only copy it, or handed out as an extent.
    ///
    /// # Errors
    /// As [`read_into`](Map::read_into).
    pub fn view<'a>(
        &'a self,
        key: &[u8],
        windows: Option<&mut Windows>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<Sight<'a>>> {
        let (instance, hash) = self.hashed(key)?;
        let shard = instance.shard(hash);
        let found = shard.find(hash, key, |record, guard| {
            if let Some(descriptor) = record.extent() {
                return Ok(Some(match in_window(shard, &descriptor, windows.as_deref()) {
                    Some(found) => found,
                    None => Found::Extent(Ok(shard.open_extent(&descriptor)?), descriptor),
                }));
            }
            let (index, range) = (record.place.segment(), record.value_range());
            let share = || shard.pin_segment(record, guard);
            Ok(locate(shard, index, range, windows.as_deref(), || sink(record.value()), share))
        })?;
        found.map(|found| sight(shard, found, windows, sink)).transpose()
    }
}

/// Opens the window that a value is to be seen in. Where none can be had, for lack of address space for example, the value
/// is copied.
fn sight<'a>(
    shard: &'a Shard,
    found: Found,
    windows: Option<&mut Windows>,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<Sight<'a>> {
    Ok(match found {
        Found::Window(number, range) => Sight::Window { number, at: range.start, len: range.len() },
        Found::Shown => Sight::Shown,
        Found::Segment(segment, value, pages) => {
            let share = Arc::clone(&segment);
            match windows.and_then(|windows| windows.open_segment(shard.number(), share, &value, pages).ok()) {
                Some((number, window, at)) => Sight::Opened { number, window, at, len: value.len() },
                None => {
                    sink(published(&segment, &value));
                    Sight::Shown
                }
            }
        }
        Found::Extent(file, descriptor) => {
            let file = file?;
            match windows.and_then(|windows| windows.open_extent(shard.number(), &file, &descriptor).ok()) {
                Some((number, window)) => {
                    let range = extent_range(&descriptor);
                    Sight::Opened { number, window, at: range.start, len: range.len() }
                }
                // Read, it tells what is wrong with it, if something is.
                None => Sight::Extent(Extent { shard, open: Box::new(OpenExtent { file, descriptor }) }),
            }
        }
    })
}

/// What shows a value in a segment: a window that there is, one to be opened over a share of the segment, or else a copy.
/// `None` if there is no share to be had.
fn locate(
    shard: &Shard,
    index: usize,
    value: Range<usize>,
    windows: Option<&Windows>,
    copy: impl FnOnce(),
    share: impl FnOnce() -> Option<Arc<Segment>>,
) -> Option<Found> {
    let pages = if shard.tail_has_left(index, value.end) { Pages::All } else { Pages::OfValue };
    let Some(windows) = windows.filter(|_| pages == Pages::All || value.len() >= LONG) else {
        copy();
        return Some(Found::Shown);
    };
    match windows.look_at_segment(shard.number(), index, &value, pages) {
        Some((number, at)) => Some(Found::Window(number, at..at + value.len())),
        None => share().map(|segment| Found::Segment(segment, value, pages)),
    }
}

fn in_window(shard: &Shard, descriptor: &Descriptor, windows: Option<&Windows>) -> Option<Found> {
    let number = windows?.look_at_extent(shard.number(), descriptor)?;
    Some(Found::Window(number, extent_range(descriptor)))
}

/// An iteration over a map's entries where they lie.
#[derive(Debug, Default)]
pub struct ViewCursor {
    cursor: Cursor,
    /// Of the portion at hand, and not given yet.
    pins: Vec<Pin>,
    shard: usize,
}

impl ViewCursor {
    /// The next entry, `None` at the end; which there are, says [`Cursor::next`]. The key is shown to `key`; for the value see
    /// [`Map::view`].
    ///
    /// # Errors
    /// As [`Cursor::next`].
    pub fn next<'a>(
        &mut self,
        map: &'a Map,
        windows: Option<&mut Windows>,
        key: &mut dyn FnMut(&[u8]),
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<Sight<'a>>> {
        let instance = map.instance()?;
        let pin = loop {
            if let Some(pin) = self.pins.pop() {
                break pin;
            }
            let Some(shard) = self.cursor.next_pinned(map, &mut self.pins)? else { return Ok(None) };
            self.shard = shard;
        };
        let shard = &instance.shards[self.shard];
        key(published(&pin.segment, &pin.key));
        let found = match pin.value {
            PinnedValue::Inline(range) => {
                let copy = || sink(published(&pin.segment, &range));
                let share = || Some(Arc::clone(&pin.segment));
                locate(shard, pin.segment.index, range.clone(), windows.as_deref(), copy, share)
                    .expect("a share is at hand")
            }
            PinnedValue::Extent(file, descriptor) => {
                in_window(shard, &descriptor, windows.as_deref()).unwrap_or(Found::Extent(file, descriptor))
            }
        };
        sight(shard, found, windows, sink).map(Some)
    }
}

/// A part of a record that was found in the segment.
fn published<'a>(segment: &'a Segment, range: &Range<usize>) -> &'a [u8] {
    segment.log.bytes(range.start, range.len()).expect("a record stays published")
}
