//! Backups, and copies that somebody else made of the directory: what opens is a state that the map was in.

mod common;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{Ends, cases, key, quiet, scratch, served, settle, until, value, version};
use opendiskmap::{Code, Error, Map, OpenReport, Options, Reason};
use proptest::prelude::*;

type Model = HashMap<Vec<u8>, Vec<u8>>;

/// Opens only what is there.
fn opening() -> Options {
    Options { create: false, ..quiet(1) }
}

fn open(path: &Path) -> Result<Map, Error> {
    Map::open(path, &Options { shards: None, ..opening() })
}

fn contents(map: &Map) -> Model {
    let contents: Model = map.iter().map(|entry| entry.expect("every entry can be read")).collect();
    assert_eq!(map.len(), contents.len() as u64, "the size is exact");
    for (key, value) in &contents {
        assert!(map.get(key).unwrap().as_ref() == Some(value), "get and iteration agree");
    }
    contents
}

fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// What one thread does, one call after the other: it follows from two numbers alone.
#[derive(Clone, Copy)]
struct Script {
    thread: usize,
    seed: u64,
}

impl Script {
    fn draw(self, step: usize) -> u64 {
        let mixed = (self.seed ^ step as u64 ^ (self.thread as u64) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 17
    }

    fn key(self, step: usize) -> Vec<u8> {
        key(self.thread * 1000 + self.draw(step) as usize % 60)
    }

    /// `None` removes the key.
    fn length(self, step: usize) -> Option<usize> {
        let drawn = self.draw(step) >> 8;
        let length = if drawn.is_multiple_of(97) { 270_000 } else { 20 + drawn as usize % 2500 };
        (!drawn.is_multiple_of(7)).then_some(length)
    }

    fn run(self, step: usize, map: &Map) {
        let key = self.key(step);
        match self.length(step) {
            Some(length) => drop(map.put(&key, &value(&key, step, length)).unwrap()),
            None => drop(map.remove(&key).unwrap()),
        }
    }

    /// Whether the thread's entries are what some number of its calls, of these, has left. An entry is told by the call that
    /// made it.
    fn prefix(self, found: &HashMap<Vec<u8>, usize>, counts: std::ops::RangeInclusive<usize>) -> bool {
        let keys: Vec<_> = (0..60).map(|number| key(self.thread * 1000 + number)).collect();
        let found: HashMap<_, _> = keys.iter().filter_map(|key| found.get_key_value(key)).collect();
        // Keys that are not what was found.
        let mut wrong: HashSet<Vec<u8>> = found.keys().map(|key| key.to_vec()).collect();
        for step in 0..=*counts.end() {
            if counts.contains(&step) && wrong.is_empty() {
                return true;
            }
            let key = self.key(step);
            let left = self.length(step).map(|_| step);
            if found.get(&key).copied().copied() == left {
                wrong.remove(&key)
            } else {
                wrong.insert(key)
            };
        }
        false
    }
}

/// The entries by the calls that made them; none has a value that it was never given.
fn versions(contents: &Model) -> HashMap<Vec<u8>, usize> {
    contents.iter().map(|(key, value)| (key.clone(), version(key, value))).collect()
}

/// Threads that each follow a script while `work` runs; it gets how many calls each has ended, and has begun.
fn under_load(map: &Map, scripts: &[Script], work: impl FnOnce(&dyn Fn() -> Vec<usize>, &dyn Fn() -> Vec<usize>)) {
    let counts: Vec<_> = scripts.iter().map(|_| (AtomicUsize::new(0), AtomicUsize::new(0))).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for (script, (begun, ended)) in scripts.iter().zip(&counts) {
            let done = &done;
            scope.spawn(move || {
                for step in until(done) {
                    begun.store(step + 1, Ordering::SeqCst);
                    script.run(step, map);
                    ended.store(step + 1, Ordering::SeqCst);
                }
            });
        }
        scope.spawn(|| {
            for _ in until(&done) {
                map.compact().unwrap();
                thread::sleep(Duration::from_millis(2));
            }
        });
        let _ends = Ends(&done);
        while counts.iter().any(|(_, ended)| ended.load(Ordering::SeqCst) < 200) {
            thread::yield_now();
        }
        let read = |which: fn(&(AtomicUsize, AtomicUsize)) -> &AtomicUsize| -> Vec<usize> {
            counts.iter().map(|count| which(count).load(Ordering::SeqCst)).collect()
        };
        work(&|| read(|count| &count.1), &|| read(|count| &count.0));
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases().div_ceil(12), failure_persistence: None, ..ProptestConfig::default() })]

    /// Prefixes of each thread's calls, whatever shards they went to: more than a prefix for each shard.
    #[test]
    fn a_backup_under_load_is_the_map_at_one_moment_between_call_and_return(seed: u64, shards in 0u32..4) {
        let directory = scratch();
        let map = Map::open(directory.path().join("map"), &served(1 << shards)).unwrap();
        let scripts = [0, 1, 2].map(|thread| Script { thread, seed });
        under_load(&map, &scripts, |ended, begun| {
            for number in 0..4 {
                let target = directory.path().join(format!("backup {number}"));
                let before = ended();
                map.backup(&target, |_| Ok(())).unwrap();
                let after = begun();
                let copy = open(&target).unwrap();
                let found = versions(&contents(&copy));
                for (script, (before, after)) in scripts.iter().zip(before.into_iter().zip(after)) {
                    assert!(script.prefix(&found, before..=after), "thread {} of seed {seed}", script.thread);
                }
            }
        });
        // What was held for the copies is given back.
        map.flush().unwrap();
        settle(&map);
        prop_assert_eq!(map.stats().unwrap().pins, 0);
    }
}

