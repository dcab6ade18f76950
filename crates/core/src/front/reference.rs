//! A value that stays in place.

use super::codec::{Reading, ValueCodec};
use crate::Result;
use crate::map::{Map, Shared};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

type HeldOf<V> = <<V as ValueCodec>::Reading as Reading<<V as ValueCodec>::Target>>::Held;

/// A value of a [`ConcurrentDiskMap`](crate::ConcurrentDiskMap): derefs to `&str`, `&[u8]`, the archived struct or, for
/// codecs that decode, the decoded value.
///
/// It shows the value that the key had when it was made, whatever is written afterwards. It holds neither a lock nor
/// anything else that a call waits for, so any call may be made while it lives. What it does hold is the file of the log
/// that the value lies in (up to 64 MiB, `stats().pinned_bytes` once it is dead otherwise): do not collect millions.
pub struct Ref<'m, V: ValueCodec> {
    held: HeldOf<V>,
    map: PhantomData<&'m Map>,
}

impl<V: ValueCodec> Ref<'_, V> {
    pub(super) fn new(shared: Shared) -> Result<Self> {
        Ok(Ref { held: V::Reading::hold(shared, V::decode)?, map: PhantomData })
    }

    /// With the sequence number of the record that the value is in.
    pub(super) fn find(map: &Map, key: &[u8]) -> Result<Option<(u64, Self)>> {
        let found = V::Reading::find(map, key, V::decode)?;
        Ok(found.map(|(seq, held)| (seq, Ref { held, map: PhantomData })))
    }
}

impl<V: ValueCodec> Deref for Ref<'_, V> {
    type Target = V::Target;

    #[inline]
    fn deref(&self) -> &V::Target {
        V::Reading::show(&self.held)
    }
}

impl<V: ValueCodec<Target: fmt::Debug>> fmt::Debug for Ref<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
