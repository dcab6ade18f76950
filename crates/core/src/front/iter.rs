//! Iteration over pinned records.

use crate::Result;
use crate::map::{Cursor, Map};
use crate::shard::Pin;

/// The records of a map, table by table. After an error it is done: it must not go on as if nothing was missing.
pub(super) struct Pinned<'a> {
    map: &'a Map,
    cursor: Cursor,
    portion: Vec<Pin>,
    done: bool,
}

impl<'a> Pinned<'a> {
    pub fn new(map: &'a Map) -> Self {
        Pinned { map, cursor: map.cursor(), portion: Vec::new(), done: false }
    }
}

impl Iterator for Pinned<'_> {
    type Item = Result<Pin>;

    fn next(&mut self) -> Option<Result<Pin>> {
        while !self.done {
            if let Some(pin) = self.portion.pop() {
                return Some(Ok(pin));
            }
            match self.cursor.next_pinned(self.map, &mut self.portion) {
                Ok(shard) => self.done = shard.is_none(),
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
