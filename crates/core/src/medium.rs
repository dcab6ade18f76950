//! Where the files of one map are made, mapped and deleted.

use crate::events::{Doing, Event, Grown, Listeners};
use crate::layout::checkpoint::{Capacity, Checkpoint};
use crate::layout::extent::VALUE_AT;
use crate::layout::file::{self, Header, Kind};
use crate::layout::hash::Keys;
use crate::layout::names::{self, Name};
use crate::layout::table::{MAX_TABLES, TABLE, index_len};
use crate::layout::{MAX_VALUE, PAGE, directory, head, intent, segment};
use crate::log::Recycled;
use crate::log::spare::Spare;
use crate::mem::{Access, Region};
use crate::rules::{Rule, holds};
use crate::sys::{self, Dir, FileId};
use crate::viewers::Viewers;
use crate::{Code, Error, Result};
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What all layers of one open map share.
#[derive(Debug)]
pub(crate) struct Medium {
    /// No other opening in this process has it.
    number: u64,
    pub dir: Dir,
    pub keys: Keys,
    /// Values start at a multiple of this, and so do records.
    pub align: usize,
    pub shard_bits: u32,
    pub capacity: Capacity,
    /// `false`: nothing is written to any file; what must be repaired is repaired in private memory.
    pub writable: bool,
    /// Opened after a clean close: every table and page has a sum that must match, and every byte is on the disk.
    pub clean: bool,
    /// A test hook: copied files are taken for the originals.
    pub same_files: bool,
    /// Files that held records are overwritten before they are deleted.
    pub secure: bool,
    pub head: Region,
    /// Names were added since the directory was last synced.
    pub names_changed: AtomicBool,
    /// Calls that had to make a file which the background should have made.
    pub waits: AtomicU64,
    pub spare: Spare,
    pub recycled: Recycled,
    /// Who looks at values in place.
    pub viewers: Viewers,
    /// Who is told what happens to the map.
    pub listeners: Listeners,
    /// A call found no room: compaction is to free what it can.
    pub pressed: AtomicBool,
    /// Set when something is waiting for the background.
    pub work: AtomicBool,
    /// Files whose deletion waits until nobody in this process has them mapped any more, which some systems ask for.
    in_use: Mutex<Vec<String>>,
    /// The first failed sync. The map only reads from then on: a retried fsync may report success for pages it dropped.
    failed: OnceLock<Error>,
}

impl Medium {
    pub fn new(
        dir: Dir,
        checkpoint: &Checkpoint,
        writable: bool,
        clean: bool,
        same_files: bool,
        head: Region,
    ) -> Medium {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        Medium {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            dir,
            keys: checkpoint.keys,
            align: checkpoint.align.into(),
            shard_bits: checkpoint.shards.len().trailing_zeros(),
            capacity: checkpoint.capacity,
            writable,
            clean,
            same_files,
            secure: false,
            head,
            // Whoever had the map open before may have died before its sync.
            names_changed: AtomicBool::new(true),
            waits: AtomicU64::new(0),
            spare: Spare::default(),
            recycled: Recycled::default(),
            viewers: Viewers::default(),
            listeners: Listeners::default(),
            pressed: AtomicBool::new(false),
            work: AtomicBool::new(false),
            in_use: Mutex::default(),
            failed: OnceLock::new(),
        }
    }

    /// Makes a mapped file with its header. A file of that name can only be what a killed process left: it goes first.
    pub fn create(&self, name: &str, kind: Kind, shard: u32, id: u64, len: usize) -> Result<Region> {
        self.create_filled(name, kind, shard, id, len, 0).map(|(region, _)| region)
    }

