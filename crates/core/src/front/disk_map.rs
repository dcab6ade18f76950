//! The map of one owner.

use super::codec::{KeyCodec, ValueCodec, ValueRef};
use super::entry::MapEntry;
use super::iter::Pinned;
use super::opening;
use crate::map::{Map, Options, Pins, Sharing, Stats};
use crate::shard::{Keep, Pin};
use crate::{Code, Error, Result};
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

/// A hash map in the files of one directory, for one owner: reading takes `&self`, changing `&mut self`.
///
/// What `get` and iteration give are references into the mapped files. Nothing is freed or moved outside `&mut self`, so
/// they live until the next change, and the compiler sees to it:
///
/// ```compile_fail,E0502
/// # let temp = tempfile::tempdir().unwrap();
/// # let mut map = opendiskmap::U64StringMap::new_in(temp.path()).unwrap();
/// map.insert(&1, "one").unwrap();
/// let one = map.get(&1).unwrap();
/// map.insert(&2, "two").unwrap(); // error: the map is borrowed by `one`
/// assert_eq!(one, Some("one"));
/// ```
///
/// The map has one shard and no thread of its own: compaction runs in steps of some 50 µs inside the calls that change
/// it. It syncs in [`flush`](Self::flush), when it is closed or dropped, and when dead space exceeds its bound (twice the
/// live bytes and two segments). Of locks there is one, the shard's, which a change takes and nobody contends for. While
/// the map is open, opening the directory again is `ERR_LOCKED`, in this process too.
///
/// For a map that threads share there is [`ConcurrentDiskMap`](crate::ConcurrentDiskMap); each opens what the other wrote
/// with one shard.
///
/// If the process dies, nothing that returned is lost; if the machine dies, everything up to the last `flush` is there.
///
/// A value above 256 KiB has a file of its own, which is mapped when it is read, and stays mapped until the next change.
pub struct DiskHashMap<K: KeyCodec, V: ValueCodec> {
    // Before the map, so that nothing is pinned while it closes.
    pins: Pins,
    map: Map,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: KeyCodec, V: ValueCodec> DiskHashMap<K, V> {
    /// Opens the map in a directory of its own, and makes it if there is none. The directory's parent must exist.
    ///
    /// # Errors
    /// `ERR_LOCKED` if it is open anywhere; `ERR_CODEC_MISMATCH` if its keys or values are of other types;
    /// `ERR_OPTIONS_MISMATCH` if it has more than one shard; `ERR_NOT_A_MAP` if the directory holds something else;
    /// `ERR_NOT_FOUND`, `ERR_FS_UNSUPPORTED`, `ERR_VERSION`, `ERR_CORRUPT`, `ERR_NO_SPACE`, `ERR_IO`.
    pub fn new_in(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open(dir, &Options::default())
    }

    /// Opens or makes a map; a new one has room for `entries` entries, whose keys and values take `key_bytes` and
    /// `value_bytes` bytes in all once encoded. Up to that no table is split and no file is made.
    ///
    /// ```
    /// # fn main() -> opendiskmap::Result<()> {
    /// # let temp = tempfile::tempdir().unwrap();
    /// # let dir = temp.path();
    /// use opendiskmap::{DiskHashMap, Native, Str};
    ///
    /// let mut map = DiskHashMap::<Native<u64>, Str>::with_capacity(dir, 1000, 64_000, 128_000)?;
    /// assert_eq!(map.capacity(), 1024);
    /// map.insert(&0, "value 0")?;
    /// let before = map.stats()?;
    /// for number in 1..500 {
    ///     map.insert(&number, &format!("value {number}"))?;
    /// }
    /// let after = map.stats()?;
    /// assert_eq!((after.tables, after.segments, after.waits), (before.tables, before.segments, before.waits));
    /// assert_eq!(map.capacity(), 1024);
    /// assert_eq!(map.load_factor(), 500.0 / 1024.0);
    /// # Ok(())
    /// # }
    /// ```
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

    /// Opens or makes a map under options. Codecs and alignment follow from the type, the number of shards is one, and
    /// there is no timer that would flush: these options are not looked at, but for `shards`, which has to be 1 if stated.
    ///
    /// # Errors
    /// `ERR_INVALID_ARGUMENT`, and as [`new_in`](Self::new_in).
    pub fn open(dir: impl AsRef<Path>, options: &Options) -> Result<Self> {
        if let Some(shards) = options.shards.filter(|&shards| shards != 1) {
            return Err(Error::new(
                Code::OptionsMismatch,
                format!("A DiskHashMap has one shard, not {shards}. Leave the option out, or use a ConcurrentDiskMap."),
            ));
        }
        let options = Options { shards: Some(1), ..options.clone() };
        let map = opening::open::<K, V>(dir.as_ref(), &options, Sharing::Alone)?;
        Ok(DiskHashMap { pins: Pins::default(), map, types: PhantomData })
    }

    /// The value of a key, in place; a number is copied out.
    ///
    /// # Errors
    /// `ERR_CORRUPT` for a damaged record, or a value that its codec did not write; `ERR_INVALID_KEY`, `ERR_TOO_LARGE`,
    /// `ERR_IO`, `ERR_POISONED`; `ERR_NO_SPACE` if a long value cannot be mapped.
    pub fn get(&self, key: &K::Item) -> Result<Option<ValueRef<'_, V>>> {
        let key = K::encode_key(key)?;
        self.map.value_in(key.as_ref(), &self.pins)?.map(V::decode).transpose()
    }

