//! A map of users, for a program in another language to open, or written by one.

use super::draws::Draws;
use super::sample::Sample;
use super::types::User;
use opendiskmap::{Arch, Code, ConcurrentDiskMap, Error, Native, Result};
use rkyv::rancor;
use serde_json::Value;
use std::path::Path;

type Users = ConcurrentDiskMap<Native<u64>, Arch<User>>;

/// So many users, by their numbers: the ones that are generated of the type `user`.
pub fn write(directory: &Path, seed: u64, count: usize) -> Result<()> {
    let users = Users::new_in(directory)?;
    for nth in 0..count {
        users.insert(&(nth as u64), &User::draw(&mut Draws::new(seed, "user", nth)))?;
    }
    users.close()
}

/// All keys and users.
pub fn read(directory: &Path) -> Result<Vec<(u64, Value)>> {
    let users = Users::load_from(directory)?;
    let mut entries = Vec::new();
    for entry in users.iter() {
        let (key, archived) = entry?;
        let user = rkyv::deserialize::<User, rancor::Error>(&*archived)
            .map_err(|error| Error::new(Code::Corrupt, error.to_string()))?;
        entries.push((*key, user.json()));
    }
    entries.sort_by_key(|(key, _)| *key);
    Ok(entries)
}
