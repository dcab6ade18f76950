//! A bitmap that threads set and test without a lock.

use super::sync::{AtomicU64, Ordering};
use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};

#[derive(Debug)]
pub(crate) struct Bits {
    words: Box<[AtomicU64]>,
}

impl Bits {
    /// The allocator's own zeros: a page that no bit is set in takes no memory.
    pub fn new(count: usize) -> Bits {
        let count = count.div_ceil(64);
        let layout = Layout::array::<AtomicU64>(count).expect("a bitmap is smaller than the address space");
        if layout.size() == 0 {
            return Bits { words: Box::new([]) };
        }
        // SAFETY: the layout is not empty.
        let words = unsafe { alloc_zeroed(layout) }.cast::<AtomicU64>();
        if words.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: `words` was allocated with the layout of this slice and is nobody else's; zero is a valid value of each.
        Bits { words: unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(words, count)) } }
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
