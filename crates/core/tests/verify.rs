//! A verification says that a whole map is whole, whatever was done to it and whoever writes meanwhile, and it finds every
//! kind of damage. Damage is done to the files of the open map: its mappings show it at once.

mod common;

use common::{Ends, cases, key, quiet, scratch, served, settle, until, value};
use opendiskmap::{Code, Control, Map, Options, Recovery, Verification};
use proptest::prelude::*;
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const LONG: usize = 300_000;
/// Of four writers together, for one verification beside them.
const CHANGES: usize = 5000;

fn assert_whole(map: &Map, when: &str) -> Verification {
    let report = map.verify().unwrap();
    assert!(report.is_ok(), "{when}: {:?} of {}", report.errors(), report.error_count());
    report
}

/// Replaced, removed, long and cleared: whatever leaves something behind.
fn fill(map: &Map, entries: usize) {
    for number in 0..entries {
        map.put(&key(number), &value(&key(number), 0, 40)).unwrap();
    }
    for number in (0..entries).step_by(3) {
        map.put(&key(number), &value(&key(number), 1, if number % 300 == 0 { LONG } else { 90 })).unwrap();
    }
    for number in (0..entries).step_by(7) {
        map.remove(&key(number)).unwrap();
    }
}

#[test]
fn a_whole_map_verifies_after_everything_that_can_be_done_to_it() {
    let temp = scratch();
    let path = temp.path().join("map");
    let options = quiet(2);
    let map = Map::open(&path, &options).unwrap();
    let empty = assert_whole(&map, "empty");
    assert_eq!((empty.records, empty.bytes), (0, 0));
    fill(&map, 6000);
    let report = assert_whole(&map, "filled");
    assert!(report.records > 6000 && report.bytes > LONG as u64);
    settle(&map);
    map.compact().unwrap();
    assert_whole(&map, "compacted");
    map.flush().unwrap();
    for number in (0..6000).step_by(2) {
        map.remove(&key(number)).unwrap();
    }
    settle(&map);
    assert_whole(&map, "emptied");
    map.clear().unwrap();
    assert_whole(&map, "cleared");
    fill(&map, 3000);
    assert_whole(&map, "filled again");
    map.close().unwrap();
    let map = Map::open(&path, &options).unwrap();
    assert_whole(&map, "opened");
    map.close().unwrap();
    for options in [
        Options { recovery: Some(Recovery::Full), ..options.clone() },
        Options { read_only: true, ..options.clone() },
        Options { read_only: true, recovery: Some(Recovery::Full), ..options.clone() },
    ] {
        let map = Map::open(&path, &options).unwrap();
        assert_whole(&map, "made from the log, or read-only");
        map.close().unwrap();
    }
}

#[test]
fn a_verification_ends_when_it_is_called_off_or_its_handle_closed() {
    let temp = scratch();
    let map = Map::open(temp.path().join("map"), &quiet(1)).unwrap();
    fill(&map, 500);
    let control = Control::default();
    let report = map.verify_with(&control).unwrap();
    assert!(report.is_ok() && control.total() > 0 && control.done() == report.bytes);
    control.cancel();
    assert_eq!(map.verify_with(&control).unwrap_err().code(), Code::Closed);
    let other = map.clone();
    other.end().unwrap();
    assert_eq!(other.verify().unwrap_err().code(), Code::Closed);
    assert_whole(&map, "after that");
}

