//! What a disk may hold after a power cut, worked out from a trace.
//!
//! Files are kept as the page cache shows them. Beside that stands, for every sector that was stored to since its last
//! sync, what it held then and every write since; and for the directory, every change of a name since its last sync.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use opendiskmap::trace::Event;

use crate::random::Random;

const SECTOR: usize = 512;
const PAGE: usize = 4096;
const WORD: usize = 8;

/// A directory's files, byte for byte.
pub type Image = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Default)]
pub struct Disk {
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Since the directory's last sync, with the time of each.
    renamings: Vec<(usize, Naming)>,
    inodes: HashMap<u64, usize>,
    /// Events so far, and how many of them precede the trace that is being applied.
    clock: usize,
    origin: usize,
}

#[derive(Clone)]
enum Naming {
    Link { name: String, file: usize },
    Unlink { name: String },
    Rename { from: String, to: String },
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    dirty: BTreeMap<usize, Sector>,
    durable_length: usize,
    lengths: Vec<(usize, usize)>,
}

/// A sector that was written since its last sync.
#[derive(Clone)]
struct Sector {
    durable: Box<[u8; SECTOR]>,
    writes: Vec<Piece>,
}

#[derive(Clone)]
struct Piece {
    time: usize,
    at: usize,
    bytes: Bytes,
}

#[derive(Clone)]
enum Bytes {
    Word([u8; WORD]),
    Many(Box<[u8]>),
}

impl Bytes {
    fn of(bytes: &[u8]) -> Bytes {
        match bytes.try_into() {
            Ok(word) => Bytes::Word(word),
            Err(_) => Bytes::Many(bytes.into()),
        }
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Word(word) => word,
            Bytes::Many(bytes) => bytes,
        }
    }
}

/// How kind a power cut is: shares by the hundred.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Of the sectors that hold what was written last; the others hold any version since the last sync.
    latest: usize,
    /// Every file has a share of its own.
    uneven: bool,
    /// Of the changes of names that are durable, in their order for each name.
    names: usize,
    /// Of the sectors that are torn between two versions, word by word.
    torn: usize,
    /// Of the sectors in which words that were being written hold anything at all.
    garbage: usize,
}

const LATEST: [usize; 6] = [0, 0, 30, 70, 90, 100];

impl Weather {
    #[must_use]
    pub fn draw(random: &mut Random) -> Weather {
        let latest = LATEST[random.below(LATEST.len())];
        let uneven = random.below(2) == 0;
        let names = [0, 50, 90, 100][random.below(4)];
        let torn = [0, 0, 30][random.below(3)];
        let garbage = [0, 0, 0, 20][random.below(4)];
        Weather { latest, uneven, names, torn, garbage }
    }
}

impl Disk {
    /// A disk on which all of an image is durable.
    #[must_use]
    pub fn of(image: Image) -> Disk {
        let mut disk = Disk::default();
        for (name, now) in image {
            disk.names.insert(name, disk.files.len());
            disk.files.push(Content { durable_length: now.len(), now, ..Content::default() });
        }
        disk.durable_names = disk.names.clone();
        disk
    }

    /// Files of this disk were made in a directory, for a trace of what is done there.
    pub fn appear_in(&mut self, root: &Path) -> io::Result<()> {
        self.origin = self.clock;
        self.inodes.clear();
        for (name, &file) in &self.names {
            let inode = write_file(&root.join(name), &self.files[file].now)?;
            self.inodes.insert(inode, file);
        }
        Ok(())
    }

    /// Makes the files in a directory.
    pub fn write_to(&self, root: &Path) -> io::Result<()> {
        fs::create_dir(root)?;
        self.names.iter().try_for_each(|(name, &file)| write_file(&root.join(name), &self.files[file].now).map(drop))
    }

