//! SIGBUS. The handler puts a page of zeros in the place of the one that faulted and takes a note, so that the call goes on to
//! its end, where it finds the note and fails. Every other fault goes to the handler that was there before.

use super::of_address;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// Set once, before the handler is installed.
static PREVIOUS: OnceLock<(libc::sigaction, usize)> = OnceLock::new();

/// Once for the process.
pub(super) fn install() {
    PREVIOUS.get_or_init(|| {
        // SAFETY:
        // - a zeroed sigaction is a valid one, and both pointers are of this frame;
        // - `handle` has the signature that SA_SIGINFO asks for, and does only what a handler may (see there). Node keeps
        //   an addon loaded until the process ends, so the code stays.
        unsafe {
            let mut previous: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut previous);
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handle as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut());
            (previous, rustix::param::page_size())
        }
    });
}

extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives a valid siginfo to a handler with SA_SIGINFO; si_addr is set for what is not sent by a process.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    if code >= MISSING && strike(address) {
        return;
    }
    pass_on(signal, code, info, context);
}

/// `BUS_ADRERR`: no physical memory behind the address, of a file that ends before it, of a device that fails, of a disk that is
/// full. Not an unaligned access, and nothing that a process has sent.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MISSING: c_int = 2;
/// The other kernels do not keep to the codes: that of arm64 macOS calls every SIGBUS unaligned. We touch words where they are
/// aligned, so the address alone says it.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const MISSING: c_int = 1;
/// Whether the code tells what a process has sent.
const TELLS_SENDERS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Puts zeros in the place of the page, if it is ours.
fn strike(address: usize) -> bool {
    let Some((entry, writable)) = of_address(address) else { return false };
    // A fault between the two lines that set `PREVIOUS` and the handler can be of nobody's mapping.
    let Some(&(_, page)) = PREVIOUS.get() else { return false };
    // The note first: who sees the zeros, in whichever thread, finds it. Release: partner of the load in `struck`.
    entry.struck.store(true, Ordering::Release);
    crate::mem::READERS.note_fault();
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    let access = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
    let start = (address & !(page - 1)) as *mut c_void;
    // SAFETY:
    // - the page lies in a mapping of ours that the faulting thread is using, so nobody unmaps it meanwhile; mappings start
    //   and end on pages, so nothing else is replaced;
    // - what other threads read there changes to zeros, as it does when the file's bytes do: they find the note, too;
    // - mmap is one system call without locks, which a handler may make.
    unsafe { mmap_anonymous(start, page, access, MapFlags::PRIVATE | MapFlags::FIXED).is_ok() }
}

