//! A growing array of pointers that readers follow without a lock.

use super::epoch::{Guard, READERS, Stamp};
use super::sync::{AtomicPtr, Ordering};
use super::zeroed::zeroed;
use std::ptr;
use std::sync::Arc;

/// The first chunk holds 64 pointers and each next one twice as many, so an entry never moves once it is there.
const FIRST: usize = 64;
pub(crate) const CHUNKS: usize = 20;

/// `Slots::load` gives references that live as long as a guard, and `pin` shares that live as long as one likes; `take`
/// unlinks, and the value is dropped once every guard that was there then is gone, and every pin.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    chunks: [AtomicPtr<AtomicPtr<T>>; CHUNKS],
}

/// Looks of 100 µs each before a retired value is given up for leaked.
const PATIENCE: usize = 1000;

/// Something unlinked that readers may still hold.
#[derive(Debug)]
pub(crate) struct Retired<T> {
    /// The share that the slot had; `None` once it is given up.
    value: Option<Arc<T>>,
    stamp: Stamp,
}

/// The chunk of an index, and its place there.
pub(crate) const fn place(index: usize) -> (usize, usize) {
    let shifted = index + FIRST;
    let chunk = (usize::BITS - 1 - shifted.leading_zeros()) as usize - FIRST.trailing_zeros() as usize;
    (chunk, shifted - (FIRST << chunk))
}

/// How many entries a chunk has.
pub(crate) const fn chunk_len(chunk: usize) -> usize {
    FIRST << chunk
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
        // SAFETY: a non-null chunk is a leaked boxed slice of `chunk_len` pointers, freed only in `drop`, and `place`
        // gives an `at` below that length.
        Some(unsafe { &*base.add(at) })
    }

    /// The value at `index`, alive for as long as the guard.
    #[inline]
    pub fn load<'g>(&'g self, index: usize, _guard: &'g Guard) -> Option<&'g T> {
        // Acquire: partner of the store in `set`, which publishes the value.
        let value = self.slot(index)?.load(Ordering::Acquire);
        // SAFETY: a non-null pointer comes from `Arc::into_raw` in `set`. The slot's share is given up by `Retired` after
        // every guard that was entered before `take` unlinked it is gone, and this guard, if it loaded it, is one of those.
        unsafe { value.as_ref() }
    }

    /// A share of the value at `index`, which outlives guards and the slot.
    pub fn pin(&self, index: usize, _guard: &Guard) -> Option<Arc<T>> {
        // Acquire: partner of the store in `set`, which publishes the value.
        let value = self.slot(index)?.load(Ordering::Acquire);
        if value.is_null() {
            return None;
        }
        // SAFETY:
        // - a non-null pointer comes from `Arc::into_raw` in `set`, with the whole value's provenance;
        // - the slot's own share is alive as long as this guard (see `load`), so the count is at least 1 when it is raised;
        // - the raised count is the one that `from_raw` takes over.
        Some(unsafe {
            Arc::increment_strong_count(value);
            Arc::from_raw(value)
        })
    }

    /// Publishes a value in an empty slot. The caller holds the lock that makes it the only one to set this index.
    pub fn set(&self, index: usize, value: T) {
        assert!(index < Self::CAPACITY, "slot index out of range");
        let (chunk, at) = place(index);
        if self.chunks[chunk].load(Ordering::Acquire).is_null() {
            // SAFETY: zero is a null pointer.
            let fresh = Box::into_raw(unsafe { zeroed::<AtomicPtr<T>>(chunk_len(chunk)) }).cast::<AtomicPtr<T>>();
            // AcqRel: partner of the load in `slot`.
            if self.chunks[chunk].compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire).is_err()
            {
                // SAFETY: nobody else saw this chunk: it was made above, with this length, and not published.
                drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(fresh, chunk_len(chunk))) });
            }
        }
        let slot = self.slot(index).expect("the chunk was just made");
        debug_assert!(at < chunk_len(chunk));
        // Release: partner of the load in `load`.
        let old = slot.swap(Arc::into_raw(Arc::new(value)).cast_mut(), Ordering::AcqRel);
        assert!(old.is_null(), "slot {index} was not empty");
    }

    /// Unlinks the value. The caller has already made sure that no link to this index is left.
    pub fn take(&self, index: usize) -> Option<Retired<T>> {
        // AcqRel: the value's own stores are seen before it is dropped.
        let value = self.slot(index)?.swap(ptr::null_mut(), Ordering::AcqRel);
        if value.is_null() {
            return None;
        }
        // SAFETY: the pointer comes from `Arc::into_raw` in `set`, and the swap made this the only taker of the slot's share.
        let value = unsafe { Arc::from_raw(value) };
        Some(Retired { value: Some(value), stamp: READERS.stamp() })
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
            let mut slots = unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(base, chunk_len(chunk))) };
            for slot in &mut slots {
                let value = *slot.get_mut();
                if !value.is_null() {
                    // SAFETY: a value still in its slot was never taken, so the slot's share is this one's to give up;
                    // references from `load` borrow `self` and are gone.
                    drop(unsafe { Arc::from_raw(value) });
                }
            }
        }
    }
}

