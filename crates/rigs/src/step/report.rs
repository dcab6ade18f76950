//! The supervisor: which operations, on how many processors, and what is said at the end.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use opendiskmap::Recovery;

use super::child::{DRAWN, NOT_PERMITTED};
use super::run::{Lane, Limits, Row, Task};
use super::trace::Traced;
use crate::scenario::CATALOGUE;

const USAGE: &str = "\
step [--all] [--states N] [--drawn FROM..TO] [--only NAME,NAME] [--controls] [--expect-failure] [--keep DIRECTORY] [--list]

Steps a child through one operation at a time, takes the files after every instruction that changed them for what a
kill -9 at that moment leaves, and opens each such state.

  --all             open every state, not an even sample, and more of the states of a second kill
  --states N        the most states that are opened of one operation (default 600)
  --drawn FROM..TO  the seeds of the scenarios that are drawn and not written down (default 1..13)
  --only NAMES      these operations only (see --list)
  --controls        the negative controls: each leaves a crash rule out and passes if that is noticed; needs a build
                    with the feature negative-controls
  --expect-failure  ODM_REMOVE_RULE leaves a crash rule out: pass only if that is noticed
  --keep DIRECTORY  keep the first bad state of each operation there
";

const DRAWN_BY_DEFAULT: u64 = 12;

/// What the second kill is tried after.
const REOPENED: [(&str, Recovery); 12] = [
    ("put", Recovery::Full),
    ("clear 4 shards", Recovery::Full),
    ("clear 4 shards", Recovery::Auto),
    ("create", Recovery::Auto),
    ("first put", Recovery::Auto),
    ("put", Recovery::Auto),
    ("delete", Recovery::Auto),
    ("segment change", Recovery::Auto),
    ("table split and doubling", Recovery::Auto),
    ("table rewrite", Recovery::Auto),
    ("compaction move", Recovery::Auto),
    ("index shrink", Recovery::Auto),
];

/// Where the absence of each crash rule must show.
const CONTROLS: [(&str, &str, Option<Recovery>); 8] = [
    ("slot-after-record", "put", None),
    ("slot-after-record", "delete", None),
    ("slot-after-record", "update", None),
    ("intent", "put", None),
    ("intent", "update", None),
    ("absolute", "put", Some(Recovery::Auto)),
    ("move-intent", "compaction move", None),
    ("split-intent", "table split and doubling", None),
];

pub struct Arguments {
    limits: Limits,
    /// The seeds of drawn scenarios.
    drawn: Range<u64>,
    controls: bool,
    only: Option<Vec<String>>,
    expect_failure: bool,
}

impl Arguments {
    /// `None` if everything was said already.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let limits = Limits { states: 600, reopened: 2, full_every: 5, crippled: false, keep: None };
        let mut arguments =
            Self { limits, drawn: 1..1 + DRAWN_BY_DEFAULT, controls: false, only: None, expect_failure: false };
        while let Some(word) = words.next() {
            let mut operand = || words.next().ok_or_else(|| format!("{word} needs an operand\n\n{USAGE}"));
            match word.as_str() {
                "--all" => {
                    arguments.limits.states = usize::MAX;
                    arguments.limits.reopened = 8;
                    arguments.limits.full_every = 1;
                }
                "--states" => {
                    arguments.limits.states = operand()?.parse().map_err(|error| format!("--states: {error}"))?
                }
                "--drawn" => {
                    let span = operand()?;
                    let (from, to) = span.split_once("..").ok_or("--drawn FROM..TO")?;
                    let number = |text: &str| text.parse().map_err(|error| format!("--drawn: {error}"));
                    arguments.drawn = number(from)?..number(to)?;
                }
                "--only" => arguments.only = Some(operand()?.split(',').map(String::from).collect()),
                "--controls" if cfg!(feature = "negative-controls") => arguments.controls = true,
                "--controls" => {
                    return Err("this build keeps all crash rules: it lacks the feature negative-controls".into());
                }
                "--expect-failure" => arguments.expect_failure = true,
                "--keep" => arguments.limits.keep = Some(PathBuf::from(operand()?)),
                "--list" => {
                    arguments.tasks().iter().for_each(|task| println!("{}", task.name()));
                    return Ok(None);
                }
                _ => return Err(USAGE.into()),
            }
        }
        arguments.limits.crippled = arguments.expect_failure;
        Ok(Some(arguments))
    }
}

impl Arguments {
    fn tasks(&self) -> Vec<Task> {
        if self.controls {
            return CONTROLS.map(|(rule, of, reopen)| Task { of: of.into(), reopen, without: Some(rule) }).into();
        }
        let drawn = self.drawn.clone().map(|seed| format!("{DRAWN}{seed}"));
        let operations = CATALOGUE.iter().map(|scenario| scenario.name.to_string()).chain(drawn);
        let operations = operations.map(|of| Task { of, reopen: None, without: None });
        let reopened = REOPENED.map(|(of, recovery)| Task { of: of.into(), reopen: Some(recovery), without: None });
        operations.chain(reopened).collect()
    }
}

