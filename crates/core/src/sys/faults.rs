//! System calls that fail on demand, for the rig that asks what the engine makes of it. In a build without the feature
//! `negative-controls` there is only a question that is always answered with no.

use std::io;

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The system calls that a map makes.
        #[doc(hidden)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Call { $($(#[$doc])* $name,)* }

        #[cfg(feature = "negative-controls")]
        impl Call {
            pub const ALL: &[Call] = &[$(Call::$name,)*];

            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Call::$name => $text,)* }
            }
        }
    };
}

calls! {
    Openat = "openat",
    Fallocate = "fallocate",
    Ftruncate = "ftruncate",
    Mmap = "mmap",
    Pread = "pread",
    Pwrite = "pwrite",
    Msync = "msync",
    Fdatasync = "fdatasync",
    /// Of a directory.
    Fsync = "fsync",
    Flock = "flock",
    Fstat = "fstat",
    Unlink = "unlink",
    Rename = "rename",
    Mkdir = "mkdir",
    Getdents = "getdents",
}

/// To be asked before the call is made: the error that it is to fail with.
#[cfg(not(feature = "negative-controls"))]
#[inline(always)]
pub(crate) const fn check(_call: Call) -> io::Result<()> {
    Ok(())
}

#[cfg(feature = "negative-controls")]
pub(crate) fn check(call: Call) -> io::Result<()> {
    seam::check(call)
}

#[cfg(feature = "negative-controls")]
pub use seam::{Fault, arm, disarm};

#[cfg(feature = "negative-controls")]
mod seam {
    use super::{Call, io};
    use parking_lot::Mutex;

    /// Which call is to fail.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Fault {
        pub call: Call,
        /// The first is 1.
        pub number: u64,
        /// All that follow it, too.
        pub on: bool,
        pub errno: i32,
    }

    struct Armed {
        fault: Option<Fault>,
        counts: Vec<u64>,
        struck: bool,
    }

    static ARMED: Mutex<Option<Armed>> = Mutex::new(None);

    /// From now on calls are counted, and this one fails.
    pub fn arm(fault: Option<Fault>) {
        *ARMED.lock() = Some(Armed { fault, counts: vec![0; Call::ALL.len()], struck: false });
    }

    /// Nothing fails any more: how often each call was made, and whether the fault struck.
    pub fn disarm() -> (Vec<u64>, bool) {
        ARMED.lock().take().map_or((Vec::new(), false), |armed| (armed.counts, armed.struck))
    }

    pub(super) fn check(call: Call) -> io::Result<()> {
        let mut armed = ARMED.lock();
        let Some(armed) = armed.as_mut() else { return Ok(()) };
        let count = &mut armed.counts[call as usize];
        *count += 1;
        match armed.fault {
            Some(fault) if fault.call == call && (fault.number == *count || fault.on && fault.number < *count) => {
                armed.struck = true;
                Err(io::Error::from_raw_os_error(fault.errno))
            }
            _ => Ok(()),
        }
    }
}
