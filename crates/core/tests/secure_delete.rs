//! `secure_delete`: what held a record that was replaced or removed is zeros before the disk gets it back. The blocks of a
//! deleted file are looked at through a descriptor that was opened before.

mod common;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::Path;

use common::{quiet, scratch, settle};
use opendiskmap::{Code, ConcurrentDiskMap, Map, Options, Str};

const SECRET: &[u8] = b"the secret that was removed";
const SECRET_KEY: &[u8] = b"the key of the secret";

fn secure() -> Options {
    Options { secure_delete: Some(true), ..quiet(2) }
}

/// Every file of records that there ever was, by name: a descriptor outlives the name.
#[derive(Default)]
struct Blocks(HashMap<String, File>);

impl Blocks {
    fn see(&mut self, directory: &Path) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with("seg-") || name.starts_with("ext-") {
                self.0.entry(name).or_insert_with(|| File::open(entry.path()).unwrap());
            }
        }
    }

    /// The deleted ones: how many there are, and which are not all zeros.
    fn freed(&mut self, directory: &Path) -> (usize, Vec<String>) {
        let mut freed: Vec<_> = self.0.iter_mut().filter(|(name, _)| !directory.join(name).exists()).collect();
        let count = freed.len();
        freed.retain_mut(|(_, file)| {
            let mut bytes = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut bytes).unwrap();
            bytes.iter().any(|&byte| byte != 0)
        });
        (count, freed.into_iter().map(|(name, _)| name.clone()).collect())
    }
}

/// Whether any file of the map has these bytes.
fn holds(directory: &Path, bytes: &[u8]) -> bool {
    let has = |path| fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes);
    fs::read_dir(directory).unwrap().any(|entry| has(entry.unwrap().path()))
}

fn value(number: usize) -> Vec<u8> {
    let mut value = SECRET.to_vec();
    value.resize(SECRET.len() + number * 37 % 900, b'.');
    value
}

fn key(number: usize) -> Vec<u8> {
    [SECRET_KEY, number.to_string().as_bytes()].concat()
}

/// Entries that stay between such that are replaced or removed, in many segments, and long values.
fn write_secrets(map: &Map, blocks: &mut Blocks, path: &Path) {
    for number in 0..1500 {
        map.put(&key(number), &value(number)).unwrap();
        map.put(format!("kept {number}").as_bytes(), &[7; 90]).unwrap();
        blocks.see(path);
    }
    for number in 0..3 {
        map.put(&key(number), &[SECRET, &vec![b'.'; 300_000]].concat()).unwrap();
        map.put(format!("long {number}").as_bytes(), &vec![9; 280_000]).unwrap();
    }
    blocks.see(path);
    for number in 0..700 {
        map.put(&key(number), b"replaced").unwrap();
    }
    for number in 0..1500 {
        map.remove(&key(number)).unwrap();
        blocks.see(path);
    }
}

fn check_kept(map: &Map) {
    assert_eq!(map.len(), 1503);
    for number in 0..1500 {
        assert_eq!(map.get(format!("kept {number}").as_bytes()).unwrap().as_deref(), Some(&[7; 90][..]));
    }
    assert_eq!(map.get(b"long 1").unwrap().unwrap(), vec![9; 280_000]);
}

#[test]
fn after_compact_no_removed_value_or_key_is_in_any_file_or_freed_block() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &secure()).unwrap();
    let mut blocks = Blocks::default();
    write_secrets(&map, &mut blocks, &path);
    blocks.see(&path);
    assert!(holds(&path, SECRET) && holds(&path, SECRET_KEY));
    map.compact().unwrap();
    assert!(!holds(&path, SECRET), "a removed value is in a file");
    assert!(!holds(&path, SECRET_KEY), "a removed key is in a file");
    let (count, left) = blocks.freed(&path);
    assert!(count > 20, "{count} files were freed");
    assert!(left.is_empty(), "not overwritten: {left:?}");
    check_kept(&map);
    map.close().unwrap();
    check_kept(&Map::open(&path, &secure()).unwrap());
}

#[test]
fn what_is_freed_in_the_background_or_by_a_clear_is_overwritten_too() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &secure()).unwrap();
    let mut blocks = Blocks::default();
    write_secrets(&map, &mut blocks, &path);
    settle(&map);
    map.flush().unwrap();
    settle(&map);
    let (count, left) = blocks.freed(&path);
    assert!(count > 5 && left.is_empty(), "{count} freed, {left:?} not overwritten");
    map.put(b"secret", SECRET).unwrap();
    blocks.see(&path);
    map.clear().unwrap();
    map.compact().unwrap();
    assert!(!holds(&path, SECRET) && !holds(&path, b"kept"));
    let (count, left) = blocks.freed(&path);
    assert!(count > 20 && left.is_empty(), "{count} freed, {left:?} not overwritten");
}

