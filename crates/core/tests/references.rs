//! What `get` gives stays what it was: while the map is changed, compacted and cleared under it, and until it is dropped.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use common::{Ends, key, quiet, scratch, served, together, until, value};
use opendiskmap::{
    Arch, Bytes, Code, Codec, ConcurrentDiskMap, DiskHashMap, Map, Native, Options, Reason, Recovery, Ref, Schema,
    SchemaText, Str,
};
use proptest::prelude::*;

type Map2 = ConcurrentDiskMap<Bytes, Bytes>;

/// Above this a value has a file of its own.
const INLINE: usize = 256 << 10;

fn files(path: &Path, prefix: &str) -> BTreeSet<String> {
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(prefix)).collect()
}

fn segments(path: &Path) -> BTreeSet<String> {
    files(path, "seg")
}

/// Overwrites some keys again and again, until every segment that was there has been emptied several times over.
fn churn(map: &Map2, rounds: usize) {
    for round in 0..rounds {
        let key = key(round % 100);
        map.insert(&key, &value(&key, round, 60 + round % 500)).unwrap();
    }
}

fn settle(map: &Map2) {
    map.compact().unwrap();
}

#[test]
fn a_ref_keeps_its_bytes_through_overwrites_compaction_and_clear() {
    let lengths = [0, 1, 100, 5000, INLINE, INLINE + 1, 1 << 20];
    for options in [quiet(1), quiet(4), served(4)] {
        let directory = scratch();
        let path = directory.path().join("map");
        let map = Map2::open(&path, &options).unwrap();
        let mut held = Vec::new();
        for (number, &length) in lengths.iter().enumerate() {
            let key = key(number);
            map.insert(&key, &value(&key, number, length)).unwrap();
            held.push((map.get(&key).unwrap().unwrap(), value(&key, number, length)));
        }
        let same =
            |held: &[(Ref<'_, Bytes>, Vec<u8>)]| held.iter().for_each(|(held, value)| assert!(**held == **value));
        churn(&map, 30_000);
        same(&held);
        settle(&map);
        same(&held);
        map.clear().unwrap();
        same(&held);
        map.insert(b"after", b"clear").unwrap();
        settle(&map);
        same(&held);
        let stats = map.stats().unwrap();
        assert!(stats.pins > 0 && stats.pinned_bytes > 0, "the first segments are held by references alone: {stats:?}");
        let linked = segments(&path).len();
        drop(held);
        settle(&map);
        assert_eq!((map.stats().unwrap().pins, map.stats().unwrap().pinned_bytes), (0, 0));
        assert!(segments(&path).len() < linked, "what references held is deleted after the last of them");
        assert_eq!(files(&path, "ext").len(), 0);
        assert_eq!(map.get(b"after").unwrap().as_deref(), Some(&b"clear"[..]));
    }
}

#[test]
fn pinned_segments_do_not_count_into_the_bound_and_keep_no_call_waiting() {
    let directory = scratch();
    let map = Map2::open(directory.path().join("map"), &quiet(1)).unwrap();
    let mut held = Vec::new();
    for round in 0..20_000 {
        let key = key(round % 20);
        map.insert(&key, &value(&key, round, 200)).unwrap();
        if round % 100 == 0 {
            held.push((map.get(&key).unwrap().unwrap(), value(&key, round, 200)));
        }
        if round % 1000 == 0 {
            settle(&map);
        }
    }
    settle(&map);
    let stats = map.stats().unwrap();
    assert!(stats.log_bytes <= stats.log_bound, "{stats:?}");
    assert!(stats.pins > 10, "{stats:?}");
    held.iter().for_each(|(held, value)| assert!(**held == **value));
    drop(held);
    map.close().unwrap();
}

#[test]
fn a_map_closes_under_pins_and_their_files_go_with_the_next_open() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map2::open(&path, &quiet(1)).unwrap();
    map.insert(b"key", b"held").unwrap();
    let pinned = segments(&path);
    // As a reference that is never dropped would.
    std::mem::forget(map.get(b"key").unwrap());
    churn(&map, 10_000);
    settle(&map);
    assert!(map.stats().unwrap().pins > 0);
    map.close().unwrap();
    assert!(segments(&path).is_superset(&pinned));
    let map = Map2::open(&path, &quiet(1)).unwrap();
    assert_eq!(map.stats().unwrap().recovery.reason, Reason::Clean);
    settle(&map);
    // Windows keeps the file for as long as this process has it mapped, which is for good.
    assert_eq!(segments(&path).is_disjoint(&pinned), cfg!(unix));
    assert_eq!(map.len(), 100 + 1);
}

#[test]
fn any_call_may_be_made_while_refs_live() {
    let directory = scratch();
    let map = Map2::open(directory.path().join("map"), &served(1)).unwrap();
    map.insert(b"key", b"value").unwrap();
    let held = map.get(b"key").unwrap().unwrap();
    let replaced = map.insert(b"key", b"second").unwrap().unwrap();
    let entry = map.entry(b"key").unwrap();
    let removed = map.remove(b"key").unwrap().unwrap();
    let first = map.entry(b"key").unwrap().or_insert(b"third").unwrap();
    for item in map.iter() {
        let (key, value) = item.unwrap();
        map.insert(&key, &[&*value, b" more"].concat()).unwrap();
    }
    map.update(b"key", |value| value.map(|value| [value, b" still"].concat())).unwrap();
    map.flush().unwrap();
    map.compact().unwrap();
    let last = map.get(b"key").unwrap().unwrap();
    map.clear().unwrap();
    assert_eq!(*held, *b"value");
    assert_eq!(*replaced, *b"value");
    assert_eq!(entry.value(), Some(&b"second"[..]));
    assert_eq!(*removed, *b"second");
    assert_eq!(*first, *b"third");
    assert_eq!(*last, *b"third more still");
}

#[test]
fn refs_of_many_threads_hold_while_others_write() {
    let directory = scratch();
    let map = Map2::open(directory.path().join("map"), &served(2)).unwrap();
    for number in 0..50 {
        map.insert(&key(number), &value(&key(number), 1, 300)).unwrap();
    }
    let done = AtomicBool::new(false);
    together(|scope| {
        for seed in 1..=2 {
            let (map, done) = (&map, &done);
            scope.spawn(move || {
                let mut held = std::collections::VecDeque::new();
                for round in until(done) {
                    let key = key((round * 7 + seed) % 50);
                    let got = map.get(&key).unwrap().expect("no key is ever removed");
                    let seen = common::version(&key, &got);
                    held.push_back((key, seen, got));
                    if held.len() > 200 {
                        let (key, seen, got) = held.pop_front().unwrap();
                        assert_eq!(common::version(&key, &got), seen, "a reference shows another version than it did");
                    }
                }
            });
        }
        let _ends = Ends(&done);
        for round in 2..40_000 {
            let key = key(round % 50);
            map.insert(&key, &value(&key, round, 100 + round % 700)).unwrap();
            if round % 4000 == 0 {
                map.compact().unwrap();
            }
        }
    });
}

#[test]
fn references_of_a_disk_hash_map_lie_in_the_mapping_and_live_until_it_changes() {
    let directory = scratch();
    let mut map = DiskHashMap::<Native<u64>, Str>::new_in(directory.path()).unwrap();
    let text = |number: u64| format!("value of {number}").repeat(number as usize % 40);
    for number in 0..5000 {
        map.insert(&number, &text(number)).unwrap();
    }
    let held: Vec<&str> = (0..5000).map(|number| map.get(&number).unwrap().unwrap()).collect();
    let again: Vec<&str> = (0..5000).map(|number| map.get(&number).unwrap().unwrap()).collect();
    for (number, (held, again)) in held.into_iter().zip(again).enumerate() {
        assert_eq!(held, text(number as u64));
        assert!(std::ptr::eq(held, again), "nothing is copied");
    }
    let mut iterated: Vec<(u64, &str)> = map.iter().map(Result::unwrap).collect();
    iterated.sort_unstable();
    assert!(iterated.iter().enumerate().all(|(at, &(key, value))| key == at as u64 && value == text(key)));
    let old = map.insert(&7, "new").unwrap();
    assert_eq!(old, Some(&*text(7)));
    assert_eq!(map.remove(&7).unwrap(), Some("new"));
    assert_eq!(map.get(&7).unwrap(), None);
}

#[test]
fn a_long_value_of_a_disk_hash_map_is_mapped_once_and_let_go_by_the_next_change() {
    let directory = scratch();
    let path = directory.path().join("map");
    let mut map = DiskHashMap::<Native<u64>, Bytes>::new_in(&path).unwrap();
    let long = |fill: u8| vec![fill; INLINE + 1];
    let mapped = || {
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        maps.lines().filter(|line| line.contains(&*path.to_string_lossy()) && line.contains("/ext-")).count()
    };
    map.insert(&1, &long(1)).unwrap();
    let (first, second) = (map.get(&1).unwrap().unwrap(), map.get(&1).unwrap().unwrap());
    assert!(std::ptr::eq(first, second) && first == long(1));
    if cfg!(target_os = "linux") {
        assert_eq!(mapped(), 1);
    }
    assert_eq!(map.insert(&1, &long(2)).unwrap(), Some(&*long(1)));
    map.insert(&2, b"short").unwrap();
    assert_eq!(mapped(), 0);
    assert_eq!(map.get(&1).unwrap(), Some(&*long(2)));
    map.compact().unwrap();
    assert_eq!(files(&path, "ext").len(), 1);
}

#[test]
fn a_disk_hash_map_keeps_within_its_bound_and_syncs_only_when_dead_space_exceeds_it() {
    let directory = scratch();
    let mut map = DiskHashMap::<Native<u64>, Bytes>::new_in(directory.path()).unwrap();
    for number in 0..20_000 {
        map.insert(&number, &value(&[], 1, 100)).unwrap();
    }
    assert_eq!(map.stats().unwrap().checkpoints, 0, "nothing is dead, so nothing is synced");
    for round in 0..200_000u64 {
        // References that are taken all the time, and let go.
        assert!(map.get(&(round % 100)).unwrap().is_some());
        map.insert(&(round % 20_000), &value(&[], round as usize, 100)).unwrap();
        if round % 10_000 == 9_999 {
            let stats = map.stats().unwrap();
            // Compaction runs between the calls, so it may be some segments behind.
            let most = stats.log_bound + stats.live_bytes;
            assert!(stats.log_bytes <= most, "{stats:?}");
        }
    }
    assert!(map.stats().unwrap().checkpoints > 0);
    map.compact().unwrap();
    let stats = map.stats().unwrap();
    assert!(stats.log_bytes <= stats.log_bound, "{stats:?}");
    assert_eq!(map.len(), 20_000);
}

#[derive(rkyv::Archive, rkyv::Serialize)]
#[allow(dead_code, reason = "the fields are read in their archived form")]
struct Deep {
    number: u32,
    name: String,
    scores: Vec<f64>,
    wide: u128,
    next: Option<Box<Shallow>>,
}

#[derive(rkyv::Archive, rkyv::Serialize)]
#[allow(dead_code, reason = "as above")]
struct Shallow {
    tags: Vec<String>,
    flag: bool,
    text: Option<String>,
}

impl Schema for Deep {
    fn describe(text: &mut SchemaText) {
        text.word("deep");
    }
}

fn deep(number: u32) -> Deep {
    let texts = (0..number % 5).map(|tag| format!("tag {tag}")).collect();
    let next = Shallow { tags: texts, flag: number.is_multiple_of(2), text: Some("text".repeat(number as usize % 9)) };
    let name = format!("name {number}");
    Deep { number, name, scores: vec![f64::from(number); number as usize % 7], wide: 1, next: Some(Box::new(next)) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20 * common::cases()) })]

    /// Bytes that rkyv wrote and somebody changed, or that nobody wrote, are an error or a value, and nothing worse: all of
    /// the value is walked.
    #[test]
    fn hostile_bytes_under_arch_are_an_error_or_a_value(
        number in 0u32..50,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in 0usize..9,
        raw in prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
    ) {
        let mut bytes = raw.unwrap_or_else(|| rkyv::to_bytes::<rkyv::rancor::Error>(&deep(number)).unwrap().to_vec());
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let directory = scratch();
        let path = directory.path().join("map");
        let codec = |name: &str, param: &str| Some(Codec { name: name.into(), param: param.into() });
        let (key_codec, value_codec) = (codec("native.u64", ""), codec("arch", "deep"));
        let options = Options { key_codec, value_codec, value_align: 16, ..quiet(1) };
        let map = Map::open(&path, &options).unwrap();
        map.put(&1u64.to_le_bytes(), &bytes).unwrap();
        map.close().unwrap();
        let map = DiskHashMap::<Native<u64>, Arch<Deep>>::load_from(&path).unwrap();
        match map.get(&1) {
            Ok(value) => walk(value.unwrap()),
            Err(error) => prop_assert_eq!(error.code(), opendiskmap::Code::Corrupt),
        }
    }
}

