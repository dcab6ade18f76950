//! What the system calls of a stepped process can do to files and mappings.

use nix::libc;

use crate::scenario::Fails;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Neither names nor bytes of files change, nor what is mapped.
    None,
    /// What is mapped may change.
    Mapping,
    /// Pages are touched as if by a store, or given back.
    Advice,
    Files {
        /// The kernel looks for a deadly signal between two pages, so a kill can leave a part.
        torn: bool,
    },
}

impl Effect {
    /// After a call that is not listed everything is compared.
    pub fn of(call: i64) -> Self {
        match call {
            call if HARMLESS.contains(&call) => Self::None,
            call if MAPPING.contains(&call) => Self::Mapping,
            libc::SYS_madvise => Self::Advice,
            call => Self::Files { torn: TORN.contains(&call) },
        }
    }
}

/// The error that a call is to fail with.
pub fn failure(fails: Fails, call: i64) -> Option<i32> {
    match (fails, call) {
        (Fails::Allocation, libc::SYS_fallocate) => Some(libc::ENOSPC),
        (Fails::Sync, libc::SYS_msync | libc::SYS_fsync | libc::SYS_fdatasync) => Some(libc::EIO),
        _ => None,
    }
}

const MAPPING: [i64; 4] = [libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_mprotect];

const TORN: [i64; 6] = [
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_copy_file_range,
];

const HARMLESS: [i64; 34] = [
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_close,
    libc::SYS_stat,
    libc::SYS_fstat,
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_lseek,
    libc::SYS_brk,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sched_yield,
    libc::SYS_mincore,
    libc::SYS_msync,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_syncfs,
    libc::SYS_flock,
    libc::SYS_fcntl,
    libc::SYS_futex,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_clock_gettime,
    libc::SYS_getdents64,
    libc::SYS_getrandom,
    libc::SYS_membarrier,
    libc::SYS_sigaltstack,
];
