//! The states a directory goes through while one operation runs.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::image::{Change, Image, PAGE};
use super::trace::{Step, Traced};
use crate::scenario::{Fails, Shows, intent};

/// What a stepped operation left: where it began, and every batch of changes that made a state not seen before.
pub struct Recording {
    pub base: Image,
    moments: Vec<Moment>,
    pub steps: u64,
    /// Why the recording cannot be relied on, if it cannot.
    pub fault: Option<String>,
}

struct Moment {
    changes: Vec<Change>,
    /// A state that was there before is not kept twice.
    fresh: bool,
    /// The intents that stand in the shards' heads.
    intents: Intents,
}

/// A bit for each kind of intent.
type Intents = u16;

impl Recording {
    /// Steps a stopped child until it stops itself again.
    pub fn make(child: &mut Traced, root: &Path, fails: Fails) -> io::Result<Self> {
        child.fails = fails;
        let mut base = Image::default();
        for change in base.compare(root)? {
            base.apply(&change);
        }
        let mut recorder =
            Recorder { root: root.into(), now: base.clone(), seen: HashSet::from([base.hash()]), moments: Vec::new() };
        let mut fault = None;
        loop {
            match child.step()? {
                Step::Nothing => {}
                Step::Stored(ranges) => {
                    for range in ranges {
                        let region = child.region(range.region);
                        let change = recorder.now.store(&region.name, &region.file, range.at, range.length)?;
                        recorder.take(change.into_iter().collect());
                    }
                }
                Step::Called { torn } => recorder.call(torn)?,
                Step::Stopped => break,
                Step::Ended(how) => {
                    fault = Some(format!("the operation did not return: {how}"));
                    break;
                }
            }
        }
        child.fails = Fails::Nothing;
        if fault.is_none() && !recorder.now.compare(root)?.is_empty() {
            fault = Some("the files hold changes that no step was seen to make".into());
        }
        Ok(Self { base, moments: recorder.moments, steps: child.steps, fault })
    }

    /// How many distinct states there are, the first one included.
    pub fn distinct(&self) -> usize {
        1 + self.moments.iter().filter(|moment| moment.fresh).count()
    }

    /// Whether an intent of this kind stood at any time.
    pub fn stood(&self, intent: u64) -> bool {
        self.moments.iter().any(|moment| moment.intents & 1 << intent != 0)
    }

    /// Whether what is looked for was in the files at any time; a refusal is not seen there.
    pub fn shows(&self, what: Shows) -> bool {
        self.moments.iter().any(|moment| moment.shows(what))
    }

    /// The names of the intents that stood at any time.
    pub fn intents(&self) -> Vec<&'static str> {
        (1..intent::NAMES.len()).filter(|kind| self.stood(*kind as u64)).map(|kind| intent::NAMES[kind]).collect()
    }

    /// States in the middle of what shows an intent, or of anything that does not, evenly spread.
    pub fn interrupted(&self, what: Shows, count: usize) -> Vec<Image> {
        let busy = |moment: &Moment| match what {
            Shows::Intent(_) => moment.fresh && moment.shows(what),
            _ => moment.fresh && moment.tells(),
        };
        let all: Vec<_> = (0..self.moments.len()).filter(|&index| busy(&self.moments[index])).collect();
        // The first of them have hardly begun: the middles of as many parts are taken.
        let chosen: HashSet<_> =
            (0..count.min(all.len())).map(|at| all[(2 * at + 1) * all.len() / (2 * count.min(all.len()))]).collect();
        let mut image = self.base.clone();
        let mut found = Vec::new();
        for (index, moment) in self.moments.iter().enumerate() {
            moment.changes.iter().for_each(|change| image.apply(change));
            if chosen.contains(&index) {
                found.push(image.clone());
            }
        }
        found
    }

    /// Hands over at most `cap` of the distinct states. Those in the middle of an operation, and those in which
    /// something changed that others follow (the head, a directory, a list of segments, a name), come first: an
    /// operation may fill a table for thousands of instructions before anyone can see it.
    pub fn replay(&self, cap: usize, mut visit: impl FnMut(Place, &Image) -> io::Result<()>) -> io::Result<()> {
        let fresh: Vec<bool> = self.moments.iter().filter(|moment| moment.fresh).map(Moment::tells).collect();
        let count = 1 + fresh.len();
        let inner = 1..count.saturating_sub(1);
        let (telling, silent): (Vec<_>, Vec<_>) = inner.partition(|&index| fresh[index - 1]);
        let mut wanted = HashSet::from([0, count - 1]);
        // What is silent should be: a part of the room is for making sure.
        let room = cap.saturating_sub(silent.len().min(cap / 4));
        wanted.extend(spread(&telling, room));
        wanted.extend(spread(&silent, cap.saturating_sub(wanted.len())));

        let mut image = self.base.clone();
        let place = |index: usize| Place { index, first: index == 0, last: index + 1 == count };
        visit(place(0), &image)?;
        let mut index = 0;
        for moment in &self.moments {
            moment.changes.iter().for_each(|change| image.apply(change));
            if moment.fresh {
                index += 1;
                if wanted.contains(&index) {
                    visit(place(index), &image)?;
                }
            }
        }
        Ok(())
    }
}

