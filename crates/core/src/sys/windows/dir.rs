//! A directory by its path, as its handle tells it. A handle keeps the name: what is open below a directory keeps Windows from
//! renaming or removing it and all that are above it, and the lock of a map is such an open file.

use super::super::dir::{Lock, Use};
use super::super::{FileId, foreign};
use super::{done, file, private, wide};
use crate::layout::names;
use parking_lot::Mutex;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::time::Duration;
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_DIRECTORY, ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED,
    ERROR_SHARING_VIOLATION,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_NOT_CONTENT_INDEXED, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_NAME_NORMALIZED,
    FILE_READ_ATTRIBUTES, FILE_SHARE_READ, FILE_SHARE_WRITE, GetFinalPathNameByHandleW, MOVEFILE_REPLACE_EXISTING,
    MOVEFILE_WRITE_THROUGH, MoveFileExW,
};

/// A file and a directory share reading, writing and deleting with all who open them (which is what `OpenOptions` asks for
/// unless told otherwise), `LOCK` all but deleting.
#[derive(Debug)]
pub(crate) struct Dir {
    handle: File,
    path: PathBuf,
    /// `LOCK`, once it was asked for.
    lock: Mutex<Option<File>>,
}

impl Dir {
    pub fn open(path: &Path) -> io::Result<Dir> {
        Dir::open_as(path, FILE_FLAG_BACKUP_SEMANTICS)
    }

    /// What the flags let be opened, if it is a directory.
    fn open_as(path: &Path, flags: u32) -> io::Result<Dir> {
        let handle = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        if !handle.metadata()?.is_dir() {
            return Err(io::Error::from_raw_os_error(ERROR_DIRECTORY as i32));
        }
        // Some drivers of disks do not say.
        let path = path_of(&handle).or_else(|_| std::path::absolute(path))?;
        Ok(Dir { handle, path, lock: Mutex::new(None) })
    }

    pub fn create(path: &Path, mode: u32) -> io::Result<Dir> {
        let Some(name) = path.file_name() else { return Err(io::ErrorKind::AlreadyExists.into()) };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Dir::open(parent)?.create_dir(name, mode)
    }

    pub fn create_dir(&self, name: &OsStr, mode: u32) -> io::Result<Dir> {
        let path = self.path.join(name);
        private::create_dir(&path, mode)?;
        Dir::open_as(&path, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
    }

    pub fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_dir(self.path.join(name))
    }

    /// Files take over who may use them from their directory.
    pub fn set_mode(&mut self, _: u32) {}

    pub fn set_mode_of(&mut self, _: &str) {}

    pub fn has(&self, name: &OsStr) -> io::Result<bool> {
        match self.path.join(name).symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        self.move_file(from, to, MOVEFILE_WRITE_THROUGH)
    }

