//! The place of one key in the map of one owner.

use super::DiskHashMap;
use super::codec::{KeyCodec, ValueCodec, ValueRef};
use crate::{Error, Result};
use std::borrow::Borrow;
use std::fmt;

/// What [`DiskHashMap::entry`] gives: the key's place, with a value or without.
///
/// ```
/// # fn main() -> opendiskmap::Result<()> {
/// # let temp = tempfile::tempdir().unwrap();
/// # let dir = temp.path();
/// use opendiskmap::{DiskHashMap, MapEntry, Native, Str};
///
/// let mut map = DiskHashMap::<Native<u64>, Str>::new_in(dir)?;
/// assert!(map.is_empty());
///
/// for (value, there) in [("first", false), ("second", true)] {
///     match map.entry(&1)? {
///         MapEntry::Vacant(entry) => {
///             assert!(!there);
///             assert_eq!(entry.insert(value)?, "first");
///         }
///         MapEntry::Occupied(entry) => {
///             assert!(there);
///             let old = entry.insert(value)?;
///             assert_eq!(old, "first");
///         }
///     }
/// }
///
/// assert_eq!(map.entry(&1)?.or_insert("third")?, "second");
/// assert_eq!(map.entry(&2)?.or_insert("third")?, "third");
/// assert_eq!(map.entry(&3)?.or_insert_with(|| format!("{}th", 4))?, "4th");
/// map.entry(&3)?.and_modify(|value| value.to_uppercase())?.or_insert("new")?;
/// assert_eq!(map.get(&3)?, Some("4TH"));
///
/// assert!(map.contains_key(&2)?);
/// assert_eq!(map.load_factor(), map.len() as f64 / map.capacity() as f64);
/// assert_eq!(map.shard_count(), 1);
/// # Ok(())
/// # }
/// ```
pub enum MapEntry<'a, K: KeyCodec, V: ValueCodec> {
    /// The key has a value.
    Occupied(OccupiedEntry<'a, K, V>),
    /// The key has none.
    Vacant(VacantEntry<'a, K, V>),
}

/// The place of a key that has a value.
pub struct OccupiedEntry<'a, K: KeyCodec, V: ValueCodec> {
    place: Place<'a, K, V>,
}

/// The place of a key that has no value.
pub struct VacantEntry<'a, K: KeyCodec, V: ValueCodec> {
    place: Place<'a, K, V>,
}

struct Place<'a, K: KeyCodec, V: ValueCodec> {
    map: &'a mut DiskHashMap<K, V>,
    key: <K::Item as ToOwned>::Owned,
}

impl<'a, K: KeyCodec, V: ValueCodec> MapEntry<'a, K, V> {
    pub(super) fn new(map: &'a mut DiskHashMap<K, V>, key: <K::Item as ToOwned>::Owned, occupied: bool) -> Self {
        let place = Place { map, key };
        match occupied {
            true => MapEntry::Occupied(OccupiedEntry { place }),
            false => MapEntry::Vacant(VacantEntry { place }),
        }
    }

