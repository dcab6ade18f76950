//! An open file.

use super::super::FileId;
use super::super::dir::Lock;
use super::done;
use std::fs::File;
use std::io;
use std::os::windows::fs::{FileExt, MetadataExt};
use std::os::windows::io::AsRawHandle;
use std::ptr;
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_CALL_NOT_IMPLEMENTED, ERROR_COMMITMENT_LIMIT, ERROR_INVALID_FUNCTION,
    ERROR_INVALID_PARAMETER, ERROR_IO_PENDING, ERROR_LOCK_VIOLATION, ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_SUPPORTED,
    ERROR_SHARING_VIOLATION, ERROR_USER_MAPPED_FILE,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ALLOCATION_INFO, FILE_ATTRIBUTE_COMPRESSED, FILE_ID_INFO,
    FILE_REMOTE_PROTOCOL_INFO, FILE_STANDARD_INFO, FileAllocationInfo, FileIdInfo, FileRemoteProtocolInfo,
    FileStandardInfo, GetFileInformationByHandle, GetFileInformationByHandleEx, LOCKFILE_EXCLUSIVE_LOCK,
    LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, SetFileInformationByHandle, UnlockFileEx,
};
use windows_sys::Win32::System::IO::{DeviceIoControl, OVERLAPPED};
use windows_sys::Win32::System::Ioctl::{
    DUPLICATE_EXTENTS_DATA, FSCTL_DUPLICATE_EXTENTS_TO_FILE, FSCTL_SET_COMPRESSION,
};

/// What `GetFileInformationByHandleEx` fills in.
///
/// # Safety
/// All zero is a valid value, and so is whatever the system writes for `CLASS`, which is of this type.
unsafe trait Information {
    const CLASS: i32;
}

// SAFETY: numbers and arrays of them; each class is the type's own by its documentation.
unsafe impl Information for FILE_ID_INFO {
    const CLASS: i32 = FileIdInfo;
}
// SAFETY: as above; its flags are bytes.
unsafe impl Information for FILE_STANDARD_INFO {
    const CLASS: i32 = FileStandardInfo;
}
// SAFETY: as above.
unsafe impl Information for FILE_REMOTE_PROTOCOL_INFO {
    const CLASS: i32 = FileRemoteProtocolInfo;
}

fn information<T: Information>(file: &File) -> io::Result<T> {
    // SAFETY: the handle is open, the call writes at most a `T` of this class, and `Information` promises the rest.
    unsafe {
        let mut found: T = std::mem::zeroed();
        let into = (&raw mut found).cast();
        done(GetFileInformationByHandleEx(file.as_raw_handle(), T::CLASS, into, size_of::<T>() as u32))?;
        Ok(found)
    }
}

/// The volume's serial number and the file's, of which NTFS uses half: the rest, which ReFS uses, is mixed in.
pub(crate) fn identify(file: &File) -> io::Result<FileId> {
    let Ok(found) = information::<FILE_ID_INFO>(file) else { return identify_by_index(file) };
    let (low, high) = found.FileId.Identifier.split_at(8);
    let [low, high] = [low, high].map(|half| u64::from_le_bytes(half.try_into().expect("eight bytes")));
    let inode = low ^ high.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Ok(FileId { device: found.VolumeSerialNumber, inode })
}

/// On file systems without the above, of which FAT is one. There a file that is moved may become another: a map is rebuilt then.
fn identify_by_index(file: &File) -> io::Result<FileId> {
    // SAFETY: all zero is a valid value of this struct of numbers; the handle is open, and the call fills it in.
    let found = unsafe {
        let mut found: BY_HANDLE_FILE_INFORMATION = std::mem::zeroed();
        done(GetFileInformationByHandle(file.as_raw_handle(), &raw mut found))?;
        found
    };
    let inode = u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow);
    Ok(FileId { device: found.dwVolumeSerialNumber.into(), inode })
}

/// Whether other names lead to the file too.
pub(super) fn has_second_name(file: &File) -> io::Result<bool> {
    Ok(information::<FILE_STANDARD_INFO>(file)?.NumberOfLinks > 1)
}

/// Whether it goes as soon as nobody has it open.
pub(super) fn is_deleted(file: &File) -> io::Result<bool> {
    let found: FILE_STANDARD_INFO = information(file)?;
    Ok(found.DeletePending || found.NumberOfLinks == 0)
}

/// The protocol by which it is reached; a local file has none, and the call fails.
pub(super) fn remote_protocol(file: &File) -> Option<u32> {
    information::<FILE_REMOTE_PROTOCOL_INFO>(file).ok().map(|found| found.Protocol)
}

/// No process has a limit for the size of a file.
pub(crate) fn check_limit(_: u64) -> io::Result<()> {
    Ok(())
}

fn code(error: &io::Error) -> u32 {
    error.raw_os_error().unwrap_or(0) as u32
}

/// Whether the error says that the file system, or what stands in for Windows, has no such call.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        code(error),
        ERROR_NOT_SUPPORTED | ERROR_CALL_NOT_IMPLEMENTED | ERROR_INVALID_FUNCTION | ERROR_INVALID_PARAMETER
    )
}

