//! Unix. What POSIX has stands in `dir` and `file`; what each system has its own call for, in a file of its name.

mod dir;
mod file;
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "linux.rs"]
mod system;
#[cfg(target_vendor = "apple")]
#[path = "macos.rs"]
mod system;
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
#[path = "other.rs"]
mod system;

pub(super) use dir::Dir;
pub(super) use file::{check_limit, is_unsupported, lock, read_exact_at, write_all_at};
pub(crate) use file::{identify, is_in_use, lacks_mappings};
pub(crate) use system::{MORE_MAPPINGS, boot_id, fill, prefault, unmap_pages};
pub(super) use system::{allocate, barrier, share_blocks, sync_file};

/// Bytes of a page of memory.
pub(crate) fn page_size() -> usize {
    rustix::param::page_size()
}

/// The 32 digits of a UUID as it is written; all zero if there are fewer.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn uuid(text: &str) -> [u8; 16] {
    let mut id = [0; 16];
    let mut digits = text.bytes().filter_map(|c| (c as char).to_digit(16));
    for byte in &mut id {
        let (Some(high), Some(low)) = (digits.next(), digits.next()) else { return [0; 16] };
        *byte = (high * 16 + low) as u8;
    }
    id
}

#[cfg(all(test, any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod tests {
    #[test]
    fn a_uuid_is_its_digits() {
        let text = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\n";
        assert_eq!(super::uuid(text)[..4], [0x0f, 0x1e, 0x2d, 0x3c]);
        assert_eq!(super::uuid(text)[15], 0xf0);
        assert_eq!(super::uuid("0f1e"), [0; 16]);
    }
}
