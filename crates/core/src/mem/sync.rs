//! The atomics and locks of the engine, in one place, so that loom can put its own under the same protocols.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex,
    atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};

#[cfg(not(loom))]
pub(crate) use parking_lot::Mutex;

/// A word of a mapping. Builds in which the rigs trace what is stored have their own.
#[cfg(any(loom, not(feature = "negative-controls")))]
pub(crate) type MappedU64 = AtomicU64;

#[cfg(all(not(loom), feature = "negative-controls"))]
pub(crate) use super::recorder::MappedU64;

/// Locks whichever mutex is underneath. A poisoned loom mutex means that the model has already failed.
#[cfg(loom)]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> loom::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

#[cfg(not(loom))]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> parking_lot::MutexGuard<'_, T> {
    mutex.lock()
}
