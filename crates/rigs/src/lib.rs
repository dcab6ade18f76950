//! Rigs that kill a process which writes to a map, and look at what is left: `step` at every instruction of one
//! operation, `kill` at random moments of many. Both must find every call that returned, whole, and the one in
//! flight entirely or not at all; and both must find something when a crash rule is left out of the engine.

#![forbid(unsafe_code)]

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
    pub mod child;
    pub mod image;
    pub mod record;
    pub mod report;
    pub mod run;
    pub mod trace;
}

#[cfg(target_os = "linux")]
pub mod kill {
    pub mod child;
    pub mod script;
    pub mod supervise;
}
