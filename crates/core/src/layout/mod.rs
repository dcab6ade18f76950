//! Every byte on disk: format version 1, little-endian. `docs/format.md` has the same tables; a test compares them.
//!
//! Offsets derive from each other, so that a field can be added in one place only. Nothing here touches a file.

pub(crate) mod checkpoint;
pub(crate) mod directory;
#[cfg(test)]
mod doc_test;
pub(crate) mod extent;
pub(crate) mod file;
pub(crate) mod hash;
pub(crate) mod head;
pub(crate) mod intent;
pub(crate) mod names;
pub(crate) mod record;
pub(crate) mod segment;
pub(crate) mod table;

#[cfg(target_endian = "big")]
compile_error!("the format is little-endian and is read in place: big-endian targets are not supported");

/// What this code writes, and the newest that it reads.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// At most this many shards, so that a hash spends at most six bits on them.
pub const MAX_SHARDS: u32 = 64;
/// A key's longest encoding.
pub const MAX_KEY: usize = u16::MAX as usize;
/// A value's longest encoding.
pub const MAX_VALUE: usize = i32::MAX as usize;
/// A value longer than this gets a file of its own.
pub const MAX_INLINE_VALUE: usize = 256 << 10;
/// A codec's longest name.
pub const MAX_CODEC_NAME: usize = 255;
/// A codec's longest parameter.
pub const MAX_CODEC_PARAM: usize = 64 << 10;

/// A page as the layout uses it, whatever the machine's.
pub(crate) const PAGE: usize = 4096;

pub(crate) fn get_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn get_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
