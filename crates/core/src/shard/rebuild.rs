//! Making a shard's index from its log: at open when the index cannot be trusted, and in place when a table is damaged.

use super::{Locked, OPEN, REBUILDING, Shard, Writer};
use crate::durability::report::{Passes, ShardRecovery};
use crate::events::Event;
use crate::layout::checkpoint::{Link, ShardState};
use crate::layout::record::{HEADER, Type};
use crate::layout::segment::{FIRST_RECORD, RecordRef, SegmentId};
use crate::layout::{PAGE, head};
use crate::log::{Pace, Segment, extent};
use crate::mem::{Guard, enter};
use crate::parallel::{self, cores};
use crate::rules::{Rule, holds};
use crate::{Code, Error, Result};
use std::sync::atomic::Ordering;

/// Progress is told each time so much of the log has passed.
const TOLD: usize = 1 << 20;

/// What a walk of the chain found.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The segments that are kept, and where their records end.
    pub segments: Vec<Link>,
    /// Their mappings, as they were walked.
    walked: Vec<Segment>,
    found: Walked,
    /// How many entries the checkpoint counted.
    entries: u64,
    pub report: ShardRecovery,
}

/// What verified of a segment, or of all.
#[derive(Clone, Copy, Debug, Default)]
struct Walked {
    /// Where the first record begins that does not verify.
    end: usize,
    seq: u64,
    /// Of the last clear record.
    cleared: u64,
    /// Pads are none.
    records: u64,
    puts: u64,
}

impl Walked {
    fn with(self, more: Walked) -> Walked {
        Walked {
            end: more.end,
            seq: self.seq.max(more.seq),
            cleared: self.cleared.max(more.cleared),
            records: self.records + more.records,
            puts: self.puts + more.puts,
        }
    }
}

impl Shard {
    /// Walks the checkpoint's chain, every byte of which must verify, and follows it along `path` as long as it does.
    /// Segments are verified on several threads, a whole one each. `cleared`: the number of a clear that counts although no
    /// record says so.
    pub fn plan(
        &self,
        state: &ShardState,
        path: &[SegmentId],
        cleared: u64,
        threads: usize,
        progress: &Passes,
    ) -> Result<Plan> {
        let chain = &state.chain;
        let stated = chain.iter().enumerate().map(|(at, link)| (link.id, Some((link.end, at + 1 == chain.len()))));
        let jobs: Vec<_> = stated.chain(path.iter().map(|&id| (id, None))).collect();
        let walked = parallel::map(threads, &jobs, |_, &(id, stated)| match stated {
            Some((end, last)) => self.walk_stated(id, end, last, progress).map(Some),
            None => match self.log.scan(id, 0) {
                Ok(segment) => {
                    let found = self.walk(&segment, FIRST_RECORD, segment.log.len(), true, progress)?;
                    Ok(Some((segment, found)))
                }
                Err(error) if error.code() == Code::Corrupt || !holds(Rule::ErrorIsNoDamage) => Ok(None),
                // What cannot be mapped just now is no end of the log.
                Err(error) => Err(error),
            },
        });
        let found = Walked { cleared, ..Walked::default() };
        let mut plan = Plan { entries: state.entries, found, ..Plan::default() };
        let mut unreached = Vec::new();
        let mut stopped = false;
        for (at, (walked, (id, _))) in walked.into_iter().zip(jobs).enumerate() {
            let Some((segment, found)) = walked?.filter(|_| !stopped) else {
                stopped = true;
                unreached.push(id);
                continue;
            };
            plan.segments.push(Link { id, end: found.end as u64 });
            plan.found = plan.found.with(found);
            // Past a record that fails nothing counts, in this segment or a later one.
            if at + 1 >= chain.len() && segment.log.len() - found.end >= HEADER {
                stopped = true;
                self.count_cut(&segment, found.end, &mut plan.report);
            }
            plan.walked.push(segment);
        }
        for id in unreached {
            if let Ok(segment) = self.log.scan(id, 0) {
                self.count_cut(&segment, FIRST_RECORD, &mut plan.report);
            }
        }
        plan.report.kept = plan.found.records;
        Ok(plan)
    }

