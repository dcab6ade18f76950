//! Bad input: every directory that is not one of our maps, or was one. A clear code, nothing changed, nothing created over,
//! no call that waits.

#![cfg(unix)]

mod common;

use common::{key, quiet, scratch, value};
use opendiskmap::{Code, Map, Options, Result};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Nothing here takes a second; only a call that waits for a pipe's other end reaches this.
const PATIENCE: Duration = Duration::from_secs(120);
/// More than any machine has memory.
const HUGE: u64 = 1 << 42;

/// What stands in a directory: kinds, lengths, modes, and the bytes of what is not huge.
fn state(path: &Path) -> BTreeMap<PathBuf, (u32, u64, Option<Vec<u8>>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let bytes = (meta.is_file() && meta.len() < 1 << 24).then(|| fs::read(&path).unwrap());
        found.insert(path, (meta.mode(), meta.len(), bytes));
    }
    found
}

/// Opens a map in a thread of its own, puts one key and closes it.
fn open(path: &Path, options: &Options) -> Result<()> {
    let (send, receive) = channel();
    let (path, options) = (path.to_path_buf(), options.clone());
    std::thread::spawn(move || {
        let opened = Map::open(&path, &options).and_then(|map| {
            if !options.read_only {
                map.put(b"key", b"value")?;
            }
            map.close()
        });
        let _ = send.send(opened);
    });
    receive.recv_timeout(PATIENCE).expect("no open waits for anything")
}

fn ways() -> [Options; 3] {
    let base = quiet(1);
    [base.clone(), Options { create: false, ..base.clone() }, Options { read_only: true, ..base }]
}

/// A closed map with one of each kind of file.
fn made(path: &Path) {
    let map = Map::open(path, &quiet(1)).unwrap();
    for number in 0..50 {
        map.put(&key(number), &value(&key(number), 1, 40)).unwrap();
    }
    map.put(b"long", &vec![1; 300_000]).unwrap();
    map.flush().unwrap();
    map.close().unwrap();
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn checkpoint(path: &Path) -> Vec<u8> {
    fs::read(path.join("CHECKPOINT.0")).unwrap()
}

/// A checkpoint that verifies whatever was changed in it: the seed of its sum is public.
fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(&bytes[..16]);
    hasher.update(&bytes[24..length]);
    bytes[16..24].copy_from_slice(&hasher.digest().to_le_bytes());
    bytes
}

