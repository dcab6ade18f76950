//! Comparing several numbers at once.

/// A bit for each of the four halves of two words that equals this one, lowest first.
#[inline(always)]
pub(crate) fn equal_lanes([low, high]: [u64; 2], lane: u32) -> u32 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: SSE2 is part of x86-64, and these instructions touch no memory.
    unsafe {
        use std::arch::x86_64::{_mm_castsi128_ps, _mm_cmpeq_epi32, _mm_movemask_ps, _mm_set_epi64x, _mm_set1_epi32};
        let equal = _mm_cmpeq_epi32(_mm_set_epi64x(high as i64, low as i64), _mm_set1_epi32(lane as i32));
        _mm_movemask_ps(_mm_castsi128_ps(equal)) as u32
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    {
        let lanes = [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32];
        lanes.into_iter().enumerate().fold(0, |equal, (place, other)| equal | u32::from(other == lane) << place)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_half_of_a_word_has_a_bit() {
        let words = [7 | 1 << 32, u64::from(u32::MAX) << 32 | 7];
        assert_eq!([7, 1, u32::MAX, 0].map(|lane| equal_lanes(words, lane)), [0b0101, 0b0010, 0b1000, 0]);
    }
}
