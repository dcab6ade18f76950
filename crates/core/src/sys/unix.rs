//! Unix: everything goes through a descriptor of the map's directory, so a renamed directory stays the same map.

use super::FileId;
use super::faults::{self, Call};
use crate::mem::trace;
use crate::rules::{Rule, holds};
use rustix::fs::{self as rfs, AtFlags, FlockOperation, Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// An open directory. Closing it gives up its lock, and so does the death of the process: the kernel keeps the lock on
/// the open descriptor, so a killed owner leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
    file_mode: Mode,
}

/// What `Dir::lock` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    Exclusive,
    Shared,
}

impl Dir {
    /// Files made in it are for their owner alone unless told otherwise.
    pub fn open(path: &Path) -> io::Result<Dir> {
        faults::check(Call::Openat)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Dir { fd: rfs::open(path, flags, Mode::empty())?, file_mode: Mode::from_raw_mode(0o600) })
    }

    /// Files made from here on are as open as a directory of this mode, without its search bits.
    pub fn set_mode(&mut self, mode: u32) {
        self.file_mode = Mode::from_raw_mode(mode & 0o666);
    }

    /// The permissions of a file.
    pub fn mode_of(&self, name: &str) -> io::Result<u32> {
        Ok(rfs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode & 0o777)
    }

    /// Makes the directory; the mode is applied as stated, whatever the umask.
    pub fn create(path: &Path, mode: u32) -> io::Result<Dir> {
        faults::check(Call::Mkdir)?;
        Dir::make(rfs::CWD, path.as_os_str(), mode)
    }

    fn make(parent: BorrowedFd<'_>, name: &OsStr, mode: u32) -> io::Result<Dir> {
        rfs::mkdirat(parent, name, Mode::from_raw_mode(mode | 0o700))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rfs::openat(parent, name, flags, Mode::empty())?;
        // The umask may have taken from what was asked for.
        rfs::fchmod(&fd, Mode::from_raw_mode(mode))?;
        Ok(Dir { fd, file_mode: Mode::from_raw_mode(0o600) })
    }

    /// Makes a directory in this one, for its owner alone whatever the umask.
    pub fn create_dir(&self, name: &OsStr) -> io::Result<Dir> {
        Dir::make(self.fd.as_fd(), name, 0o700)
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        Ok(rfs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?)
    }

    /// Whether anything goes by this name, a link that leads nowhere included.
    pub fn has(&self, name: &OsStr) -> io::Result<bool> {
        match rfs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a directory a name that nothing else has.
    pub fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "macos"))]
        match rfs::renameat_with(&self.fd, from, &self.fd, to, rfs::RenameFlags::NOREPLACE) {
            // The kernel, or the file system, does not know the flag.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {}
            renamed => return Ok(renamed?),
        }
        if self.has(to)? {
            return Err(rustix::io::Errno::EXIST.into());
        }
        Ok(rfs::renameat(&self.fd, from, &self.fd, to)?)
    }

    pub fn id(&self) -> io::Result<FileId> {
        let stat = rfs::fstat(&self.fd)?;
        Ok(FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 })
    }

    /// `false`: somebody else holds it.
    pub fn lock(&self, lock: Lock) -> io::Result<bool> {
        let operation = match lock {
            Lock::Exclusive => FlockOperation::NonBlockingLockExclusive,
            Lock::Shared => FlockOperation::NonBlockingLockShared,
        };
        faults::check(Call::Flock)?;
        match rfs::flock(&self.fd, operation) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the lock up before the descriptor closes, for a map whose last users are still leaving.
    pub fn unlock(&self) -> io::Result<()> {
        Ok(rfs::flock(&self.fd, FlockOperation::Unlock)?)
    }

    /// A new file with all its blocks allocated. What fails is taken back: a half-allocated file would keep a full disk full.
    pub fn create_file(&self, name: &str, len: u64) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        faults::check(Call::Openat)?;
        let file = File::from(rfs::openat(&self.fd, name, flags, self.file_mode)?);
        trace::created(name, &file);
        // openat applies the umask, which may only take away; the stated mode is what the map promises.
        let made = rfs::fchmod(&file, self.file_mode).map_err(io::Error::from).and_then(|()| preallocate(&file, len));
        match made {
            Ok(()) => Ok(file),
            Err(error) => {
                if holds(Rule::TakeBack) {
                    let _ = set_len(&file, 0);
                    let _ = self.unlink(name);
                }
                Err(error)
            }
        }
    }

    /// A file of the map, unless somebody has put something else in its place.
    pub fn open_file(&self, name: &str, write: bool) -> io::Result<File> {
        self.open_regular(name, if write { OFlags::RDWR } else { OFlags::RDONLY })
    }

    /// No link is followed, and what is no file is refused: a pipe would be waited for, without `NONBLOCK` already here. So is,
    /// for writing, a file that goes by a second name: what is written here would show there.
    fn open_regular(&self, name: &str, flags: OFlags) -> io::Result<File> {
        use rustix::io::Errno;
        let foreign = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, format!("{name} {what}")));
        let writes = flags.intersects(OFlags::RDWR | OFlags::WRONLY);
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        faults::check(Call::Openat)?;
        match rfs::openat(&self.fd, name, flags, self.file_mode) {
            Ok(fd) => match rfs::fstat(&fd)? {
                stat if !rfs::FileType::from_raw_mode(stat.st_mode).is_file() => foreign("is not a regular file"),
                stat if writes && stat.st_nlink > 1 => foreign("has a second name, a hard link"),
                _ => Ok(File::from(fd)),
            },
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => foreign("is not a regular file"),
            Err(error) => Err(error.into()),
        }
    }

    /// The first bytes of a file, at most so many: its length may be anything.
    pub fn read_start(&self, name: &str, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = self.open_file(name, false)?;
        faults::check(Call::Pread)?;
        file.take(most as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Replaces a small file in place; nothing durable hangs on it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.open_regular(name, OFlags::WRONLY | OFlags::CREATE)?;
        trace::created(name, &file);
        set_len(&file, 0)?;
        faults::check(Call::Pwrite)?;
        check_limit(bytes.len() as u64)?;
        file.write_all(bytes)?;
        trace::length(&file);
        trace::written(&file, 0, bytes);
        Ok(())
    }

    /// The same directory under another descriptor. It shares the lock, which is gone only when both are.
    pub fn again(&self) -> io::Result<Dir> {
        Ok(Dir { fd: self.fd.try_clone()?, file_mode: self.file_mode })
    }

    pub fn unlink(&self, name: &str) -> io::Result<()> {
        faults::check(Call::Unlink)?;
        rfs::unlinkat(&self.fd, name, AtFlags::empty())?;
        trace::unlinked(name);
        Ok(())
    }

    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        faults::check(Call::Rename)?;
        rfs::renameat(&self.fd, from, &self.fd, to)?;
        trace::renamed(from, to);
        Ok(())
    }

    /// Makes created, renamed and deleted names durable.
    pub fn sync(&self) -> io::Result<()> {
        faults::check(Call::Fsync)?;
        let begun = trace::begin_sync();
        rfs::fsync(&self.fd)?;
        begun.names();
        Ok(())
    }

    pub fn list(&self) -> io::Result<Vec<String>> {
        faults::check(Call::Getdents)?;
        let mut names = Vec::new();
        for entry in rfs::Dir::read_from(&self.fd)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                // A name that is not UTF-8 is not ours; its lossy form says so as well.
                names.push(OsString::from_vec(name).to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    pub fn file_len(&self, name: &str) -> io::Result<u64> {
        faults::check(Call::Fstat)?;
        Ok(rfs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?.st_size as u64)
    }

    /// Whether somebody deleted the directory under the open map.
    pub fn is_gone(&self) -> io::Result<bool> {
        Ok(rfs::fstat(&self.fd)?.st_nlink == 0)
    }

    pub fn file_id_of(&self, name: &str) -> io::Result<FileId> {
        Ok(self.look_at(name)?.0)
    }

    /// Which file a name leads to now, and how long it is.
    pub fn look_at(&self, name: &str) -> io::Result<(FileId, u64)> {
        faults::check(Call::Fstat)?;
        let stat = rfs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 }, stat.st_size as u64))
    }

    /// The kernel's number of this mount, where it has one: a file system that was unmounted and mounted again may have
    /// lost pages although device, inode and boot id are the same.
    pub fn mount_id(&self) -> u64 {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::StatxFlags;
            // STATX_MNT_ID_UNIQUE: never reused while the system runs, unlike STATX_MNT_ID.
            let unique = StatxFlags::from_bits_retain(0x4000);
            if let Ok(stat) = rfs::statx(&self.fd, "", AtFlags::EMPTY_PATH, unique)
                && stat.stx_mask & 0x4000 != 0
            {
                return stat.stx_mnt_id;
            }
        }
        0
    }

    /// The name of a file system on which several machines may change the files behind our back.
    pub fn network_file_system(&self) -> io::Result<Option<&'static str>> {
        #[cfg(target_os = "linux")]
        {
            let kind = rfs::fstatfs(&self.fd)?.f_type as u32;
            Ok(network_name(kind))
        }
        #[cfg(not(target_os = "linux"))]
        Ok(None)
    }
}

