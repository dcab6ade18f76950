//! Which errors a system call may fail with, and what the engine is to make of them.

use nix::errno::Errno;
use opendiskmap::Code;
use opendiskmap::faults::Call;

/// What each call is made to fail with; the first is the one that a short run takes.
#[must_use]
pub const fn errors(call: Call) -> &'static [Errno] {
    match call {
        Call::Openat => &[Errno::EMFILE, Errno::EIO, Errno::ENOSPC, Errno::EDQUOT],
        Call::Fallocate => &[Errno::ENOSPC, Errno::EDQUOT, Errno::EIO, Errno::EFBIG],
        Call::Mmap => &[Errno::ENOMEM, Errno::EIO],
        Call::Pwrite => &[Errno::EIO, Errno::ENOSPC, Errno::EDQUOT, Errno::EFBIG],
        Call::Msync => &[Errno::EIO, Errno::ENOMEM, Errno::ENOSPC],
        Call::Fdatasync | Call::Fsync => &[Errno::EIO, Errno::ENOSPC, Errno::EDQUOT],
        Call::Flock => &[Errno::ENOLCK, Errno::EIO],
        Call::Rename | Call::Mkdir => &[Errno::ENOSPC, Errno::EIO],
        Call::Ftruncate | Call::Pread | Call::Fstat | Call::Unlink | Call::Getdents => &[Errno::EIO],
    }
}

#[must_use]
pub const fn is_sync(call: Call) -> bool {
    matches!(call, Call::Msync | Call::Fdatasync | Call::Fsync)
}

/// The code that a failure of this call must have, if it makes a call of the map fail at all.
#[must_use]
pub const fn expected(call: Call, errno: Errno) -> Code {
    match (call, errno) {
        (Call::Flock, _) => Code::FsUnsupported,
        // A sync that lacks room has lost pages all the same: nobody is to try that again.
        (Call::Msync | Call::Fdatasync | Call::Fsync, _) => Code::Io,
        (_, Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG | Errno::ENOMEM) => Code::NoSpace,
        _ => Code::Io,
    }
}
