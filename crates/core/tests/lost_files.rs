//! Files that are deleted, replaced or cut off under an open map: an error that says so, never a wrong value, never a signal.

#![cfg_attr(not(unix), allow(dead_code, unused_imports, reason = "most of it cannot be done to a mapped file there"))]

use opendiskmap::{Code, Error, Hooks, Map, Options};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn options() -> Options {
    let hooks = Hooks { background: false, ..Hooks::default() };
    Options { shards: Some(2), flush_interval: Some(None), hooks, ..Options::default() }
}

fn key(number: usize) -> Vec<u8> {
    format!("key {number}").into_bytes()
}

const FLUSHED: usize = 150;

/// Two shards with several segments, an extent, and some of it flushed.
fn filled(path: &Path) -> (Map, Model) {
    let map = Map::open(path, &options()).unwrap();
    let mut model = Model::new();
    for number in 0..200 {
        let value = vec![number as u8 | 1; 700 + number];
        map.put(&key(number), &value).unwrap();
        model.insert(key(number), value);
        if number == FLUSHED {
            map.flush().unwrap();
        }
    }
    let long = vec![7; 300 << 10];
    map.put(b"long", &long).unwrap();
    model.insert(b"long".to_vec(), long);
    (map, model)
}

fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|file| !file.ends_with("OWNER") && !file.ends_with("SPARE"));
    files
}