#[cfg(target_os = "linux")]
fn network_name(kind: u32) -> Option<&'static str> {
    // The magic numbers of linux/magic.h and of the file systems' own headers.
    Some(match kind {
        0x6969 => "nfs",
        0x517B => "smb",
        0xFE53_4D42 => "smb2",
        0xFF53_4D42 => "cifs",
        0x0102_1997 => "9p",
        0x00C3_6400 => "ceph",
        0x5346_414F => "afs",
        0x7375_7245 => "coda",
        0x564C => "ncp",
        0x0BD0_0BD0 => "lustre",
        _ => return None,
    })
}

pub(crate) fn file_id(file: &File) -> io::Result<FileId> {
    faults::check(Call::Fstat)?;
    let stat = rfs::fstat(file.as_fd())?;
    Ok(FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 })
}

/// Beyond the process's limit for the size of a file the kernel sends SIGXFSZ, which ends whoever does not ignore it. So it is
/// not asked.
fn check_limit(len: u64) -> io::Result<()> {
    match rustix::process::getrlimit(rustix::process::Resource::Fsize).current {
        Some(limit) if len > limit => Err(rustix::io::Errno::FBIG.into()),
        _ => Ok(()),
    }
}

/// Extends the file to `len` with its blocks allocated: a later store into the mapping can then not fail for want of room.
pub(crate) fn preallocate(file: &File, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    check_limit(len)?;
    #[cfg(target_os = "linux")]
    {
        let allocated = match faults::check(Call::Fallocate) {
            // Interrupted by a signal it has done nothing, or a part that the next call finds done.
            Ok(()) => rustix::io::retry_on_intr(|| rfs::fallocate(file, rfs::FallocateFlags::empty(), 0, len)),
            Err(error) => {
                // As ext4 leaves it: the file is longer, and some of it allocated.
                let _ = file.set_len(len);
                Err(rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO))
            }
        };
        match allocated {
            Ok(()) => {
                trace::length(file);
                return Ok(());
            }
            Err(rustix::io::Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let zeros = [0u8; 65536];
    let mut at = file.metadata()?.len();
    while at < len {
        let part = zeros.len().min((len - at) as usize);
        write_at(file, &zeros[..part], at)?;
        at += part as u64;
    }
    Ok(())
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
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)?;
    trace::length(file);
    trace::written(file, offset, bytes);
    Ok(())
}

pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    faults::check(Call::Pread)?;
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Overwrites all of a file with zeros, on the disk too.
pub(crate) fn erase(file: &File) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let (mut at, len) = (0, file.metadata()?.len());
    while at < len {
        let part = zeros.len().min((len - at) as usize);
        write_at(file, &zeros[..part], at)?;
        at += part as u64;
    }
    sync_file(file)
}

