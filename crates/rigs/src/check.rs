//! Opening a state that a kill left, and asking whether it is one that a kill may leave.
//!
//! It happens in a process of its own: a state that crashes or hangs the engine is a finding like any other, and must
//! not take the supervisor with it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use opendiskmap::{Map, Options, Reason, Recovery};

use crate::model::{self, Model};
use crate::scenario::{options, rebooted};

/// Far longer than any check takes; only an endless loop reaches it.
const PATIENCE_MS: u16 = 60_000;

/// More than a table has slots.
const BURST: usize = 1100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Old,
    /// Some of the parts of an operation that has several, each whole, and none before an earlier one.
    Between,
    New,
    /// The operation changes nothing that can be asked for.
    Both,
}

/// Which states of an operation may show what: before its first change only the old, after its last only the new.
#[must_use]
pub fn allowed(outcome: Outcome, first: bool, last: bool) -> bool {
    match outcome {
        Outcome::Both => true,
        Outcome::Old => !last,
        Outcome::Between => !first && !last,
        Outcome::New => !first,
    }
}

/// How a state is opened and what is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As after any kill: the index is trusted after the fix-ups.
    Trust,
    /// The same, and then enough puts for tables to split and segments to change, and a compaction: they rely on
    /// counters and free lists that no question about the content shows.
    Use,
    /// After a rebuild that was killed: its half of an index is not to be trusted, so the open may make it again.
    Resume,
    /// The index is made anew from the log because that was asked for.
    Rebuild,
    /// The same because the machine was started anew.
    Reboot,
    /// As after any kill, and not a byte of any file may change.
    ReadOnly,
}

impl Way {
    const ALL: [(Self, &str); 6] = [
        (Self::Trust, "trust"),
        (Self::Use, "use"),
        (Self::Resume, "resume"),
        (Self::Rebuild, "rebuild"),
        (Self::Reboot, "reboot"),
        (Self::ReadOnly, "read-only"),
    ];

    fn options(self) -> Options {
        match self {
            Self::Trust | Self::Use | Self::Resume => options(Recovery::Auto),
            Self::Rebuild => options(Recovery::Full),
            Self::Reboot => rebooted(),
            Self::ReadOnly => Options { read_only: true, ..options(Recovery::Auto) },
        }
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(way, _)| *way == self).map_or("", |(_, name)| name)
    }
}

/// One state, opened, asked, changed, closed and opened again; `models`: what it may hold, in the order in which it does.
pub fn check(path: &Path, way: Way, models: &[Model]) -> Result<Outcome, String> {
    if way == Way::ReadOnly {
        return check_reading(path, models);
    }
    let fails = |what: &str, error: opendiskmap::Error| format!("{what} fails with {}: {error}", error.code());
    let before = index_files(path);
    let map = Map::open(path, &way.options()).map_err(|error| fails("open", error))?;
    let (index, outcome) = which(&map, models)?;
    if matches!(way, Way::Trust | Way::Use) {
        // An engine that mends its index from the log would answer rightly after any fix-up, however wrong: that it
        // did not have to is what is asked here.
        let reason = map.stats().map_err(|error| fails("stats", error))?.recovery.reason;
        if reason == Reason::Rebuilt {
            return Err("a kill led to a full rebuild".into());
        }
        if !before.is_empty() && before != index_files(path) {
            return Err("the index was not as a fix-up should leave it: it was made again while it was read".into());
        }
    }

    let mut next = models[index].clone();
    let fresh = b"a key nobody had".to_vec();
    map.put(&fresh, b"1").map_err(|error| fails("put after it", error))?;
    next.insert(fresh.clone(), b"1".to_vec());
    if let Some(key) = next.keys().next_back().filter(|key| **key != fresh).cloned() {
        let removed = map.remove(&key).map_err(|error| fails("delete after it", error))?;
        next.remove(&key);
        if !removed {
            return Err(format!("delete after it does not find {}", model::show(&key)));
        }
    }
    map.put(&fresh, b"22").map_err(|error| fails("update after it", error))?;
    next.insert(fresh, b"22".to_vec());
    model::which(&map, &[&next]).map_err(|told| format!("after one put, delete and update: {told}"))?;
    if way == Way::Use {
        for number in 0..BURST {
            let (key, value) = (format!("burst-{number}").into_bytes(), vec![number as u8; number % 90]);
            map.put(&key, &value).map_err(|error| fails("a put after many", error))?;
            next.insert(key, value);
        }
        model::which(&map, &[&next]).map_err(|told| format!("after {BURST} puts: {told}"))?;
        map.compact().map_err(|error| fails("compact after it", error))?;
        model::which(&map, &[&next]).map_err(|told| format!("after compact(): {told}"))?;
    }
    map.close().map_err(|error| fails("close after it", error))?;

    // An index that was right by chance is found out by the log.
    let again = match way {
        Way::Use => Way::Rebuild,
        Way::Rebuild => Way::Resume,
        way => way,
    };
    let map = Map::open(path, &again.options()).map_err(|error| fails("second open", error))?;
    model::which(&map, &[&next]).map_err(|told| format!("after close and open ({again:?}): {told}"))?;
    map.close().map_err(|error| fails("second close", error))?;
    Ok(outcome)
}

