//! The supervisor: makes the maps, counts the system calls of each operation, and has each of them fail in turn.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use nix::errno::Errno;
use opendiskmap::faults::{Call, Fault};

use super::case::to_words;
use super::errors::errors;
use super::verb::{Prepared, verbs};
use crate::check::Helper;
use crate::model;
use crate::random::Random;

const USAGE: &str = "\
faults [--all] [--only VERB] [--seed N] [--controls]

Does one operation after the other while one of its system calls fails, and looks at the error, the content, the files
that are left and the next open.

  --all           every call of every operation with every error, once and from then on (default: as many cases, drawn,
                  as fit into the time)
  --only VERB     this operation alone
  --seed N        the draw of an earlier run
  --controls      the negative controls: the engine leaves a rule out, one after the other, and each must be noticed
";

/// The rules without which this rig must find something.
const CONTROLS: [&str; 3] = ["sync-result", "take-back", "error-is-no-damage"];

/// Cases that a short run makes, at least one for each call of each operation.
const SHORT: usize = 900;
const WORKERS: usize = 2;
/// Findings that are printed; the rest is counted.
const SHOWN: usize = 20;

#[derive(Default)]
pub struct Arguments {
    all: bool,
    only: Option<String>,
    seed: u64,
    controls: bool,
}

impl Arguments {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self { seed: 1, ..Self::default() };
        while let Some(word) = words.next() {
            let mut operand = || words.next().ok_or_else(|| USAGE.to_string());
            match word.as_str() {
                "--all" => arguments.all = true,
                "--only" => arguments.only = Some(operand()?),
                "--seed" => arguments.seed = operand()?.parse().map_err(|_| USAGE)?,
                "--controls" => arguments.controls = true,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(arguments)
    }
}

/// A verb whose map is made, and where it and its models lie.
struct Ready {
    number: usize,
    name: &'static str,
    prepared: Prepared,
    image: PathBuf,
    old: PathBuf,
    new: PathBuf,
}

impl Ready {
    fn make(number: usize, work: &Path) -> Result<Ready, String> {
        let verb = &verbs()[number];
        let place = |what: &str| work.join(format!("{number}-{what}"));
        let (image, old, new) = (place("image"), place("old"), place("new"));
        let prepared = verb.prepare(&image, &place("scratch"))?;
        let save = |model, path: &Path| model::save(model, path).map_err(|error| error.to_string());
        save(&prepared.old, &old)?;
        save(&prepared.new, &new)?;
        Ok(Ready { number, name: verb.name, prepared, image, old, new })
    }

    fn cases(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for &call in Call::ALL {
            let count = self.prepared.counts.get(call as usize).copied().unwrap_or(0);
            for number in 1..=count {
                for on in [false, true] {
                    faults.extend(errors(call).iter().map(|&errno| Fault { call, number, on, errno: errno as i32 }));
                }
            }
        }
        faults
    }

    fn line(&self, fault: &Fault) -> String {
        let [image, old, new] = [&self.image, &self.old, &self.new].map(|path| path.display().to_string());
        format!("{}\t{}\t{image}\t{old}\t{new}\t{}", self.number, self.prepared.step, to_words(fault))
    }
}

#[derive(Default)]
struct Findings {
    passed: usize,
    struck: usize,
    failed: Vec<String>,
}

pub fn run(arguments: &Arguments) -> io::Result<bool> {
    let started = Instant::now();
    let shared = Path::new("/dev/shm");
    let base = if shared.is_dir() { shared.to_path_buf() } else { std::env::temp_dir() };
    let work = base.join(format!("opendiskmap-faults-{}", std::process::id()));
    fs::create_dir_all(&work)?;
    let result = run_in(arguments, &work, started);
    fs::remove_dir_all(&work)?;
    result
}

fn run_in(arguments: &Arguments, work: &Path, started: Instant) -> io::Result<bool> {
    let chosen = |name: &str| arguments.only.as_ref().is_none_or(|only| only == name);
    let numbers: Vec<usize> =
        verbs().iter().enumerate().filter(|(_, verb)| chosen(verb.name)).map(|(at, _)| at).collect();
    let ready: Result<Vec<Ready>, String> = numbers.into_iter().map(|number| Ready::make(number, work)).collect();
    let ready = ready.map_err(io::Error::other)?;
    let mut cases: Vec<Case> =
        ready.iter().flat_map(|ready| ready.cases().into_iter().map(move |fault| (ready, fault))).collect();
    let count = cases.len();
    if !arguments.all {
        cases = draw(cases, arguments.seed);
    }
    if arguments.controls {
        let mut noticed = 0;
        for rule in CONTROLS {
            let findings = ask_all(&cases, Some(rule));
            noticed += usize::from(!findings.failed.is_empty());
            let first = findings.failed.first().map_or("NOTHING was noticed", String::as_str);
            println!("without {rule}: {first}");
        }
        println!("faults: {noticed} passed, {} failed", CONTROLS.len() - noticed);
        return Ok(noticed == CONTROLS.len());
    }
    let findings = ask_all(&cases, None);
    println!(
        "faults: {} operations, {} of {count} cases in {:.1} s; the call failed in {}",
        ready.len(),
        cases.len(),
        started.elapsed().as_secs_f64(),
        findings.struck + findings.failed.len()
    );
    for failed in findings.failed.iter().take(SHOWN) {
        println!("FAILED {failed}");
    }
    println!("faults: {} passed, {} failed", findings.passed, findings.failed.len());
    Ok(findings.failed.is_empty())
}

type Case<'a> = (&'a Ready, Fault);

/// One case of each call of each operation, and then any.
fn draw(mut cases: Vec<Case>, seed: u64) -> Vec<Case> {
    let mut random = Random::new(seed);
    for at in (1..cases.len()).rev() {
        cases.swap(at, random.below(at + 1));
    }
    let mut kinds = BTreeSet::new();
    let (mut first, others): (Vec<_>, Vec<_>) =
        cases.into_iter().partition(|(ready, fault)| kinds.insert((ready.number, fault.call as usize)));
    first.extend(others);
    first.truncate(SHORT);
    first
}

/// Every case, on a few processes; without a rule only until something is found.
fn ask_all(cases: &[Case], without: Option<&'static str>) -> Findings {
    let (next, findings) = (AtomicUsize::new(0), Mutex::new(Findings::default()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let mut helper = Helper::new("case", without);
                while let Some((ready, fault)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let told = match helper.ask(&ready.line(fault)) {
                        Ok(Ok(told)) => told,
                        Ok(Err(why)) => format!("failed\t{why}"),
                        Err(error) => format!("failed\tthe rig: {error}"),
                    };
                    let mut findings = findings.lock().expect("no worker panics");
                    if let Some(why) = told.strip_prefix("failed\t") {
                        let from = if fault.on { " from then on" } else { "" };
                        let errno = Errno::from_raw(fault.errno);
                        let what = format!("{} {}{from} {errno:?}", fault.call.name(), fault.number);
                        findings.failed.push(format!("{}: {what}: {why}", ready.name));
                        if without.is_some() {
                            next.store(cases.len(), Ordering::Relaxed);
                        }
                    } else {
                        findings.passed += 1;
                        findings.struck += usize::from(told == "struck");
                    }
                }
            });
        }
    });
    findings.into_inner().expect("no worker panics")
}
