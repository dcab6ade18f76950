//! A child process, stopped at every instruction that stores into a file and at every system call.
//!
//! Only such an instruction can change what a kill leaves, and stopping at each of the others too takes a hundred times
//! as long. So every shared mapping of a file below the root is made read-only in the child: a store faults, the pages
//! that it wants are opened, it runs alone, and they are closed again. The child itself does not notice, as it never
//! gets the signal. Whoever uses this compares everything at the end, so that a change nobody foresaw is noticed as a
//! fault of the rig and not lost.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use nix::libc::{self, user_regs_struct};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::calls::{Effect, failure};
use super::image::PAGE;
use super::store::{LONGEST, targets};
use crate::scenario::Fails;

/// What the child did since it was let go.
pub enum Step {
    /// Nothing that changes a file.
    Nothing,
    /// One instruction stored into these ranges of mapped files.
    Stored(Vec<Range>),
    /// It was a system call that may change files; `torn` if a kill can cut it between two pages.
    Called { torn: bool },
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

/// A shared mapping of a file below the root that the child can store to, or could if it were not closed.
pub struct Region {
    start: u64,
    end: u64,
    offset: u64,
    pub name: String,
    pub file: File,
}

const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// The number of no system call: what stands in its place is not made, or is not taken for one that was broken off.
const NO_CALL: u64 = u64::MAX;

pub struct Traced {
    pid: Pid,
    root: PathBuf,
    memory: File,
    /// Where an instruction of the child's own makes a system call.
    syscall: u64,
    regions: Vec<Region>,
    /// The regions are closed.
    closed: bool,
    watch: Watch,
    /// How many stores into files and system calls there were.
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
        ptrace::setoptions(pid, ptrace::Options::PTRACE_O_EXITKILL | ptrace::Options::PTRACE_O_TRACESYSGOOD)?;
        let memory = File::open(format!("/proc/{pid}/mem"))?;
        // It has just asked the kernel for the signal that stopped it.
        let syscall = ptrace::getregs(pid)?.rip - SYSCALL.len() as u64;
        let mut code = [0; SYSCALL.len()];
        memory.read_exact_at(&mut code, syscall)?;
        if code != SYSCALL {
            return Err(io::Error::other("a child that stopped itself does not stand behind a system call"));
        }
        let root = fs::canonicalize(root)?;
        let regions = Vec::new();
        Ok(Ok(Self { pid, root, memory, syscall, regions, closed: false, watch, steps: 0, fails: Fails::Nothing }))
    }

    /// Lets the child run freely to its next stop.
    pub fn go_on(&mut self) -> io::Result<Result<(), WaitStatus>> {
        self.open()?;
        self.steps = 0;
        ptrace::cont(self.pid, None)?;
        let stop = waitpid(self.pid, None)?;
        Ok(if matches!(stop, WaitStatus::Stopped(_, Signal::SIGSTOP)) { Ok(()) } else { Err(stop) })
    }

    pub fn region(&self, index: usize) -> &Region {
        &self.regions[index]
    }

    /// Lets the child run until it has stored into a file, or made a system call, or stopped itself.
    pub fn step(&mut self) -> io::Result<Step> {
        self.watch.seen.fetch_add(1, Relaxed);
        if !self.closed {
            self.close()?;
        }
        self.steps += 1;
        match self.resume()? {
            WaitStatus::PtraceSyscall(_) => self.called(),
            WaitStatus::Stopped(_, Signal::SIGSEGV) => self.stored(),
            WaitStatus::Stopped(_, Signal::SIGSTOP) => Ok(Step::Stopped),
            other => Ok(Step::Ended(format!("{other:?}"))),
        }
    }

    /// The child stands before a store that it may not make.
    fn stored(&mut self) -> io::Result<Step> {
        let registers = ptrace::getregs(self.pid)?;
        let mut code = [0; LONGEST];
        let length = self.memory.read_at(&mut code, registers.rip)?;
        let targets = targets(&code[..length], &registers);
        let ranges: Vec<_> = targets.into_iter().flat_map(|(address, size)| self.ranges(address, size)).collect();
        if ranges.is_empty() {
            return Ok(Step::Ended(format!("a fault of its own at {:#x}", registers.rip)));
        }
        self.protect_pages(&ranges, libc::PROT_READ | libc::PROT_WRITE)?;
        ptrace::step(self.pid, None)?;
        let stop = waitpid(self.pid, None)?;
        if !matches!(stop, WaitStatus::Stopped(_, Signal::SIGTRAP)) {
            return Ok(Step::Ended(format!("{stop:?} in a store at {:#x}", registers.rip)));
        }
        self.protect_pages(&ranges, libc::PROT_READ)?;
        Ok(Step::Stored(ranges))
    }