impl<T> Retired<T> {
    /// Gives the value up if every reader that may hold it has left and nobody pins it, else hands itself back.
    pub fn try_free(mut self) -> Result<Option<T>, Self> {
        // Once the readers have left no pin is added, but by who has one already: nought is final then. `get_mut` looks at
        // the count with Acquire, the partner of the Release with which the last pin went: what was read under it is read.
        let sole = |value: &mut Option<Arc<T>>| value.as_mut().is_none_or(|value| Arc::get_mut(value).is_some());
        if READERS.passed(self.stamp) && sole(&mut self.value) {
            Ok(self.value.take().and_then(Arc::into_inner))
        } else {
            Err(self)
        }
    }

    /// The value, if pins are all that keeps it.
    pub fn pinned(&self) -> Option<&T> {
        if READERS.passed(self.stamp) && self.pins() > 0 { self.value.as_deref() } else { None }
    }

    /// Whether there are more pins than `known` counts of them.
    pub fn is_pinned_beside(&self, known: impl FnOnce(&T) -> usize) -> bool {
        self.pinned().is_some_and(|value| self.pins() > known(value))
    }

    fn pins(&self) -> usize {
        self.value.as_ref().map_or(0, |value| Arc::strong_count(value) - 1)
    }
}

impl<T> Drop for Retired<T> {
    /// Waits for readers that are still inside; they stay for microseconds. Whoever drops is not one of them, and if it
    /// were, the value would rather be leaked than freed under it. Pins keep the value by themselves.
    fn drop(&mut self) {
        for _ in 0..PATIENCE {
            if READERS.passed(self.stamp) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
        std::mem::forget(self.value.take());
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
            match value.try_free() {
                Ok(freed) => assert_eq!(freed.as_deref(), Some("held")),
                Err(back) => retired = Some(back),
            }
        }
    }
    #[test]
    fn a_pinned_value_outlives_its_guard_and_is_freed_after_the_last_pin() {
        let slots = Slots::new();
        slots.set(3, String::from("pinned"));
        let pin = {
            let guard = enter();
            slots.pin(3, &guard).unwrap()
        };
        let retired = slots.take(3).unwrap();
        let Err(mut retired) = retired.try_free() else { panic!("freed under a pin") };
        // Other tests read in threads of their own; wait for those that were inside.
        while retired.pinned().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(*pin, "pinned");
        assert!(slots.pin(3, &enter()).is_none());
        drop(pin);
        while let Err(back) = retired.try_free() {
            retired = back;
        }
    }

    #[test]
    fn a_pin_keeps_what_its_slots_and_its_retired_share_gave_up() {
        let slots = Slots::new();
        slots.set(0, String::from("taken"));
        slots.set(1, String::from("left"));
        let guard = enter();
        let pins = [slots.pin(0, &guard).unwrap(), slots.pin(1, &guard).unwrap()];
        drop(guard);
        drop(slots.take(0));
        drop(slots);
        assert_eq!(pins.map(Arc::into_inner), [Some("taken".into()), Some("left".into())]);
    }
}
