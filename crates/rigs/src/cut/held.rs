//! What a map holds, as the versions of its keys: their bytes follow from those.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::model::{self, Model};

/// Version and length of a key's value.
pub type Versions = BTreeMap<usize, (usize, usize)>;

/// The content, with the shard of each key that can be there.
#[derive(Clone, Debug, Default)]
pub struct Held {
    pub versions: Versions,
    pub shards: Vec<usize>,
}

/// Every byte of every value must be one that was written for its key.
pub fn versions(model: &Model) -> Result<Versions, String> {
    model.iter().map(|(key, value)| version(key, value)).collect()
}

fn version(key: &[u8], value: &[u8]) -> Result<(usize, (usize, usize)), String> {
    let wrong = || format!("{} holds what nobody wrote for it: {} …", model::show(key), model::show(value));
    let mark = value.iter().position(|byte| *byte == b':').and_then(|end| std::str::from_utf8(&value[..end]).ok());
    let (index, version) = mark.and_then(|mark| mark.split_once('/')).ok_or_else(wrong)?;
    let (index, version) = index.parse().ok().zip(version.parse().ok()).ok_or_else(wrong)?;
    if model::key(index) != key || model::value(index, version, value.len()) != value {
        return Err(wrong());
    }
    Ok((index, (version, value.len())))
}

impl Held {
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut text = String::new();
        for (index, (version, length)) in &self.versions {
            text += &format!("{index} {version} {length}\n");
        }
        for shard in &self.shards {
            text += &format!("{shard}\n");
        }
        fs::write(path, text)
    }

    pub fn load(path: &Path) -> io::Result<Self> {
        let mut held = Self::default();
        for line in fs::read_to_string(path)?.lines() {
            let numbers: Result<Vec<usize>, _> = line.split(' ').map(str::parse).collect();
            match *numbers.map_err(io::Error::other)? {
                [index, version, length] => drop(held.versions.insert(index, (version, length))),
                [shard] => held.shards.push(shard),
                _ => return Err(io::Error::other("a line of three numbers or one was expected")),
            }
        }
        Ok(held)
    }
}
