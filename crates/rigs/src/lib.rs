//! Rigs that kill a process which writes to a map, and look at what is left: `step` at every instruction of one
//! operation, `kill` at random moments of many. Both must find every call that returned, whole, and the one in
//! flight entirely or not at all. `cut` fails the power of the file system too, and must find all that was flushed and a
//! prefix of each shard. All must find something when a crash rule is left out of the engine.
//!
//! `arch` is no such rig: it writes and reads what the TypeScript face must write and read too.

#![forbid(unsafe_code)]

pub mod arch;
pub mod beginning;
pub mod catalogue;
pub mod draw;
pub mod model;
pub mod random;
pub mod scenario;

#[cfg(target_os = "linux")]
pub mod check;

/// Stepping decodes instructions, so it is for one kind of processor only.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod step {
    mod calls;
    pub mod child;
    pub mod image;
    pub mod record;
    pub mod report;
    pub mod run;
    mod store;
    pub mod trace;
}

/// System calls fail only in a build that is made for it.
#[cfg(all(target_os = "linux", feature = "negative-controls"))]
pub mod faults {
    pub mod case;
    pub mod errors;
    pub mod supervise;
    pub mod verb;
}

#[cfg(target_os = "linux")]
pub mod kill {
    pub mod child;
    pub mod script;
    pub mod supervise;
}

/// Power cuts need the engine's trace, which is in builds with the feature only.
#[cfg(all(target_os = "linux", feature = "negative-controls"))]
pub mod sim {
    pub mod damage;
    pub mod disk;
    pub mod history;
    pub mod life;
    pub mod oracle;
    pub mod report;
    pub mod script;
}

/// What ends a file system, and what tells the shard of a key, is in no release build of the engine.
#[cfg(target_os = "linux")]
pub mod cut {
    pub mod arguments;
    #[cfg(feature = "negative-controls")]
    pub mod child;
    #[cfg(feature = "negative-controls")]
    pub mod disk;
    pub mod held;
    pub mod history;
    pub mod script;
    #[cfg(feature = "negative-controls")]
    pub mod supervise;
    pub mod word;
    pub mod writeback;
}

#[cfg(target_os = "linux")]
pub mod fuzz;

#[cfg(target_os = "linux")]
pub mod flip {
    pub mod damage;
    pub mod files;
    pub mod maps;
    pub mod supervise;
    pub mod sweep;
    pub mod trial;
}
