//! What an open trusts, what it makes anew, and that neither loses or invents anything.
//!
//! A killed process is played by copying the directory of an open map: the page cache is what a kill leaves. The hook
//! `same_files` takes the copy for the original; without it the copy is what it is.

mod common;

use common::{copy, of_boot};
use opendiskmap::{Code, Map, Options, Reason, Recovery};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const BOOT: [u8; 16] = *b"this boot's name";

fn options() -> Options {
    of_boot(2, BOOT)
}

fn other(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = options();
    change(&mut options);
    options
}

fn bytes_of(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn key(number: usize) -> Vec<u8> {
    format!("key {number}").into_bytes()
}

fn value(number: usize) -> Vec<u8> {
    let length = if number.is_multiple_of(500) { 300_000 } else { 10 + number % 90 };
    vec![number as u8; length]
}

/// Enough for splits, several segments, extents, dead records and tombstones.
fn fill(map: &Map) -> usize {
    for number in 0..4000 {
        map.put(&key(number), b"to be replaced").unwrap();
    }
    for number in 0..4000 {
        map.put(&key(number), &value(number)).unwrap();
    }
    for number in 3000..4000 {
        assert!(map.remove(&key(number)).unwrap());
    }
    3000
}

fn check(map: &Map, entries: usize) {
    assert_eq!(map.len(), entries as u64);
    for number in 0..entries {
        assert_eq!(map.get(&key(number)).unwrap().unwrap(), value(number), "key {number}");
    }
    assert_eq!(map.get(&key(3500)).unwrap(), None);
    assert_eq!(map.iter().map(Result::unwrap).count(), entries);
}

fn reason(map: &Map) -> Reason {
    map.stats().unwrap().recovery.reason
}

#[test]
fn a_clean_map_is_trusted_and_a_dirty_one_only_in_its_own_boot() {
    let temp = tempfile::tempdir().unwrap();
    let (path, killed, cut) = (temp.path().join("map"), temp.path().join("killed"), temp.path().join("cut"));
    let map = Map::open(&path, &options()).unwrap();
    assert_eq!(reason(&map), Reason::Created);
    let entries = fill(&map);
    copy(&path, &killed);
    copy(&path, &cut);
    map.close().unwrap();
    let map = Map::open(&path, &options()).unwrap();
    assert_eq!(reason(&map), Reason::Clean);
    check(&map, entries);
    let map = Map::open(&killed, &options()).unwrap();
    assert_eq!(reason(&map), Reason::Killed);
    check(&map, entries);
    let map = Map::open(&cut, &other(|options| options.hooks.boot_id = Some(*b"the next boot id"))).unwrap();
    assert_eq!(reason(&map), Reason::Rebuilt);
    check(&map, entries);
}

#[test]
fn a_copied_directory_is_read_once_and_holds_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let (path, copied) = (temp.path().join("map"), temp.path().join("copy"));
    let map = Map::open(&path, &options()).unwrap();
    let entries = fill(&map);
    map.close().unwrap();
    copy(&path, &copied);
    let real = other(|options| options.hooks.same_files = false);
    let map = Map::open(&copied, &real).unwrap();
    assert_eq!(reason(&map), Reason::Rebuilt);
    check(&map, entries);
    map.close().unwrap();
    let map = Map::open(&copied, &real).unwrap();
    assert_eq!(reason(&map), Reason::Clean);
    check(&map, entries);
}

#[test]
fn full_recovery_makes_the_same_map_from_the_log_alone() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("map");
    let map = Map::open(&path, &options()).unwrap();
    let entries = fill(&map);
    map.close().unwrap();
    for name in bytes_of(&path).keys() {
        if name == "HEAD" || ["idx", "dir", "tab"].contains(&&name[..3]) {
            fs::remove_file(path.join(name)).unwrap();
        }
    }
    let full = other(|options| options.recovery = Some(Recovery::Full));
    for _ in 0..3 {
        let map = Map::open(&path, &full).unwrap();
        assert_eq!(reason(&map), Reason::Rebuilt);
        check(&map, entries);
        map.close().unwrap();
    }
}

#[test]
fn a_read_only_map_writes_nothing_whatever_it_finds() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("map");
    let map = Map::open(&path, &options()).unwrap();
    let entries = fill(&map);
    let killed = temp.path().join("killed");
    copy(&path, &killed);
    map.close().unwrap();
    let read_only = other(|options| options.read_only = true);
    let next_boot = other(|options| (options.read_only, options.hooks.boot_id) = (true, Some([7; 16])));
    let cases = [
        (&path, &read_only, Reason::Clean),
        (&killed, &read_only, Reason::Killed),
        (&killed, &next_boot, Reason::Rebuilt),
    ];
    for (path, options, expected) in cases {
        let before = bytes_of(path);
        let map = Map::open(path, options).unwrap();
        assert_eq!(reason(&map), expected);
        check(&map, entries);
        for refused in
            [map.put(b"key", b"value"), map.remove(b"key 1"), map.clear().map(|()| true), map.compact().map(|()| true)]
        {
            assert_eq!(refused.unwrap_err().code(), Code::ReadOnly);
        }
        map.flush().unwrap();
        map.close().unwrap();
        assert!(bytes_of(path) == before, "{expected:?}: a file changed");
    }
    let missing = Map::open(temp.path().join("none"), &read_only).unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

