//! One operation: stepped, its states opened, what was found.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use nix::sys::wait::WaitStatus;

use super::child::{DRAWN, Place, Reopen};
use super::image::Image;
use super::record::Recording;
use super::trace::Traced;
use crate::catalogue::CATALOGUE;
use crate::check::{Checker, Outcome, Way, allowed, without};
use crate::model;
use crate::scenario::{Fails, Scenario, Shows, TRIES, intent};

/// What is to be stepped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The scenario.
    pub of: String,
    /// Not the operation itself but opening what a kill in the middle of it left: the second kill, and so on.
    pub reopened: Vec<Reopen>,
    /// The crash rule that is left out: then something must be found.
    pub without: Option<&'static str>,
}

impl Task {
    pub fn name(&self) -> String {
        let what = self.reopened.iter().fold(self.of.clone(), |of, how| format!("{} after {of}", how.name()));
        match self.without {
            None => what,
            Some(rule) => format!("{what} without {rule}"),
        }
    }
}

#[derive(Clone)]
pub struct Limits {
    /// The most states of one operation that are opened; `None`: all.
    pub states: Option<usize>,
    /// The most of one that opens what a kill left.
    pub again: usize,
    /// How many interrupted states are opened under stepping, for a second kill.
    pub reopened: usize,
    /// Every how many opened states one is opened with a full rebuild as well.
    pub full_every: usize,
    /// The whole build leaves a crash rule out.
    pub crippled: bool,
    /// Where the first bad state of an operation is kept.
    pub keep: Option<PathBuf>,
}

#[derive(Default)]
pub struct Row {
    pub name: String,
    /// Stores into files, and system calls.
    pub steps: u64,
    pub distinct: usize,
    pub opened: usize,
    pub full: usize,
    pub intents: Vec<&'static str>,
    /// What the opened states held, in their order, each with how often in a row.
    pub outcomes: Vec<(Outcome, usize)>,
    pub violations: Vec<String>,
    pub count: usize,
    /// Something that is not a state's fault: the rig or the operation itself went wrong.
    pub fault: Option<String>,
    pub seconds: f64,
}

/// A lane: one after another it steps operations and opens their states, in a directory of its own.
pub struct Lane {
    work: PathBuf,
    limits: Limits,
    rule: Option<&'static str>,
    checker: Checker,
}

impl Lane {
    pub fn new(work: PathBuf, limits: Limits) -> Self {
        Self { work, limits, rule: None, checker: Checker::default() }
    }

    pub fn run(&mut self, task: &Task) -> Row {
        let began = Instant::now();
        let mut row = Row { name: task.name(), ..Row::default() };
        if self.rule != task.without {
            self.rule = task.without;
            self.checker = Checker::new(self.rule);
        }
        if let Err(error) = self.task(task, &mut row) {
            row.fault = Some(error.to_string());
        }
        row.seconds = began.elapsed().as_secs_f64();
        let _ = fs::remove_dir_all(&self.work);
        row
    }

    fn task(&mut self, task: &Task, row: &mut Row) -> io::Result<()> {
        let recording = self.record(&task.of)?;
        if task.reopened.is_empty() {
            return self.open_states(&recording, task, row);
        }
        let shows = scenario(&task.of).map_or(Shows::Anything, |scenario| scenario.shows);
        self.reopen(&recording, shows, &task.reopened, task, row)
    }

    /// Opens, under stepping, what a kill left, and what a kill in that left, and so on.
    fn reopen(
        &mut self,
        recording: &Recording,
        shows: Shows,
        how: &[Reopen],
        task: &Task,
        row: &mut Row,
    ) -> io::Result<()> {
        let Some((first, then)) = how.split_first() else { return self.open_states(recording, task, row) };
        for image in recording.interrupted(shows, self.limits.reopened) {
            let place = self.place()?;
            fs::remove_dir_all(&place.root)?;
            image.write_to(&place.root)?;
            let mut child = self.spawn(&["reopen", first.name()])?;
            let mut recording = Recording::make(&mut child, &place.root, Fails::Nothing)?;
            match child.go_on()? {
                Ok(()) => child.kill()?,
                Err(status) => recording.fault = Some(format!("the open fails: {status:?}")),
            }
            if *first == Reopen::ReadOnly && recording.distinct() > 1 {
                recording.fault = Some("an open to read has changed a file".into());
            }
            self.reopen(&recording, Shows::Anything, then, task, row)?;
        }
        Ok(())
    }

    fn place(&self) -> io::Result<Place> {
        Place::new(&self.work)
    }

    /// A child at its first stop.
    fn spawn(&self, arguments: &[&str]) -> io::Result<Traced> {
        let root = self.place()?.root;
        let mut command = Command::new(std::env::current_exe()?);
        without(&mut command, self.rule);
        let child = command.args(arguments).arg(&self.work).spawn()?;
        Traced::attach(child.id() as i32, &root)?
            .map_err(|status| io::Error::other(format!("the preparation ends: {status:?}")))
    }

