//! Arrays of the allocator's own zeros: a page that nothing is stored in takes no memory.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};

/// # Safety
/// All bytes zero are a valid value of `T`.
pub(super) unsafe fn zeroed<T>(count: usize) -> Box<[T]> {
    let layout = Layout::array::<T>(count).expect("an array is smaller than the address space");
    if layout.size() == 0 {
        return Box::new([]);
    }
    // SAFETY: the layout is not empty.
    let values = unsafe { alloc_zeroed(layout) }.cast::<T>();
    if values.is_null() {
        handle_alloc_error(layout);
    }
    // SAFETY: `values` was allocated with the layout of this slice and is nobody else's; the caller says that zero is a value.
    unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(values, count)) }
}
