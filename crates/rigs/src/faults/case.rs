//! One case: an operation during which one system call fails, and what must be true after it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, Write};
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use nix::errno::Errno;
use opendiskmap::faults::{self, Call, Fault};
use opendiskmap::{Code, Error, Map, Reason, Recovery};

use super::errors::{expected, is_sync};
use super::verb::{Prepared, Verb, copy, fresh, read, verbs};
use crate::model::{self, Model};
use crate::scenario::{Armed, Operation, options};

/// A system call that fails, as a field of a line between the processes.
#[must_use]
pub fn to_words(fault: &Fault) -> String {
    format!("{} {} {} {}", fault.call.name(), fault.number, u8::from(fault.on), fault.errno)
}

fn of_words(words: &str) -> Option<Fault> {
    let mut words = words.split(' ');
    let name = words.next()?;
    let call = *Call::ALL.iter().find(|call| call.name() == name)?;
    Some(Fault {
        call,
        number: words.next()?.parse().ok()?,
        on: words.next()? == "1",
        errno: words.next()?.parse().ok()?,
    })
}

/// The process in which the cases run: the verb's number, the places of its map and models, and the fault, in one line.
pub fn serve() -> io::Result<()> {
    let verbs = verbs();
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let fields: Vec<&str> = line.split('\t').collect();
        let told = match fields.as_slice() {
            [number, step, image, old, new, words] => {
                let verb = number.parse().ok().and_then(|number: usize| verbs.get(number));
                let (Some(verb), Some(fault), Ok(step)) = (verb, of_words(words), step.parse()) else { continue };
                let (old, new) = (model::load(Path::new(old))?, model::load(Path::new(new))?);
                let prepared = Prepared { operation: verb.operation(step), step, old, new, counts: Vec::new() };
                let work = Path::new(image).with_extension(std::process::id().to_string());
                let told = catch_unwind(AssertUnwindSafe(|| run(verb, &prepared, Path::new(image), &work, fault)));
                faults::disarm();
                let _ = fs::remove_dir_all(&work);
                match told {
                    Ok(Ok(struck)) => if struck { "struck" } else { "missed" }.into(),
                    Ok(Err(why)) => format!("failed\t{why}"),
                    Err(_) => "failed\tthe engine panics (its message is above)".into(),
                }
            }
            _ => continue,
        };
        writeln!(output, "{}", told.replace('\n', " "))?;
        output.flush()?;
    }
    Ok(())
}

/// Whether the fault struck; what was wrong.
fn run(verb: &Verb, prepared: &Prepared, image: &Path, path: &Path, fault: Fault) -> Result<bool, String> {
    copy(image, path).map_err(|error| error.to_string())?;
    let armed = Armed::from(prepared.operation);
    let closes = matches!(prepared.operation, Operation::Close);
    let mut map = verb.start(path).map_err(|error| format!("the map does not open before it: {error}"))?;
    // For when the operation fails. Only the last handle closes the map.
    let kept = if closes { None } else { map.clone() };
    faults::arm(Some(fault));
    let failed = armed.run(&mut map, path, verb.shards).err();
    if failed.is_some() {
        map = kept.clone();
    }
    drop(kept);
    // A fault that stays meets the reads too, and the operation `read` is nothing else.
    let during = map.as_ref().map_or(Ok(Vec::new()), |map| asked(map, &prepared.old, &prepared.new))?;
    let (_, struck) = faults::disarm();
    let errno = Errno::from_raw(fault.errno);
    failed.iter().chain(&during).try_for_each(|error| right(error, fault.call, errno))?;
    let sync_failed = struck && is_sync(fault.call);
    if sync_failed && failed.is_none() {
        return Err("a sync failed, and the call says that it has succeeded".into());
    }
    whole_files(path)?;
    // What fails has changed nothing.
    let now = if failed.is_some() { &prepared.old } else { &prepared.new };
    let mut model = now.clone();
    let distrusted = match map {
        None => closes && sync_failed,
        Some(map) => {
            model::which(&map, &[now]).map_err(|told| format!("after it: {told}"))?;
            // A checkpoint that could only be half written counts as a failed sync.
            let may_stop = sync_failed || struck && failed.is_some() && fault.call == Call::Pwrite;
            let reads_only = goes_on(&map, &mut model, sync_failed, may_stop)?;
            match map.close() {
                Ok(()) if reads_only => return Err("a sync has failed, and the close succeeds".into()),
                Err(error) if !reads_only => return Err(format!("the close after it fails: {error}")),
                _ => reads_only,
            }
        }
    };
    whole_files(path)?;
    reopen(verb, path, model, distrusted)?;
    Ok(struck)
}

/// Every key, asked while the fault may still strike: the right answer or an error.
fn asked(map: &Map, old: &Model, new: &Model) -> Result<Vec<Error>, String> {
    let mut errors = Vec::new();
    for key in old.keys().chain(new.keys()) {
        match map.get(key) {
            Ok(found) if found.as_ref() == old.get(key) || found.as_ref() == new.get(key) => {}
            Ok(_) => return Err(format!("get of {} is wrong while the call fails", model::show(key))),
            Err(error) => errors.push(error),
        }
    }
    Ok(errors)
}

