//! What many threads may rely on. Each test does a fixed amount of work: none waits for a moment or measures one.

mod common;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::{Ends, key, scratch, served, together, until, value, version};
use opendiskmap::Map;

#[test]
fn every_thread_sees_a_write_once_the_call_returned() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &served(2)).unwrap();
    let written: Vec<_> = (0..8).map(|_| AtomicUsize::new(0)).collect();
    let done = AtomicBool::new(false);
    together(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in until(&done) {
                    let number = round % written.len();
                    let at_least = written[number].load(Ordering::Acquire);
                    let got = map.get(&key(number)).unwrap().map_or(0, |bytes| version(&key(number), &bytes));
                    assert!(got >= at_least, "version {got} was read after {at_least} had been written");
                }
            });
        }
        let _ends = Ends(&done);
        for round in 1..=20_000 {
            let number = round % written.len();
            map.put(&key(number), &value(&key(number), round, 40 + round % 900)).unwrap();
            written[number].store(round, Ordering::Release);
        }
    });
}

#[test]
fn a_delete_is_seen_and_a_key_that_was_deleted_does_not_come_back() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &served(1)).unwrap();
    let gone = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    let count = 6000;
    for number in 0..count {
        map.put(&key(number), &value(&key(number), 1, 60)).unwrap();
    }
    together(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for round in until(&done) {
                    let below = gone.load(Ordering::Acquire);
                    if below > 0 {
                        let number = round.wrapping_mul(7919) % below;
                        assert_eq!(map.get(&key(number)).unwrap(), None, "key {number} came back");
                    }
                    let number = below + 1 + round % 50;
                    if let Some(bytes) = map.get(&key(number)).unwrap() {
                        version(&key(number), &bytes);
                    }
                }
            });
        }
        let _ends = Ends(&done);
        for number in 0..count {
            assert!(map.remove(&key(number)).unwrap());
            gone.store(number + 1, Ordering::Release);
        }
    });
    assert!(map.is_empty());
}

#[test]
fn iteration_gives_every_key_that_stays_exactly_once() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &served(2)).unwrap();
    let stay = 3000;
    for number in 0..stay {
        map.put(&key(number), &value(&key(number), 1, 30)).unwrap();
    }
    let done = AtomicBool::new(false);
    together(|scope| {
        for writer in 1..4 {
            let (map, done) = (&map, &done);
            scope.spawn(move || {
                // Waves of keys that come and go: tables split, are rewritten, and records move.
                for wave in until(done) {
                    let own = writer * 1_000_000..writer * 1_000_000 + 1500;
                    for number in own.clone() {
                        map.put(&key(number), &value(&key(number), wave, 50)).unwrap();
                    }
                    for number in own {
                        map.remove(&key(number)).unwrap();
                    }
                    // A key that stays may get another value: it is still the one key.
                    let number = (wave * 3 + writer) % stay;
                    map.put(&key(number), &value(&key(number), wave + 2, 30)).unwrap();
                }
            });
        }
        let _ends = Ends(&done);
        for _ in 0..60 {
            let mut seen = HashSet::new();
            for entry in map.iter() {
                let (key, bytes) = entry.unwrap();
                version(&key, &bytes);
                assert!(seen.insert(key.clone()), "{} came twice", key.escape_ascii());
            }
            let missing = (0..stay).find(|&number| !seen.contains(&key(number)));
            assert_eq!(missing, None, "a key that was there all the time did not come");
        }
    });
}

#[test]
fn a_read_never_gives_a_value_that_its_key_did_not_have() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &served(2)).unwrap();
    let keys = 400;
    let done = AtomicBool::new(false);
    together(|scope| {
        for reader in 0..2 {
            let (map, done) = (&map, &done);
            scope.spawn(move || {
                let mut out = Vec::new();
                for round in until(done) {
                    let key = key((round * 31 + reader) % keys);
                    if map.read_into(&key, &mut out).unwrap().is_some() {
                        version(&key, &out);
                    }
                    assert_eq!(map.get(b"never written").unwrap(), None);
                }
            });
        }
        scope.spawn(|| {
            for _ in until(&done) {
                map.compact().unwrap();
            }
        });
        let _ends = Ends(&done);
        for round in 0..30_000 {
            let key = key(round * 7 % keys);
            match round % 5 {
                0 => drop(map.remove(&key).unwrap()),
                _ => drop(map.put(&key, &value(&key, round, 100 + round % 3000)).unwrap()),
            }
            if round % 5000 == 4999 {
                map.clear().unwrap();
                assert!(map.is_empty());
            }
            // Now and then one in a file of its own, which is freed while someone may be reading it.
            if round % 500 == 0 {
                map.put(&key, &value(&key, round, 270_000)).unwrap();
            }
        }
    });
}

#[test]
fn no_swap_is_lost_when_threads_race() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &served(2)).unwrap();
    let (threads, rounds, keys) = (4, 3000, 5);
    together(|scope| {
        for thread in 0..threads {
            let map = &map;
            scope.spawn(move || {
                let mut out = Vec::new();
                for round in 0..rounds {
                    let key = key((round + thread) % keys);
                    loop {
                        let seq = map.read_into(&key, &mut out).unwrap();
                        let count = seq.map_or(0, |_| version(&key, &out));
                        if map.swap(&key, seq, Some(&value(&key, count + 1, 64))).unwrap() {
                            break;
                        }
                    }
                }
            });
        }
    });
    let total: usize = (0..keys).map(|number| version(&key(number), &map.get(&key(number)).unwrap().unwrap())).sum();
    assert_eq!(total, threads * rounds);
}

#[test]
fn len_is_exact_after_threads_that_put_and_delete_what_others_do() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &served(4)).unwrap();
    let (added, removed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    together(|scope| {
        for thread in 0..4 {
            let (map, added, removed) = (&map, &added, &removed);
            scope.spawn(move || {
                for round in 0..15_000usize {
                    let key = key((round.wrapping_mul(2_654_435_761) >> 7) % 3000);
                    if (round + thread) % 3 == 0 {
                        removed.fetch_add(map.remove(&key).unwrap().into(), Ordering::Relaxed);
                    } else {
                        added.fetch_add(map.put(&key, &value(&key, round, 20)).unwrap().into(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let expected = added.into_inner() - removed.into_inner();
    assert_eq!(map.len(), expected as u64);
    assert_eq!(map.iter().map(Result::unwrap).count(), expected);
}

#[test]
fn two_handles_of_one_directory_are_one_map() {
    let directory = scratch();
    let path = directory.path().join("map");
    let one = Map::open(&path, &served(2)).unwrap();
    let two = Map::open(&path, &served(2)).unwrap();
    one.put(b"a", b"1").unwrap();
    assert_eq!(two.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    one.close().unwrap();
    two.put(b"b", b"2").unwrap();
    two.close().unwrap();
    let again = Map::open(&path, &served(2)).unwrap();
    assert_eq!(again.len(), 2);
}