    /// With `MOVEFILE_WRITE_THROUGH` the new name is on the disk when this returns. Scanners open what is new for a moment and do
    /// not share it.
    fn move_file(&self, from: &OsStr, to: &OsStr, flags: u32) -> io::Result<()> {
        let [from, to] = [from, to].map(|name| wide(self.path.join(name)));
        for wait in [1, 4, 16, 64, 256] {
            // SAFETY: both paths end with a zero and outlive the call.
            match done(unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), flags) }) {
                Err(error) if is_one_of(&error, &[ERROR_SHARING_VIOLATION, ERROR_ACCESS_DENIED]) => {
                    std::thread::sleep(Duration::from_millis(wait));
                }
                moved => return moved,
            }
        }
        // SAFETY: as above.
        done(unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), flags) })
    }

    pub fn id(&self) -> io::Result<FileId> {
        file::identify(&self.handle)
    }

    /// A directory cannot be locked, so `LOCK` is: nobody can delete or rename it while it is open here.
    pub fn lock(&self, lock: Lock) -> io::Result<bool> {
        let mut held = self.lock.lock();
        let opened = match &*held {
            Some(file) => file.try_clone(),
            None => self.open_lock(lock),
        };
        let opened = match opened {
            // Nobody can write to this volume, so there is nobody to keep out.
            Err(error) if lock == Lock::Shared && error.kind() == io::ErrorKind::ReadOnlyFilesystem => return Ok(true),
            opened => opened?,
        };
        let locked = file::lock(&opened, lock)?;
        if locked {
            *held = Some(opened);
        }
        Ok(locked)
    }

    fn open_lock(&self, lock: Lock) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
        let path = self.path.join(names::LOCK);
        // A reader that may not write here can use the one that a writer has made.
        let opened = match lock {
            Lock::Shared => options.open(&path),
            Lock::Exclusive => Err(io::ErrorKind::NotFound.into()),
        };
        let opened = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => options.write(true).create(true).open(&path)?,
            opened => opened?,
        };
        check(&opened, names::LOCK, false)?;
        Ok(opened)
    }

    pub fn unlock(&self) -> io::Result<()> {
        match self.lock.lock().take() {
            Some(lock) => file::unlock(&lock),
            None => Ok(()),
        }
    }

    pub fn create_file(&self, name: &str) -> io::Result<File> {
        let mut options = self.options();
        options.read(true).write(true).create_new(true).attributes(FILE_ATTRIBUTE_NOT_CONTENT_INDEXED);
        options.open(self.path.join(name))
    }

    pub fn fit(&self, file: &File) -> io::Result<()> {
        file::uncompress(file)
    }

    /// A file that is there takes another's blocks.
    pub fn clone_to(&self, _: &str, _: &File) -> Option<File> {
        None
    }

    pub fn open_file(&self, name: &str, purpose: Use) -> io::Result<File> {
        let mut options = self.options();
        match purpose {
            Use::Read => options.read(true),
            Use::Write => options.read(true).write(true),
            Use::Replace => options.write(true).create(true),
        };
        let path = self.path.join(name);
        let file = match options.open(&path) {
            // So it is said of a directory too.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_dir(&path) => {
                return foreign(name, "is not a regular file");
            }
            opened => opened?,
        };
        check(&file, name, purpose != Use::Read)?;
        Ok(file)
    }

    /// A link is opened itself, and refused later.
    fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
        options
    }

    pub fn again(&self) -> io::Result<Dir> {
        let lock = self.lock.lock().as_ref().map(File::try_clone).transpose()?;
        Ok(Dir { handle: self.handle.try_clone()?, path: self.path.clone(), lock: Mutex::new(lock) })
    }

    /// The name goes at once where the file system can do that (NTFS can), also while the file is open somewhere: all of ours
    /// share that. A file that is mapped cannot be deleted, see `is_in_use`.
    pub fn unlink(&self, name: &str) -> io::Result<()> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_dir(&path) => {
                Err(io::ErrorKind::IsADirectory.into())
            }
            removed => removed,
        }
    }

    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.move_file(from.as_ref(), to.as_ref(), MOVEFILE_WRITE_THROUGH | MOVEFILE_REPLACE_EXISTING)
    }

    /// NTFS keeps its names by a journal, which every flush of a file writes out, and a rename waits for it (see `move_file`): what
    /// a checkpoint names is durable before it is. A directory's own flush is asked for as well; where a file system or
    /// the access rights do not know it, it is left at that.
    pub fn sync(&self) -> io::Result<()> {
        let known = [ERROR_ACCESS_DENIED, ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED];
        let opened = OpenOptions::new().write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(&self.path);
        let Ok(directory) = opened else { return Ok(()) };
        match directory.sync_all() {
            Err(error) if is_one_of(&error, &known) => Ok(()),
            synced => synced,
        }
    }

    pub fn list(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    pub fn file_len(&self, name: &str) -> io::Result<u64> {
        Ok(self.path.join(name).symlink_metadata()?.len())
    }

    pub fn is_gone(&self) -> io::Result<bool> {
        file::is_deleted(&self.handle)
    }

    pub fn look_at(&self, name: &str) -> io::Result<(FileId, u64)> {
        let mut options = OpenOptions::new();
        options.access_mode(FILE_READ_ATTRIBUTES);
        options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS);
        let file = options.open(self.path.join(name))?;
        Ok((file::identify(&file)?, file.metadata()?.len()))
    }

    /// The system has no number of a mount that is not given again.
    pub fn mount_id(&self) -> u64 {
        0
    }

    pub fn network_file_system(&self) -> io::Result<Option<&'static str>> {
        // From wnnc.h.
        const SMB: u32 = 0x0002_0000;
        const NFS: u32 = 0x0042_0000;
        const PLAN_9: u32 = 0x0048_0000;
        Ok(match file::remote_protocol(&self.handle) {
            Some(SMB) => Some("smb"),
            Some(NFS) => Some("nfs"),
            Some(PLAN_9) => Some("9p"),
            Some(_) => Some("of another kind"),
            None => None,
        })
    }
}

/// Refuses what is no file, links of every kind among it, and, for writing, what goes by a second name.
fn check(file: &File, name: &str, write: bool) -> io::Result<()> {
    if !file.metadata()?.is_file() {
        return foreign(name, "is not a regular file");
    }
    if write && file::has_second_name(file)? {
        return foreign(name, "has a second name, a hard link");
    }
    Ok(())
}

fn is_dir(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

fn is_one_of(error: &io::Error, codes: &[u32]) -> bool {
    error.raw_os_error().is_some_and(|code| codes.contains(&(code as u32)))
}

/// Where an open file or directory is, in full and in the form that has no limit of length.
pub(super) fn path_of(file: &File) -> io::Result<PathBuf> {
    let mut path = vec![0u16; 512];
    loop {
        // SAFETY: the handle is open, and the call writes at most as many units as it is told there are.
        let len = unsafe {
            GetFinalPathNameByHandleW(file.as_raw_handle(), path.as_mut_ptr(), path.len() as u32, FILE_NAME_NORMALIZED)
        };
        match len as usize {
            0 => return Err(io::Error::last_os_error()),
            len if len < path.len() => return Ok(OsString::from_wide(&path[..len]).into()),
            len => path.resize(len, 0),
        }
    }
}
