//! A damaged map that is opened in quarantine serves what verifies, gives no older value for what does not, and leaves the
//! damaged part as it is.

mod common;

use common::{cases, key, quiet, scratch, value};
use opendiskmap::{Code, Control, Map, OnCorrupt, Options, Recovery, salvage};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const SHARDS: u32 = 4;
const ENTRIES: usize = 400;

fn bytes_of(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn quarantine() -> Options {
    Options { on_corrupt: Some(OnCorrupt::Quarantine), recovery: Some(Recovery::Full), ..quiet(SHARDS) }
}

fn strict() -> Options {
    Options { on_corrupt: Some(OnCorrupt::Throw), ..quarantine() }
}

fn newest(number: usize) -> Vec<u8> {
    value(&key(number), 2, 60)
}

/// A closed map in which every key has older values too, and some were removed; the shard of each key that is there.
fn fill(path: &Path) -> BTreeMap<usize, String> {
    let map = Map::open(path, &quiet(SHARDS)).unwrap();
    for version in 0..3 {
        for number in 0..ENTRIES {
            map.put(&key(number), &value(&key(number), version, 60)).unwrap();
        }
    }
    for number in (0..ENTRIES).step_by(10) {
        map.remove(&key(number)).unwrap();
    }
    map.close().unwrap();
    let segments: Vec<(String, Vec<u8>)> =
        bytes_of(path).into_iter().filter(|(name, _)| name.starts_with("seg-")).collect();
    let shard = |number: usize| {
        let text = newest(number);
        let is_here = |bytes: &Vec<u8>| bytes.windows(text.len()).any(|window| window == text);
        segments.iter().find(|(_, bytes)| is_here(bytes)).unwrap().0[..6].to_string()
    };
    (0..ENTRIES).filter(|number| number % 10 != 0).map(|number| (number, shard(number))).collect()
}

#[derive(Clone, Debug)]
enum Damage {
    Bytes(usize, usize, usize),
    Cut(usize),
    Gone(usize),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let damage = prop_oneof![
        6 => (0usize..100, 0usize..20_000, 1usize..300).prop_map(|(file, at, length)| Damage::Bytes(file, at, length)),
        1 => (0usize..100).prop_map(Damage::Cut),
        1 => (0usize..100).prop_map(Damage::Gone),
    ];
    prop::collection::vec(damage, 0..4)
}

/// Damages the log; the shards that were hit.
fn wound(path: &Path, damages: &[Damage]) -> BTreeSet<String> {
    let names: Vec<String> = bytes_of(path).into_keys().filter(|name| name.starts_with("seg-")).collect();
    let mut hit = BTreeSet::new();
    for damage in damages {
        let (Damage::Bytes(file, ..) | Damage::Cut(file) | Damage::Gone(file)) = damage;
        let name = &names[file % names.len()];
        let Ok(mut bytes) = fs::read(path.join(name)) else { continue };
        hit.insert(name[..6].to_string());
        match damage {
            Damage::Bytes(_, at, length) => {
                let end = bytes.len();
                bytes[(*at).min(end)..(at + length).min(end)].iter_mut().for_each(|byte| *byte ^= 0x5a);
                fs::write(path.join(name), bytes).unwrap();
            }
            Damage::Cut(_) => fs::write(path.join(name), &bytes[..bytes.len() / 16]).unwrap(),
            Damage::Gone(_) => fs::remove_file(path.join(name)).unwrap(),
        }
    }
    hit
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases() / 3) })]

    #[test]
    fn what_verifies_is_served_and_what_does_not_is_told_and_never_older(damages in damages()) {
        let temp = scratch();
        let path = temp.path().join("map");
        let shards = fill(&path);
        let whole = bytes_of(&path);
        let hit = wound(&path, &damages);
        let wounded = bytes_of(&path);
        let is_whole = match Map::open(&path, &strict()) {
            Ok(map) => map.close().is_ok(),
            Err(error) => {
                prop_assert_eq!(error.code(), Code::Corrupt);
                false
            }
        };
        let mut aside = BTreeSet::new();
        for round in 0..2 {
            let map = Map::open(&path, &quarantine()).unwrap();
            let told = map.stats().unwrap().damage;
            prop_assert_eq!(is_whole, told.count() == 0, "{:?}", told);
            aside = told.list().iter().map(|damage| damage.file[..6].to_string()).collect::<BTreeSet<_>>();
            prop_assert!(aside.is_subset(&hit));
            for (&number, shard) in &shards {
                match map.get(&key(number)) {
                    Ok(found) => {
                        prop_assert!(!aside.contains(shard));
                        prop_assert_eq!(found, Some(newest(number)), "key {}", number);
                    }
                    Err(error) => {
                        prop_assert_eq!(error.code(), Code::Corrupt);
                        prop_assert!(aside.contains(shard), "key {number} is in {shard}: {error}");
                        let refused = [map.put(&key(number), b"x"), map.remove(&key(number)), map.contains_key(&key(number))];
                        for refused in refused {
                            prop_assert_eq!(refused.unwrap_err().code(), Code::Corrupt);
                        }
                    }
                }
            }
            for number in (0..ENTRIES).step_by(10) {
                prop_assert!(matches!(map.get(&key(number)), Ok(None) | Err(_)));
            }
            let served = shards.values().filter(|shard| !aside.contains(*shard)).count();
            prop_assert_eq!(map.len(), served as u64);
            prop_assert_eq!(map.iter().all(|entry| entry.is_ok()), aside.is_empty());
            prop_assert_eq!(map.clear().is_ok() || !aside.is_empty(), true);
            if aside.is_empty() {
                return Ok(());
            }
            let report = map.verify().unwrap();
            prop_assert_eq!(report.error_count(), told.count());
            prop_assert_eq!(report.errors(), told.list());
            // The others go on as ever.
            for (&number, _) in shards.iter().filter(|(_, shard)| !aside.contains(*shard)) {
                map.put(&key(number), &newest(number)).unwrap();
            }
            map.compact().unwrap();
            map.close().unwrap();
            for (name, bytes) in wounded.iter().filter(|(name, _)| aside.iter().any(|shard| name.starts_with(shard))) {
                prop_assert!(fs::read(path.join(name)).unwrap() == *bytes, "round {}: {} changed", round, name);
            }
            for options in [strict(), quiet(SHARDS)] {
                prop_assert_eq!(Map::open(&path, &options).unwrap_err().code(), Code::Corrupt);
            }
        }
        let to = temp.path().join("salvaged");
        let saved = salvage(&path, &to, &Options::default(), &Control::default()).unwrap();
        let map = Map::open(&to, &quiet(SHARDS)).unwrap();
        prop_assert_eq!(map.len(), saved.records);
        for (&number, shard) in &shards {
            if !hit.contains(shard) {
                prop_assert_eq!(map.get(&key(number)).unwrap(), Some(newest(number)));
            }
        }
        // What was damaged is put back: all is there again.
        for (name, bytes) in whole.iter().filter(|(name, _)| name.starts_with("seg-") && aside.contains(&name[..6])) {
            fs::write(path.join(name), bytes).unwrap();
        }
        let map = Map::open(&path, &strict()).unwrap();
        for &number in shards.keys() {
            prop_assert_eq!(map.get(&key(number)).unwrap(), Some(newest(number)));
        }
        prop_assert!(map.verify().unwrap().is_ok());
    }
}

