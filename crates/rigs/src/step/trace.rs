//! A child process, stepped one instruction at a time.
//!
//! Comparing all mapped files after every instruction would be simple and slow. Instead each instruction is decoded
//! before it runs: only one that stores into a shared mapping of a file below the root, or a system call, can have
//! changed anything. Whoever uses this compares everything at the end, so that a store the decoder did not foresee
//! is noticed as a fault of the rig and not lost.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use iced_x86::{Code, Decoder, DecoderOptions, InstructionInfoFactory, OpAccess, Register, UsedMemory};
use nix::libc::{self, user_regs_struct};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::scenario::Fails;

/// What the instruction that just ran can have done.
pub enum Step {
    Nothing,
    /// It stored into these ranges of mapped files.
    Stored(Vec<Range>),
    /// It was a system call that may change files; `torn` if a kill can cut it between two pages.
    Called {
        torn: bool,
    },
    /// The child raised SIGSTOP: it is where it wanted to be.
    Stopped,
    /// The child is gone, or got a signal that would end it.
    Ended(String),
}

pub struct Range {
    pub region: usize,
    pub at: usize,
    pub length: usize,
}

/// A shared, writable mapping of a file below the root.
pub struct Region {
    start: u64,
    end: u64,
    offset: u64,
    pub name: String,
    pub file: File,
}

enum Kind {
    Plain,
    Call,
    Stores(Vec<UsedMemory>),
}

pub struct Traced {
    pid: Pid,
    root: PathBuf,
    memory: File,
    registers: user_regs_struct,
    code: HashMap<u64, Kind>,
    decoding: InstructionInfoFactory,
    regions: Vec<Region>,
    watch: Watch,
    pub steps: u64,
    /// These calls are not made, and fail.
    pub fails: Fails,
}

impl Traced {
    /// Takes a child that asks to be traced; `Err` if it ended before it stopped itself for the first time.
    pub fn attach(pid: i32, root: &Path) -> io::Result<Result<Self, WaitStatus>> {
        let pid = Pid::from_raw(pid);
        let watch = Watch::over(pid);
        let stop = waitpid(pid, None)?;
        if !matches!(stop, WaitStatus::Stopped(_, Signal::SIGSTOP)) {
            return Ok(Err(stop));
        }
        ptrace::setoptions(pid, ptrace::Options::PTRACE_O_EXITKILL)?;
        let mut traced = Self {
            pid,
            root: fs::canonicalize(root)?,
            memory: File::open(format!("/proc/{pid}/mem"))?,
            registers: ptrace::getregs(pid)?,
            code: HashMap::new(),
            decoding: InstructionInfoFactory::new(),
            regions: Vec::new(),
            watch,
            steps: 0,
            fails: Fails::Nothing,
        };
        traced.map_again()?;
        Ok(Ok(traced))
    }

    /// Lets the child run freely to its next stop.
    pub fn go_on(&mut self) -> io::Result<Result<(), WaitStatus>> {
        self.steps = 0;
        ptrace::cont(self.pid, None)?;
        let stop = waitpid(self.pid, None)?;
        if !matches!(stop, WaitStatus::Stopped(_, Signal::SIGSTOP)) {
            return Ok(Err(stop));
        }
        self.registers = ptrace::getregs(self.pid)?;
        self.map_again()?;
        Ok(Ok(()))
    }

    pub fn region(&self, index: usize) -> &Region {
        &self.regions[index]
    }