/// Says of an open file that it is being read, for as long as it is open.
pub(crate) fn lock_for_reading(file: &File) -> io::Result<()> {
    Ok(rfs::flock(file, FlockOperation::NonBlockingLockShared)?)
}

/// Whether nobody else has it open for reading.
pub(crate) fn lock_alone(file: &File) -> bool {
    rfs::flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Makes a file share another one's blocks; `false` where the two file systems cannot.
pub(crate) fn clone_file(from: &File, to: &File) -> bool {
    #[cfg(target_os = "linux")]
    return rfs::ioctl_ficlone(to, from).is_ok();
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (from, to);
        false
    }
}

/// Appends up to `len` of a file's next bytes to another, inside the kernel where it can; how many there were.
pub(crate) fn copy_part(mut from: &File, mut to: &File, len: u64) -> io::Result<u64> {
    io::copy(&mut Read::by_ref(&mut from).take(len), &mut to)
}

/// Makes the file's bytes durable.
pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    faults::check(Call::Fdatasync)?;
    let begun = trace::begin_sync();
    file.sync_data()?;
    begun.file(file);
    Ok(())
}

/// Names this run of the operating system: what a dead process left in the page cache is still there exactly as long as
/// this stays the same. All zero where the system does not say, and then no unclean map is ever trusted.
pub(crate) fn boot_id() -> [u8; 16] {
    #[cfg(target_os = "linux")]
    {
        if let Ok(text) = std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
            let mut id = [0; 16];
            let mut digits = text.bytes().filter_map(|c| (c as char).to_digit(16));
            for byte in &mut id {
                let (Some(high), Some(low)) = (digits.next(), digits.next()) else { return [0; 16] };
                *byte = (high * 16 + low) as u8;
            }
            return id;
        }
    }
    #[cfg(target_os = "macos")]
    {
        if let Ok(output) = std::process::Command::new("/usr/sbin/sysctl").args(["-n", "kern.bootsessionuuid"]).output()
        {
            let mut id = [0; 16];
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let mut digits = text.chars().filter_map(|c| c.to_digit(16));
            for byte in &mut id {
                let (Some(high), Some(low)) = (digits.next(), digits.next()) else { return [0; 16] };
                *byte = (high * 16 + low) as u8;
            }
            return id;
        }
    }
    [0; 16]
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_magic_numbers() {
        assert_eq!(network_name(0x6969), Some("nfs"));
        assert_eq!(network_name(0xFF53_4D42), Some("cifs"));
        assert_eq!(network_name(0xEF53), None, "ext4 is local");
        assert_eq!(network_name(0x0102_1994), None, "tmpfs is local");
    }

    #[test]
    fn a_second_descriptor_cannot_take_the_lock() {
        let temp = tempfile::tempdir().unwrap();
        let first = Dir::open(temp.path()).unwrap();
        let second = Dir::open(temp.path()).unwrap();
        assert!(first.lock(Lock::Exclusive).unwrap());
        assert!(!second.lock(Lock::Shared).unwrap());
        drop(first);
        assert!(second.lock(Lock::Exclusive).unwrap());
    }

    #[test]
    fn a_created_file_has_its_blocks() {
        use std::os::unix::fs::MetadataExt;
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let file = dir.create_file("f", 65536).unwrap();
        let meta = file.metadata().unwrap();
        assert_eq!(meta.len(), 65536);
        assert!(meta.blocks() * 512 >= 65536);
        assert_eq!(meta.mode() & 0o777, 0o600);
        assert!(dir.create_file("f", 1).is_err(), "an existing file is never taken over");
    }
}

/// Bytes of a page of memory.
pub(crate) fn page_size() -> usize {
    rustix::param::page_size()
}
