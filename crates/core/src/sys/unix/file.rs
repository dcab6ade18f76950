//! An open file, by the calls that POSIX has.

use super::super::FileId;
use super::super::dir::Lock;
use rustix::fs::{self as rfs, FlockOperation};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

#[allow(clippy::unnecessary_cast, reason = "each system has types of its own for these")]
pub(super) fn id(stat: &rfs::Stat) -> FileId {
    FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 }
}

#[allow(clippy::unnecessary_cast, reason = "as above")]
pub(super) fn mode(stat: &rfs::Stat) -> u32 {
    stat.st_mode as u32
}

pub(crate) fn identify(file: &File) -> io::Result<FileId> {
    Ok(id(&rfs::fstat(file)?))
}

/// Beyond the process's limit for the size of a file the kernel sends SIGXFSZ, which ends whoever does not ignore it. So it is
/// not asked.
pub(crate) fn check_limit(len: u64) -> io::Result<()> {
    match rustix::process::getrlimit(rustix::process::Resource::Fsize).current {
        Some(limit) if len > limit => Err(Errno::FBIG.into()),
        _ => Ok(()),
    }
}

/// Whether the error says that the file system has no such call.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    // One number on some systems and two on others.
    Errno::from_io_error(error).is_some_and(|errno| [Errno::OPNOTSUPP, Errno::NOTSUP].contains(&errno))
}

/// A name goes here whatever is open or mapped.
pub(crate) fn is_in_use(_: &io::Error) -> bool {
    false
}

/// Whether the error says that no more can be mapped.
pub(crate) fn lacks_mappings(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory
}

/// `false`: somebody else holds it.
pub(crate) fn lock(file: impl AsFd, lock: Lock) -> io::Result<bool> {
    let operation = match lock {
        Lock::Exclusive => FlockOperation::NonBlockingLockExclusive,
        Lock::Shared => FlockOperation::NonBlockingLockShared,
    };
    match rfs::flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}
