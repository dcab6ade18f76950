//! What a life did, and whether what was found later may be left of it.
//!
//! A cut leaves of each shard a prefix of its records, and of that at least what stood when the last flush that resolved
//! was asked for. Threads have keys of their own, so each thread's part of a shard says how many of its changes are
//! there; and a change of one thread that is there needs every change of another that had returned before it began.

use super::held::Versions;
use super::script::{Call, Plan, Script, range};
use super::word::Word;

/// A change of a shard's log.
#[derive(Clone, Copy, Debug)]
struct Change {
    call: Call,
    start: u64,
    /// No call that never returned came before another.
    end: u64,
}

/// One life of the writer, from what it found to the last call that may have begun.
#[derive(Debug)]
pub struct Life {
    plan: Plan,
    base: Versions,
    shards: Vec<usize>,
    /// For each thread that ran, in the order of its calls.
    changes: Vec<Vec<Change>>,
    returned: Vec<usize>,
    /// When the last flush that resolved was asked for.
    flushed: u64,
    closed: bool,
    pub calls: usize,
}

/// How much of a life must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// After a power cut: what was flushed.
    Flushed,
    /// After a kill: all that returned.
    Returned,
}

/// How much of it was there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// Changes that had returned and are gone.
    pub lost: usize,
    /// Changes that were not flushed and are there.
    pub unflushed: usize,
}

impl Life {
    /// Makes the script's calls again, as far as the writer said that they returned, and those that may have begun.
    pub fn new(plan: Plan, base: Versions, shards: Vec<usize>, words: &[Word]) -> Result<Self, String> {
        let mut life = Self {
            plan,
            base,
            shards,
            changes: Vec::new(),
            returned: Vec::new(),
            flushed: 0,
            closed: words.contains(&Word::Closed),
            calls: 0,
        };
        for thread in 0..plan.threads {
            let mut script = Script::new(plan, thread);
            let own = range(thread, plan.threads);
            let mut known: Versions = life.base.range(own).map(|(index, version)| (*index, *version)).collect();
            let mut changes = Vec::new();
            let mut last = 0;
            let returned = words.iter().filter_map(|word| match *word {
                Word::Returned { thread: of, start, end, answer } if of == thread => Some((start, end, answer)),
                _ => None,
            });
            for (start, end, answer) in returned {
                let call = script.call();
                life.calls += 1;
                last = end;
                let (changed, said) = apply(call, &mut known);
                if said != answer {
                    return Err(format!("thread {thread}, {call:?}: the answer is not {said}"));
                }
                if call == Call::Flush {
                    life.flushed = life.flushed.max(start);
                }
                if changed {
                    changes.push(Change { call, start, end });
                }
            }
            life.returned.push(changes.len());
            for _ in 0..plan.at_once() {
                let call = script.call();
                if apply(call, &mut known).0 {
                    changes.push(Change { call, start: last, end: u64::MAX });
                }
            }
            life.changes.push(changes);
        }
        Ok(life)
    }

    /// Whether this can be left of the life, and how much of it that is.
    pub fn explains(&self, found: &Versions, needs: Needs) -> Result<Kept, String> {
        let mut kept = Kept::default();
        for (thread, threads) in (0..super::script::THREADS).map(|thread| (thread, self.plan.threads)) {
            let own = range(thread, super::script::THREADS);
            if thread >= threads && threads > 1 && !found.range(own.clone()).eq(self.base.range(own)) {
                return Err(format!("keys of thread {thread}, which did not run, have changed"));
            }
        }
        let count = self.shards.iter().max().map_or(0, |last| last + 1);
        for shard in 0..count {
            self.shard(shard, found, needs, &mut kept).map_err(|told| format!("shard {shard}: {told}"))?;
        }
        Ok(kept)
    }

    fn shard(&self, shard: usize, found: &Versions, needs: Needs, kept: &mut Kept) -> Result<(), String> {
        let mut strands = Vec::new();
        for thread in 0..self.plan.threads {
            let strand = self.strand(thread, shard, found, needs);
            let fits = strand.fits.iter().copied().rfind(|count| *count >= strand.least);
            let Some(fits) = fits else { return Err(self.told(thread, &strand)) };
            strands.push((strand, fits));
        }
        // The most that each thread's keys show, taken back until no change lacks one that had returned before it.
        loop {
            let missing = strands.iter().filter_map(|(strand, fits)| strand.changes.get(*fits));
            let Some(first) = missing.min_by_key(|change| change.end).copied() else { break };
            let late = strands
                .iter_mut()
                .find(|(strand, fits)| fits.checked_sub(1).is_some_and(|last| first.end < strand.changes[last].start));
            let Some((strand, fits)) = late else { break };
            let fewer = strand.fits.iter().copied().rfind(|count| *count < *fits && *count >= strand.least);
            let Some(fewer) = fewer else {
                let last = strand.changes[*fits - 1];
                return Err(format!(
                    "{:?} is there and {:?} is not, which had returned before it",
                    last.call, first.call
                ));
            };
            *fits = fewer;
        }
        for (strand, fits) in &strands {
            kept.lost += strand.returned.saturating_sub(*fits);
            kept.unflushed += fits.saturating_sub(strand.flushed);
        }
        Ok(())
    }