/// Puts and removals, long values among them, that leave dead records, segments and extents behind.
fn fill(map: &Map, version: usize) {
    for number in 0..400 {
        map.put(&key(number), &value(&key(number), version, 40 + number * 13 % 3000)).unwrap();
    }
    for number in 0..4 {
        map.put(&key(number), &value(&key(number), version, 300_000 + number)).unwrap();
    }
    for number in (7..400).step_by(5) {
        map.remove(&key(number)).unwrap();
    }
}

#[test]
fn what_a_backup_has_still_to_copy_is_not_deleted_and_goes_after_it() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &quiet(2)).unwrap();
    fill(&map, 1);
    fill(&map, 2);
    let before = contents(&map);
    let mut calls = 0;
    map.backup(directory.path().join("copy"), |_| {
        // All that there was is replaced, emptied, noted as such and due to be deleted, while the copy has hardly begun.
        if calls < 3 {
            match calls {
                0 => fill(&map, 3),
                1 => map.clear()?,
                _ => fill(&map, 4),
            }
            map.compact()?;
        }
        calls += 1;
        Ok(())
    })
    .unwrap();
    assert!(calls > 3);
    let copy = open(&directory.path().join("copy")).unwrap();
    assert!(contents(&copy) == before, "the copy is what the map was at the call");
    map.compact().unwrap();
    let stats = map.stats().unwrap();
    assert_eq!((stats.pins, stats.emptied_bytes), (0, 0), "nothing is held any more");
    let extents = names(&directory.path().join("map")).iter().filter(|name| name.starts_with("ext-")).count();
    assert_eq!(extents, 4, "the superseded extents are gone");
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in names(from) {
        match fs::copy(from.join(&name), to.join(&name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            copied => drop(copied.unwrap()),
        }
    }
}

#[test]
fn a_backup_that_is_cut_short_never_opens_and_the_name_is_not_there() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &quiet(4)).unwrap();
    fill(&map, 1);
    let target = directory.path().join("backup");
    let mut states = 0;
    map.backup(&target, |_| {
        assert!(!target.exists());
        let partial = names(directory.path()).into_iter().find(|name| name.starts_with("backup.partial-")).unwrap();
        // What a kill would leave here.
        let left = directory.path().join(format!("left {states}"));
        copy_directory(&directory.path().join(partial), &left);
        let refused = open(&left).map(drop).unwrap_err();
        assert!(matches!(refused.code(), Code::Corrupt | Code::NotFound), "{refused}");
        // A refused open may leave the file that is locked on Windows, which makes nothing a map.
        if names(&left).iter().any(|name| name != "LOCK") {
            let refused = Map::open(&left, &quiet(4)).map(drop).unwrap_err();
            assert_eq!(refused.code(), Code::Corrupt, "nor is it made into a map: {refused}");
        }
        states += 1;
        Ok(())
    })
    .unwrap();
    assert!(states > 10);
    assert_eq!(contents(&open(&target).unwrap()), contents(&map));
}

