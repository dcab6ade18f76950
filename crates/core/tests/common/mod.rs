//! What the tests of the public interface share.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle, scope};

use opendiskmap::{Hooks, Map, Options};
use tempfile::TempDir;

/// What stands at this place of a file.
pub fn read_at(mut file: &File, bytes: &mut [u8], at: u64) {
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(bytes).unwrap();
}

pub fn write_at(mut file: &File, bytes: &[u8], at: u64) {
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

/// Memory where there is a file system in it: the tests ask what the map holds, not what the disk does.
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary directory can be made")
}

/// No timer and no background thread: everything happens inside the calls.
pub fn quiet(shards: u32) -> Options {
    Options {
        shards: Some(shards),
        flush_interval: Some(None),
        hooks: Hooks { background: false, ..Hooks::default() },
        ..Options::default()
    }
}

/// The same under a boot id, where copied files are taken for the originals: for maps that are copied as they stand, as if
/// their process had died.
pub fn of_boot(shards: u32, boot: [u8; 16]) -> Options {
    Options { hooks: Hooks { background: false, same_files: true, boot_id: Some(boot) }, ..quiet(shards) }
}

/// A map's directory as it stands.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The first file whose name starts so.
pub fn named(path: &Path, start: &str) -> PathBuf {
    let mut paths: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let starts = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(start);
    paths.into_iter().find(starts).unwrap()
}

/// What an ordinary user has, but for the timer: a background thread that compacts and makes files.
pub fn served(shards: u32) -> Options {
    Options { shards: Some(shards), flush_interval: Some(None), ..Options::default() }
}

/// All background work that is due, done here.
pub fn settle(map: &Map) {
    while map.compact_step().expect("background work succeeds") {}
}

pub fn key(number: usize) -> Vec<u8> {
    format!("key {number}").into_bytes()
}

/// A value that says whose it is and of which version, and whose last byte is as telling as its first.
pub fn value(key: &[u8], version: usize, length: usize) -> Vec<u8> {
    let mut bytes = version.to_le_bytes().to_vec();
    bytes.extend_from_slice(key);
    let mut state =
        version as u64 ^ key.iter().fold(7, |sum: u64, &byte| sum.wrapping_mul(131).wrapping_add(byte.into()));
    while bytes.len() < length {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        bytes.push((state >> 56) as u8);
    }
    bytes
}

/// What tests of many entries store for a number's key.
pub fn stored(number: usize) -> Vec<u8> {
    value(&key(number), 1, 20 + number % 50)
}

/// The version of a value that `value` made for this key; anything else is a wrong value.
pub fn version(key: &[u8], bytes: &[u8]) -> usize {
    let (version, _) = bytes.split_first_chunk().expect("a value has a version");
    let version = usize::from_le_bytes(*version);
    assert!(value(key, version, bytes.len()) == bytes, "key {} has a value it was never given", key.escape_ascii());
    version
}

/// `PROPTEST_CASES` for a long run.
pub fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(48)
}

/// Tells the others to stop when the test's own part is done, also when it failed.
pub struct Ends<'a>(pub &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub fn until(done: &AtomicBool) -> impl Iterator<Item = usize> {
    (0..).take_while(|_| !done.load(Ordering::Relaxed))
}

/// A scope of threads, which are joined one by one when its own part is done: the thread sanitizer sees a join, and not
/// the end of a scope.
pub fn together<'env, R>(part: impl for<'scope> FnOnce(&Team<'scope, 'env>) -> R) -> R {
    scope(|scope| {
        let team = Team { scope, members: RefCell::default() };
        let done = part(&team);
        for member in team.members.take() {
            member.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
        done
    })
}

pub struct Team<'scope, 'env: 'scope> {
    scope: &'scope Scope<'scope, 'env>,
    members: RefCell<Vec<ScopedJoinHandle<'scope, ()>>>,
}

impl<'scope> Team<'scope, '_> {
    pub fn spawn(&self, work: impl FnOnce() + Send + 'scope) {
        self.members.borrow_mut().push(self.scope.spawn(work));
    }
}
