//! A directory by its descriptor: everything goes through it, so a renamed directory stays the same map.

use super::super::dir::{Lock, Use};
use super::super::{FileId, foreign};
use super::{file, system};
use rustix::fs::{self as rfs, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// The lock is a `flock` on the descriptor, so that nobody can delete it.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
    file_mode: Mode,
}

/// Of files, until somebody asks for more.
const PRIVATE: Mode = Mode::from_raw_mode(0o600);

impl Dir {
    pub fn open(path: &Path) -> io::Result<Dir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Dir { fd: rfs::open(path, flags, Mode::empty())?, file_mode: PRIVATE })
    }

    pub fn create(path: &Path, mode: u32) -> io::Result<Dir> {
        Dir::make(rfs::CWD, path.as_os_str(), mode)
    }

    pub fn create_dir(&self, name: &OsStr, mode: u32) -> io::Result<Dir> {
        Dir::make(self.fd.as_fd(), name, mode)
    }

    fn make(parent: BorrowedFd<'_>, name: &OsStr, mode: u32) -> io::Result<Dir> {
        rfs::mkdirat(parent, name, raw(mode | 0o700))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rfs::openat(parent, name, flags, Mode::empty())?;
        // The umask may have taken from what was asked for.
        rfs::fchmod(&fd, raw(mode))?;
        Ok(Dir { fd, file_mode: PRIVATE })
    }

    pub fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        Ok(rfs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?)
    }

    pub fn set_mode(&mut self, mode: u32) {
        self.file_mode = raw(mode & 0o666);
    }

    pub fn set_mode_of(&mut self, name: &str) {
        if let Ok(stat) = self.stat(name) {
            self.set_mode(file::mode(&stat));
        }
    }

    fn stat(&self, name: &str) -> io::Result<rfs::Stat> {
        Ok(rfs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    pub fn has(&self, name: &OsStr) -> io::Result<bool> {
        match rfs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        match system::rename_new(self.fd.as_fd(), from, to) {
            // The kernel, or the file system, does not know how.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            renamed => return Ok(renamed?),
        }
        if self.has(to)? {
            return Err(Errno::EXIST.into());
        }
        Ok(rfs::renameat(&self.fd, from, &self.fd, to)?)
    }

    pub fn id(&self) -> io::Result<FileId> {
        Ok(file::id(&rfs::fstat(&self.fd)?))
    }

    pub fn lock(&self, lock: Lock) -> io::Result<bool> {
        file::lock(self.fd.as_fd(), lock)
    }

    pub fn unlock(&self) -> io::Result<()> {
        Ok(rfs::flock(&self.fd, rfs::FlockOperation::Unlock)?)
    }

    pub fn create_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rfs::openat(&self.fd, name, flags, self.file_mode)?))
    }

    /// openat applies the umask, which may only take away; the stated mode is what the map promises.
    pub fn fit(&self, file: &File) -> io::Result<()> {
        Ok(rfs::fchmod(file, self.file_mode)?)
    }

    pub fn clone_to(&self, name: &str, from: &File) -> Option<File> {
        system::clone_to(self.fd.as_fd(), name, from)?;
        // A clone that cannot be used is no clone; its place is free for a copy.
        let clone = self.open_file(name, Use::Write).and_then(|file| self.fit(&file).map(|()| file));
        clone.inspect_err(|_| drop(self.unlink(name))).ok()
    }

    /// A pipe would be waited for, without `NONBLOCK` already here.
    pub fn open_file(&self, name: &str, purpose: Use) -> io::Result<File> {
        let flags = match purpose {
            Use::Read => OFlags::RDONLY,
            Use::Write => OFlags::RDWR,
            Use::Replace => OFlags::WRONLY | OFlags::CREATE,
        };
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match rfs::openat(&self.fd, name, flags, self.file_mode) {
            Ok(fd) => match rfs::fstat(&fd)? {
                stat if !rfs::FileType::from_raw_mode(stat.st_mode).is_file() => foreign(name, "is not a regular file"),
                stat if purpose != Use::Read && stat.st_nlink > 1 => foreign(name, "has a second name, a hard link"),
                _ => Ok(File::from(fd)),
            },
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => foreign(name, "is not a regular file"),
            Err(error) => Err(error.into()),
        }
    }

    pub fn again(&self) -> io::Result<Dir> {
        Ok(Dir { fd: self.fd.try_clone()?, file_mode: self.file_mode })
    }

    pub fn unlink(&self, name: &str) -> io::Result<()> {
        match rfs::unlinkat(&self.fd, name, AtFlags::empty()) {
            // POSIX has this for a directory, and Linux has `ISDIR`.
            Err(Errno::PERM) if self.stat(name).is_ok_and(|stat| is_dir(&stat)) => Err(Errno::ISDIR.into()),
            unlinked => Ok(unlinked?),
        }
    }

    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rfs::renameat(&self.fd, from, &self.fd, to)?)
    }

    pub fn sync(&self) -> io::Result<()> {
        system::sync_dir(self.fd.as_fd())
    }

    pub fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rfs::Dir::read_from(&self.fd)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name).to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    pub fn file_len(&self, name: &str) -> io::Result<u64> {
        Ok(self.stat(name)?.st_size as u64)
    }

    pub fn is_gone(&self) -> io::Result<bool> {
        Ok(rfs::fstat(&self.fd)?.st_nlink == 0)
    }

    pub fn look_at(&self, name: &str) -> io::Result<(FileId, u64)> {
        let stat = self.stat(name)?;
        Ok((file::id(&stat), stat.st_size as u64))
    }

    pub fn mount_id(&self) -> u64 {
        system::mount_id(self.fd.as_fd())
    }

    pub fn network_file_system(&self) -> io::Result<Option<&'static str>> {
        system::network_file_system(self.fd.as_fd())
    }
}

/// Systems have kinds of `mode_t`, and permissions fit into each.
fn raw(mode: u32) -> Mode {
    Mode::from_bits_truncate((mode & 0o777) as rfs::RawMode)
}

fn is_dir(stat: &rfs::Stat) -> bool {
    rfs::FileType::from_raw_mode(stat.st_mode).is_dir()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_created_file_has_its_blocks_and_is_its_owners_alone() {
        let temp = tempfile::tempdir().unwrap();
        let dir = crate::sys::Dir::open(temp.path()).unwrap();
        let meta = dir.create_file("f", 65536).unwrap().metadata().unwrap();
        assert_eq!(meta.len(), 65536);
        assert!(meta.blocks() * 512 >= 65536);
        assert_eq!(meta.mode() & 0o777, 0o600);
    }
}
