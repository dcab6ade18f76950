//! How a map is to be opened.

use crate::control::Control;
use crate::events::Events;
use crate::layout::checkpoint::{Capacity, Codec};
use crate::layout::{MAX_CODEC_NAME, MAX_CODEC_PARAM, MAX_SHARDS};
use crate::shard::{MAX_CAPACITY_ENTRIES, Share};
use crate::{Code, Error, Result};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const DEFAULT_SHARDS: u32 = 16;
pub(crate) const DEFAULT_FLUSH_INTERVAL: Duration = Duration::from_secs(1);
pub(crate) const DEFAULT_MODE: u32 = 0o700;

/// Who may have the map open in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Any number of handles; a background serves them.
    Shared,
    /// One owner, who does the upkeep inside its own calls.
    Alone,
}

/// Whether an index that may be trusted is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// Trust it after a clean close, and after a kill while the system still runs.
    #[default]
    Auto,
    /// Make it from the log, which verifies every byte of it.
    Full,
}

/// What an open does where the part of the log that was durable is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCorrupt {
    /// It fails with `ERR_CORRUPT`.
    #[default]
    Throw,
    /// It sets the shards aside whose log is damaged, and serves the others.
    Quarantine,
}

/// Options of [`Map::open`](crate::Map::open).
#[derive(Clone, Debug)]
pub struct Options {
    /// Make the map if there is none. Default: true.
    pub create: bool,
    /// Write nothing to any file. Default: false.
    pub read_only: bool,
    /// A power of two up to 64, counted at creation only; a stated, different number is `ERR_OPTIONS_MISMATCH`. Default: 16.
    pub shards: Option<u32>,
    /// How often a changed map is flushed by itself; `Some(None)`: never. Default: every second.
    pub flush_interval: Option<Option<Duration>>,
    /// Default: [`Recovery::Auto`].
    pub recovery: Option<Recovery>,
    /// Default: [`OnCorrupt::Throw`].
    pub on_corrupt: Option<OnCorrupt>,
    /// Overwrite with zeros what held records before it is given back to the disk: see `docs/reliability.md` for what that
    /// covers. Default: false, or what the map is open with.
    pub secure_delete: Option<bool>,
    /// Permissions of the directory, at creation only; files get the same without the search bits. Default: 0o700.
    pub mode: Option<u32>,
    /// The key codec's name and parameter: compared with the stored one if stated.
    pub key_codec: Option<Codec>,
    /// The value codec's name and parameter.
    pub value_codec: Option<Codec>,
    /// What a new map gets where none is stated: key and value. Default: `bytes` and `bytes`.
    pub new_codecs: (Codec, Codec),
    /// What the map is made for, counted at creation only. Default: nothing in particular.
    pub capacity: Option<Capacity>,
    /// Values start at a multiple of this, 8 or 16; at creation only.
    pub value_align: u8,
    /// By which another thread watches an open that makes the index from the log, in bytes of the log, and calls it off: it then
    /// ends with `ERR_CLOSED`, and the next open begins anew. Default: nobody does.
    pub control: Option<Arc<Control>>,
    /// Told what happens to the map while this handle is open; see [`Events`]. Default: nobody is.
    pub events: Option<Arc<Events>>,
    #[doc(hidden)]
    pub hooks: Hooks,
}

/// What tests change and users do not.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Hooks {
    /// A background thread serves the map; without it nothing happens outside calls.
    pub background: bool,
    /// Copied files are taken for the originals.
    pub same_files: bool,
    /// In the place of the system's.
    pub boot_id: Option<[u8; 16]>,
}

impl Default for Hooks {
    fn default() -> Self {
        Hooks { background: true, same_files: false, boot_id: None }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            create: true,
            read_only: false,
            shards: None,
            flush_interval: None,
            recovery: None,
            on_corrupt: None,
            secure_delete: None,
            mode: None,
            key_codec: None,
            value_codec: None,
            new_codecs: (Codec::named("bytes"), Codec::named("bytes")),
            capacity: None,
            value_align: 8,
            control: None,
            events: None,
            hooks: Hooks::default(),
        }
    }
}

impl Options {
    /// Refuses what no map could have, before anything is touched.
    pub(crate) fn check(&self) -> Result<()> {
        let invalid = |message: String| Err(Error::new(Code::InvalidArgument, message));
        if let Some(shards) = self.shards
            && !(shards.is_power_of_two() && shards <= MAX_SHARDS)
        {
            return invalid(format!("shards must be a power of two from 1 to {MAX_SHARDS}, not {shards}."));
        }
        if !matches!(self.value_align, 8 | 16) {
            return invalid(format!("Values can be aligned to 8 or 16 bytes, not {}.", self.value_align));
        }
        if let Some(capacity) = self.capacity {
            let shards = u64::from(self.shards.unwrap_or(DEFAULT_SHARDS));
            if !Share::is_possible(capacity, shards, self.value_align.into()) {
                return invalid(format!(
                    "capacity can be at most {MAX_CAPACITY_ENTRIES} entries and about 800 MiB a shard. Ask for less, or for more shards."
                ));
            }
        }
        if let Some(mode) = self.mode
            && (mode > 0o777 || mode & 0o700 != 0o700)
        {
            return invalid(format!(
                "mode must let the owner read, write and search, like 0o700; 0o{mode:o} does not."
            ));
        }
        if let Some(Some(interval)) = self.flush_interval
            && interval.is_zero()
        {
            return invalid("flushInterval must be at least 1 ms.".into());
        }
        let (new_key, new_value) = (Some(&self.new_codecs.0), Some(&self.new_codecs.1));
        for codec in [self.key_codec.as_ref(), self.value_codec.as_ref(), new_key, new_value].into_iter().flatten() {
            if codec.name.is_empty() || codec.name.len() > MAX_CODEC_NAME {
                return invalid(format!(
                    "A codec's name has 1 to {MAX_CODEC_NAME} bytes; this one has {}.",
                    codec.name.len()
                ));
            }
            if codec.param.len() > MAX_CODEC_PARAM {
                return invalid(format!(
                    "A codec's parameter has at most {MAX_CODEC_PARAM} bytes; this one has {}.",
                    codec.param.len()
                ));
            }
        }
        Ok(())
    }
}