#[test]
fn under_four_writers_who_compact_and_flush_every_verification_reports_ok() {
    let temp = scratch();
    let map = Map::open(temp.path().join("map"), &served(2)).unwrap();
    fill(&map, 2000);
    let rounds: usize = std::env::var("VERIFY_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let (done, changes, checked) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for writer in 0..4usize {
            let (map, done, changes, checked) = (&map, &done, &changes, &checked);
            scope.spawn(move || {
                for round in until(done) {
                    // So many changes for each verification, on a slow machine too.
                    while changes.load(Ordering::Relaxed) > (checked.load(Ordering::Relaxed) + 1) * CHANGES
                        && !done.load(Ordering::Relaxed)
                    {
                        std::thread::sleep(Duration::from_micros(100));
                    }
                    let number = round.wrapping_mul(0x9E37_79B9) % 4000;
                    let length = if round % 1500 == 0 { LONG } else { 20 + round % 200 };
                    match round % 5 {
                        0 => drop(map.remove(&key(number)).unwrap()),
                        _ => drop(map.put(&key(number), &value(&key(number), round, length)).unwrap()),
                    }
                    if writer == 0 && round % 20_000 == 19_999 {
                        map.clear().unwrap();
                    }
                    if writer == 1 && round % 5000 == 0 {
                        map.flush().unwrap();
                    }
                    if writer == 2 && round % 10_000 == 5000 {
                        map.compact().unwrap();
                    }
                    changes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _ends = Ends(&done);
        for round in 0..rounds {
            assert_whole(&map, &format!("round {round}"));
            checked.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert!(changes.load(Ordering::Relaxed) > rounds, "nobody wrote");
    assert_whole(&map, "at rest");
}

/// A byte of a file of the map, changed while the map is open and put back afterwards.
struct Wound {
    file: File,
    at: u64,
    byte: u8,
}

impl Wound {
    fn new(path: &Path, at: u64, bit: u8) -> Wound {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        common::read_at(&file, &mut byte, at);
        common::write_at(&file, &[byte[0] ^ 1 << bit], at);
        Wound { file, at, byte: byte[0] }
    }
}

impl Drop for Wound {
    fn drop(&mut self) {
        common::write_at(&self.file, &[self.byte], self.at);
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// The entries of the directory in force: their place and the table that they lead to, as its file's name and its offset.
fn directory(path: &Path) -> (String, Vec<(u64, String, usize)>) {
    let head = fs::read(path.join("HEAD")).unwrap();
    let root = word(&head, 4096 + 128);
    let (depth, name) = (root & 0xff, format!("dir-00-{:06x}", root >> 8 & 0xff_ffff));
    let bytes = fs::read(path.join(&name)).unwrap();
    let entries = (0..1u64 << depth).map(|entry| {
        let at = 4096 + 8 * ((1 << depth) - 1 + entry);
        let table = word(&bytes, at as usize) - 1;
        (at, format!("idx-00-{:06x}", table >> 16), 4096 + (table & 0xffff) as usize * 16384)
    });
    (name, entries.collect())
}

fn find(path: &Path, start: &str, text: &[u8]) -> Option<(String, usize)> {
    let mut names: Vec<String> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let last = |name: &String| {
        let bytes = fs::read(path.join(name)).unwrap();
        bytes.windows(text.len()).rposition(|window| window == text)
    };
    names.iter().rev().filter(|name| name.starts_with(start)).find_map(|name| Some((name.clone(), last(name)?)))
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    RecordHeader,
    RecordBody,
    Slot,
    TableHeader,
    DirectoryEntry,
    Counter,
    SegmentCounter,
    Extent,
    ExtentHeader,
    FileHeader,
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::RecordHeader),
        Just(Kind::RecordBody),
        Just(Kind::Slot),
        Just(Kind::TableHeader),
        Just(Kind::DirectoryEntry),
        Just(Kind::Counter),
        Just(Kind::SegmentCounter),
        Just(Kind::Extent),
        Just(Kind::ExtentHeader),
        Just(Kind::FileHeader),
    ]
}

/// Where damage of a kind is to be done: the file, the byte, and for a record where it begins.
fn place(path: &Path, kind: Kind, number: usize, at: usize) -> (String, u64, Option<u64>) {
    // An entry whose value is in the log.
    let live = (number % 1990..).find(|number| number % 7 != 0 && number % 300 != 0).unwrap();
    let (dir, entries) = directory(path);
    let (entry, index, table) = &entries[number % entries.len()];
    match kind {
        Kind::RecordHeader | Kind::RecordBody => {
            let key = key(live);
            let record = value(&key, usize::from(live % 3 == 0), 24 + key.len());
            let (segment, value_at) = find(path, "seg-", &record[..8 + key.len()]).unwrap();
            let start = value_at - (24 + key.len()).next_multiple_of(8);
            let offset = match kind {
                Kind::RecordHeader => start + at % 24,
                _ => start + 24 + at % key.len(),
            };
            (segment, offset as u64, Some(start as u64))
        }
        Kind::Slot => {
            let bytes = fs::read(path.join(index)).unwrap();
            // Five records of 8 bytes and five tags of 4 in each bucket.
            let slot = |slot: usize| {
                (table + 64 + slot / 5 * 64 + 40 + slot % 5 * 4, table + 64 + slot / 5 * 64 + slot % 5 * 8)
            };
            let tag = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            let slots: Vec<_> = (0..1275).map(slot).filter(|&(at, _)| tag(at) > 1).collect();
            let (tag, record) = slots[number % slots.len()];
            (index.clone(), if at % 12 < 8 { record + at % 12 } else { tag + at % 12 - 8 } as u64, None)
        }
        // Prefix, depth, used and live.
        Kind::TableHeader => (index.clone(), (table + 8 + at % 24) as u64, None),
        Kind::DirectoryEntry => (dir, entry + at as u64 % 8, None),
        // Entries, live bytes, extents; tables; the free queue's count.
        Kind::Counter => ("HEAD".into(), 4096 + [80, 88, 96, 232, 240][number % 5] + at as u64 % 8, None),
        Kind::SegmentCounter => {
            let table = fs::read(path.join("tab-00-000000")).unwrap();
            let linked: Vec<usize> =
                (128..128 + 64 * 64).step_by(64).filter(|&entry| word(&table, entry) == 1).collect();
            let entry = linked[number % linked.len()];
            // Live bytes, and those of tombstones.
            ("tab-00-000000".into(), (entry + [32, 40][number % 2] + at % 8) as u64, None)
        }
        Kind::Extent | Kind::ExtentHeader => {
            let (extent, value_at) = find(path, "ext-", &value(&key(300), 1, 24)[..15]).unwrap();
            let offset = if matches!(kind, Kind::Extent) { value_at + number * 100 } else { at % 72 };
            (extent, offset as u64, None)
        }
        Kind::FileHeader => {
            let segment = find(path, "seg-", &value(&key(live), usize::from(live % 3 == 0), 24)[..8 + key(live).len()]);
            let files = ["HEAD".into(), dir, index.clone(), segment.unwrap().0];
            (files[number % 4].clone(), at as u64 % 56, None)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases() * 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_of_every_kind_is_found_where_it_is(
        kind in kinds(), number in 0usize..2000, at in 0usize..4096, bit in 0u8..8, compacted in any::<bool>()
    ) {
        let temp = scratch();
        let path = temp.path().join("map");
        let map = Map::open(&path, &quiet(1)).unwrap();
        fill(&map, 2000);
        if compacted {
            map.compact().unwrap();
        }
        assert_whole(&map, "before");
        let (file, at, record) = place(&path, kind, number, at);
        let wound = Wound::new(&path.join(&file), at, bit);
        let report = map.verify().unwrap();
        prop_assert!(!report.is_ok(), "{kind:?} in {file} at {at} was not found");
        let here = report.errors().iter().filter(|error| error.file == file && error.code == Code::Corrupt);
        let nearest = here.clone().map(|error| error.offset).filter(|&offset| offset <= at).max();
        match record {
            Some(record) => prop_assert_eq!(nearest, Some(record)),
            // Which of the two is wrong, the entry or the table, may be open.
            None => prop_assert!(
                here.count() > 0 || matches!(kind, Kind::DirectoryEntry | Kind::TableHeader),
                "{:?}",
                report.errors()
            ),
        }
        drop(wound);
        assert_whole(&map, "put back");
    }
}
