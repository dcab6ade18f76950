//! Mapped memory with a safe face: atomic words, bytes that are written once, links that readers follow without a lock.

#[cfg(not(loom))]
mod bits;
pub(crate) mod epoch;
mod lanes;
#[cfg(not(loom))]
mod log_region;
#[cfg(all(test, loom))]
mod models;
#[cfg(not(loom))]
mod prefetch;
mod published;
#[cfg(feature = "negative-controls")]
pub(crate) mod recorder;
#[cfg(not(loom))]
mod region;
#[cfg(not(loom))]
mod slots;
pub(crate) mod sync;
pub(crate) mod trace;
#[cfg(not(loom))]
mod zeroed;

#[cfg(not(loom))]
pub(crate) use bits::Bits;
#[cfg(not(loom))]
pub(crate) use epoch::{Guard, READERS, Stamp, enter, guarded};
pub(crate) use lanes::equal_lanes;
#[cfg(not(loom))]
pub(crate) use log_region::LogRegion;
#[cfg(not(loom))]
pub(crate) use prefetch::prefetch;
#[cfg(not(loom))]
pub(crate) use region::{Access, Region};
#[cfg(not(loom))]
pub(crate) use slots::{CHUNKS, Retired, Slots, chunk_len, place};
