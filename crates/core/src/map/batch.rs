//! Many keys in one call. A lookup waits for two cache misses, one after the other; those of a group of keys overlap.

use super::instance::Instance;
use super::{Map, check_key};
use crate::Result;
use crate::mem::{Guard, enter};
use crate::shard::{Change, Expect, Found, Hint, Keep};
use std::ops::ControlFlow;

/// Keys whose misses overlap. More would push each other's lines out of what the processor keeps open at once.
const GROUP: usize = 32;

/// How far a batch came, and how it ended. Every key before `done` was dealt with, none after it.
#[derive(Debug)]
#[must_use]
pub struct Progress {
    /// Keys dealt with.
    pub done: usize,
    /// The error that ended the batch early.
    pub ended: Result<()>,
}

impl Map {
    /// Calls `visit` with each key's value in order, `None` for a miss, until it breaks off; how many keys it has seen, the
    /// one at which it broke off not counted. It must only copy the bytes.
    ///
    /// # Errors
    /// As [`read_into`](Map::read_into).
    pub fn read_many<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k [u8]>,
        mut visit: impl FnMut(Option<&[u8]>) -> ControlFlow<()>,
    ) -> Result<usize> {
        let instance = self.instance()?;
        let mut long = Vec::new();
        let mut seen = 0;
        let mut keys = keys.into_iter();
        let mut group = Vec::with_capacity(GROUP);
        while instance.next_group(&mut keys, |key| key, &mut group) {
            let mut rest = &group[..];
            while !rest.is_empty() {
                let mut extent = None;
                let before = seen;
                let guard = enter();
                let hints = instance.look_ahead(rest, false, &guard);
                for (&(hash, key), &hint) in rest.iter().zip(&hints) {
                    check_key(key)?;
                    let shard = instance.shard(hash);
                    let found = shard.read_from(hint, hash, key, &guard, |found, _| match found {
                        Found::Inline(bytes) => Ok(visit(Some(bytes))),
                        Found::Extent(open) => Err(open),
                    })?;
                    let flow = match found {
                        None => visit(None),
                        Some(Ok(flow)) => flow,
                        Some(Err(found)) => {
                            extent = Some((shard, found));
                            break;
                        }
                    };
                    if flow.is_break() {
                        return Ok(seen);
                    }
                    seen += 1;
                }
                // Nobody's freeing waits for a file to be read.
                drop(guard);
                if let Some((shard, open)) = extent {
                    long.clear();
                    shard.read_extent(&open.file, &open.descriptor, &mut long)?;
                    if visit(Some(&long)).is_break() {
                        return Ok(seen);
                    }
                    seen += 1;
                }
                rest = &rest[seen - before..];
            }
        }
        Ok(seen)
    }

    /// The values of many keys, in order; `None` for a miss.
    ///
    /// # Errors
    /// As [`read_into`](Map::read_into).
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut values = Vec::with_capacity(keys.len());
        self.read_many(keys.iter().map(AsRef::as_ref), |value| {
            values.push(value.map(<[u8]>::to_vec));
            ControlFlow::Continue(())
        })?;
        Ok(values)
    }

    /// Calls `visit` with whether each key is there, in order.
    ///
    /// # Errors
    /// As [`read_into`](Map::read_into).
    pub fn contains_many<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k [u8]>,
        mut visit: impl FnMut(bool),
    ) -> Result<()> {
        let instance = self.instance()?;
        let mut keys = keys.into_iter();
        let mut group = Vec::with_capacity(GROUP);
        while instance.next_group(&mut keys, |key| key, &mut group) {
            let guard = enter();
            let hints = instance.look_ahead(&group, false, &guard);
            for (&(hash, key), &hint) in group.iter().zip(&hints) {
                check_key(key)?;
                visit(instance.shard(hash).contains_from(hint, hash, key, &guard)?);
            }
        }
        Ok(())
    }

    /// Stores many entries in order, each by itself: when one fails those before it are stored.
    ///
    /// The errors are those of [`put`](Map::put).
    pub fn put_many<'k>(&self, entries: impl IntoIterator<Item = (&'k [u8], &'k [u8])>) -> Progress {
        self.change_many(
            entries,
            |entry| entry.0,
            |hash, (key, value)| Ok(self.store(hash, key, value, Expect::Any, Keep::Nothing)?.0),
        )
    }

    /// Removes many keys in order, each by itself, and calls `visit` with whether it was there.
    ///
    /// The errors are those of [`remove`](Map::remove).
    pub fn remove_many<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>, mut visit: impl FnMut(bool)) -> Progress {
        self.change_many(
            keys,
            |key| key,
            |hash, key| {
                let change = self.delete(hash, key, Expect::Any, Keep::Nothing)?.0;
                visit(change == Change::Removed);
                Ok(change)
            },
        )
    }

    fn change_many<'k, T: Copy>(
        &self,
        items: impl IntoIterator<Item = T>,
        key: impl Fn(T) -> &'k [u8],
        mut change: impl FnMut(u64, T) -> Result<Change>,
    ) -> Progress {
        let mut done = 0;
        let mut items = items.into_iter();
        let mut group = Vec::with_capacity(GROUP);
        let ended = (|| {
            let instance = self.instance()?;
            while instance.next_group(&mut items, &key, &mut group) {
                instance.look_ahead(&group, true, &enter());
                for &(hash, item) in &group {
                    check_key(key(item))?;
                    change(hash, item)?;
                    done += 1;
                }
            }
            Ok(())
        })();
        Progress { done, ended }
    }
}

impl Instance {
    /// The next keys with their hashes; `false`: there are none.
    fn next_group<'k, T: Copy>(
        &self,
        items: &mut impl Iterator<Item = T>,
        key: impl Fn(T) -> &'k [u8],
        group: &mut Vec<(u64, T)>,
    ) -> bool {
        group.clear();
        group.extend(items.take(GROUP).map(|item| (self.medium.keys.hash(key(item)), item)));
        !group.is_empty()
    }

    /// Has the processor fetch the keys' slots, all of them before the first is looked at, and then their records.
    fn look_ahead<'g, T>(&'g self, group: &[(u64, T)], for_change: bool, guard: &'g Guard) -> [Hint<'g>; GROUP] {
        let mut hints = [Hint::default(); GROUP];
        // One key has nothing to overlap with.
        if group.len() > 1 {
            for (&(hash, _), hint) in group.iter().zip(&mut hints) {
                *hint = self.shard(hash).look_ahead(hash, for_change, guard);
            }
            for (&(hash, _), hint) in group.iter().zip(&mut hints) {
                self.shard(hash).prefetch_record(hint, hash, guard);
            }
        }
        hints
    }
}
