//! A hash map in memory-mapped files: every thread of a process shares it, and it survives the death of the process.
//!
//! This crate is the engine: bytes in, bytes out. `docs/design.md` says how it works and why, `docs/format.md` what is
//! on the disk.
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
mod durability;
mod error;
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
mod rules;
#[cfg(not(loom))]
mod shard;
#[cfg(not(loom))]
mod signal;
#[allow(unsafe_code)]
mod sys;

pub use error::{Code, Error, Result};
pub use layout::{MAX_CODEC_NAME, MAX_CODEC_PARAM, MAX_KEY, MAX_SHARDS, MAX_VALUE};

#[cfg(not(loom))]
pub use durability::recover::{Reason, Recovery as OpenReport};
#[cfg(not(loom))]
pub use map::{
    Amount, Capacity, Codec, Cursor, Extent, Hooks, Iter, Map, NumberType, Options, Page, Progress, Recovery, Stats,
};