    /// A thread's part of a shard.
    fn strand(&self, thread: usize, shard: usize, found: &Versions, needs: Needs) -> Strand {
        let own = |index: &usize| self.shards[*index] == shard;
        let all = &self.changes[thread];
        let here = |change: &&Change| match change.call {
            Call::Put { index, .. } | Call::Delete { index } => own(&index),
            _ => true,
        };
        let changes: Vec<Change> = all.iter().filter(here).copied().collect();
        let returned = all[..self.returned[thread]].iter().filter(here).count();
        let flushed = match self.closed {
            true => returned,
            false => changes.iter().take_while(|change| change.end < self.flushed).count(),
        };
        let keys = range(thread, self.plan.threads);
        let part = |all: &Versions| -> Versions {
            all.range(keys.clone()).filter(|(index, _)| own(index)).map(|(index, version)| (*index, *version)).collect()
        };
        let (mut known, there) = (part(&self.base), part(found));
        let mut fits: Vec<usize> = (known == there).then_some(0).into_iter().collect();
        let mut wrong = differences(&known, &there);
        for (number, change) in changes.iter().enumerate() {
            match change.call {
                Call::Put { index, .. } | Call::Delete { index } => {
                    let differs = |known: &Versions| usize::from(known.get(&index) != there.get(&index));
                    wrong -= differs(&known);
                    apply(change.call, &mut known);
                    wrong += differs(&known);
                }
                _ => {
                    apply(change.call, &mut known);
                    wrong = differences(&known, &there);
                }
            }
            if wrong == 0 {
                fits.push(number + 1);
            }
        }
        let least = if needs == Needs::Returned { returned } else { flushed };
        Strand { changes, fits, least, returned, flushed }
    }

    fn told(&self, thread: usize, strand: &Strand) -> String {
        let Strand { changes, fits, least, returned, flushed } = strand;
        let plan = self.plan;
        format!(
            "keys of thread {thread} of {} are not what a prefix of its {} changes leaves, of which {returned} had \
             returned, {flushed} were flushed and {least} must be there; {fits:?} would explain it ({:?}, {} calls at \
             once, closed: {})",
            plan.threads,
            changes.len(),
            plan.focus(),
            plan.at_once(),
            self.closed
        )
    }
}

struct Strand {
    changes: Vec<Change>,
    /// How many of the changes may have been kept, by what is there.
    fits: Vec<usize>,
    least: usize,
    returned: usize,
    flushed: usize,
}

fn differences(one: &Versions, other: &Versions) -> usize {
    let wrong = one.iter().filter(|(index, version)| other.get(index) != Some(version)).count();
    wrong + other.keys().filter(|index| !one.contains_key(index)).count()
}

/// Does a call to a model, and tells whether that leaves a record and what a map would have answered.
fn apply(call: Call, known: &mut Versions) -> (bool, bool) {
    match call {
        Call::Put { index, version, length } => (true, known.insert(index, (version, length)).is_none()),
        Call::Delete { index } => {
            let there = known.remove(&index).is_some();
            (there, there)
        }
        Call::Get { .. } | Call::Flush | Call::Compact => (false, true),
        Call::Clear => {
            known.clear();
            (true, true)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::ALL_KEYS;
    use super::*;

    const CALLS: usize = 400;

    /// A life of so many threads that take turns, and what the map holds after each call.
    fn lived(threads: usize) -> (Life, Vec<Versions>) {
        let plan = Plan { seed: 7, life: 1, threads };
        let mut scripts: Vec<_> = (0..threads).map(|thread| Script::new(plan, thread)).collect();
        let (mut known, mut words, mut states) = (Versions::new(), Vec::new(), vec![Versions::new()]);
        for number in 0..CALLS {
            let thread = number % threads;
            let start = 2 * number as u64;
            let (_, answer) = apply(scripts[thread].call(), &mut known);
            words.push(Word::Returned { thread, start, end: start + 1, answer });
            states.push(known.clone());
        }
        let mut life = Life::new(plan, Versions::new(), vec![0; ALL_KEYS], &words).unwrap();
        life.flushed = CALLS as u64;
        (life, states)
    }

    #[test]
    fn every_prefix_from_the_flush_on_is_taken_and_no_shorter_one() {
        for threads in [1, 3] {
            let (life, states) = lived(threads);
            for (calls, state) in states.iter().enumerate() {
                let told = life.explains(state, Needs::Flushed);
                // A call that changes nothing leaves what the one before it left.
                let enough = calls >= CALLS / 2 || *state == states[CALLS / 2];
                assert_eq!(told.is_ok(), enough, "{threads} threads, {calls} calls: {told:?}");
                let all = life.explains(state, Needs::Returned);
                assert_eq!(all.is_ok(), *state == states[CALLS], "{threads} threads, {calls} calls: {all:?}");
            }
        }
    }

    #[test]
    fn a_change_that_lacks_one_before_it_is_noticed() {
        for threads in [1, 3] {
            let (life, states) = lived(threads);
            let mut noticed = 0;
            for calls in CALLS / 2..CALLS - 1 {
                // The next call did not happen and the one after it did.
                let [before, skipped, after] = &states[calls..calls + 3] else { unreachable!() };
                let mut forged = before.clone();
                for index in before.keys().chain(after.keys()).filter(|index| skipped.get(index) != after.get(index)) {
                    match after.get(index) {
                        Some(version) => drop(forged.insert(*index, *version)),
                        None => drop(forged.remove(index)),
                    }
                }
                if !states.contains(&forged) {
                    noticed += 1;
                    assert!(life.explains(&forged, Needs::Flushed).is_err(), "{threads} threads, {calls} calls");
                }
            }
            assert!(noticed > CALLS / 10, "{noticed}");
        }
    }

    #[test]
    fn a_change_of_a_key_whose_thread_did_not_run_is_noticed() {
        let (life, states) = lived(3);
        let mut forged = states[CALLS].clone();
        forged.insert(ALL_KEYS - 1, (1, 40));
        assert!(life.explains(&forged, Needs::Flushed).is_err());
    }
}