    /// A segment of the checkpoint's chain: to the length that it states it must verify, and the last one may go on.
    fn walk_stated(&self, id: SegmentId, stated: u64, last: bool, progress: &Passes) -> Result<(Segment, Walked)> {
        let segment = self.log.scan(id, 0)?;
        if !(FIRST_RECORD as u64..=segment.size()).contains(&stated) {
            return Err(Error::corrupt(format_args!(
                "a segment of shard {} is not as long as the checkpoint says",
                self.number
            )));
        }
        let stated = stated as usize;
        let mut found = self.walk(&segment, FIRST_RECORD, stated, false, progress)?;
        if found.end < stated && stated - found.end >= HEADER {
            return Err(segment.damage(found.end));
        }
        found.end = stated;
        if last {
            found = found.with(self.walk(&segment, stated, segment.log.len(), true, progress)?);
        }
        Ok((segment, found))
    }

    /// Verifies records from an offset on, until one does not. Beyond a checkpoint an extent that fails stops it too.
    fn walk(&self, segment: &Segment, from: usize, to: usize, extents: bool, progress: &Passes) -> Result<Walked> {
        let mut found = Walked::default();
        let (mut at, mut told) = (from, from);
        while to - at >= HEADER {
            let Some(record) = segment.whole(at, to, self.align(), &self.medium.keys) else { break };
            if let Some(extent) = record.extent().filter(|_| extents)
                && !extent::verifies(&self.medium, self.number, &extent)?
            {
                break;
            }
            found.seq = found.seq.max(record.header.seq);
            match record.header.kind {
                Type::Clear => found.cleared = found.cleared.max(record.header.seq),
                kind => found.puts += u64::from(kind.is_put()),
            }
            found.records += u64::from(record.header.kind != Type::Pad);
            at += record.len();
            if at - told >= TOLD {
                progress.passed((at - told) as u64)?;
                told = at;
            }
        }
        progress.passed((at - told) as u64)?;
        found.end = at;
        Ok(found)
    }

    /// Counts what stands behind the point where the chain ends: all bytes up to the last that was ever written, and the
    /// records among them that can still be told by their heads.
    fn count_cut(&self, segment: &Segment, from: usize, report: &mut ShardRecovery) {
        let rest = segment.log.bytes(from, segment.log.len() - from).unwrap_or_default();
        // Most of it was never written, which is told fast by pages.
        let is_blank = |page: &&[u8]| page.iter().fold(0, |all, byte| all | byte) == 0;
        let blank: usize = rest.rchunks(PAGE).take_while(is_blank).map(<[u8]>::len).sum();
        let Some(last) = rest[..rest.len() - blank].iter().rposition(|&byte| byte != 0) else { return };
        report.cut_bytes += last as u64 + 1;
        let mut at = from;
        while at <= from + last {
            // Most of it is no head at all, which is told without a sum.
            let head = segment.raw(at, self.align()).and_then(|_| segment.headed(at, self.align(), &self.medium.keys));
            match head {
                Some(record) => {
                    report.dropped += u64::from(record.header.kind != Type::Pad);
                    at += record.len();
                }
                None => at += self.align(),
            }
        }
    }

