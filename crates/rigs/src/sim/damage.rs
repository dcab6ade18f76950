//! A bit that flips in a value while the map is closed: whatever moves the record, nobody may be given another value.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use opendiskmap::{Code, Map};

use super::life::{Way, forget, open};
use super::oracle::{self, Made};
use super::script::Script;
use crate::random::Random;

const KEYS: usize = 120;

/// One such history. `Err` says what was found.
pub fn run(random: &mut Random, root: &Path) -> Result<(), String> {
    let script = Script::draw(random);
    let way = Way { boot: 1, full: false, read_only: false };
    let fails = |what: &'static str| move |error: opendiskmap::Error| format!("{what} fails: {error}");
    let mut made = Vec::new();
    let map = open(root, &script, way).map_err(fails("open"))?;
    for key in 0..KEYS {
        made.push(Made { version: 1, length: oracle::LEAST + 20 + random.below(4000) });
        map.put(&oracle::key(key), &oracle::value(key, made[key])).map_err(fails("put"))?;
    }
    // What compaction is to move stands beside what is dead.
    let damaged = random.below(KEYS);
    for key in (0..KEYS).filter(|&key| key != damaged) {
        if random.below(2) == 0 {
            made[key].version = 2;
            map.put(&oracle::key(key), &oracle::value(key, made[key])).map_err(fails("put"))?;
        }
    }
    map.close().map_err(fails("close"))?;
    flip(root, &oracle::value(damaged, made[damaged]), random)?;

    let map = open(root, &script, way).map_err(fails("open of a closed map"))?;
    map.compact().map_err(fails("compact"))?;
    ask(&map, damaged, &made)?;
    map.close().map_err(fails("close"))?;
    match open(root, &script, Way { full: true, ..way }) {
        Ok(map) => ask(&map, damaged, &made)?,
        Err(error) if error.code() == Code::Corrupt => {}
        Err(error) => return Err(format!("open of a damaged map fails with {}: {error}", error.code())),
    }
    forget(root)
}

fn ask(map: &Map, damaged: usize, made: &[Made]) -> Result<(), String> {
    for (key, &made) in made.iter().enumerate() {
        match map.get(&oracle::key(key)) {
            Ok(Some(value)) if value == oracle::value(key, made) => {}
            Err(error) if key == damaged && error.code() == Code::Corrupt => {}
            Ok(Some(_)) => return Err(format!("key {key} has another value after a bit of key {damaged} flipped")),
            Ok(None) => return Err(format!("key {key} is gone after a bit of key {damaged} flipped")),
            Err(error) => return Err(format!("get of key {key} fails after a bit of key {damaged} flipped: {error}")),
        }
    }
    Ok(())
}

/// Flips a bit of the value where it stands in the log.
fn flip(root: &Path, value: &[u8], random: &mut Random) -> Result<(), String> {
    let fails = |error: std::io::Error| format!("a segment cannot be damaged: {error}");
    for entry in std::fs::read_dir(root).map_err(fails)? {
        let entry = entry.map_err(fails)?;
        if !entry.file_name().to_string_lossy().starts_with("seg-") {
            continue;
        }
        let bytes = std::fs::read(entry.path()).map_err(fails)?;
        // A value starts at a multiple of eight.
        let words = (0..bytes.len().saturating_sub(value.len())).step_by(8);
        if let Some(start) = words.into_iter().find(|&at| bytes[at..].starts_with(value)) {
            let at = start + random.below(value.len());
            let file = OpenOptions::new().write(true).open(entry.path()).map_err(fails)?;
            return file.write_all_at(&[bytes[at] ^ 1 << random.below(8)], at as u64).map_err(fails);
        }
    }
    Err("the value is in no segment".into())
}
