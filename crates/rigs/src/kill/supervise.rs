//! The supervisor: starts a writer, kills it, looks at what is left, and does so again on the same directory.

use std::fs;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::libc::SIGKILL;

use super::child::ACK;
use super::script::{Script, THREADS, range};
use crate::model::{self, Model, key};
use crate::random::Random;

const USAGE: &str = "\
kill [--rounds N] [--seed N] [--directory PATH] [--expect-failure]

Starts a process that writes with 1 to 4 threads, kills it after 5 to 60 ms, opens the map and compares it with what
was acknowledged; again and again on one directory.

  --rounds N         how many kills (default 300)
  --seed N           the draw of an earlier run; moments of kills differ all the same
  --directory PATH   where the map is made (default: the temporary directory)
  --expect-failure   a crash rule is left out: pass only if that is noticed
";

/// Opening takes milliseconds; only an endless loop reaches this.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Arguments {
    rounds: usize,
    seed: u64,
    directory: PathBuf,
    expect_failure: bool,
}

impl Arguments {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
        let mut arguments = Self { rounds: 300, seed, directory: std::env::temp_dir(), expect_failure: false };
        while let Some(word) = words.next() {
            let mut operand = || words.next().ok_or_else(|| USAGE.to_string());
            match word.as_str() {
                "--rounds" => arguments.rounds = operand()?.parse().map_err(|_| USAGE)?,
                "--seed" => arguments.seed = operand()?.parse().map_err(|_| USAGE)?,
                "--directory" => arguments.directory = operand()?.into(),
                "--expect-failure" => arguments.expect_failure = true,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(arguments)
    }
}

/// What a run came to.
#[derive(Default)]
struct Count {
    rounds: usize,
    /// Kills that came before the writer had acknowledged anything.
    early: usize,
    calls: usize,
    /// Calls that were not acknowledged and are there.
    unacknowledged: usize,
    rebuilt: usize,
}

pub fn run(arguments: &Arguments) -> io::Result<bool> {
    let work = arguments.directory.join(format!("opendiskmap-kill-{}", std::process::id()));
    fs::create_dir_all(&work)?;
    println!("seed {}, {} rounds", arguments.seed, arguments.rounds);
    let began = Instant::now();
    let mut count = Count::default();
    let found = rounds(arguments, &work, &mut count);
    println!(
        "{} kills, {} of them before the first acknowledgement; {} acknowledged calls, {} more found done; {} opened with a full rebuild; {:.1} s",
        count.rounds,
        count.early,
        count.calls,
        count.unacknowledged,
        count.rebuilt,
        began.elapsed().as_secs_f64()
    );
    let violated = found.is_err();
    if let Err(told) = &found {
        println!("round {}: {told}", count.rounds);
    }
    let good = violated == arguments.expect_failure;
    if violated && !arguments.expect_failure {
        println!("the map is kept: {}", work.display());
    } else {
        fs::remove_dir_all(&work)?;
    }
    println!("kill: {} passed, {} failed", u8::from(good), u8::from(!good));
    Ok(good)
}

fn rounds(arguments: &Arguments, work: &Path, count: &mut Count) -> Result<(), String> {
    let mut random = Random::new(arguments.seed);
    let mut model = Model::new();
    for _ in 0..arguments.rounds {
        count.rounds += 1;
        let seed = random.word();
        // A writer that is alone may clear, so that a kill can meet that too.
        let threads = 1 + random.below(THREADS);
        let life = Duration::from_micros(5000 + random.below(55_000) as u64);
        let acks = write(work, seed, threads, life).map_err(|error| error.to_string())??;
        if acks.is_empty() {
            count.early += 1;
        }
        count.calls += acks.len();

        let full = random.below(4) == 0;
        count.rebuilt += usize::from(full);
        let held = look(work, full, random.below(2) == 0).map_err(|error| error.to_string())??;
        count.unacknowledged += settle(&mut model, &held, seed, threads, &acks)?;
    }
    Ok(())
}

struct Ack {
    thread: usize,
    answer: bool,
    number: u64,
}

fn start(arguments: &[&str], work: &Path) -> io::Result<Child> {
    Command::new(std::env::current_exe()?).args(arguments).arg(work).stdout(Stdio::piped()).spawn()
}

/// One life of a writer: what it acknowledged, or why it ended by itself.
fn write(work: &Path, seed: u64, threads: usize, life: Duration) -> io::Result<Result<Vec<Ack>, String>> {
    let mut child = start(&["write", &seed.to_string(), &threads.to_string()], work)?;
    let mut pipe = child.stdout.take().ok_or_else(|| io::Error::other("the writer has no pipe"))?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).map(|_| bytes)
    });
    std::thread::sleep(life);
    child.kill()?;
    let status = child.wait()?;
    let bytes = reader.join().map_err(|_| io::Error::other("the pipe's reader ended"))??;
    if status.signal() != Some(SIGKILL) {
        return Ok(Err(format!("the writer ends by itself: {status}")));
    }
    let ack = |bytes: &[u8; ACK]| {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Ack { thread: word(0) as usize, answer: word(4) == 1, number: u64::from(word(8)) | u64::from(word(12)) << 32 }
    };
    Ok(Ok(bytes.as_chunks::<ACK>().0.iter().map(ack).collect()))
}

/// Another process opens what is left and says what it holds.
fn look(work: &Path, full: bool, closes: bool) -> io::Result<Result<Model, String>> {
    let how = if full { "full" } else { "auto" };
    let mut child = start(&["look", how, if closes { "closes" } else { "dies" }], work)?;
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if began.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(Err(format!("opening ({how}) hangs")));
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let as_asked = if closes { status.success() } else { status.signal() == Some(SIGKILL) };
    if !as_asked {
        return Ok(Err(format!("looking ({how}) fails: {status}")));
    }
    model::load(&work.join("held")).map(Ok)
}

/// Each thread's keys must be what its acknowledged calls make of them, or that and the one call after them. The
/// model becomes what is held.
fn settle(model: &mut Model, held: &Model, seed: u64, threads: usize, acks: &[Ack]) -> Result<usize, String> {
    let mut more = 0;
    for thread in 0..if threads == 1 { 1 } else { THREADS } {
        let own = range(thread, threads);
        let part = |whole: &Model| -> Model {
            whole.range(key(own.start)..key(own.end)).map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let mut known = part(model);
        let there = part(held);
        if thread >= threads {
            if there != known {
                return Err(format!("keys of thread {thread}, which did not run, have changed"));
            }
            continue;
        }
        let mut script = Script::new(seed, thread, threads);
        let mut last = None;
        let mut count = 0;
        for ack in acks.iter().filter(|ack| ack.thread == thread) {
            let call = script.call();
            let answer = call.effect(&mut known);
            if (ack.number, ack.answer) != (count, answer) {
                return Err(format!("thread {thread}, call {count}, {call:?}: answered {}, not {answer}", ack.answer));
            }
            last = Some(call);
            count += 1;
        }
        if there == known {
            continue;
        }
        let call = script.call();
        let before = known.clone();
        call.effect(&mut known);
        if there != known {
            let told = model::difference(&before, &there);
            return Err(format!(
                "keys of thread {thread} are not what {count} acknowledged calls (last {last:?}) made of them, \
                 with or without {call:?}: {told}"
            ));
        }
        more += 1;
    }
    let strange = held.keys().find(|key| **key >= model::key(range(0, 1).end));
    if let Some(strange) = strange {
        return Err(format!("a key nobody wrote: {}", model::show(strange)));
    }
    model.clone_from(held);
    Ok(more)
}
