//! The one spare segment of a map: room for tombstones and compaction when the disk is full.

use crate::events::{Event, Grown};
use crate::layout::names;
use crate::medium::Medium;
use crate::{Error, Result, sys};
use parking_lot::Mutex;
use std::io;

/// Guards the file `SPARE`, whose blocks are allocated and never used in place.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the file has now.
    size: u64,
    /// What it has to have: as much as the largest segment. Nothing else may take room before it has.
    whole: u64,
}

impl Spare {
    /// After an open: what the file has. One that a killed process left half-made counts with what it has.
    pub fn find(&self, medium: &Medium) -> Result<()> {
        let size = match medium.dir.open_file(names::SPARE, medium.writable).and_then(|file| file.metadata()) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(Error::os("open the map's spare segment", &error)),
        };
        *self.state.lock() = State { size, whole: size };
        Ok(())
    }

    pub fn size(&self) -> u64 {
        self.state.lock().size
    }

    pub fn is_whole(&self) -> bool {
        let state = self.state.lock();
        state.size >= state.whole
    }

    /// Before a segment of this size is made there is a spare as large: else compaction could not empty it on a full
    /// disk. A spare that is lent out is made whole first.
    pub fn ensure(&self, medium: &Medium, wanted: u64) -> Result<()> {
        let mut state = self.state.lock();
        let wanted = wanted.max(state.whole);
        if state.size >= wanted || !medium.writable {
            return Ok(());
        }
        let began = medium.listeners.began();
        match medium.with_room(|| grow(medium, state.size, wanted)) {
            Ok(()) => {
                *state = State { size: wanted, whole: wanted };
                medium.listeners.tell(began, |duration| Event::Growth {
                    shard: None,
                    duration,
                    bytes: wanted,
                    file: Grown::Spare,
                });
                Ok(())
            }
            Err(error) => Err(Error::os(format_args!("keep a spare segment of {wanted} bytes"), &error)),
        }
    }

    /// The largest segment is smaller now: what the spare has beyond it is given back.
    pub fn fit(&self, medium: &Medium, largest: u64) {
        let mut state = self.state.lock();
        state.whole = largest;
        if state.size > largest && medium.writable {
            let cut = medium.dir.open_file(names::SPARE, true).and_then(|file| sys::set_len(&file, largest));
            if cut.is_ok() {
                state.size = largest;
            }
        }
    }

    /// Lends a part of the spare. `None` while it is not whole: it comes back once a victim was freed.
    pub fn take<T>(&self, medium: &Medium, wanted: u64, adopt: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        let mut state = self.state.lock();
        if state.size < state.whole.max(wanted) {
            return Ok(None);
        }
        let adopted = adopt().inspect_err(|_| {
            // It may have been cut already.
            state.size = medium.dir.file_len(names::SPARE).unwrap_or(0);
        })?;
        // The rest is kept: only what the victim gives back will be missing then.
        let rest = state.size - wanted;
        state.size = if rest == 0 || grow(medium, 0, rest).is_err() { 0 } else { rest };
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
        let _ = sys::set_len(&file, from);
    })
}
