//! The supervisor: makes the maps, counts the system calls of each operation, and has each of them fail in turn.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use opendiskmap::faults::{Call, Fault};

use super::case::to_words;
use super::errors::errors;
use super::verb::{Prepared, verbs};
use crate::check::Helper;
use crate::model;
use crate::random::Random;

const USAGE: &str = "\
faults [--all] [--only VERB] [--seed N] [--without RULE]

Does one operation after the other while one of its system calls fails, and looks at the error, the content, the files
that are left and the next open.

  --all           every call of every operation with every error, once and from then on (default: as many cases, drawn,
                  as fit into the time)
  --only VERB     this operation alone
  --seed N        the draw of an earlier run
  --without RULE  the negative control: the engine leaves this rule out, and the run passes only if that is noticed
";

/// Cases that a short run makes.
const SHORT: usize = 1500;
const WORKERS: usize = 2;
/// Findings that are printed; the rest is counted.
const SHOWN: usize = 20;

#[derive(Default)]
pub struct Arguments {
    all: bool,
    only: Option<String>,
    seed: u64,
    without: Option<&'static str>,
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
                "--without" => arguments.without = Some(operand()?.leak()),
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
    let mut cases: Vec<(&Ready, Fault)> =
        ready.iter().flat_map(|ready| ready.cases().into_iter().map(move |fault| (ready, fault))).collect();
    let count = cases.len();
    if !arguments.all && count > SHORT {
        // Drawn, so that each run asks for something else of each operation.
        let mut random = Random::new(arguments.seed);
        for at in 0..SHORT {
            cases.swap(at, at + random.below(count - at));
        }
        cases.truncate(SHORT);
    }
    cases.reverse();
    let (queue, findings) = (Mutex::new(cases), Mutex::new(Findings::default()));
    let noticed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let mut helper = Helper::new("case", arguments.without);
                loop {
                    // A control has shown what it is to show with the first finding.
                    if arguments.without.is_some() && noticed.load(Ordering::Relaxed) {
                        return;
                    }
                    let Some((ready, fault)) = queue.lock().expect("no worker panics").pop() else { return };
                    let told = match helper.ask(&ready.line(&fault)) {
                        Ok(Ok(told)) => told,
                        Ok(Err(why)) => format!("failed\t{why}"),
                        Err(error) => format!("failed\tthe rig: {error}"),
                    };
                    let mut findings = findings.lock().expect("no worker panics");
                    match told.strip_prefix("failed\t") {
                        None => {
                            findings.passed += 1;
                            findings.struck += usize::from(told == "struck");
                        }
                        Some(why) => {
                            noticed.store(true, Ordering::Relaxed);
                            let from = if fault.on { " from then on" } else { "" };
                            let errno = nix::errno::Errno::from_raw(fault.errno);
                            let what = format!("{} {}{from} {errno:?}", fault.call.name(), fault.number);
                            findings.failed.push(format!("{}: {what}: {why}", ready.name));
                        }
                    }
                }
            });
        }
    });
    let findings = findings.into_inner().expect("no worker panics");
    report(arguments, &findings, ready.len(), count, started.elapsed())
}

fn report(arguments: &Arguments, findings: &Findings, verbs: usize, count: usize, time: Duration) -> io::Result<bool> {
    let made = findings.passed + findings.failed.len();
    println!(
        "faults: {verbs} operations, {made} of {count} cases in {:.1} s, the fault struck in {}",
        time.as_secs_f64(),
        findings.struck + findings.failed.len()
    );
    if let Some(rule) = arguments.without {
        let noticed = !findings.failed.is_empty();
        let first = findings.failed.first().map_or("nothing was noticed", String::as_str);
        println!("without {rule}: {first}");
        println!("faults: {} passed, {} failed", u8::from(noticed), u8::from(!noticed));
        return Ok(noticed);
    }
    for failed in findings.failed.iter().take(SHOWN) {
        println!("FAILED {failed}");
    }
    println!("faults: {} passed, {} failed", findings.passed, findings.failed.len());
    Ok(findings.failed.is_empty())
}
