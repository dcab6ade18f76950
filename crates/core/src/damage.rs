//! What is damaged and where: the findings of a verification, of an open and of a salvage.

use crate::Code;

/// No report lists more; it counts them all.
const MAX_LISTED: usize = 1000;

/// One place of a map's files that does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// `ERR_CORRUPT`, or `ERR_IO` where the system could not read the file.
    pub code: Code,
    /// The file's name in the map's directory.
    pub file: String,
    /// Where in the file.
    pub offset: u64,
    /// The key whose record it is, where that is certain.
    pub key: Option<Vec<u8>>,
}

/// Damages as they are found: all are counted, the first 1,000 listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damages {
    list: Vec<Damage>,
    count: u64,
}

impl Damages {
    pub(crate) fn add(&mut self, code: Code, file: String, offset: u64, key: Option<&[u8]>) {
        self.count += 1;
        if self.list.len() < MAX_LISTED {
            self.list.push(Damage { code, file, offset, key: key.map(<[u8]>::to_vec) });
        }
    }

    pub(crate) fn append(&mut self, other: Damages) {
        self.count += other.count;
        self.list.extend(other.list.into_iter().take(MAX_LISTED.saturating_sub(self.list.len())));
    }

    /// The first of them, at most 1,000.
    #[must_use]
    pub fn list(&self) -> &[Damage] {
        &self.list
    }

    /// All of them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}
