//! What is done to a map's files, in its order: for rigs that work out what a power cut may leave of it.
//!
//! Only builds with the feature `negative-controls` record, and only between `start` and `take`. In all others these calls
//! are empty, and a mapped word is an atomic like any other.

#[cfg(feature = "negative-controls")]
pub(crate) use super::recorder::{
    Mapping, begin_sync, copied, created, drawn, in_turn, is_on, length, renamed, unlinked, written,
};

#[cfg(not(feature = "negative-controls"))]
pub(crate) use silent::*;

#[cfg(not(feature = "negative-controls"))]
mod silent {
    use std::fs::File;

    /// Says which file a mapping is of, for as long as it lives.
    #[derive(Debug)]
    pub(crate) struct Mapping;

    impl Mapping {
        #[inline(always)]
        pub fn new(_file: Option<&File>, _start: *const u8, _len: usize) -> Mapping {
            Mapping
        }
    }

    /// A sync that is under way.
    pub(crate) struct Begun;

    impl Begun {
        #[inline(always)]
        pub fn mapped(self, _start: *const u8, _len: usize) {}
        #[inline(always)]
        pub fn file(self, _file: &File) {}
        #[inline(always)]
        pub fn names(self) {}
    }

    #[inline(always)]
    pub(crate) const fn begin_sync() -> Begun {
        Begun
    }
    #[inline(always)]
    pub(crate) const fn is_on() -> bool {
        false
    }
    #[inline(always)]
    pub(crate) const fn in_turn() -> bool {
        false
    }
    #[inline(always)]
    pub(crate) const fn drawn<const N: usize>() -> Option<[u8; N]> {
        None
    }
    #[inline(always)]
    pub(crate) fn copied(_at: *const u8, _bytes: &[u8]) {}
    #[inline(always)]
    pub(crate) fn created(_name: &str, _file: &File) {}
    #[inline(always)]
    pub(crate) fn length(_file: &File) {}
    #[inline(always)]
    pub(crate) fn written(_file: &File, _at: u64, _bytes: &[u8]) {}
    #[inline(always)]
    pub(crate) fn unlinked(_name: &str) {}
    #[inline(always)]
    pub(crate) fn renamed(_from: &str, _to: &str) {}
}
