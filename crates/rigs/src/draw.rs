//! Scenarios that nobody thought of: what the map went through before the stepped operation is drawn from a seed.

use crate::random::Random;
use crate::scenario::Operation;

pub struct Drawn {
    pub shards: u32,
    pub before: Vec<Operation>,
    pub stepped: Operation,
}

const KEYS: usize = 40;
/// Keys that come and go in hundreds, so that tables fill.
const CROWD: usize = 1000;

#[must_use]
pub fn draw(seed: u64) -> Drawn {
    let mut random = Random::new(seed);
    let shards = [1, 1, 2][random.below(3)];
    let mut before = Vec::new();
    let mut version = 0;
    for _ in 0..20 + random.below(120) {
        match random.below(100) {
            0..3 => before.push(Operation::Clear),
            3..5 => before.push(Operation::Compact),
            5..10 => before.push(Operation::Flush),
            10..22 => before.extend((0..=random.below(6)).map(|_| Operation::Background)),
            22..27 => {
                let (from, count) = (CROWD + random.below(900), random.below(600));
                before.extend((from..from + count).map(|index| Operation::Put { index, version, length: 8 }));
            }
            27..31 => {
                let (from, count) = (CROWD + random.below(900), random.below(600));
                before.extend((from..from + count).map(|index| Operation::Delete { index }));
            }
            _ => before.push(change(&mut random, &mut version)),
        }
    }
    // What leaves nothing to do for the background is followed by something that does.
    before.extend((0..12).map(|_| change(&mut random, &mut version)));
    let stepped = match random.below(100) {
        0..6 => Operation::Clear,
        6..14 => Operation::Compact,
        14..28 => Operation::Flush,
        28..34 => Operation::Close,
        34..55 => Operation::Background,
        _ => change(&mut random, &mut version),
    };
    Drawn { shards, before, stepped }
}

fn change(random: &mut Random, version: &mut usize) -> Operation {
    *version += 1;
    let index = random.below(KEYS);
    let length = match random.below(20) {
        0 => (256 << 10) + 1 + random.below(9000),
        1 => 10_000 + random.below(30_000),
        2..8 => 1000 + random.below(3000),
        _ => random.below(200),
    };
    match random.below(10) {
        0..7 => Operation::Put { index, version: *version, length },
        _ => Operation::Delete { index },
    }
}
