//! Files that somebody has made with intent: what has a sum has the right one, and the numbers are such as no map writes. No
//! call may panic, run on for ever or ask for all memory; what the log holds whole is found. Offsets are those of
//! docs/format.md.

mod common;

use common::{copy, key, named, of_boot, scratch, stored};
use opendiskmap::{Code, Map, Options, StringStringMap};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const PAGE: usize = 4096;
const ENTRIES: usize = 500;

// Words of a shard's page of `HEAD`, and of the map's.
const SEGMENT_COUNTER: usize = PAGE + 16;
const SEGMENT_TABLES: usize = PAGE + 32;
const NEXT_DIRECTORY: usize = PAGE + 48;
const TAIL: usize = PAGE + 64;
const COUNT: usize = PAGE + 80;
const FIRST_INDEX: usize = PAGE + 192;
const NEXT_INDEX: usize = PAGE + 200;
const ALLOCATE: usize = PAGE + 208;
const INTENT: usize = PAGE + 256;
const MAP_INTENT: usize = 72;
const SUM_KEY: usize = 80;
// In the segment table: the first entry, and how long each is.
const TABLE_ENTRY: usize = 128;
const ENTRY: usize = 64;

/// A map of a process that died has no sums of what is derived: whoever changes its words need not mend any.
struct Killed {
    map: Map,
    directory: TempDir,
}

