//! The one spare segment of a map: room for tombstones and compaction when the disk is full.

use crate::layout::names;
use crate::medium::Medium;
use crate::{Error, Result, sys};
use parking_lot::Mutex;
use std::io;

/// Guards the file `SPARE`, whose blocks are allocated and never used in place. Its size is the largest segment's.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    size: Mutex<u64>,
}

impl Spare {
    /// After an open: what the file has. One that a killed process left half-made counts with what it has.
    pub fn find(&self, medium: &Medium) {
        *self.size.lock() = medium.dir.file_len(names::SPARE).unwrap_or(0);
    }

    pub fn size(&self) -> u64 {
        *self.size.lock()
    }

    /// Before a segment of this size is made there is a spare as large: else compaction could not empty it on a full disk.
    pub fn ensure(&self, medium: &Medium, wanted: u64) -> Result<()> {
        let mut size = self.size.lock();
        if *size >= wanted || !medium.writable {
            return Ok(());
        }
        match grow(medium, *size, wanted) {
            Ok(()) => {
                *size = wanted;
                Ok(())
            }
            Err(error) => Err(Error::os(format_args!("keep a spare segment of {wanted} bytes"), &error)),
        }
    }

    /// Lends the spare out, cut to `wanted` bytes. `None` if it is not whole: it comes back once a victim was freed.
    pub fn take<T>(&self, wanted: u64, adopt: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        let mut size = self.size.lock();
        if *size < wanted {
            return Ok(None);
        }
        let adopted = adopt()?;
        *size = 0;
        Ok(Some(adopted))
    }
}

fn grow(medium: &Medium, from: u64, wanted: u64) -> io::Result<()> {
    if from == 0 {
        let _ = medium.dir.unlink(names::SPARE);
        return medium.dir.create_file(names::SPARE, wanted).map(drop);
    }
    let file = medium.dir.open_file(names::SPARE, true)?;
    sys::preallocate(&file, wanted).inspect_err(|_| {
        // A half-grown spare would keep a full disk full.
        let _ = file.set_len(from);
    })
}
