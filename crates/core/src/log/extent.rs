//! Extents: a value too long for the log, in a file of its own that is written once.

use crate::layout::extent::{Descriptor, KEY_HASH, KEY_HASH_SUM, PREFACE, VALUE_AT};
use crate::layout::file::{HEADER, Header, Kind};
use crate::layout::names;
use crate::layout::segment::SegmentId;
use crate::medium::Medium;
use crate::mem::{Access, LogRegion, Region};
use crate::{Code, Error, Result, sys};
use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;

/// Writes a value to a new file. It counts only once a record names it.
pub(crate) fn write(medium: &Medium, shard: u32, id: SegmentId, hash: u64, value: &[u8]) -> Result<Descriptor> {
    let name = names::extent(shard, id);
    let descriptor = Descriptor { id, len: value.len() as u64, sum: medium.keys.sum(value) };
    let written = write_file(medium, &name, shard, &descriptor, hash, value);
    medium.names_changed.store(true, Ordering::Release);
    match written {
        Ok(()) => Ok(descriptor),
        Err(error) => {
            medium.remove(&name);
            Err(Error::os(format_args!("write a value of {} bytes", value.len()), &error))
        }
    }
}

fn write_file(
    medium: &Medium,
    name: &str,
    shard: u32,
    descriptor: &Descriptor,
    hash: u64,
    value: &[u8],
) -> io::Result<()> {
    let len = VALUE_AT as u64 + descriptor.len;
    let file = medium.create_file(name, len)?;
    let header = Header {
        kind: Kind::Extent,
        shard,
        id: descriptor.id.0,
        length: len,
        file: sys::file_id(&file)?,
        predecessor: 0,
    };
    let mut first = [0; PREFACE];
    first[..HEADER].copy_from_slice(&header.encode(&medium.keys));
    first[KEY_HASH..KEY_HASH_SUM].copy_from_slice(&hash.to_le_bytes());
    let sum = medium.keys.sum(&first[..KEY_HASH_SUM]);
    first[KEY_HASH_SUM..].copy_from_slice(&sum.to_le_bytes());
    sys::write_at(&file, &first, 0)?;
    sys::write_at(&file, value, VALUE_AT as u64)
}

/// Opens an extent for reading. To be called while the record that names it is held by a guard; the open file then
/// outlives the guard.
pub(crate) fn open(medium: &Medium, shard: u32, descriptor: &Descriptor) -> Result<File> {
    let name = names::extent(shard, descriptor.id);
    let opened = medium.dir.open_file(&name, false).and_then(|file| {
        if medium.secure {
            sys::lock_for_reading(&file)?;
        }
        Ok(file)
    });
    opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::file_gone(&name),
        _ => Error::os(format_args!("open {name}"), &error),
    })
}

/// Appends the value to `out`, verified.
pub(crate) fn read(medium: &Medium, file: &File, descriptor: &Descriptor, out: &mut Vec<u8>) -> Result<()> {
    let fail = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => cut_off(),
        _ => Error::os("read an extent", &error),
    };
    // The length is compared before memory is asked for: a damaged descriptor must not take all there is.
    if file.metadata().map_err(fail)?.len() < VALUE_AT as u64 + descriptor.len {
        return Err(cut_off());
    }
    let start = out.len();
    out.resize(start + descriptor.len as usize, 0);
    sys::read_at(file, &mut out[start..], VALUE_AT as u64).map_err(fail)?;
    if medium.keys.sum(&out[start..]) != descriptor.sum {
        out.truncate(start);
        return Err(Error::corrupt("the value in an extent does not match its checksum"));
    }
    Ok(())
}

/// Maps an open extent and verifies it once. The mapping stays whatever becomes of the file's name.
pub(crate) fn map(medium: &Medium, file: &File, descriptor: &Descriptor) -> Result<LogRegion> {
    if medium.secure {
        return copy(medium, file, descriptor);
    }
    verified(medium, file, descriptor, Access::ReadOnly)
}

/// The same in a mapping that can be written to, which nobody else sees. Not where the file may be overwritten under it.
pub(crate) fn map_private(medium: &Medium, file: &File, descriptor: &Descriptor) -> Result<Region> {
    if medium.secure {
        return Err(Error::new(Code::InvalidArgument, "Long values of a map with secureDelete are copied."));
    }
    verified(medium, file, descriptor, Access::Private).map(LogRegion::into_region)
}

#[cold]
fn cut_off() -> Error {
    Error::corrupt("an extent is cut off")
}

