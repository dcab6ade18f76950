//! What a map should hold, and whether it does.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use opendiskmap::Map;

pub type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[must_use]
pub fn key(index: usize) -> Vec<u8> {
    format!("key-{index:06}").into_bytes()
}

/// Bytes that name their key and version and do not repeat: a value put together from two others cannot pass.
#[must_use]
pub fn value(index: usize, version: usize, length: usize) -> Vec<u8> {
    let mut state = (index as u64) << 32 | version as u64;
    let mut bytes = format!("{index}/{version}:").into_bytes();
    while bytes.len() < length {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        bytes.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub fn save(model: &Model, path: &Path) -> io::Result<()> {
    save_all(std::slice::from_ref(model), path)
}

pub fn load(path: &Path) -> io::Result<Model> {
    Ok(load_all(path)?.pop().unwrap_or_default())
}

/// Several models one after the other, each behind the number of its entries.
pub fn save_all(models: &[Model], path: &Path) -> io::Result<()> {
    let mut bytes = Vec::new();
    for model in models {
        bytes.extend_from_slice(&(model.len() as u32).to_le_bytes());
        for part in model.iter().flat_map(|(key, value)| [key, value]) {
            bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            bytes.extend_from_slice(part);
        }
    }
    fs::write(path, bytes)
}

pub fn load_all(path: &Path) -> io::Result<Vec<Model>> {
    let bytes = fs::read(path)?;
    let mut rest = bytes.as_slice();
    let mut models = Vec::new();
    while let Some(entries) = number(&mut rest) {
        let mut model = Model::new();
        for _ in 0..entries {
            if let (Some(key), Some(value)) = (part(&mut rest), part(&mut rest)) {
                model.insert(key, value);
            }
        }
        models.push(model);
    }
    Ok(models)
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_le_bytes(*number) as usize)
}

fn part(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = number(rest)?;
    let (part, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(part.to_vec())
}

/// Everything, by iteration; a key that comes twice is an error.
pub fn read(map: &Map) -> Result<Model, String> {
    let mut held = Model::new();
    for entry in map.iter() {
        let (key, value) = entry.map_err(|error| format!("iteration fails: {error}"))?;
        if let Some(twice) = held.insert(key.clone(), value) {
            return Err(format!("iteration gives {} twice, once with {}", show(&key), show(&twice)));
        }
    }
    Ok(held)
}

/// Says which of the models the map holds, in every way a map can be asked; `Err` says how it holds none.
pub fn which(map: &Map, models: &[&Model]) -> Result<usize, String> {
    let held = read(map)?;
    let Some(index) = models.iter().position(|model| **model == held) else {
        let told: Vec<_> = models.iter().map(|model| difference(model, &held)).collect();
        return Err(format!("content is none of the {} it may be: {}", models.len(), told.join("; or ")));
    };
    if map.len() != held.len() as u64 {
        return Err(format!("len() is {} with {} entries", map.len(), held.len()));
    }
    let mut keys: Vec<_> = models.iter().flat_map(|model| model.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let got = map.get(key).map_err(|error| format!("get of {} fails: {error}", show(key)))?;
        if got.as_ref() != held.get(key) {
            return Err(format!("get of {} and iteration do not agree", show(key)));
        }
        let there = map.contains_key(key).map_err(|error| format!("contains_key of {} fails: {error}", show(key)))?;
        if there != got.is_some() {
            return Err(format!("contains_key of {} and get do not agree", show(key)));
        }
    }
    Ok(index)
}

/// How far a model is from what is held, in one line.
pub fn difference(expected: &Model, held: &Model) -> String {
    let lost = expected.keys().filter(|key| !held.contains_key(*key)).collect::<Vec<_>>();
    let extra = held.keys().filter(|key| !expected.contains_key(*key)).collect::<Vec<_>>();
    let wrong = expected.iter().filter(|(key, value)| held.get(*key).is_some_and(|held| held != *value));
    let wrong = wrong.map(|(key, _)| key).collect::<Vec<_>>();
    let first = |keys: &[&Vec<u8>]| keys.first().map_or(String::new(), |key| format!(" ({} …)", show(key)));
    format!(
        "{} lost{}, {} too many{}, {} with another value{}",
        lost.len(),
        first(&lost),
        extra.len(),
        first(&extra),
        wrong.len(),
        first(&wrong)
    )
}

pub fn show(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(24)].escape_ascii().to_string()
}
