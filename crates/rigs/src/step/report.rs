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

use super::child::{DRAWN, NOT_PERMITTED, Reopen};
use super::run::{Lane, Limits, Row, Task};
use super::trace::Traced;
use crate::catalogue::CATALOGUE;
use crate::scenario::{Scenario, Shows, intent};

const USAGE: &str = "\
step [--all] [--states N] [--drawn FROM..TO] [--only NAME,NAME] [--controls] [--expect-failure] [--keep DIRECTORY] [--list]

Steps a child through one operation at a time, from one instruction that can change a file to the next, takes the files
after each for what a kill -9 at that moment leaves, and opens each such state.

  --all             open every state, not an even sample, and step every way of opening what a kill left
  --states N        the most states that are opened of one operation (default 400)
  --drawn FROM..TO  the seeds of the scenarios that are drawn and not written down (default 1..13)
  --only NAMES      these operations only (see --list)
  --controls        the negative controls: each leaves a crash rule out and passes if that is noticed; needs a build
                    with the feature negative-controls
  --expect-failure  ODM_REMOVE_RULE leaves a crash rule out: pass only if that is noticed
  --keep DIRECTORY  keep the first bad state of each operation there
";

const DRAWN_BY_DEFAULT: u64 = 12;

/// What the second kill is tried after, and the third.
const REOPENED: [(&str, &[Reopen]); 23] = [
    ("put", &[Reopen::Rebuild]),
    ("clear 4 shards", &[Reopen::Rebuild]),
    ("clear 4 shards", &[Reopen::FixUp]),
    ("create", &[Reopen::FixUp]),
    ("first put", &[Reopen::FixUp]),
    ("put", &[Reopen::FixUp]),
    ("delete", &[Reopen::FixUp]),
    ("segment change", &[Reopen::FixUp]),
    ("table split and doubling", &[Reopen::FixUp]),
    ("table rewrite", &[Reopen::FixUp]),
    ("compaction move", &[Reopen::FixUp]),
    ("compaction mark", &[Reopen::FixUp]),
    ("index shrink", &[Reopen::FixUp]),
    ("extent update", &[Reopen::FixUp]),
    ("index made again in place", &[Reopen::FixUp]),
    ("delete takes the spare", &[Reopen::FixUp]),
    ("put", &[Reopen::Reboot]),
    ("segment change", &[Reopen::Reboot]),
    ("table rewrite", &[Reopen::ReadOnly]),
    ("clear 4 shards", &[Reopen::ReadOnly]),
    ("put", &[Reopen::FixUp, Reopen::FixUp]),
    ("clear 4 shards", &[Reopen::FixUp, Reopen::FixUp]),
    ("put", &[Reopen::Reboot, Reopen::Reboot]),
];