#[test]
fn what_is_no_map_is_refused_by_a_clear_code_and_left_as_it_was() {
    let temp = scratch();
    let map = temp.path().join("a map");
    made(&map);
    let whole = checkpoint(&map);
    let newer = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        summed(bytes)
    };
    let swapped: Vec<u8> = whole.chunks(4).flat_map(|word| word.iter().rev().copied().collect::<Vec<_>>()).collect();
    let write = |name: &'static str, bytes: Vec<u8>| -> Make<'_> {
        Box::new(move |path| fs::write(path.join(name), &bytes).unwrap())
    };
    let cases: Vec<(&str, Code, Make<'_>)> = vec![
        ("a foreign file", Code::NotAMap, write("notes.txt", b"hello".to_vec())),
        ("a foreign name that looks like ours", Code::NotAMap, write("seg-0-1-1", vec![])),
        ("a foreign HEAD", Code::NotAMap, write("HEAD", b"ref: refs/heads/main\n".to_vec())),
        ("a foreign OWNER", Code::NotAMap, write("OWNER", b"somebody".to_vec())),
        ("a foreign checkpoint", Code::Corrupt, write("CHECKPOINT.0", b"something else".to_vec())),
        ("a checkpoint cut off", Code::Corrupt, write("CHECKPOINT.0", whole[..100].to_vec())),
        ("a segment and no checkpoint", Code::Corrupt, write("seg-00-00000001-00000001", vec![0; 65536])),
        ("a newer version", Code::Version, write("CHECKPOINT.0", newer(8, 2))),
        ("features of a newer version", Code::Version, write("CHECKPOINT.1", newer(32, 1))),
        ("the other byte order", Code::Corrupt, write("CHECKPOINT.0", swapped)),
        ("a directory of ours", Code::NotAMap, Box::new(|path| fs::create_dir(path.join("HEAD")).unwrap())),
        (
            "a directory for a checkpoint",
            Code::Corrupt,
            Box::new(|path| fs::create_dir(path.join("CHECKPOINT.1")).unwrap()),
        ),
        (
            "a link for a checkpoint",
            Code::Corrupt,
            Box::new(|path| symlink(map.join("CHECKPOINT.0"), path.join("CHECKPOINT.0")).unwrap()),
        ),
        ("a link for HEAD", Code::NotAMap, Box::new(|path| symlink(map.join("HEAD"), path.join("HEAD")).unwrap())),
        ("a pipe for a checkpoint", Code::Corrupt, Box::new(|path| pipe(&path.join("CHECKPOINT.0")))),
        ("a pipe for HEAD", Code::NotAMap, Box::new(|path| pipe(&path.join("HEAD")))),
        ("a pipe for OWNER", Code::NotAMap, Box::new(|path| pipe(&path.join("OWNER")))),
        ("a socket for OWNER", Code::NotAMap, Box::new(|path| drop(UnixListener::bind(path.join("OWNER")).unwrap()))),
        ("a huge HEAD", Code::NotAMap, Box::new(|path| huge(&path.join("HEAD")))),
        ("a huge OWNER", Code::NotAMap, Box::new(|path| huge(&path.join("OWNER")))),
        ("a huge checkpoint", Code::NotAMap, Box::new(|path| huge(&path.join("CHECKPOINT.1")))),
    ];
    for (number, (what, code, make)) in cases.iter().enumerate() {
        let path = temp.path().join(format!("{number}"));
        fs::create_dir(&path).unwrap();
        make(&path);
        let before = state(&path);
        for options in ways() {
            let error = open(&path, &options).expect_err(what);
            assert_eq!(error.code(), *code, "{what}: {error}");
            assert!(state(&path) == before, "{what}: the refused open changed something");
        }
    }
    let file = temp.path().join("a file");
    fs::write(&file, "not a directory").unwrap();
    assert_eq!(open(&file, &quiet(1)).unwrap_err().code(), Code::NotAMap);
    assert_eq!(fs::read(&file).unwrap(), b"not a directory");
    assert_eq!(checkpoint(&map), whole, "nothing was written through a link");
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn huge(path: &Path) {
    fs::File::create(path).unwrap().set_len(HUGE).unwrap();
}

