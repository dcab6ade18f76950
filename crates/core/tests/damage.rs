//! Damage that a rig found to go unnoticed, one test each: no key may read as absent, and nothing that is whole be lost.
//! Offsets are those of docs/format.md.

mod common;

use common::{copy, key, named, of_boot, quiet, scratch, settle, stored};
use opendiskmap::{Code, Map, Options, Recovery};
use std::fs;
use std::path::Path;

const PAGE: usize = 4096;
const TABLE: usize = 16384;

fn options(shards: u32) -> Options {
    quiet(shards)
}

fn made(path: &Path, shards: u32, entries: usize) {
    filled(path, &options(shards), entries).close().unwrap();
}

fn filled(path: &Path, options: &Options, entries: usize) -> Map {
    let map = Map::open(path, options).unwrap();
    for number in 0..entries {
        map.put(&key(number), &stored(number)).unwrap();
    }
    map
}

fn holds(map: &Map, numbers: std::ops::Range<usize>) {
    assert_eq!(map.len(), numbers.len() as u64);
    for number in numbers.clone() {
        assert_eq!(map.get(&key(number)).unwrap().as_deref(), Some(&stored(number)[..]), "key {number}");
    }
    assert_eq!(map.iter().map(Result::unwrap).count(), numbers.len());
}

fn same_files() -> Options {
    of_boot(1, [1; 16])
}

/// Changes a file in place: it stays the file that its header names.
fn edit(path: &Path, change: impl FnOnce(&mut [u8])) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    common::write_at(&fs::OpenOptions::new().write(true).open(path).unwrap(), &bytes, 0);
}

/// Damages a value in the log, or mends it if it was.
fn flip_value(path: &Path, at: usize) {
    edit(&named(path, "seg-"), |bytes| bytes[at] ^= 1);
}

/// Where an entry's value stands in the log's first segment.
fn value_at(path: &Path, number: usize) -> usize {
    let (bytes, value) = (fs::read(named(path, "seg-")).unwrap(), stored(number));
    bytes.windows(value.len()).position(|window| window == value).unwrap()
}

fn swap(bytes: &mut [u8], first: usize, second: usize, length: usize) {
    let (low, high) = bytes.split_at_mut(second);
    low[first..first + length].swap_with_slice(&mut high[..length]);
}

#[test]
fn two_tables_that_changed_places_hide_no_key() {
    let directory = scratch();
    let path = directory.path().join("map");
    made(&path, 1, 1500);
    edit(&named(&path, "idx-"), |bytes| swap(bytes, PAGE + TABLE, PAGE + 2 * TABLE, TABLE));
    holds(&Map::open(&path, &options(1)).unwrap(), 0..1500);
}

#[test]
fn two_shards_whose_pages_changed_places_are_made_anew() {
    let directory = scratch();
    let path = directory.path().join("map");
    made(&path, 2, 1500);
    edit(&path.join("HEAD"), |bytes| swap(bytes, PAGE, 2 * PAGE, PAGE));
    let map = Map::open(&path, &options(2)).unwrap();
    holds(&map, 0..1500);
    for number in 1500..1600 {
        map.put(&key(number), &stored(number)).unwrap();
    }
    holds(&map, 0..1600);
}

#[test]
fn a_shard_whose_page_was_lost_is_not_taken_for_one_that_was_never_written() {
    let directory = scratch();
    for killed in [false, true] {
        let path = directory.path().join(format!("map-{killed}"));
        let map = filled(&path, &same_files(), 500);
        map.flush().unwrap();
        let left = directory.path().join(format!("left-{killed}"));
        if !killed {
            map.close().unwrap();
        }
        copy(&path, &left);
        edit(&left.join("HEAD"), |bytes| bytes[PAGE..2 * PAGE].fill(0));
        holds(&Map::open(&left, &same_files()).unwrap(), 0..500);
    }
}