    /// The same, with the pages of its first so many bytes. The open file is for who fills more of it, before a record is
    /// stored there; there is none where nothing may be written.
    pub fn create_filled(
        &self,
        name: &str,
        kind: Kind,
        shard: u32,
        id: u64,
        len: usize,
        filled: usize,
    ) -> Result<(Region, Option<File>)> {
        let predecessor = if kind == Kind::Segment { file::UNLINKED } else { 0 };
        let mut header = Header { kind, shard, id, length: len as u64, file: sys::FileId::default(), predecessor };
        let made = if self.writable {
            let began = self.listeners.began();
            let made = match self.create_file(name, len as u64) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match self.try_remove(name) {
                    Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                        return Err(Error::corrupt(format_args!("a directory stands in the place of {name}")));
                    }
                    gone => gone.and_then(|()| self.create_file(name, len as u64)),
                },
                made => made,
            };
            let made = made.and_then(|file| {
                let region = Region::map(&file, Access::Shared).inspect_err(|_| {
                    let _ = self.dir.unlink(name);
                })?;
                header.file = region.file_id();
                // Before the header is stored: it writes zeros.
                region.fill(&file, 0..filled, piece(kind));
                if let Some(file) = grown(kind) {
                    let bytes = region.len() as u64;
                    self.listeners.tell(began, |duration| Event::Growth { shard: Some(shard), duration, bytes, file });
                }
                Ok((region, Some(file)))
            });
            // Release: partner of the swap in the checkpoint, which syncs the directory.
            self.names_changed.store(true, Ordering::Release);
            made
        } else {
            Region::anonymous(len).map(|region| (region, None))
        };
        let made = made.map_err(|error| Error::os(format_args!("make {name} of {len} bytes"), &error))?;
        made.0.set_owner(self.owner(kind, shard));
        self.write_header(&made.0, &header);
        Ok(made)
    }

    pub fn write_header(&self, region: &Region, header: &Header) {
        let bytes = header.encode(&self.keys);
        for (at, word) in bytes.chunks_exact(8).enumerate() {
            region.store(at * 8, u64::from_le_bytes(word.try_into().expect("eight bytes")));
        }
    }

    /// Maps a file that must be the map's own, and the very one that was made for it.
    pub fn map(&self, name: &str, kind: Kind, shard: u32, id: u64) -> Result<Region> {
        let (file, header, same) = self.open(name, kind)?;
        if header.shard != shard || header.id != id {
            return Err(Error::corrupt(format_args!("{name} is not the file that its name says")));
        }
        // Segments are the truth wherever they lie; what is derived from them counts only where it was derived.
        if kind != Kind::Segment && !same && !self.same_files {
            return Err(Error::corrupt(format_args!("{name} is a copy: its index cannot be trusted")));
        }
        let access = if self.writable { Access::Shared } else { Access::Private };
        let region = Region::map(&file, access).map_err(|error| Error::unmapped(name, &error))?;
        region.set_owner(self.owner(kind, shard));
        Ok(region)
    }

    /// Whom a page concerns that is not there any more: a shard, or all of them.
    pub fn owner(&self, kind: Kind, shard: u32) -> u64 {
        if kind == Kind::Head { self.number << 8 } else { (self.number << 8) + 1 + u64::from(shard) }
    }

    /// Opens a file whose header verifies and names its length; the last part says whether it is the file that its header
    /// names. Before anything is mapped: a foreign file may be of any length.
    pub fn open(&self, name: &str, kind: Kind) -> Result<(File, Header, bool)> {
        let fail = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Error::corrupt(format_args!("{name} is missing")),
            io::ErrorKind::UnexpectedEof => Error::corrupt(format_args!("{name} is cut off")),
            _ => Error::os(format_args!("open {name}"), &error),
        };
        let file = self.dir.open_file(name, self.writable).map_err(fail)?;
        let len = file.metadata().map_err(fail)?.len();
        let mut bytes = [0; file::HEADER];
        sys::read_at(&file, &mut bytes, 0).map_err(fail)?;
        let Some(header) = Header::decode(&bytes, kind, &self.keys) else {
            return Err(Error::corrupt(format_args!("the header of {name} does not verify")));
        };
        if header.length != len || len % 8 != 0 {
            return Err(Error::corrupt(format_args!("{name} has {len} bytes and not {}", header.length)));
        }
        // A file of holes costs who made it nothing, and whoever keeps count of its parts all memory.
        if len > longest(kind) {
            return Err(Error::corrupt(format_args!("{name} has {len} bytes, which no such file has")));
        }
        let same = sys::file_id(&file).map_err(fail)? == header.file;
        Ok((file, header, same))
    }

    /// Whether the name still leads to the file that is in use, and whether that is as long as it was. Without an id any file
    /// will do.
    pub fn check_file(&self, name: &str, id: Option<FileId>, len: u64) -> Result<()> {
        match self.dir.look_at(name) {
            Ok((found, _)) if id.is_some_and(|id| id != found) => Err(Error::file_gone(name)),
            Ok((_, found)) if found < len => Err(self.fail(Error::new(
                Code::Io,
                format!(
                    "{name} was cut off from {len} to {found} bytes while the map was open. Restore a backup, or open the map with recovery: 'full'."
                ),
            ))),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::file_gone(name)),
            Err(error) => Err(Error::os(format_args!("look at {name}"), &error)),
        }
    }

    /// Whether the header of a mapped file that is no segment is still what it has to be.
    pub fn header_verifies(&self, region: &Region, kind: Kind, shard: u32, id: u64) -> bool {
        Header::decode(&header_bytes(region), kind, &self.keys).is_some_and(|header| {
            let is_own = header.shard == shard && header.id == id && header.length == region.len() as u64;
            is_own && header.predecessor == 0
        })
    }

    /// Deletes a file; one that is already gone is as good. With `secure`, records are overwritten first: a file that cannot
    /// be stays, nobody's, until the pass after the next open tries again.
    pub fn remove(&self, name: &str) {
        if self.writable
            && let Err(error) = self.try_remove(name)
            && sys::is_in_use(&error)
            // What else there is may get a name that was there before, and must not be deleted then.
            && matches!(names::parse(name), Some(Name::Segment { .. } | Name::Extent { .. }))
        {
            self.in_use.lock().push(name.to_owned());
        }
    }

    /// Deletes what was kept to become new segments. `false`: there was nothing.
    pub fn give_up_recycled(&self) -> bool {
        let names = self.recycled.drain();
        names.iter().for_each(|name| self.remove(name));
        !names.is_empty()
    }

    /// Makes a file with its blocks.
    pub fn create_file(&self, name: &str, len: u64) -> io::Result<File> {
        self.with_room(|| self.dir.create_file(name, len))
    }

    /// What takes room; what is kept for speed is given up before it fails.
    pub fn with_room<T>(&self, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match make() {
            Err(error) if sys::is_full(&error) && self.give_up_recycled() => make(),
            made => made,
        }
    }

    /// Tries once more to delete what was mapped by somebody when it was to go. What is still left when the map is closed is
    /// deleted after the next open, as all that nothing names. `false`: something waits.
    pub fn remove_in_use(&self) -> bool {
        let names = std::mem::take(&mut *self.in_use.lock());
        names.iter().for_each(|name| self.remove(name));
        names.is_empty() || self.in_use.lock().is_empty()
    }

    fn try_remove(&self, name: &str) -> io::Result<()> {
        if self.secure && matches!(names::parse(name), Some(Name::Segment { .. } | Name::Extent { .. })) {
            match self.dir.open_file(name, true).and_then(|file| sys::erase(&file)) {
                // What it leads to is not ours.
                Err(error) if sys::is_foreign(&error) => {}
                erased => erased?,
            }
        }
        self.dir.unlink(name)
    }

    /// Whether a read that was begun before an extent's record went is not over yet; asked once nobody can begin another.
    /// Only a file that is to be overwritten needs to wait for that.
    pub fn is_being_read(&self, name: &str) -> bool {
        self.secure && self.dir.open_file(name, true).is_ok_and(|file| !sys::lock_alone(&file))
    }

    /// A failed sync makes the map read-only for good, in the mapping too, so that the next process rebuilds.
    pub fn fail(&self, error: Error) -> Error {
        self.head.store(head::SUSPECT, 1);
        let mut is_first = false;
        let failed = self.failed.get_or_init(|| {
            is_first = true;
            error
        });
        if is_first {
            let doing = if failed.is_of_sync() { Doing::Flush } else { Doing::Call };
            self.listeners.fail(doing, failed, true);
        }
        failed.clone()
    }

    /// The same for an error that may be of a sync or of what comes before it: only the former is for good.
    pub fn failed(&self, error: Error) -> Error {
        if error.is_of_sync() { self.fail(error) } else { error }
    }

    pub fn failure(&self) -> Option<&Error> {
        self.failed.get()
    }

    pub fn check_writable(&self) -> Result<()> {
        if let Some(error) = self.failed.get() {
            return Err(Error::new(
                Code::ReadOnly,
                format!("The map only reads since an earlier failure: {} Close it and open it again.", error.message()),
            ));
        }
        if !self.writable {
            return Err(Error::new(
                Code::ReadOnly,
                "The map was opened with readOnly: true. Open it for writing to change it.",
            ));
        }
        Ok(())
    }

    /// Asks for the background; cheap when it was already asked.
    pub fn want_background(&self) {
        if !self.work.load(Ordering::Relaxed) && !self.work.swap(true, Ordering::AcqRel) {
            crate::signal::raise();
        }
    }
}

