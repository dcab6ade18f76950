//! Any other Unix, by what POSIX has alone: slower, and as safe. Nobody has run it.

use memmap2::{Advice, MmapRaw};
use rustix::fs as rfs;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

/// What to do when nothing more can be mapped.
pub(crate) const MORE_MAPPINGS: &str = "Raise the address space limit";

/// Not every `posix_fallocate` allocates; the caller writes zeros instead.
pub(crate) fn allocate(_: &File, _: u64) -> io::Result<()> {
    Err(Errno::NOTSUP.into())
}

pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    file.sync_data()
}

pub(super) fn sync_dir(dir: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rfs::fsync(dir)?)
}

/// Whether a sync empties the drive's cache POSIX does not say. One more of a file that has nothing to write would not
/// either.
pub(crate) fn barrier(_: &File) -> io::Result<()> {
    Ok(())
}

/// There is no such call; the caller looks first.
pub(super) fn rename_new(_: BorrowedFd<'_>, _: &OsStr, _: &OsStr) -> Result<(), Errno> {
    Err(Errno::NOTSUP)
}

/// There is no such call.
pub(super) fn clone_to(_: BorrowedFd<'_>, _: &str, _: &File) -> Option<()> {
    None
}

/// There is no such call.
pub(crate) fn share_blocks(_: &File, _: &File) -> bool {
    false
}

/// Asks for a range's pages ahead. Best effort.
pub(crate) fn prefault(map: &MmapRaw, offset: usize, len: usize) {
    let _ = map.advise_range(Advice::WillNeed, offset, len);
}

/// What makes pages cheaper on Linux. Nobody has measured whether it pays here.
pub(crate) fn fill(_: &File, _: std::ops::Range<usize>, _: usize) {}

/// What Linux does before a sync, to be interrupted less. Nobody has measured whether it pays here.
pub(crate) fn unmap_pages(_: &MmapRaw, _: usize, _: usize) {}

/// None that every system has: after a kill the index is made from the log.
pub(crate) fn boot_id() -> [u8; 16] {
    [0; 16]
}

pub(super) fn mount_id(_: BorrowedFd<'_>) -> u64 {
    0
}

/// What is local no two of these systems say in the same way; the guide asks for a local disk.
pub(super) fn network_file_system(_: BorrowedFd<'_>) -> io::Result<Option<&'static str>> {
    Ok(None)
}
