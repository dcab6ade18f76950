//! FAULT, the part that needs a small disk: a map on a tmpfs, and on an ext4, that fills up. Puts fail with `ERR_NO_SPACE` and change
//! nothing; reads and deletes go on; when deletes have made room, puts work again; nothing is lost at any point.

use opendiskmap::{Code, Hooks, Map, Options};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

const DISK: &str = "16m";
const DISK_BYTES: u64 = 16 << 20;
/// Long enough for the background on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tmpfs,
    /// In a file, on a loop device.
    Ext4,
}

/// A mounted file system; unmounted when dropped.
struct SmallDisk {
    path: PathBuf,
    image: Option<PathBuf>,
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ")),
        Err(error) => Err(format!("{}: {error}", command.get_program().display())),
    }
}

impl SmallDisk {
    fn mount(name: &str, kind: Kind) -> Result<SmallDisk, String> {
        let path = std::env::temp_dir().join(format!("opendiskmap-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| error.to_string())?;
        if kind == Kind::Tmpfs {
            let size = format!("size={DISK}");
            run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path))?;
            return Ok(SmallDisk { path, image: None });
        }
        let image = path.with_extension("image");
        let made =
            std::fs::File::create(&image).and_then(|file| file.set_len(DISK_BYTES)).map_err(|error| error.to_string());
        // Nothing is kept for root, who else never finds it full.
        let mounted = made
            .and_then(|()| {
                run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0", "-O", "^has_journal"]).arg(&image))
            })
            .and_then(|()| run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&path)));
        if let Err(why) = mounted {
            let _ = std::fs::remove_file(&image);
            return Err(why);
        }
        Ok(SmallDisk { path, image: Some(image) })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The background may hold what was just closed for a moment.
        for _ in 0..100 {
            if Command::new("umount").arg(&self.path).output().is_ok_and(|output| output.status.success()) {
                let _ = std::fs::remove_dir(&self.path);
                let _ = self.image.as_ref().map(std::fs::remove_file);
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("{} is still in use", self.path.display());
    }
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn key(number: u32) -> Vec<u8> {
    format!("key {number:08}").into_bytes()
}

fn value(number: u32, round: u32) -> Vec<u8> {
    vec![(number % 251) as u8 ^ round as u8; 40 + (number as usize * 7919) % 400]
}

fn check(map: &Map, model: &Model) -> Result<(), String> {
    if map.len() != model.len() as u64 {
        return Err(format!("size {} for {} entries", map.len(), model.len()));
    }
    for (key, value) in model {
        match map.get(key) {
            Ok(Some(found)) if found == *value => {}
            other => return Err(format!("{}: {other:?}", String::from_utf8_lossy(key))),
        }
    }
    let mut count = 0;
    for entry in map.iter() {
        let (key, value) = entry.map_err(|error| error.to_string())?;
        if model.get(&key) != Some(&value) {
            return Err(format!("iteration shows {} otherwise", String::from_utf8_lossy(&key)));
        }
        count += 1;
    }
    if count == model.len() { Ok(()) } else { Err(format!("iteration shows {count} of {}", model.len())) }
}

/// Puts until the disk is full; the put that fails changes nothing.
fn fill(map: &Map, model: &mut Model, next: &mut u32, round: u32) -> Result<u32, String> {
    let mut stored = 0;
    loop {
        let (key, value) = (key(*next), value(*next, round));
        match map.put(&key, &value) {
            Ok(_) => {
                model.insert(key, value);
                *next += 1;
                stored += 1;
            }
            Err(error) if error.code() == Code::NoSpace => return Ok(stored),
            Err(error) => return Err(format!("put: {} {error}", error.code())),
        }
    }
}

fn delete(map: &Map, model: &mut Model, keys: &[Vec<u8>]) -> Result<(), String> {
    for key in keys {
        match map.remove(key) {
            Ok(true) => model.remove(key),
            other => return Err(format!("delete of {}: {other:?}", String::from_utf8_lossy(key))),
        };
    }
    Ok(())
}

fn put_again(map: &Map, model: &mut Model, next: &mut u32) -> Result<(), String> {
    let started = Instant::now();
    let mut left = 200;
    while left > 0 {
        let (key, value) = (key(*next), value(*next, 3));
        match map.put(&key, &value) {
            Ok(_) => {
                model.insert(key, value);
                *next += 1;
                left -= 1;
            }
            Err(error) if error.code() == Code::NoSpace && started.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(format!("no put after {:?}: {error}; {:?}", started.elapsed(), map.stats())),
        }
    }
    Ok(())
}

/// A backup to the same disk: whole, or `ERR_NO_SPACE` and nothing of it there.
fn back_up(map: &Map, model: &Model, path: &Path) -> Result<bool, String> {
    let target = path.join("backup");
    let made = map.backup(&target, |_| Ok(()));
    if made.is_ok() {
        let copy = Map::open(&target, &Options { read_only: true, ..Options::default() });
        let copy = copy.map_err(|error| format!("open of a backup: {error}"))?;
        check(&copy, model).map_err(|why| format!("backup: {why}"))?;
        copy.close().map_err(|error| error.to_string())?;
        std::fs::remove_dir_all(&target).map_err(|error| error.to_string())?;
    }
    let names = std::fs::read_dir(path).map_err(|error| error.to_string())?.flatten();
    // The file system's own.
    let left = names.filter(|entry| entry.file_name() != "lost+found").count();
    match made {
        _ if left != 1 => Err("a backup left something".into()),
        Ok(()) => Ok(true),
        Err(error) if error.code() == Code::NoSpace => Ok(false),
        Err(error) => Err(format!("backup: {} {error}", error.code())),
    }
}

fn scenario(path: &Path, shards: u32, background: bool) -> Result<String, String> {
    let options =
        Options { shards: Some(shards), hooks: Hooks { background, ..Hooks::default() }, ..Options::default() };
    let map = Map::open(path.join("map"), &options).map_err(|error| error.to_string())?;
    let (mut model, mut next) = (Model::new(), 0);
    let first = fill(&map, &mut model, &mut next, 0)?;
    check(&map, &model)?;
    if back_up(&map, &model, path)? {
        return Err("a backup found room on a full disk".into());
    }
    for round in 0..3u32 {
        // Every third key that is there, in an order that has nothing to do with the log's.
        let keys: Vec<_> = model.keys().skip(round as usize).step_by(3).cloned().collect();
        delete(&map, &mut model, &keys)?;
        check(&map, &model)?;
        back_up(&map, &model, path)?;
        if !background {
            while map.compact_step().map_err(|error| error.to_string())? {}
        }
        put_again(&map, &mut model, &mut next)?;
        fill(&map, &mut model, &mut next, round + 1)?;
        check(&map, &model)?;
    }
    let all: Vec<_> = model.keys().cloned().collect();
    delete(&map, &mut model, &all[..all.len() - 10])?;
    check(&map, &model)?;
    map.close().map_err(|error| format!("close: {error}"))?;
    let map = Map::open(path.join("map"), &options).map_err(|error| error.to_string())?;
    check(&map, &model)?;
    put_again(&map, &mut model, &mut next)?;
    check(&map, &model)?;
    map.compact().map_err(|error| format!("compact: {error}"))?;
    if !back_up(&map, &model, path)? {
        return Err("a backup found no room beside a small map".into());
    }
    Ok(format!("{first} entries filled the disk"))
}

fn main() -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    for (name, kind, shards, background) in [
        ("one-shard", Kind::Tmpfs, 1, true),
        ("sixteen-shards", Kind::Tmpfs, 16, true),
        ("no-background", Kind::Tmpfs, 4, false),
        ("ext4", Kind::Ext4, 4, true),
    ] {
        let disk = match SmallDisk::mount(name, kind) {
            Ok(disk) => disk,
            Err(why) => {
                println!("full-disk {name}: skipped, it cannot be mounted here: {why}");
                continue;
            }
        };
        match scenario(&disk.path, shards, background) {
            Ok(said) => {
                passed += 1;
                println!("full-disk {name}: ok, {said}");
            }
            Err(why) => {
                failed += 1;
                println!("full-disk {name}: FAILED, {why}");
            }
        }
    }
    println!("full-disk: {passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
