//! Windows.

mod boot;
mod dir;
mod file;
mod private;

pub(crate) use boot::boot_id;
pub(super) use dir::Dir;
pub(super) use file::{
    allocate, barrier, check_limit, is_unsupported, lock, read_exact_at, share_blocks, sync_file, write_all_at,
};
pub(crate) use file::{identify, is_in_use, lacks_mappings};

use memmap2::MmapRaw;
use std::io;
use windows_sys::Win32::System::Memory::{PrefetchVirtualMemory, WIN32_MEMORY_RANGE_ENTRY};
use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// What to do when nothing more can be mapped.
pub(crate) const MORE_MAPPINGS: &str = "Make the page file larger, or free memory";

/// Bytes of a page of memory. A mapping may begin at multiples of 64 KiB only, which memmap2 sees to.
pub(crate) fn page_size() -> usize {
    // SAFETY: all zero is a valid SYSTEM_INFO, and the call fills it in.
    let info: SYSTEM_INFO = unsafe {
        let mut info = std::mem::zeroed();
        GetSystemInfo(&raw mut info);
        info
    };
    info.dwPageSize as usize
}

/// Reads a range's pages ahead, in bulk. Best effort: each still faults once, without the disk.
pub(crate) fn prefault(map: &MmapRaw, offset: usize, len: usize) {
    let len = len.min(map.len().saturating_sub(offset));
    let range =
        WIN32_MEMORY_RANGE_ENTRY { VirtualAddress: map.as_mut_ptr().wrapping_add(offset).cast(), NumberOfBytes: len };
    // SAFETY: the range lies in a mapping that outlives the call, which changes nothing in it.
    let _ = unsafe { PrefetchVirtualMemory(GetCurrentProcess(), 1, &raw const range, 0) };
}

/// What makes pages cheaper on Linux. Nobody has measured whether it pays here.
pub(crate) fn fill(_: &File, _: std::ops::Range<usize>, _: usize) {}

/// What Linux does before a sync, to be interrupted less. Nobody has measured whether it pays here.
pub(crate) fn unmap_pages(_: &MmapRaw, _: usize, _: usize) {}

/// A call that answers with zero when it has failed.
fn done(answer: i32) -> io::Result<()> {
    if answer == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// As the calls take text: UTF-16, a zero at its end.
fn wide(text: impl AsRef<std::ffi::OsStr>) -> Vec<u16> {
    use std::os::windows::ffi::OsStrExt;
    text.as_ref().encode_wide().chain([0]).collect()
}
