//! The operating system behind one face: directories, locks, preallocation, sync, identity.

#[cfg(all(unix, not(loom)))]
pub(crate) mod fault_guard;
pub mod faults;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(all(feature = "negative-controls", target_os = "linux"))]
pub mod power;

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
    )
}

/// Whether the error says that something else stands in the place of a file of the map.
pub(crate) fn is_foreign(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData && error.raw_os_error().is_none()
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
