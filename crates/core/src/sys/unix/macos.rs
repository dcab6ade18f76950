//! macOS, and the other systems on its kernel.

use memmap2::{Advice, MmapRaw};
use rustix::fs as rfs;
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;

/// What to do when nothing more can be mapped.
pub(crate) const MORE_MAPPINGS: &str = "Raise the address space limit";

/// `F_PREALLOCATE` takes what is missing, counted from the end of what there is, all or nothing; the length comes after it.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    let missing = len.saturating_sub(file.metadata()?.len());
    let mut store = libc::fstore_t {
        fst_flags: libc::F_ALLOCATEALL,
        fst_posmode: libc::F_PEOFPOSMODE,
        fst_offset: 0,
        fst_length: missing as libc::off_t,
        fst_bytesalloc: 0,
    };
    // SAFETY: the descriptor is open, and the call reads and writes one fstore_t, which outlives it.
    if missing > 0 && unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PREALLOCATE, &raw mut store) } == -1 {
        return Err(io::Error::last_os_error());
    }
    file.set_len(len)
}

pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    full_sync(file.as_fd())
}

pub(super) fn sync_dir(dir: BorrowedFd<'_>) -> io::Result<()> {
    full_sync(dir)
}

/// `msync` and `fsync` leave the bytes in the drive's cache, which writes them in any order. This empties it, for all files.
pub(crate) fn barrier(file: &File) -> io::Result<()> {
    full_sync(file.as_fd())
}

/// Not every file system, and not every file, knows `F_FULLFSYNC`; then `fsync` is all there is.
fn full_sync(fd: BorrowedFd<'_>) -> io::Result<()> {
    match rfs::fcntl_fullfsync(fd) {
        Err(Errno::NOTSUP | Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL) => Ok(rfs::fsync(fd)?),
        synced => Ok(synced?),
    }
}

/// By the flag of `renameatx_np`.
pub(super) fn rename_new(dir: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    rfs::renameat_with(dir, from, dir, to, rfs::RenameFlags::NOREPLACE)
}

/// A clone is a new file: of APFS, in the same volume.
pub(super) fn clone_to(dir: BorrowedFd<'_>, name: &str, from: &File) -> Option<()> {
    rfs::fclonefileat(from, dir, name, rfs::CloneFlags::NOFOLLOW | rfs::CloneFlags::NOOWNERCOPY).ok()
}

/// A file that is there takes nobody's blocks.
pub(crate) fn share_blocks(_: &File, _: &File) -> bool {
    false
}

/// Asks for a range's pages ahead. Best effort: there is no call that brings them in for writing.
pub(crate) fn prefault(map: &MmapRaw, offset: usize, len: usize) {
    let _ = map.advise_range(Advice::WillNeed, offset, len);
}

/// What makes pages cheaper on Linux. Nobody has measured whether it pays here.
pub(crate) fn fill(_: &File, _: std::ops::Range<usize>, _: usize) {}

/// What Linux does before a sync, to be interrupted less. Nobody has measured whether it pays here.
pub(crate) fn unmap_pages(_: &MmapRaw, _: usize, _: usize) {}

/// Names this run of the operating system: what a dead process left in the page cache is still there exactly as long as
/// this stays the same. All zero where the system does not say, and then no unclean map is ever trusted. Not the time of the
/// boot: that one moves when the clock is set.
pub(crate) fn boot_id() -> [u8; 16] {
    let mut text = [0u8; 64];
    // The last byte stays 0, whatever is written.
    let mut len = text.len() - 1;
    // SAFETY: the name ends with a 0; the call writes at most `len` bytes to `text`, and to `len` how many there are.
    let read = unsafe {
        libc::sysctlbyname(c"kern.bootsessionuuid".as_ptr(), text.as_mut_ptr().cast(), &raw mut len, ptr::null_mut(), 0)
    };
    let text = CStr::from_bytes_until_nul(&text).ok().and_then(|text| text.to_str().ok());
    text.filter(|_| read == 0).map_or([0; 16], super::uuid)
}

/// The system has no number of a mount that is not given again.
pub(super) fn mount_id(_: BorrowedFd<'_>) -> u64 {
    0
}

pub(super) fn network_file_system(dir: BorrowedFd<'_>) -> io::Result<Option<&'static str>> {
    let stat = rfs::fstatfs(dir)?;
    if stat.f_flags & libc::MNT_LOCAL as u32 != 0 {
        return Ok(None);
    }
    let name: Vec<u8> = stat.f_fstypename.iter().map(|&c| c as u8).take_while(|&c| c != 0).collect();
    Ok(Some(match &name[..] {
        b"nfs" => "nfs",
        b"smbfs" => "smb",
        b"afpfs" => "afp",
        b"webdav" => "webdav",
        _ => "of another kind",
    }))
}
