//! Hash → record reference: extendible hashing over tables of fixed size, one directory per shard.

#[cfg(not(loom))]
mod check;
#[cfg(not(loom))]
mod directory;
#[cfg(not(loom))]
mod files;
#[cfg(not(loom))]
mod rewrite;
#[cfg(not(loom))]
mod shrink;
#[cfg(not(loom))]
mod sums;
pub(crate) mod table;

#[cfg(not(loom))]
pub(crate) use self::{
    files::{Index, Place},
    rewrite::Queue,
    table::Probe,
};
