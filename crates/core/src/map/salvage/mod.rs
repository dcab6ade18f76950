//! Salvage: whatever verifies of a map that does not open, written to a new one.

mod source;
mod survey;

use super::options::{Options, Sharing};
use super::{Map, codecs};
use crate::control::Control;
use crate::damage::{Damage, Damages};
use crate::durability::report::Reason;
use crate::layout::names;
use crate::sys::Dir;
use crate::{Code, Error, Result};
use source::Source;
use std::path::Path;

/// What [`salvage`] wrote, and what it could not.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Salvage {
    /// Entries in the new map.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Places that do not verify, each a record or more, and entries whose long value does not.
    pub dropped: u64,
    damages: Damages,
}

impl Salvage {
    /// What was dropped, and what else of the log is damaged; of more than 1,000 places the first.
    #[must_use]
    pub fn errors(&self) -> &[Damage] {
        self.damages.list()
    }

    /// All such places, those too that are not listed.
    #[must_use]
    pub fn error_count(&self) -> u64 {
        self.damages.count()
    }
}

/// Writes every record that verifies, out of the directory `from`, into a new map in `to`: of each key the newest one. A
/// checkpoint, `HEAD` and an index are used where they are whole and are not needed: segments are found by their names, and
/// records by their sums. Removals count where their records verify. Where the newest record of a key does not, an older one
/// that does is what is left, so look at [`Salvage::errors`] before you trust it.
///
/// `from` is not changed; it must not be open for writing. `to` must not exist, or be empty; if the call fails nothing is left
/// there. Of the options the codecs, `mode` and `shards` count: codecs must be stated if no checkpoint verifies, since
/// nothing else has their names. Memory: some 60 bytes for each key of a shard, and its largest segment.
///
/// # Errors
/// `ERR_NOT_FOUND`, `ERR_NOT_A_MAP` (there is nothing to salvage), `ERR_LOCKED`, `ERR_CORRUPT` (the key of the checksums is lost,
/// or the codecs' names are and none are stated), `ERR_CODEC_MISMATCH`, `ERR_INVALID_ARGUMENT` (`to` holds something),
/// `ERR_VERSION`, `ERR_NO_SPACE`, `ERR_IO`; `ERR_CLOSED` once `control` is cancelled.
pub fn salvage(from: impl AsRef<Path>, to: impl AsRef<Path>, options: &Options, control: &Control) -> Result<Salvage> {
    options.check()?;
    let to = to.as_ref();
    let source = Source::open(from.as_ref())?;
    let options = target_options(&source, options)?;
    let was_there = check_target(to)?;
    let salvaged = write(&source, to, &options, control);
    if salvaged.is_err() {
        remove(to, was_there);
    }
    salvaged
}

fn write(source: &Source, to: &Path, options: &Options, control: &Control) -> Result<Salvage> {
    let map = Map::open_sharing(to, options, Sharing::Shared)?;
    if map.stats()?.recovery.reason != Reason::Created {
        return Err(taken(to));
    }
    control.begin(source.bytes);
    let mut salvage = Salvage::default();
    for shard in 0..source.segments.len() as u32 {
        survey::shard(source, shard, &mut salvage, control, &mut |key, value| map.put(key, value).map(drop))?;
    }
    map.flush()?;
    map.close()?;
    Ok(salvage)
}

/// What the new map is made with: as the old one, as far as that is known.
fn target_options(source: &Source, options: &Options) -> Result<Options> {
    let mut target = Options {
        create: true,
        read_only: false,
        shards: options.shards.or(Some(source.segments.len() as u32)),
        flush_interval: Some(None),
        recovery: None,
        value_align: source.medium.align as u8,
        ..options.clone()
    };
    match &source.codecs {
        Some((key, value)) => {
            codecs::check(options, key, value)?;
            (target.key_codec, target.value_codec) = (Some(key.clone()), Some(value.clone()));
        }
        None if options.key_codec.is_none() || options.value_codec.is_none() => {
            return Err(Error::new(
                Code::Corrupt,
                "No checkpoint of the map verifies, so the names of its codecs are lost. State both codecs.",
            ));
        }
        None => {}
    }
    Ok(target)
}

/// Whether the directory is there; it must be empty then.
fn check_target(to: &Path) -> Result<bool> {
    match Dir::open(to).and_then(|dir| dir.list()) {
        Ok(names) if names.is_empty() => Ok(true),
        Ok(_) => Err(taken(to)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::os(format_args!("open {}", to.display()), &error)),
    }
}

fn taken(to: &Path) -> Error {
    let shown = to.display();
    Error::new(
        Code::InvalidArgument,
        format!("{shown} is not empty. What is salvaged goes to a directory of its own: choose another."),
    )
}

/// Half a map must not be taken for a whole one.
fn remove(to: &Path, was_there: bool) {
    if let Ok(dir) = Dir::open(to) {
        for name in dir.list().unwrap_or_default() {
            if names::parse(&name).is_some() {
                let _ = dir.unlink(&name);
            }
        }
        if !was_there {
            let _ = std::fs::remove_dir(to);
        }
    }
}