#[test]
fn without_it_the_bytes_stay_where_they_were() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &quiet(2)).unwrap();
    let mut blocks = Blocks::default();
    write_secrets(&map, &mut blocks, &path);
    map.compact().unwrap();
    let (count, left) = blocks.freed(&path);
    assert!(count > 5 && left.len() == count, "{count} freed, {} with what they held", left.len());
}

#[test]
fn what_an_open_deletes_is_overwritten() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &secure()).unwrap();
    map.put(b"key", SECRET).unwrap();
    // In every shard something.
    for number in 0..64 {
        map.put(&key(number), &value(number)).unwrap();
    }
    map.put(b"long", &[SECRET, &vec![b'.'; 300_000]].concat()).unwrap();
    let find = |from: &str| {
        let names = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.into_iter().find(|name| name.starts_with(from)).unwrap()
    };
    // What a killed process may have left: files that nothing names any more.
    let extent = find("ext-");
    let aside = directory.path().join("aside");
    fs::copy(path.join(&extent), &aside).unwrap();
    map.remove(b"long").unwrap();
    map.flush().unwrap();
    settle(&map);
    assert!(!path.join(&extent).exists());
    map.close().unwrap();
    fs::rename(aside, path.join(extent)).unwrap();
    fs::copy(path.join(find("seg-")), path.join("seg-00-00000001-000000aa")).unwrap();
    let mut blocks = Blocks::default();
    blocks.see(&path);
    for recovery in [None, Some(opendiskmap::Recovery::Full)] {
        let map = Map::open(&path, &Options { recovery, ..secure() }).unwrap();
        settle(&map);
        map.flush().unwrap();
        settle(&map);
        let (count, left) = blocks.freed(&path);
        assert!(count >= 2 && left.is_empty(), "{count} freed, {left:?} not overwritten");
        assert_eq!(map.get(b"key").unwrap().as_deref(), Some(SECRET));
        map.close().unwrap();
        fs::copy(path.join(blocks_live(&path)), path.join("seg-01-00000001-000000bb")).unwrap();
        blocks.see(&path);
    }
}

fn blocks_live(path: &Path) -> String {
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.into_iter().find(|name| name.starts_with("seg-")).unwrap()
}

#[test]
fn a_value_that_is_being_read_is_overwritten_once_it_was_read() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &secure()).unwrap();
    let long = [SECRET, &vec![b'.'; 300_000]].concat();
    map.put(b"key", &long).unwrap();
    let mut blocks = Blocks::default();
    blocks.see(&path);
    let (_, extent) = map.read_with(b"key", &mut |_| {}).unwrap().unwrap();
    let extent = extent.unwrap();
    map.remove(b"key").unwrap();
    map.compact().unwrap();
    let mut read = Vec::new();
    extent.append_to(&mut read).unwrap();
    assert!(read == long);
    drop(extent);
    map.compact().unwrap();
    assert!(!holds(&path, SECRET));
    assert_eq!(blocks.freed(&path).1, Vec::<String>::new());
}

#[test]
fn a_reference_keeps_its_value_whatever_is_removed() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = ConcurrentDiskMap::<Str, Str>::open(&path, &secure()).unwrap();
    let long = "long ".repeat(70_000);
    map.insert("long", &long).unwrap();
    map.insert("short", "short").unwrap();
    let held = [map.get("long").unwrap().unwrap(), map.get("short").unwrap().unwrap()];
    map.clear().unwrap();
    map.compact().unwrap();
    assert_eq!((&*held[0], &*held[1]), (long.as_str(), "short"));
    drop(held);
    map.compact().unwrap();
    assert!(!holds(&path, b"long long"));
}

#[test]
fn secure_delete_belongs_to_the_open_map() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &secure()).unwrap();
    let refused = Map::open(&path, &Options { secure_delete: Some(false), ..quiet(2) }).map(drop).unwrap_err();
    assert_eq!(refused.code(), Code::OptionsMismatch);
    drop(Map::open(&path, &quiet(2)).unwrap());
    map.close().unwrap();
    let map = Map::open(&path, &quiet(2)).unwrap();
    let refused = Map::open(&path, &secure()).map(drop).unwrap_err();
    assert_eq!(refused.code(), Code::OptionsMismatch);
    drop(map);
}