/// Where the absence of each crash rule must show. Rules that keep a power cut harmless show in other rigs.
const CONTROLS: [(&str, &str, &[Reopen]); 11] = [
    ("slot-after-record", "put", &[]),
    ("slot-after-record", "delete", &[]),
    ("slot-after-record", "update", &[]),
    ("intent", "put", &[]),
    ("intent", "update", &[]),
    ("absolute", "put", &[Reopen::FixUp]),
    ("move-intent", "compaction move", &[]),
    ("split-intent", "table split and doubling", &[]),
    ("map-intent", "clear 4 shards", &[]),
    ("mark-remaking", "index made again in place", &[]),
    ("pad-discarded", "put", &[]),
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
        let limits = Limits { states: Some(400), again: 100, reopened: 1, full_every: 5, crippled: false, keep: None };
        let mut arguments =
            Self { limits, drawn: 1..1 + DRAWN_BY_DEFAULT, controls: false, only: None, expect_failure: false };
        while let Some(word) = words.next() {
            let mut operand = || words.next().ok_or_else(|| format!("{word} needs an operand\n\n{USAGE}"));
            match word.as_str() {
                "--all" => {
                    arguments.limits.states = None;
                    arguments.limits.reopened = 2;
                }
                "--states" => {
                    arguments.limits.states = Some(operand()?.parse().map_err(|error| format!("--states: {error}"))?);
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
        let task = |of: &str, reopened: &[Reopen]| Task { of: of.into(), reopened: reopened.into(), without: None };
        if self.controls {
            let control =
                |&(rule, of, reopened): &(&'static str, _, _)| Task { without: Some(rule), ..task(of, reopened) };
            return CONTROLS.iter().filter(|control| is_known(control.0)).map(control).collect();
        }
        let drawn = self.drawn.clone().map(|seed| format!("{DRAWN}{seed}"));
        let all = self.limits.states.is_none();
        let operations = CATALOGUE.iter().filter(|scenario| all || self.only.is_some() || scenario.sample > 0);
        let operations = operations.map(|scenario| scenario.name.to_string()).chain(drawn);
        let mut tasks: Vec<_> = operations.map(|of| task(&of, &[])).collect();
        tasks.extend(REOPENED.map(|(of, how)| task(of, how)));
        if all {
            tasks.extend(
                CATALOGUE
                    .iter()
                    .flat_map(everything_after)
                    .filter(|task| !REOPENED.iter().any(|(of, how)| task.of == *of && task.reopened == *how))
                    .collect::<Vec<_>>(),
            );
        }
        tasks
    }
}

/// Whether the engine can leave this rule out.
fn is_known(rule: &str) -> bool {
    #[cfg(feature = "negative-controls")]
    return opendiskmap::crash_rules().contains(&rule);
    #[cfg(not(feature = "negative-controls"))]
    return rule.is_empty();
}

/// Every way of opening what a kill in the middle of a scenario left.
fn everything_after(scenario: &'static Scenario) -> impl Iterator<Item = Task> {
    let ways: [&[Reopen]; 5] = [
        &[Reopen::FixUp],
        &[Reopen::FixUp, Reopen::FixUp],
        &[Reopen::Reboot],
        &[Reopen::Reboot, Reopen::Reboot],
        &[Reopen::ReadOnly],
    ];
    // A start of the machine loses what of a clear was not in every shard yet: that much is not promised.
    let cleared = scenario.shards > 1 && scenario.shows == Shows::Intent(intent::CLEAR);
    // The third kill in a row is tried where there is an intent to be cut into.
    let intended = matches!(scenario.shows, Shows::Intent(_));
    // Before there is a map there is nothing to read.
    let made = !scenario.name.starts_with("create");
    ways.into_iter()
        .filter(move |how| intended || how.len() == 1)
        .filter(move |how| !(cleared && how[0] == Reopen::Reboot) && (made || how[0] != Reopen::ReadOnly))
        .map(|how| Task { of: scenario.name.into(), reopened: how.into(), without: None })
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
    for (rule, ..) in CONTROLS.iter().filter(|control| arguments.controls && !is_known(control.0)) {
        println!("the engine has no crash rule {rule}: its control is left out");
    }
    if let Some(only) = &arguments.only {
        if let Some(unknown) = only.iter().find(|name| tasks.iter().all(|task| task.name() != **name)) {
            return Err(io::Error::other(format!("no operation is called {unknown}; --list names them")));
        }
        tasks.retain(|task| only.contains(&task.name()));
    }
    // What takes longest goes first, so that no processor waits for it at the end.
    tasks.sort_by_key(|task| task.reopened.is_empty());
    let tasks = Mutex::new(VecDeque::from(tasks));
    let counts = Mutex::new((0, 0));
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let processors: Vec<_> = (0..CpuSet::count()).filter(|&index| allowed.is_set(index) == Ok(true)).take(8).collect();
    let began = Instant::now();
    println!(
        "{:<48}{:>9}{:>9}{:>8}{:>9}{:>8}{:>9}  intents seen",
        "operation", "steps", "states", "opened", "rebuilt", "bad", "seconds"
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
        "{:<48}{:>9}{:>9}{:>8}{:>9}{:>8}{:>9.1}  {}",
        row.name,
        row.steps,
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
