//! A directory of a map, held open: all its files are reached through it.

use super::faults::{self, Call};
use super::{FileId, file, os};
use crate::mem::trace;
use crate::rules::{Rule, holds};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// An open directory. Closing it gives up its lock, and so does the death of the process: the system keeps the lock on
/// what is open, so a killed owner leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Dir(os::Dir);

/// What `Dir::lock` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    Exclusive,
    Shared,
}

/// What a file of the map is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
    /// The same, and it is made if it is not there.
    Replace,
}

impl Dir {
    /// Files made in it are for their owner alone unless told otherwise.
    pub fn open(path: &Path) -> io::Result<Dir> {
        faults::check(Call::Openat)?;
        os::Dir::open(path).map(Dir)
    }

    /// Makes the directory; the mode is applied as stated, whatever the umask.
    pub fn create(path: &Path, mode: u32) -> io::Result<Dir> {
        faults::check(Call::Mkdir)?;
        os::Dir::create(path, mode).map(Dir)
    }

    /// Makes a directory in this one, for its owner alone whatever the umask.
    pub fn create_dir(&self, name: &OsStr) -> io::Result<Dir> {
        self.0.create_dir(name, 0o700).map(Dir)
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        self.0.remove_dir(name)
    }

    /// Files made from here on are as open as a directory of this mode, without its search bits.
    pub fn set_mode(&mut self, mode: u32) {
        self.0.set_mode(mode);
    }

    /// Files made from here on are as open as this one.
    pub fn set_mode_of(&mut self, name: &str) {
        self.0.set_mode_of(name);
    }

    /// Whether anything goes by this name, a link that leads nowhere included.
    pub fn has(&self, name: &OsStr) -> io::Result<bool> {
        self.0.has(name)
    }