fn walk(deep: &ArchivedDeep) {
    let next = deep.next.as_ref();
    let tags = next.map_or(0, |next| next.tags.iter().map(|tag| tag.chars().count()).sum());
    let text = next.and_then(|next| next.text.as_ref()).map_or(0, |text| text.chars().count());
    let flag = next.is_some_and(|next| next.flag);
    let scores: f64 = deep.scores.iter().map(|score| score.to_native()).sum();
    std::hint::black_box((deep.number, deep.name.chars().count(), scores, deep.wide, tags, text, flag));
}

/// A long value whose file is gone can be neither read nor handed out, but it must not be in the way of another.
#[test]
fn a_value_that_is_lost_can_be_replaced_and_removed() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map2::open(&path, &quiet(1)).unwrap();
    for number in 0..3 {
        map.insert(&key(number), &vec![7; INLINE + 1]).unwrap();
    }
    for name in files(&path, "ext") {
        fs::remove_file(path.join(name)).unwrap();
    }
    assert_eq!(map.get(&key(0)).unwrap_err().code(), Code::FileGone);
    assert_eq!(map.insert(&key(0), b"short").unwrap_err().code(), Code::FileGone);
    assert_eq!(map.get(&key(0)).unwrap().as_deref(), Some(&b"short"[..]));
    let long = vec![8; INLINE + 1];
    assert_eq!(map.insert(&key(1), &long).unwrap_err().code(), Code::FileGone);
    assert_eq!(map.get(&key(1)).unwrap().as_deref(), Some(&long[..]));
    assert_eq!(map.remove(&key(2)).unwrap_err().code(), Code::FileGone);
    assert!(map.get(&key(2)).unwrap().is_none());
    assert_eq!(map.len(), 2);
    map.close().unwrap();
    let map = Map2::open(&path, &Options { recovery: Some(Recovery::Full), ..quiet(1) }).unwrap();
    assert_eq!(map.get(&key(1)).unwrap().as_deref(), Some(&long[..]));
}