/// Where no close has summed a count, its damage shows in that it cannot be, and what is derived from the log is made anew.
#[test]
fn a_damaged_count_of_a_map_whose_process_died_is_made_anew() {
    let directory = scratch();
    let (path, left) = (directory.path().join("map"), directory.path().join("left"));
    let _killed = filled(&path, &same_files(), 1500);
    // By docs/format.md: entries, live and extent bytes, free tables, tables; a segment's size, end, live bytes and marks.
    let counts = [80, 88, 96, 232, 240].map(|at| ("HEAD", PAGE + at));
    let counts = counts.into_iter().chain([16, 24, 32, 40].map(|at| ("tab-", 128 + at)));
    for (name, at) in counts {
        for damaged in [u64::MAX, 1 << 62] {
            let _ = fs::remove_dir_all(&left);
            copy(&path, &left);
            edit(&named(&left, name), |bytes| bytes[at..at + 8].copy_from_slice(&damaged.to_le_bytes()));
            let map = Map::open(&left, &same_files()).unwrap();
            holds(&map, 0..1500);
            map.put(&key(1500), &stored(1500)).unwrap();
            assert!(map.remove(&key(1500)).unwrap());
            map.compact().unwrap();
            holds(&map, 0..1500);
            assert!(map.verify().unwrap().is_ok(), "{name} at {at}");
        }
    }
}

#[test]
fn a_damaged_count_of_a_tables_slots_is_mended_by_whoever_writes_to_it() {
    let directory = scratch();
    let (path, left) = (directory.path().join("map"), directory.path().join("left"));
    let _killed = filled(&path, &same_files(), 500);
    // None are used, and more live than there can be.
    for damaged in [0xffff_ffff, u64::MAX, 0] {
        copy(&path, &left);
        edit(&named(&left, "idx-"), |bytes| {
            for table in 0..(bytes.len() - PAGE) / TABLE {
                let at = PAGE + table * TABLE + 24;
                bytes[at..at + 8].copy_from_slice(&u64::to_le_bytes(damaged));
            }
        });
        let map = Map::open(&left, &same_files()).unwrap();
        assert!(map.remove(&key(7)).unwrap());
        map.put(&key(7), &stored(7)).unwrap();
        holds(&map, 0..500);
        drop(map);
        fs::remove_dir_all(&left).unwrap();
    }
}

#[test]
fn a_damaged_link_of_the_free_queue_gives_no_table_away_that_is_in_use() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &options(1)).unwrap();
    for number in 0..4000 {
        map.put(&key(number), &stored(number)).unwrap();
    }
    map.clear().unwrap();
    for number in 0..700 {
        map.put(&key(number), &stored(number)).unwrap();
    }
    map.close().unwrap();
    let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let used = word(&fs::read(named(&path, "dir-")).unwrap(), PAGE);
    let free = word(&fs::read(path.join("HEAD")).unwrap(), PAGE + 216);
    assert!(free != 0 && used != free);
    let (number, table) = ((free - 1) >> 16, ((free - 1) & 0xffff) as usize);
    edit(&path.join(format!("idx-00-{number:06x}")), |bytes| {
        bytes[PAGE + TABLE * table + 32..][..8].copy_from_slice(&used.to_le_bytes());
    });
    let map = Map::open(&path, &options(1)).unwrap();
    for number in 700..4000 {
        map.put(&key(number), &stored(number)).unwrap();
    }
    holds(&map, 0..4000);
    map.clear().unwrap();
    holds(&map, 0..0);
}

#[test]
fn an_extent_that_does_not_say_whose_it_is_any_more_is_kept_with_its_value() {
    let directory = scratch();
    let long = vec![7; 300_000];
    for at in [0, 20, 64, 70, 72] {
        let path = directory.path().join(format!("map-{at}"));
        let map = Map::open(&path, &options(1)).unwrap();
        map.put(b"long", &long).unwrap();
        map.close().unwrap();
        edit(&named(&path, "ext-"), |bytes| bytes[at] ^= 4);
        let map = Map::open(&path, &options(1)).unwrap();
        settle(&map);
        map.put(b"other", b"value").unwrap();
        map.flush().unwrap();
        settle(&map);
        assert!(map.get(b"long").unwrap().as_deref() == Some(&long[..]), "byte {at}");
    }
}

