//! The supervisor: starts a writer, kills it, looks at what is left, and does so again on the same directory.

use std::fs;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::libc::SIGKILL;

use super::child::{ACK, MOST_AT_ONCE};
use super::script::{Script, THREADS, hot, range};
use crate::model::{self, Model, key};
use crate::random::Random;

const USAGE: &str = "\
kill [--rounds N] [--seed N] [--directory PATH] [--without RULE]

Starts a process that writes with 1 to 4 threads, kills it after 5 to 60 ms, opens the map and compares it with what
was acknowledged; again and again on one directory.

  --rounds N         how many kills (default 300)
  --seed N           the draw of an earlier run; moments of kills differ all the same
  --directory PATH   where the map is made (default: the temporary directory)
  --without RULE     the negative control: the engine leaves this crash rule out, and the run passes only if that is
                     noticed; needs a build with the feature negative-controls. A random kill has to fall between the
                     stores of one call: `intent` and `slot-after-record` were noticed after 76 to 182 kills, so give
                     it --rounds 3000 (it ends at the first find). For the other rules there is only `step`.
";

/// Opening takes milliseconds; only an endless loop reaches this.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Arguments {
    rounds: usize,
    seed: u64,
    directory: PathBuf,
    without: Option<String>,
}

impl Arguments {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
        let mut arguments = Self { rounds: 300, seed, directory: std::env::temp_dir(), without: None };
        while let Some(word) = words.next() {
            let mut operand = || words.next().ok_or_else(|| USAGE.to_string());
            match word.as_str() {
                "--rounds" => arguments.rounds = operand()?.parse().map_err(|_| USAGE)?,
                "--seed" => arguments.seed = operand()?.parse().map_err(|_| USAGE)?,
                "--directory" => arguments.directory = operand()?.into(),
                "--without" if cfg!(feature = "negative-controls") => arguments.without = Some(operand()?),
                "--without" => {
                    return Err("this build keeps all crash rules: it lacks the feature negative-controls".into());
                }
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
    let good = violated == arguments.without.is_some();
    if violated && arguments.without.is_none() {
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
        // Saying so takes longer than a call. In half of the rounds it is done for many at once, so that most kills
        // come in the middle of a call and not in the middle of telling.
        let at_once = if hot(seed) { MOST_AT_ONCE } else { [1, MOST_AT_ONCE][random.below(2)] };
        let round = Round { seed, threads, at_once };
        let acks = write(arguments, work, round, life).map_err(|error| error.to_string())??;
        if acks.is_empty() {
            count.early += 1;
        }
        count.calls += acks.len() * at_once;

        let full = random.below(4) == 0;
        count.rebuilt += usize::from(full);
        let held = look(arguments, work, full, random.below(2) == 0).map_err(|error| error.to_string())??;
        count.unacknowledged += settle(&mut model, &held, round, &acks)?;
    }
    Ok(())
}

struct Ack {
    thread: usize,
    /// A bit for each call since the last acknowledgement.
    answers: u32,
    /// Calls of this thread that have returned.
    calls: u64,
}

/// What the writer was told.
#[derive(Clone, Copy)]
struct Round {
    seed: u64,
    threads: usize,
    at_once: usize,
}

/// Starts this program again in another part of it.
fn start(arguments: &Arguments, part: &[&str], work: &Path) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(part).arg(work).stdout(Stdio::piped());
    if let Some(rule) = &arguments.without {
        command.env("ODM_REMOVE_RULE", rule);
    }
    command.spawn()
}

/// One life of a writer: what it acknowledged, or why it ended by itself.
fn write(arguments: &Arguments, work: &Path, round: Round, life: Duration) -> io::Result<Result<Vec<Ack>, String>> {
    let numbers = [round.seed.to_string(), round.threads.to_string(), round.at_once.to_string()];
    let mut child = start(arguments, &["write", &numbers[0], &numbers[1], &numbers[2]], work)?;
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
        Ack { thread: word(0) as usize, answers: word(4), calls: u64::from(word(8)) | u64::from(word(12)) << 32 }
    };
    Ok(Ok(bytes.as_chunks::<ACK>().0.iter().map(ack).collect()))
}

/// Another process opens what is left and says what it holds.
fn look(arguments: &Arguments, work: &Path, full: bool, closes: bool) -> io::Result<Result<Model, String>> {
    let how = if full { "full" } else { "auto" };
    let mut child = start(arguments, &["look", how, if closes { "closes" } else { "dies" }], work)?;
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

/// Each thread's keys must be what its acknowledged calls make of them, or that and some of the calls up to the next
/// acknowledgement, in their order. The model becomes what is held.
fn settle(model: &mut Model, held: &Model, round: Round, acks: &[Ack]) -> Result<usize, String> {
    let mut more = 0;
    for thread in 0..if round.threads == 1 { 1 } else { THREADS } {
        let own = range(thread, round.threads);
        let part = |whole: &Model| -> Model {
            whole.range(key(own.start)..key(own.end)).map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let mut known = part(model);
        let there = part(held);
        if thread >= round.threads {
            if there != known {
                return Err(format!("keys of thread {thread}, which did not run, have changed"));
            }
            continue;
        }
        let mut script = Script::new(round.seed, thread, round.threads);
        let mut count = 0;
        for ack in acks.iter().filter(|ack| ack.thread == thread) {
            for number in 0..round.at_once {
                let call = script.call();
                let answer = call.effect(&mut known);
                if (ack.answers >> number & 1 == 1) != answer {
                    return Err(format!("thread {thread}, call {count}, {call:?}: the answer is not {answer}"));
                }
                count += 1;
            }
            if ack.calls != count {
                return Err(format!("thread {thread}: {} calls are acknowledged after {count}", ack.calls));
            }
        }
        let acknowledged = known.clone();
        let mut next = Vec::new();
        while there != known {
            if next.len() == round.at_once {
                let told = model::difference(&acknowledged, &there);
                return Err(format!(
                    "keys of thread {thread} are not what {count} acknowledged calls made of them, with or without \
                     the next {}, {:?} …: {told}",
                    round.at_once, next[0]
                ));
            }
            let call = script.call();
            call.effect(&mut known);
            next.push(call);
        }
        more += next.len();
    }
    let strange = held.keys().find(|key| **key >= model::key(range(0, 1).end));
    if let Some(strange) = strange {
        return Err(format!("a key nobody wrote: {}", model::show(strange)));
    }
    model.clone_from(held);
    Ok(more)
}
