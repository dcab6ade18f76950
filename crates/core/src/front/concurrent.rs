//! The map that threads share.

use super::codec::{KeyCodec, ValueCodec};
use super::concurrent_entry::ConcurrentEntry;
use super::iter::Pinned;
use super::opening;
use super::reference::Ref;
use crate::map::{Map, Options, Sharing, Stats};
use crate::shard::{Keep, Pin};
use crate::{Code, Error, Result};
use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

/// An update that lost this many races in a row gives up.
const MAX_RACES: usize = 1000;

/// A hash map in the files of one directory, for all threads of a process: every call takes `&self`.
///
/// A clone is another handle of the same map, and so is what a second `open` of the directory gives, in any thread. Reads
/// take no lock; a change locks one of the map's shards (16 unless stated). Every thread sees a write as soon as the call
/// that made it has returned. A background thread, one for the process, makes files ahead, compacts, and flushes a changed
/// map every second; it keeps no process alive.
///
/// What `get` gives is a [`Ref`] to the value where it lies. It may be kept while any other call is made.
///
/// ```
/// # fn main() -> opendiskmap::Result<()> {
/// # let temp = tempfile::tempdir().unwrap();
/// # let dir = temp.path();
/// use opendiskmap::{ConcurrentDiskMap, Native, Str};
///
/// let map = ConcurrentDiskMap::<Str, Native<u64>>::new_in(dir)?;
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| {
///             for _ in 0..100 {
///                 map.update("calls", |calls| Some(calls.copied().unwrap_or(0) + 1)).unwrap();
///             }
///         });
///     }
/// });
/// assert_eq!(map.get("calls")?.as_deref(), Some(&400));
/// # Ok(())
/// # }
/// ```
///
/// If the process dies, nothing that returned is lost; if the machine dies, everything up to the last
/// [`flush`](Self::flush) is there.
pub struct ConcurrentDiskMap<K: KeyCodec, V: ValueCodec> {
    map: Map,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: KeyCodec, V: ValueCodec> Clone for ConcurrentDiskMap<K, V> {
    fn clone(&self) -> Self {
        ConcurrentDiskMap { map: self.map.clone(), types: PhantomData }
    }
}

/// What becomes of a key in an [`update`](ConcurrentDiskMap::update).
pub(super) enum Step<T> {
    Store(T),
    Remove,
    Leave,
}

impl<K: KeyCodec, V: ValueCodec> ConcurrentDiskMap<K, V> {
    /// Opens the map in a directory of its own, makes it if there is none, or joins it if this process has it open. The
    /// directory's parent must exist.
    ///
    /// # Errors
    /// `ERR_LOCKED` if another process has it open, or a [`DiskHashMap`](crate::DiskHashMap) of this one;
    /// `ERR_CODEC_MISMATCH` if its keys or values are of other types; `ERR_NOT_A_MAP` if the directory holds something
    /// else; `ERR_NOT_FOUND`, `ERR_FS_UNSUPPORTED`, `ERR_VERSION`, `ERR_CORRUPT`, `ERR_NO_SPACE`, `ERR_IO`.
    pub fn new_in(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open(dir, &Options::default())
    }

    /// Opens or makes a map; a new one has room for `entries` entries, whose keys and values take `key_bytes` and
    /// `value_bytes` bytes in all once encoded. Up to that no table is split and no file is made.
    ///
    /// # Errors
    /// As [`new_in`](Self::new_in).
    pub fn with_capacity(dir: impl AsRef<Path>, entries: u64, key_bytes: u64, value_bytes: u64) -> Result<Self> {
        Self::open(dir, &opening::with_room(entries, key_bytes, value_bytes))
    }

    /// Opens a map that is there.
    ///
    /// # Errors
    /// `ERR_NOT_FOUND` if there is none; else as [`new_in`](Self::new_in).
    pub fn load_from(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open(dir, &opening::existing())
    }

    /// Opens, makes or joins a map under options. Codecs and alignment follow from the type; the options' own are not
    /// looked at.
    ///
    /// # Errors
    /// `ERR_INVALID_ARGUMENT` and `ERR_OPTIONS_MISMATCH`, and as [`new_in`](Self::new_in).
    pub fn open(dir: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let map = opening::open::<K, V>(dir.as_ref(), options, Sharing::Shared)?;
        Ok(ConcurrentDiskMap { map, types: PhantomData })
    }

    /// The value of a key, in place; a number is copied out.
    ///
    /// # Errors
    /// `ERR_CORRUPT` for a damaged record, or a value that its codec did not write; `ERR_INVALID_KEY`, `ERR_TOO_LARGE`,
    /// `ERR_IO`, `ERR_POISONED`; `ERR_NO_SPACE` if a long value cannot be mapped.
    pub fn get(&self, key: &K::Item) -> Result<Option<Ref<'_, V>>> {
        let found = Ref::find(&self.map, K::encode_key(key)?.as_ref())?;
        Ok(found.map(|(_, value)| value))
    }

    /// Whether the key is there.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains_key(&self, key: &K::Item) -> Result<bool> {
        self.map.contains_key(K::encode_key(key)?.as_ref())
    }

    /// Stores a value, and gives the one that it replaced.
    ///
    /// # Errors
    /// `ERR_INVALID_KEY`, `ERR_INVALID_VALUE`, `ERR_TOO_LARGE`, `ERR_NO_SPACE`, `ERR_READ_ONLY`, `ERR_CORRUPT`, `ERR_IO`,
    /// `ERR_POISONED`: nothing is changed then. If only the old value cannot be read (`ERR_CORRUPT`), it is replaced.
    pub fn insert(&self, key: &K::Item, value: &V::Item) -> Result<Option<Ref<'_, V>>> {
        let (key, value) = (K::encode_key(key)?, V::encode(value)?);
        let old = self.map.put_keeping(key.as_ref(), value.as_ref(), Keep::Old)?;
        old.map(|pin| self.value(pin)).transpose()
    }

    /// Removes a key, and gives the value that it had.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove(&self, key: &K::Item) -> Result<Option<Ref<'_, V>>> {
        let old = self.map.take(K::encode_key(key)?.as_ref())?;
        old.map(|pin| self.value(pin)).transpose()
    }

    fn value(&self, pin: Pin) -> Result<Ref<'_, V>> {
        Ref::new(self.map.shared_value(pin)?)
    }

    /// Stores what `change` makes of the key's value, or of its absence, and gives it; `None` removes the key. If another
    /// call changes the key meanwhile, `change` is called again with what is there then. No lock is held while it runs.
    ///
    /// # Errors
    /// `ERR_CONFLICT` after 1,000 lost races; else as [`insert`](Self::insert). Nothing is changed then.
    pub fn update<T: Borrow<V::Item>>(
        &self,
        key: &K::Item,
        mut change: impl FnMut(Option<&V::Target>) -> Option<T>,
    ) -> Result<Option<T>> {
        self.race(key, |value| change(value).map_or(Step::Remove, Step::Store))
    }

    /// The loop of `update`: the change counts if the key's record is still the one that was seen.
    pub(super) fn race<T: Borrow<V::Item>>(
        &self,
        key: &K::Item,
        mut step: impl FnMut(Option<&V::Target>) -> Step<T>,
    ) -> Result<Option<T>> {
        let key = K::encode_key(key)?;
        let key = key.as_ref();
        for _ in 0..MAX_RACES {
            let found = Ref::<V>::find(&self.map, key)?;
            let seq = found.as_ref().map(|(seq, _)| *seq);
            match step(found.as_ref().map(|(_, value)| &**value)) {
                Step::Leave => return Ok(None),
                Step::Remove if seq.is_none() || self.map.swap(key, seq, None)? => return Ok(None),
                Step::Remove => {}
                Step::Store(new) => {
                    let stored = self.map.swap(key, seq, Some(V::encode(new.borrow())?.as_ref()))?;
                    if stored {
                        return Ok(Some(new));
                    }
                }
            }
        }
        Err(conflict())
    }

    /// The value that is there, or the one that `value` gives, which is then stored. Whoever is first wins.
    pub(super) fn get_or_insert<T: Borrow<V::Item>>(
        &self,
        key: &K::Item,
        value: impl FnOnce() -> T,
    ) -> Result<Ref<'_, V>> {
        if let Some(found) = self.get(key)? {
            return Ok(found);
        }
        let value = value();
        let (bytes, encoded) = (K::encode_key(key)?, V::encode(value.borrow())?);
        for _ in 0..MAX_RACES {
            if let Some(pin) = self.map.put_absent(bytes.as_ref(), encoded.as_ref())? {
                return self.value(pin);
            }
            if let Some(found) = self.get(key)? {
                return Ok(found);
            }
        }
        Err(conflict())
    }

    /// A snapshot of the key's place. It holds no lock, and its calls do not trust it: each looks again. The key is copied.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn entry(&self, key: &K::Item) -> Result<ConcurrentEntry<'_, K, V>> {
        let value = self.get(key)?;
        Ok(ConcurrentEntry::new(self, key.to_owned(), value))
    }

    /// Entries in the map.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.map.len()
    }

    /// Whether the map has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The smallest power of two that is no less than the entries there are, nor than those that the map was made for.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.map.capacity()
    }

    /// [`len`](Self::len) by [`capacity`](Self::capacity).
    #[must_use]
    pub fn load_factor(&self) -> f64 {
        opening::load_factor(&self.map)
    }

    /// Shards of the map, each with a lock of its own.
    #[must_use]
    pub fn shard_count(&self) -> usize {
        self.map.shard_count()
    }

    /// All entries, in no order. A key that is there throughout is met exactly once, others at most once; nothing is
    /// locked between two items.
    ///
    /// # Errors
    /// Items are as [`get`](Self::get)'s; nothing follows an error of the map.
    pub fn iter(&self) -> impl Iterator<Item = Result<(Ref<'_, K>, Ref<'_, V>)>> {
        Pinned::new(&self.map).map(|pin| {
            let pin = pin?;
            Ok((Ref::new(pin.shared_key())?, self.value(pin)?))
        })
    }

    /// All keys, in no order; see [`iter`](Self::iter).
    ///
    /// # Errors
    /// As [`iter`](Self::iter).
    pub fn keys(&self) -> impl Iterator<Item = Result<Ref<'_, K>>> {
        Pinned::new(&self.map).map(|pin| Ref::new(pin?.shared_key()))
    }

    /// All values, in no order; see [`iter`](Self::iter).
    ///
    /// # Errors
    /// As [`iter`](Self::iter).
    pub fn values(&self) -> impl Iterator<Item = Result<Ref<'_, V>>> {
        Pinned::new(&self.map).map(|pin| self.value(pin?))
    }

    /// Removes every entry. Others find each shard as it was before or empty, but not all at one moment.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn clear(&self) -> Result<()> {
        self.map.clear()
    }

    /// Makes everything that was written before the call durable.
    ///
    /// # Errors
    /// `ERR_IO` (from then on the map only reads), `ERR_FILE_GONE`, `ERR_NO_SPACE`.
    pub fn flush(&self) -> Result<()> {
        self.map.flush()
    }

    /// Copies the map to a directory that does not exist yet, durably and as it is at one moment; see
    /// [`Map::backup`](crate::Map::backup).
    ///
    /// # Errors
    /// As [`Map::backup`](crate::Map::backup).
    pub fn backup(
        &self,
        target: impl AsRef<std::path::Path>,
        watch: impl FnMut(crate::BackupProgress) -> Result<()>,
    ) -> Result<()> {
        self.map.backup(target, watch)
    }

    /// Rewrites what holds dead bytes, and gives the room back, in this thread; others go on meanwhile.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn compact(&self) -> Result<()> {
        self.map.compact()
    }

    /// What the map holds and uses.
    ///
    /// # Errors
    /// None while the handle is open.
    pub fn stats(&self) -> Result<Stats> {
        self.map.stats()
    }

    /// Ends this handle, as dropping it does. The map's last one makes everything durable and marks the map clean, and
    /// says whether that worked.
    ///
    /// # Errors
    /// `ERR_IO`, `ERR_FILE_GONE`, `ERR_NO_SPACE`: the handle is closed all the same, and the next open reads the log.
    pub fn close(self) -> Result<()> {
        self.map.close()
    }
}

#[cold]
fn conflict() -> Error {
    Error::new(
        Code::Conflict,
        format!("Other calls changed the key {MAX_RACES} times in a row while this one tried to. Try again."),
    )
}

impl<K: KeyCodec, V: ValueCodec> fmt::Debug for ConcurrentDiskMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrentDiskMap").field("len", &self.len()).finish_non_exhaustive()
    }
}