/// Whether the error may say that a file that is to go is mapped, or open by somebody who does not share that.
pub(crate) fn is_in_use(error: &io::Error) -> bool {
    matches!(code(error), ERROR_USER_MAPPED_FILE | ERROR_ACCESS_DENIED | ERROR_SHARING_VIOLATION)
}

/// Whether the error says that no more can be mapped.
pub(crate) fn lacks_mappings(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory
        || matches!(code(error), ERROR_COMMITMENT_LIMIT | ERROR_NO_SYSTEM_RESOURCES)
}

/// A new end of the file takes its clusters at once, but in a compressed or sparse file: ours are neither, see `uncompress`. The
/// allocation is asked for by name all the same, so that a full disk says so before the file is longer.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    // A smaller allocation than the file has would cut it.
    if len > file.metadata()?.len() {
        let wanted = FILE_ALLOCATION_INFO { AllocationSize: len as i64 };
        // SAFETY: the handle is open, and the call reads the information, which is of this class.
        done(unsafe {
            SetFileInformationByHandle(
                file.as_raw_handle(),
                FileAllocationInfo,
                (&raw const wanted).cast(),
                size_of::<FILE_ALLOCATION_INFO>() as u32,
            )
        })?;
    }
    file.set_len(len)
}

/// A file is made compressed in a directory that is, and would then need room at each store.
pub(super) fn uncompress(file: &File) -> io::Result<()> {
    if file.metadata()?.file_attributes() & FILE_ATTRIBUTE_COMPRESSED == 0 {
        return Ok(());
    }
    // COMPRESSION_FORMAT_NONE.
    control(file, FSCTL_SET_COMPRESSION, &0u16)
}

/// A control code that takes a `T` and gives nothing back.
fn control<T: Copy>(file: &File, code: u32, input: &T) -> io::Result<()> {
    let mut returned = 0;
    // SAFETY: the handle is open, and the call reads `input` and writes `returned`, which both outlive it.
    done(unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            code,
            ptr::from_ref(input).cast(),
            size_of::<T>() as u32,
            ptr::null_mut(),
            0,
            &raw mut returned,
            ptr::null_mut(),
        )
    })
}

/// ReFS can, within a volume and in whole clusters; a last part that is none makes it a copy.
pub(crate) fn share_blocks(from: &File, to: &File) -> bool {
    const MOST: u64 = 1 << 30;
    let share = || -> io::Result<()> {
        let len = from.metadata()?.len();
        to.set_len(len)?;
        let mut at = 0;
        while at < len {
            let part = MOST.min(len - at);
            let range = DUPLICATE_EXTENTS_DATA {
                FileHandle: from.as_raw_handle(),
                SourceFileOffset: at as i64,
                TargetFileOffset: at as i64,
                ByteCount: part as i64,
            };
            control(to, FSCTL_DUPLICATE_EXTENTS_TO_FILE, &range)?;
            at += part;
        }
        Ok(())
    };
    let shared = share().is_ok();
    if !shared {
        let _ = to.set_len(0);
    }
    shared
}

/// `FlushFileBuffers`: the file's pages that were written to, its metadata, and the drive's cache.
pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    match file.sync_data() {
        // A handle that only reads may not flush, and the file was perhaps written through another.
        Err(error) if code(&error) == ERROR_ACCESS_DENIED => {
            let path = super::dir::path_of(file)?;
            File::options().write(true).open(path)?.sync_data()
        }
        synced => synced,
    }
}

/// Every flush of a file empties the drive's cache.
pub(crate) fn barrier(_: &File) -> io::Result<()> {
    Ok(())
}

/// Far behind what a file holds: who has locked a byte keeps others from reading and writing it.
const LOCKED: u64 = 1 << 62;

fn locked() -> OVERLAPPED {
    // SAFETY: all zero is a valid OVERLAPPED: no event, and the beginning of the file.
    let mut place: OVERLAPPED = unsafe { std::mem::zeroed() };
    place.Anonymous.Anonymous.OffsetHigh = (LOCKED >> 32) as u32;
    place
}

/// `false`: somebody else holds it. It belongs to what is open, also under a second handle, and goes when that is closed.
pub(crate) fn lock(file: &File, lock: Lock) -> io::Result<bool> {
    let flags = LOCKFILE_FAIL_IMMEDIATELY | if lock == Lock::Exclusive { LOCKFILE_EXCLUSIVE_LOCK } else { 0 };
    let mut place = locked();
    // SAFETY: the handle is open and not asynchronous, so that the call is over when it returns; `place` lives as long.
    match done(unsafe { LockFileEx(file.as_raw_handle(), flags, 0, 1, 0, &raw mut place) }) {
        Err(error) if matches!(code(&error), ERROR_LOCK_VIOLATION | ERROR_IO_PENDING) => Ok(false),
        locked => locked.map(|()| true),
    }
}

pub(super) fn unlock(file: &File) -> io::Result<()> {
    let mut place = locked();
    // SAFETY: as in `lock`.
    done(unsafe { UnlockFileEx(file.as_raw_handle(), 0, 1, 0, &raw mut place) })
}

pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_write(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => (bytes, offset) = (&bytes[written..], offset + written as u64),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.seek_read(&mut bytes[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
