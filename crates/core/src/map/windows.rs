//! Windows: private mappings of segments and extents, for callers who are shown the files' own pages.
//!
//! A window shows a whole file. Whoever looks through one may write to it by mistake: the mapping is private, so that
//! neither the file nor another window sees that. The pages that nobody wrote to are the file's, and a segment's pages
//! that the tail has left never change again.

use super::Map;
use crate::layout::extent::{Descriptor, VALUE_AT};
use crate::layout::names;
use crate::layout::segment::SegmentId;
use crate::log::{Segment, extent};
use crate::medium::Medium;
use crate::mem::{Access, Region};
use crate::viewers::Ask;
use crate::{Error, Result, signal, sys};
use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A private mapping of one file of a map, which keeps the file's contents for as long as it lives. It belongs to one
/// thread.
#[derive(Debug)]
pub struct Window {
    region: Region,
    shown: Shown,
    /// Looks that have begun and not ended.
    looks: Cell<u64>,
    medium: Arc<Medium>,
}

#[derive(Debug)]
enum Shown {
    /// `None` only while the window is dropped.
    Segment(u32, Option<Arc<Segment>>),
    Extent(u32, SegmentId, Arc<AtomicBool>),
}

/// What a window shows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    All,
    /// Those of one value, some of which are still written. A write of the user's keeps a page as it is then, which is all that
    /// this value needs, and no later one is looked for there.
    OfValue,
}

impl Pages {
    /// Where in the segment the window begins.
    fn start(self, value: &Range<usize>) -> usize {
        match self {
            Pages::All => 0,
            Pages::OfValue => value.start & !(sys::page_size() - 1),
        }
    }
}

impl Window {
    fn new(medium: &Arc<Medium>, region: Region, shown: Shown) -> Window {
        Window { region, shown, looks: Cell::new(0), medium: Arc::clone(medium) }
    }

    /// A segment, for a value in it, in a mapping of its own.
    fn of_segment(
        medium: &Arc<Medium>,
        shard: u32,
        segment: Arc<Segment>,
        value: &Range<usize>,
        pages: Pages,
    ) -> Result<Window> {
        let name = names::segment(shard, segment.id);
        let fail = |error: std::io::Error| Error::os(format_args!("map {name} for a view"), &error);
        let file = medium.dir.open_file(&name, false).map_err(fail)?;
        let region = match pages {
            Pages::All => Region::map(&file, Access::Private).map_err(fail)?,
            Pages::OfValue => {
                let start = pages.start(value);
                Region::map_part(&file, start, value.end - start).map_err(fail)?
            }
        };
        // A pinned segment keeps its name, but somebody else may have put another file there.
        let whole = pages == Pages::OfValue || region.len() == segment.log.len();
        if region.file_id() != segment.log.file_id() || !whole {
            return Err(Error::file_gone(&name));
        }
        region.set_owner(medium.owner(crate::layout::file::Kind::Segment, shard));
        segment.windows.fetch_add(1, Ordering::Relaxed);
        Ok(Window::new(medium, region, Shown::Segment(shard, Some(segment))))
    }

    fn of_extent(medium: &Arc<Medium>, shard: u32, file: &File, descriptor: &Descriptor) -> Result<Window> {
        // Watched first: a file that is deleted meanwhile is told of.
        let mark = medium.viewers.watch_extent(shard, descriptor.id);
        let region = extent::map_private(medium, file, descriptor)?;
        Ok(Window::new(medium, region, Shown::Extent(shard, descriptor.id, mark)))
    }

    /// Where the file's first byte lies. Pages may be written to, which is seen through this window alone.
    #[must_use]
    pub fn start(&self) -> *mut u8 {
        self.region.as_mut_ptr()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.region.len()
    }

    /// It never is: every file has a header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether what it shows was freed, and only this window or others keep it.
    fn is_freed(&self) -> bool {
        // Acquire: partner of the stores when a segment is retired, or an extent's file deleted.
        match &self.shown {
            Shown::Segment(_, segment) => segment.as_ref().is_some_and(|segment| segment.freed.load(Ordering::Acquire)),
            Shown::Extent(_, _, mark) => mark.load(Ordering::Acquire),
        }
    }

