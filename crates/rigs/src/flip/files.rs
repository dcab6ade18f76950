//! What a map's directory holds, and the directory as it was before it was damaged.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

#[derive(Clone, Debug, Default)]
pub struct Files {
    pub names: Vec<String>,
    pub bytes: Vec<Vec<u8>>,
}

impl Files {
    pub fn read(directory: &Path) -> io::Result<Self> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|_| io::Error::other("a name that is not UTF-8"))?;
            found.insert(name, fs::read(entry.path())?);
        }
        let (names, bytes) = found.into_iter().unzip();
        Ok(Self { names, bytes })
    }

    /// Makes the directory hold this and nothing else. Files that are there stay the same files.
    pub fn restore(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let known = entry.file_name().to_str().is_some_and(|name| self.names.iter().any(|known| known == name));
            if !known || !entry.file_type()?.is_file() {
                match entry.file_type()?.is_dir() {
                    true => fs::remove_dir_all(entry.path())?,
                    false => fs::remove_file(entry.path())?,
                }
            }
        }
        for (name, bytes) in self.names.iter().zip(&self.bytes) {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(directory.join(name))?;
            if file.metadata()?.len() != bytes.len() as u64 {
                file.set_len(bytes.len() as u64)?;
            }
            file.write_all_at(bytes, 0)?;
        }
        Ok(())
    }

    #[must_use]
    pub fn find(&self, start: &str) -> Option<usize> {
        self.names.iter().position(|name| name.starts_with(start))
    }

    #[must_use]
    pub fn total(&self) -> usize {
        self.bytes.iter().map(Vec::len).sum()
    }
}

/// Writes bytes into a file that is there.
pub fn write_at(path: &Path, at: usize, bytes: &[u8]) -> io::Result<()> {
    File::options().write(true).open(path)?.write_all_at(bytes, at as u64)
}
