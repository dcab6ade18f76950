//! One of the hottest paths of the engine, so many times, for `npm run bench:check`, which runs it under callgrind and counts
//! the instructions of `measured` alone.

#![forbid(unsafe_code)]

use opendiskmap::{Amount, Capacity, Cursor, Hooks, Map, NumberType, Options, Page};
use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
instructions --list
instructions PATH DIRECTORY TIMES

Takes PATH so many times in a map that it makes in DIRECTORY, which must not exist. --list prints the paths, each with the
entries that one time deals with.
";

/// Entries that are there before anything is counted.
const STORED: usize = 4_000;
/// Entries of one `read_many`.
const BATCH: usize = 32;

type Done = Result<(), Box<dyn Error>>;
type Take = fn(&Scene, usize) -> Done;

/// What is counted. Callgrind knows it by its name, and whoever calls it must not be called by it.
#[inline(never)]
fn measured(times: usize, step: &mut dyn FnMut(usize) -> Done) -> Done {
    (0..times).try_for_each(step)
}

struct Scene {
    map: Map,
    numbers: Vec<[u8; 8]>,
    texts: Vec<String>,
    /// Texts that are not stored: as many as a path is taken times.
    others: Vec<String>,
    value: Vec<u8>,
}

impl Scene {
    /// No thread but this one works for the map, and it has its room from the start: what makes files is no hot path, and
    /// when it happens depends on the moment.
    fn new(path: &Path, times: usize) -> Result<Scene, Box<dyn Error>> {
        let entries = (2 * STORED + times) as u64;
        let options = Options {
            flush_interval: Some(None),
            hooks: Hooks { background: false, ..Hooks::default() },
            capacity: Some(Capacity { entries, bytes: entries * 1_024 }),
            ..Options::default()
        };
        let text = |number: usize| format!("key number {number:05}");
        let scene = Scene {
            map: Map::open(path, &options)?,
            numbers: (0..STORED as u64).map(|number| (number * 7_919).to_le_bytes()).collect(),
            texts: (0..STORED).map(text).collect(),
            others: (STORED..STORED + times).map(text).collect(),
            value: vec![b'v'; 100],
        };
        for (number, text) in scene.numbers.iter().zip(&scene.texts) {
            scene.map.put(number, number)?;
            scene.map.put(text.as_bytes(), &scene.value)?;
        }
        Ok(scene)
    }

    fn text(&self, at: usize) -> &[u8] {
        self.texts[at % STORED].as_bytes()
    }

    fn other(&self, at: usize) -> &[u8] {
        self.others[at].as_bytes()
    }
}

fn held(what: bool) -> Done {
    if what { Ok(()) } else { Err("the map answered wrongly".into()) }
}

fn get_number(scene: &Scene, times: usize) -> Done {
    let mut out = Vec::with_capacity(8);
    measured(times, &mut |at| {
        let key = &scene.numbers[at % STORED];
        held(scene.map.read_into(key, &mut out)?.is_some() && out == key)
    })
}

fn get_text(scene: &Scene, times: usize) -> Done {
    let mut out = Vec::with_capacity(scene.value.len());
    measured(times, &mut |at| {
        held(scene.map.read_into(scene.text(at), &mut out)?.is_some() && out.len() == scene.value.len())
    })
}

fn has(scene: &Scene, times: usize) -> Done {
    measured(times, &mut |at| held(scene.map.contains_key(scene.text(at))?))
}

fn miss(scene: &Scene, times: usize) -> Done {
    measured(times, &mut |at| held(!scene.map.contains_key(scene.other(at))?))
}

fn put_new(scene: &Scene, times: usize) -> Done {
    measured(times, &mut |at| held(scene.map.put(scene.other(at), &scene.value)?))
}

fn put_update(scene: &Scene, times: usize) -> Done {
    measured(times, &mut |at| held(!scene.map.put(scene.text(at), &scene.value)?))
}

fn delete(scene: &Scene, times: usize) -> Done {
    for text in &scene.others {
        scene.map.put(text.as_bytes(), &scene.value)?;
    }
    measured(times, &mut |at| held(scene.map.remove(scene.other(at))?))
}

fn get_many(scene: &Scene, times: usize) -> Done {
    let keys: Vec<&[u8]> = scene.texts.iter().map(String::as_bytes).collect();
    let batches: Vec<&[&[u8]]> = keys.chunks_exact(BATCH).collect();
    measured(times, &mut |at| {
        let mut bytes = 0;
        scene.map.read_many(batches[at % batches.len()].iter().copied(), |value| {
            bytes += value.map_or(0, <[u8]>::len);
            ControlFlow::Continue(())
        })?;
        held(bytes == BATCH * scene.value.len())
    })
}

fn iterate(scene: &Scene, times: usize) -> Done {
    let mut page = Page::default();
    measured(times, &mut |_| {
        let mut cursor = Cursor::default();
        let mut seen = 0;
        while cursor.next(&scene.map, &mut page)? {
            seen += page.iter().filter(|(key, value)| !key.is_empty() && !value.is_empty()).count();
        }
        held(seen == 2 * STORED)
    })
}

fn increment(scene: &Scene, times: usize) -> Done {
    measured(times, &mut |at| {
        scene.map.increment(&scene.numbers[at % STORED], NumberType::U64, Amount::Int(1))?;
        Ok(())
    })
}

/// Each path with the entries that it deals with at a time.
const PATHS: [(&str, Take, usize); 10] = [
    ("get u64", get_number, 1),
    ("get str of 100", get_text, 1),
    ("has", has, 1),
    ("miss", miss, 1),
    ("put new", put_new, 1),
    ("put update", put_update, 1),
    ("delete", delete, 1),
    ("getMany of 32", get_many, BATCH),
    ("iterate", iterate, 2 * STORED),
    ("increment", increment, 1),
];

fn run(words: &[String]) -> Done {
    match words {
        [list] if list == "--list" => {
            for (name, _, entries) in PATHS {
                println!("{entries} {name}");
            }
            Ok(())
        }
        [path, directory, times] => {
            let times = times.parse()?;
            let (_, take, _) = PATHS.iter().find(|(name, ..)| name == path).ok_or("there is no such path")?;
            take(&Scene::new(Path::new(directory), times)?, times)
        }
        _ => Err(USAGE.into()),
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