impl Killed {
    fn new(shards: u32, entries: usize) -> Killed {
        let directory = scratch();
        let map = Map::open(directory.path().join("map"), &options(shards)).unwrap();
        for number in 0..entries {
            map.put(&key(number), &stored(number)).unwrap();
        }
        Killed { map, directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("map")
    }

    /// What it left, with some words changed.
    fn left(&self, words: &[(&str, usize, u64)]) -> PathBuf {
        let to = self.directory.path().join("left");
        let _ = fs::remove_dir_all(&to);
        copy(&self.path(), &to);
        for &(name, at, word) in words {
            set(&named(&to, name), at, word);
        }
        to
    }
}

fn options(shards: u32) -> Options {
    of_boot(shards, [1; 16])
}

fn set(path: &Path, at: usize, word: u64) {
    common::write_at(&OpenOptions::new().write(true).open(path).unwrap(), &word.to_le_bytes(), at as u64);
}

fn word(path: &Path, at: usize) -> u64 {
    u64::from_le_bytes(fs::read(path).unwrap()[at..at + 8].try_into().unwrap())
}

/// A record's place as a slot and a tail name it.
fn place(segment: u64, offset: usize) -> u64 {
    segment << 40 | offset as u64 >> 3
}

/// All that the log holds is there, and every kind of call works on.
fn serves(path: &Path, shards: u32, entries: usize, what: &str) {
    let map = Map::open(path, &options(shards)).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(map.len(), entries as u64, "{what}");
    for number in 0..entries {
        assert_eq!(map.get(&key(number)).unwrap().as_deref(), Some(&stored(number)[..]), "{what}: key {number}");
    }
    assert!(map.verify().unwrap().is_ok(), "{what}");
    for number in 0..entries {
        map.put(&key(number), b"other").unwrap();
    }
    map.compact().unwrap();
    map.clear().unwrap();
    assert!(map.put(b"after", b"clear").is_ok_and(|_| map.stats().unwrap().entries == 1), "{what}");
    map.close().unwrap();
}

#[test]
fn an_intent_that_fits_nothing_costs_the_index_and_no_value() {
    let killed = Killed::new(1, ENTRIES);
    let (head, table) = (killed.path().join("HEAD"), named(&killed.path(), "tab-"));
    let tail = word(&head, TAIL);
    let tail_at = tail as usize * 8;
    let (id, end) = (word(&table, TABLE_ENTRY + 8), word(&table, TABLE_ENTRY + 16) as usize);
    let intent = |operation: u64, fields: &[u64]| {
        let words = std::iter::once(operation).chain(fields.iter().copied());
        words.enumerate().map(|(at, word)| ("HEAD", INTENT + at * 8, word)).collect::<Vec<_>>()
    };
    // By docs/format.md: a put's words are record, length, slot, … and the tenth is the tail; a clear's seventh is.
    let put = |offset: usize, length: usize| {
        intent(1, &[place(0, offset), length as u64, 0, 0, 0, 0, 0, 0, 0, place(0, offset + length)])
    };
    let clear = |offset: usize, length: usize, tail: u64| {
        let words = intent(7, &[place(0, offset), length as u64, 1, 1 << 32, 600, 24, tail, 1]);
        words.into_iter().chain([("HEAD", MAP_INTENT, 1)]).collect::<Vec<_>>()
    };
    let joins = |index: u64, tail_after: u64| intent(5, &[index, id, 65536, tail, 0, tail_after]);
    let cases = [
        ("a put at an earlier place", put(64, 48)),
        ("a put of no length", put(tail_at, 0)),
        ("a clear beyond its segment", clear(end - 8, 24, place(0, end + 16))),
        ("a clear whose length overflows", clear(64, usize::MAX & !7, place(0, 56))),
        ("a clear whose tail is elsewhere", clear(tail_at, 24, place(0, 64))),
        ("a segment after itself", joins(0, place(0, 64))),
        ("a segment with a tail beyond it", joins(1, place(1, 1 << 30))),
        ("a segment of an entry far away", joins(1 << 20, place(1 << 20, 64))),
    ];
    for (what, words) in cases {
        serves(&killed.left(&words), 1, ENTRIES, what);
    }
}

#[test]
fn numbers_that_no_map_counts_cost_the_index_and_no_value() {
    let killed = Killed::new(1, ENTRIES);
    let table = named(&killed.path(), "tab-");
    let twin = (0..ENTRY).step_by(8).map(|at| ("tab-", TABLE_ENTRY + ENTRY + at, word(&table, TABLE_ENTRY + at)));
    let cases = [
        ("a segment counter below its segments", vec![("HEAD", SEGMENT_COUNTER, 0)]),
        ("a segment that is listed twice", twin.collect()),
        ("a segment of no generation", vec![("tab-", TABLE_ENTRY + 8, u64::MAX)]),
        ("more files of the segment table than there can be", vec![("HEAD", SEGMENT_TABLES, 20)]),
        ("a segment longer than any", vec![("tab-", TABLE_ENTRY + 16, 1 << 40)]),
        ("a directory number of seven digits", vec![("HEAD", NEXT_DIRECTORY, 1 << 24)]),
        (
            "index numbers of seven digits, and a split under way",
            vec![
                ("HEAD", FIRST_INDEX, 1 << 26),
                ("HEAD", NEXT_INDEX, u64::MAX),
                ("HEAD", ALLOCATE, (1 << 27 | 1) << 16 | 1),
                ("HEAD", INTENT, 6),
                ("HEAD", INTENT + 8, (1 << 27 | 1) << 16 | 1),
                ("HEAD", INTENT + 16, (1 << 27 | 1) << 16 | 1),
            ],
        ),
    ];
    for (what, words) in cases {
        serves(&killed.left(&words), 1, ENTRIES, what);
    }
}

#[test]
fn the_count_of_a_shard_that_was_never_written_is_not_believed() {
    // Of two shards one key is in one.
    let killed = Killed::new(2, 1);
    let written = word(&killed.path().join("HEAD"), PAGE + 8);
    let other = COUNT + if written == 1 { PAGE } else { 0 };
    serves(&killed.left(&[("HEAD", other, u64::MAX)]), 2, 1, "a count of nothing");
}

#[test]
fn a_long_value_whose_file_is_cut_off_is_an_error_however_little_is_left() {
    let directory = scratch();
    let path = directory.path().join("map");
    let long = "long ".repeat(100_000);
    {
        let mut map = StringStringMap::new_in(&path).unwrap();
        map.insert("long", &long).unwrap();
        map.insert("short", "value").unwrap();
    }
    let extent = named(&path, "ext-");
    for length in [PAGE as u64 + 100, PAGE as u64, 65, 64, 63, 1, 0] {
        OpenOptions::new().write(true).open(&extent).unwrap().set_len(length).unwrap();
        let map = StringStringMap::load_from(&path).unwrap();
        assert_eq!(map.get("long").unwrap_err().code(), Code::Corrupt, "{length} bytes");
        assert_eq!(map.get("short").unwrap(), Some("value"));
    }
}

/// A map's own sums, by the key that stands in its files.
struct Sums(u64);

impl Sums {
    fn of(path: &Path) -> Sums {
        Sums(word(&path.join("HEAD"), SUM_KEY))
    }