/// In how large pieces a file gets its pages. One that is written from its start to its end is written out as it goes; of one
/// that is changed here and there a whole piece is, for a word: so it is a table.
pub(crate) const fn piece(kind: Kind) -> usize {
    if matches!(kind, Kind::Segment) { 1 << 16 } else { TABLE }
}

/// How long a file of this kind can be.
const fn longest(kind: Kind) -> u64 {
    match kind {
        Kind::Head => head::LEN as u64,
        Kind::Segment => segment::MAX_FIRST_SEGMENT,
        Kind::SegmentTable => segment::table_len(segment::MAX_TABLE_FILES - 1) as u64,
        Kind::Directory => directory::file_len(directory::MAX_DEPTH) as u64,
        Kind::Index => index_len(MAX_TABLES) as u64,
        Kind::Extent => VALUE_AT as u64 + MAX_VALUE as u64,
    }
}

/// What a mapped file is for, if making it is growth.
fn grown(kind: Kind) -> Option<Grown> {
    match kind {
        Kind::Segment => Some(Grown::Segment),
        Kind::SegmentTable => Some(Grown::SegmentTable),
        Kind::Directory => Some(Grown::Directory),
        Kind::Index => Some(Grown::Index),
        Kind::Head | Kind::Extent => None,
    }
}

