//! Keys that collide under the public algorithm, beside ordinary ones: the time of 100,000 puts and gets of each. That the
//! two differ by less than three times is held up by counts, in `src/map/hash_dos_test.rs`; this is for the eye.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use opendiskmap::{Hooks, Map, Options};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

const COUNT: usize = 100_000;

/// Keys whose searches would begin at the same few slots of every table, were the hash not keyed.
fn built() -> Vec<[u8; 8]> {
    let aimed = |key: &[u8; 8]| {
        let mut hasher = SipHasher13::new_with_key(&[0; 16]);
        hasher.write(key);
        ((hasher.finish() & 0xffff_ffff) * 1020) >> 32 < 8
    };
    (0u64..).map(u64::to_le_bytes).filter(aimed).take(COUNT).collect()
}

fn ordinary() -> Vec<[u8; 8]> {
    (0..COUNT as u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect()
}

fn open(directory: &tempfile::TempDir) -> Map {
    let hooks = Hooks { background: false, ..Hooks::default() };
    let options = Options { flush_interval: Some(None), hooks, ..Options::default() };
    Map::open(directory.path().join("map"), &options).expect("a map")
}

fn measure(criterion: &mut Criterion) {
    for (name, keys) in [("ordinary", ordinary()), ("built to collide", built())] {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10).throughput(Throughput::Elements(COUNT as u64));
        let fill = |map: &Map| keys.iter().filter(|key| map.put(&key[..], b"value").expect("a put")).count();
        group.bench_function("put", |bencher| {
            let made = || {
                let directory = tempfile::tempdir().expect("a temporary directory");
                (open(&directory), directory)
            };
            bencher.iter_batched(
                made,
                |(map, directory)| {
                    fill(&map);
                    (map, directory)
                },
                BatchSize::PerIteration,
            );
        });
        let directory = tempfile::tempdir().expect("a temporary directory");
        let map = open(&directory);
        fill(&map);
        group.bench_function("get", |bencher| {
            bencher.iter(|| keys.iter().filter(|key| map.get(&key[..]).expect("a get").is_some()).count());
        });
        group.finish();
    }
}

criterion_group!(benches, measure);
criterion_main!(benches);
