//! The log of a shard: a chain of append-only segments, and extents beside it for values too long for them.

pub(crate) mod extent;
mod files;
mod pace;
mod prepared;
mod recycled;
mod segment;
pub(crate) mod spare;

pub(crate) use files::Log;
pub(crate) use pace::{Meter, Pace};
pub(crate) use prepared::Prepared;
pub(crate) use recycled::Recycled;
pub(crate) use segment::{Record, Segment};