#[test]
fn an_index_is_mended_beside_a_damaged_extent() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &options(1)).unwrap();
    for number in 0..300 {
        map.put(&key(number), &stored(number)).unwrap();
    }
    map.put(b"long", &vec![7; 300_000]).unwrap();
    map.close().unwrap();
    edit(&named(&path, "ext-"), |bytes| bytes[5000] ^= 4);
    edit(&named(&path, "idx-"), |bytes| bytes[PAGE + 64 + 16 * 500] ^= 4);
    for read_only in [true, false] {
        let map = Map::open(&path, &Options { read_only, ..options(1) }).unwrap();
        for number in 0..300 {
            assert_eq!(map.get(&key(number)).unwrap().as_deref(), Some(&stored(number)[..]), "key {number}");
        }
        assert_eq!(map.get(b"long").unwrap_err().code(), Code::Corrupt);
        assert_eq!(map.len(), 301);
    }
}

#[test]
fn a_refused_open_leaves_no_pid_behind() {
    let directory = scratch();
    let path = directory.path().join("map");
    made(&path, 1, 100);
    fs::remove_file(named(&path, "seg-")).unwrap();
    assert_eq!(Map::open(&path, &options(1)).unwrap_err().code(), Code::Corrupt);
    assert!(!path.join("OWNER").exists());
    fs::write(path.join("OWNER"), "123").unwrap();
    assert_eq!(Map::open(&path, &options(1)).unwrap_err().code(), Code::Corrupt);
    assert_eq!(fs::read(path.join("OWNER")).unwrap(), b"123");
}

/// A table without a sum is one that has changed since the open, unless it had none at the open: damage took it.
#[test]
fn an_index_that_could_not_be_mended_does_not_look_whole_after_a_close() {
    let directory = scratch();
    let path = directory.path().join("map");
    made(&path, 1, 1500);
    // The header of one table of the two, and so no tag: its keys would read as absent. No index is made anew from this log.
    let untouched = fs::read(named(&path, "idx-")).unwrap();
    flip_value(&path, value_at(&path, 7));
    for table in [1, 2] {
        edit(&named(&path, "idx-"), |bytes| {
            bytes.copy_from_slice(&untouched);
            bytes[PAGE + table * TABLE..][..TABLE].fill(0);
        });
        for _ in 0..3 {
            let map = Map::open(&path, &options(1)).unwrap();
            let mut told = 0;
            for number in 0..1500 {
                match map.get(&key(number)) {
                    Ok(found) => assert_eq!(found, Some(stored(number)), "key {number}"),
                    Err(error) => {
                        assert_eq!(error.code(), Code::Corrupt, "key {number}");
                        told += 1;
                    }
                }
            }
            assert!(told > 300, "the table is told damaged by every open");
            map.close().unwrap();
        }
    }
}

/// Reading a log of gigabytes once for each call would look like a map that hangs.
#[test]
fn a_damaged_log_is_read_once_and_not_by_every_call_that_meets_a_damaged_index() {
    let directory = scratch();
    let path = directory.path().join("map");
    made(&path, 1, 1500);
    // A slot of each table, and a byte of a value.
    edit(&named(&path, "idx-"), |bytes| {
        [1, 2].into_iter().for_each(|table| bytes[PAGE + table * TABLE + 64 + 100 * 64] ^= 1)
    });
    let at = value_at(&path, 7);
    flip_value(&path, at);
    let map = Map::open(&path, &options(1)).unwrap();
    assert_eq!(map.get(&key(0)).unwrap_err().code(), Code::Corrupt);
    // Who read the log again would find it whole now.
    flip_value(&path, at);
    for number in 0..1500 {
        assert_eq!(map.get(&key(number)).unwrap_err().code(), Code::Corrupt, "key {number}");
    }
    assert_eq!(map.put(&key(0), b"new").unwrap_err().code(), Code::Corrupt);
    drop(map);
    holds(&Map::open(&path, &options(1)).unwrap(), 0..1500);
}