#[test]
fn of_a_long_value_that_is_damaged_only_its_key_is_lost_and_it_can_be_replaced() {
    let temp = scratch();
    let path = temp.path().join("map");
    let map = Map::open(&path, &quiet(SHARDS)).unwrap();
    for number in 0..20 {
        map.put(&key(number), &value(&key(number), 0, 300_000)).unwrap();
    }
    map.close().unwrap();
    let (name, mut bytes) = bytes_of(&path).into_iter().find(|(name, _)| name.starts_with("ext-")).unwrap();
    bytes[100_000] ^= 1;
    fs::write(path.join(&name), bytes).unwrap();
    assert_eq!(Map::open(&path, &strict()).unwrap_err().code(), Code::Corrupt);
    let map = Map::open(&path, &quarantine()).unwrap();
    let told = map.stats().unwrap().damage;
    assert_eq!((told.count(), &told.list()[0].file), (1, &name));
    let lost = told.list()[0].key.clone().unwrap();
    for number in 0..20 {
        match map.get(&key(number)) {
            Ok(found) => assert_eq!(found.unwrap(), value(&key(number), 0, 300_000)),
            Err(error) => assert_eq!((error.code(), key(number)), (Code::Corrupt, lost.clone())),
        }
    }
    map.put(&lost, b"new").unwrap();
    assert_eq!(map.len(), 20);
    assert!(map.verify().unwrap().is_ok());
    map.close().unwrap();
    let map = Map::open(&path, &strict()).unwrap();
    assert_eq!(map.get(&lost).unwrap().unwrap(), b"new");
}

#[test]
fn the_choice_belongs_to_the_open_map() {
    let temp = scratch();
    let path = temp.path().join("map");
    let map = Map::open(&path, &Options { on_corrupt: Some(OnCorrupt::Quarantine), ..quiet(1) }).unwrap();
    assert_eq!(map.stats().unwrap().damage.count(), 0);
    let other = Options { on_corrupt: Some(OnCorrupt::Throw), ..quiet(1) };
    assert_eq!(Map::open(&path, &other).unwrap_err().code(), Code::OptionsMismatch);
    Map::open(&path, &quiet(1)).unwrap().close().unwrap();
}
