//! The operating system behind one face: directories, locks, preallocation, sync, identity.
//!
//! `Dir` and the functions on files are the face: what they do in which order, the rigs' seams, and nothing of a platform. Under
//! them lies one of `unix`, with a file for each system that differs, and `windows`, with the same names inside.

mod dir;
#[cfg(not(loom))]
pub(crate) mod fault_guard;
pub mod faults;
mod file;
#[cfg(unix)]
#[path = "unix/mod.rs"]
mod os;
#[cfg(windows)]
#[path = "windows/mod.rs"]
mod os;
#[cfg(all(feature = "negative-controls", target_os = "linux"))]
pub mod power;

#[cfg(not(any(unix, windows)))]
compile_error!("a map needs files that can be mapped and locked: only Unix and Windows are supported");
#[cfg(not(target_pointer_width = "64"))]
compile_error!("a map's files may be larger than a 32-bit address space: only 64-bit targets are supported");

pub(crate) use dir::{Dir, Lock};
pub(crate) use file::{
    barrier, copy_part, erase, file_id, lock_alone, lock_for_reading, preallocate, read_at, set_len, sync_file,
    write_at,
};
#[cfg(feature = "negative-controls")]
pub(crate) use os::identify;
pub(crate) use os::{MORE_MAPPINGS, boot_id, fill, is_in_use, lacks_mappings, page_size, prefault, unmap_pages};

use std::io;

/// Which file a name led to: two opens of one file agree, a copy does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    pub device: u64,
    pub inode: u64,
}

/// Whether the error says that room, and not the device, is what is missing.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::OutOfMemory
    ) || lacks_mappings(error)
}

/// Whether the error says that something else stands in the place of a file of the map.
pub(crate) fn is_foreign(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData && error.raw_os_error().is_none()
}

fn foreign<T>(name: &str, what: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("{name} {what}")))
}

/// Random bytes for keys that an attacker must not guess.
pub(crate) fn random<const N: usize>() -> crate::Result<[u8; N]> {
    if let Some(bytes) = crate::mem::trace::drawn() {
        return Ok(bytes);
    }
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        crate::Error::new(
            crate::Code::Io,
            format!("Could not read random bytes: {error}. Check that the system has a random source."),
        )
    })?;
    Ok(bytes)
}