    fn sum(&self, bytes: &[u8]) -> u64 {
        xxh3_64_with_seed(bytes, self.0).max(1)
    }

    /// A record's header as it would stand at this place.
    fn record(&self, header: &mut [u8; 24], id: u64, offset: usize) {
        let mut bytes = [0; 40];
        bytes[..20].copy_from_slice(&header[4..]);
        bytes[24..32].copy_from_slice(&id.to_le_bytes());
        bytes[32..].copy_from_slice(&offset.to_le_bytes());
        header[..4].copy_from_slice(&(self.sum(&bytes) as u32).to_le_bytes());
    }

    /// A mapped file's header.
    fn file(&self, header: &mut [u8; 64]) {
        for (summed, at) in [(48, 56), (56, 60)] {
            let sum = self.sum(&header[..summed]) as u32;
            header[at..at + 4].copy_from_slice(&sum.to_le_bytes());
        }
    }
}

#[test]
fn a_pad_with_a_key_is_damage_for_whoever_reads_the_log() {
    let killed = Killed::new(1, 1);
    let path = killed.left(&[]);
    let (segment, tail) = (named(&path, "seg-"), word(&path.join("HEAD"), TAIL) as usize * 8);
    let id = word(&named(&path, "tab-"), TABLE_ENTRY + 8);
    // 8 bytes of cover and a key of 60,000, of the type that covers.
    let mut pad = [0; 24];
    pad[4..8].copy_from_slice(&8_u32.to_le_bytes());
    pad[8..10].copy_from_slice(&60_000_u16.to_le_bytes());
    pad[23] = 5;
    Sums::of(&path).record(&mut pad, id, tail);
    let file = OpenOptions::new().write(true).open(&segment).unwrap();
    common::write_at(&file, &pad, tail as u64);
    set(&path.join("HEAD"), TAIL, place(0, tail + 32));
    let map = Map::open(&path, &options(1)).unwrap();
    assert!(!map.verify().unwrap().is_ok());
    assert_eq!(map.get(&key(0)).unwrap(), Some(stored(0)));
    assert!(map.put(&key(1), &stored(1)).is_ok());
    let _ = (map.compact(), map.clear(), map.close());
}

/// Holes cost whoever made the file nothing.
#[test]
#[cfg(unix)]
fn a_segment_longer_than_any_is_damage_and_takes_no_memory() {
    let killed = Killed::new(1, 1);
    // A checkpoint names it now.
    killed.map.flush().unwrap();
    let path = killed.left(&[]);
    let segment = named(&path, "seg-");
    let mut header: [u8; 64] = fs::read(&segment).unwrap()[..64].try_into().unwrap();
    let length = 4_u64 << 40;
    header[24..32].copy_from_slice(&length.to_le_bytes());
    Sums::of(&path).file(&mut header);
    let file = OpenOptions::new().write(true).open(&segment).unwrap();
    if let Err(error) = file.set_len(length) {
        println!("no file of 4 TiB can be made here ({error}), so nothing was tried");
        return;
    }
    common::write_at(&file, &header, 0);
    set(&named(&path, "tab-"), TABLE_ENTRY + 16, length);
    let Err(error) = Map::open(&path, &options(1)) else { panic!("the map opens") };
    assert_eq!(error.code(), Code::Corrupt);
    assert!(error.message().contains("which no such file has"), "{error}");
}