    pub fn apply(&mut self, event: &Event) {
        let time = self.clock;
        self.clock += 1;
        match event {
            Event::Create { name, file } => {
                let known = self.names.get(name).copied();
                if let Some(same) = known.filter(|same| self.inodes.get(file) == Some(same)) {
                    self.files[same].set_length(time, 0);
                    return;
                }
                let number = self.files.len();
                self.files.push(Content::default());
                self.inodes.insert(*file, number);
                self.rename(time, Naming::Link { name: name.clone(), file: number });
            }
            Event::Unlink { name } => self.rename(time, Naming::Unlink { name: name.clone() }),
            Event::Rename { from, to } => {
                self.rename(time, Naming::Rename { from: from.clone(), to: to.clone() });
            }
            Event::Length { file, length } => {
                if let Some(content) = self.content(*file) {
                    content.set_length(time, *length as usize);
                }
            }
            Event::Store { file, at, word } => {
                if let Some(content) = self.content(*file) {
                    content.write(time, *at as usize, &word.to_le_bytes());
                }
            }
            Event::Copy { file, at, bytes } | Event::Write { file, at, bytes } => {
                if let Some(content) = self.content(*file) {
                    content.write(time, *at as usize, bytes);
                }
            }
            Event::Sync { file, from, to, begun } => {
                let begun = self.origin + begun;
                if let Some(content) = self.content(*file) {
                    content.sync(*from as usize, usize::try_from(*to).unwrap_or(usize::MAX), begun);
                }
            }
            Event::SyncNames { begun } => {
                let begun = self.origin + begun;
                let later = self.renamings.partition_point(|&(time, _)| time < begun);
                for (_, naming) in self.renamings.drain(..later) {
                    naming.apply(&mut self.durable_names);
                }
            }
        }
    }

    /// The beginning of a copy, as far as a kill let it come. What is written through the kernel is written by the page.
    pub fn apply_part(&mut self, event: &Event, random: &mut Random) {
        let (file, at, bytes, unit) = match event {
            Event::Copy { file, at, bytes } => (file, at, bytes, WORD),
            Event::Write { file, at, bytes } => (file, at, bytes, PAGE),
            _ => return,
        };
        let time = self.clock;
        let length = random.below(bytes.len().div_ceil(unit).max(1)) * unit;
        if let Some(content) = self.content(*file) {
            content.write(time, *at as usize, &bytes[..length]);
        }
    }

    fn content(&mut self, inode: u64) -> Option<&mut Content> {
        self.inodes.get(&inode).map(|&file| &mut self.files[file])
    }

    fn rename(&mut self, time: usize, naming: Naming) {
        naming.apply(&mut self.names);
        self.renamings.push((time, naming));
    }

    /// What a power cut at this moment may leave.
    #[must_use]
    pub fn cut(&self, weather: Weather, random: &mut Random) -> Image {
        let mut names = self.durable_names.clone();
        let mut late = BTreeSet::new();
        for (_, naming) in &self.renamings {
            // Of one name the changes become durable in their order; a rename is whole.
            let touched = naming.names();
            if touched.iter().any(|name| late.contains(name)) || random.below(100) >= weather.names {
                late.extend(touched);
            } else {
                naming.apply(&mut names);
            }
        }
        let mut image = Image::new();
        for (name, file) in names {
            image.insert(name, self.files[file].cut(weather, random));
        }
        image
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Naming::Link { name, file } => drop(names.insert(name.clone(), *file)),
            Naming::Unlink { name } => drop(names.remove(name)),
            Naming::Rename { from, to } => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Naming::Link { name, .. } | Naming::Unlink { name } => vec![name],
            Naming::Rename { from, to } => vec![from, to],
        }
    }
}

impl Content {
    fn set_length(&mut self, time: usize, length: usize) {
        if length != self.now.len() {
            self.now.resize(length, 0);
            self.lengths.push((time, length));
        }
    }

