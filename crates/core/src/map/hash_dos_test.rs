//! Keys that collide under the public algorithm cost no more than others, because every map has a hash key of its own.
//! Counted in buckets that a search looks into, not in time.

use super::{Map, Options};
use crate::Hooks;
use crate::layout::hash::Keys;
use crate::layout::table::{BUCKET_SLOTS, BUCKETS, SLOT_COUNT, Tag};

const COUNT: usize = 100_000;
const SHARDS: u32 = 4;
/// An attacker who knew the key would have all searches begin in so few of a table's buckets.
const AIMED: usize = 2;

/// The algorithm as everybody can read it, under the key that everybody can guess.
const PUBLIC: Keys = Keys { hash: [0; 16], sum: 0 };

/// Keys whose searches begin in the same buckets of whatever table they come to, were the hash not keyed.
fn colliding() -> Vec<[u8; 8]> {
    let aimed = |key: &[u8; 8]| bucket(key) < AIMED;
    (0u64..).map(u64::to_le_bytes).filter(aimed).take(COUNT).collect()
}

/// The bucket where a search for the key begins under the public key, in a map of four shards.
fn bucket(key: &[u8; 8]) -> usize {
    Tag::of(PUBLIC.hash(key) << SHARDS.ilog2()).bucket()
}

/// Buckets that a successful search looks into on average, over a map that holds these keys; and its tables.
fn cost(keys: &[[u8; 8]]) -> (f64, u64) {
    let temp = tempfile::tempdir().unwrap();
    let hooks = Hooks { background: false, ..Hooks::default() };
    let options = Options { shards: Some(SHARDS), flush_interval: Some(None), hooks, ..Options::default() };
    let map = Map::open(temp.path().join("map"), &options).unwrap();
    for key in keys {
        map.put(key, b"value").unwrap();
    }
    let (mut looks, mut tables) = (0, 0);
    for shard in &map.instance.shards {
        let (more, others) = shard.search_lengths();
        looks += more;
        tables += others;
    }
    (looks as f64 / keys.len() as f64, tables)
}

/// The same in a table of the same size that is filled as a map's is, under the public key: what the keys were built for.
fn cost_without_a_key(keys: &[[u8; 8]]) -> f64 {
    let (mut buckets, mut looks) = (vec![0; BUCKETS], 0);
    let filled = SLOT_COUNT / 2;
    for key in &keys[..filled] {
        let mut bucket = bucket(key);
        looks += 1;
        while buckets[bucket] == BUCKET_SLOTS {
            bucket = (bucket + 1) % BUCKETS;
            looks += 1;
        }
        buckets[bucket] += 1;
    }
    f64::from(looks) / filled as f64
}

#[test]
fn keys_that_collide_under_the_public_algorithm_cost_at_most_three_times_as_much() {
    let built = colliding();
    let ordinary: Vec<_> =
        (0..COUNT as u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect();
    let (built_looks, built_tables) = cost(&built);
    let (looks, tables) = cost(&ordinary);
    let aimed = cost_without_a_key(&built);
    println!(
        "buckets a search: {looks:.2} ordinary, {built_looks:.2} built to collide, {aimed:.2} were the hash not keyed; {tables} and {built_tables} tables"
    );
    assert!(built_looks <= 3.0 * looks, "{built_looks} buckets a search, and {looks} for ordinary keys");
    assert!(built_tables <= 2 * tables);
    assert!(aimed > 20.0 * looks, "the keys do not collide: this test would prove nothing");
}
