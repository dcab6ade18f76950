//! The supervisor: makes the maps, has them damaged in processes of their own, and counts what it hears and what ends them.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::maps::Kind;
use super::sweep::{Sweep, Task, image};
use crate::check::without;

const USAGE: &str = "\
flip [--long] [--seed N] [--processes N] [--directory PATH] [--only MAP] [--controls]

Damages the files of closed maps and opens them: every answer must be right or ERR_CORRUPT. No wrong value, no key that reads
as absent, no wrong size, no entry twice, no panic, no signal, no second of processor time, no more memory than twice the files.
The map of a killed process, whose index has no sums yet, must only not crash, and give no key the value of another.

  --long             every bit of the small map's files, 100,000 random bits of a map of about 100 MB
  --seed N           the draw of an earlier run
  --processes N      how many at a time (default 2)
  --directory PATH   where the maps are made (default: /dev/shm, or the temporary directory)
  --only MAP         small, rich, killed or large
  --controls         the negative controls: with a check left out of the engine each run must find something; needs a build
                     with the feature negative-controls
";

/// Nothing comes near this but an endless loop; what is slow is told by its processor time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Findings that are shown of one sweep.
const SHOWN: usize = 12;

/// The checks that a control leaves out, and the map and sweep that must find it.
const CONTROLS: [(&str, Kind, Sweep); 3] = [
    ("record-body", Kind::Small, Sweep::Drawn(3000)),
    ("table-sum", Kind::Small, Sweep::Drawn(6000)),
    ("table-place", Kind::Rich, Sweep::Structural(1)),
];

pub struct Arguments {
    long: bool,
    seed: u64,
    processes: usize,
    directory: PathBuf,
    only: Option<Kind>,
    controls: bool,
}

impl Arguments {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
        let mut arguments = Self { long: false, seed: 4, processes: 2, directory, only: None, controls: false };
        while let Some(word) = words.next() {
            let mut operand = || words.next().ok_or_else(|| USAGE.to_string());
            match word.as_str() {
                "--long" => arguments.long = true,
                "--seed" => arguments.seed = operand()?.parse().map_err(|_| USAGE)?,
                "--processes" => arguments.processes = operand()?.parse().map_err(|_| USAGE)?,
                "--directory" => arguments.directory = operand()?.into(),
                "--only" => arguments.only = Some(Kind::named(&operand()?).ok_or(USAGE)?),
                "--controls" if cfg!(feature = "negative-controls") => arguments.controls = true,
                "--controls" => {
                    return Err("this build makes all checks: it lacks the feature negative-controls".into());
                }
                _ => return Err(USAGE.into()),
            }
        }
        Ok(arguments)
    }

    fn sweeps(&self) -> Vec<(Kind, Sweep)> {
        let short = [
            (Kind::Small, Sweep::Structures),
            (Kind::Small, Sweep::Drawn(3000)),
            (Kind::Small, Sweep::Structural(1)),
            (Kind::Rich, Sweep::Drawn(250)),
            (Kind::Rich, Sweep::Structural(5)),
            (Kind::Killed, Sweep::Drawn(250)),
            (Kind::Killed, Sweep::Structural(9)),
            (Kind::Large, Sweep::Bursts(8, 1000)),
        ];
        let long = [
            (Kind::Small, Sweep::All),
            (Kind::Small, Sweep::Structural(1)),
            (Kind::Rich, Sweep::Structures),
            (Kind::Rich, Sweep::Drawn(40_000)),
            (Kind::Rich, Sweep::Structural(1)),
            (Kind::Killed, Sweep::Structures),
            (Kind::Killed, Sweep::Drawn(40_000)),
            (Kind::Killed, Sweep::Structural(1)),
            (Kind::Large, Sweep::Bursts(100, 1000)),
        ];
        let all = if self.long { long.to_vec() } else { short.to_vec() };
        all.into_iter().filter(|(kind, _)| self.only.is_none_or(|only| only == *kind)).collect()
    }
}

/// What one sweep came to.
#[derive(Default)]
struct Found {
    counts: BTreeMap<String, usize>,
    findings: Vec<String>,
}

impl Found {
    fn count(&self, name: &str) -> usize {
        self.counts.get(name).copied().unwrap_or(0)
    }
}

