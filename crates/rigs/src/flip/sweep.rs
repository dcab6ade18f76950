//! The process that opens damaged maps, one after the other. It notes which one it is at, so that one that ends it is known.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::damage::{self, Damage};
use super::files::Files;
use super::maps::Kind;
use super::trial::{self, Bar};
use crate::model;

/// Of processor time, for one damaged map in all its openings.
const HANG: Duration = Duration::from_secs(1);

/// Which damages are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Every bit of every file, read; every 16th of them changed too.
    All,
    /// Every bit of the small structures, read; every 64th changed too.
    Structures,
    /// So many drawn bits, read and changed.
    Drawn(usize),
    /// Pages, lengths and names; every so-manieth of them.
    Structural(usize),
    /// So many times so many drawn bits at once.
    Bursts(usize, usize),
}

impl Sweep {
    pub fn words(self) -> String {
        match self {
            Self::All => "all".into(),
            Self::Structures => "structures".into(),
            Self::Structural(every) => format!("structural:{every}"),
            Self::Drawn(count) => format!("drawn:{count}"),
            Self::Bursts(count, at_once) => format!("bursts:{count}:{at_once}"),
        }
    }

    #[must_use]
    pub fn parse(words: &str) -> Option<Self> {
        let mut fields = words.split(':');
        let name = fields.next()?;
        let mut number = || fields.next()?.parse().ok();
        Some(match name {
            "all" => Self::All,
            "structures" => Self::Structures,
            "structural" => Self::Structural(number()?),
            "drawn" => Self::Drawn(number()?),
            "bursts" => Self::Bursts(number()?, number()?),
            _ => return None,
        })
    }

    fn damages(self, files: &Files, seed: u64) -> Box<dyn Iterator<Item = Damage> + '_> {
        match self {
            Self::All => Box::new(damage::all_bits(files)),
            Self::Structures => Box::new(damage::small_structures(files)),
            Self::Drawn(count) => Box::new(damage::drawn_bits(files, count, seed)),
            Self::Structural(every) => Box::new(damage::structural(files).into_iter().step_by(every)),
            Self::Bursts(count, at_once) => Box::new(damage::drawn_bursts(files, count, at_once, seed)),
        }
    }

    /// Every how many damaged maps one is opened for writing too, which takes several times as long.
    const fn changes_every(self) -> usize {
        match self {
            Self::All => 16,
            Self::Structures => 64,
            Self::Bursts(..) => 4,
            Self::Drawn(_) | Self::Structural(_) => 1,
        }
    }
}

/// A part of a sweep, as the supervisor asks for it.
#[derive(Clone, Debug)]
pub struct Task {
    pub work: PathBuf,
    pub kind: Kind,
    pub sweep: Sweep,
    pub seed: u64,
    pub part: usize,
    pub parts: usize,
    pub from: usize,
}

impl Task {
    pub fn arguments(&self) -> Vec<String> {
        let numbers = [self.seed.to_string(), self.part.to_string(), self.parts.to_string(), self.from.to_string()];
        let mut words = vec!["sweep".into(), self.work.display().to_string(), self.kind.name().into()];
        words.push(self.sweep.words());
        words.extend(numbers);
        words
    }

    #[must_use]
    pub fn parse(words: &[&str]) -> Option<Self> {
        let [work, kind, sweep, seed, part, parts, from] = words else { return None };
        Some(Self {
            work: work.into(),
            kind: Kind::named(kind)?,
            sweep: Sweep::parse(sweep)?,
            seed: seed.parse().ok()?,
            part: part.parse().ok()?,
            parts: parts.parse().ok()?,
            from: from.parse().ok()?,
        })
    }

    #[must_use]
    pub fn progress(&self) -> PathBuf {
        self.work.join(format!("progress-{}", self.part))
    }
}

static PANIC: Mutex<Option<String>> = Mutex::new(None);

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Where a map lies that is to be damaged.
#[must_use]
pub fn image(work: &Path) -> PathBuf {
    work.join("image")
}

/// Makes the map that is to be damaged, and notes what it holds.
pub fn make(kind: &str, work: &Path) -> io::Result<()> {
    let kind = Kind::named(kind).ok_or_else(|| io::Error::other("no such map"))?;
    let (_, stored) = kind.make(&image(work))?;
    model::save(&stored, &work.join("model"))
}

/// Makes the images that the fuzzers begin with anew.
pub fn pack(directory: &Path) -> io::Result<()> {
    for (name, kind) in crate::fuzz::image::KINDS {
        let made = directory.join("map");
        let (files, _) = kind.make(&made)?;
        fs::remove_dir_all(&made)?;
        fs::write(directory.join(name), crate::fuzz::packed::pack(&files))?;
    }
    Ok(())
}

/// Tries this part of the damages. A line for each finding, and a last one with the counts. `limit` is told how many more
/// bytes of memory may be asked for, before each damaged map.
pub fn run(task: &Task, limit: impl Fn(usize)) -> io::Result<()> {
    std::panic::set_hook(Box::new(|info| {
        let mut first = PANIC.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        first.get_or_insert_with(|| info.to_string().replace('\n', " "));
    }));
    let files = Files::read(&image(&task.work))?;
    let model = model::load(&task.work.join("model"))?;
    let directory = task.work.join(format!("map-{}", task.part));
    fs::remove_dir_all(&directory).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    files.restore(&directory)?;
    let progress = File::create(task.progress())?;
    let bar = if task.kind == Kind::Killed { Bar::Values } else { Bar::Exact };
    let allowed = 2 * files.total();
    let mut counts = BTreeMap::<&str, usize>::new();
    for (number, damage) in task.sweep.damages(&files, task.seed).enumerate() {
        if number % task.parts != task.part || number < task.from {
            continue;
        }
        progress.write_all_at(&(number as u64).to_le_bytes(), 0)?;
        damage.apply(&files, &directory)?;
        let changes = (number / task.parts).is_multiple_of(task.sweep.changes_every());
        let began = processor_time();
        limit(allowed);
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let answer = trial::read(&directory, &model, bar).map_err(|told| format!("reading: {told}"))?;
            if changes {
                trial::change(&directory, &model, bar).map_err(|told| format!("writing: {told}"))?;
            }
            Ok::<_, String>(answer)
        }));
        let took = processor_time() - began;
        limit(usize::MAX);
        let panicked = PANIC.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let found = match (&tried, panicked) {
            (_, Some(panicked)) => Some(format!("it panics: {panicked}")),
            (Ok(Err(told)), None) => Some(told.clone()),
            (Ok(Ok(_)), None) if took > HANG && task.kind != Kind::Large => Some(format!("it takes {took:?}")),
            _ => None,
        };
        match (&found, &tried) {
            (Some(told), _) => {
                println!("finding\t{number}: {}: {told}", damage.show(&files));
                *counts.entry("findings").or_default() += 1;
            }
            (None, Ok(Ok(answer))) if answer.told => *counts.entry("told").or_default() += 1,
            _ => *counts.entry("harmless").or_default() += 1,
        }
        if changes {
            *counts.entry("changed").or_default() += 1;
        }
        if changes || found.is_some() || !damage.undo(&files, &directory)? {
            files.restore(&directory)?;
        }
    }
    let shown: Vec<_> = counts.iter().map(|(name, count)| format!("{name}={count}")).collect();
    println!("counts\t{}", shown.join(" "));
    fs::remove_dir_all(&directory)
}
