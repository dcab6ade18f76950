//! Which run of the system this is.
//!
//! Windows numbers its starts in places that are not documented, or that a power cut can set back, and the time of a start
//! moves when the clock is set. What is documented is that a volatile key of the registry is kept in memory and nowhere else
//! (`RegCreateKeyEx`, `REG_OPTION_VOLATILE`): whatever number is found there was drawn while this system ran. It goes when the
//! user's part of the registry is unloaded, at the latest with the last of his processes; the next process draws another, and
//! a map that was not closed is then rebuilt.

use super::wide;
use std::ptr;
use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_CURRENT_USER, KEY_READ, KEY_WRITE, REG_BINARY, REG_OPTION_VOLATILE, RRF_RT_REG_BINARY, RegCloseKey,
    RegCreateKeyExW, RegGetValueW, RegSetValueExW,
};

/// One key: one below another that is not volatile would be kept apart from it.
const KEY: &str = r"Software\opendiskmap run of the system";
const VALUE: &str = "id";

/// Names this run of the operating system: what a dead process left in the page cache is still there exactly as long as
/// this stays the same. All zero where the system does not say, and then no unclean map is ever trusted.
pub(crate) fn boot_id() -> [u8; 16] {
    let Some(key) = Key::open() else { return [0; 16] };
    if let Some(id) = key.read() {
        return id;
    }
    let mut drawn = [0; 16];
    if getrandom::fill(&mut drawn).is_err() || !key.write(&drawn) {
        return [0; 16];
    }
    // Another process may have drawn one at the same moment: what stands there now is what the next will read.
    key.read().unwrap_or([0; 16])
}

struct Key(HKEY);

impl Key {
    fn open() -> Option<Key> {
        let mut key = ptr::null_mut();
        let name = wide(KEY);
        // SAFETY: `name` ends with a zero and outlives the call, as does `key`, which it fills in; null is allowed for the rest.
        let answer = unsafe {
            RegCreateKeyExW(
                HKEY_CURRENT_USER,
                name.as_ptr(),
                0,
                ptr::null(),
                REG_OPTION_VOLATILE,
                KEY_READ | KEY_WRITE,
                ptr::null(),
                &raw mut key,
                ptr::null_mut(),
            )
        };
        (answer == ERROR_SUCCESS).then_some(Key(key))
    }

    fn read(&self) -> Option<[u8; 16]> {
        let mut id = [0u8; 16];
        let mut len = id.len() as u32;
        let name = wide(VALUE);
        // SAFETY: the key is open, `name` ends with a zero, and the call writes at most `len` bytes to `id`.
        let answer = unsafe {
            RegGetValueW(
                self.0,
                ptr::null(),
                name.as_ptr(),
                RRF_RT_REG_BINARY,
                ptr::null_mut(),
                id.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        (answer == ERROR_SUCCESS && len as usize == id.len()).then_some(id)
    }

    fn write(&self, id: &[u8; 16]) -> bool {
        let name = wide(VALUE);
        // SAFETY: the key is open, `name` ends with a zero, and the call reads the bytes of `id`.
        let answer = unsafe { RegSetValueExW(self.0, name.as_ptr(), 0, REG_BINARY, id.as_ptr(), id.len() as u32) };
        answer == ERROR_SUCCESS
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the key was opened in `open` and is closed here only.
        unsafe { RegCloseKey(self.0) };
    }
}