pub fn run(arguments: &Arguments) -> io::Result<bool> {
    let work = arguments.directory.join(format!("opendiskmap-flip-{}", std::process::id()));
    fs::create_dir_all(&work)?;
    println!("seed {}", arguments.seed);
    let (mut passed, mut failed) = (0, 0);
    let mut judge = |good: bool| if good { passed += 1 } else { failed += 1 };
    if arguments.controls {
        for (rule, kind, sweep) in CONTROLS {
            let found = sweep_all(arguments, &work, kind, sweep, Some(rule))?;
            let shown = found.findings.first().map_or("NOTHING IS NOTICED", String::as_str);
            println!("without {rule}: {} findings, {shown}", found.findings.len());
            judge(!found.findings.is_empty());
        }
    } else {
        for (kind, sweep) in arguments.sweeps() {
            let began = Instant::now();
            let found = sweep_all(arguments, &work, kind, sweep, None)?;
            let damaged = ["findings", "told", "harmless"].iter().map(|name| found.count(name)).sum::<usize>();
            println!(
                "{} {}: {damaged} damaged maps, {} of them opened for writing too; {} told the damage, {} had all the right answers; {} findings; {:.1} s",
                kind.name(),
                sweep.words(),
                found.count("changed"),
                found.count("told"),
                found.count("harmless"),
                found.findings.len(),
                began.elapsed().as_secs_f64()
            );
            found.findings.iter().take(SHOWN).for_each(|told| println!("  {told}"));
            judge(found.findings.is_empty() && damaged > 0);
        }
    }
    fs::remove_dir_all(&work)?;
    println!("flip: {passed} passed, {failed} failed");
    Ok(failed == 0)
}

fn sweep_all(
    arguments: &Arguments,
    work: &Path,
    kind: Kind,
    sweep: Sweep,
    rule: Option<&'static str>,
) -> io::Result<Found> {
    let place = image(work);
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    // In a process of its own, for the engine that makes the map has the same rules.
    let mut command = Command::new(std::env::current_exe()?);
    without(&mut command, rule);
    if !command.args(["make", kind.name()]).arg(work).status()?.success() {
        return Err(io::Error::other("the map cannot be made"));
    }
    let parts = arguments.processes.max(1);
    let mut found = Found::default();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..parts)
            .map(|part| {
                let task = Task { work: work.into(), kind, sweep, seed: arguments.seed, part, parts, from: 0 };
                scope.spawn(move || one_part(task, rule))
            })
            .collect();
        for thread in running {
            let part = thread.join().map_err(|_| io::Error::other("the supervisor panics"))??;
            found.findings.extend(part.findings);
            for (name, count) in part.counts {
                *found.counts.entry(name).or_default() += count;
            }
        }
        Ok(found)
    })
}

/// One part of a sweep, begun again behind whatever ends or hangs its process.
fn one_part(mut task: Task, rule: Option<&'static str>) -> io::Result<Found> {
    let mut found = Found::default();
    let mut seen = HashSet::new();
    loop {
        let mut command = Command::new(std::env::current_exe()?);
        without(&mut command, rule);
        let mut child = command.args(task.arguments()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        // A control has shown what it is to show with its first finding.
        let finished = listen(&mut child, &task, rule.is_some(), &mut found)?;
        let status = child.wait()?;
        if rule.is_some() && !found.findings.is_empty() {
            return Ok(found);
        }
        if finished && status.success() {
            return Ok(found);
        }
        let at = fs::read(task.progress()).ok().and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
        found.findings.push(format!(
            "damage {at} of {} {}: its process ends with {status}",
            task.kind.name(),
            task.sweep.words()
        ));
        if !seen.insert(at) || seen.len() > SHOWN {
            return Ok(found);
        }
        // Counts of what came before are lost with the process; the findings are not.
        task.from = at as usize + 1;
    }
}

/// Reads what a process says until it ends. `false`: it did not end by itself.
fn listen(child: &mut Child, task: &Task, only_first: bool, found: &mut Found) -> io::Result<bool> {
    let output = child.stdout.take().ok_or_else(|| io::Error::other("the process has no output"))?;
    let (send, lines): (_, Receiver<String>) = channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    let mut last = (Vec::new(), Instant::now());
    let finished = loop {
        match lines.recv_timeout(Duration::from_millis(500)) {
            Ok(line) => match line.split_once('\t') {
                Some(("finding", told)) => {
                    found.findings.push(told.into());
                    if only_first {
                        child.kill()?;
                        break true;
                    }
                }
                Some(("counts", counts)) => {
                    for (name, count) in counts.split(' ').filter_map(|field| field.split_once('=')) {
                        *found.counts.entry(name.into()).or_default() += count.parse::<usize>().unwrap_or(0);
                    }
                }
                _ => println!("  {line}"),
            },
            Err(RecvTimeoutError::Disconnected) => break true,
            Err(RecvTimeoutError::Timeout) => {
                let now = fs::read(task.progress()).unwrap_or_default();
                if now != last.0 {
                    last = (now, Instant::now());
                } else if last.1.elapsed() > PATIENCE {
                    child.kill()?;
                    break false;
                }
            }
        }
    };
    let _ = reader.join();
    Ok(finished)
}
