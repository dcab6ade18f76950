//! The writer: opens what the last cut left, writes down what it finds, and goes on until the power fails.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::write;
use opendiskmap::{Error, Hooks, Map, Options, Reason};

use super::held::{self, Held};
use super::script::{ALL_KEYS, Call, Plan, Script};
use super::word::Word;
use crate::model::{self, Model, key, value};

/// The order of all calls of a life: one number when a call begins, one when it has returned.
static CLOCK: AtomicU64 = AtomicU64::new(1);

/// One system call for all of it: a pipe takes so few bytes whole or not at all.
fn say(words: &[Word]) -> io::Result<()> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.bytes()).collect();
    match write(io::stdout().as_fd(), &bytes)? {
        sent if sent == bytes.len() => Ok(()),
        _ => Err(io::Error::other("the pipe took a part of what was said")),
    }
}

/// How a life goes.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    pub plan: Plan,
    pub shards: u32,
    /// In the place of the system's boot id; 0: the system's own.
    pub boot: u8,
    /// Whether the map may be made.
    pub creates: bool,
    /// The calls of each thread before the map is closed; 0: it is left open.
    pub calls: usize,
}

impl Orders {
    #[must_use]
    pub fn words(self) -> Vec<String> {
        let Self { plan, shards, boot, creates, calls } = self;
        let numbers = [
            plan.seed,
            plan.life as u64,
            plan.threads as u64,
            shards.into(),
            boot.into(),
            creates.into(),
            calls as u64,
        ];
        numbers.iter().map(u64::to_string).collect()
    }

    #[must_use]
    pub fn from(words: &[&str]) -> Option<Self> {
        let numbers: Vec<u64> = words.iter().map(|word| word.parse().ok()).collect::<Option<_>>()?;
        let [seed, life, threads, shards, boot, creates, calls] = *numbers else { return None };
        let plan = Plan { seed, life: life as usize, threads: threads as usize };
        let (boot, creates) = (u8::try_from(boot).ok()?, creates == 1);
        Some(Self { plan, shards: u32::try_from(shards).ok()?, boot, creates, calls: calls as usize })
    }
}

fn told(what: &str) -> impl Fn(Error) -> String + '_ {
    move |error| format!("{what}: {}: {error}", error.code())
}

/// Writes until it is killed; ends by itself only after a close that it was told to make.
pub fn live(orders: Orders, map: &Path, work: &Path) -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    if let Err(why) = write_until_cut(orders, map, work) {
        eprintln!("{why}");
        say(&[Word::Failed])?;
        if orders.calls > 0 {
            return Err(io::Error::other("nothing was to end this writer"));
        }
        // Whether that was the power's failing is the supervisor's to say, which also ends this.
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

fn write_until_cut(orders: Orders, path: &Path, work: &Path) -> Result<(), String> {
    let boot_id = (orders.boot > 0).then_some([orders.boot; 16]);
    let interval = orders.plan.flushes().then_some(Duration::from_millis(3));
    let options = Options {
        shards: Some(orders.shards),
        create: orders.creates,
        flush_interval: Some(interval),
        hooks: Hooks { boot_id, ..Hooks::default() },
        ..Options::default()
    };
    let map = Map::open(path, &options).map_err(told("open"))?;
    let reason = map.stats().map_err(told("stats"))?.recovery.reason;
    let found = model::read(&map)?;
    model::which(&map, &[&found])?;
    let shards = (0..ALL_KEYS).map(|index| map.shard_of(&key(index)).map_err(told("the shard of a key")));
    let held = Held { versions: held::versions(&found)?, shards: shards.collect::<Result<_, _>>()? };
    held.save(&work.join("held")).map_err(|error| error.to_string())?;
    let say = |words: &[Word]| say(words).map_err(|error| error.to_string());
    say(&[Word::Opened(reason)])?;
    if reason == Reason::Killed {
        map.flush().map_err(told("the first flush"))?;
        say(&[Word::Flushed])?;
    }
    let results: Vec<_> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..orders.plan.threads)
            .map(|thread| (map.clone(), Script::new(orders.plan, thread), &found))
            .enumerate()
            .map(|(thread, (map, script, found))| scope.spawn(move || calls(&map, thread, script, found, orders)))
            .collect();
        started.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panics".into()))).collect()
    });
    results.into_iter().collect::<Result<(), _>>()?;
    map.close().map_err(told("close"))?;
    say(&[Word::Closed])
}

/// A call with its bytes made, and what it must answer.
struct Armed {
    call: Call,
    key: Vec<u8>,
    value: Vec<u8>,
}

fn arm(call: Call) -> Armed {
    let (key, value) = match call {
        Call::Put { index, version, length } => (key(index), value(index, version, length)),
        Call::Delete { index } | Call::Get { index } => (key(index), Vec::new()),
        Call::Flush | Call::Compact | Call::Clear => (Vec::new(), Vec::new()),
    };
    Armed { call, key, value }
}

impl Armed {
    /// Does it to the map and to the thread's model, and compares the answers.
    fn run(self, map: &Map, model: &mut Model) -> Result<bool, String> {
        let Self { call, key, value } = self;
        let done = match call {
            Call::Put { .. } => map.put(&key, &value),
            Call::Delete { .. } => map.remove(&key),
            Call::Get { .. } => map.get(&key).map(|got| got.as_ref() == model.get(&key)),
            Call::Flush => map.flush().map(|()| true),
            Call::Compact => map.compact().map(|()| true),
            Call::Clear => map.clear().map(|()| true),
        };
        let answer = done.map_err(|error| format!("{call:?}: {}: {error}", error.code()))?;
        let expected = match call {
            Call::Put { .. } => model.insert(key, value).is_none(),
            Call::Delete { .. } => model.remove(&key).is_some(),
            Call::Get { .. } | Call::Flush | Call::Compact => true,
            Call::Clear => {
                model.clear();
                true
            }
        };
        if answer != expected {
            return Err(format!("{call:?} does not find what this thread wrote last"));
        }
        Ok(answer)
    }
}

fn calls(map: &Map, thread: usize, mut script: Script, found: &Model, orders: Orders) -> Result<(), String> {
    let own = super::script::range(thread, orders.plan.threads);
    let part = found.range(key(own.start)..key(own.end));
    let mut model: Model = part.map(|(key, value)| (key.clone(), value.clone())).collect();
    let at_once = orders.plan.at_once();
    let mut made = 0;
    while orders.calls == 0 || made < orders.calls {
        let armed: Vec<_> = (0..at_once).map(|_| arm(script.call())).collect();
        let mut words = Vec::with_capacity(at_once);
        for call in armed {
            // SeqCst: the numbers of all threads are one order, in which a call's first is drawn before it begins.
            let start = CLOCK.fetch_add(1, Ordering::SeqCst);
            let answer = call.run(map, &mut model)?;
            let end = CLOCK.fetch_add(1, Ordering::SeqCst);
            words.push(Word::Returned { thread, start, end, answer });
        }
        made += at_once;
        say(&words).map_err(|error| error.to_string())?;
    }
    Ok(())
}
