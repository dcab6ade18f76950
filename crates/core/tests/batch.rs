//! What batches and conditional changes promise besides their answers.

mod common;

use common::{quiet, scratch};
use opendiskmap::{Amount, Code, MAX_KEY, Map, NumberType, Options};
use std::ops::ControlFlow;

#[test]
fn a_batch_ends_at_the_key_that_fails_and_says_how_far_it_came() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &quiet(4)).unwrap();
    let (long, keys) = (vec![7; MAX_KEY + 1], (0..100).map(common::key).collect::<Vec<_>>());
    let mut entries: Vec<(&[u8], &[u8])> = keys.iter().map(|key| (&key[..], &b"value"[..])).collect();
    entries.insert(70, (&long, b"value"));
    let progress = map.put_many(entries.iter().copied());
    assert_eq!((progress.done, map.len()), (70, 70));
    assert_eq!(progress.ended.unwrap_err().code(), Code::TooLarge);
    assert!(keys[..70].iter().all(|key| map.contains_key(key).unwrap()));

    let mut there = 0;
    let progress =
        map.remove_many(entries.iter().skip(60).map(|entry| entry.0), |was_there| there += i32::from(was_there));
    assert_eq!((progress.done, there, map.len()), (10, 10, 60));
    assert_eq!(progress.ended.unwrap_err().code(), Code::TooLarge);

    let mut seen = 0;
    let read = map.read_many(entries.iter().map(|entry| entry.0), |value| {
        assert_eq!(value.is_some(), seen < 60);
        seen += 1;
        ControlFlow::Continue(())
    });
    assert_eq!((read.unwrap_err().code(), seen), (Code::TooLarge, 70));
}

#[test]
fn a_batch_of_reads_stops_where_it_is_told_to() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &quiet(1)).unwrap();
    let keys: Vec<_> = (0..100).map(common::key).collect();
    for wanted in [0, 1, 31, 32, 33, 99, 100] {
        let mut left = wanted;
        let seen = map
            .read_many(keys.iter().map(Vec::as_slice), |_| {
                if left == 0 {
                    return ControlFlow::Break(());
                }
                left -= 1;
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(seen, wanted);
    }
}

#[test]
fn no_change_of_a_map_that_is_read_only_and_none_of_a_closed_one() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &quiet(1)).unwrap();
    map.put(b"k", &7u64.to_le_bytes()).unwrap();
    map.end().unwrap();
    let entries = [(&b"k"[..], &b"v"[..])];
    let codes = |map: &Map| {
        [
            map.put_many(entries).ended.unwrap_err().code(),
            map.remove_many([&b"k"[..]], |_| {}).ended.unwrap_err().code(),
            map.compare_and_set(b"k", Some(b"other"), None).unwrap_err().code(),
            map.increment(b"k", NumberType::U64, Amount::Int(1)).unwrap_err().code(),
        ]
    };
    assert_eq!(codes(&map), [Code::Closed; 4]);
    let map = Map::open(&path, &Options { read_only: true, ..quiet(1) }).unwrap();
    assert_eq!(codes(&map), [Code::ReadOnly; 4]);
    assert_eq!(map.get(b"k").unwrap().unwrap(), 7u64.to_le_bytes());
}

#[test]
fn threads_that_add_to_one_number_lose_nothing() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &quiet(1)).unwrap();
    let (threads, times) = (4, 20_000);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..times {
                    map.increment(b"n", NumberType::I64, Amount::Int(-3)).unwrap();
                }
            });
        }
    });
    let sum = map.get(b"n").unwrap().unwrap();
    assert_eq!(i64::from_le_bytes(sum.try_into().unwrap()), -3 * threads * times);
}

#[test]
fn a_sum_out_of_range_and_a_value_that_is_no_number_change_nothing() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &quiet(1)).unwrap();
    let add = |key: &[u8], by| map.increment(key, NumberType::U8, Amount::Int(by)).map_err(|error| error.code());
    assert_eq!(add(b"n", 255).unwrap()[0], 255);
    assert_eq!(add(b"n", 1).unwrap_err(), Code::InvalidValue);
    assert_eq!(add(b"n", -256).unwrap_err(), Code::InvalidValue);
    assert_eq!(add(b"m", -1).unwrap_err(), Code::InvalidValue);
    assert_eq!((map.get(b"n").unwrap().unwrap(), map.len()), (vec![255], 1));
    for value in [vec![], vec![1, 2], vec![0; 300 << 10]] {
        map.put(b"x", &value).unwrap();
        assert_eq!(add(b"x", 1).unwrap_err(), Code::Corrupt);
        assert_eq!(map.get(b"x").unwrap().unwrap(), value);
    }
}
