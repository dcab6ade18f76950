//! The map as its users see it: a handle that checks its arguments and routes each key to its shard.

pub(crate) mod background;
mod backup;
mod batch;
#[cfg(test)]
mod capacity_test;
mod codecs;
mod conditional;
mod cursor;
mod flusher;
#[cfg(test)]
mod hash_dos_test;
mod instance;
mod options;
mod pins;
#[cfg(test)]
mod recovery_test;
mod registry;
#[cfg(feature = "negative-controls")]
mod rigs;
mod salvage;
mod stats;
mod verify;
mod views;
mod windows;

pub use crate::layout::checkpoint::{Capacity, Codec};
pub use backup::BackupProgress;
pub use batch::Progress;
pub use conditional::{Amount, NumberType};
pub use cursor::{Cursor, Iter, Page};
pub(crate) use options::Sharing;
pub use options::{Hooks, OnCorrupt, Options, Recovery};
pub use pins::Held;
pub(crate) use pins::{Pins, Shared};
pub use registry::Identity;
pub use salvage::{Salvage, salvage};
pub use stats::Stats;
pub use verify::Verification;
pub use views::{Sight, ViewCursor};
pub use windows::{Window, Windows};

use crate::control::Control;
use crate::durability::report::Recovery as Recovered;
use crate::events::Events;
use crate::layout::record::Type;
use crate::layout::{MAX_INLINE_VALUE, MAX_KEY, MAX_VALUE};
use crate::shard::{Body, Change, Changed, Effort, Expect, Found, Keep, OpenExtent, Shard};
use crate::{Code, Error, Result};
use instance::Instance;
use registry::Place;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// On a full disk another shard may have been lent the spare between its coming back and the next try.
const DELETE_ATTEMPTS: usize = 8;

/// A handle of an open map. Any number of threads may use it at once; a clone is another handle of the same map.
///
/// Dropping a handle closes it; [`close`](Map::close) says whether that worked.
#[derive(Debug)]
pub struct Map {
    instance: Arc<Instance>,
    place: Arc<Place>,
    read_only: bool,
    /// This handle's open is the one that opened the map.
    opener: bool,
    events: Option<Arc<Events>>,
    closed: AtomicBool,
}

