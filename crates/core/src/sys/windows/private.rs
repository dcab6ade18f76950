//! Directories for their owner alone: what mode 0700 asks for, as an access control list.

use super::{done, wide};
use std::io;
use std::path::Path;
use std::ptr;
use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES};
use windows_sys::Win32::Storage::FileSystem::CreateDirectoryW;

/// Nothing is inherited from above, and all of it by what is inside: full access for the system, for administrators and
/// for the owner. It is what Python's `os.mkdir` makes of mode 0700.
const OWNER_ALONE: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)";

/// With a mode that leaves others nothing the directory is its owner's alone, else as open as the one above it.
pub(super) fn create_dir(path: &Path, mode: u32) -> io::Result<()> {
    let path = wide(path);
    if mode & 0o077 != 0 {
        // SAFETY: the path ends with a zero and outlives the call; null asks for what is inherited.
        return done(unsafe { CreateDirectoryW(path.as_ptr(), ptr::null()) });
    }
    let descriptor = Descriptor::new(OWNER_ALONE)?;
    let attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    };
    // SAFETY: the path ends with a zero; it, the attributes and the descriptor outlive the call.
    done(unsafe { CreateDirectoryW(path.as_ptr(), &raw const attributes) })
}

struct Descriptor(PSECURITY_DESCRIPTOR);

impl Descriptor {
    fn new(text: &str) -> io::Result<Descriptor> {
        let text = wide(text);
        let mut descriptor = ptr::null_mut();
        // SAFETY: the text ends with a zero, and `descriptor` gets memory of its own, which `drop` frees.
        done(unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                ptr::null_mut(),
            )
        })?;
        Ok(Descriptor(descriptor))
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: the call that made it asks for this, and nobody else does it.
        unsafe { LocalFree(self.0) };
    }
}
