//! The log of a shard: a chain of append-only segments, and extents beside it for values too long for them.

pub(crate) mod extent;
mod files;
mod segment;
pub(crate) mod spare;

pub(crate) use files::{Log, Prepared};
pub(crate) use segment::{Record, Segment};
