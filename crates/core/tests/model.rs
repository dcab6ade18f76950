//! Whatever is done to a map, it answers as a `HashMap` does: sequences of calls drawn at random, and shortened to
//! the shortest that fails.

mod common;

use std::collections::HashMap;
use std::path::Path;

use common::{quiet, scratch, served};
use opendiskmap::{Map, Options, Recovery};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Key {
    /// One of few, so that calls meet.
    Few(u8),
    /// Any bytes, none included.
    Any(Vec<u8>),
}

impl Key {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Few(number) => vec![b'k', *number],
            Self::Any(bytes) => bytes.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Value {
    length: usize,
    fill: u8,
}

impl Value {
    fn bytes(self) -> Vec<u8> {
        (0..self.length).map(|index| self.fill.wrapping_add((index % 251) as u8)).collect()
    }
}

#[derive(Clone, Debug)]
enum Call {
    Put(Key, Value),
    Remove(Key),
    Get(Key),
    /// Replaces or deletes if the entry is still what was read, or, if stale, what it never was.
    Swap(Key, Option<Value>, bool),
    /// Stores or removes if the value is what it is, or, if wrong, what it is not.
    Compare(Key, Option<Value>, bool),
    GetMany(Vec<Key>),
    PutMany(Vec<(Key, Value)>),
    RemoveMany(Vec<Key>),
    /// Enough keys at once for tables to split and segments to change.
    Fill(u16, u16, Value),
    Drain(u16, u16),
    Clear,
    Iterate,
    Flush,
    Step,
    Compact,
    Reopen(bool),
}

fn keys() -> impl Strategy<Value = Key> {
    prop_oneof![
        6 => (0u8..24).prop_map(Key::Few),
        1 => prop::collection::vec(any::<u8>(), 0..70).prop_map(Key::Any),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let length = prop_oneof![40 => 0usize..400, 4 => 400usize..9000, 1 => 262_140usize..300_000];
    (length, any::<u8>()).prop_map(|(length, fill)| Value { length, fill })
}

fn small_values() -> impl Strategy<Value = Value> {
    (0usize..60, any::<u8>()).prop_map(|(length, fill)| Value { length, fill })
}

fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![
        30 => (keys(), values()).prop_map(|(key, value)| Call::Put(key, value)),
        15 => keys().prop_map(Call::Remove),
        10 => keys().prop_map(Call::Get),
        6 => (keys(), prop::option::of(values()), any::<bool>()).prop_map(|(key, value, stale)| Call::Swap(key, value, stale)),
        4 => (keys(), prop::option::of(values()), any::<bool>()).prop_map(|(key, next, wrong)| Call::Compare(key, next, wrong)),
        3 => prop::collection::vec(keys(), 0..100).prop_map(Call::GetMany),
        3 => prop::collection::vec((keys(), values()), 0..100).prop_map(Call::PutMany),
        2 => prop::collection::vec(keys(), 0..100).prop_map(Call::RemoveMany),
        4 => (0u16..2000, 0u16..900, small_values()).prop_map(|(from, count, value)| Call::Fill(from, count, value)),
        3 => (0u16..2000, 0u16..900).prop_map(|(from, count)| Call::Drain(from, count)),
        1 => Just(Call::Clear),
        3 => Just(Call::Iterate),
        3 => Just(Call::Flush),
        6 => Just(Call::Step),
        2 => Just(Call::Compact),
        3 => any::<bool>().prop_map(Call::Reopen),
    ]
}

type Model = HashMap<Vec<u8>, Vec<u8>>;

/// A map beside its model. Every answer is compared as it comes.
struct Pair<'a> {
    path: &'a Path,
    options: Options,
    map: Option<Map>,
    model: Model,
}