    fn look(&self) {
        if self.looks.replace(self.looks.get() + 1) == 0 {
            self.medium.viewers.look();
        }
    }

    fn look_away(&self) {
        let looks = self.looks.get();
        self.looks.set(looks.saturating_sub(1));
        if looks == 1 {
            self.medium.viewers.look_away();
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if self.looks.get() > 0 {
            self.medium.viewers.look_away();
        }
        let freed = self.is_freed();
        match &mut self.shown {
            Shown::Segment(_, segment) => {
                if let Some(segment) = segment.take() {
                    segment.windows.fetch_sub(1, Ordering::Relaxed);
                }
            }
            Shown::Extent(shard, id, mark) => {
                *mark = Arc::default();
                self.medium.viewers.forget_extent(*shard, *id);
            }
        }
        if freed {
            // The background was waiting for this one.
            signal::raise();
        }
    }
}

/// The windows of one handle in one thread, by numbers. They are the caller's: here it is only known which there are, so
/// that each file is mapped once.
pub struct Windows {
    medium: Arc<Medium>,
    viewer: u64,
    windows: Vec<Weak<Window>>,
    /// Numbers by shard and index of the segment. An index is not given to another segment while a window shows the one.
    segments: Vec<Vec<u32>>,
    extents: HashMap<(u32, SegmentId), u32>,
    /// Of single values, by shard, segment and place.
    values: HashMap<(u32, usize, usize), u32>,
    /// What the map's count of freed things was when the windows were looked through last.
    freed: u64,
    /// Numbers to be given again.
    unused: Vec<u32>,
    /// With so many numbers those of windows that are gone are looked for.
    sweep_at: usize,
}

const NONE: u32 = u32::MAX;
const FIRST_SWEEP: usize = 64;

impl std::fmt::Debug for Windows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Windows").field("count", &self.windows.len()).finish_non_exhaustive()
    }
}

impl Drop for Windows {
    fn drop(&mut self) {
        self.medium.viewers.leave(self.viewer);
    }
}

impl Map {
    /// No windows yet. `ask` is called, from any thread, when something was freed that one of them may show:
    /// [`next_idle`](Windows::next_idle) then tells which can go.
    ///
    /// # Errors
    /// `ERR_CLOSED`.
    pub fn windows(&self, ask: Ask) -> Result<Windows> {
        let medium = Arc::clone(&self.instance()?.medium);
        Ok(Windows {
            viewer: medium.viewers.join(ask),
            freed: medium.viewers.freed(),
            medium,
            windows: Vec::new(),
            segments: Vec::new(),
            extents: HashMap::new(),
            values: HashMap::new(),
            unused: Vec::new(),
            sweep_at: FIRST_SWEEP,
        })
    }
}

impl Windows {
    /// Begins a look at a value in a segment, if there is a window of it; gives where in that it lies.
    #[inline]
    pub(crate) fn look_at_segment(
        &self,
        shard: u32,
        index: usize,
        value: &Range<usize>,
        pages: Pages,
    ) -> Option<(u32, usize)> {
        let &number = match pages {
            Pages::All => self.segments.get(shard as usize)?.get(index)?,
            Pages::OfValue => self.values.get(&(shard, index, value.start))?,
        };
        let at = value.start - pages.start(value);
        Some((self.look(number, &(at..at + value.len()))?, at))
    }

    /// The same for the value of an extent.
    pub(crate) fn look_at_extent(&self, shard: u32, descriptor: &Descriptor) -> Option<u32> {
        self.look(*self.extents.get(&(shard, descriptor.id))?, &extent_range(descriptor))
    }

    #[inline]
    fn look(&self, number: u32, part: &Range<usize>) -> Option<u32> {
        let window = self.windows.get(number as usize)?.upgrade()?;
        // Two records may name one file, of which the other's is shorter: only damage makes them.
        if part.end > window.region.len() {
            return None;
        }
        // Where readers begin, and where a struct has its root. They come while the view is made.
        window.region.prefetch(part.start);
        window.region.prefetch(part.end.saturating_sub(1));
        window.look();
        Some(number)
    }

