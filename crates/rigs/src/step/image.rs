//! What a directory holds, byte for byte, and how it changes.
//!
//! A killed process leaves the page cache as it was, so the files as another process reads them are exactly what a
//! kill at that moment would leave. The first image is taken whole; after that only changes are kept, because an
//! operation makes hundreds of states that differ in eight bytes each.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

pub const PAGE: usize = 4096;

/// A path below the root. A directory's name ends with a slash, so that it sorts before what it holds.
pub type Name = Arc<str>;

#[derive(Clone, Debug)]
pub enum Change {
    Appear { name: Name },
    Vanish { name: Name },
    Length { name: Name, length: usize },
    Bytes { name: Name, at: usize, bytes: Box<[u8]> },
}

impl Change {
    pub fn name(&self) -> &str {
        match self {
            Self::Appear { name } | Self::Vanish { name } | Self::Length { name, .. } | Self::Bytes { name, .. } => {
                name
            }
        }
    }
}

#[derive(Clone, Default)]
pub struct Image {
    files: BTreeMap<Name, Vec<u8>>,
    hash: u64,
}

impl Image {
    /// Equal images have equal hashes, whatever way they came to be; used to count distinct states.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Appear { name } => {
                self.hash = self.hash.wrapping_add(presence(name, 0));
                self.files.insert(name.clone(), Vec::new());
            }
            Change::Vanish { name } => {
                if let Some(bytes) = self.files.remove(name) {
                    let gone = presence(name, bytes.len()).wrapping_add(words(name, 0, &bytes));
                    self.hash = self.hash.wrapping_sub(gone);
                }
            }
            Change::Length { name, length } => {
                let Some(bytes) = self.files.get_mut(name) else { return };
                // Words are hashed whole, so the last, partial one is taken out and put back around the change.
                let edge = bytes.len().min(*length) & !7;
                let old = presence(name, bytes.len()).wrapping_add(words(name, edge, &bytes[edge..]));
                bytes.resize(*length, 0);
                let new = presence(name, bytes.len()).wrapping_add(words(name, edge, &bytes[edge..]));
                self.hash = self.hash.wrapping_sub(old).wrapping_add(new);
            }
            Change::Bytes { name, at, bytes: fresh } => {
                let Some(bytes) = self.files.get_mut(name) else { return };
                let from = at & !7;
                let to = (at + fresh.len()).next_multiple_of(8).min(bytes.len());
                let old = words(name, from, &bytes[from..to]);
                bytes[*at..at + fresh.len()].copy_from_slice(fresh);
                let new = words(name, from, &bytes[from..to]);
                self.hash = self.hash.wrapping_sub(old).wrapping_add(new);
            }
        }
    }

    /// What one store into a mapped file changed: the bytes are read back from the file, not taken from the
    /// instruction, so that only what really reached the file counts.
    pub fn store(&self, name: &str, file: &File, at: usize, length: usize) -> io::Result<Option<Change>> {
        let Some((name, known)) = self.files.get_key_value(name) else { return Ok(None) };
        let length = length.min(known.len().saturating_sub(at));
        let mut fresh = vec![0; length];
        file.read_exact_at(&mut fresh, at as u64)?;
        if known[at..at + length] == fresh[..] {
            return Ok(None);
        }
        Ok(Some(Change::Bytes { name: name.clone(), at, bytes: fresh.into() }))
    }

    /// Everything that differs between this image and the directory, in an order that `apply` can follow.
    pub fn compare(&self, root: &Path) -> io::Result<Vec<Change>> {
        let mut present = BTreeMap::new();
        list(root, String::new(), &mut present)?;
        let mut changes = Vec::new();
        for name in self.files.keys().rev().filter(|name| !present.contains_key(*name)) {
            changes.push(Change::Vanish { name: name.clone() });
        }
        for (name, fresh) in present {
            let known = match self.files.get_key_value(&name) {
                Some((_, known)) => known.as_slice(),
                None => {
                    changes.push(Change::Appear { name: name.clone() });
                    &[]
                }
            };
            differences(&name, known, &fresh, &mut changes);
        }
        Ok(changes)
    }

    /// Writes the image as a directory. Pages of zeros stay holes: they read the same and cost nothing.
    pub fn write_to(&self, root: &Path) -> io::Result<()> {
        fs::create_dir_all(root)?;
        for (name, bytes) in &self.files {
            let path = root.join(&**name);
            if name.ends_with('/') {
                fs::create_dir(path)?;
                continue;
            }
            let file = File::create(path)?;
            file.set_len(bytes.len() as u64)?;
            for (page, bytes) in bytes.chunks(PAGE).enumerate() {
                if bytes.iter().any(|&byte| byte != 0) {
                    file.write_all_at(bytes, (page * PAGE) as u64)?;
                }
            }
        }
        Ok(())
    }
}

fn differences(name: &Name, known: &[u8], fresh: &[u8], changes: &mut Vec<Change>) {
    if known.len() != fresh.len() {
        changes.push(Change::Length { name: name.clone(), length: fresh.len() });
    }
    const ZEROS: [u8; PAGE] = [0; PAGE];
    for (page, bytes) in fresh.chunks(PAGE).enumerate() {
        let at = page * PAGE;
        // Past the known end an image grows by zeros, so that is what fresh bytes are compared with.
        let before = known.get(at..).unwrap_or_default();
        let before = &before[..before.len().min(bytes.len())];
        let same = bytes.starts_with(before) && bytes[before.len()..] == ZEROS[before.len()..bytes.len()];
        if !same {
            changes.push(Change::Bytes { name: name.clone(), at, bytes: bytes.into() });
        }
    }
}

fn list(root: &Path, below: String, found: &mut BTreeMap<Name, Vec<u8>>) -> io::Result<()> {
    let entries = match fs::read_dir(root.join(&below)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            found.insert(format!("{name}/").into(), Vec::new());
            list(root, format!("{name}/"), found)?;
        } else {
            found.insert(name.into(), fs::read(entry.path())?);
        }
    }
    Ok(())
}

fn mix(a: u64, b: u64) -> u64 {
    let mut x = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ (x >> 32)
}

fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0x51ed_270b, |hash, byte| mix(hash, u64::from(byte) + 1))
}

fn presence(name: &str, length: usize) -> u64 {
    mix(name_hash(name), length as u64 + 1)
}

/// The sum over all words that are not zero: order does not matter, and a change costs only its own words.
fn words(name: &str, at: usize, bytes: &[u8]) -> u64 {
    let seed = name_hash(name).rotate_left(17);
    let mut sum = 0u64;
    for (index, chunk) in bytes.chunks(8).enumerate() {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let word = u64::from_le_bytes(word);
        if word != 0 {
            sum = sum.wrapping_add(mix(mix(seed, (at + index * 8) as u64), word));
        }
    }
    sum
}
