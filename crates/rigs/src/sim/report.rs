//! The supervisor: how many crashes, in how many processes, and what is said at the end.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::history::{self, Counts};

const USAGE: &str = "\
sim [--cuts N] [--seed N] [--histories N] [--lanes N] [--controls] [--only RULE,RULE]

Traces what the engine stores, syncs and names while random calls are made, cuts the power at random places of the trace,
works out what the disk may hold then, and opens that. A share of the crashes are kills, after which it holds everything.

  --cuts N       go on until there were so many power cuts (default 20000)
  --seed N       the seed of the first history (default 1)
  --histories N  so many histories and no more; with 1, a seed that was printed is run again
  --lanes N      processes side by side (default: one for each processor)
  --controls     the negative controls: each leaves a crash rule out and passes if that is noticed
  --only RULES   these rules only
";

/// A history that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Crash rules, each with the histories within which its absence must show.
const CONTROLS: &[(&str, usize)] = &[
    // Those that take longest go first, so that no processor waits for them at the end.
    ("tell-clears", 3000),
    ("keep-tombstones", 3000),
    ("pad-discarded", 3000),
    ("sync-index", 3000),
    ("seal-tail", 3000),
    ("slot-after-record", 3000),
    ("free-after-note", 3000),
    ("join-before-note", 3000),
    ("two-checkpoints", 3000),
    ("keep-body-sum", 3000),
    ("data-first", 3000),
    ("names-first", 3000),
    ("void-rebuild", 3000),
    ("dirty-first", 3000),
    ("intent", 3000),
    ("absolute", 3000),
];

pub struct Arguments {
    cuts: usize,
    seed: u64,
    histories: Option<usize>,
    lanes: usize,
    controls: bool,
    only: Option<Vec<String>>,
}

impl Arguments {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let lanes = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let mut arguments = Self { cuts: 20_000, seed: 1, histories: None, lanes, controls: false, only: None };
        while let Some(word) = words.next() {
            let mut operand = || words.next().ok_or_else(|| format!("{word} needs an operand\n\n{USAGE}"));
            let mut number = || {
                let operand = operand()?;
                operand.parse::<usize>().map_err(|error| format!("{word}: {error}"))
            };
            match word.as_str() {
                "--cuts" => arguments.cuts = number()?,
                "--seed" => arguments.seed = number()? as u64,
                "--histories" => arguments.histories = Some(number()?),
                "--lanes" => arguments.lanes = number()?.max(1),
                "--controls" => arguments.controls = true,
                "--only" => arguments.only = Some(operand()?.split(',').map(String::from).collect()),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(arguments)
    }
}

/// Which histories a lane runs, and when it ends.
#[derive(Clone, Debug)]
struct Task {
    seed: u64,
    step: u64,
    cuts: usize,
    histories: usize,
    /// The first thing found ends it.
    first: bool,
    rule: Option<&'static str>,
}

/// What a lane found: the seed, how many histories it took, and what it was.
#[derive(Clone, Debug)]
struct Finding {
    seed: u64,
    histories: usize,
    told: String,
}

/// Runs everything and says what was found; the answer is whether all is as expected.
pub fn run(arguments: &Arguments) -> io::Result<bool> {
    let work = scratch();
    fs::create_dir_all(&work)?;
    let began = Instant::now();
    let ran = if arguments.controls { controls(arguments, &work) } else { cuts(arguments, &work) };
    fs::remove_dir_all(&work)?;
    let (passed, failed) = ran?;
    println!("{:.1} s in {} processes", began.elapsed().as_secs_f64(), arguments.lanes);
    println!("sim: {passed} passed, {failed} failed");
    Ok(failed == 0)
}

fn cuts(arguments: &Arguments, work: &Path) -> io::Result<(usize, usize)> {
    let lanes = arguments.lanes.min(arguments.histories.unwrap_or(usize::MAX));
    let tasks = (0..lanes).map(|lane| Task {
        seed: arguments.seed + lane as u64,
        step: lanes as u64,
        cuts: if arguments.histories.is_some() { usize::MAX } else { arguments.cuts.div_ceil(lanes) },
        histories: arguments.histories.map_or(usize::MAX, |histories| histories.div_ceil(lanes)),
        first: false,
        rule: None,
    });
    let mut children = Vec::new();
    for (lane, task) in tasks.enumerate() {
        children.push(start(&task, &work.join(lane.to_string()))?);
    }
    let mut all = Counts::default();
    let mut findings = Vec::new();
    for child in children {
        let (counts, found) = finish(child)?;
        all.add(counts);
        findings.extend(found);
    }
    println!(
        "{} histories, {} power cuts and {} kills ({} of both during an open); {} events traced, {} rebuilds looked at, {} flipped bits",
        all.histories, all.cuts, all.kills, all.in_open, all.events, all.rebuilt, all.flips
    );
    for finding in findings.iter().take(10) {
        println!("seed {}: {}", finding.seed, finding.told);
    }
    if findings.len() > 10 {
        println!("and {} more", findings.len() - 10);
    }
    Ok((all.histories.saturating_sub(findings.len()), findings.len()))
}

fn controls(arguments: &Arguments, work: &Path) -> io::Result<(usize, usize)> {
    let wanted = |rule: &str| arguments.only.as_ref().is_none_or(|only| only.iter().any(|name| name == rule));
    let queue: Vec<_> = CONTROLS.iter().filter(|(rule, _)| wanted(rule)).rev().copied().collect();
    let queue = Mutex::new(queue);
    let counts = Mutex::new((0, 0));
    let take = || queue.lock().ok().and_then(|mut queue| queue.pop());
    std::thread::scope(|scope| {
        for _ in 0..arguments.lanes {
            scope.spawn(|| {
                while let Some((rule, bound)) = take() {
                    let began = Instant::now();
                    let histories = arguments.histories.unwrap_or(bound);
                    let task = Task {
                        seed: arguments.seed,
                        step: 1,
                        cuts: usize::MAX,
                        histories,
                        first: true,
                        rule: Some(rule),
                    };
                    let told = start(&task, &work.join(rule)).and_then(finish);
                    let line = match &told {
                        Ok((_, found)) if !found.is_empty() => {
                            let told: String = found[0].told.chars().take(300).collect();
                            format!(
                                "noticed after {:>4} histories, {:>5.1} s: {told}",
                                found[0].histories,
                                began.elapsed().as_secs_f64()
                            )
                        }
                        Ok((counts, _)) => format!(
                            "NOT NOTICED in {} histories, {} crashes",
                            counts.histories,
                            counts.cuts + counts.kills
                        ),
                        Err(error) => format!("FAULT {error}"),
                    };
                    let noticed = told.is_ok_and(|(_, found)| !found.is_empty());
                    if let Ok(mut counts) = counts.lock() {
                        *(if noticed { &mut counts.0 } else { &mut counts.1 }) += 1;
                        println!("without {rule:<18} {line}");
                    }
                }
            });
        }
    });
    Ok(counts.into_inner().unwrap_or((0, 1)))
}

fn start(task: &Task, work: &Path) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env_remove("ODM_REMOVE_RULE");
    if let Some(rule) = task.rule {
        command.env("ODM_REMOVE_RULE", rule);
        // The engine's panics are findings here, and expected.
        command.stderr(Stdio::null());
    }
    let numbers = [task.seed, task.step, task.cuts as u64, task.histories as u64, u64::from(task.first)];
    command.arg("lane").args(numbers.map(|number| number.to_string())).arg(work);
    command.stdout(Stdio::piped()).spawn()
}