fn header_bytes(region: &Region) -> [u8; file::HEADER] {
    let mut bytes = [0; file::HEADER];
    for (at, word) in bytes.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&region.load(at * 8).to_le_bytes());
    }
    bytes
}

/// A shard's page of `HEAD`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    region: &'a Region,
    base: usize,
}

impl<'a> Page<'a> {
    pub fn new(medium: &'a Medium, shard: u32) -> Page<'a> {
        Page { region: &medium.head, base: head::shard(shard) }
    }

    #[inline]
    pub fn load(self, field: usize) -> u64 {
        self.region.load(self.base + field)
    }

    #[inline]
    pub fn store(self, field: usize, value: u64) {
        self.region.store(self.base + field, value);
    }

    /// Takes the next number of a counter; never the same twice, whoever asks.
    pub fn next(self, field: usize) -> u64 {
        self.region.word(self.base + field).fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The operation word goes last, so that a half-written intent is none.
    pub fn write_intent(self, words: &intent::Words) {
        for (at, &word) in words.iter().enumerate().skip(1) {
            self.store(head::INTENT + at * 8, word);
        }
        self.store(head::INTENT, words[0]);
    }

    pub fn read_intent(self) -> intent::Words {
        std::array::from_fn(|at| self.load(head::INTENT + at * 8))
    }

    /// The sequence number of a clear that is written down and not concluded; else 0.
    pub fn intended_clear(self) -> u64 {
        let words = self.read_intent();
        let is_clear = words[0] == intent::Operation::Clear.word();
        if is_clear { intent::ClearIntent::decode(&words).seq } else { 0 }
    }

    pub fn clear_intent(self) {
        self.store(head::INTENT, 0);
    }

    /// The page's sum as its words stand now, and the shard's number, so that no shard takes another's page for its own.
    pub fn sum(self, keys: &Keys) -> u64 {
        let number = if holds(Rule::PagePlace) { (self.base / PAGE - 1) as u64 } else { 0 };
        let words = (head::SUM + 8..head::SHARD_LEN).step_by(8);
        keys.sum_words(std::iter::once(number).chain(words.map(|field| self.load(field))))
    }
}
