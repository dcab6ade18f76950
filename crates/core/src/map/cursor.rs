//! Iteration over all shards, in pages.

use super::Map;
use crate::Result;
use crate::shard::{Copied, Pin, Portion, Position};

/// A position in the map. Holds nothing between two steps.
#[derive(Debug, Default)]
pub struct Cursor {
    shard: usize,
    position: Position,
    portion: Portion,
    /// An iteration that met damage stays failed: it must not go on as if nothing was missing.
    failed: Option<crate::Error>,
}

/// Some entries, copied out of the map.
#[derive(Debug, Default)]
pub struct Page {
    bytes: Vec<u8>,
    entries: Vec<(usize, usize, usize)>,
}

impl Page {
    /// The entries' keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.iter_from(0)
    }

    /// The same without the first so many.
    pub fn iter_from(&self, first: usize) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries
            .get(first..)
            .unwrap_or_default()
            .iter()
            .map(|&(key, value, end)| (&self.bytes[key..value], &self.bytes[value..end]))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Cursor {
    /// Fills the page with the next entries, at least one; `false` at the end. Each key that is there throughout is met
    /// exactly once, whatever is written meanwhile; others at most once.
    ///
    /// # Errors
    /// As [`Map::read_into`]; the same error again from then on.
    pub fn next(&mut self, map: &Map, page: &mut Page) -> Result<bool> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let stepped = self.step(map, page);
        if let Err(error) = &stepped {
            self.failed = Some(error.clone());
        }
        stepped
    }

    fn step(&mut self, map: &Map, page: &mut Page) -> Result<bool> {
        page.bytes.clear();
        page.entries.clear();
        let instance = map.instance()?;
        while let Some(shard) = instance.shards.get(self.shard) {
            let next = shard.scan(self.position, &mut self.portion)?;
            self.go_on(next);
            // The portion's memory is the page's from here on, and the other way round.
            std::mem::swap(&mut page.bytes, &mut self.portion.bytes);
            for (key, value) in &self.portion.entries {
                let end = match value {
                    Copied::Inline(range) => range.end,
                    // The last of its portion: what is read stands right behind its key.
                    Copied::Extent(file, descriptor) => {
                        shard.read_extent(file, descriptor, &mut page.bytes)?;
                        page.bytes.len()
                    }
                };
                page.entries.push((key.start, key.end, end));
            }
            if !page.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// As [`next`](Cursor::next), the entries pinned and not copied; gives their shard. Nothing is asked again after an error.
    pub(crate) fn next_pinned(&mut self, map: &Map, pins: &mut Vec<Pin>) -> Result<Option<usize>> {
        let instance = map.instance()?;
        while let Some(shard) = instance.shards.get(self.shard) {
            let number = self.shard;
            let next = shard.scan_pinned(self.position, pins)?;
            self.go_on(next);
            if !pins.is_empty() {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    fn go_on(&mut self, next: Option<Position>) {
        self.shard += usize::from(next.is_none());
        self.position = next.unwrap_or_default();
    }
}

/// All entries, one after the other; see [`Map::iter`].
#[derive(Debug)]
pub struct Iter<'a> {
    map: &'a Map,
    cursor: Cursor,
    page: Page,
    at: usize,
    done: bool,
}

impl Iterator for Iter<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            if let Some(&(key, value, end)) = self.page.entries.get(self.at) {
                self.at += 1;
                return Some(Ok((self.page.bytes[key..value].to_vec(), self.page.bytes[value..end].to_vec())));
            }
            self.at = 0;
            match self.cursor.next(self.map, &mut self.page) {
                Ok(more) => self.done = !more,
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Map {
    /// A position before the first entry. No order is promised.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor::default()
    }

    /// All entries, copied. No order is promised; see [`Cursor::next`] for what concurrent changes do.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { map: self, cursor: self.cursor(), page: Page::default(), at: 0, done: false }
    }
}