#[test]
fn a_creation_that_was_cut_off_is_finished_and_nothing_else_is_created_over() {
    let temp = scratch();
    for length in [0, 1, 8, 23, 24, 64, 4095, 4096] {
        for name in ["CHECKPOINT.0", "CHECKPOINT.1", "CHECKPOINT.new", "HEAD"] {
            let path = temp.path().join(format!("{name}-{length}"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join(name), vec![0; length]).unwrap();
            let before = state(&path);
            let refused = open(&path, &Options { create: false, ..quiet(1) }).unwrap_err();
            assert_eq!(refused.code(), Code::NotFound, "{name} of {length} zeros");
            assert!(state(&path) == before);
            open(&path, &quiet(1)).unwrap();
            // After a power cut a first checkpoint may hold anything: its name and length say whose it is.
            if (name, length) == ("CHECKPOINT.new", 4096) {
                continue;
            }
            // Bytes that nobody wrote for a map are not an unfinished creation.
            let path = temp.path().join(format!("{name}-{length}-foreign"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join(name), vec![1; length]).unwrap();
            let before = state(&path);
            let opened = open(&path, &quiet(1));
            if length == 0 {
                opened.unwrap();
                continue;
            }
            assert!(matches!(opened.unwrap_err().code(), Code::NotAMap | Code::Corrupt), "{name} of {length} ones");
            assert!(state(&path) == before);
        }
    }
}

/// Puts something in the place of a file.
type Make<'a> = Box<dyn Fn(&Path) + 'a>;

/// What can stand in the place of one of a map's files.
fn replacements(aside: &Path) -> Vec<(&'static str, Make<'_>)> {
    vec![
        ("a directory", Box::new(|path| fs::create_dir(path).unwrap())),
        ("a pipe", Box::new(pipe)),
        ("a socket", Box::new(|path| drop(UnixListener::bind(path).unwrap()))),
        ("a link to it", Box::new(move |path| symlink(aside, path).unwrap())),
        ("a huge file", Box::new(huge)),
        ("an empty file", Box::new(|path| fs::write(path, "").unwrap())),
        ("4,096 bytes of something", Box::new(|path| fs::write(path, vec![0xa5; 4096]).unwrap())),
    ]
}

/// Whether a file of this name is the map's content, or can be made anew from it.
fn is_truth(name: &str) -> bool {
    ["CHE", "seg", "ext"].contains(&&name[..3])
}

#[test]
fn whatever_stands_in_the_place_of_a_file_of_a_map_nothing_waits_and_no_value_is_wrong() {
    let temp = scratch();
    let map = temp.path().join("map");
    made(&map);
    for name in names(&map) {
        let aside = temp.path().join(format!("aside-{name}"));
        for (what, replace) in replacements(&aside) {
            let path = temp.path().join("damaged");
            fs::create_dir(&path).unwrap();
            for name in names(&map) {
                fs::copy(map.join(&name), path.join(&name)).unwrap();
            }
            fs::rename(path.join(&name), &aside).unwrap();
            replace(&path.join(&name));
            for options in [ways()[2].clone(), ways()[0].clone()] {
                let same =
                    Options { hooks: opendiskmap::Hooks { same_files: true, ..options.hooks.clone() }, ..options };
                match open_and_read(&path, &same) {
                    Ok(()) => {}
                    Err(error) => {
                        assert_eq!(error.code(), Code::Corrupt, "{what} for {name}: {error}");
                        let mended = !is_truth(&name) && !same.read_only && what != "a directory" && name != "SPARE";
                        assert!(!mended, "{what} for {name} is made anew from the log: {error}");
                    }
                }
            }
            let meta = fs::symlink_metadata(&aside).unwrap();
            assert!(meta.is_file() && !meta.file_type().is_fifo());
            assert!(fs::read(&aside).unwrap() == fs::read(map.join(&name)).unwrap(), "{name}: a link was followed");
            fs::remove_file(&aside).unwrap();
            fs::remove_dir_all(&path).unwrap();
        }
    }
}

/// Every key has its value, or an error says that it is damaged.
fn open_and_read(path: &Path, options: &Options) -> Result<()> {
    let (send, receive) = channel();
    let (path, options) = (path.to_path_buf(), options.clone());
    std::thread::spawn(move || {
        let read = Map::open(&path, &options).and_then(|map| {
            for number in 0..50 {
                let stored = map.get(&key(number))?.expect("no key is lost");
                assert!(stored == value(&key(number), 1, 40));
            }
            let long = map.get(b"long")?.expect("no key is lost");
            assert!(long == vec![1; 300_000]);
            map.close()
        });
        let _ = send.send(read);
    });
    receive.recv_timeout(PATIENCE).expect("no call waits, and none panics")
}

#[test]
fn damage_of_the_log_is_told_with_segment_and_offset() {
    let temp = scratch();
    let path = temp.path().join("map");
    made(&path);
    let name = names(&path).into_iter().find(|name| name.starts_with("seg-")).unwrap();
    let file = fs::OpenOptions::new().read(true).write(true).open(path.join(&name)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 64 + 24 + 20).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 64 + 24 + 20).unwrap();
    let map = Map::open(&path, &quiet(1)).unwrap();
    let error = map.get(&key(0)).unwrap_err();
    assert_eq!(error.code(), Code::Corrupt);
    assert!(error.message().contains("offset 64 "), "{error}");
    assert!(error.message().contains(&name["seg-00-".len()..]), "{error}");
    assert!(map.get(&key(1)).unwrap().is_some(), "others are not harmed");
}
