//! A look at one key of the map that threads share.

use super::ConcurrentDiskMap;
use super::codec::{KeyCodec, ValueCodec};
use super::concurrent::Step;
use super::reference::Ref;
use crate::Result;
use std::borrow::Borrow;
use std::fmt;

/// What [`ConcurrentDiskMap::entry`] gives: the key, and the value that it had then. It holds no lock, so the key may
/// change at any time; what the entry shows does not, and what it does goes by what is there when it does it.
pub struct ConcurrentEntry<'m, K: KeyCodec, V: ValueCodec> {
    map: &'m ConcurrentDiskMap<K, V>,
    key: <K::Item as ToOwned>::Owned,
    value: Option<Ref<'m, V>>,
}

impl<'m, K: KeyCodec, V: ValueCodec> ConcurrentEntry<'m, K, V> {
    pub(super) fn new(
        map: &'m ConcurrentDiskMap<K, V>,
        key: <K::Item as ToOwned>::Owned,
        value: Option<Ref<'m, V>>,
    ) -> Self {
        ConcurrentEntry { map, key, value }
    }

    /// The key.
    pub fn key(&self) -> &K::Item {
        self.key.borrow()
    }

    /// Whether the key had a value.
    #[must_use]
    pub fn is_occupied(&self) -> bool {
        self.value.is_some()
    }

    /// The value that the key had.
    #[must_use]
    pub fn value(&self) -> Option<&V::Target> {
        self.value.as_deref()
    }

    /// Stores a value, and gives the one that it replaced.
    ///
    /// # Errors
    /// As [`ConcurrentDiskMap::insert`].
    pub fn insert(self, value: &V::Item) -> Result<Option<Ref<'m, V>>> {
        self.map.insert(self.key(), value)
    }

    /// Stores a value if the key has none, and gives what is there.
    ///
    /// # Errors
    /// As [`ConcurrentDiskMap::update`].
    pub fn or_insert(self, value: &V::Item) -> Result<Ref<'m, V>> {
        self.map.get_or_insert(self.key(), || value)
    }

    /// Stores what `value` gives if the key has none, and gives what is there. Of several threads that do this one's value
    /// is stored, and all get that.
    ///
    /// # Errors
    /// As [`ConcurrentDiskMap::update`].
    pub fn or_insert_with<T: Borrow<V::Item>>(self, value: impl FnOnce() -> T) -> Result<Ref<'m, V>> {
        self.map.get_or_insert(self.key(), value)
    }

    /// Stores what `modify` makes of the value, if the key has one, and gives a fresh entry. `modify` is called again if
    /// another call changes the key meanwhile.
    ///
    /// # Errors
    /// As [`ConcurrentDiskMap::update`].
    pub fn and_modify<T: Borrow<V::Item>>(self, mut modify: impl FnMut(&V::Target) -> T) -> Result<Self> {
        self.map.race(self.key(), |value| value.map_or(Step::Leave, |value| Step::Store(modify(value))))?;
        let value = self.map.get(self.key())?;
        Ok(ConcurrentEntry { value, ..self })
    }

    /// Removes the key, and gives the value that it had.
    ///
    /// # Errors
    /// As [`ConcurrentDiskMap::remove`].
    pub fn remove(self) -> Result<Option<Ref<'m, V>>> {
        self.map.remove(self.key())
    }
}

impl<K: KeyCodec<Item: fmt::Debug>, V: ValueCodec<Target: fmt::Debug>> fmt::Debug for ConcurrentEntry<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrentEntry").field("key", &self.key()).field("value", &self.value).finish_non_exhaustive()
    }
}
