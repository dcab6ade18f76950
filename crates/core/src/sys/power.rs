//! Ends a file system as a power cut ends it, for the rig that looks at what is left. In no release build.

use rustix::ioctl::{Opcode, Setter, ioctl, opcode};
use std::fs::File;
use std::io;

/// `FS_IOC_SHUTDOWN` of Linux, which ext4, XFS, f2fs and others know.
const SHUTDOWN: Opcode = opcode::read::<u32>(b'X', 125);
const FLUSH_LOG: u32 = 1;
const DROP_LOG: u32 = 2;

/// From now on nothing reaches the disk of the file system that the directory is on, and every sync fails. `flush_log`
/// writes its journal out first: what the journal knows of is then there, and the data in the page cache is not.
pub fn shut_down(directory: &File, flush_log: bool) -> io::Result<()> {
    let how = if flush_log { FLUSH_LOG } else { DROP_LOG };
    // SAFETY: the call reads one u32 through its pointer and writes nothing; `Setter` lends it one that outlives it.
    unsafe { ioctl(directory, Setter::<SHUTDOWN, u32>::new(how)) }.map_err(io::Error::from)
}
