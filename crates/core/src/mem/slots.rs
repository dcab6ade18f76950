//! A growing array of pointers that readers follow without a lock.

use super::epoch::{Guard, READERS, Stamp};
use super::sync::{AtomicPtr, Ordering};
use std::ptr;

/// The first chunk holds 64 pointers and each next one twice as many, so an entry never moves once it is there.
const FIRST: usize = 64;
const CHUNKS: usize = 20;

/// `Slots::load` gives references that live as long as a guard; `take` unlinks, and the value is dropped once every
/// guard that was there then is gone.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    chunks: [AtomicPtr<AtomicPtr<T>>; CHUNKS],
}

/// Looks of 100 µs each before a retired value is given up for leaked.
const PATIENCE: usize = 1000;

/// Something unlinked that readers may still hold.
#[derive(Debug)]
pub(crate) struct Retired<T> {
    value: *mut T,
    stamp: Stamp,
}

// SAFETY: a `Retired` is the only owner of its box besides readers that hold `&T` under guards; it gives out `&T` (T: Sync)
// and drops the box in whichever thread frees it (T: Send).
unsafe impl<T: Send + Sync> Send for Retired<T> {}
// SAFETY: as above; a shared `Retired` only gives out `&T`.
unsafe impl<T: Send + Sync> Sync for Retired<T> {}

const fn place(index: usize) -> (usize, usize) {
    let shifted = index + FIRST;
    let chunk = (usize::BITS - 1 - shifted.leading_zeros()) as usize - FIRST.trailing_zeros() as usize;
    (chunk, shifted - (FIRST << chunk))
}

impl<T> Slots<T> {
    /// One more than the largest index.
    pub const CAPACITY: usize = (FIRST << CHUNKS) - FIRST;

    pub fn new() -> Self {
        Slots { chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS] }
    }

    fn slot(&self, index: usize) -> Option<&AtomicPtr<T>> {
        if index >= Self::CAPACITY {
            return None;
        }
        let (chunk, at) = place(index);
        // Acquire: partner of the exchange in `set`, which publishes the chunk's zeroed pointers.
        let base = self.chunks[chunk].load(Ordering::Acquire);
        if base.is_null() {
            return None;
        }
        // SAFETY: a non-null chunk is a leaked boxed slice of FIRST << chunk pointers, freed only in `drop`, and `place`
        // gives an `at` below that length.
        Some(unsafe { &*base.add(at) })
    }

    /// The value at `index`, alive for as long as the guard.
    #[inline]
    pub fn load<'g>(&'g self, index: usize, _guard: &'g Guard) -> Option<&'g T> {
        // Acquire: partner of the store in `set`, which publishes the value.
        let value = self.slot(index)?.load(Ordering::Acquire);
        // SAFETY: a non-null pointer comes from `Box::into_raw` in `set`. It is dropped by `Retired::try_free` after every
        // guard that was entered before `take` unlinked it is gone, and this guard, if it loaded it, is one of those.
        unsafe { value.as_ref() }
    }

    /// Publishes a value in an empty slot. The caller holds the lock that makes it the only one to set this index.
    pub fn set(&self, index: usize, value: T) {
        assert!(index < Self::CAPACITY, "slot index out of range");
        let (chunk, at) = place(index);
        if self.chunks[chunk].load(Ordering::Acquire).is_null() {
            let fresh: Box<[AtomicPtr<T>]> = (0..FIRST << chunk).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
            let fresh = Box::into_raw(fresh).cast::<AtomicPtr<T>>();
            // AcqRel: partner of the load in `slot`.
            if self.chunks[chunk].compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire).is_err()
            {
                // SAFETY: nobody else saw this chunk: it was made above, with this length, and not published.
                drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(fresh, FIRST << chunk)) });
            }
        }
        let slot = self.slot(index).expect("the chunk was just made");
        debug_assert!(at < FIRST << chunk);
        // Release: partner of the load in `load`.
        let old = slot.swap(Box::into_raw(Box::new(value)), Ordering::AcqRel);
        assert!(old.is_null(), "slot {index} was not empty");
    }

    /// Unlinks the value. The caller has already made sure that no link to this index is left.
    pub fn take(&self, index: usize) -> Option<Retired<T>> {
        // AcqRel: the value's own stores are seen before it is dropped.
        let value = self.slot(index)?.swap(ptr::null_mut(), Ordering::AcqRel);
        (!value.is_null()).then(|| Retired { value, stamp: READERS.stamp() })
    }
}

impl<T> Drop for Slots<T> {
    fn drop(&mut self) {
        for (chunk, pointer) in self.chunks.iter_mut().enumerate() {
            let base = *pointer.get_mut();
            if base.is_null() {
                continue;
            }
            // SAFETY: the chunk is a leaked boxed slice of this length, and `&mut self` says that nobody uses it.
            let mut slots = unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(base, FIRST << chunk)) };
            for slot in &mut slots {
                let value = *slot.get_mut();
                if !value.is_null() {
                    // SAFETY: a value still in its slot was never taken, so this is its only owner; references from
                    // `load` borrow `self` and are gone.
                    drop(unsafe { Box::from_raw(value) });
                }
            }
        }
    }
}

impl<T> Retired<T> {
    /// Drops the value if every reader that may hold it has left, else hands itself back.
    pub fn try_free(self) -> Result<(), Self> {
        if READERS.passed(self.stamp) { Ok(()) } else { Err(self) }
    }
}

impl<T> Drop for Retired<T> {
    /// Waits for readers that are still inside; they stay for microseconds. Whoever drops is not one of them, and if it
    /// were, the value would rather be leaked than freed under it.
    fn drop(&mut self) {
        for _ in 0..PATIENCE {
            if READERS.passed(self.stamp) {
                // SAFETY: `take` made this the only owner, every guard entered before that is gone, and `drop` runs once.
                drop(unsafe { Box::from_raw(self.value) });
                return;
            }
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::epoch::enter;

    #[test]
    fn places_are_dense_and_distinct() {
        assert_eq!(place(0), (0, 0));
        assert_eq!(place(63), (0, 63));
        assert_eq!(place(64), (1, 0));
        assert_eq!(place(191), (1, 127));
        assert_eq!(place(192), (2, 0));
        assert_eq!(place(Slots::<u8>::CAPACITY - 1).0, CHUNKS - 1);
    }

    #[test]
    fn a_taken_value_outlives_the_guards_that_may_hold_it() {
        let slots = Slots::new();
        slots.set(100, String::from("held"));
        let guard = enter();
        let held = slots.load(100, &guard).unwrap();
        let retired = slots.take(100).unwrap();
        let retired = retired.try_free().unwrap_err();
        assert_eq!(held, "held");
        assert!(slots.load(100, &guard).is_none());
        drop(guard);
        let mut retired = Some(retired);
        while let Some(value) = retired.take() {
            retired = value.try_free().err();
        }
    }
}
