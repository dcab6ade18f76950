//! Values where they lie: through windows on the files' own pages.

use super::windows::{Window, Windows, extent_range};
use super::{Cursor, Extent, Map};
use crate::Result;
use crate::layout::segment::RecordRef;
use crate::log::Segment;
use crate::shard::{OpenExtent, Pin, PinnedValue, Shard};
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
    Segment(Arc<Segment>, Range<usize>),
    Record(RecordRef, Arc<Segment>, Range<usize>),
    Shown,
    Extent(Pin),
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
                let seen = windows.as_ref().and_then(|windows| windows.look_at_extent(shard.number(), &descriptor));
                return Ok(match seen {
                    Some(number) => Some(Found::Window(number, extent_range(&descriptor))),
                    None => shard.pin_record(record, guard)?.map(Found::Extent),
                });
            }
            let (index, range) = (record.place.segment(), record.value_range());
            let Some(windows) =
                windows.as_ref().filter(|_| range.len() >= LONG || shard.tail_has_left(index, range.end))
            else {
                sink(record.value());
                return Ok(Some(Found::Shown));
            };
            if !shard.tail_has_left(index, range.end) {
                return Ok(match windows.look_at_record(shard.number(), record.place, &range) {
                    Some((number, at)) => Some(Found::Window(number, at..at + range.len())),
                    None => shard.pin_segment(record, guard).map(|segment| Found::Record(record.place, segment, range)),
                });
            }
            Ok(match windows.look_at_segment(shard.number(), index, &range) {
                Some(number) => Some(Found::Window(number, range)),
                None => shard.pin_segment(record, guard).map(|segment| Found::Segment(segment, range)),
            })
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
    let opened =
        |number, window, range: Range<usize>| Sight::Opened { number, window, at: range.start, len: range.len() };
    Ok(match found {
        Found::Window(number, range) => Sight::Window { number, at: range.start, len: range.len() },
        Found::Shown => Sight::Shown,
        Found::Segment(segment, range) => {
            match windows.and_then(|windows| windows.open_segment(shard.number(), Arc::clone(&segment)).ok()) {
                Some((number, window)) => opened(number, window, range),
                None => {
                    sink(published(&segment, &range));
                    Sight::Shown
                }
            }
        }
        Found::Record(place, segment, range) => {
            let opened =
                |windows: &mut Windows| windows.open_record(shard.number(), place, Arc::clone(&segment), &range).ok();
            match windows.and_then(opened) {
                Some((number, window, at)) => Sight::Opened { number, window, at, len: range.len() },
                None => {
                    sink(published(&segment, &range));
                    Sight::Shown
                }
            }
        }
        Found::Extent(pin) => match pin.value {
            PinnedValue::Inline(range) => sight(shard, Found::Segment(pin.segment, range), windows, sink)?,
            PinnedValue::Extent(file, descriptor) => {
                let file = file?;
                match windows.and_then(|windows| windows.open_extent(shard.number(), &file, &descriptor).ok()) {
                    Some((number, window)) => opened(number, window, extent_range(&descriptor)),
                    // Read, it tells what is wrong with it, if something is.
                    None => Sight::Extent(Extent { shard, open: Box::new(OpenExtent { file, descriptor }) }),
                }
            }
        },
    })
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
        let (number, index) = (shard.number(), pin.segment.index);
        let found = match pin.value {
            PinnedValue::Inline(range) => match windows.as_ref().filter(|_| shard.tail_has_left(index, range.end)) {
                None => {
                    sink(published(&pin.segment, &range));
                    Found::Shown
                }
                Some(windows) => match windows.look_at_segment(number, index, &range) {
                    Some(number) => Found::Window(number, range),
                    None => Found::Segment(pin.segment, range),
                },
            },
            PinnedValue::Extent(_, descriptor) => {
                match windows.as_ref().and_then(|windows| windows.look_at_extent(number, &descriptor)) {
                    Some(number) => Found::Window(number, extent_range(&descriptor)),
                    None => Found::Extent(pin),
                }
            }
        };
        sight(shard, found, windows, sink).map(Some)
    }
}

/// A part of a record that was found in the segment.
fn published<'a>(segment: &'a Segment, range: &Range<usize>) -> &'a [u8] {
    segment.log.bytes(range.start, range.len()).expect("a record stays published")
}
