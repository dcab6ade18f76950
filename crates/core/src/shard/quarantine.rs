//! Quarantine: a shard whose durable log is damaged is set aside, and all others are served.
//!
//! Nobody can say of which keys the damaged records were. One of them may have been the newest of any key of the shard, or
//! its removal; to serve what verifies would give old values without a word. So every call that needs the shard is told, and
//! nothing of it is touched: its segments stay in the checkpoint's chain as they are, until a salvage or a backup replaces the map.
//! A long value is another matter: its record says whose it is, so only that key is told.

use super::{ASIDE, Shard};
use crate::damage::Damages;
use crate::layout::checkpoint::ShardState;
use crate::layout::names;
use crate::layout::record::HEADER;
use crate::layout::segment::FIRST_RECORD;
use crate::{Code, Error, Result};
use parking_lot::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Default)]
pub(super) struct Quarantine {
    /// Damage is to be listed rather than to keep the map from opening.
    tolerant: AtomicBool,
    /// What the checkpoint says of a shard that is set aside; every later one repeats it.
    state: OnceLock<ShardState>,
    damages: Mutex<Damages>,
}

impl Shard {
    /// Damage of the log that this shard meets while it is opened is listed.
    pub fn tolerate(&self) {
        self.quarantine.tolerant.store(true, Ordering::Relaxed);
    }

    /// Takes damage of one key's long value; `false`: it is to fail the open.
    pub(super) fn tolerates(&self, file: String, offset: usize, key: &[u8]) -> bool {
        let tolerant = self.quarantine.tolerant.load(Ordering::Relaxed);
        if tolerant {
            self.quarantine.damages.lock().add(Code::Corrupt, file, offset as u64, Some(key));
        }
        tolerant
    }

    /// Closes the shard to every call and lists what of its durable log does not verify. Its files stay as they are.
    pub fn set_aside(&self, state: &ShardState) -> Result<()> {
        let mut damages = Damages::default();
        for link in &state.chain {
            let mut add = |at: usize| damages.add(Code::Corrupt, names::segment(self.number, link.id), at as u64, None);
            let segment = match self.log.scan(link.id, 0) {
                Ok(segment) => segment,
                Err(error) if error.code() == Code::Corrupt => {
                    add(0);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let len = segment.log.len();
            let end = len.min(link.end as usize);
            let mut at = FIRST_RECORD;
            while end.saturating_sub(at) >= HEADER {
                match segment.whole(at, end, self.align(), &self.medium.keys) {
                    Some(record) => at += record.len(),
                    None => {
                        add(at);
                        at = segment.next_whole(at, end, self.align(), &self.medium.keys);
                    }
                }
            }
            if link.end > len as u64 {
                add(len);
            }
        }
        *self.quarantine.damages.lock() = damages;
        let _ = self.quarantine.state.set(state.clone());
        self.state.store(ASIDE, Ordering::SeqCst);
        Ok(())
    }

    /// What the open found damaged.
    pub fn damages(&self) -> Damages {
        self.quarantine.damages.lock().clone()
    }

    /// Those of a shard that is set aside, which nobody else can find.
    pub(super) fn set_aside_damages(&self) -> Damages {
        self.quarantine.state.get().map_or_else(Damages::default, |_| self.damages())
    }

    /// What a checkpoint says of a shard that has no files, or none that are served.
    pub(super) fn unserved_state(&self) -> ShardState {
        self.quarantine.state.get().cloned().unwrap_or_default()
    }

    #[cold]
    pub(super) fn set_aside_error(&self) -> Error {
        Error::new(
            Code::Corrupt,
            format!(
                "Shard {} of the map is in quarantine: its log is damaged, and the newest record of any of its keys may be what is lost. See what is damaged in stats(), and write what is whole to a new map with salvage.",
                self.number
            ),
        )
    }
}