    /// Gives a directory a name that nothing else has.
    pub fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        self.0.rename_new(from, to)
    }

    pub fn id(&self) -> io::Result<FileId> {
        self.0.id()
    }

    /// `false`: somebody else holds it.
    pub fn lock(&self, lock: Lock) -> io::Result<bool> {
        faults::check(Call::Flock)?;
        self.0.lock(lock)
    }

    /// Gives the lock up before the directory closes, for a map whose last users are still leaving.
    pub fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }

    /// A new file with all its blocks allocated. What fails is taken back: a half-allocated file would keep a full disk full.
    pub fn create_file(&self, name: &str, len: u64) -> io::Result<File> {
        faults::check(Call::Openat)?;
        let file = self.0.create_file(name)?;
        trace::created(name, &file);
        match self.0.fit(&file).and_then(|()| file::preallocate(&file, len)) {
            Ok(()) => Ok(file),
            Err(error) => {
                if holds(Rule::TakeBack) {
                    let _ = file::set_len(&file, 0);
                    let _ = self.unlink(name);
                }
                Err(error)
            }
        }
    }

    /// A new file, and whether it shares the blocks of all of `from` now. Else it is empty.
    pub fn create_clone(&self, name: &str, from: &File) -> io::Result<(File, bool)> {
        if let Some(file) = self.0.clone_to(name, from) {
            return Ok((file, true));
        }
        let file = self.create_file(name, 0)?;
        let shared = os::share_blocks(from, &file);
        Ok((file, shared))
    }

    /// A file of the map, unless somebody has put something else in its place: no link is followed, and what is no file is
    /// refused. So is, for writing, a file that goes by a second name: what is written here would show there.
    pub fn open_file(&self, name: &str, write: bool) -> io::Result<File> {
        faults::check(Call::Openat)?;
        self.0.open_file(name, if write { Use::Write } else { Use::Read })
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
        faults::check(Call::Openat)?;
        let mut file = self.0.open_file(name, Use::Replace)?;
        trace::created(name, &file);
        file::set_len(&file, 0)?;
        faults::check(Call::Pwrite)?;
        os::check_limit(bytes.len() as u64)?;
        file.write_all(bytes)?;
        trace::length(&file);
        trace::written(&file, 0, bytes);
        Ok(())
    }

    /// The same directory once more. It shares the lock, which is gone only when both are.
    pub fn again(&self) -> io::Result<Dir> {
        self.0.again().map(Dir)
    }

    pub fn unlink(&self, name: &str) -> io::Result<()> {
        faults::check(Call::Unlink)?;
        self.0.unlink(name)?;
        trace::unlinked(name);
        Ok(())
    }

    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        faults::check(Call::Rename)?;
        self.0.rename(from, to)?;
        trace::renamed(from, to);
        Ok(())
    }

    /// Makes created, renamed and deleted names durable.
    pub fn sync(&self) -> io::Result<()> {
        faults::check(Call::Fsync)?;
        let begun = trace::begin_sync();
        self.0.sync()?;
        begun.names();
        Ok(())
    }

    /// A name that is not UTF-8 is not ours; its lossy form says so as well.
    pub fn list(&self) -> io::Result<Vec<String>> {
        faults::check(Call::Getdents)?;
        self.0.list()
    }

    pub fn file_len(&self, name: &str) -> io::Result<u64> {
        faults::check(Call::Fstat)?;
        self.0.file_len(name)
    }

    /// Whether somebody deleted the directory under the open map.
    pub fn is_gone(&self) -> io::Result<bool> {
        self.0.is_gone()
    }

    pub fn file_id_of(&self, name: &str) -> io::Result<FileId> {
        Ok(self.look_at(name)?.0)
    }

    /// Which file a name leads to now, and how long it is.
    pub fn look_at(&self, name: &str) -> io::Result<(FileId, u64)> {
        faults::check(Call::Fstat)?;
        self.0.look_at(name)
    }

    /// The system's number of this mount, where it has one: a file system that was unmounted and mounted again may have
    /// lost pages although device, inode and boot id are the same. 0: it does not say.
    pub fn mount_id(&self) -> u64 {
        self.0.mount_id()
    }

    /// The name of a file system on which several machines may change the files behind our back.
    pub fn network_file_system(&self) -> io::Result<Option<&'static str>> {
        self.0.network_file_system()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_opens_it_again_cannot_take_the_lock() {
        let temp = tempfile::tempdir().unwrap();
        let first = Dir::open(temp.path()).unwrap();
        let second = Dir::open(temp.path()).unwrap();
        assert!(first.lock(Lock::Exclusive).unwrap());
        assert!(!second.lock(Lock::Shared).unwrap());
        let again = first.again().unwrap();
        drop(first);
        assert!(!second.lock(Lock::Exclusive).unwrap(), "the lock is gone only when both are");
        drop(again);
        assert!(second.lock(Lock::Exclusive).unwrap());
        second.unlock().unwrap();
        let readers = [(); 2].map(|()| Dir::open(temp.path()).unwrap());
        assert!(readers.iter().all(|reader| reader.lock(Lock::Shared).unwrap()));
        assert!(!second.lock(Lock::Exclusive).unwrap());
    }

    #[test]
    fn a_file_is_the_same_under_every_open_and_a_copy_is_another() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let file = dir.create_file("f", 65536).unwrap();
        let (id, len) = dir.look_at("f").unwrap();
        assert_eq!(len, 65536);
        assert_eq!(file::file_id(&file).unwrap(), id);
        assert_eq!(file::file_id(&dir.open_file("f", false).unwrap()).unwrap(), id);
        std::fs::copy(temp.path().join("f"), temp.path().join("g")).unwrap();
        assert_ne!(dir.file_id_of("g").unwrap(), id);
        dir.rename("f", "h").unwrap();
        assert_eq!(dir.file_id_of("h").unwrap(), id);
        assert!(dir.create_file("h", 1).is_err(), "an existing file is never taken over");
    }

    #[test]
    fn what_is_no_file_is_not_opened_as_one_and_a_directory_is_not_unlinked() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        dir.create_dir(OsStr::new("d")).unwrap();
        assert!(crate::sys::is_foreign(&dir.open_file("d", false).unwrap_err()));
        assert!(crate::sys::is_foreign(&dir.open_file("d", true).unwrap_err()));
        assert_eq!(dir.unlink("d").unwrap_err().kind(), io::ErrorKind::IsADirectory);
        dir.create_file("f", 1).unwrap();
        std::fs::hard_link(temp.path().join("f"), temp.path().join("g")).unwrap();
        assert!(dir.open_file("g", false).is_ok());
        assert!(crate::sys::is_foreign(&dir.open_file("g", true).unwrap_err()));
        assert_eq!(dir.open_file("h", false).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_new_name_takes_nobodys_place() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let [from, to] = ["from", "to"].map(OsStr::new);
        dir.create_dir(from).unwrap();
        dir.create_dir(to).unwrap();
        assert!(dir.rename_new(from, to).is_err());
        dir.remove_dir(to).unwrap();
        dir.rename_new(from, to).unwrap();
        assert!(dir.has(to).unwrap() && !dir.has(from).unwrap());
    }

    #[test]
    fn a_clone_holds_what_its_original_does_where_it_shares_blocks() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let from = dir.create_file("from", 65536).unwrap();
        file::write_at(&from, b"held", 100).unwrap();
        let (to, shared) = dir.create_clone("to", &from).unwrap();
        assert_eq!(to.metadata().unwrap().len(), if shared { 65536 } else { 0 });
        if shared {
            let mut bytes = [0; 4];
            file::read_at(&to, &mut bytes, 100).unwrap();
            assert_eq!(&bytes, b"held");
        }
    }

    #[test]
    fn the_boot_id_stays_while_the_system_runs() {
        assert_eq!(os::boot_id(), os::boot_id());
        if cfg!(any(target_os = "linux", target_os = "macos", windows)) {
            assert_ne!(os::boot_id(), [0; 16]);
        }
    }
}
