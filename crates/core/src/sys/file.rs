//! What is done to an open file of a map.

use super::faults::{self, Call};
use super::{FileId, os};
use crate::mem::trace;
use std::fs::File;
use std::io::{self, Read};

/// Which file this is.
pub(crate) fn file_id(file: &File) -> io::Result<FileId> {
    faults::check(Call::Fstat)?;
    os::identify(file)
}

/// Extends the file to `len` with its blocks allocated: a later store into the mapping can then not fail for want of room.
pub(crate) fn preallocate(file: &File, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    os::check_limit(len)?;
    let allocated = faults::check(Call::Fallocate).inspect_err(|_| {
        // As ext4 leaves it: the file is longer, and some of it allocated.
        let _ = file.set_len(len);
    });
    match allocated.and_then(|()| os::allocate(file, len)) {
        Err(error) if os::is_unsupported(&error) => write_zeros(file, file.metadata()?.len(), len),
        allocated => {
            allocated?;
            trace::length(file);
            Ok(())
        }
    }
}

/// Cuts a file, or makes it longer without blocks.
pub(crate) fn set_len(file: &File, len: u64) -> io::Result<()> {
    faults::check(Call::Ftruncate)?;
    file.set_len(len)?;
    trace::length(file);
    Ok(())
}

pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    faults::check(Call::Pwrite)?;
    os::write_all_at(file, bytes, offset)?;
    trace::length(file);
    trace::written(file, offset, bytes);
    Ok(())
}

pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    faults::check(Call::Pread)?;
    os::read_exact_at(file, bytes, offset)
}

fn write_zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; to.saturating_sub(from).min(1 << 20) as usize];
    let mut at = from;
    while at < to {
        let part = zeros.len().min((to - at) as usize);
        write_at(file, &zeros[..part], at)?;
        at += part as u64;
    }
    Ok(())
}

/// Overwrites all of a file with zeros, on the disk too.
pub(crate) fn erase(file: &File) -> io::Result<()> {
    write_zeros(file, 0, file.metadata()?.len())?;
    sync_file(file)
}

/// Says of an open file that it is being read, for as long as it is open.
pub(crate) fn lock_for_reading(file: &File) -> io::Result<()> {
    match os::lock(file, super::Lock::Shared) {
        Ok(false) => Err(io::ErrorKind::WouldBlock.into()),
        locked => locked.map(drop),
    }
}

/// Whether nobody else has it open for reading.
pub(crate) fn lock_alone(file: &File) -> bool {
    os::lock(file, super::Lock::Exclusive).unwrap_or(false)
}

/// Appends up to `len` of a file's next bytes to another, inside the kernel where it can; how many there were.
pub(crate) fn copy_part(mut from: &File, mut to: &File, len: u64) -> io::Result<u64> {
    io::copy(&mut Read::by_ref(&mut from).take(len), &mut to)
}

/// Makes the file's bytes durable.
pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    faults::check(Call::Fdatasync)?;
    let begun = trace::begin_sync();
    os::sync_file(file)?;
    begun.file(file);
    Ok(())
}

/// What was synced on the file system of this file before is on the disk before anything that is written after. A sync
/// promises that by itself but on macOS, where that of a mapping or a directory leaves the bytes in the drive's cache.
pub(crate) fn barrier(file: &File) -> io::Result<()> {
    os::barrier(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_where_it_was_written_and_grows_with_zeros() {
        let file = tempfile::tempfile().unwrap();
        preallocate(&file, 65536).unwrap();
        write_at(&file, b"here", 65532).unwrap();
        preallocate(&file, 3 * 65536).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 3 * 65536);
        let mut bytes = [1; 8];
        read_at(&file, &mut bytes, 65532).unwrap();
        assert_eq!(&bytes, b"here\0\0\0\0");
        assert_eq!(read_at(&file, &mut bytes, 3 * 65536 - 4).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        erase(&file).unwrap();
        read_at(&file, &mut bytes, 65532).unwrap();
        assert_eq!(bytes, [0; 8]);
        barrier(&file).unwrap();
        sync_file(&file).unwrap();
    }

    #[test]
    fn a_file_that_is_read_is_not_had_alone_and_can_be_read_and_written_all_the_same() {
        let temp = tempfile::NamedTempFile::new().unwrap();
        let open = || File::options().read(true).write(true).open(temp.path()).unwrap();
        let (first, second, third) = (open(), open(), open());
        lock_for_reading(&first).unwrap();
        lock_for_reading(&second).unwrap();
        assert!(!lock_alone(&third));
        write_at(&third, b"text", 0).unwrap();
        let mut bytes = [0; 4];
        read_at(&first, &mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"text");
        drop(first);
        assert!(!lock_alone(&third));
        drop(second);
        assert!(lock_alone(&third));
        assert_eq!(lock_for_reading(&open()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
