//! The index's part: each table against what leads to it, each slot against its record, each counter against the walk.

use super::{Check, Clock, Watch};
use crate::layout::head;
use crate::layout::names;
use crate::layout::record::HEADER;
use crate::layout::segment::{ENTRY_LIVE, RecordRef, State, entry_place};
use crate::layout::table::Tag;
use crate::mem::{Guard, enter};
use crate::shard::Shard;
use crate::{Code, Result};

/// An index that is made anew again and again is not walked for ever.
const WALKS: usize = 8;
/// Looks at the free queue that writers may spoil.
const LOOKS: usize = 8;

/// Takes the watch from the writer however the walk ends.
struct Watching<'a>(&'a Shard);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.writer.write().watch = None;
    }
}

impl Check<'_> {
    pub fn index(&mut self) -> Result<()> {
        self.headers()?;
        for _ in 0..WALKS {
            if self.walk()? {
                break;
            }
        }
        self.queue()
    }

    fn headers(&mut self) -> Result<()> {
        let guard = enter();
        let shard = self.shard;
        let (mut wrong, tables) = {
            let _writer = shard.writer.read();
            shard.check_open()?;
            (shard.index.wrong_headers(&guard), shard.log.wrong_headers(&guard))
        };
        wrong.extend(tables);
        for name in wrong {
            self.damaged(name, 0, None);
        }
        Ok(())
    }

    /// Walks all tables in the order of the hashes; `false`: the index was made anew meanwhile.
    fn walk(&mut self) -> Result<bool> {
        let shard = self.shard;
        {
            let mut writer = shard.writer.write();
            shard.check_open()?;
            writer.watch = Some(Box::new(Watch::new()));
        }
        let _watching = Watching(shard);
        let mut at = 0;
        let mut is_new = true;
        loop {
            self.warm(at);
            let guard = enter();
            match self.step(at, is_new, &guard)? {
                Step::Void => return Ok(false),
                Step::Within(next) => (at, is_new) = (next, false),
                Step::To(next) => (at, is_new) = (next, true),
                Step::Done => break,
            }
            drop(guard);
            (self.proceed)(0)?;
        }
        self.counters()
    }

    /// Touches what a step will read under the lock, so that nobody waits there for the disk.
    fn warm(&self, at: u64) {
        let guard = enter();
        let index = &self.shard.index;
        if let Ok(Some(place)) = index.resolve(at >> self.shard.medium.shard_bits, &guard) {
            for (_, word) in place.table.entries().filter(|(tag, _)| tag.prefix() >= at).take(1024) {
                let place = RecordRef(word);
                if let Ok(segment) = self.shard.log.segment(place.segment(), &guard) {
                    std::hint::black_box(
                        segment.raw(place.offset(), self.shard.align()).map(|record| record.key().len()),
                    );
                }
            }
        }
    }

    fn step(&mut self, at: u64, is_new: bool, guard: &Guard) -> Result<Step> {
        let shard = self.shard;
        let mut writer = shard.writer.write();
        shard.check_open()?;
        let Some(watch) = writer.watch.as_deref_mut().filter(|watch| !watch.void) else { return Ok(Step::Void) };
        let run = match shard.index.run(at, is_new, guard) {
            Ok(run) => run,
            Err(error) => {
                watch.blurred = true;
                self.met(error, names::HEAD.into(), head::shard(shard.number) + head::ROOT)?;
                watch.walked = None;
                return Ok(Step::Done);
            }
        };
        for (file, offset) in run.wrong {
            self.damaged(file, offset, None);
        }
        let Some((table, reference)) = run.table else {
            watch.blurred |= shard.index.root().is_some();
            return Ok(done(watch, run.next));
        };
        let mut entries: Vec<(Tag, u64)> = table
            .entries()
            .filter(|(tag, _)| tag.prefix() >= at && run.next.is_none_or(|next| tag.prefix() < next))
            .collect();
        entries.sort_unstable();
        let mut clock = Clock::start();
        let mut rest = entries.as_slice();
        while let Some(&(tag, _)) = rest.first() {
            // Equal tags go together: a position stands between tags.
            let equal = rest.partition_point(|&(other, _)| other == tag);
            for (nth, &entry) in rest[..equal].iter().enumerate() {
                let twins = &rest[..nth];
                if !self.slot(entry, twins, watch, guard)? {
                    let (file, offset) = shard.index.slot_place(reference, table, entry);
                    self.damaged(file, offset, None);
                }
            }
            rest = &rest[equal..];
            if let Some(&(next, _)) = rest.first()
                && clock.is_over()
            {
                let next = next.prefix();
                watch.walked = Some(next);
                return Ok(Step::Within(next));
            }
        }
        Ok(done(watch, run.next))
    }

    /// `false`: the slot does not lead to the record of a key with its tag, or to a key's second one.
    fn slot(
        &mut self,
        (tag, word): (Tag, u64),
        twins: &[(Tag, u64)],
        watch: &mut Watch,
        guard: &Guard,
    ) -> Result<bool> {
        let shard = self.shard;
        let place = RecordRef(word);
        let keys = &shard.medium.keys;
        let entry = shard.log.entry(place.segment(), guard).ok().filter(|entry| entry.state == State::Linked);
        let Some(entry) = entry else {
            watch.blurred = true;
            return Ok(false);
        };
        let in_hole =
            self.holes.iter().any(|hole| hole.id == entry.id && (hole.from..hole.to).contains(&place.offset()));
        let segment = match shard.log.segment(place.segment(), guard) {
            Ok(segment) => segment,
            Err(error) if matches!(error.code(), Code::Corrupt | Code::Io) => {
                watch.blurred = true;
                return Ok(in_hole);
            }
            Err(error) => return Err(error),
        };
        let tail = shard.tail();
        let below = place.segment() != tail.segment() || place.offset() + HEADER <= tail.offset();
        let record = segment.headed(place.offset(), shard.align(), keys).filter(|_| below);
        let Some(record) = record.filter(|record| record.header.kind.is_put()) else {
            watch.blurred = true;
            return Ok(in_hole);
        };
        watch.entries += 1;
        watch.live += record.len() as u64;
        watch.extents += record.extent_len();
        *watch.segments.entry(place.segment()).or_default() += record.len() as u64;
        let is_twin = twins.iter().any(|&(_, word)| {
            shard.log.segment(RecordRef(word).segment(), guard).is_ok_and(|segment| {
                let twin = segment.headed(RecordRef(word).offset(), shard.align(), keys);
                twin.is_some_and(|twin| twin.key() == record.key())
            })
        });
        // Where the body is damaged the key may be, and that has been told.
        Ok((shard.index.tag(keys.hash(record.key())) == tag || in_hole) && !is_twin)
    }

    /// At the end of the walk, under the lock: the counters must say what was counted.
    fn counters(&mut self) -> Result<bool> {
        let shard = self.shard;
        loop {
            self.follow()?;
            let guard = enter();
            let writer = shard.writer.read();
            shard.check_open()?;
            if !self.catch_up(&writer, usize::MAX, &guard)? {
                continue;
            }
            let Some(watch) = writer.watch.as_deref().filter(|watch| !watch.void) else { return Ok(false) };
            self.check_follower(&guard)?;
            let page = shard.page();
            let at = |field: usize| head::shard(shard.number) + field;
            for field in shard.index.wrong_counts(&guard).unwrap_or_default() {
                self.damaged(names::HEAD.into(), at(field), None);
            }
            if page.load(head::PEAK) < page.load(head::ENTRIES) {
                self.damaged(names::HEAD.into(), at(head::PEAK), None);
            }
            if watch.blurred {
                return Ok(true);
            }
            let counted = [(head::ENTRIES, watch.entries), (head::LIVE, watch.live), (head::EXTENTS, watch.extents)];
            for (field, counted) in counted {
                if page.load(field) != counted {
                    self.damaged(names::HEAD.into(), at(field), None);
                }
            }
            for &index in &writer.chain {
                if shard.log.live(index, &guard)? != watch.segments.get(&index).copied().unwrap_or(0) {
                    let (number, entry) = entry_place(index);
                    self.damaged(names::segment_table(shard.number, number), entry + ENTRY_LIVE, None);
                }
            }
            return Ok(true);
        }
    }

    fn queue(&mut self) -> Result<()> {
        for _ in 0..LOOKS {
            let guard = enter();
            let look = self.shard.index.look_at_queue(&guard);
            let _writer = self.shard.writer.read();
            self.shard.check_open()?;
            if self.shard.index.queue_is(&look) {
                if !look.is_whole {
                    self.damaged(names::HEAD.into(), head::shard(self.shard.number) + head::FREE_HEAD, None);
                }
                return Ok(());
            }
        }
        Ok(())
    }
}

/// How far a step came.
enum Step {
    /// The same table, from this prefix on.
    Within(u64),
    /// The next table.
    To(u64),
    Done,
    /// The index was made anew.
    Void,
}

fn done(watch: &mut Watch, next: Option<u64>) -> Step {
    watch.walked = next;
    next.map_or(Step::Done, Step::To)
}
