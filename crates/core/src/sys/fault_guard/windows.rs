//! `EXCEPTION_IN_PAGE_ERROR`: the device did not give a page of a mapping. A file that is mapped cannot be cut off here, and
//! ours need no room to be written, so nothing else leads to it.
//!
//! It cannot be survived as a SIGBUS can: a view is one thing to the system, and no page of it can be exchanged for another.
//! To unmap the whole view and put memory in its place is two steps, between which another thread may be given the addresses.
//! So the process ends, as the system has it, and the map is as after any death of a process. The handler only says why; whoever
//! looks at faults next, a debugger or a crash reporter, finds them as ever.

use super::of_address;
use std::sync::Once;
use std::sync::atomic::Ordering;
use windows_sys::Win32::Foundation::EXCEPTION_IN_PAGE_ERROR;
use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE};
use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, EXCEPTION_CONTINUE_SEARCH, EXCEPTION_POINTERS,
};

const SENTENCE: &[u8] = b"opendiskmap: the device did not give a page of a mapped file, so the process ends. See to the disk; the map opens as after any kill.\n";

/// Once for the process.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: `handle` has the signature that is asked for and does only what a handler may (see there). Node keeps an addon
        // loaded until the process ends, so the code stays.
        unsafe { AddVectoredExceptionHandler(1, Some(handle)) };
    });
}

unsafe extern "system" fn handle(exception: *mut EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system gives valid pointers to a handler, for as long as it runs.
    let record = unsafe { &*(*exception).ExceptionRecord };
    // By its documentation: how the page was touched, its address, and the device's own error.
    if record.ExceptionCode == EXCEPTION_IN_PAGE_ERROR
        && record.NumberParameters >= 2
        && let Some((entry, _)) = of_address(record.ExceptionInformation[1])
    {
        // Release: partner of the load in `struck`, for the threads that still run.
        entry.struck.store(true, Ordering::Release);
        crate::mem::READERS.note_fault();
        let mut written = 0;
        // SAFETY: the call reads the sentence, which is static, and writes `written`; it takes no lock of ours. A handle that
        // is none makes it fail, which is all the same.
        unsafe {
            WriteFile(
                GetStdHandle(STD_ERROR_HANDLE),
                SENTENCE.as_ptr(),
                SENTENCE.len() as u32,
                &raw mut written,
                std::ptr::null_mut(),
            )
        };
    }
    EXCEPTION_CONTINUE_SEARCH
}