    /// Makes the shard's files and index anew from a plan, and starts a fresh segment under the new generation. Nobody
    /// else has the shard.
    pub fn recover(
        &self,
        plan: Plan,
        counter: u64,
        extents: u64,
        threads: usize,
        progress: &Passes,
    ) -> Result<ShardRecovery> {
        let page = self.page();
        if plan.segments.is_empty() {
            return Ok(plan.report);
        }
        page.store(head::SEGMENT_COUNTER, counter);
        page.store(head::EXTENT_COUNTER, extents);
        page.store(head::SEQ, plan.found.seq);
        // Declared before the guard and so dropped after it: what it retires waits for readers.
        let mut writer = Writer::default();
        let guard = enter();
        let mut log_bytes = 0;
        for (index, (link, segment)) in plan.segments.iter().zip(plan.walked).enumerate() {
            self.log.ensure_entry(index)?;
            self.log.list(index, link.id, segment.size(), link.end, &guard)?;
            log_bytes += segment.size();
            self.log.publish(segment.ending(index, link.end as usize));
        }
        let last = plan.segments.len() - 1;
        page.store(head::TAIL, RecordRef::new(last, plan.segments[last].end as usize).0);
        // What the checkpoint says is not believed beyond what the log holds.
        let expected = plan.entries.min(plan.found.puts);
        page.store(head::PEAK, expected);
        self.index.create(self.rebuilt_depth(log_bytes, expected), &guard)?;
        let chain: Vec<usize> = (0..plan.segments.len()).collect();
        self.fill_index(&mut writer.queue, &chain, plan.found.cleared, threads, progress, &guard)?;
        writer.high = plan.segments.len();
        if holds(Rule::SealTail) {
            let fresh = self.log.make(self.log.next_size(page.load(head::LIVE), 0), Pace::Slow)?;
            self.join_after(&mut writer, fresh, false, &guard)?;
        }
        page.store(head::WRITTEN, 1);
        Ok(plan.report)
    }

    /// A table or page that does not match its sum costs the index, not the data: it is made anew from the log while
    /// readers wait.
    pub(super) fn rebuild_in_place(&self) -> Result<()> {
        let guard = enter();
        let mut writer = self.lock()?;
        self.rebuild_locked(&mut writer, &guard)
    }

    pub(super) fn rebuild_locked(&self, writer: &mut Locked<'_>, guard: &Guard) -> Result<()> {
        // A log that is damaged stays so. It is not read from end to end again for every call that meets the index's damage.
        if let Some(damage) = &writer.unmendable {
            return Err(damage.clone());
        }
        // The log first: if it is damaged too, what is left of the index still serves.
        let began = self.medium.listeners.began();
        let walked = self.walk_chain(writer);
        let Walked { cleared, records, .. } = self.checked(walked).inspect_err(|error| {
            writer.unmendable = Some(error.clone()).filter(|error| error.code() == Code::Corrupt);
        })?;
        // Until this is done a process that opens the map after a kill must not trust what it finds.
        let suspect = self.medium.head.word(head::SUSPECT);
        let mark = if holds(Rule::MarkRemaking) { 1 << 32 } else { 0 };
        suspect.fetch_add(mark, Ordering::SeqCst);
        // Before the root changes: a reader that saw the new root sees this too, and does not believe a miss.
        self.state.store(REBUILDING, Ordering::SeqCst);
        let rebuilt = self.remake_index(writer, cleared, guard);
        if rebuilt.is_err() {
            self.poison();
            return rebuilt;
        }
        // A reader may have slept through all of this and have met the root of the half-made index: it must not be the same.
        self.index.renew_root();
        suspect.fetch_sub(mark, Ordering::SeqCst);
        self.state.store(OPEN, Ordering::SeqCst);
        writer.changed = true;
        self.medium.want_background();
        let shard = self.number;
        self.medium.listeners.tell(began, |duration| Event::Mended { shard, duration, records });
        Ok(())
    }

    /// Verifies every record.
    fn walk_chain(&self, writer: &Writer) -> Result<Walked> {
        let walked = parallel::map(cores(), &writer.chain, |_, &index| {
            let guard = enter();
            let segment = self.log.segment(index, &guard)?;
            let end = segment.log.published();
            let found = self.walk(segment, FIRST_RECORD, end, false, &Passes::default())?;
            if end - found.end >= HEADER { Err(segment.damage(found.end)) } else { Ok(found) }
        });
        walked.into_iter().try_fold(Walked::default(), |all, found| Ok(all.with(found?)))
    }

    fn remake_index(&self, writer: &mut Writer, cleared: u64, guard: &Guard) -> Result<()> {
        if let Some(watch) = &mut writer.watch {
            watch.void = true;
        }
        self.index.discard(&mut writer.queue);
        self.index.create(self.rebuilt_depth(writer.log_bytes, self.entries()), guard)?;
        writer.victim = None;
        let chain = writer.chain.clone();
        self.fill_index(&mut writer.queue, &chain, cleared, cores(), &Passes::default(), guard)
    }
}
