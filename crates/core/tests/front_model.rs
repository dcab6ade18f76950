//! Whatever is done to a typed map, it answers as a `HashMap` does; and a map is the same whichever type opens it.

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use common::{scratch, served};
use opendiskmap::{Bytes, ConcurrentDiskMap, DiskHashMap, MapEntry, Native, Options, Recovery, Result};
use proptest::prelude::*;

type Alone = DiskHashMap<Native<i32>, Bytes>;
type Shared = ConcurrentDiskMap<Native<i32>, Bytes>;
type Model = HashMap<i32, Vec<u8>>;

#[derive(Clone, Debug)]
enum Call {
    Insert(i32, Vec<u8>),
    Remove(i32),
    Get(i32),
    /// Enough at once for tables to split and segments to change.
    Fill(i32, u16, u8),
    Drain(i32, u16),
    EntryInsert(i32, Vec<u8>),
    OrInsert(i32, Vec<u8>),
    OrInsertWith(i32, Vec<u8>),
    AndModify(i32, u8),
    EntryRemove(i32),
    Clear,
    Iterate,
    Flush,
    Compact,
    /// Closed and opened again, as the other type or the same.
    Reopen(bool, bool),
}

fn keys() -> impl Strategy<Value = i32> {
    prop_oneof![6 => -12..12, 1 => any::<i32>()]
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![40 => 0usize..400, 4 => 400usize..9000, 1 => 262_140usize..300_000];
    (length, any::<u8>()).prop_map(|(length, fill)| value(length, fill))
}

fn value(length: usize, fill: u8) -> Vec<u8> {
    (0..length).map(|index| fill.wrapping_add((index % 251) as u8)).collect()
}

fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![
        20 => (keys(), values()).prop_map(|(key, value)| Call::Insert(key, value)),
        10 => keys().prop_map(Call::Remove),
        10 => keys().prop_map(Call::Get),
        4 => (0..2000, 0u16..900, any::<u8>()).prop_map(|(from, count, fill)| Call::Fill(from, count, fill)),
        3 => (0..2000, 0u16..900).prop_map(|(from, count)| Call::Drain(from, count)),
        6 => (keys(), values()).prop_map(|(key, value)| Call::EntryInsert(key, value)),
        6 => (keys(), values()).prop_map(|(key, value)| Call::OrInsert(key, value)),
        4 => (keys(), values()).prop_map(|(key, value)| Call::OrInsertWith(key, value)),
        6 => (keys(), any::<u8>()).prop_map(|(key, more)| Call::AndModify(key, more)),
        4 => keys().prop_map(Call::EntryRemove),
        1 => Just(Call::Clear),
        3 => Just(Call::Iterate),
        3 => Just(Call::Flush),
        2 => Just(Call::Compact),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(other, full)| Call::Reopen(other, full)),
    ]
}

fn longer(value: &[u8], more: u8) -> Vec<u8> {
    [value, &[more]].concat()
}

/// What both types answer to, with values copied so that they can be compared.
trait Typed: Sized {
    fn open(path: &Path, options: &Options) -> Result<Self>;
    fn len(&self) -> u64;
    fn get(&self, key: i32) -> Option<Vec<u8>>;
    fn contains(&self, key: i32) -> bool;
    fn insert(&mut self, key: i32, value: &[u8]) -> Option<Vec<u8>>;
    fn remove(&mut self, key: i32) -> Option<Vec<u8>>;
    fn entry_insert(&mut self, key: i32, value: &[u8]) -> Option<Vec<u8>>;
    fn entry_remove(&mut self, key: i32) -> Option<Vec<u8>>;
    fn or_insert(&mut self, key: i32, value: &[u8]) -> Vec<u8>;
    fn or_insert_with(&mut self, key: i32, value: Vec<u8>) -> (Vec<u8>, bool);
    fn and_modify(&mut self, key: i32, more: u8) -> Option<Vec<u8>>;
    fn entries(&self) -> Vec<(i32, Vec<u8>)>;
    fn keys(&self) -> Vec<i32>;
    fn values(&self) -> Vec<Vec<u8>>;
    fn clear(&mut self);
    fn flush(&mut self);
    fn compact(&mut self);
}

