//! SIGBUS in a mapping of ours: the file was cut off by somebody, the device does not give a page, or a file system that
//! copies on write has no room for one. The handler puts a page of zeros in the place of the one that faulted and takes a
//! note, so that the call goes on to its end, where it finds the note and fails. Every other fault goes to the handler
//! that was there before.
//!
//! All that the handler touches is atomics in memory that is never freed. It takes no lock and allocates nothing.

use parking_lot::Mutex;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};

/// A mapping, as the handler sees it. Never freed; another mapping gets it when this one is gone.
#[derive(Debug)]
struct Entry {
    /// Odd while the entry changes. The thread that faults uses its mapping, so the entry of that one stands still.
    version: AtomicUsize,
    start: AtomicUsize,
    len: AtomicUsize,
    writable: AtomicBool,
    owner: AtomicU64,
    struck: AtomicBool,
    /// Written before the entry is linked, and then never again.
    next: AtomicPtr<Entry>,
}

/// The newest entry; the others follow by their links.
static ENTRIES: AtomicPtr<Entry> = AtomicPtr::new(ptr::null_mut());
static UNUSED: Mutex<Vec<&'static Entry>> = Mutex::new(Vec::new());
/// Set once, before the handler is installed.
static PREVIOUS: OnceLock<(libc::sigaction, usize)> = OnceLock::new();

/// A mapping that is watched for as long as this lives. To be dropped before it is unmapped.
#[derive(Debug)]
pub(crate) struct Watch(&'static Entry);

impl Watch {
    pub fn new(start: usize, len: usize, writable: bool) -> Watch {
        install();
        let entry = UNUSED.lock().pop().unwrap_or_else(add);
        entry.change(|| {
            entry.start.store(start, Ordering::Relaxed);
            entry.len.store(len, Ordering::Relaxed);
            entry.writable.store(writable, Ordering::Relaxed);
        });
        Watch(entry)
    }

    /// Who is to be told.
    pub fn set_owner(&self, owner: u64) {
        // Release: partner of the load in `struck`. Whoever faults from here on is its owner's.
        self.0.owner.store(owner, Ordering::Release);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.change(|| {
            self.0.len.store(0, Ordering::Relaxed);
            self.0.owner.store(0, Ordering::Relaxed);
            self.0.struck.store(false, Ordering::Relaxed);
        });
        UNUSED.lock().push(self.0);
    }
}

/// Whether a page of one of these owners' mappings was replaced.
pub(crate) fn struck(owners: [u64; 2]) -> bool {
    // Acquire: partners of the stores in `strike` and `set_owner`.
    entries().any(|entry| entry.struck.load(Ordering::Acquire) && owners.contains(&entry.owner.load(Ordering::Acquire)))
}

impl Entry {
    /// By the holder of the entry's watch, or of an entry that has none.
    fn change(&self, change: impl FnOnce()) {
        self.version.fetch_add(1, Ordering::AcqRel);
        // Release: partner of the fence in `holds`; the version is odd before anything else changes.
        fence(Ordering::Release);
        change();
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Whether the address lies in the mapping, and whether that may be written. An entry that changes meanwhile is not the
    /// one of the mapping that a running thread uses.
    fn holds(&self, address: usize) -> Option<bool> {
        // Acquire: partner of the last store in `change`.
        let version = self.version.load(Ordering::Acquire);
        let (start, len) = (self.start.load(Ordering::Relaxed), self.len.load(Ordering::Relaxed));
        let writable = self.writable.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let still = version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
        (still && address.wrapping_sub(start) < len).then_some(writable)
    }
}

fn add() -> &'static Entry {
    let entry: &'static Entry = Box::leak(Box::new(Entry {
        version: AtomicUsize::new(0),
        start: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
        writable: AtomicBool::new(false),
        owner: AtomicU64::new(0),
        struck: AtomicBool::new(false),
        next: AtomicPtr::new(ptr::null_mut()),
    }));
    let linked = ptr::from_ref(entry).cast_mut();
    // AcqRel: partner of the load in `entries`, which sees a whole entry.
    let _ = ENTRIES.fetch_update(Ordering::AcqRel, Ordering::Acquire, |first| {
        entry.next.store(first, Ordering::Relaxed);
        Some(linked)
    });
    entry
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    // Acquire: partner of the exchange in `add`.
    let mut at = ENTRIES.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        // SAFETY: the list holds leaked entries only, which are never freed.
        let entry = unsafe { at.as_ref() }?;
        at = entry.next.load(Ordering::Relaxed);
        Some(entry)
    })
}

/// Once for the process.
fn install() {
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
    // Not an unaligned access, and nothing that a process has sent.
    if code >= BUS_ADRERR && strike(address) {
        return;
    }
    pass_on(signal, code, info, context);
}

/// No physical memory behind the address: of a file that ends before it, of a device that fails, of a disk that is full.
const BUS_ADRERR: c_int = 2;

/// Puts zeros in the place of the page, if it is ours.
fn strike(address: usize) -> bool {
    let Some((entry, writable)) = entries().find_map(|entry| Some((entry, entry.holds(address)?))) else {
        return false;
    };
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
    let sent = code <= 0;
    match previous.sa_sigaction {
        libc::SIG_IGN if sent => {}
        // Back in the program the same access faults again, without a handler; what a process sent is sent again.
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
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    fn cut_file(pages: usize) -> std::fs::File {
        let file = tempfile::tempfile().unwrap();
        file.set_len((pages * 4096) as u64).unwrap();
        file
    }

    #[test]
    fn a_page_that_is_gone_reads_as_zeros_and_its_owner_finds_out() {
        let file = cut_file(4);
        let region = Region::map(&file, Access::Shared).unwrap();
        let other = Region::map(&file, Access::Shared).unwrap();
        region.set_owner(u64::MAX - 1);
        other.set_owner(u64::MAX - 2);
        region.store(3 * 4096, 7);
        let before = crate::mem::READERS.faults();
        file.set_len(4096).unwrap();
        assert_eq!(region.load(3 * 4096), 0);
        region.store(3 * 4096, 8);
        assert_eq!(region.load(3 * 4096), 8, "the page is this mapping's own");
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
        let test = format!("sys::fault_guard::tests::{name}");
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
                    "sys::fault_guard::tests::the_handler_that_was_there_gets_what_is_not_ours",
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
