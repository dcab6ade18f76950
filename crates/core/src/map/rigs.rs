//! What only the rigs ask of a map.

use super::Map;
use crate::Result;
use crate::shard::Effort;

#[doc(hidden)]
impl Map {
    /// Which shard a key belongs to.
    ///
    /// # Errors
    /// `ERR_CLOSED`, `ERR_TOO_LARGE`.
    pub fn shard_of(&self, key: &[u8]) -> Result<usize> {
        let (instance, hash) = self.hashed(key)?;
        let shard: *const _ = instance.shard(hash);
        Ok(instance.shards.iter().position(|other| std::ptr::eq(other, shard)).unwrap_or(0))
    }

    /// One step of compaction in every shard, as the background does it while a flush is under way: it starts none.
    ///
    /// # Errors
    /// As [`compact`](Map::compact).
    pub fn compact_beside_flush(&self, full: bool) -> Result<()> {
        let effort = if full { Effort::Full } else { Effort::Bound };
        let instance = self.writable()?;
        if full {
            instance.forget_rest()?;
        }
        instance.shards.iter().try_for_each(|shard| shard.compact(effort).map(drop))
    }
}
