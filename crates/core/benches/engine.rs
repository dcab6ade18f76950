//! The engine without Node, beside `HashMap` for scale: one thread, the page cache warm.
//!
//! `BENCH_ENTRIES=1000000 cargo bench -p opendiskmap` measures large maps; 50,000 entries are the default.

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use opendiskmap::{Map, Options};
use std::collections::HashMap;
use std::hint::black_box;
use tempfile::TempDir;

/// Keys of a batch. The last one of a shape may have fewer.
const BATCH: usize = 1000;

/// Keys and values of one shape.
struct Shape {
    name: &'static str,
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// Of the same shape as the keys, and not among them.
    absent: Vec<Vec<u8>>,
}

/// The mixing step of splitmix64: numbers that differ for numbers that differ.
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Letters that a compressor would make little of.
fn letters(seed: u64, length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| b'a' + (mixed(seed ^ (at << 40)) % 26) as u8).collect()
}

/// A length from 1 to `longest`.
fn length(number: u64, longest: u64) -> usize {
    1 + (mixed(number ^ 0x5eed) % longest) as usize
}

fn entries() -> u64 {
    std::env::var("BENCH_ENTRIES").map_or(50_000, |text| text.parse().expect("BENCH_ENTRIES is a number"))
}

fn shape(name: &'static str, key: impl Fn(u64) -> Vec<u8>, value: impl Fn(u64) -> Vec<u8>) -> Shape {
    let count = entries();
    let mut unique = HashMap::new();
    for number in 0..count {
        unique.insert(key(number), value(number));
    }
    let absent = (count..count * 2).map(&key).filter(|key| !unique.contains_key(key)).collect();
    Shape { name, entries: unique.into_iter().collect(), absent }
}

fn shapes() -> [Shape; 3] {
    [
        shape("1-25 to 1-250 bytes", |n| letters(n, length(n, 25)), |n| letters(!n, length(!n, 250))),
        shape("u64 to 1-250 bytes", |n| mixed(n).to_le_bytes().to_vec(), |n| letters(!n, length(!n, 250))),
        shape("16 to 100 bytes", |n| letters(n, 16), |n| letters(!n, 100)),
    ]
}

/// A map that is deleted with its directory.
struct Scratch {
    map: Map,
    _place: TempDir,
}

impl Scratch {
    fn new() -> Scratch {
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        let map = Map::open(place.path().join("bench.odm"), &Options::default()).expect("the map opens");
        Scratch { map, _place: place }
    }

    fn filled(entries: &[(Vec<u8>, Vec<u8>)]) -> Scratch {
        let scratch = Scratch::new();
        for (key, value) in entries {
            scratch.map.put(key, value).expect("there is room");
        }
        scratch
    }
}

/// One call after the other, each with the next item, over and over.
fn over<T>(group: &mut BenchmarkGroup<WallTime>, name: &str, items: &[T], mut call: impl FnMut(&T)) {
    let mut at = 0;
    group.throughput(Throughput::Elements(1));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            call(&items[at]);
            at = if at + 1 == items.len() { 0 } else { at + 1 };
        });
    });
}

fn engine(criterion: &mut Criterion, shape: &Shape) {
    let mut group = criterion.benchmark_group(format!("{}/opendiskmap", shape.name));
    let scratch = Scratch::filled(&shape.entries);
    let map = &scratch.map;
    let mut out = Vec::new();
    over(&mut group, "get", &shape.entries, |(key, value)| {
        assert!(map.read_into(key, &mut out).expect("it reads").is_some() && out.len() == value.len());
    });
    let keys: Vec<&[u8]> = shape.entries.iter().map(|(key, _)| &key[..]).collect();
    let batches: Vec<&[&[u8]]> = keys.chunks(BATCH).collect();
    over(&mut group, "get_many of 1,000", &batches, |keys| {
        assert!(map.get_many(keys).expect("it reads").iter().all(Option::is_some));
    });
    let entries: Vec<(&[u8], &[u8])> = shape.entries.iter().map(|(key, value)| (&key[..], &value[..])).collect();
    let batches: Vec<&[(&[u8], &[u8])]> = entries.chunks(BATCH).collect();
    over(&mut group, "put_many of 1,000, updates", &batches, |entries| {
        map.put_many(entries.iter().copied()).ended.expect("there is room");
    });
    over(&mut group, "get, a miss", &shape.absent, |key| {
        assert!(map.read_into(key, &mut out).expect("it reads").is_none());
    });
    over(&mut group, "update", &shape.entries, |(key, value)| {
        assert!(!map.put(key, value).expect("there is room"));
    });
    over(&mut group, "remove and put", &shape.entries, |(key, value)| {
        assert!(map.remove(key).expect("it removes") && map.put(key, value).expect("there is room"));
    });
    group.sample_size(10).throughput(Throughput::Elements(shape.entries.len() as u64));
    group.bench_function("iterate all", |bencher| {
        bencher.iter(|| {
            for entry in map.iter() {
                black_box(entry.expect("it reads"));
            }
        });
    });
    group.bench_function("put all into a new map", |bencher| {
        bencher.iter_batched(
            Scratch::new,
            |scratch| {
                for (key, value) in &shape.entries {
                    scratch.map.put(key, value).expect("there is room");
                }
                scratch
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("remove all", |bencher| {
        bencher.iter_batched(
            || Scratch::filled(&shape.entries),
            |scratch| {
                for (key, _) in &shape.entries {
                    scratch.map.remove(key).expect("it removes");
                }
                scratch
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// The same in memory: a value is copied out as a map on disk has to.
fn in_memory(criterion: &mut Criterion, shape: &Shape) {
    let mut group = criterion.benchmark_group(format!("{}/HashMap", shape.name));
    let mut map: HashMap<Vec<u8>, Vec<u8>> = shape.entries.iter().cloned().collect();
    let mut out = Vec::new();
    over(&mut group, "get", &shape.entries, |(key, value)| {
        out.clear();
        out.extend_from_slice(&map[key]);
        assert_eq!(out.len(), value.len());
    });
    over(&mut group, "get, a miss", &shape.absent, |key| assert!(!map.contains_key(key)));
    over(&mut group, "update", &shape.entries, |(key, value)| {
        assert!(map.insert(key.clone(), value.clone()).is_some());
    });
    over(&mut group, "remove and put", &shape.entries, |(key, value)| {
        assert!(map.remove(key).is_some() && map.insert(key.clone(), value.clone()).is_none());
    });
    group.sample_size(10).throughput(Throughput::Elements(shape.entries.len() as u64));
    group.bench_function("iterate all", |bencher| {
        bencher.iter(|| {
            for entry in &map {
                black_box(entry);
            }
        });
    });
    group.bench_function("put all into a new map", |bencher| {
        bencher.iter_batched(
            HashMap::new,
            |mut map: HashMap<Vec<u8>, Vec<u8>>| {
                for (key, value) in &shape.entries {
                    map.insert(key.clone(), value.clone());
                }
                map
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn all(criterion: &mut Criterion) {
    for shape in shapes() {
        engine(criterion, &shape);
        in_memory(criterion, &shape);
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
