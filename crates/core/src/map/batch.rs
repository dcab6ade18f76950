//! Many keys in one call. A lookup waits for two cache misses, one after the other; those of a group of keys overlap.

use super::{Map, check_key};
use crate::Result;
use crate::mem::enter;
use crate::shard::{Change, Expect, Found, Keep};
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
        while self.next_group(&mut keys, |key| key, false, &mut group)? {
            let mut guard = Some(enter());
            for &(hash, key) in &group {
                check_key(key)?;
                let shard = instance.shard(hash);
                let found = shard.read(hash, key, |found, _| match found {
                    Found::Inline(bytes) => Ok(visit(Some(bytes))),
                    Found::Extent(file, descriptor) => Err((file, descriptor)),
                })?;
                let flow = match found {
                    None => visit(None),
                    Some(Ok(flow)) => flow,
                    Some(Err((file, descriptor))) => {
                        // Nobody's freeing waits for a file to be read.
                        guard = None;
                        long.clear();
                        shard.read_extent(&file, &descriptor, &mut long)?;
                        visit(Some(&long))
                    }
                };
                if flow.is_break() {
                    return Ok(seen);
                }
                seen += 1;
            }
            drop(guard);
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
        while self.next_group(&mut keys, |key| key, false, &mut group)? {
            for &(hash, key) in &group {
                check_key(key)?;
                visit(instance.shard(hash).contains(hash, key)?);
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
            while self.next_group(&mut items, &key, true, &mut group)? {
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

    /// The next keys with their hashes, their slots and records on the way into the cache; `false`: there are none.
    fn next_group<'k, T: Copy>(
        &self,
        items: &mut impl Iterator<Item = T>,
        key: impl Fn(T) -> &'k [u8],
        for_change: bool,
        group: &mut Vec<(u64, T)>,
    ) -> Result<bool> {
        let instance = self.instance()?;
        group.clear();
        for item in items.take(GROUP) {
            group.push((instance.medium.keys.hash(key(item)), item));
        }
        if group.len() > 1 {
            let guard = enter();
            for &(hash, _) in group.iter() {
                instance.shard(hash).prefetch_slot(hash, for_change, &guard);
            }
            for &(hash, _) in group.iter() {
                instance.shard(hash).prefetch_record(hash, &guard);
            }
        }
        Ok(!group.is_empty())
    }
}