impl Typed for Alone {
    fn open(path: &Path, options: &Options) -> Result<Self> {
        DiskHashMap::open(path, options)
    }
    fn len(&self) -> u64 {
        self.len()
    }
    fn get(&self, key: i32) -> Option<Vec<u8>> {
        self.get(&key).unwrap().map(<[u8]>::to_vec)
    }
    fn contains(&self, key: i32) -> bool {
        self.contains_key(&key).unwrap()
    }
    fn insert(&mut self, key: i32, value: &[u8]) -> Option<Vec<u8>> {
        self.insert(&key, value).unwrap().map(<[u8]>::to_vec)
    }
    fn remove(&mut self, key: i32) -> Option<Vec<u8>> {
        self.remove(&key).unwrap().map(<[u8]>::to_vec)
    }
    fn entry_insert(&mut self, key: i32, value: &[u8]) -> Option<Vec<u8>> {
        match self.entry(&key).unwrap() {
            MapEntry::Vacant(entry) => {
                assert_eq!(*entry.key(), key);
                assert_eq!(entry.insert(value).unwrap(), value, "a vacant entry gives what it stored");
                None
            }
            MapEntry::Occupied(entry) => {
                assert_eq!(*entry.key(), key);
                Some(entry.insert(value).unwrap().to_vec())
            }
        }
    }
    fn entry_remove(&mut self, key: i32) -> Option<Vec<u8>> {
        let entry = self.entry(&key).unwrap();
        let shown = entry.value().unwrap().map(<[u8]>::to_vec);
        assert!(entry.remove().unwrap() == shown.as_deref(), "an entry shows what it removes");
        shown
    }
    fn or_insert(&mut self, key: i32, value: &[u8]) -> Vec<u8> {
        self.entry(&key).unwrap().or_insert(value).unwrap().to_vec()
    }
    fn or_insert_with(&mut self, key: i32, value: Vec<u8>) -> (Vec<u8>, bool) {
        let mut asked = false;
        let asks = || {
            asked = true;
            value
        };
        (self.entry(&key).unwrap().or_insert_with(asks).unwrap().to_vec(), asked)
    }
    fn and_modify(&mut self, key: i32, more: u8) -> Option<Vec<u8>> {
        let entry = self.entry(&key).unwrap().and_modify(|value| longer(value, more)).unwrap();
        entry.value().unwrap().map(<[u8]>::to_vec)
    }
    fn entries(&self) -> Vec<(i32, Vec<u8>)> {
        self.iter().map(|entry| entry.map(|(key, value)| (key, value.to_vec())).unwrap()).collect()
    }
    fn keys(&self) -> Vec<i32> {
        self.keys().map(Result::unwrap).collect()
    }
    fn values(&self) -> Vec<Vec<u8>> {
        self.values().map(|value| value.unwrap().to_vec()).collect()
    }
    fn clear(&mut self) {
        self.clear().unwrap();
    }
    fn flush(&mut self) {
        self.flush().unwrap();
    }
    fn compact(&mut self) {
        self.compact().unwrap();
    }
}

impl Typed for Shared {
    fn open(path: &Path, options: &Options) -> Result<Self> {
        ConcurrentDiskMap::open(path, options)
    }
    fn len(&self) -> u64 {
        self.len()
    }
    fn get(&self, key: i32) -> Option<Vec<u8>> {
        self.get(&key).unwrap().as_deref().map(<[u8]>::to_vec)
    }
    fn contains(&self, key: i32) -> bool {
        self.contains_key(&key).unwrap()
    }
    fn insert(&mut self, key: i32, value: &[u8]) -> Option<Vec<u8>> {
        (*self).insert(&key, value).unwrap().as_deref().map(<[u8]>::to_vec)
    }
    fn remove(&mut self, key: i32) -> Option<Vec<u8>> {
        (*self).remove(&key).unwrap().as_deref().map(<[u8]>::to_vec)
    }
    fn entry_insert(&mut self, key: i32, value: &[u8]) -> Option<Vec<u8>> {
        let entry = self.entry(&key).unwrap();
        assert_eq!(*entry.key(), key);
        let shown = entry.value().map(<[u8]>::to_vec);
        assert_eq!(entry.is_occupied(), shown.is_some());
        assert!(entry.insert(value).unwrap().as_deref() == shown.as_deref(), "an entry shows what it replaces");
        shown
    }
    fn entry_remove(&mut self, key: i32) -> Option<Vec<u8>> {
        self.entry(&key).unwrap().remove().unwrap().as_deref().map(<[u8]>::to_vec)
    }
    fn or_insert(&mut self, key: i32, value: &[u8]) -> Vec<u8> {
        self.entry(&key).unwrap().or_insert(value).unwrap().to_vec()
    }
    fn or_insert_with(&mut self, key: i32, value: Vec<u8>) -> (Vec<u8>, bool) {
        let mut asked = false;
        let asks = || {
            asked = true;
            value
        };
        (self.entry(&key).unwrap().or_insert_with(asks).unwrap().to_vec(), asked)
    }
    fn and_modify(&mut self, key: i32, more: u8) -> Option<Vec<u8>> {
        let entry = self.entry(&key).unwrap().and_modify(|value| longer(value, more)).unwrap();
        entry.value().map(<[u8]>::to_vec)
    }
    fn entries(&self) -> Vec<(i32, Vec<u8>)> {
        self.iter().map(|entry| entry.map(|(key, value)| (*key, value.to_vec())).unwrap()).collect()
    }
    fn keys(&self) -> Vec<i32> {
        self.keys().map(|key| *key.unwrap()).collect()
    }
    fn values(&self) -> Vec<Vec<u8>> {
        self.values().map(|value| value.unwrap().to_vec()).collect()
    }
    fn clear(&mut self) {
        (*self).clear().unwrap();
    }
    fn flush(&mut self) {
        (*self).flush().unwrap();
    }
    fn compact(&mut self) {
        (*self).compact().unwrap();
    }
}