#[test]
fn a_sequence_number_that_cannot_be_is_damage_and_not_a_full_shard() {
    let directory = scratch();
    let path = directory.path().join("map");
    made(&path, 1, 20);
    let map = Map::open(&path, &options(1)).unwrap();
    map.put(&key(0), &stored(0)).unwrap();
    for damaged in [0x80, 0xff] {
        // The upper two bytes of the word: a record has 48 bits for it.
        edit(&path.join("HEAD"), |bytes| bytes[PAGE + 72 + 6..PAGE + 80].fill(damaged));
        assert_eq!(map.put(&key(1), b"new").unwrap_err().code(), Code::Corrupt);
        assert_eq!(map.clear().unwrap_err().code(), Code::Corrupt);
    }
    edit(&path.join("HEAD"), |bytes| bytes[PAGE + 72..PAGE + 80].fill(0xff));
    assert_eq!(map.remove(&key(1)).unwrap_err().code(), Code::Corrupt);
    assert_eq!(map.get(&key(1)).unwrap(), Some(stored(1)));
}

#[test]
fn a_map_that_was_refused_for_its_damage_is_refused_again() {
    let directory = scratch();
    let path = directory.path().join("map");
    made(&path, 1, 3000);
    // The directory shows one table for another, and no index can be made anew from a log that is damaged as well.
    edit(&named(&path, "dir-"), |bytes| {
        let entries = PAGE + 8 * 3;
        bytes.copy_within(entries..entries + 8, entries + 24);
    });
    flip_value(&path, value_at(&path, 7));
    for _ in 0..3 {
        assert_eq!(Map::open(&path, &options(1)).unwrap_err().code(), Code::Corrupt);
    }
}

/// A closed map's sums stand beside its checkpoints, and do not count only where the checkpoint says that it was closed.
#[test]
fn a_damaged_checkpoint_hides_no_damage_of_what_a_close_has_summed() {
    let directory = scratch();
    let path = directory.path().join("map");
    made(&path, 1, 500);
    let read_only = Options { read_only: true, ..options(1) };
    for checkpoint in ["CHECKPOINT.0", "CHECKPOINT.1"] {
        edit(&path.join(checkpoint), |bytes| bytes[0] ^= 1);
        for name in [path.join("HEAD"), named(&path, "dir-"), named(&path, "idx-"), named(&path, "tab-")] {
            let words = fs::read(&name).unwrap().as_chunks::<8>().0.to_vec();
            let told = (PAGE / 8..words.len()).filter(|&word| words[word] != [0; 8]).take(80);
            for word in told {
                edit(&name, |bytes| bytes[word * 8..][..8].fill(0));
                match Map::open(&path, &read_only) {
                    Ok(map) => holds(&map, 0..500),
                    Err(error) => assert_eq!(error.code(), Code::Corrupt, "word {word} of {}", name.display()),
                }
                edit(&name, |bytes| bytes[word * 8..][..8].copy_from_slice(&words[word]));
            }
        }
        edit(&path.join(checkpoint), |bytes| bytes[0] ^= 1);
    }
}

/// Both checkpoints of a closed map know of all its records, so that what does not verify is no end of the log by either.
#[test]
fn a_damaged_checkpoint_does_not_turn_damage_of_the_log_into_its_end() {
    let directory = scratch();
    let path = directory.path().join("map");
    made(&path, 1, 500);
    let at = value_at(&path, 499);
    let full = Options { recovery: Some(Recovery::Full), read_only: true, ..options(1) };
    for checkpoint in ["CHECKPOINT.0", "CHECKPOINT.1"] {
        edit(&path.join(checkpoint), |bytes| bytes[0] ^= 1);
        holds(&Map::open(&path, &full).unwrap(), 0..500);
        flip_value(&path, at);
        assert_eq!(Map::open(&path, &full).unwrap_err().code(), Code::Corrupt);
        flip_value(&path, at);
        edit(&path.join(checkpoint), |bytes| bytes[0] ^= 1);
    }
}
