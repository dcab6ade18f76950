//! Asking for cache lines ahead, so that the misses of several lookups overlap.

/// Bytes of a cache line on the machines this is built for; elsewhere a hint goes a little wrong.
pub(crate) const LINE: usize = 64;

/// Has the processor fetch the line of `at`. A hint: nothing depends on it.
#[inline]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch of any address is without effect on what the program can see; SSE is part of x86-64.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = at;
}