fn check(map: &mut impl Typed, model: &mut Model, call: Call) {
    match call {
        Call::Insert(key, value) => assert!(map.insert(key, &value) == model.insert(key, value), "insert of {key}"),
        Call::Remove(key) => assert!(map.remove(key) == model.remove(&key), "remove of {key}"),
        Call::Get(key) => {
            assert!(map.get(key).as_ref() == model.get(&key), "get of {key}");
            assert_eq!(map.contains(key), model.contains_key(&key));
        }
        Call::Fill(from, count, fill) => {
            for key in from..from + i32::from(count) {
                let value = value(fill as usize / 4, fill);
                assert!(map.insert(key, &value) == model.insert(key, value), "insert of {key}");
            }
        }
        Call::Drain(from, count) => {
            for key in from..from + i32::from(count) {
                assert!(map.remove(key) == model.remove(&key), "remove of {key}");
            }
        }
        Call::EntryInsert(key, value) => {
            assert!(map.entry_insert(key, &value) == model.insert(key, value), "insert by entry of {key}");
        }
        Call::EntryRemove(key) => assert!(map.entry_remove(key) == model.remove(&key), "remove by entry of {key}"),
        Call::OrInsert(key, value) => {
            assert!(&map.or_insert(key, &value) == model.entry(key).or_insert(value), "or_insert of {key}");
        }
        Call::OrInsertWith(key, value) => {
            let vacant = !model.contains_key(&key);
            let (got, asked) = map.or_insert_with(key, value.clone());
            assert_eq!(asked, vacant, "the value of {key} is asked for if there is none");
            assert!(&got == model.entry(key).or_insert(value), "or_insert_with of {key}");
        }
        Call::AndModify(key, more) => {
            let modified = model.get_mut(&key).map(|value| {
                *value = longer(value, more);
                &*value
            });
            assert!(map.and_modify(key, more).as_ref() == modified, "and_modify of {key}");
        }
        Call::Clear => {
            map.clear();
            model.clear();
        }
        Call::Iterate => iterate(map, model),
        Call::Flush => map.flush(),
        Call::Compact => map.compact(),
        Call::Reopen(..) => unreachable!("done by who owns the map"),
    }
}

fn iterate(map: &impl Typed, model: &Model) {
    let entries = map.entries();
    assert_eq!(entries.len(), model.len(), "iteration gives every key once");
    assert_eq!(map.len(), model.len() as u64, "len() counts the entries");
    let seen: Model = entries.into_iter().collect();
    assert!(seen == *model, "iteration gives what is there");
    let sorted = |mut keys: Vec<i32>| {
        keys.sort_unstable();
        keys
    };
    assert_eq!(sorted(map.keys()), sorted(model.keys().copied().collect()));
    let by_length = |mut values: Vec<Vec<u8>>| {
        values.sort_unstable();
        values
    };
    assert!(by_length(map.values()) == by_length(model.values().cloned().collect()));
}

/// One of the two types, until it is opened as the other.
enum Either {
    Alone(Box<Alone>),
    Shared(Shared),
}

struct Pair {
    path: PathBuf,
    options: Options,
    map: Option<Either>,
    model: Model,
}

impl Pair {
    fn run(&mut self, call: Call) {
        match call {
            Call::Reopen(other, full) => self.reopen(other, full),
            call => match self.map.as_mut().unwrap() {
                Either::Alone(map) => check(&mut **map, &mut self.model, call),
                Either::Shared(map) => check(map, &mut self.model, call),
            },
        }
    }

    fn reopen(&mut self, other: bool, full: bool) {
        let was_alone = match self.map.take().unwrap() {
            Either::Alone(map) => map.close().map(|()| true).unwrap(),
            Either::Shared(map) => map.close().map(|()| false).unwrap(),
        };
        let recovery = if full { Recovery::Full } else { Recovery::Auto };
        let options = Options { create: false, recovery: Some(recovery), ..self.options.clone() };
        // A map of several shards is for the other type alone.
        let alone = was_alone != (other && self.options.shards == Some(1));
        self.map = Some(open(alone, &self.path, &options));
    }
}

fn open(alone: bool, path: &Path, options: &Options) -> Either {
    match alone {
        true => Either::Alone(Box::new(Typed::open(path, options).unwrap())),
        false => Either::Shared(Typed::open(path, options).unwrap()),
    }
}

fn behaves(alone: bool, options: Options, calls: Vec<Call>) {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Some(open(alone, &path, &options));
    let mut pair = Pair { path, options, map, model: Model::new() };
    calls.into_iter().for_each(|call| pair.run(call));
    pair.run(Call::Iterate);
    pair.reopen(true, false);
    pair.run(Call::Iterate);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(common::cases()) })]

    #[test]
    fn a_disk_hash_map_answers_as_a_hash_map_and_is_a_concurrent_map_of_one_shard(
        calls in prop::collection::vec(calls(), 1..160)
    ) {
        behaves(true, served(1), calls);
    }

    #[test]
    fn a_concurrent_disk_map_answers_as_a_hash_map(shards in 0u32..3, calls in prop::collection::vec(calls(), 1..160)) {
        behaves(false, served(1 << (2 * shards)), calls);
    }
}
