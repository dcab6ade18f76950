//! What a map may hold after a crash.
//!
//! A shard's changes are a sequence. A flush that returned fixes a place in it; after a power cut the shard holds what the
//! sequence had made at that place or a later one. After a kill it holds all that returned, and of the change in flight
//! all or nothing.

use std::collections::BTreeMap;

use opendiskmap::Map;

/// Keys by number, and what their values were made of.
pub type State = BTreeMap<usize, Made>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    pub version: usize,
    pub length: usize,
}

#[derive(Clone, Copy, Debug)]
pub enum Effect {
    Put { key: usize, made: Made },
    Delete { key: usize },
    Clear,
}

impl Effect {
    fn apply(self, state: &mut State) {
        match self {
            Effect::Put { key, made } => drop(state.insert(key, made)),
            Effect::Delete { key } => drop(state.remove(&key)),
            Effect::Clear => state.clear(),
        }
    }
}

/// A shard: what is durable for certain, and what was done since.
#[derive(Clone, Debug, Default)]
pub struct Shard {
    pub flushed: State,
    pub since: Vec<Effect>,
}

impl Shard {
    #[must_use]
    pub fn holding(flushed: State) -> Shard {
        Shard { flushed, since: Vec::new() }
    }

    #[must_use]
    pub fn now(&self) -> State {
        let mut state = self.flushed.clone();
        self.since.iter().for_each(|effect| effect.apply(&mut state));
        state
    }

    /// Everything so far is durable.
    pub fn flush(&mut self) {
        *self = Shard::holding(self.now());
    }
}

/// The change that a crash came into, and in which shard; a clear is in all of them.
pub type Flight = Option<(Option<usize>, Effect)>;

#[derive(Clone, Debug)]
pub struct Expected {
    pub shards: Vec<Shard>,
    pub flight: Flight,
}

impl Expected {
    fn in_flight(&self, shard: usize) -> Option<Effect> {
        self.flight.filter(|(of, _)| of.is_none_or(|of| of == shard)).map(|(_, effect)| effect)
    }

    /// After a kill: what the shards hold is all that was done. Returns them with what became of the change in flight.
    pub fn after_kill(&self, held: &[State]) -> Result<Vec<Shard>, String> {
        let without = self.shards.clone();
        let mut with = without.clone();
        for (number, shard) in with.iter_mut().enumerate() {
            shard.since.extend(self.in_flight(number));
        }
        let is = |shards: &[Shard]| shards.iter().zip(held).all(|(shard, held)| shard.now() == *held);
        if is(&with) {
            return Ok(with);
        }
        if is(&without) {
            return Ok(without);
        }
        let number = without.iter().zip(held).position(|(shard, held)| shard.now() != *held).unwrap_or(0);
        Err(format!(
            "after a kill shard {number} differs from all that returned (in flight: {:?}): {}",
            self.flight,
            difference(&without[number].now(), &held[number])
        ))
    }

    /// After a power cut: each shard holds what it held at its last flush, or at some moment since.
    pub fn after_cut(&self, held: &[State]) -> Result<(), String> {
        for (number, (shard, held)) in self.shards.iter().zip(held).enumerate() {
            let mut state = shard.flushed.clone();
            let mut found = state == *held;
            for effect in shard.since.iter().copied().chain(self.in_flight(number)) {
                effect.apply(&mut state);
                found |= state == *held;
            }
            if !found {
                return Err(format!(
                    "after a power cut shard {number} holds no prefix of its {} changes since the last flush; beside what was flushed: {}; beside all: {}",
                    shard.since.len(),
                    difference(&shard.flushed, held),
                    difference(&shard.now(), held)
                ));
            }
        }
        Ok(())
    }
}

fn difference(expected: &State, held: &State) -> String {
    let lost: Vec<_> = expected.iter().filter(|(key, _)| !held.contains_key(key)).take(4).collect();
    let extra: Vec<_> = held.iter().filter(|(key, _)| !expected.contains_key(key)).take(4).collect();
    let other: Vec<_> = expected
        .iter()
        .filter_map(|(key, made)| held.get(key).filter(|held| *held != made).map(|held| (key, made, held)))
        .take(4)
        .collect();
    format!("lost {lost:?}, too many {extra:?}, other {other:?}")
}

#[must_use]
pub fn key(number: usize) -> Vec<u8> {
    format!("k{number}").into_bytes()
}

/// The least bytes of a value: it says what it was made of.
pub const LEAST: usize = 12;

/// Bytes that name their key, version and length and do not repeat: no two values can be put together to a third.
#[must_use]
pub fn value(key: usize, made: Made) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(made.length + 8);
    for word in [key, made.version, made.length] {
        bytes.extend_from_slice(&(word as u32).to_le_bytes());
    }
    let mut state = (key as u64) << 32 | made.version as u64;
    while bytes.len() < made.length {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        bytes.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes());
    }
    bytes.truncate(made.length);
    bytes
}

/// What a value was made of; `None`: nobody made it.
#[must_use]
pub fn made(key: usize, bytes: &[u8]) -> Option<Made> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let made = Made { version: word(4)?, length: word(8)? };
    (word(0)? == key && made.length == bytes.len() && value(key, made) == bytes).then_some(made)
}

/// All that a map holds, by shard, asked for in every way; `keys` is above every key's number.
pub fn read(map: &Map, shards: usize, keys: usize) -> Result<Vec<State>, String> {
    let mut held = vec![State::new(); shards];
    let mut count = 0;
    for entry in map.iter() {
        let (bytes, found) = entry.map_err(|error| format!("iteration fails: {error}"))?;
        let number = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_prefix('k')?.parse::<usize>().ok());
        let number = number.ok_or_else(|| format!("a key that nobody put: {:?}", bytes.escape_ascii().to_string()))?;
        let made = made(number, &found).ok_or_else(|| format!("key {number} has a value that nobody put"))?;
        let shard = map.shard_of(&bytes).map_err(|error| error.to_string())?;
        if held[shard].insert(number, made).is_some() {
            return Err(format!("iteration gives key {number} twice"));
        }
        count += 1;
    }
    if map.len() != count {
        return Err(format!("len() is {} with {count} entries", map.len()));
    }
    let mut out = Vec::new();
    for number in 0..keys {
        let bytes = key(number);
        let shard = map.shard_of(&bytes).map_err(|error| error.to_string())?;
        let found = map.read_into(&bytes, &mut out).map_err(|error| format!("get of key {number} fails: {error}"))?;
        let found = match found {
            None => None,
            Some(_) => Some(made(number, &out).ok_or_else(|| format!("get of key {number} gives a value nobody put"))?),
        };
        if found != held[shard].get(&number).copied() {
            return Err(format!("get of key {number} and iteration do not agree"));
        }
    }
    Ok(held)
}