#[test]
fn a_writer_cannot_join_a_reader_and_a_reader_can_join_a_writer() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("map");
    Map::open(&path, &options()).unwrap().close().unwrap();
    let read_only = other(|options| options.read_only = true);
    let reader = Map::open(&path, &read_only).unwrap();
    assert_eq!(Map::open(&path, &options()).unwrap_err().code(), Code::Locked);
    reader.close().unwrap();
    let writer = Map::open(&path, &options()).unwrap();
    let reader = Map::open(&path, &read_only).unwrap();
    writer.put(b"key", b"value").unwrap();
    assert_eq!(reader.get(b"key").unwrap().unwrap(), b"value");
    assert_eq!(reader.put(b"key", b"other").unwrap_err().code(), Code::ReadOnly);
}

#[test]
fn damage_of_the_index_is_mended_from_the_log_and_damage_of_the_log_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("map");
    let map = Map::open(&path, &options()).unwrap();
    let entries = fill(&map);
    map.compact().unwrap();
    map.close().unwrap();
    let whole = bytes_of(&path);
    for (name, bytes) in &whole {
        let kind = &name[..3];
        if !["idx", "dir", "tab", "seg", "HEA"].contains(&kind) {
            continue;
        }
        // A bit in the middle of what is in use: records and slots start at the front.
        for at in [200, bytes.len() / 8, 4096 + 16 * 300] {
            let damaged = temp.path().join(format!("damaged-{name}-{at}"));
            copy(&path, &damaged);
            let mut flipped = bytes.clone();
            flipped[at % bytes.len()] ^= 4;
            fs::write(damaged.join(name), flipped).unwrap();
            let checked = Map::open(&damaged, &options()).and_then(|map| {
                for number in 0..entries {
                    assert_eq!(
                        map.get(&key(number))?.expect("an entry is never lost"),
                        value(number),
                        "{name} at {at}"
                    );
                }
                assert_eq!(map.len(), entries as u64, "{name} at {at}");
                Ok(())
            });
            match checked {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error.code(), Code::Corrupt, "{name} at {at}: {error}");
                    assert_eq!(kind, "seg", "{name} at {at}: what is derived is made again: {error}");
                }
            }
            fs::remove_dir_all(damaged).unwrap();
        }
    }
}

#[test]
fn a_clear_is_whole_after_a_kill_and_a_rebuild() {
    let temp = tempfile::tempdir().unwrap();
    let (path, killed) = (temp.path().join("map"), temp.path().join("killed"));
    let map = Map::open(&path, &options()).unwrap();
    fill(&map);
    map.flush().unwrap();
    map.clear().unwrap();
    map.put(b"after", b"clear").unwrap();
    copy(&path, &killed);
    for options in [options(), other(|options| options.recovery = Some(Recovery::Full))] {
        let map = Map::open(&killed, &options).unwrap();
        assert_eq!(map.len(), 1);
        assert_eq!(map.get(b"after").unwrap().unwrap(), b"clear");
        assert_eq!(map.get(&key(0)).unwrap(), None);
    }
}

#[test]
fn another_option_or_codec_is_refused_before_anything_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("map");
    Map::open(&path, &options()).unwrap().close().unwrap();
    for options in [other(|options| options.shards = Some(4)), other(|options| options.shards = Some(3))] {
        let code = Map::open(&path, &options).unwrap_err().code();
        assert!(matches!(code, Code::OptionsMismatch | Code::InvalidArgument));
    }
    let before = bytes_of(&path);
    assert_eq!(
        Map::open(&path, &other(|o| o.key_codec = Some(opendiskmap::Codec::named("str")))).unwrap_err().code(),
        Code::CodecMismatch
    );
    assert!(bytes_of(&path) == before);
}

/// The creation of a map syncs its first files before it gives them a checkpoint. What a power cut leaves of them until
/// then is any part of what was written.
#[test]
fn a_power_cut_while_a_map_is_made_leaves_a_directory_in_which_it_can_be_made() {
    let temp = tempfile::tempdir().unwrap();
    let made = temp.path().join("made");
    Map::open(&made, &options()).unwrap().close().unwrap();
    let mut head = fs::read(made.join("HEAD")).unwrap();
    head[..512].fill(0);
    let mut checkpoint = fs::read(made.join("CHECKPOINT.0")).unwrap();
    checkpoint[..16].fill(0);
    for (number, (head, checkpoint)) in
        [(head.clone(), checkpoint.clone()), (Vec::new(), checkpoint), (head, Vec::new())].into_iter().enumerate()
    {
        let path = temp.path().join(number.to_string());
        fs::create_dir(&path).unwrap();
        fs::write(path.join("HEAD"), head).unwrap();
        fs::write(path.join("CHECKPOINT.new"), checkpoint).unwrap();
        fs::write(path.join("CHECKPOINT.1"), [0; 4096]).unwrap();
        let map = Map::open(&path, &options()).unwrap();
        map.put(b"key", b"value").unwrap();
        assert_eq!(map.get(b"key").unwrap().as_deref(), Some(&b"value"[..]));
    }
}
