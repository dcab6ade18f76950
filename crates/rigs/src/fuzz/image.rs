//! A map's directory, changed at will and opened. Where the sums are left as they were every answer must be right or say that
//! it is damaged; where they are made right again no call may panic, run on for ever, or ask for all memory.

use std::path::Path;
use std::sync::OnceLock;

use opendiskmap::{Control, Map, Options, Recovery, salvage};

use super::packed::unpack;
use super::resum::resum;
use crate::flip::files::Files;
use crate::flip::maps::{Kind, seeded};
use crate::flip::trial::{self, Bar};
use crate::model::Model;
use crate::scenario::options;

/// Changes that count in one input.
const CHANGES: usize = 24;
/// A change in an input: where, what, and with which word.
const CHANGE: usize = 1 + 3 + 1 + 8;

struct Seed {
    files: Files,
    /// Words that mean something: those that are not zero, the pages of `HEAD`, the starts of files.
    words: Vec<(usize, usize)>,
    bar: Bar,
}

fn seeds() -> &'static [Seed] {
    static SEEDS: OnceLock<Vec<Seed>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let images: [(&[u8], Bar); 2] = [
            (include_bytes!("../../../../fuzz/images/closed"), Bar::Exact),
            (include_bytes!("../../../../fuzz/images/killed"), Bar::Values),
        ];
        images
            .into_iter()
            .map(|(packed, bar)| {
                let files = unpack(packed).expect("the images are from `pack`");
                let mut words = Vec::new();
                for (file, bytes) in files.bytes.iter().enumerate() {
                    let head = files.names[file] == "HEAD";
                    for at in (0..bytes.len() & !7).step_by(8) {
                        let page = head && at < 3 * 4096 && at % 4096 < 384;
                        if at < 128 || page || bytes[at..at + 8].iter().any(|byte| *byte != 0) {
                            words.push((file, at));
                        }
                    }
                }
                Seed { files, words, bar }
            })
            .collect()
    })
}

/// What the images hold.
fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(seeded)
}

/// The maps that the images were made of, for making them again after a change of the format.
pub const KINDS: [(&str, Kind); 2] = [("closed", Kind::Seed), ("killed", Kind::SeedKilled)];

fn change(files: &mut Files, words: &[(usize, usize)], change: &[u8; CHANGE]) {
    let place = u32::from_le_bytes([change[1], change[2], change[3], 0]) as usize;
    let number = u64::from_le_bytes([5, 6, 7, 8, 9, 10, 11, 12].map(|byte: usize| change[byte]));
    let (file, at) = match change[0] & 1 {
        0 => words[place % words.len()],
        _ => {
            let file = change[0] as usize / 2 % files.names.len();
            (file, (place % files.bytes[file].len().max(8)) & !7)
        }
    };
    let bytes = &mut files.bytes[file];
    let other = words[number as usize % words.len()];
    match change[4] % 8 {
        // Lengths, up to twice the file's own.
        7 => return bytes.resize(number as usize % (2 * bytes.len().max(1)), 0),
        6 => {
            let part = files.bytes[other.0].get(other.1..other.1 + 64).map(<[u8]>::to_vec).unwrap_or_default();
            if let Some(place) = files.bytes[file].get_mut(at..at + part.len()) {
                place.copy_from_slice(&part);
            }
            return;
        }
        _ => {}
    }
    let Some(word) = bytes.get_mut(at..at + 8) else { return };
    let old = u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|byte: usize| word[byte]));
    let new = match change[4] % 8 {
        0 => old ^ 1 << (number % 64),
        1 => number,
        2 => old.wrapping_add(number as i8 as u64),
        3 => [0, 1, 7, 8, 64, 4096, u64::MAX, 1 << 63][number as usize % 8],
        4 => old.rotate_left(number as u32 % 64),
        // One byte of it.
        _ => old & !(0xff << (8 * (number % 8))) | (number >> 8 & 0xff) << (8 * (number % 8)),
    };
    word.copy_from_slice(&new.to_le_bytes());
}

/// One input.
pub fn run(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let seed = &seeds()[usize::from(first & 1)];
    let summed = first & 2 != 0;
    let mut files = seed.files.clone();
    for part in rest.as_chunks::<CHANGE>().0.iter().take(CHANGES) {
        change(&mut files, &seed.words, part);
    }
    if summed {
        resum(&mut files);
    }
    let path = super::scratch("image");
    files.restore(&path).expect("the directory can be written");
    if summed {
        let recovery = if first & 4 != 0 { Recovery::Full } else { Recovery::Auto };
        // These take three times as long as all the rest.
        let copies = first & 8 != 0;
        if copies {
            let salvaged = path.with_extension("salvaged");
            let _ = salvage(&path, &salvaged, &options(Recovery::Auto), &Control::default());
            let _ = std::fs::remove_dir_all(&salvaged);
        }
        for read_only in [true, false] {
            let options = Options { read_only, ..options(recovery) };
            if copies {
                copy(&path, &options);
            }
            use_all(&path, &options);
        }
    } else {
        let told = trial::read(&path, model(), seed.bar).and_then(|_| trial::change(&path, model(), seed.bar));
        if let Err(told) = told {
            panic!("{told}");
        }
    }
    let _ = std::fs::remove_dir_all(&path);
}

/// What reads all of a map.
fn copy(path: &Path, options: &Options) {
    let Ok(map) = Map::open(path, options) else { return };
    let _ = map.verify();
    let backup = path.with_extension("backup");
    let _ = map.backup(&backup, |_| Ok(()));
    let _ = std::fs::remove_dir_all(&backup);
}

/// Every kind of call; what it answers does not matter.
fn use_all(path: &Path, options: &Options) {
    let Ok(map) = Map::open(path, options) else { return };
    for key in model().keys() {
        let _ = map.get(key);
    }
    let _ = map.iter().take(10_000).map(Result::ok).count();
    let _ = (map.len(), map.stats());
    for number in 0..60u32 {
        let key = format!("fuzz {number}");
        let _ = map.put(key.as_bytes(), &[number as u8; 40]);
    }
    for key in model().keys().step_by(3) {
        let _ = map.put(key, b"new");
    }
    for key in model().keys().step_by(4) {
        let _ = map.remove(key);
    }
    let _ = map.put(b"long", &vec![1; 300_000]);
    for _ in 0..20 {
        if !map.compact_step().unwrap_or(false) {
            break;
        }
    }
    let _ = map.flush();
    let _ = map.compact();
    let _ = map.clear();
    let _ = map.put(b"after", b"clear");
    let _ = map.close();
    let _ = Map::open(path, options).map(|map| map.close());
}