impl Moment {
    fn shows(&self, what: Shows) -> bool {
        let any = |of: fn(&Change) -> bool, name: &str| {
            self.changes.iter().any(|change| of(change) && change.name().starts_with(name))
        };
        match what {
            Shows::Anything | Shows::Refusal => true,
            Shows::Intent(intent) => self.intents & 1 << intent != 0,
            Shows::Made(name) => any(|change| matches!(change, Change::Appear { .. }), name),
            Shows::Gone(name) => any(|change| matches!(change, Change::Vanish { .. }), name),
        }
    }

    fn tells(&self) -> bool {
        self.intents != 0
            || self.changes.iter().any(|change| match change {
                Change::Bytes { name, .. } => {
                    !["map/seg-", "map/idx-", "map/ext-"].iter().any(|part| name.starts_with(part))
                }
                _ => true,
            })
    }
}

/// So many of them, as evenly as it goes.
fn spread(indexes: &[usize], count: usize) -> impl Iterator<Item = usize> {
    let count = count.min(indexes.len());
    (0..count).map(move |at| indexes[at * indexes.len() / count])
}

fn intents(image: &Image) -> Intents {
    let mut found = 0;
    let head = image.file("map/HEAD").unwrap_or_default();
    for shard in 0..64 {
        let word = head.get(intent::place(shard)).copied().unwrap_or(0);
        if word != 0 && (word as usize) < intent::NAMES.len() {
            found |= 1 << word;
        }
    }
    found
}

/// Where in an operation a state lies.
#[derive(Clone, Copy)]
pub struct Place {
    pub index: usize,
    pub first: bool,
    pub last: bool,
}

struct Recorder {
    root: PathBuf,
    now: Image,
    seen: HashSet<u64>,
    moments: Vec<Moment>,
}

impl Recorder {
    fn take(&mut self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        for change in &changes {
            self.now.apply(change);
        }
        let fresh = self.seen.insert(self.now.hash());
        // Only a change of the head can change this, and most changes are elsewhere.
        let head = changes.iter().any(|change| change.name().ends_with("HEAD"));
        let last = self.moments.last().map_or(0, |moment| moment.intents);
        let intents = if head { intents(&self.now) } else { last };
        self.moments.push(Moment { changes, fresh, intents });
    }

    /// A system call counts as one step, but for those that the kernel itself can leave half done.
    fn call(&mut self, torn: bool) -> io::Result<()> {
        let changes = self.now.compare(&self.root)?;
        if torn {
            self.take_torn(changes);
        } else {
            self.take(changes);
        }
        Ok(())
    }

    /// A write of several pages: a kill leaves any number of whole pages from its start.
    fn take_torn(&mut self, changes: Vec<Change>) {
        let mut grown = None;
        for change in changes {
            match change {
                Change::Length { name, length } => grown = Some((name, length)),
                Change::Bytes { name, at, bytes } => {
                    let mut batch = Vec::new();
                    if let Some((_, length)) = grown.as_ref().filter(|(grown, _)| *grown == name) {
                        let length = (at + bytes.len()).next_multiple_of(PAGE).min(*length);
                        batch.push(Change::Length { name: name.clone(), length });
                    }
                    batch.push(Change::Bytes { name, at, bytes });
                    self.take(batch);
                }
                other => self.take(vec![other]),
            }
        }
        if let Some((name, length)) = grown {
            self.take(vec![Change::Length { name, length }]);
        }
    }
}
