//! One damaged map, opened and asked: whatever it answers is right, or an error that says it is damaged.

use std::collections::BTreeSet;
use std::path::Path;

use opendiskmap::{Code, Error, Map, Options, Recovery};

use crate::model::{Model, show};
use crate::scenario::options;

/// How much an answer may differ from what was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// After a clean close: every key has its value or is an error; `size` is exact.
    Exact,
    /// After a kill the words of the index and of `HEAD` have no sum yet: a key may be hidden and `size` be wrong, but a
    /// value is one that its key had.
    Values,
}

/// What damage came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer {
    /// Some call said so.
    pub told: bool,
}

impl Answer {
    /// Damage is told by its code; any other failure is a finding.
    fn tells(&mut self, what: &str, error: &Error) -> Result<(), String> {
        self.told = true;
        match error.code() {
            // The other two where a file is not there or not as long as it was.
            Code::Corrupt | Code::FileGone | Code::Io => Ok(()),
            code => Err(format!("{what} fails with {code}: {error}")),
        }
    }
}

/// Opened for reading only: no file changes.
pub fn read(path: &Path, model: &Model, bar: Bar) -> Result<Answer, String> {
    let mut answer = Answer::default();
    let read_only = Options { read_only: true, ..options(Recovery::Auto) };
    match Map::open(path, &read_only) {
        Err(error) => answer.tells("open", &error)?,
        Ok(map) => {
            ask(&map, model, bar, &mut answer)?;
            map.close().or_else(|error| answer.tells("close", &error))?;
        }
    }
    Ok(answer)
}

/// Opened for writing, asked, changed, closed, and opened again.
pub fn change(path: &Path, model: &Model, bar: Bar) -> Result<Answer, String> {
    let mut answer = Answer::default();
    let mut next = model.clone();
    match Map::open(path, &options(Recovery::Auto)) {
        Err(error) => answer.tells("open", &error)?,
        Ok(map) => {
            ask(&map, model, bar, &mut answer)?;
            let fresh = b"a key nobody had".to_vec();
            let known = model.keys().next().cloned().unwrap_or_default();
            let last = model.keys().next_back().cloned().unwrap_or_default();
            for (key, value) in [(fresh, b"fresh"), (known, b"other")] {
                match map.put(&key, value) {
                    Ok(_) => drop(next.insert(key, value.to_vec())),
                    Err(error) => answer.tells("put", &error)?,
                }
            }
            match map.remove(&last) {
                Ok(true) => drop(next.remove(&last)),
                Ok(false) if bar == Bar::Exact => return Err(format!("delete does not find {}", show(&last))),
                Ok(false) => drop(next.remove(&last)),
                Err(error) => answer.tells("delete", &error)?,
            }
            ask(&map, &next, bar, &mut answer).map_err(|told| format!("after put and delete: {told}"))?;
            map.close().or_else(|error| answer.tells("close", &error))?;
        }
    }
    match Map::open(path, &options(Recovery::Auto)) {
        Err(error) => answer.tells("the second open", &error)?,
        Ok(map) => {
            ask(&map, &next, bar, &mut answer).map_err(|told| format!("after close and open: {told}"))?;
            map.close().or_else(|error| answer.tells("the second close", &error))?;
        }
    }
    Ok(answer)
}

/// Every key, some that are not there, the size, and an iteration.
fn ask(map: &Map, model: &Model, bar: Bar, answer: &mut Answer) -> Result<(), String> {
    for (key, value) in model {
        match map.get(key) {
            Ok(Some(found)) if found == *value => {}
            Ok(Some(found)) => known_value(key, value, &found, bar)?,
            Ok(None) if bar == Bar::Values => answer.told = true,
            Ok(None) => return Err(format!("{} reads as absent", show(key))),
            Err(error) => answer.tells("get", &error)?,
        }
    }
    for absent in [&b"never there"[..], b"key-000415", b"key-002400", b""] {
        match map.get(absent) {
            Ok(Some(found)) if !model.contains_key(absent) && bar == Bar::Exact => {
                return Err(format!("{} has the value {}", show(absent), show(&found)));
            }
            Ok(_) => {}
            Err(error) => answer.tells("get", &error)?,
        }
    }
    if map.len() != model.len() as u64 && bar == Bar::Exact {
        return Err(format!("size {} for {} entries", map.len(), model.len()));
    }
    let mut met = BTreeSet::new();
    let mut whole = true;
    for entry in map.iter() {
        match entry {
            Ok((key, value)) => {
                match model.get(&key) {
                    Some(stored) if *stored == value => {}
                    Some(stored) => known_value(&key, stored, &value, bar)?,
                    None if bar == Bar::Exact => return Err(format!("iteration invents {}", show(&key))),
                    None => {}
                }
                if !met.insert(key.clone()) && bar == Bar::Exact {
                    return Err(format!("iteration gives {} twice", show(&key)));
                }
            }
            Err(error) => {
                whole = false;
                answer.tells("iteration", &error)?;
            }
        }
    }
    if whole && met.len() != model.len() && bar == Bar::Exact {
        return Err(format!("iteration gives {} of {} entries", met.len(), model.len()));
    }
    Ok(())
}

/// A value that was never this key's is wrong by any bar. An earlier one of its own is, too, after a clean close.
fn known_value(key: &[u8], stored: &[u8], found: &[u8], bar: Bar) -> Result<(), String> {
    // `model::value` begins with the number that the key ends with. What the trial itself has stored may have been lost again.
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let number = text(key).rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
    let named = text(found).split('/').next().and_then(|number| number.parse::<usize>().ok());
    if bar == Bar::Values && number.is_some() && number == named {
        return Ok(());
    }
    Err(format!("{} has the value {} and not {}", show(key), show(found), show(stored)))
}