fn verified(medium: &Medium, file: &File, descriptor: &Descriptor, access: Access) -> Result<LogRegion> {
    let region = Region::map(file, access).map_err(|error| Error::unmapped("a long value", &error))?;
    let len = region.len();
    if len < VALUE_AT {
        return Err(cut_off());
    }
    let log = LogRegion::new(region, len);
    match log.bytes(VALUE_AT, descriptor.len as usize) {
        None => Err(cut_off()),
        Some(value) if medium.keys.sum(value) != descriptor.sum => {
            Err(Error::corrupt("the value in an extent does not match its checksum"))
        }
        Some(_) => Ok(log),
    }
}

/// The same in memory of one's own, where the file may be overwritten before its last reader has left.
fn copy(medium: &Medium, file: &File, descriptor: &Descriptor) -> Result<LogRegion> {
    let mut value = Vec::new();
    read(medium, file, descriptor, &mut value)?;
    let region = Region::anonymous(VALUE_AT + value.len());
    let log = LogRegion::new(region.map_err(|error| Error::os("reserve memory for a long value", &error))?, 0);
    log.write(VALUE_AT, &value);
    log.publish(VALUE_AT + value.len());
    Ok(log)
}

/// Whether the extent is whole, read in portions. What cannot be read just now is an error, and no damage.
pub(crate) fn verifies(medium: &Medium, shard: u32, descriptor: &Descriptor) -> Result<bool> {
    let file = match open(medium, shard, descriptor) {
        Ok(file) => file,
        Err(error) if error.code() == Code::FileGone => return Ok(false),
        Err(error) => return Err(error),
    };
    matches(medium, &file, descriptor, &mut |_| Ok(()))
}

/// Whether an open extent holds what its descriptor says. Calls `between` after each portion with its bytes; its error ends
/// the reading.
pub(crate) fn matches(
    medium: &Medium,
    file: &File,
    descriptor: &Descriptor,
    between: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<bool> {
    let mut hasher = xxhash_rust::xxh3::Xxh3::with_seed(medium.keys.sum);
    let mut buffer = vec![0; 1 << 20];
    let (mut at, end) = (VALUE_AT as u64, VALUE_AT as u64 + descriptor.len);
    while at < end {
        let part = buffer.len().min((end - at) as usize);
        match sys::read_at(file, &mut buffer[..part], at) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read.map_err(|error| Error::os("read an extent", &error))?,
        }
        hasher.update(&buffer[..part]);
        at += part as u64;
        between(part as u64)?;
    }
    Ok(hasher.digest().max(1) == descriptor.sum)
}

/// For which key an extent was written.
pub(crate) enum WrittenFor {
    Hash(u64),
    /// Its writer died before it began.
    Nobody,
    /// It does not say, or not so that it can be believed.
    Unknown,
}

pub(crate) fn written_for(medium: &Medium, shard: u32, id: SegmentId) -> WrittenFor {
    match medium.dir.open_file(&names::extent(shard, id), false) {
        Ok(file) => key_hash_of(medium, &file, shard, id),
        Err(error) if error.kind() == io::ErrorKind::NotFound => WrittenFor::Nobody,
        // One that cannot be read just now may be anybody's.
        Err(_) => WrittenFor::Unknown,
    }
}

/// The same of an open extent.
pub(crate) fn key_hash_of(medium: &Medium, file: &File, shard: u32, id: SegmentId) -> WrittenFor {
    let mut first = [0; PREFACE];
    if sys::read_at(file, &mut first, 0).is_err() {
        return WrittenFor::Unknown;
    }
    if first == [0; PREFACE] {
        return WrittenFor::Nobody;
    }
    let (head, sum) = first.split_at(KEY_HASH_SUM);
    let header = head.first_chunk().and_then(|head| Header::decode(head, Kind::Extent, &medium.keys));
    match header {
        Some(header) if header.shard == shard && header.id == id.0 && sum == medium.keys.sum(head).to_le_bytes() => {
            WrittenFor::Hash(crate::layout::get_u64(&first, KEY_HASH))
        }
        _ => WrittenFor::Unknown,
    }
}

/// Makes an extent durable; one that is gone was superseded and needs no sync.
pub(crate) fn sync(medium: &Medium, shard: u32, id: SegmentId) -> Result<u64> {
    match medium.dir.open_file(&names::extent(shard, id), false) {
        Ok(file) => {
            sys::sync_file(&file).map_err(|error| Error::sync("sync an extent", &error))?;
            Ok(file.metadata().map_or(0, |found| found.len()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(Error::os("open an extent to sync it", &error)),
    }
}