/// Runs everything and says what was found; the answer is whether all is as expected.
pub fn run(arguments: &Arguments) -> io::Result<bool> {
    let work = scratch();
    fs::create_dir_all(&work)?;
    let ran = match permitted(&work)? {
        Err(why) => {
            println!("stepping is not possible here: {why}");
            Ok((0, 0))
        }
        Ok(()) => run_all(arguments, &work),
    };
    fs::remove_dir_all(&work)?;
    let (passed, failed) = ran?;
    println!("step: {passed} passed, {failed} failed");
    Ok(failed == 0)
}

fn run_all(arguments: &Arguments, work: &std::path::Path) -> io::Result<(usize, usize)> {
    let mut tasks = arguments.tasks();
    if let Some(only) = &arguments.only {
        if let Some(unknown) = only.iter().find(|name| tasks.iter().all(|task| task.name() != **name)) {
            return Err(io::Error::other(format!("no operation is called {unknown}; --list names them")));
        }
        tasks.retain(|task| only.contains(&task.name()));
    }
    // What takes longest goes first, so that no processor waits for it at the end.
    tasks.sort_by_key(|task| task.reopen.is_none());
    let tasks = Mutex::new(VecDeque::from(tasks));
    let counts = Mutex::new((0, 0));
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let processors: Vec<_> = (0..CpuSet::count()).filter(|&index| allowed.is_set(index) == Ok(true)).take(8).collect();
    let began = Instant::now();
    println!(
        "{:<32}{:>13}{:>9}{:>8}{:>9}{:>8}{:>9}  intents seen",
        "operation", "instructions", "states", "opened", "rebuilt", "bad", "seconds"
    );
    std::thread::scope(|scope| {
        for (index, &processor) in processors.iter().enumerate() {
            let (tasks, counts) = (&tasks, &counts);
            let mut lane = Lane::new(work.join(format!("lane-{index}")), arguments.limits.clone());
            scope.spawn(move || {
                // Stepping is two processes taking turns: on one processor a turn costs a quarter of what it costs
                // on two.
                let mut own = CpuSet::new();
                let _ = own.set(processor).and_then(|()| sched_setaffinity(Pid::from_raw(0), &own));
                loop {
                    let Some(task) = tasks.lock().ok().and_then(|mut tasks| tasks.pop_front()) else { return };
                    let row = lane.run(&task);
                    let expected = arguments.expect_failure || task.without.is_some();
                    let good = row.fault.is_none() && (row.count > 0) == expected;
                    if let Ok(mut counts) = counts.lock() {
                        *(if good { &mut counts.0 } else { &mut counts.1 }) += 1;
                        print(&row);
                    }
                }
            });
        }
    });
    println!("{:.1} s on {} processors", began.elapsed().as_secs_f64(), processors.len());
    Ok(counts.into_inner().unwrap_or((0, 1)))
}

fn print(row: &Row) {
    println!(
        "{:<32}{:>13}{:>9}{:>8}{:>9}{:>8}{:>9.1}  {}",
        row.name,
        row.instructions,
        row.distinct,
        row.opened,
        row.full,
        row.count,
        row.seconds,
        row.intents.join(" ")
    );
    let outcomes: Vec<_> = row.outcomes.iter().map(|(outcome, times)| format!("{outcome:?} {times}")).collect();
    if outcomes.len() > 1 {
        println!("    in the order of the states: {}", outcomes.join(", "));
    }
    if let Some(fault) = &row.fault {
        println!("    FAULT {fault}");
    }
    for violation in row.violations.iter().take(3) {
        println!("    {violation}");
    }
}

/// States are many and short-lived: memory is the place for them.
fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
    base.join(format!("opendiskmap-step-{}", std::process::id()))
}

/// Containers and hardened kernels forbid tracing: that is no failure of the map.
fn permitted(work: &std::path::Path) -> io::Result<Result<(), String>> {
    let child = Command::new(std::env::current_exe()?).arg("probe").spawn()?;
    let mut child = match Traced::attach(child.id() as i32, work)? {
        Ok(child) => child,
        Err(WaitStatus::Exited(_, NOT_PERMITTED)) => return Ok(Err("ptrace is not permitted".into())),
        Err(status) => return Ok(Err(format!("a traced child ends at once: {status:?}"))),
    };
    let stepped = child.step();
    child.kill()?;
    Ok(stepped.map(drop).map_err(|error| format!("ptrace does not step: {error}")))
}