impl Pair<'_> {
    fn map(&self) -> &Map {
        self.map.as_ref().expect("the map is open between calls")
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let new = self.map().put(&key, &value).unwrap();
        assert_eq!(new, self.model.insert(key, value).is_none(), "put says whether the key was new");
    }

    fn remove(&mut self, key: &[u8]) {
        let there = self.map().remove(key).unwrap();
        assert_eq!(there, self.model.remove(key).is_some(), "remove says whether the key was there");
    }

    fn get(&self, key: &[u8]) {
        assert!(self.map().get(key).unwrap().as_ref() == self.model.get(key), "get of {}", key.escape_ascii());
        assert_eq!(self.map().contains_key(key).unwrap(), self.model.contains_key(key));
    }

    fn swap(&mut self, key: Vec<u8>, value: Option<Vec<u8>>, stale: bool) {
        let mut out = b"what was here before".to_vec();
        let seq = self.map().read_into(&key, &mut out).unwrap();
        assert_eq!(seq.is_some(), self.model.contains_key(&key));
        if seq.is_some() {
            assert!(Some(&out) == self.model.get(&key));
        }
        let expected = match (seq, stale) {
            (seq, false) => seq,
            (Some(seq), true) => Some(seq + 1),
            (None, true) => Some(1),
        };
        if expected.is_none() && value.is_none() {
            return;
        }
        let done = self.map().swap(&key, expected, value.as_deref()).unwrap();
        assert_eq!(done, !stale, "swap answers whether the entry was still the one named");
        if done {
            match value {
                Some(value) => drop(self.model.insert(key, value)),
                None => drop(self.model.remove(&key)),
            }
        }
    }

    fn compare(&mut self, key: Vec<u8>, next: Option<Vec<u8>>, wrong: bool) {
        let there = self.model.get(&key).cloned();
        let expected = match (&there, wrong) {
            (_, false) => there,
            // Of the same length, so that only the bytes tell.
            (Some(value), true) if !value.is_empty() => Some(value.iter().map(|byte| !byte).collect()),
            (Some(_), true) => None,
            (None, true) => Some(Vec::new()),
        };
        let done = self.map().compare_and_set(&key, expected.as_deref(), next.as_deref()).unwrap();
        assert_eq!(done, !wrong, "compare_and_set says whether the value was the expected one");
        if done {
            match next {
                Some(next) => drop(self.model.insert(key, next)),
                None => drop(self.model.remove(&key)),
            }
        }
    }

    fn get_many(&self, keys: Vec<Vec<u8>>) {
        let values = self.map().get_many(&keys).unwrap();
        assert_eq!(values.len(), keys.len());
        let mut at = 0;
        self.map()
            .contains_many(keys.iter().map(Vec::as_slice), |there| {
                assert!(values[at].as_ref() == self.model.get(&keys[at]), "get_many of {}", keys[at].escape_ascii());
                assert_eq!(there, values[at].is_some());
                at += 1;
            })
            .unwrap();
        assert_eq!(at, keys.len());
    }

    fn put_many(&mut self, entries: Vec<(Vec<u8>, Vec<u8>)>) {
        let progress = self.map().put_many(entries.iter().map(|(key, value)| (&key[..], &value[..])));
        progress.ended.unwrap();
        assert_eq!(progress.done, entries.len());
        self.model.extend(entries);
    }

    fn remove_many(&mut self, keys: Vec<Vec<u8>>) {
        let model = &mut self.model;
        let mut at = 0;
        let progress = self.map.as_ref().unwrap().remove_many(keys.iter().map(Vec::as_slice), |there| {
            assert_eq!(there, model.remove(&keys[at]).is_some(), "remove_many says which keys were there");
            at += 1;
        });
        progress.ended.unwrap();
        assert_eq!((at, progress.done), (keys.len(), keys.len()));
    }

    fn iterate(&self) {
        let mut seen = Model::new();
        for entry in self.map().iter() {
            let (key, value) = entry.unwrap();
            assert!(self.model.get(&key) == Some(&value), "iteration gives {} another value", key.escape_ascii());
            assert!(seen.insert(key, value).is_none(), "iteration gives a key twice");
        }
        assert_eq!(seen.len(), self.model.len(), "iteration gives every key");
        assert_eq!(self.map().len(), self.model.len() as u64, "len() counts the entries");
        assert_eq!(self.map().is_empty(), self.model.is_empty());
    }

    fn reopen(&mut self, full: bool) {
        self.map.take().expect("the map is open between calls").close().unwrap();
        let recovery = if full { Recovery::Full } else { Recovery::Auto };
        let options = Options { create: false, recovery: Some(recovery), ..self.options.clone() };
        self.map = Some(Map::open(self.path, &options).unwrap());
    }

    fn run(&mut self, call: Call) {
        match call {
            Call::Put(key, value) => self.put(key.bytes(), value.bytes()),
            Call::Remove(key) => self.remove(&key.bytes()),
            Call::Get(key) => self.get(&key.bytes()),
            Call::Swap(key, value, stale) => self.swap(key.bytes(), value.map(Value::bytes), stale),
            Call::Compare(key, next, wrong) => self.compare(key.bytes(), next.map(Value::bytes), wrong),
            Call::GetMany(keys) => self.get_many(keys.iter().map(Key::bytes).collect()),
            Call::PutMany(entries) => {
                self.put_many(entries.into_iter().map(|(key, value)| (key.bytes(), value.bytes())).collect());
            }
            Call::RemoveMany(keys) => self.remove_many(keys.iter().map(Key::bytes).collect()),
            Call::Fill(from, count, value) => {
                (from..from + count).for_each(|number| self.put(common::key(number.into()), value.bytes()));
            }
            Call::Drain(from, count) => {
                (from..from + count).for_each(|number| self.remove(&common::key(number.into())));
            }
            Call::Clear => {
                self.map().clear().unwrap();
                self.model.clear();
            }
            Call::Iterate => self.iterate(),
            Call::Flush => self.map().flush().unwrap(),
            Call::Step => drop(self.map().compact_step().unwrap()),
            Call::Compact => self.map().compact().unwrap(),
            Call::Reopen(full) => self.reopen(full),
        }
    }
}

fn behaves(options: Options, calls: Vec<Call>) {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &options).unwrap();
    let mut pair = Pair { path: &path, options, map: Some(map), model: Model::new() };
    calls.into_iter().for_each(|call| pair.run(call));
    pair.iterate();
    pair.reopen(false);
    pair.iterate();
    pair.model.keys().for_each(|key| pair.get(key));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(common::cases()) })]

    #[test]
    fn a_map_answers_as_a_hash_map(shards in 0u32..3, calls in prop::collection::vec(calls(), 1..160)) {
        behaves(quiet(1 << (2 * shards)), calls);
    }

    #[test]
    fn a_map_served_in_the_background_answers_as_a_hash_map(shards in 0u32..3, calls in prop::collection::vec(calls(), 1..160)) {
        behaves(served(1 << (2 * shards)), calls);
    }
}