fn name(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

/// Every verb: the right answer or one of the codes. How many calls failed.
fn ask(map: &Map, model: &Model, codes: &[Code], what: &str) -> usize {
    let mut failed = 0;
    let mut told = |error: Error| {
        assert!(codes.contains(&error.code()), "{what}: {} {error}", error.code());
        failed += 1;
    };
    for (key, value) in model {
        match map.get(key) {
            Ok(found) => assert_eq!(found.as_ref(), Some(value), "{what}"),
            Err(error) => told(error),
        }
        match map.contains_key(key) {
            Ok(found) => assert!(found, "{what}"),
            Err(error) => told(error),
        }
    }
    for entry in map.iter() {
        match entry {
            Ok((key, value)) => assert_eq!(model.get(&key), Some(&value), "{what}"),
            Err(error) => told(error),
        }
    }
    match map.try_len() {
        Ok(len) => assert_eq!(len, model.len() as u64, "{what}"),
        Err(error) => told(error),
    }
    failed
}

/// Windows refuses that for a file that is mapped.
#[test]
#[cfg(unix)]
fn a_file_that_is_cut_off_under_an_open_map_is_err_io_and_never_a_wrong_value() {
    let temp = tempfile::tempdir().unwrap();
    let count = {
        let (_map, _) = filled(&temp.path().join("count"));
        files(&temp.path().join("count")).len()
    };
    let beside = Map::open(temp.path().join("beside"), &options()).unwrap();
    beside.put(b"a", b"1").unwrap();
    let flushed: Vec<_> = (0..=FLUSHED).map(key).collect();
    let mut lost = 0;
    for at in 0..count {
        for left in [0, 4096] {
            let path = temp.path().join(format!("map {at} {left}"));
            let (map, model) = filled(&path);
            let Some(file) = files(&path).get(at).cloned() else { continue };
            if fs::metadata(&file).unwrap().len() <= left {
                continue;
            }
            let what = format!("{} cut to {left}", name(&file));
            File::options().write(true).open(&file).unwrap().set_len(left).unwrap();
            let is_extent = name(&file).starts_with("ext");
            let codes = if is_extent { [Code::Corrupt; 2] } else { [Code::Io; 2] };
            let failed = ask(&map, &model, &codes, &what);
            lost += usize::from(failed > 0);
            if name(&file).starts_with("seg") && left == 0 {
                assert!(failed > 0, "{what}");
                // A shard that has lost a page does nothing any more, and the others only read.
                let code = |result: Result<(), Error>| result.unwrap_err().code();
                let changes: Vec<_> = (0..20).map(|number| code(map.put(&key(number), b"x").map(drop))).collect();
                assert!(changes.contains(&Code::Io), "{what}: {changes:?}");
                assert!(changes.iter().all(|code| matches!(code, Code::Io | Code::ReadOnly)), "{what}: {changes:?}");
                assert!(matches!(code(map.clear()), Code::Io | Code::ReadOnly), "{what}");
            }
            if !is_extent {
                assert_eq!(map.flush().unwrap_err().code(), Code::Io, "{what}");
                let put = map.put(b"new", b"1").unwrap_err().code();
                assert!(matches!(put, Code::Io | Code::ReadOnly), "{what}: {put}");
                assert_eq!(map.close().unwrap_err().code(), Code::Io, "{what}");
            } else {
                drop(map);
            }
            // The next open tells damage of the log, and mends what is derived from it.
            match Map::open(&path, &options()) {
                Ok(map) => {
                    for (key, value) in &model {
                        match map.get(key) {
                            // What was never flushed may be gone with the end of the log.
                            Ok(None) => assert!(!flushed.contains(key), "{what}"),
                            Ok(found) => assert_eq!(found.as_ref(), Some(value), "{what}"),
                            Err(error) => assert_eq!(error.code(), Code::Corrupt, "{what}: {error}"),
                        }
                    }
                }
                Err(error) => assert_eq!(error.code(), Code::Corrupt, "{what}: {error}"),
            }
        }
    }
    assert!(lost > 4, "of {count} files only {lost} were missed");
    assert_eq!(beside.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    beside.put(b"b", b"2").unwrap();
    beside.close().unwrap();
}

/// Windows refuses that for a file that is mapped.
#[test]
#[cfg(unix)]
fn a_file_that_is_deleted_or_replaced_under_an_open_map_is_err_file_gone_at_flush_and_close() {
    let temp = tempfile::tempdir().unwrap();
    for replaced in [false, true] {
        let mut seen = BTreeMap::new();
        for at in 0.. {
            let path = temp.path().join(format!("map {at} {replaced}"));
            let (map, mut model) = filled(&path);
            let Some(file) = files(&path).get(at).cloned() else { break };
            let kind = name(&file)[..3].to_owned();
            let what = format!("{} {}", name(&file), if replaced { "replaced" } else { "deleted" });
            if replaced {
                fs::copy(&file, path.join("copy")).unwrap();
                fs::rename(path.join("copy"), &file).unwrap();
            } else {
                fs::remove_file(&file).unwrap();
            }
            *seen.entry(kind.clone()).or_insert(0) += 1;
            if kind == "ext" {
                // An extent is open only while it is read, and its copy is as good.
                let failed = ask(&map, &model, &[Code::FileGone], &what);
                assert_eq!(failed > 0, !replaced, "{what}");
                continue;
            }
            assert_eq!(ask(&map, &model, &[], &what), 0, "what is mapped can still be read");
            map.put(b"new", b"1").unwrap();
            model.insert(b"new".to_vec(), b"1".to_vec());
            assert_eq!(map.flush().unwrap_err().code(), Code::FileGone, "{what}");
            assert_eq!(ask(&map, &model, &[], &what), 0, "{what}");
            assert_eq!(map.close().unwrap_err().code(), Code::FileGone, "{what}");
        }
        let kinds: Vec<_> = seen.keys().map(String::as_str).collect();
        assert_eq!(kinds, ["CHE", "HEA", "dir", "ext", "idx", "seg", "tab"]);
    }
}

/// Run again in a process with the limit, for it counts for a whole process.
#[test]
#[cfg(target_os = "linux")]
fn a_limit_for_the_size_of_files_is_err_no_space_and_no_signal() {
    const NAME: &str = "a_limit_for_the_size_of_files_is_err_no_space_and_no_signal";
    if std::env::var_os("ODM_TEST_LIMITED").is_none() {
        let ended = std::process::Command::new("sh")
            .args(["-c", "ulimit -f 2000; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args([NAME, "--exact"])
            .env("ODM_TEST_LIMITED", "1")
            .output()
            .unwrap();
        assert!(ended.status.success(), "{:?} {}", ended.status, String::from_utf8_lossy(&ended.stdout));
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let (map, mut model) = filled(&temp.path().join("map"));
    const EFBIG: i32 = 27;
    for value in [vec![1; 3 << 20], vec![2; 250 << 10]] {
        // The one is too long for an extent's file, the other for a segment of four times its length and more.
        let count = (0..40).map(|number| map.put(&[number; 9], &value)).take_while(Result::is_ok).count();
        model.extend((0..count as u8).map(|number| (vec![number; 9], value.clone())));
        if count < 40 {
            let error = map.put(b"more", &vec![3; 3 << 20]).unwrap_err();
            assert_eq!((error.code(), error.errno()), (Code::NoSpace, Some(EFBIG)), "{error}");
        }
        assert_eq!(ask(&map, &model, &[], "under the limit"), 0);
    }
    assert!(map.remove(&key(1)).unwrap());
    map.put(&key(1), b"x").unwrap();
    map.close().unwrap();
}

#[test]
fn a_segment_that_is_deleted_before_it_is_touched_is_err_file_gone_for_its_keys() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("map");
    let (map, model) = filled(&path);
    map.close().unwrap();
    let map = Map::open(&path, &options()).unwrap();
    // The first segment of a shard: nothing has led there since the open.
    let file = files(&path).into_iter().find(|file| name(file).starts_with("seg")).unwrap();
    fs::remove_file(file).unwrap();
    let failed = ask(&map, &model, &[Code::FileGone], "a segment deleted");
    assert!(failed > 0 && failed < 2 * model.len());
    assert_eq!(map.flush().unwrap_err().code(), Code::FileGone);
    drop(map);
    assert_eq!(
        Map::open(&path, &Options { recovery: Some(opendiskmap::Recovery::Full), ..options() }).unwrap_err().code(),
        Code::Corrupt
    );
}
