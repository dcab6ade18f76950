//! The map's random keys and what is made with them: the hash of a key and the checksums.

use siphasher::sip::SipHasher13;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The body checksum shares a word with the record's type.
pub(crate) const BODY_SUM_BITS: u32 = 56;

/// Random at creation, stored in every checkpoint. Whoever does not know them can neither aim keys at one table nor put a
/// record that verifies inside a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub hash: [u8; 16],
    pub sum: u64,
}

impl Keys {
    /// SipHash-1-3 of the key's bytes.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        SipHasher13::new_with_key(&self.hash).hash(key)
    }

    /// XXH3 of the key, and with that as its seed of the value: key and value need not lie together in memory.
    #[inline]
    pub fn body_sum(&self, key: &[u8], value: &[u8]) -> u64 {
        xxh3_64_with_seed(value, xxh3_64_with_seed(key, self.sum)) >> (64 - BODY_SUM_BITS)
    }

    /// For headers, tables and extents. Never 0: a stored 0 says that there is no sum.
    #[inline]
    pub fn sum(&self, bytes: &[u8]) -> u64 {
        xxh3_64_with_seed(bytes, self.sum).max(1)
    }

    /// The same over words that other threads may reach, in their little-endian bytes.
    pub fn sum_words(&self, words: impl Iterator<Item = u64>) -> u64 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::with_seed(self.sum);
        let mut block = [0u8; 512];
        let mut filled = 0;
        for word in words {
            block[filled..filled + 8].copy_from_slice(&word.to_le_bytes());
            filled += 8;
            if filled == block.len() {
                hasher.update(&block);
                filled = 0;
            }
        }
        hasher.update(&block[..filled]);
        hasher.digest().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: Keys = Keys { hash: *b"0123456789abcdef", sum: 7 };

    #[test]
    fn hashes_and_sums_are_the_formats_own() {
        // Golden: a change of any of these is a change of the format.
        assert_eq!(KEYS.hash(b"key"), 0xb039_c8c7_09fb_14e8, "{:#x}", KEYS.hash(b"key"));
        assert_eq!(KEYS.body_sum(b"key", b"value"), 0xa3f1fd0fc46a00, "{:#x}", KEYS.body_sum(b"key", b"value"));
        assert_eq!(KEYS.sum(b"bytes"), 0xd26a647c2a05f302, "{:#x}", KEYS.sum(b"bytes"));
    }

    #[test]
    fn words_sum_like_their_bytes() {
        let words: Vec<u64> = (0..300).map(|i| i * 0x9E37_79B9).collect();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(KEYS.sum_words(words.into_iter()), KEYS.sum(&bytes));
    }

    #[test]
    fn the_boundary_between_key_and_value_counts() {
        assert_ne!(KEYS.body_sum(b"ab", b"c"), KEYS.body_sum(b"a", b"bc"));
    }
}