#[test]
fn a_backup_that_fails_or_is_called_off_leaves_nothing() {
    let directory = scratch();
    for stop in [0, 1, 2, 5, 9, 14] {
        let map = Map::open(directory.path().join("map"), &quiet(4)).unwrap();
        fill(&map, 1);
        let mut calls = 0;
        let failed = map.backup(directory.path().join("backup"), |progress| {
            assert!(progress.bytes <= progress.total_bytes);
            calls += 1;
            match calls > stop {
                true => Err(Error::new(Code::Conflict, "called off")),
                false => Ok(()),
            }
        });
        assert_eq!(failed.unwrap_err().code(), Code::Conflict);
        assert_eq!(names(directory.path()), ["map"], "after {stop} steps");
        // A close calls it off too.
        let mut calls = 0;
        let closed = map.backup(directory.path().join("backup"), |_| {
            calls += 1;
            if calls > stop { map.end() } else { Ok(()) }
        });
        assert_eq!(closed.unwrap_err().code(), Code::Closed);
        assert_eq!(names(directory.path()), ["map"], "after {stop} steps");
    }
}

#[test]
fn progress_ends_at_its_total() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &quiet(2)).unwrap();
    fill(&map, 1);
    let mut last = opendiskmap::BackupProgress::default();
    map.backup(directory.path().join("backup"), |progress| {
        assert!(progress.bytes >= last.bytes);
        last = progress;
        Ok(())
    })
    .unwrap();
    assert!(last.bytes == last.total_bytes && last.bytes > 1_200_000, "{last:?}");
}

#[test]
fn a_backup_is_made_where_nothing_is_and_outside_the_map() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &quiet(1)).unwrap();
    map.put(b"key", b"value").unwrap();
    fs::create_dir(directory.path().join("directory")).unwrap();
    fs::write(directory.path().join("file"), b"").unwrap();
    // Not everybody may make a link on Windows.
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", directory.path().join("link")).unwrap();
    #[cfg(not(unix))]
    fs::write(directory.path().join("link"), b"").unwrap();
    for (target, code) in [
        ("directory", Code::InvalidArgument),
        ("file", Code::InvalidArgument),
        ("link", Code::InvalidArgument),
        ("map", Code::InvalidArgument),
        ("map/inside", Code::InvalidArgument),
        ("directory/..", Code::InvalidArgument),
        ("missing/backup", Code::NotFound),
        ("file/backup", Code::NotFound),
    ] {
        let refused = map.backup(directory.path().join(target), |_| Ok(())).unwrap_err();
        assert_eq!(refused.code(), code, "{target}: {refused}");
    }
    let mut there = names(directory.path());
    there.sort();
    assert_eq!(there, ["directory", "file", "link", "map"]);
    map.close().unwrap();
    assert_eq!(contents(&open(&path).unwrap()).len(), 1);
}

#[test]
#[cfg(unix)]
fn a_backup_is_for_its_owner_alone_whatever_the_map_is() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let directory = scratch();
    let options = Options { mode: Some(0o755), ..quiet(2) };
    let map = Map::open(directory.path().join("map"), &options).unwrap();
    fill(&map, 1);
    let target = directory.path().join("backup");
    map.backup(&target, |_| Ok(())).unwrap();
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o7777, 0o700);
    for name in names(&target) {
        assert_eq!(fs::metadata(target.join(&name)).unwrap().mode() & 0o7777, 0o600, "{name}");
    }
}

#[test]
fn maps_of_every_kind_can_be_backed_up_and_again_from_the_copy() {
    let directory = scratch();
    for (number, shards) in [1, 8].into_iter().enumerate() {
        let path = directory.path().join(format!("map {number}"));
        let mut expected = Model::new();
        let mut source = path.clone();
        for (round, read_only) in [false, true, false, true, false].into_iter().enumerate() {
            let options = Options { read_only, ..quiet(shards) };
            let map = Map::open(&source, &options).unwrap();
            assert!(contents(&map) == expected, "round {round}");
            let OpenReport { reason, .. } = map.stats().unwrap().recovery;
            assert_eq!(reason, if round == 0 { Reason::Created } else { Reason::Rebuilt }, "a copy is verified");
            if !read_only {
                // The empty map too.
                map.backup(directory.path().join(format!("before {number} {round}")), |_| Ok(())).unwrap();
                fill(&map, round);
                expected = contents(&map);
            }
            let target = directory.path().join(format!("backup {number} {round}"));
            map.backup(&target, |_| Ok(())).unwrap();
            source = target;
        }
    }
}

