//! A bitmap that threads set and test without a lock.

use super::sync::{AtomicU64, Ordering};
use super::zeroed::zeroed;

#[derive(Debug)]
pub(crate) struct Bits {
    words: Box<[AtomicU64]>,
}

impl Bits {
    pub fn new(count: usize) -> Bits {
        // SAFETY: zero is a value of an atomic number.
        Bits { words: unsafe { zeroed(count.div_ceil(64)) } }
    }

    #[inline]
    pub fn get(&self, bit: usize) -> bool {
        // Relaxed: a bit only spares work; what it speaks of never changes.
        self.words.get(bit / 64).is_some_and(|word| word.load(Ordering::Relaxed) >> (bit % 64) & 1 == 1)
    }

    pub fn set(&self, bit: usize) {
        if let Some(word) = self.words.get(bit / 64) {
            word.fetch_or(1 << (bit % 64), Ordering::Relaxed);
        }
    }
}
