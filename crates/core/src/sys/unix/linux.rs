//! Linux.

use memmap2::{Advice, MmapRaw, UncheckedAdvice};
use rustix::fs::{self as rfs, AtFlags, StatxFlags};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

/// What to raise when nothing more can be mapped.
pub(crate) const MORE_MAPPINGS: &str = "Raise vm.max_map_count or the address space limit";

/// Interrupted by a signal it has done nothing, or a part that the next call finds done.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    Ok(retry_on_intr(|| rfs::fallocate(file, rfs::FallocateFlags::empty(), 0, len))?)
}

pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    file.sync_data()
}

pub(super) fn sync_dir(dir: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rfs::fsync(dir)?)
}

/// `msync`, `fdatasync` and `fsync` empty the drive's cache.
pub(crate) fn barrier(_: &File) -> io::Result<()> {
    Ok(())
}

/// By the flag of `renameat2`.
pub(super) fn rename_new(dir: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    rfs::renameat_with(dir, from, dir, to, rfs::RenameFlags::NOREPLACE)
}

/// A file that is there takes another's blocks.
pub(super) fn clone_to(_: BorrowedFd<'_>, _: &str, _: &File) -> Option<()> {
    None
}

pub(crate) fn share_blocks(from: &File, to: &File) -> bool {
    rfs::ioctl_ficlone(to, from).is_ok()
}

/// Brings a range's pages in for writing, in bulk: a fault for each of them costs four times as much. Best effort.
pub(crate) fn prefault(map: &MmapRaw, offset: usize, len: usize) {
    let _ = map.advise_range(Advice::PopulateWrite, offset, len);
}

/// Gives a part of a new file, whose blocks are allocated and whose bytes are zero, its pages in the system's cache, as folios of
/// `piece` bytes where the file system has such. It writes the zeros that are there. A page that comes by a fault costs three
/// times as much, from its making until the file is deleted. Best effort.
pub(crate) fn fill(file: &File, range: Range<usize>, piece: usize) {
    let zeros = vec![0; piece];
    for at in range.clone().step_by(piece) {
        let len = piece.min(range.end - at);
        if file.write_all_at(&zeros[..len], at as u64).is_err() {
            return;
        }
    }
}

/// Takes a range's pages out of the process, all at once; they stay in memory, and whoever touches one has it again. A sync
/// protects every page against unseen stores, and each one that is mapped costs an interrupt of every processor that runs a
/// thread of the process. Only for mappings whose stores reach a file. Best effort.
pub(crate) fn unmap_pages(map: &MmapRaw, offset: usize, len: usize) {
    // SAFETY: the mapping shares the pages of a file's cache, which keep every store: they read after it as before.
    let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, len) };
}

/// Names this run of the operating system: what a dead process left in the page cache is still there exactly as long as
/// this stays the same. All zero where the system does not say, and then no unclean map is ever trusted.
pub(crate) fn boot_id() -> [u8; 16] {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or([0; 16], |text| super::uuid(&text))
}

pub(super) fn mount_id(dir: BorrowedFd<'_>) -> u64 {
    // STATX_MNT_ID_UNIQUE: never reused while the system runs, unlike STATX_MNT_ID.
    let unique = StatxFlags::from_bits_retain(0x4000);
    match rfs::statx(dir.as_fd(), "", AtFlags::EMPTY_PATH, unique) {
        Ok(stat) if stat.stx_mask & 0x4000 != 0 => stat.stx_mnt_id,
        _ => 0,
    }
}

pub(super) fn network_file_system(dir: BorrowedFd<'_>) -> io::Result<Option<&'static str>> {
    Ok(network_name(rfs::fstatfs(dir)?.f_type as u32))
}

fn network_name(kind: u32) -> Option<&'static str> {
    // The magic numbers of linux/magic.h and of the file systems' own headers.
    Some(match kind {
        0x6969 => "nfs",
        0x517B => "smb",
        0xFE53_4D42 => "smb2",
        0xFF53_4D42 => "cifs",
        0x0102_1997 => "9p",
        0x00C3_6400 => "ceph",
        0x5346_414F => "afs",
        0x7375_7245 => "coda",
        0x564C => "ncp",
        0x0BD0_0BD0 => "lustre",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::network_name;

    #[test]
    fn network_file_systems_are_known_by_their_magic_numbers() {
        assert_eq!(network_name(0x6969), Some("nfs"));
        assert_eq!(network_name(0xFF53_4D42), Some("cifs"));
        assert_eq!(network_name(0xEF53), None, "ext4 is local");
        assert_eq!(network_name(0x0102_1994), None, "tmpfs is local");
    }
}