    /// Steps a scenario's operations until one is what the scenario is named for.
    fn record(&self, name: &str) -> io::Result<Recording> {
        let scenario = scenario(name);
        let shows = scenario.map_or(Shows::Anything, |scenario| scenario.shows);
        let fails = scenario.map_or(Fails::Nothing, |scenario| scenario.fails);
        let crippled = self.limits.crippled || self.rule.is_some();
        let models = self.place()?.models;
        let found = |tried: usize, recording: &Recording| -> io::Result<bool> {
            Ok(match shows {
                // What is drawn may find nothing to do: one of the next ones counts then, if any does.
                Shows::Anything => recording.distinct() > 1 || !name.starts_with(DRAWN) || tried == 12,
                // An intent that is left out cannot show. What a table's rewrite stores is far more than what a put does.
                Shows::Intent(intent::TABLE) if crippled => recording.distinct() > 200,
                Shows::Intent(_) if crippled => recording.distinct() > 1,
                Shows::Refusal => model::load_all(&models)?.len() == 1,
                what => recording.shows(what),
            })
        };
        let _ = fs::remove_dir_all(&self.work);
        let mut child = self.spawn(&["child", name])?;
        for tried in 0..TRIES {
            let recording = Recording::make(&mut child, &self.place()?.root, fails)?;
            if recording.fault.is_some() {
                child.kill()?;
                return Ok(recording);
            }
            if let Err(status) = child.go_on()? {
                return Err(io::Error::other(format!("the operation fails: {status:?}")));
            }
            if found(tried, &recording)? {
                child.kill()?;
                return Ok(recording);
            }
            match child.go_on()? {
                Ok(()) => {}
                Err(WaitStatus::Exited(_, 0)) => break,
                Err(status) => return Err(io::Error::other(format!("the script ends: {status:?}"))),
            }
        }
        Err(io::Error::other("no operation of the script was what the scenario is named for"))
    }

    fn open_states(&mut self, recording: &Recording, task: &Task, row: &mut Row) -> io::Result<()> {
        row.steps += recording.steps;
        row.distinct += recording.distinct();
        row.intents.extend(recording.intents());
        row.intents.dedup();
        if let Some(fault) = &recording.fault {
            row.fault = Some(fault.clone());
        }
        let place = self.place()?;
        let state = self.work.join("state");
        let scenario = scenario(&task.of);
        let limits = self.limits.clone();
        let most = match (limits.states, scenario, task.reopened.is_empty()) {
            (None, ..) => usize::MAX,
            (Some(states), Some(scenario), true) => states.min(scenario.sample),
            (Some(states), None, true) => states,
            (Some(states), _, false) => states.min(limits.again),
        };
        let few = recording.distinct() <= most.min(120);
        // What a control must find may be in few states and show only in use.
        let full_every = if few || self.rule.is_some() { 1 } else { limits.full_every };
        let trusted = scenario.is_none_or(|scenario| scenario.trusted);
        recording.replay(most, |at, image| {
            row.opened += 1;
            let full = row.opened.is_multiple_of(full_every);
            let ways = match task.reopened.last() {
                Some(Reopen::Rebuild) => &[Way::Resume][..],
                Some(Reopen::Reboot) => &[Way::Reboot],
                _ if full && trusted => &[Way::ReadOnly, Way::Use, Way::Rebuild],
                _ if full => &[Way::ReadOnly, Way::Resume, Way::Rebuild],
                _ if trusted => &[Way::Trust],
                _ => &[Way::Resume],
            };
            row.full += usize::from(ways.contains(&Way::Rebuild));
            for &way in ways {
                image.write_to(&state)?;
                let told = self.checker.ask(way, &state.join("map"), &place.models)?;
                fs::remove_dir_all(&state)?;
                if let Ok(outcome) = told {
                    match row.outcomes.last_mut() {
                        Some((last, times)) if *last == outcome => *times += 1,
                        _ => row.outcomes.push((outcome, 1)),
                    }
                }
                let told =
                    told.and_then(|outcome| match !task.reopened.is_empty() || allowed(outcome, at.first, at.last) {
                        true => Ok(()),
                        false if at.last => Err("the call returned, but its effect is gone".to_string()),
                        false => Err("the effect is there before the call began".to_string()),
                    });
                if let Err(told) = told {
                    row.count += 1;
                    let kept = match row.count {
                        1 => keep(&limits, &row.name, image, &place)?,
                        _ => String::new(),
                    };
                    row.violations.push(format!("state {} ({way:?}): {told}{kept}", at.index));
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

fn scenario(name: &str) -> Option<&'static Scenario> {
    CATALOGUE.iter().find(|scenario| scenario.name == name)
}

/// Leaves a bad state where it can be looked at, with the models beside it.
fn keep(limits: &Limits, name: &str, image: &Image, place: &Place) -> io::Result<String> {
    let Some(keep) = &limits.keep else { return Ok(String::new()) };
    let path = keep.join(name.replace([' ', ','], "-"));
    let _ = fs::remove_dir_all(&path);
    image.write_to(&path)?;
    fs::copy(&place.models, path.join("models"))?;
    Ok(format!(" [kept: {}]", path.display()))
}