#[test]
fn a_map_whose_process_died_can_be_backed_up_by_one_who_only_reads() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &quiet(2)).unwrap();
    fill(&map, 1);
    map.flush().unwrap();
    fill(&map, 2);
    // What a kill leaves; the reader takes it for the original and repairs what is to be repaired in memory.
    let killed = directory.path().join("killed");
    copy_directory(&path, &killed);
    for same_files in [true, false] {
        let mut options = Options { read_only: true, ..quiet(2) };
        options.hooks.same_files = same_files;
        let reader = Map::open(&killed, &options).unwrap();
        let expected = if same_files { Reason::Killed } else { Reason::Rebuilt };
        assert_eq!(reader.stats().unwrap().recovery.reason, expected);
        let target = directory.path().join(format!("backup {same_files}"));
        reader.backup(&target, |_| Ok(())).unwrap();
        assert!(contents(&open(&target).unwrap()) == contents(&map));
    }
}

#[test]
fn a_backup_that_lacks_a_file_of_the_map_is_an_error() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &quiet(1)).unwrap();
    fill(&map, 1);
    let extent = names(&path).into_iter().find(|name| name.starts_with("ext-")).unwrap();
    fs::rename(path.join(&extent), directory.path().join(&extent)).unwrap();
    let refused = map.backup(directory.path().join("backup"), |_| Ok(())).unwrap_err();
    assert_eq!(refused.code(), Code::Corrupt);
    fs::rename(directory.path().join(&extent), path.join(&extent)).unwrap();
    map.backup(directory.path().join("backup"), |_| Ok(())).unwrap();
}

#[test]
fn a_copy_of_a_closed_map_is_verified_at_its_first_open() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &quiet(2)).unwrap();
    fill(&map, 1);
    let expected = contents(&map);
    map.close().unwrap();
    let copy = directory.path().join("copy");
    copy_directory(&path, &copy);
    let opened = open(&copy).unwrap();
    assert_eq!(opened.stats().unwrap().recovery.reason, Reason::Rebuilt);
    assert!(contents(&opened) == expected);
    opened.close().unwrap();
    assert_eq!(open(&copy).unwrap().stats().unwrap().recovery.reason, Reason::Clean, "and then it is a map of its own");
    // A byte that changed on the way is found at that open, wherever it is.
    for number in 0..40 {
        let copy = directory.path().join(format!("damaged {number}"));
        copy_directory(&path, &copy);
        let logs: Vec<_> = names(&copy).into_iter().filter(|name| name.starts_with("seg-")).collect();
        let log: PathBuf = copy.join(&logs[number % logs.len()]);
        let mut bytes = fs::read(&log).unwrap();
        let at = bytes.len() * number / 40;
        // A byte that belongs to a record; behind the tail, and in padding, there are zeros.
        let Some(at) = (at..bytes.len()).find(|&at| bytes[at] > 1) else { continue };
        bytes[at] ^= 1;
        fs::write(&log, bytes).unwrap();
        match open(&copy) {
            Err(error) => assert_eq!(error.code(), Code::Corrupt),
            Ok(opened) => assert!(contents(&opened) == expected, "a byte that means nothing changes nothing"),
        }
    }
}

#[test]
fn a_plain_copy_of_a_map_under_load_opens_to_a_prefix_or_not_at_all() {
    let directory = scratch();
    let path = directory.path().join("map");
    // In one shard the log has one order, so that of each thread's calls a prefix must be left.
    let map = Map::open(&path, &served(1)).unwrap();
    let scripts = [0, 1].map(|thread| Script { thread, seed: 77 });
    let (mut opened, mut refused) = (0, 0);
    let copies = cases() * 5 / 12;
    under_load(&map, &scripts, |_, begun| {
        for number in 0..copies {
            let copy = directory.path().join("copy");
            copy_directory(&path, &copy);
            let after = begun();
            match open(&copy) {
                Ok(map) => {
                    opened += 1;
                    let found = versions(&contents(&map));
                    for (script, after) in scripts.iter().zip(after) {
                        assert!(script.prefix(&found, 0..=after), "thread {} in copy {number}", script.thread);
                    }
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.code(), Code::Corrupt, "{error}");
                }
            }
            fs::remove_dir_all(&copy).unwrap();
        }
    });
    println!("{opened} copies opened, {refused} were refused");
    assert!(opened + refused == copies && opened > 0);
}