    /// The child stands before a system call.
    fn called(&mut self) -> io::Result<Step> {
        let registers = ptrace::getregs(self.pid)?;
        let call = registers.orig_rax;
        let failure = failure(self.fails, call as i64);
        let effect = Effect::of(call as i64);
        let mapped = matches!(effect, Effect::Mapping | Effect::Advice);
        if failure.is_some() || mapped {
            ptrace::setregs(self.pid, user_regs_struct { orig_rax: NO_CALL, ..registers })?;
        }
        if let Some(ended) = self.resume_to_call()? {
            return Ok(ended);
        }
        if let Some(errno) = failure {
            // There is no such call as was made, so nothing happened but that the answer is another.
            let after = ptrace::getregs(self.pid)?;
            ptrace::setregs(self.pid, user_regs_struct { rax: i64::from(-errno) as u64, ..after })?;
            return Ok(Step::Nothing);
        }
        if mapped {
            // The kernel must find the mappings as the child made them: they are opened, and the call is made anew.
            self.open()?;
            let rip = registers.rip - SYSCALL.len() as u64;
            ptrace::setregs(self.pid, user_regs_struct { rip, rax: call, orig_rax: NO_CALL, ..registers })?;
            for _ in ["entry", "exit"] {
                if let Some(ended) = self.resume_to_call()? {
                    return Ok(ended);
                }
            }
            self.close()?;
        }
        Ok(match effect {
            Effect::None | Effect::Mapping => Step::Nothing,
            Effect::Advice => Step::Called { torn: false },
            Effect::Files { torn } => {
                self.map_again()?;
                Step::Called { torn }
            }
        })
    }

    /// Lets the child run to its next stop.
    fn resume(&mut self) -> io::Result<WaitStatus> {
        ptrace::syscall(self.pid, None)?;
        Ok(waitpid(self.pid, None)?)
    }

    /// The same where the stop must be the entry or the exit of a system call.
    fn resume_to_call(&mut self) -> io::Result<Option<Step>> {
        Ok(match self.resume()? {
            WaitStatus::PtraceSyscall(_) => None,
            other => Some(Step::Ended(format!("{other:?} in a system call"))),
        })
    }

    /// Gives the regions to the child as it mapped them.
    fn open(&mut self) -> io::Result<()> {
        for region in std::mem::take(&mut self.regions) {
            self.protect(region.start, region.end, libc::PROT_READ | libc::PROT_WRITE)?;
        }
        self.closed = false;
        Ok(())
    }

    /// Takes from the child the right to store into any region, and reads anew which there are.
    fn close(&mut self) -> io::Result<()> {
        self.map_again()?;
        for index in 0..self.regions.len() {
            self.protect(self.regions[index].start, self.regions[index].end, libc::PROT_READ)?;
        }
        self.closed = true;
        Ok(())
    }

    /// Reads the child's mappings; needed again after every system call that may have changed their names.
    fn map_again(&mut self) -> io::Result<()> {
        let closed = std::mem::take(&mut self.regions);
        let prefix = format!("{}/", self.root.display());
        for line in fs::read_to_string(format!("/proc/{}/maps", self.pid))?.lines() {
            let Some((fields, path)) = line.find('/').map(|at| line.split_at(at)) else { continue };
            let Some(name) = path.strip_prefix(&prefix) else { continue };
            let mut fields = fields.split_ascii_whitespace();
            let (Some(span), Some(rights), Some(offset)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            // A private mapping never reaches the file.
            if !rights.ends_with('s') {
                continue;
            }
            let hex = |text: &str| u64::from_str_radix(text, 16).map_err(io::Error::other);
            let (start, end) = span.split_once('-').unwrap_or_default();
            let (start, end, offset) = (hex(start)?, hex(end)?, hex(offset)?);
            let writable = rights.starts_with("rw");
            // What is closed looks like what the child mapped to read only, and may lie beside it as one.
            let spans: Vec<_> = if writable {
                vec![(start, end)]
            } else {
                closed.iter().map(|known| (start.max(known.start), end.min(known.end))).collect()
            };
            for (from, to) in spans.into_iter().filter(|(from, to)| from < to) {
                // What is unlinked is out of reach of any later open.
                if name.ends_with(" (deleted)") {
                    self.protect(from, to, libc::PROT_READ | libc::PROT_WRITE)?;
                    continue;
                }
                let offset = offset + (from - start);
                self.regions.push(Region { start: from, end: to, offset, name: name.into(), file: File::open(path)? });
            }
        }
        Ok(())
    }

    /// What of a store to this address lies in which region.
    fn ranges(&self, address: u64, size: u64) -> Vec<Range> {
        let cut = |(index, region): (usize, &Region)| {
            let (from, to) = (address.max(region.start), address.saturating_add(size).min(region.end));
            let at = || (from - region.start + region.offset) as usize;
            (from < to).then(|| Range { region: index, at: at(), length: (to - from) as usize })
        };
        self.regions.iter().enumerate().filter_map(cut).collect()
    }

    fn protect_pages(&mut self, ranges: &[Range], rights: i32) -> io::Result<()> {
        for range in ranges {
            let region = &self.regions[range.region];
            let from = region.start + (range.at as u64 - region.offset);
            let to = from + range.length as u64;
            self.protect(from / PAGE as u64 * PAGE as u64, to.next_multiple_of(PAGE as u64), rights)?;
        }
        Ok(())
    }

    /// Has the child call `mprotect`, without its notice.
    fn protect(&mut self, from: u64, to: u64, rights: i32) -> io::Result<()> {
        let registers = ptrace::getregs(self.pid)?;
        let call = user_regs_struct {
            rip: self.syscall,
            rax: libc::SYS_mprotect as u64,
            rdi: from,
            rsi: to - from,
            rdx: rights as u64,
            orig_rax: NO_CALL,
            ..registers
        };
        ptrace::setregs(self.pid, call)?;
        for _ in ["entry", "exit"] {
            let stop = self.resume()?;
            if !matches!(stop, WaitStatus::PtraceSyscall(_)) {
                return Err(io::Error::other(format!("{stop:?} in a call of mprotect")));
            }
        }
        let answer = ptrace::getregs(self.pid)?.rax as i64;
        ptrace::setregs(self.pid, registers)?;
        if answer == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-answer as i32)) }
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