/// What had happened without this handler.
fn pass_on(signal: c_int, code: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let Some((previous, _)) = PREVIOUS.get() else { return };
    let sent = code <= 0 || !TELLS_SENDERS;
    match previous.sa_sigaction {
        libc::SIG_IGN if code <= 0 => {}
        // Back in the program the same access faults again, without a handler; what a process sent, or may have, is sent again.
        // SAFETY: `signal` and `raise` are async-signal-safe.
        libc::SIG_DFL | libc::SIG_IGN => unsafe {
            libc::signal(signal, libc::SIG_DFL);
            if sent {
                libc::raise(signal);
            }
        },
        handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: an action with SA_SIGINFO holds a function of this signature, which takes what the kernel gave.
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                unsafe { std::mem::transmute(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: an action without SA_SIGINFO that is neither default nor ignored holds a function of this signature.
            let handler: extern "C" fn(c_int) = unsafe { std::mem::transmute(handler) };
            handler(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::{Access, Region};
    use crate::sys::fault_guard::struck;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use std::sync::atomic::AtomicUsize;

    fn page() -> usize {
        rustix::param::page_size()
    }

    fn cut_file(pages: usize) -> std::fs::File {
        let file = tempfile::tempfile().unwrap();
        file.set_len((pages * page()) as u64).unwrap();
        file
    }

    #[test]
    fn a_page_that_is_gone_reads_as_zeros_and_its_owner_finds_out() {
        let file = cut_file(4);
        let region = Region::map(&file, Access::Shared).unwrap();
        let other = Region::map(&file, Access::Shared).unwrap();
        region.set_owner(u64::MAX - 1);
        other.set_owner(u64::MAX - 2);
        region.store(3 * page(), 7);
        let before = crate::mem::READERS.faults();
        file.set_len(page() as u64).unwrap();
        assert_eq!(region.load(3 * page()), 0);
        region.store(3 * page(), 8);
        assert_eq!(region.load(3 * page()), 8, "the page is this mapping's own");
        region.store(0, 9);
        assert_eq!(other.load(0), 9, "pages that are there stay the file's");
        assert!(crate::mem::READERS.faults() > before);
        assert!(struck([u64::MAX - 1, 0]));
        assert!(!struck([u64::MAX - 2, u64::MAX - 3]));
        drop(region);
        assert!(!struck([u64::MAX - 1, u64::MAX - 3]), "an entry that is used again starts over");
    }

    /// Run again as a process of its own, for it must die.
    fn dies_of_sigbus(name: &str) {
        let test = format!("sys::fault_guard::handler::tests::{name}");
        let ended = Command::new(std::env::current_exe().unwrap())
            .args([&test, "--exact", "--nocapture", "--test-threads=1"])
            .env("ODM_TEST_DIES", "1")
            .output()
            .unwrap();
        assert_eq!(ended.status.signal(), Some(libc::SIGBUS), "{}", String::from_utf8_lossy(&ended.stderr));
    }

    fn is_to_die() -> bool {
        std::env::var_os("ODM_TEST_DIES").is_some()
    }

    #[test]
    fn a_fault_in_a_mapping_of_somebody_else_ends_the_process_as_ever() {
        if !is_to_die() {
            return dies_of_sigbus("a_fault_in_a_mapping_of_somebody_else_ends_the_process_as_ever");
        }
        let file = cut_file(2);
        let _ours = Region::map(&file, Access::Shared).unwrap();
        let theirs = memmap2::MmapRaw::map_raw(&file).unwrap();
        file.set_len(0).unwrap();
        // SAFETY: the pointer is to the start of a mapping; that the read faults is what is tested.
        println!("{}", unsafe { theirs.as_ptr().read_volatile() });
    }

    #[test]
    fn a_signal_that_a_process_sends_ends_this_one_as_ever() {
        if !is_to_die() {
            return dies_of_sigbus("a_signal_that_a_process_sends_ends_this_one_as_ever");
        }
        // Rust's own handler, which looks for stack overflows, would swallow the first; Node has none.
        // SAFETY: neither has preconditions.
        unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
        let _ours = Region::map(&cut_file(1), Access::Shared).unwrap();
        // SAFETY: as above.
        unsafe { libc::raise(libc::SIGBUS) };
    }

    static CALLED: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn earlier(_: c_int) {
        CALLED.fetch_add(1, Ordering::Relaxed);
        std::process::exit(42);
    }

    #[test]
    fn the_handler_that_was_there_gets_what_is_not_ours() {
        if !is_to_die() {
            let ended = Command::new(std::env::current_exe().unwrap())
                .args([
                    "sys::fault_guard::handler::tests::the_handler_that_was_there_gets_what_is_not_ours",
                    "--exact",
                    "--test-threads=1",
                ])
                .env("ODM_TEST_DIES", "1")
                .output()
                .unwrap();
            return assert_eq!(ended.status.code(), Some(42));
        }
        // SAFETY: `earlier` has the signature of a handler.
        unsafe { libc::signal(libc::SIGBUS, earlier as extern "C" fn(c_int) as libc::sighandler_t) };
        let file = cut_file(2);
        let region = Region::map(&file, Access::Shared).unwrap();
        let theirs = memmap2::MmapRaw::map_raw(&file).unwrap();
        file.set_len(0).unwrap();
        assert_eq!(region.load(0), 0, "ours is not passed on");
        assert_eq!(CALLED.load(Ordering::Relaxed), 0);
        // SAFETY: the pointer is to the start of a mapping; that the read faults is what is tested.
        println!("{}", unsafe { theirs.as_ptr().read_volatile() });
    }
}
