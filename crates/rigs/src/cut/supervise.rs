//! The supervisor: starts a writer, cuts the power of the file system under it, starts again, and compares what the
//! next writer finds with what this one was told was safe.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::libc::SIGKILL;
use opendiskmap::Reason;

use super::arguments::Arguments;
use super::child::Orders;
use super::disk::{Disk, Kind, OwnDirectory};
use super::held::Held;
use super::history::{Life, Needs};
use super::script::{Plan, THREADS};
use super::word::{WORD, Word};
use super::writeback::write_back;
use crate::random::Random;

/// A close takes milliseconds; only an endless loop reaches this.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lives on one file system, before a new one is made.
const LIVES: usize = 60;

/// What a run came to.
#[derive(Default)]
struct Count {
    lives: usize,
    cuts: usize,
    kills: usize,
    /// Cuts before the writer had the map open: while it was made, or while it was recovered.
    opening: usize,
    /// Opens that made the index from the log.
    rebuilt: usize,
    /// Ends after which something that had returned, and was not flushed, was gone.
    losing: usize,
    lost: usize,
    unflushed: usize,
    calls: usize,
}

/// Runs the rig on each file system. `false`: something was found, or a control found nothing.
pub fn run(arguments: &Arguments) -> io::Result<bool> {
    let work = arguments.directory.join(format!("opendiskmap-cut-{}", std::process::id()));
    println!("seed {}, {} cuts on each file system", arguments.seed, arguments.cuts);
    let (mut passed, mut failed) = (0, 0);
    match OwnDirectory::make(&work) {
        Err(why) => println!("cut: skipped, {why}"),
        Ok(_work) => {
            let asked = |kind: &Kind| arguments.only.as_ref().is_none_or(|only| only == kind.name());
            for kind in Kind::ALL.into_iter().filter(asked) {
                match on(kind, arguments, &work)? {
                    Some(true) => passed += 1,
                    Some(false) => failed += 1,
                    None => {}
                }
            }
        }
    }
    println!("cut: {passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// `None`: this file system cannot be had here.
fn on(kind: Kind, arguments: &Arguments, work: &Path) -> io::Result<Option<bool>> {
    let name = kind.name();
    let began = Instant::now();
    let mut count = Count::default();
    let mut random = Random::new(arguments.seed);
    let mut found = Ok(());
    while found.is_ok() && count.cuts < arguments.cuts {
        let disk = match Disk::make(kind, work) {
            Ok(disk) => disk,
            Err(why) if count.cuts == 0 => {
                println!("{name}: skipped, {why}");
                return Ok(None);
            }
            Err(why) => return Err(io::Error::other(why)),
        };
        let mut series = Series::new(arguments, work, &disk, &mut random, &mut count);
        found = series.run()?;
        if let (Err(_), None) = (&found, &arguments.without) {
            keep(&series.map, &arguments.directory.join(format!("opendiskmap-cut-found-{}", std::process::id())));
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{name}: {} cuts ({} while the map was made or recovered) and {} kills in {seconds:.1} s, {:.2} s a cut; {} calls \
         returned; {} rebuilds; {} times unflushed changes were lost, {} in all, and {} were kept",
        count.cuts,
        count.opening,
        count.kills,
        seconds / count.cuts.max(1) as f64,
        count.calls,
        count.rebuilt,
        count.losing,
        count.lost,
        count.unflushed
    );
    if let Err(why) = &found {
        println!("{name}, life {}: {why}", count.lives);
    }
    Ok(Some(found.is_err() == arguments.without.is_some()))
}

/// Copies what a violation was found in to where it stays.
fn keep(map: &Path, to: &Path) {
    let copied = fs::create_dir_all(to).and_then(|()| {
        fs::read_dir(map)?.try_for_each(|entry| {
            let entry = entry?;
            fs::copy(entry.path(), to.join(entry.file_name())).map(drop)
        })
    });
    println!("the map is kept: {} ({copied:?})", to.display());
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Cut,
    /// The process dies and the file system does not: what it wrote is in the page cache, and not on the disk.
    Kill,
    /// The map is closed, and the power fails right after.
    CloseAndCut,
}

/// Lives on one file system.
struct Series<'a> {
    arguments: &'a Arguments,
    work: &'a Path,
    disk: &'a Disk,
    random: &'a mut Random,
    count: &'a mut Count,
    map: PathBuf,
    shards: u32,
    /// In the place of the boot id, another one after each cut; 0: the system's own stays, and the mount is another.
    boot: u8,
    /// Some open of the map has returned.
    made: bool,
    /// What is not known to be durable.
    pending: Option<Life>,
    /// There was a cut since then.
    cut: bool,
    /// The last life ended with one.
    restarted: bool,
}

/// What a writer said, and when it first said that a call failed.
type Said = (Vec<Word>, Option<Instant>);

impl<'a> Series<'a> {
    fn new(
        arguments: &'a Arguments,
        work: &'a Path,
        disk: &'a Disk,
        random: &'a mut Random,
        count: &'a mut Count,
    ) -> Self {
        let mut series = Self {
            arguments,
            work,
            disk,
            random,
            count,
            map: PathBuf::new(),
            shards: 1,
            boot: 0,
            made: false,
            pending: None,
            cut: false,
            restarted: false,
        };
        series.begin();
        series
    }

    /// A map that is not there yet.
    fn begin(&mut self) {
        self.map = self.disk.path().join(format!("map-{}", self.count.lives));
        self.shards = 1 << self.random.below(4);
        let own = tells_mounts_apart() && self.random.below(2) == 0;
        self.boot = u8::from(!own);
        (self.made, self.pending, self.cut) = (false, None, false);
    }

    fn run(&mut self) -> io::Result<Result<(), String>> {
        for life in 0..LIVES {
            let last = self.count.cuts >= self.arguments.cuts || life + 1 == LIVES;
            if life > 0 && self.random.below(12) == 0 && !last {
                // One that was being made may be gone.
                if self.map.exists() {
                    fs::remove_dir_all(&self.map)?;
                }
                self.begin();
            }
            // The last one looks only: it closes what the last cut left.
            let end = match self.random.below(20) {
                _ if last => End::CloseAndCut,
                0..14 => End::Cut,
                14..18 => End::Kill,
                _ => End::CloseAndCut,
            };
            if let Err(found) = self.live(end)? {
                return Ok(Err(format!("{found} ({end:?})")));
            }
            if last {
                break;
            }
        }
        Ok(Ok(()))
    }

    fn live(&mut self, end: End) -> io::Result<Result<(), String>> {
        self.count.lives += 1;
        let plan = Plan { seed: self.random.word(), life: self.count.lives, threads: 1 + self.random.below(THREADS) };
        // Some cuts come while the map is closed.
        let closes = end == End::CloseAndCut || end == End::Cut && self.random.below(5) == 0;
        let calls = if closes { 1 + self.random.below(600) } else { 0 };
        let orders = Orders { plan, shards: self.shards, boot: self.boot, creates: !self.made, calls };
        let mut child = self.start(orders)?;
        let reader = listen(&mut child)?;
        let (status, early, cut_at) = match end {
            End::CloseAndCut => {
                let status = wait(&mut child)?;
                (status, true, self.cut_now()?)
            }
            _ => {
                // Making a map or recovering one takes some milliseconds: many cuts come before it is open.
                let life = match self.random.below(3) {
                    0 => self.random.below(15_000),
                    _ => 5_000 + self.random.below(75_000),
                };
                let writing = AtomicBool::new(self.random.below(3) > 0);
                let seed = self.random.word();
                let map = &self.map;
                std::thread::scope(|scope| {
                    scope.spawn(|| write_back(map, seed, &writing));
                    std::thread::sleep(Duration::from_micros(life as u64));
                    writing.store(false, Ordering::Relaxed);
                });
                let early = child.try_wait()?.is_some();
                let cut_at = if end == End::Cut { self.cut_now()? } else { Instant::now() };
                child.kill()?;
                (child.wait()?, early, cut_at)
            }
        };
        let (words, failed) = reader.join().map_err(|_| io::Error::other("the pipe's reader ended"))??;
        let errors = fs::read_to_string(self.work.join("errors"))?;
        let as_told = match end {
            End::CloseAndCut => status.success(),
            End::Kill => !early && status.signal() == Some(SIGKILL),
            // Once the power is gone, calls fail, and a mapped page that is not in memory is a signal.
            End::Cut => status.success() || !early,
        };
        if !as_told {
            return Ok(Err(format!("the writer ends by itself: {status}: {}", errors.trim())));
        }
        if failed.is_some_and(|at| at < cut_at) {
            return Ok(Err(format!("the writer fails: {}", errors.trim())));
        }
        let settled = self.settle(plan, &words, end)?;
        self.restarted = end != End::Kill;
        if end == End::Kill {
            self.count.kills += 1;
        } else {
            self.count.cuts += 1;
            self.disk.restart().map_err(io::Error::other)?;
            self.boot = if self.boot == 0 { 0 } else { self.boot % 250 + 1 };
            self.cut = true;
        }
        Ok(settled)
    }

    /// The file system's power, at this moment.
    fn cut_now(&mut self) -> io::Result<Instant> {
        let at = Instant::now();
        self.disk.cut(self.random.below(3) == 0)?;
        Ok(at)
    }

    /// Compares what the writer found with what its predecessors left, and notes what it did itself.
    fn settle(&mut self, plan: Plan, words: &[Word], end: End) -> io::Result<Result<(), String>> {
        let Some(reason) = words.iter().find_map(|word| match word {
            Word::Opened(reason) => Some(*reason),
            _ => None,
        }) else {
            self.count.opening += usize::from(end == End::Cut);
            return Ok(Ok(()));
        };
        let found = Held::load(&self.work.join("held"))?;
        if self.made && reason == Reason::Created {
            return Ok(Err("a map that had been made was made again".into()));
        }
        if self.restarted && self.made && reason == Reason::Killed {
            return Ok(Err("the index was trusted after a power cut".into()));
        }
        self.count.rebuilt += usize::from(reason == Reason::Rebuilt);
        let needs = if self.cut { Needs::Flushed } else { Needs::Returned };
        match &self.pending {
            None if !found.versions.is_empty() => return Ok(Err("a new map holds something".into())),
            None => {}
            Some(life) => match life.explains(&found.versions, needs) {
                Ok(kept) => {
                    self.count.losing += usize::from(kept.lost > 0);
                    self.count.lost += kept.lost;
                    self.count.unflushed += kept.unflushed;
                }
                Err(why) => return Ok(Err(format!("{why}, after {needs:?} ({reason:?})"))),
            },
        }
        self.made = true;
        if reason == Reason::Killed && !words.contains(&Word::Flushed) {
            // Found, and not yet known to be on the disk: what must be there is what must have been before.
            return Ok(Ok(()));
        }
        self.cut = false;
        match Life::new(plan, found.versions, found.shards, words) {
            Ok(life) => {
                self.count.calls += life.calls;
                self.pending = Some(life);
                Ok(Ok(()))
            }
            Err(why) => Ok(Err(why)),
        }
    }

    /// Starts this program again as the writer.
    fn start(&self, orders: Orders) -> io::Result<Child> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("write").args(orders.words()).arg(&self.map).arg(self.work);
        command.stdout(Stdio::piped()).stderr(File::create(self.work.join("errors"))?);
        if let Some(rule) = &self.arguments.without {
            command.env("ODM_REMOVE_RULE", rule);
        }
        command.spawn()
    }
}

/// Linux has mount ids that are never given again since 6.8: there the mount alone tells that the page cache is gone.
fn tells_mounts_apart() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(8))
}

fn listen(child: &mut Child) -> io::Result<JoinHandle<io::Result<Said>>> {
    let mut pipe = child.stdout.take().ok_or_else(|| io::Error::other("the writer has no pipe"))?;
    Ok(std::thread::spawn(move || {
        let (mut words, mut failed) = (Vec::new(), None);
        let (mut bytes, mut part) = (Vec::new(), [0; 1 << 16]);
        loop {
            let count = pipe.read(&mut part)?;
            if count == 0 {
                return Ok((words, failed));
            }
            bytes.extend_from_slice(&part[..count]);
            let (whole, _) = bytes.as_chunks::<WORD>();
            let length = whole.len() * WORD;
            for word in whole.iter().filter_map(Word::from) {
                if word == Word::Failed {
                    failed = failed.or_else(|| Some(Instant::now()));
                }
                words.push(word);
            }
            bytes.drain(..length);
        }
    }))
}

fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if began.elapsed() > PATIENCE {
            child.kill()?;
            return child.wait();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
