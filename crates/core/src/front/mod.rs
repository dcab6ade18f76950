//! The typed maps: codecs on top of the engine's bytes, and nothing of a shard's inside.

#![deny(missing_docs)]

mod arch;
mod codec;
mod concurrent;
mod concurrent_entry;
mod disk_map;
mod entry;
mod iter;
mod native;
mod opening;
mod plain;
mod reference;
mod schema;

pub use arch::Arch;
pub use codec::{Decoded, InPlace, KeyCodec, Reading, ValueCodec, ValueRef};
pub use concurrent::ConcurrentDiskMap;
pub use concurrent_entry::ConcurrentEntry;
pub use disk_map::DiskHashMap;
pub use entry::{MapEntry, OccupiedEntry, VacantEntry};
pub use native::{Native, Number};
pub use plain::{Bytes, Str};
pub use reference::Ref;
pub use schema::{Schema, SchemaText, Variant, typescript};

/// Strings by number.
///
/// Each map has a directory of its own, and knows nothing of the others:
///
/// ```
/// # fn main() -> opendiskmap::Result<()> {
/// # let temp = tempfile::tempdir().unwrap();
/// # let dir = temp.path();
/// use opendiskmap::{StringStringMap, StringU64Map, U64StringMap};
///
/// let mut names = U64StringMap::new_in(dir.join("names"))?;
/// let mut ages = StringU64Map::new_in(dir.join("ages"))?;
/// let mut towns = StringStringMap::new_in(dir.join("towns"))?;
///
/// names.insert(&1, "Alice")?;
/// ages.insert("Alice", &30)?;
/// towns.insert("Alice", "Vienna")?;
///
/// assert_eq!(names.get(&1)?, Some("Alice"));
/// assert_eq!(ages.get("Alice")?, Some(30));
/// assert_eq!(towns.get("Alice")?, Some("Vienna"));
/// assert_eq!((names.len(), ages.len(), towns.len()), (1, 1, 1));
/// # Ok(())
/// # }
/// ```
pub type U64StringMap = DiskHashMap<Native<u64>, Str>;

/// Numbers by string.
pub type StringU64Map = DiskHashMap<Str, Native<u64>>;

/// Strings by string.
pub type StringStringMap = DiskHashMap<Str, Str>;