/// Which model the map holds, and what that says of the operation.
fn which(map: &Map, models: &[Model]) -> Result<(usize, Outcome), String> {
    let index = model::which(map, &models.iter().collect::<Vec<_>>())?;
    let held = &models[index];
    let outcome = match (models.first() == Some(held), models.last() == Some(held)) {
        (true, true) => Outcome::Both,
        (true, false) => Outcome::Old,
        (false, true) => Outcome::New,
        (false, false) => Outcome::Between,
    };
    Ok((index, outcome))
}

/// One state, opened by who may not write.
fn check_reading(path: &Path, models: &[Model]) -> Result<Outcome, String> {
    if !path.join("CHECKPOINT.0").exists() {
        // The last file to be made is not there yet: it is no map, and who only reads cannot make it one.
        return Ok(Outcome::Both);
    }
    let before = contents(path);
    let fails = |what: &str, error: opendiskmap::Error| format!("{what} fails with {}: {error}", error.code());
    let map = Map::open(path, &Way::ReadOnly.options()).map_err(|error| fails("open to read", error))?;
    let (_, outcome) = which(&map, models)?;
    map.close().map_err(|error| fails("close after reading", error))?;
    if before != contents(path) {
        return Err("a map that was opened to read has changed".into());
    }
    Ok(outcome)
}

fn contents(path: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap_or_default())).collect()
}

/// The index's files, by name; making the index again takes a new one.
fn index_files(path: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with("idx-")).collect()
}

/// The checking process: a line in, a line out, until its input ends.
pub fn serve() -> io::Result<()> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut fields = line.split('\t');
        let mut field = || fields.next().unwrap_or_default();
        let way = field();
        let way = Way::ALL.iter().find(|(_, name)| *name == way).map_or(Way::Trust, |(way, _)| *way);
        let path = PathBuf::from(field());
        let models = model::load_all(Path::new(field()))?;
        let told = catch_unwind(AssertUnwindSafe(|| check(&path, way, &models)));
        let told = match told {
            Ok(Ok(outcome)) => format!("{outcome:?}"),
            Ok(Err(told)) => told,
            Err(_) => "the engine panics (its message is above)".into(),
        };
        writeln!(output, "{}", told.replace('\n', " "))?;
        output.flush()?;
    }
    Ok(())
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "Old" => Ok(Self::Old),
            "Between" => Ok(Self::Between),
            "New" => Ok(Self::New),
            "Both" => Ok(Self::Both),
            told => Err(told.into()),
        }
    }
}

/// The crash rule that a negative control leaves out, for a process that is started.
pub fn without(command: &mut Command, rule: Option<&'static str>) {
    if let Some(rule) = rule {
        command.env("ODM_REMOVE_RULE", rule);
    }
}

/// The supervisor's side of a process that this program starts of itself, which answers a line by a line; it is started
/// again whenever a question ends it.
pub struct Helper {
    rule: Option<&'static str>,
    argument: &'static str,
    process: Option<(Child, ChildStdin, BufReader<ChildStdout>)>,
}

/// The supervisor's side of a checking process.
pub struct Checker(Helper);

impl Default for Checker {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Checker {
    /// The engine that checks has the same rules as the one that wrote: some are for opening.
    #[must_use]
    pub fn new(rule: Option<&'static str>) -> Self {
        Self(Helper::new("check", rule))
    }

    pub fn ask(&mut self, way: Way, path: &Path, models: &Path) -> io::Result<Result<Outcome, String>> {
        let way = way.name();
        let line = format!("{way}\t{}\t{}", path.display(), models.display());
        Ok(self.0.ask(&line)?.and_then(|told| told.parse()))
    }
}

impl Helper {
    #[must_use]
    pub fn new(argument: &'static str, rule: Option<&'static str>) -> Self {
        Self { rule, argument, process: None }
    }

    /// The answer, or how the process ended instead.
    pub fn ask(&mut self, line: &str) -> io::Result<Result<String, String>> {
        let (child, input, output) = match &mut self.process {
            Some(process) => process,
            empty => {
                let mut command = Command::new(std::env::current_exe()?);
                without(&mut command, self.rule);
                let mut child = command.arg(self.argument).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
                let pipes = child.stdin.take().zip(child.stdout.take());
                let (input, output) = pipes.ok_or_else(|| io::Error::other("the checking process has no pipes"))?;
                empty.insert((child, input, BufReader::new(output)))
            }
        };
        let sent = writeln!(input, "{line}");
        let mut told = String::new();
        let failed = if sent.is_err() {
            "the checking process is gone".into()
        } else if poll(&mut [PollFd::new(output.get_ref().as_fd(), PollFlags::POLLIN)], PollTimeout::from(PATIENCE_MS))?
            == 0
        {
            format!("no answer in {} s: the engine hangs", PATIENCE_MS / 1000)
        } else if output.read_line(&mut told)? == 0 {
            "the engine ends its process".into()
        } else {
            return Ok(Ok(told.trim_end().into()));
        };
        child.kill()?;
        let status = child.wait()?;
        self.process = None;
        Ok(Err(format!("{failed} ({status})")))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if let Some((mut child, input, _)) = self.process.take() {
            drop(input);
            let _ = child.wait();
        }
    }
}
