//! A hash map in memory-mapped files: every thread of a process shares it, and it survives the death of the process.
//!
//! There are two typed maps, over one format:
//!
//! - [`DiskHashMap`] is for one owner. It has no thread, changing it takes `&mut self`, and what `get` gives are plain
//!   references into the mapped files.
//! - [`ConcurrentDiskMap`] is for all threads of a process. Every call takes `&self`, and what `get` gives is a [`Ref`].
//!
//! Each is opened under a codec for its keys and one for its values: [`Native`] for numbers, [`Str`], [`Bytes`], [`Arch`]
//! for structs that are read in place (by a [`Schema`](trait@Schema)), or a [`ValueCodec`] of your own. The codecs' names are
//! stored with the map.
//!
//! ```
//! # fn main() -> opendiskmap::Result<()> {
//! # let temp = tempfile::tempdir().unwrap();
//! # let dir = temp.path();
//! use opendiskmap::{DiskHashMap, Native, Str};
//!
//! let mut map = DiskHashMap::<Native<u64>, Str>::new_in(dir)?;
//! map.insert(&42, "Hello")?;
//! map.insert(&100, "Rust")?;
//! assert_eq!(map.get(&42)?, Some("Hello"));
//! assert_eq!(map.get(&7)?, None);
//! assert_eq!(map.len(), 2);
//! drop(map);
//!
//! let map = DiskHashMap::<Native<u64>, Str>::load_from(dir)?;
//! assert_eq!(map.get(&42)?, Some("Hello"));
//! assert_eq!(map.get(&100)?, Some("Rust"));
//! # Ok(())
//! # }
//! ```
//!
//! Under them lies the engine, bytes in and bytes out, which is public as [`Map`]. `docs/design.md` says how it works and
//! why, `docs/format.md` what is on the disk.
//!
//! ```
//! # fn main() -> opendiskmap::Result<()> {
//! # let temp = tempfile::tempdir().unwrap();
//! # let path = temp.path().join("users.odm");
//! use opendiskmap::{Map, Options};
//!
//! let map = Map::open(&path, &Options::default())?;
//! map.put(b"key", b"value")?;
//! assert_eq!(map.get(b"key")?.as_deref(), Some(&b"value"[..]));
//! map.close()?;
//! # Ok(())
//! # }
//! ```

#![deny(unsafe_code)]
#![cfg_attr(loom, allow(dead_code, unused_imports))]

#[cfg(not(loom))]
mod control;
#[cfg(not(loom))]
mod damage;
#[cfg(not(loom))]
mod durability;
mod error;
#[cfg(not(loom))]
mod events;
#[cfg(not(loom))]
mod front;
mod index;
mod layout;
#[cfg(not(loom))]
mod log;
#[cfg(not(loom))]
mod map;
#[cfg(not(loom))]
mod medium;
#[allow(unsafe_code)]
mod mem;
#[cfg(not(loom))]
mod parallel;
mod rules;
#[cfg(not(loom))]
mod shard;
#[cfg(not(loom))]
mod signal;
#[allow(unsafe_code)]
mod sys;
#[cfg(not(loom))]
mod viewers;

pub use error::{Code, Error, Result};
pub use opendiskmap_derive::Schema;

/// The crash rules that this build can leave out.
#[cfg(feature = "negative-controls")]
#[doc(hidden)]
#[must_use]
pub fn crash_rules() -> &'static [&'static str] {
    rules::Rule::NAMES
}
pub use layout::{MAX_CODEC_NAME, MAX_CODEC_PARAM, MAX_KEY, MAX_SHARDS, MAX_VALUE};
#[cfg(feature = "negative-controls")]
#[doc(hidden)]
pub use sys::faults;

/// What was done to a map's files, for rigs.
#[cfg(feature = "negative-controls")]
#[doc(hidden)]
pub mod trace {
    pub use crate::mem::recorder::{AtSync, Event, position, start, take};
}

#[cfg(not(loom))]
pub use control::Control;
#[cfg(not(loom))]
pub use damage::{Damage, Damages};
#[cfg(not(loom))]
pub use durability::report::{Reason, Recovery as OpenReport, ShardRecovery};
#[cfg(not(loom))]
pub use events::{Doing, Event, Events, Grown, Told};
#[cfg(not(loom))]
pub use front::{
    Arch, Bytes, ConcurrentDiskMap, ConcurrentEntry, Decoded, DiskHashMap, InPlace, KeyCodec, MapEntry, Native, Number,
    OccupiedEntry, Reading, Ref, Schema, SchemaText, Str, StringStringMap, StringU64Map, U64StringMap, VacantEntry,
    ValueCodec, ValueRef, Variant, typescript,
};
#[cfg(not(loom))]
pub use map::{
    Amount, BackupProgress, Capacity, Codec, Cursor, Extent, Hooks, Identity, Iter, Map, NumberType, OnCorrupt,
    Options, Page, Progress, Recovery, Salvage, Sight, Stats, Verification, ViewCursor, Window, Windows, salvage,
};
#[cfg(not(loom))]
pub use viewers::Ask;

/// What the crash rigs ask for and no release build has.
#[doc(hidden)]
#[cfg(all(feature = "negative-controls", target_os = "linux"))]
pub use sys::power;