impl Clone for Map {
    fn clone(&self) -> Map {
        // A handle that is closed meanwhile has closed clones.
        let closed = self.closed.load(Ordering::Acquire) || !self.place.join(&self.instance);
        let events = self.events.clone().filter(|_| !closed);
        let map = Map {
            instance: Arc::clone(&self.instance),
            place: Arc::clone(&self.place),
            read_only: self.read_only,
            opener: false,
            events,
            closed: AtomicBool::new(closed),
        };
        map.listen();
        map
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl Map {
    /// Opens the map in a directory of its own, or joins it if this process has it open.
    ///
    /// # Errors
    /// `ERR_INVALID_ARGUMENT`, `ERR_NOT_FOUND`, `ERR_NOT_A_MAP`, `ERR_LOCKED`, `ERR_FS_UNSUPPORTED`, `ERR_VERSION`,
    /// `ERR_CODEC_MISMATCH`, `ERR_OPTIONS_MISMATCH`, `ERR_CORRUPT`, `ERR_NO_SPACE`, `ERR_IO`.
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Map> {
        Map::open_sharing(path.as_ref(), options, Sharing::Shared)
    }

    pub(crate) fn open_sharing(path: &Path, options: &Options, sharing: Sharing) -> Result<Map> {
        let (instance, place, opener) = registry::open(path, options, sharing)?;
        Ok(Map::over(instance, place, options, opener))
    }

    /// Joins the map that a handle of this process was asked its [`identity`](Map::identity), as long as one of its handles is
    /// open. Opens and makes nothing: of the options only `read_only` and what must match count.
    ///
    /// # Errors
    /// `ERR_CLOSED` if that map is closed, also when its directory was opened again since; `ERR_INVALID_ARGUMENT`,
    /// `ERR_CODEC_MISMATCH`, `ERR_OPTIONS_MISMATCH`, `ERR_LOCKED` as in [`open`](Map::open).
    pub fn attach(identity: &Identity, options: &Options) -> Result<Map> {
        let (instance, place) = registry::attach(identity, options)?;
        Ok(Map::over(instance, place, options, false))
    }

    fn over(instance: Arc<Instance>, place: Arc<Place>, options: &Options, opener: bool) -> Map {
        let events = options.events.clone();
        let map = Map { instance, place, read_only: options.read_only, opener, events, closed: AtomicBool::new(false) };
        map.listen();
        map
    }

    fn listen(&self) {
        if let Some(events) = &self.events {
            let Instance { path, number, medium, .. } = &*self.instance;
            medium.listeners.join(events, path, *number, self.recovered());
        }
    }

    /// What this handle's open recovered: `None` if the map had been closed or was made, or if the handle joined a map that was
    /// open. The map's [`stats`](Map::stats) tell every handle.
    #[must_use]
    pub fn recovered(&self) -> Option<&Recovered> {
        Some(&self.instance.recovery).filter(|recovery| self.opener && recovery.had_to_recover())
    }

    /// What [`attach`](Map::attach) finds this map by.
    ///
    /// # Errors
    /// `ERR_CLOSED`.
    pub fn identity(&self) -> Result<Identity> {
        Ok(self.place.identity(self.instance()?))
    }

    /// Values start at a multiple of this in this map.
    pub(crate) fn value_align(&self) -> usize {
        self.instance.medium.align
    }

    /// Shards of the map.
    pub(crate) fn shard_count(&self) -> usize {
        self.instance.shards.len()
    }

    /// Whether [`upkeep`](Map::upkeep) would do anything.
    pub(crate) fn wants_upkeep(&self) -> bool {
        self.instance.medium.work.load(Ordering::Relaxed)
    }

    /// For the sole owner of a map: one step of what a background would do, if a change asked for it.
    pub(crate) fn upkeep(&self) {
        self.instance.upkeep();
    }

    #[inline]
    fn instance(&self) -> Result<&Instance> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::new(Code::Closed, "The map is closed. Open it again to use it."));
        }
        Ok(&self.instance)
    }

    #[inline]
    fn hashed(&self, key: &[u8]) -> Result<(&Instance, u64)> {
        let instance = self.instance()?;
        check_key(key)?;
        Ok((instance, instance.medium.keys.hash(key)))
    }

    fn writable(&self) -> Result<&Instance> {
        let instance = self.instance()?;
        if self.read_only {
            return Err(Error::new(
                Code::ReadOnly,
                "The map was opened with readOnly: true. Open it for writing to change it.",
            ));
        }
        Ok(instance)
    }

    /// Copies the key's value to `out`, in the place of what is there, and returns its sequence number; `None` for a miss.
    ///
    /// # Errors
    /// `ERR_CORRUPT`, `ERR_CLOSED`, `ERR_POISONED`, `ERR_IO`.
    #[inline]
    pub fn read_into(&self, key: &[u8], out: &mut Vec<u8>) -> Result<Option<u64>> {
        out.clear();
        let mut sink = |bytes: &[u8]| out.extend_from_slice(bytes);
        match self.read_with(key, &mut sink)? {
            None => Ok(None),
            Some((seq, None)) => Ok(Some(seq)),
            Some((seq, Some(extent))) => {
                extent.append_to(out)?;
                Ok(Some(seq))
            }
        }
    }

    /// Shows an inline value's bytes to `sink`, which must only copy them, and hands a long value out as an open extent.
    #[inline]
    pub fn read_with<'a>(
        &'a self,
        key: &[u8],
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<(u64, Option<Extent<'a>>)>> {
        let (instance, hash) = self.hashed(key)?;
        let shard = instance.shard(hash);
        shard.read(hash, key, |found, seq| match found {
            Found::Inline(bytes) => {
                sink(bytes);
                (seq, None)
            }
            Found::Extent(open) => (seq, Some(Extent { shard, open })),
        })
    }

    /// The key's value, copied.
    ///
    /// # Errors
    /// As [`read_into`](Map::read_into).
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut out = Vec::new();
        Ok(self.read_into(key, &mut out)?.map(|_| out))
    }

    /// # Errors
    /// As [`read_into`](Map::read_into).
    pub fn contains_key(&self, key: &[u8]) -> Result<bool> {
        let (instance, hash) = self.hashed(key)?;
        instance.shard(hash).contains(hash, key)
    }

    /// Stores a value; whether the key was new.
    ///
    /// # Errors
    /// `ERR_TOO_LARGE`, `ERR_NO_SPACE`, `ERR_READ_ONLY`, `ERR_CORRUPT`, `ERR_CLOSED`, `ERR_POISONED`, `ERR_IO`; nothing is changed then.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        Ok(self.store(self.hashed(key)?.1, key, value, Expect::Any, Keep::Nothing)?.0 == Change::Inserted)
    }

    /// Removes a key; whether it was there.
    ///
    /// # Errors
    /// As [`put`](Map::put).
    pub fn remove(&self, key: &[u8]) -> Result<bool> {
        Ok(self.delete(self.hashed(key)?.1, key, Expect::Any, Keep::Nothing)?.0 == Change::Removed)
    }

    /// Stores (`Some`) or removes (`None`) if the key's sequence number is `expected`, `None` for an absent key. `false`: it
    /// is another, and nothing changed.
    ///
    /// # Errors
    /// As [`put`](Map::put).
    pub fn swap(&self, key: &[u8], expected: Option<u64>, value: Option<&[u8]>) -> Result<bool> {
        let (_, hash) = self.hashed(key)?;
        let (change, _) = match value {
            Some(value) => self.store(hash, key, value, Expect::Seq(expected), Keep::Nothing)?,
            None => self.delete(hash, key, Expect::Seq(expected), Keep::Nothing)?,
        };
        Ok(change != Change::Lost)
    }

    fn store(&self, hash: u64, key: &[u8], value: &[u8], expect: Expect, keep: Keep) -> Result<Changed> {
        let instance = self.writable()?;
        if value.len() > MAX_VALUE {
            return Err(Error::new(
                Code::TooLarge,
                format!("A value has at most {MAX_VALUE} bytes once encoded; this one has {}.", value.len()),
            ));
        }
        let shard = instance.shard(hash);
        if value.len() <= MAX_INLINE_VALUE {
            let body = Body { kind: Type::Put, value };
            return match shard.put(hash, key, body, expect, keep) {
                // Nobody else frees what is dead when no background does.
                Err(error) if error.code() == Code::NoSpace && !instance.background => {
                    instance.make_room().map_err(|_| error)?;
                    shard.put(hash, key, body, expect, keep)
                }
                stored => stored,
            };
        }
        let descriptor = shard.write_extent(hash, value)?;
        let bytes = descriptor.encode();
        let stored = shard.put(hash, key, Body { kind: Type::PutExtent, value: &bytes }, expect, keep);
        let recorded = matches!(stored, Ok((Change::Inserted | Change::Updated, _)));
        shard.settle_extent(descriptor.id, recorded);
        stored
    }

    fn delete(&self, hash: u64, key: &[u8], expect: Expect, keep: Keep) -> Result<Changed> {
        let instance = self.writable()?;
        let shard = instance.shard(hash);
        for _ in 1..DELETE_ATTEMPTS {
            match shard.remove(hash, key, expect, keep) {
                // The spare is lent out: it comes back once its victim is freed, by this call or by the background's turn.
                Err(error) if error.code() == Code::NoSpace => match instance.make_room() {
                    Err(error) if error.code() == Code::NoSpace => std::thread::sleep(Duration::from_millis(5)),
                    made => made?,
                },
                removed => return removed,
            }
        }
        shard.remove(hash, key, expect, keep)
    }

    /// Entries in the map.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.instance.len()
    }

    /// The same, or the error if the file that says so was cut off under the open map.
    ///
    /// # Errors
    /// `ERR_IO`.
    pub fn try_len(&self) -> Result<u64> {
        let len = self.len();
        self.instance.check_pages().map(|()| len)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries up to which the map was made to grow without making a file or splitting a table: the smallest power of two
    /// that is neither below the capacity asked for nor below [`len`](Map::len). `compact` gives that room back, `clear` its
    /// tables.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        let entries = self.instance.medium.capacity.entries.max(self.len());
        Capacity { entries, bytes: 0 }.rounded_entries()
    }

    /// Removes every entry.
    ///
    /// # Errors
    /// As [`put`](Map::put).
    pub fn clear(&self) -> Result<()> {
        self.writable()?.clear()
    }

    /// Makes everything that was written before the call durable.
    ///
    /// # Errors
    /// `ERR_IO` (from then on the map only reads), `ERR_FILE_GONE`, `ERR_NO_SPACE`, `ERR_CLOSED`.
    pub fn flush(&self) -> Result<()> {
        self.instance()?.flush()
    }

    /// Rewrites what holds dead bytes, joins half-empty tables, and gives the room back. Runs in the calling thread; others
    /// go on meanwhile. Ends with `ERR_CLOSED` when this handle is closed.
    ///
    /// # Errors
    /// As [`flush`](Map::flush).
    pub fn compact(&self) -> Result<()> {
        self.compact_with(&Control::default())
    }

    /// The same, called off by another thread. What was moved by then stays moved.
    ///
    /// # Errors
    /// As [`compact`](Map::compact), and `ERR_CLOSED` once `control` is cancelled.
    pub fn compact_with(&self, control: &Control) -> Result<()> {
        let instance = self.writable()?;
        let step = |effort| {
            control.proceed(0)?;
            self.writable()?.step(effort)
        };
        instance.medium.check_writable()?;
        instance.forget_rest()?;
        if instance.medium.secure {
            // What was removed before the call is to be gone after it, whatever that costs.
            instance.shards.iter().try_for_each(Shard::choose_to_erase)?;
            while step(Effort::Erase)? {}
            instance.forget_rest()?;
        }
        while step(Effort::Full)? {}
        control.proceed(0)?;
        self.writable()?.shrink()
    }

    /// One step of what the background would do; `false`: nothing is left.
    #[doc(hidden)]
    pub fn compact_step(&self) -> Result<bool> {
        self.writable()?.step(Effort::Bound)
    }

    /// The map's codecs, as they were stored when it was made.
    #[must_use]
    pub fn codecs(&self) -> (&Codec, &Codec) {
        self.instance.codecs()
    }

    /// What the map holds and uses.
    ///
    /// # Errors
    /// `ERR_CLOSED`.
    pub fn stats(&self) -> Result<Stats> {
        let stats = Stats::of(self.instance()?);
        self.instance.check_pages().map(|()| stats)
    }

    /// Whether this handle was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Ends this handle; the map's last one makes everything durable and marks it clean. A second call does nothing.
    ///
    /// # Errors
    /// `ERR_IO`, `ERR_FILE_GONE`, `ERR_NO_SPACE`: the handle is closed all the same, and the next open reads the log.
    pub fn end(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let left = self.place.leave(&self.instance);
        if let Some(events) = &self.events {
            self.instance.medium.listeners.leave(events);
        }
        left
    }

    /// [`end`](Map::end), for a handle of one's own.
    ///
    /// # Errors
    /// As [`end`](Map::end).
    pub fn close(self) -> Result<()> {
        self.end()
    }
}

fn check_key(key: &[u8]) -> Result<()> {
    if key.len() > MAX_KEY {
        return Err(Error::new(
            Code::TooLarge,
            format!("A key has at most {MAX_KEY} bytes once encoded; this one has {}.", key.len()),
        ));
    }
    Ok(())
}

/// A long value, found and not read yet. It stays readable whatever is written meanwhile.
#[derive(Debug)]
pub struct Extent<'a> {
    shard: &'a Shard,
    open: Box<OpenExtent>,
}

impl Extent<'_> {
    /// Bytes of the value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.descriptor.len as usize
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads and verifies the value.
    ///
    /// # Errors
    /// `ERR_CORRUPT`, `ERR_IO`.
    pub fn append_to(&self, out: &mut Vec<u8>) -> Result<()> {
        self.shard.read_extent(&self.open.file, &self.open.descriptor, out)
    }
}