    fn place(self) -> Place<'a, K, V> {
        match self {
            MapEntry::Occupied(entry) => entry.place,
            MapEntry::Vacant(entry) => entry.place,
        }
    }

    /// The key.
    pub fn key(&self) -> &K::Item {
        match self {
            MapEntry::Occupied(entry) => entry.key(),
            MapEntry::Vacant(entry) => entry.key(),
        }
    }

    /// The value, if there is one.
    ///
    /// # Errors
    /// As [`DiskHashMap::get`].
    pub fn value(&self) -> Result<Option<ValueRef<'_, V>>> {
        match self {
            MapEntry::Occupied(entry) => entry.value().map(Some),
            MapEntry::Vacant(_) => Ok(None),
        }
    }

    /// Stores a value, and gives the one that it replaced.
    ///
    /// # Errors
    /// As [`DiskHashMap::insert`].
    pub fn insert(self, value: &V::Item) -> Result<Option<ValueRef<'a, V>>> {
        let Place { map, key } = self.place();
        map.insert(key.borrow(), value)
    }

    /// Stores a value if there is none, and gives what is there then.
    ///
    /// # Errors
    /// As [`DiskHashMap::insert`].
    pub fn or_insert(self, value: &V::Item) -> Result<ValueRef<'a, V>> {
        match self {
            MapEntry::Occupied(entry) => entry.into_value(),
            MapEntry::Vacant(entry) => entry.insert(value),
        }
    }

    /// Stores what `value` gives if there is no value, and gives what is there then. `value` may give the item, a
    /// reference to it, or what owns it: a `&str` or a `String` for [`Str`](crate::Str).
    ///
    /// # Errors
    /// As [`DiskHashMap::insert`].
    pub fn or_insert_with<T: Borrow<V::Item>>(self, value: impl FnOnce() -> T) -> Result<ValueRef<'a, V>> {
        match self {
            MapEntry::Occupied(entry) => entry.into_value(),
            MapEntry::Vacant(entry) => entry.insert(value().borrow()),
        }
    }

    /// Stores what `modify` makes of the value, if there is one.
    ///
    /// # Errors
    /// As [`DiskHashMap::insert`].
    pub fn and_modify<T: Borrow<V::Item>>(mut self, modify: impl FnOnce(ValueRef<'_, V>) -> T) -> Result<Self> {
        if let MapEntry::Occupied(entry) = &mut self {
            let new = modify(entry.value()?);
            let Place { map, key } = &mut entry.place;
            map.insert((*key).borrow(), new.borrow())?;
        }
        Ok(self)
    }

    /// Removes the key, and gives the value that it had.
    ///
    /// # Errors
    /// As [`DiskHashMap::remove`].
    pub fn remove(self) -> Result<Option<ValueRef<'a, V>>> {
        let Place { map, key } = self.place();
        map.remove(key.borrow())
    }
}

impl<'a, K: KeyCodec, V: ValueCodec> OccupiedEntry<'a, K, V> {
    /// The key.
    pub fn key(&self) -> &K::Item {
        self.place.key.borrow()
    }

    /// The value.
    ///
    /// # Errors
    /// As [`DiskHashMap::get`].
    pub fn value(&self) -> Result<ValueRef<'_, V>> {
        self.place.map.get(self.key())?.ok_or_else(vanished)
    }

    /// The value, for as long as the map is not changed.
    ///
    /// # Errors
    /// As [`DiskHashMap::get`].
    pub fn into_value(self) -> Result<ValueRef<'a, V>> {
        let Place { map, key } = self.place;
        let map: &'a DiskHashMap<K, V> = map;
        map.get(key.borrow())?.ok_or_else(vanished)
    }

    /// Stores a value, and gives the one that it replaced.
    ///
    /// # Errors
    /// As [`DiskHashMap::insert`].
    pub fn insert(self, value: &V::Item) -> Result<ValueRef<'a, V>> {
        let Place { map, key } = self.place;
        map.insert(key.borrow(), value)?.ok_or_else(vanished)
    }

    /// Removes the key, and gives the value that it had.
    ///
    /// # Errors
    /// As [`DiskHashMap::remove`].
    pub fn remove(self) -> Result<ValueRef<'a, V>> {
        let Place { map, key } = self.place;
        map.remove(key.borrow())?.ok_or_else(vanished)
    }
}

/// The entry is the only way to the map: nobody but damage takes its key away.
#[cold]
fn vanished() -> Error {
    Error::corrupt("a key vanished while its entry was held")
}

impl<'a, K: KeyCodec, V: ValueCodec> VacantEntry<'a, K, V> {
    /// The key.
    pub fn key(&self) -> &K::Item {
        self.place.key.borrow()
    }

    /// Stores a value, and gives it as it is stored.
    ///
    /// # Errors
    /// As [`DiskHashMap::insert`].
    pub fn insert(self, value: &V::Item) -> Result<ValueRef<'a, V>> {
        let Place { map, key } = self.place;
        map.put(key.borrow(), value)
    }
}

impl<K: KeyCodec<Item: fmt::Debug>, V: ValueCodec> fmt::Debug for MapEntry<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapEntry::Occupied(entry) => entry.fmt(f),
            MapEntry::Vacant(entry) => entry.fmt(f),
        }
    }
}

impl<K: KeyCodec<Item: fmt::Debug>, V: ValueCodec> fmt::Debug for OccupiedEntry<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OccupiedEntry").field("key", &self.key()).finish_non_exhaustive()
    }
}

impl<K: KeyCodec<Item: fmt::Debug>, V: ValueCodec> fmt::Debug for VacantEntry<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VacantEntry").field("key", &self.key()).finish_non_exhaustive()
    }
}