/// The error has the code and the errno of what failed.
fn right(error: &Error, call: Call, errno: Errno) -> Result<(), String> {
    if error.code() != expected(call, errno) {
        return Err(format!("{} and not {}: {error}", error.code(), expected(call, errno)));
    }
    match error.errno() {
        Some(told) if told == errno as i32 => Ok(()),
        told => Err(format!("the errno is {told:?} in: {error}")),
    }
}

/// Without the fault the map works as ever; after a failed sync it only reads, and says so. Whether it only reads.
fn goes_on(map: &Map, model: &mut Model, must_stop: bool, may_stop: bool) -> Result<bool, String> {
    let (key, value) = fresh(0);
    match map.put(&key, &value) {
        Ok(_) if must_stop => return Err("a sync has failed, and a put succeeds".into()),
        Ok(_) => {
            model.insert(key, value);
        }
        Err(error) if error.code() == Code::ReadOnly && may_stop => {
            for again in [map.flush(), map.flush()] {
                match again {
                    Err(error) if error.code() == Code::Io => {}
                    other => return Err(format!("a flush after a failed sync: {other:?}")),
                }
            }
            return Ok(true);
        }
        Err(error) => return Err(format!("a put after it: {} {error}", error.code())),
    }
    if let Some(first) = model.keys().next().cloned() {
        map.remove(&first).map_err(|error| format!("a delete after it: {error}"))?;
        model.remove(&first);
    }
    model::which(map, &[model]).map_err(|told| format!("after a put and a delete: {told}"))?;
    map.flush().map_err(|error| format!("a flush after it: {error}"))?;
    Ok(false)
}

/// No file is left that has less than its blocks: a full disk would stay full of halves.
fn whole_files(path: &Path) -> Result<(), String> {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let Ok(meta) = entry.metadata() else { continue };
        if name != "OWNER" && (meta.len() == 0 || meta.blocks() * 512 < meta.len()) {
            return Err(format!("{name} is left with {} bytes and {} blocks", meta.len(), meta.blocks()));
        }
    }
    Ok(())
}

/// What the next process finds: the same content, a map that works, and no files that nothing names.
fn reopen(verb: &Verb, path: &Path, mut model: Model, distrusted: bool) -> Result<(), String> {
    let fails = |what: &str, error: Error| format!("{what}: {} {error}", error.code());
    let open = |full| {
        let recovery = if full { Recovery::Full } else { Recovery::Auto };
        let shards = (!path.join("CHECKPOINT.0").exists()).then_some(verb.shards);
        Map::open(path, &opendiskmap::Options { shards, ..options(recovery) })
    };
    let map = open(false).map_err(|error| fails("the next open", error))?;
    let reason = map.stats().map_err(|error| fails("stats", error))?.recovery.reason;
    if distrusted && !matches!(reason, Reason::Rebuilt) {
        return Err(format!("after a failed sync the next open goes by what is there ({})", reason.as_str()));
    }
    model::which(&map, &[&model]).map_err(|told| format!("after the next open: {told}"))?;
    for number in 1..4 {
        let (key, value) = fresh(number);
        map.put(&key, &value).map_err(|error| fails("a put after the next open", error))?;
        model.insert(key, value);
    }
    map.compact().map_err(|error| fails("compact after the next open", error))?;
    model::which(&map, &[&model]).map_err(|told| format!("after compact(): {told}"))?;
    rests(&map, path, &model)?;
    map.close().map_err(|error| fails("the next close", error))?;
    let map = open(true).map_err(|error| fails("the last open", error))?;
    model::which(&map, &[&model]).map_err(|told| format!("after a rebuild: {told}"))?;
    read(&map, &model).map_err(|error| fails("a last read", error))?;
    map.close().map_err(|error| fails("the last close", error))
}

/// After a compaction there are as many files as the content needs: the map's own figures say which.
fn rests(map: &Map, path: &Path, model: &Model) -> Result<(), String> {
    let mut kinds: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let (count, bytes) = kinds.entry(name.split('-').next().unwrap_or_default().into()).or_default();
        *count += 1;
        *bytes += entry.metadata().map_or(0, |meta| meta.len());
    }
    let of = |kind: &str| kinds.get(kind).copied().unwrap_or_default();
    let stats = map.stats().map_err(|error| error.to_string())?;
    let extents = model.values().filter(|value| value.len() > 256 << 10).count() as u64;
    let index = of("idx").1 + of("dir").1;
    for (what, found, named) in [
        ("bytes of segments", of("seg").1, stats.log_bytes),
        ("bytes of the index", index, stats.index_bytes),
        ("extents", of("ext").0, extents),
    ] {
        if found != named {
            return Err(format!("{found} {what} on the disk where the map names {named}"));
        }
    }
    const KINDS: [&str; 10] =
        ["CHECKPOINT.0", "CHECKPOINT.1", "HEAD", "OWNER", "SPARE", "dir", "ext", "idx", "seg", "tab"];
    match kinds.keys().find(|kind| !KINDS.contains(&kind.as_str())) {
        Some(kind) => Err(format!("a file {kind} is left")),
        None => Ok(()),
    }
}