    fn write(&mut self, time: usize, at: usize, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let from = at + done;
            let sector = from / SECTOR;
            let part = (SECTOR - from % SECTOR).min(bytes.len() - done);
            let bytes = &bytes[done..done + part];
            done += part;
            // What is beyond the file's end has no place on the disk; what changes nothing makes no new version.
            if self.now.get(from..from + part).is_none_or(|held| held == bytes) {
                continue;
            }
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(self.now.len());
            let dirty = self.dirty.entry(sector).or_insert_with(|| {
                let mut durable = Box::new([0; SECTOR]);
                durable[..end - start].copy_from_slice(&self.now[start..end]);
                Sector { durable, writes: Vec::new() }
            });
            dirty.writes.push(Piece { time, at: from - start, bytes: Bytes::of(bytes) });
            self.now[from..from + part].copy_from_slice(bytes);
        }
    }

    fn sync(&mut self, from: usize, to: usize, begun: usize) {
        let sectors = from / SECTOR..to.div_ceil(SECTOR);
        let mut clean = Vec::new();
        for (&number, sector) in self.dirty.range_mut(sectors) {
            let later = sector.writes.partition_point(|piece| piece.time < begun);
            for piece in sector.writes.drain(..later) {
                piece.apply(&mut sector.durable);
            }
            if sector.writes.is_empty() {
                clean.push(number);
            }
        }
        for number in clean {
            self.dirty.remove(&number);
        }
        let later = self.lengths.partition_point(|&(time, _)| time < begun);
        if let Some((_, length)) = self.lengths.drain(..later).next_back() {
            self.durable_length = length;
        }
    }

    fn cut(&self, mut weather: Weather, random: &mut Random) -> Vec<u8> {
        if weather.uneven {
            weather.latest = LATEST[random.below(LATEST.len())];
        }
        // Often enough a file is not written back at all before its sync.
        let untouched = weather.uneven && random.below(6) == 0;
        let mut length = self.durable_length;
        if let Some(&(_, last)) = self.lengths.last().filter(|_| !untouched) {
            length = match random.below(100) < weather.latest {
                true => last,
                false => match random.below(self.lengths.len() + 1) {
                    0 => length,
                    which => self.lengths[which - 1].1,
                },
            };
        }
        let mut bytes = self.now.clone();
        bytes.resize(length, 0);
        for (&number, sector) in &self.dirty {
            let start = number * SECTOR;
            if start < length {
                let end = (start + SECTOR).min(length);
                let held = if untouched { *sector.durable } else { sector.cut(weather, random) };
                bytes[start..end].copy_from_slice(&held[..end - start]);
            }
        }
        bytes
    }
}

impl Piece {
    fn apply(&self, sector: &mut [u8; SECTOR]) {
        sector[self.at..self.at + self.bytes.len()].copy_from_slice(&self.bytes);
    }
}

impl Sector {
    fn cut(&self, weather: Weather, random: &mut Random) -> [u8; SECTOR] {
        let count = self.writes.len();
        let mut version = |latest: usize| {
            let kept = if random.below(100) < latest { count } else { random.below(count + 1) };
            let mut bytes = *self.durable;
            self.writes[..kept].iter().for_each(|piece| piece.apply(&mut bytes));
            bytes
        };
        let mut bytes = version(weather.latest);
        let other = (weather.torn > 0).then(|| version(0));
        if let Some(other) = other.filter(|_| random.below(100) < weather.torn) {
            let words = bytes.chunks_mut(WORD).zip(other.chunks(WORD));
            words.filter(|_| random.below(2) == 0).for_each(|(word, other)| word.copy_from_slice(other));
        }
        if random.below(100) < weather.garbage {
            // What was durable stays: a drive that spoils bytes which nobody wrote is beyond what is assumed of it.
            for piece in &self.writes {
                for byte in piece.at..piece.at + piece.bytes.len() {
                    if random.below(16) == 0 {
                        bytes[byte] = random.word() as u8;
                    }
                }
            }
        }
        bytes
    }
}

/// Pages of zeros stay holes.
fn write_file(path: &Path, bytes: &[u8]) -> io::Result<u64> {
    const ZEROS: [u8; PAGE] = [0; PAGE];
    let file = File::create(path)?;
    file.set_len(bytes.len() as u64)?;
    let is_zero = |page: &[u8]| page == &ZEROS[..page.len()];
    let mut at = 0;
    while at < bytes.len() {
        let from = at;
        while at < bytes.len() && !is_zero(&bytes[at..(at + PAGE).min(bytes.len())]) {
            at = (at + PAGE).min(bytes.len());
        }
        if from < at {
            file.write_all_at(&bytes[from..at], from as u64)?;
        } else {
            at += PAGE;
        }
    }
    Ok(file.metadata()?.ino())
}