    /// Makes a window for a value in a segment and begins a look through it; gives where in it the value lies.
    pub(crate) fn open_segment(
        &mut self,
        shard: u32,
        segment: Arc<Segment>,
        value: &Range<usize>,
        pages: Pages,
    ) -> Result<(u32, Rc<Window>, usize)> {
        let index = segment.index;
        let window = Rc::new(Window::of_segment(&self.medium, shard, segment, value, pages)?);
        let number = self.add(&window);
        match pages {
            Pages::OfValue => drop(self.values.insert((shard, index, value.start), number)),
            Pages::All => {
                let shard = shard as usize;
                if self.segments.len() <= shard {
                    self.segments.resize_with(shard + 1, Vec::new);
                }
                if self.segments[shard].len() <= index {
                    self.segments[shard].resize(index + 1, NONE);
                }
                self.segments[shard][index] = number;
            }
        }
        Ok((number, window, value.start - pages.start(value)))
    }

    pub(crate) fn open_extent(
        &mut self,
        shard: u32,
        file: &File,
        descriptor: &Descriptor,
    ) -> Result<(u32, Rc<Window>)> {
        let window = Rc::new(Window::of_extent(&self.medium, shard, file, descriptor)?);
        let number = self.add(&window);
        self.extents.insert((shard, descriptor.id), number);
        Ok((number, window))
    }

    fn add(&mut self, window: &Rc<Window>) -> u32 {
        if self.unused.is_empty() && self.windows.len() >= self.sweep_at {
            self.sweep();
        }
        window.look();
        let number = self.unused.pop().unwrap_or_else(|| {
            self.windows.push(Weak::new());
            self.windows.len() as u32 - 1
        });
        self.windows[number as usize] = Rc::downgrade(window);
        number
    }

    /// Forgets what windows that are gone were for. Only then their numbers are given again: else a file would be taken for
    /// another.
    fn sweep(&mut self) {
        let windows = &self.windows;
        let is_gone = |number: u32| windows.get(number as usize).is_none_or(|window| window.strong_count() == 0);
        self.extents.retain(|_, &mut number| !is_gone(number));
        self.values.retain(|_, &mut number| !is_gone(number));
        for number in self.segments.iter_mut().flatten() {
            if is_gone(*number) {
                *number = NONE;
            }
        }
        self.unused = (0..windows.len() as u32).filter(|&number| is_gone(number)).collect();
        self.sweep_at = (2 * (windows.len() - self.unused.len())).max(FIRST_SWEEP);
    }

    /// Another window for the one of this number, with one look begun: for a caller who has lost sight of it while it still
    /// lives. `None` if there is no such file any more.
    pub fn renew(&mut self, number: u32) -> Option<(u32, Rc<Window>)> {
        let window = self.windows.get(number as usize)?.upgrade()?;
        window.look_away();
        match &window.shown {
            // Of a part it is not known here which it was.
            Shown::Segment(shard, segment) if segment.as_ref()?.log.len() == window.region.len() => {
                let (number, window, _) =
                    self.open_segment(*shard, Arc::clone(segment.as_ref()?), &(0..0), Pages::All).ok()?;
                Some((number, window))
            }
            Shown::Segment(..) | Shown::Extent(..) => None,
        }
    }

    /// Ends a look through a window. `true`: nobody looks through it any more and what it shows was freed, so it is to go.
    pub fn look_away(&self, number: u32) -> bool {
        let Some(window) = self.windows.get(number as usize).and_then(Weak::upgrade) else { return false };
        window.look_away();
        window.looks.get() == 0 && window.is_freed()
    }

    /// Whether something was freed since this was asked last, so that windows may have to go.
    #[inline]
    pub fn is_asked(&mut self) -> bool {
        let freed = self.medium.viewers.freed();
        std::mem::replace(&mut self.freed, freed) != freed
    }

    /// The next window from a number on that shows what was freed, and through which nobody looks.
    #[must_use]
    pub fn next_idle(&self, from: u32) -> Option<u32> {
        (from as usize..self.windows.len())
            .find(|&number| {
                self.windows[number].upgrade().is_some_and(|window| window.looks.get() == 0 && window.is_freed())
            })
            .map(|number| number as u32)
    }
}

/// Where an extent's value lies in its window.
pub(crate) fn extent_range(descriptor: &Descriptor) -> Range<usize> {
    VALUE_AT..VALUE_AT + descriptor.len as usize
}