    /// Reads the child's mappings; needed again after every system call that may have changed them.
    pub fn map_again(&mut self) -> io::Result<()> {
        self.regions.clear();
        let prefix = format!("{}/", self.root.display());
        for line in fs::read_to_string(format!("/proc/{}/maps", self.pid))?.lines() {
            let Some((fields, path)) = line.find('/').map(|at| line.split_at(at)) else { continue };
            let Some(name) = path.strip_prefix(&prefix) else { continue };
            let mut fields = fields.split_ascii_whitespace();
            let (Some(span), Some(rights), Some(offset)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            // What is unlinked is out of reach of any later open, and a private mapping never reaches the file.
            if !rights.starts_with("rw-s") || name.ends_with(" (deleted)") {
                continue;
            }
            let hex = |text: &str| u64::from_str_radix(text, 16).map_err(io::Error::other);
            let (start, end) = span.split_once('-').unwrap_or_default();
            let file = File::open(path)?;
            self.regions.push(Region {
                start: hex(start)?,
                end: hex(end)?,
                offset: hex(offset)?,
                name: name.into(),
                file,
            });
        }
        Ok(())
    }

    /// Runs one instruction.
    pub fn step(&mut self) -> io::Result<Step> {
        self.steps += 1;
        self.watch.seen.fetch_add(1, Relaxed);
        let at = self.registers.rip;
        if !self.code.contains_key(&at) {
            let code = self.decode(at);
            self.code.insert(at, code);
        }
        let mut stored = Vec::new();
        let mut call = None;
        match &self.code[&at] {
            Kind::Plain => {}
            Kind::Call => call = Some(self.registers.rax as i64),
            Kind::Stores(memories) => {
                for memory in memories {
                    self.hits(memory, &mut stored);
                }
            }
        }
        let failure = call.and_then(|call| failure(self.fails, call));
        if failure.is_some() {
            // There is no such call, so nothing happens but that the answer is another.
            ptrace::setregs(self.pid, user_regs_struct { rax: u64::MAX, ..self.registers })?;
        }
        ptrace::step(self.pid, None)?;
        match waitpid(self.pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            WaitStatus::Stopped(_, Signal::SIGSTOP) => return Ok(Step::Stopped),
            other => return Ok(Step::Ended(format!("{other:?}"))),
        }
        self.registers = ptrace::getregs(self.pid)?;
        if let Some(errno) = failure {
            self.registers.rax = i64::from(-errno) as u64;
            ptrace::setregs(self.pid, self.registers)?;
            return Ok(Step::Nothing);
        }
        if let Some(call) = call {
            if MAPPING.contains(&call) {
                self.map_again()?;
                return Ok(Step::Nothing);
            }
            if HARMLESS.contains(&call) {
                return Ok(Step::Nothing);
            }
            return Ok(Step::Called { torn: TORN.contains(&call) });
        }
        Ok(if stored.is_empty() { Step::Nothing } else { Step::Stored(stored) })
    }

    fn decode(&mut self, at: u64) -> Kind {
        let mut bytes = [0; 16];
        let length = self.memory.read_at(&mut bytes, at).unwrap_or(0);
        let instruction = Decoder::with_ip(64, &bytes[..length], at, DecoderOptions::NONE).decode();
        if instruction.code() == Code::Syscall {
            return Kind::Call;
        }
        let written = |memory: &&UsedMemory| {
            matches!(
                memory.access(),
                OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
            )
        };
        let stores: Vec<_> = self.decoding.info(&instruction).used_memory().iter().filter(written).copied().collect();
        if stores.is_empty() { Kind::Plain } else { Kind::Stores(stores) }
    }

    fn hits(&self, memory: &UsedMemory, stored: &mut Vec<Range>) {
        let registers = &self.registers;
        let Some(address) = memory.virtual_address(0, |register, _, _| value(registers, register)) else { return };
        // A repeated string instruction traps after each round, so its size is one element's; unknown sizes (state
        // saving instructions) are taken for a page: reading back too much is harmless.
        let size = match memory.memory_size().size() {
            0 => 4096,
            size => size as u64,
        };
        for (index, region) in self.regions.iter().enumerate() {
            let from = address.max(region.start);
            let to = (address + size).min(region.end);
            if from < to {
                let at = (from - region.start + region.offset) as usize;
                stored.push(Range { region: index, at, length: (to - from) as usize });
            }
        }
    }

    /// Ends the child the way the rig pretends it ended at every step.
    pub fn kill(self) -> io::Result<()> {
        nix::sys::signal::kill(self.pid, Signal::SIGKILL)?;
        loop {
            match waitpid(self.pid, None) {
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_) => return Ok(()),
                Ok(_) => {}
            }
        }
    }
}

/// A child that waits for itself would let the supervisor wait for ever: whoever does not move for long is killed.
struct Watch {
    seen: Arc<AtomicU64>,
    _ends: Sender<()>,
}

impl Watch {
    const PATIENCE: Duration = Duration::from_secs(60);

    fn over(pid: Pid) -> Self {
        let (ends, ended) = channel::<()>();
        let seen = Arc::new(AtomicU64::new(0));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut last = 0;
            while ended.recv_timeout(Self::PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let now = shared.load(Relaxed);
                if now == last {
                    let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
                    return;
                }
                last = now;
            }
        });
        Self { seen, _ends: ends }
    }
}

fn value(registers: &user_regs_struct, register: Register) -> Option<u64> {
    let full = match register {
        // In 64-bit code only these two segments have a base of their own.
        Register::FS => return Some(registers.fs_base),
        Register::GS => return Some(registers.gs_base),
        Register::CS | Register::DS | Register::ES | Register::SS => return Some(0),
        other => other.full_register(),
    };
    let value = match full {
        Register::RAX => registers.rax,
        Register::RBX => registers.rbx,
        Register::RCX => registers.rcx,
        Register::RDX => registers.rdx,
        Register::RSI => registers.rsi,
        Register::RDI => registers.rdi,
        Register::RBP => registers.rbp,
        Register::RSP => registers.rsp,
        Register::R8 => registers.r8,
        Register::R9 => registers.r9,
        Register::R10 => registers.r10,
        Register::R11 => registers.r11,
        Register::R12 => registers.r12,
        Register::R13 => registers.r13,
        Register::R14 => registers.r14,
        Register::R15 => registers.r15,
        _ => return None,
    };
    Some(if register.size() == 4 { value & 0xffff_ffff } else { value })
}

/// The error that a call is to fail with.
fn failure(fails: Fails, call: i64) -> Option<i32> {
    match (fails, call) {
        (Fails::Allocation, libc::SYS_fallocate) => Some(libc::ENOSPC),
        (Fails::Sync, libc::SYS_msync | libc::SYS_fsync | libc::SYS_fdatasync) => Some(libc::EIO),
        _ => None,
    }
}

const MAPPING: [i64; 3] = [libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mremap];

/// The kernel looks for a deadly signal between two pages of these, so a kill can leave a part.
const TORN: [i64; 6] = [
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_copy_file_range,
];

/// These change neither names nor bytes; after any other call everything is compared.
const HARMLESS: [i64; 35] = [
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_close,
    libc::SYS_stat,
    libc::SYS_fstat,
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_lseek,
    libc::SYS_mprotect,
    libc::SYS_brk,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sched_yield,
    libc::SYS_mincore,
    libc::SYS_msync,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_syncfs,
    libc::SYS_flock,
    libc::SYS_fcntl,
    libc::SYS_futex,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_clock_gettime,
    libc::SYS_getdents64,
    libc::SYS_getrandom,
    libc::SYS_membarrier,
    libc::SYS_sigaltstack,
];