fn finish(mut child: Child) -> io::Result<(Counts, Vec<Finding>)> {
    let output = child.stdout.take().ok_or_else(|| io::Error::other("a lane has no output"))?;
    let mut counts = Counts::default();
    let (mut findings, mut whole, mut at) = (Vec::new(), false, (0, 0));
    for line in BufReader::new(output).lines() {
        let line = line?;
        let mut fields = line.split('\t');
        let kind = fields.next().unwrap_or_default();
        let mut number = || fields.next().and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
        match kind {
            "at" => at = (number(), number() as usize),
            "found" => {
                let (seed, histories) = (number(), number() as usize);
                findings.push(Finding { seed, histories, told: fields.next().unwrap_or_default().into() });
            }
            "counts" => {
                let mut number = || number() as usize;
                counts = Counts {
                    histories: number(),
                    cuts: number(),
                    kills: number(),
                    in_open: number(),
                    rebuilt: number(),
                    flips: number(),
                    events: number(),
                };
                whole = true;
            }
            _ => {}
        }
    }
    let status = child.wait()?;
    if !whole {
        let told = format!("the process ends with {status}: the engine crashes or hangs");
        findings.push(Finding { seed: at.0, histories: at.1, told });
    }
    Ok((counts, findings))
}

/// One process of several: a line for each history, for what it found, and for the counts at the end.
pub fn lane(words: &[&str]) -> io::Result<bool> {
    let [numbers @ .., work] = words else { return Err(io::Error::other(USAGE)) };
    let numbers: Vec<u64> =
        numbers.iter().map(|word| word.parse()).collect::<Result<_, _>>().map_err(io::Error::other)?;
    let [seed, step, cuts, histories, first] = numbers[..] else { return Err(io::Error::other(USAGE)) };
    let begun = Arc::new(AtomicU64::new(0));
    let watched = Arc::clone(&begun);
    std::thread::spawn(move || {
        loop {
            let before = watched.load(Ordering::SeqCst);
            std::thread::sleep(PATIENCE);
            if watched.load(Ordering::SeqCst) == before {
                std::process::exit(3);
            }
        }
    });
    let mut counts = Counts::default();
    let mut found = false;
    while (counts.cuts as u64) < cuts && (counts.histories as u64) < histories && !(found && first != 0) {
        let seed = seed + counts.histories as u64 * step;
        begun.fetch_add(1, Ordering::SeqCst);
        say(&format!("at\t{seed}\t{}", counts.histories + 1))?;
        let work = PathBuf::from(work).join(seed.to_string());
        fs::create_dir_all(&work)?;
        let told = history::run(seed, &work, &mut counts);
        fs::remove_dir_all(&work)?;
        if let Err(told) = told {
            found = true;
            let told = told.replace(['\n', '\t'], " ");
            say(&format!("found\t{seed}\t{}\t{told}", counts.histories))?;
        }
    }
    let Counts { histories, cuts, kills, in_open, rebuilt, flips, events } = counts;
    say(&format!("counts\t{histories}\t{cuts}\t{kills}\t{in_open}\t{rebuilt}\t{flips}\t{events}"))?;
    Ok(true)
}

fn say(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// Images are many and short-lived: memory is the place for them.
fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
    base.join(format!("opendiskmap-sim-{}", std::process::id()))
}