    fn value(&self, pin: Pin) -> Result<ValueRef<'_, V>> {
        V::decode(self.pins.value(&self.map, pin)?)
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
    pub fn insert(&mut self, key: &K::Item, value: &V::Item) -> Result<Option<ValueRef<'_, V>>> {
        let (key, value) = (K::encode_key(key)?, V::encode(value)?);
        let old = self.change(|map| map.put_keeping(key.as_ref(), value.as_ref(), Keep::Old))?;
        old.map(|pin| self.value(pin)).transpose()
    }

    /// Removes a key, and gives the value that it had.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove(&mut self, key: &K::Item) -> Result<Option<ValueRef<'_, V>>> {
        let key = K::encode_key(key)?;
        let old = self.change(|map| map.take(key.as_ref()))?;
        old.map(|pin| self.value(pin)).transpose()
    }

    /// Stores a value, and gives it as it is stored.
    pub(super) fn put<'a>(&'a mut self, key: &K::Item, value: &V::Item) -> Result<ValueRef<'a, V>> {
        let (key, value) = (K::encode_key(key)?, V::encode(value)?);
        let new = self.change(|map| map.put_keeping(key.as_ref(), value.as_ref(), Keep::New))?;
        self.value(new.expect("a stored record is there"))
    }

    /// A change, and after it one step of upkeep, if one is due.
    fn change<R>(&mut self, change: impl Fn(&Map) -> Result<R>) -> Result<R> {
        // What earlier references lead to is let go before it would be in the way of being freed, or use up mappings.
        if self.map.wants_upkeep() || self.pins.has_extents() {
            self.pins.release();
        }
        let changed = match change(&self.map) {
            Err(error) if error.code() == Code::NoSpace && self.pins.release() => change(&self.map),
            changed => changed,
        };
        self.map.upkeep();
        changed
    }

    /// The key's place, to look and change it by. The key is copied.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn entry(&mut self, key: &K::Item) -> Result<MapEntry<'_, K, V>> {
        let occupied = self.contains_key(key)?;
        Ok(MapEntry::new(self, key.to_owned(), occupied))
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

    /// Shards of the map: 1.
    #[must_use]
    pub fn shard_count(&self) -> usize {
        self.map.shard_count()
    }

    /// All entries, in no order.
    ///
    /// # Errors
    /// Items are as [`get`](Self::get)'s; nothing follows an error of the map.
    pub fn iter(&self) -> impl Iterator<Item = Result<(ValueRef<'_, K>, ValueRef<'_, V>)>> {
        Pinned::new(&self.map).map(|pin| {
            let pin = pin?;
            Ok((K::decode(self.pins.key(&pin))?, self.value(pin)?))
        })
    }

    /// All keys, in no order.
    ///
    /// # Errors
    /// As [`iter`](Self::iter).
    pub fn keys(&self) -> impl Iterator<Item = Result<ValueRef<'_, K>>> {
        Pinned::new(&self.map).map(|pin| K::decode(self.pins.key(&pin?)))
    }

    /// All values, in no order.
    ///
    /// # Errors
    /// As [`iter`](Self::iter).
    pub fn values(&self) -> impl Iterator<Item = Result<ValueRef<'_, V>>> {
        Pinned::new(&self.map).map(|pin| self.value(pin?))
    }

    /// Removes every entry.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn clear(&mut self) -> Result<()> {
        self.change(Map::clear)
    }

    /// Makes everything that was written durable.
    ///
    /// # Errors
    /// `ERR_IO` (from then on the map only reads), `ERR_FILE_GONE`, `ERR_NO_SPACE`.
    pub fn flush(&mut self) -> Result<()> {
        self.pins.release();
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

    /// Rewrites what holds dead bytes, and gives the room back.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn compact(&mut self) -> Result<()> {
        self.pins.release();
        self.map.compact()
    }

    /// What the map holds and uses.
    ///
    /// # Errors
    /// None while the map is open.
    pub fn stats(&self) -> Result<Stats> {
        self.map.stats()
    }

    /// Makes everything durable and marks the map clean, as dropping it does, and says whether that worked.
    ///
    /// # Errors
    /// `ERR_IO`, `ERR_FILE_GONE`, `ERR_NO_SPACE`: the map is closed all the same, and the next open reads the log.
    pub fn close(self) -> Result<()> {
        drop(self.pins);
        self.map.close()
    }
}

impl<K: KeyCodec, V: ValueCodec> fmt::Debug for DiskHashMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskHashMap").field("len", &self.len()).finish_non_exhaustive()
    }
}
