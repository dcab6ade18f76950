//! A map that was made for so many entries gets there without making a file or splitting a table.

mod common;

use common::{quiet, scratch, served, settle};
use opendiskmap::{Capacity, Code, Map, Options};
use std::collections::BTreeSet;
use std::path::Path;

fn files(path: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(path).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn with_capacity(entries: u64, bytes: u64, options: Options) -> Options {
    Options { capacity: Some(Capacity { entries, bytes }), ..options }
}

#[test]
fn up_to_the_capacity_no_table_splits_and_no_file_is_made() {
    for (shards, asked, background) in
        [(1, 1_000, false), (1, 20_000, true), (4, 50_000, false), (16, 30_000, true), (16, 10, false)]
    {
        let directory = scratch();
        let path = directory.path().join("map");
        let options = if background { served(shards) } else { quiet(shards) };
        let (key_bytes, value_bytes) = (10, 90);
        let map = Map::open(&path, &with_capacity(asked, asked * (key_bytes + value_bytes), options)).unwrap();
        let capacity = asked.next_power_of_two();
        assert_eq!(map.capacity(), capacity);
        let (names, tables) = (files(&path), map.stats().unwrap().tables);
        // The bytes are for as many entries as were asked for.
        for number in 0..asked {
            map.put(format!("{number:010}").as_bytes(), &[7; 90]).unwrap();
        }
        // And with nothing in the values the index alone is to go on up to the power of two.
        for number in asked..capacity {
            map.put(format!("{number:010}").as_bytes(), &[]).unwrap();
        }
        if !background {
            settle(&map);
        }
        let stats = map.stats().unwrap();
        assert_eq!((map.len(), stats.tables, stats.waits), (capacity, tables, 0), "{shards} shards, {asked} entries");
        assert_eq!(files(&path), names);
        assert!(stats.index_bytes <= stats.index_bound && stats.log_bytes <= stats.log_bound, "{stats:?}");
        map.close().unwrap();
    }
}

#[test]
fn the_capacity_is_remembered_and_grows_with_the_map() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &with_capacity(1_000, 0, quiet(4))).unwrap();
    assert_eq!(map.capacity(), 1_024);
    map.close().unwrap();
    // It counts at creation only.
    let map = Map::open(&path, &with_capacity(1 << 20, 0, Options { shards: None, ..quiet(4) })).unwrap();
    assert_eq!(map.capacity(), 1_024);
    for number in 0..1_025 {
        map.put(&common::key(number), b"").unwrap();
    }
    assert_eq!(map.capacity(), 2_048);
    map.close().unwrap();
    let plain = Map::open(directory.path().join("plain"), &quiet(1)).unwrap();
    assert_eq!(plain.capacity(), 1);
    plain.put(b"one", b"").unwrap();
    plain.put(b"two", b"").unwrap();
    plain.put(b"three", b"").unwrap();
    assert_eq!(plain.capacity(), 4);
}

#[test]
fn a_rebuild_makes_the_room_again_and_compact_gives_it_back() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &with_capacity(50_000, 5_000_000, quiet(1))).unwrap();
    map.put(b"key", b"value").unwrap();
    let made = map.stats().unwrap();
    map.close().unwrap();
    let full = Options { recovery: Some(opendiskmap::Recovery::Full), ..quiet(1) };
    let map = Map::open(&path, &full).unwrap();
    assert_eq!(map.stats().unwrap().tables, made.tables);
    map.compact().unwrap();
    settle(&map);
    let stats = map.stats().unwrap();
    assert!(stats.tables == 1 && stats.log_bytes * 10 < made.log_bytes, "{stats:?}");
    assert_eq!(map.get(b"key").unwrap().unwrap(), b"value");
}

#[test]
fn more_than_can_be_meant_is_refused_before_anything_is_made() {
    let directory = scratch();
    let path = directory.path().join("map");
    for (entries, bytes) in [(u64::MAX, 0), ((1 << 31) + 1, 0), (0, u64::MAX), (1, 17 << 30), (1 << 31, 1)] {
        let refused = Map::open(&path, &with_capacity(entries, bytes, quiet(16))).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{entries} {bytes}");
        assert!(!path.exists());
    }
}
