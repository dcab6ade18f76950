//! One instance per directory in a process, whatever path or thread opens it.

use super::instance::Instance;
use super::options::{DEFAULT_MODE, DEFAULT_SHARDS, OnCorrupt, Options, Recovery, Sharing};
use super::{background, codecs};
use crate::durability::checkpoints::{self, Found};
use crate::durability::recover::{self, Terms};
use crate::durability::report::Reason;
use crate::layout::checkpoint::{CHECKPOINT_MAGIC, Checkpoint};
use crate::layout::file::Kind;
use crate::layout::hash::Keys;
use crate::layout::names::{self, Name};
use crate::layout::{PAGE, head};
use crate::sys::{self, Dir, FileId, Lock};
use crate::{Code, Error, Result};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A pid has fewer digits.
const OWNER_LEN: usize = 32;

/// What tells one opening of a map from every other, of this directory and of others: plain data that holds nothing open.
/// [`Map::attach`](crate::Map::attach) finds the open map by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Where the map was first opened in this process.
    pub path: PathBuf,
    pub device: u64,
    pub inode: u64,
    /// As in [`Stats`](crate::Stats).
    pub instance: u64,
}

/// A directory's place in the registry. Its lock is held while the map opens or closes, so that neither meets the other.
#[derive(Debug)]
pub(crate) struct Place {
    id: FileId,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    instance: Arc<Instance>,
    handles: usize,
}

static PLACES: Mutex<Option<HashMap<FileId, Arc<Place>>>> = Mutex::new(None);

fn place(id: FileId) -> Arc<Place> {
    let mut places = PLACES.lock();
    let made = || Arc::new(Place { id, open: Mutex::new(None) });
    Arc::clone(places.get_or_insert_default().entry(id).or_insert_with(made))
}

/// Joins the instance of the directory or opens one, and says in the end whether it did the latter.
pub(crate) fn open(path: &Path, options: &Options, sharing: Sharing) -> Result<(Arc<Instance>, Arc<Place>, bool)> {
    options.check()?;
    if let Some(control) = &options.control {
        control.proceed(0)?;
    }
    let dir = open_directory(path, options)?;
    let id = dir.id().map_err(|error| Error::os(format_args!("look at {}", path.display()), &error))?;
    let place = place(id);
    let mut open = place.open.lock();
    if let Some(open) = open.as_mut() {
        let instance = open.join(options, sharing)?;
        return Ok((instance, Arc::clone(&place), false));
    }
    let instance = Arc::new(open_instance(dir, path, options, sharing)?);
    if instance.background {
        background::serve(&instance);
    }
    *open = Some(Open { instance: Arc::clone(&instance), handles: 1 });
    drop(open);
    Ok((instance, place, true))
}

/// Joins the instance that goes by this identity, if it is still open. No file is touched.
pub(crate) fn attach(identity: &Identity, options: &Options) -> Result<(Arc<Instance>, Arc<Place>)> {
    options.check()?;
    let id = FileId { device: identity.device, inode: identity.inode };
    let place = PLACES.lock().as_ref().and_then(|places| places.get(&id).cloned());
    if let Some(place) = place
        && let Some(open) = place.open.lock().as_mut()
        && place.identity(&open.instance) == *identity
    {
        let instance = open.join(options, Sharing::Shared)?;
        return Ok((instance, Arc::clone(&place)));
    }
    Err(Error::new(
        Code::Closed,
        format!(
            "The map that this handle stands for, {}, is not open in this process any more. Open its directory instead.",
            identity.path.display()
        ),
    ))
}

impl Open {
    fn join(&mut self, options: &Options, sharing: Sharing) -> Result<Arc<Instance>> {
        check_sharing(&self.instance, sharing)?;
        check_join(&self.instance, options)?;
        self.handles += 1;
        Ok(Arc::clone(&self.instance))
    }
}

impl Place {
    pub fn identity(&self, instance: &Instance) -> Identity {
        let FileId { device, inode } = self.id;
        Identity { path: instance.path.clone(), device, inode, instance: instance.number }
    }

    /// Another handle of the instance; `false` if that is not the open one any more.
    pub fn join(&self, instance: &Arc<Instance>) -> bool {
        match self.open.lock().as_mut() {
            Some(open) if Arc::ptr_eq(&open.instance, instance) => {
                open.handles += 1;
                true
            }
            _ => false,
        }
    }

    /// Gives a handle up; the last one closes the map.
    pub fn leave(&self, instance: &Arc<Instance>) -> Result<()> {
        let mut open = self.open.lock();
        let Some(entry) = open.as_mut().filter(|open| Arc::ptr_eq(&open.instance, instance)) else { return Ok(()) };
        entry.handles -= 1;
        if entry.handles > 0 {
            return Ok(());
        }
        let instance = Arc::clone(&entry.instance);
        *open = None;
        // Under the place's lock: whoever opens the directory now waits until it is free.
        instance.close()
    }
}

fn open_directory(path: &Path, options: &Options) -> Result<Dir> {
    let mode = options.mode.unwrap_or(DEFAULT_MODE);
    let refuse = |code, message: String| Err(Error::new(code, message));
    let shown = path.display();
    match Dir::open(path) {
        Ok(dir) => Ok(dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !options.create || options.read_only {
                return refuse(
                    Code::NotFound,
                    format!("There is no map at {shown}. Check the path, or open it with create: true."),
                );
            }
            match Dir::create(path, mode) {
                Ok(dir) => Ok(dir),
                // Another thread or process was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    Dir::open(path).map_err(|error| Error::os(format_args!("open {shown}"), &error))
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    refuse(Code::NotFound, format!("The parent directory of {shown} does not exist. Create it first."))
                }
                Err(error) => Err(Error::os(format_args!("make the directory {shown}"), &error)),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => refuse(
            Code::NotAMap,
            format!("{shown} is not a directory. A map is a directory of its own; choose another path."),
        ),
        Err(error) => Err(Error::os(format_args!("open {shown}"), &error)),
    }
}

fn check_sharing(instance: &Instance, sharing: Sharing) -> Result<()> {
    let shown = instance.path.display();
    match (instance.sharing, sharing) {
        (Sharing::Shared, Sharing::Shared) => Ok(()),
        (Sharing::Alone, _) => Err(Error::new(
            Code::Locked,
            format!("{shown} is open in this process as a DiskHashMap, which shares it with nobody. Close that first."),
        )),
        (Sharing::Shared, Sharing::Alone) => Err(Error::new(
            Code::Locked,
            format!(
                "{shown} is already open in this process, and a DiskHashMap shares it with nobody. Close it there first, or open it as a ConcurrentDiskMap."
            ),
        )),
    }
}

fn check_join(instance: &Instance, options: &Options) -> Result<()> {
    if !options.read_only && !instance.medium.writable {
        return Err(Error::new(
            Code::Locked,
            format!(
                "{} is open for reading only in this process. Close that handle to open it for writing.",
                instance.path.display()
            ),
        ));
    }
    let (key, value) = instance.codecs();
    codecs::check(options, key, value)?;
    check_shards(options, instance.shards.len() as u32)?;
    if options.flush_interval.is_some_and(|interval| interval != instance.flush_interval) {
        return Err(mismatch("flushInterval", "the open map has another. Leave it out to join the map as it is"));
    }
    if options.secure_delete.is_some_and(|secure| secure != instance.medium.secure) {
        return Err(mismatch("secureDelete", "the open map has another. Leave it out to join the map as it is"));
    }
    if options.recovery.is_some_and(|recovery| (recovery == Recovery::Full) != instance.full_recovery) {
        return Err(mismatch("recovery", "the map is already open. Leave it out to join the map as it is"));
    }
    if options.on_corrupt.is_some_and(|on_corrupt| (on_corrupt == OnCorrupt::Quarantine) != instance.quarantine) {
        return Err(mismatch("onCorrupt", "the map is already open. Leave it out to join the map as it is"));
    }
    Ok(())
}

fn mismatch(option: &str, why: &str) -> Error {
    Error::new(Code::OptionsMismatch, format!("{option} does not match: {why}."))
}

fn check_shards(options: &Options, shards: u32) -> Result<()> {
    match options.shards {
        Some(stated) if stated != shards => Err(mismatch(
            "shards",
            &format!("the map was made with {shards}, not {stated}. Leave it out to open the map as it is"),
        )),
        _ => Ok(()),
    }
}

fn open_instance(mut dir: Dir, path: &Path, options: &Options, sharing: Sharing) -> Result<Instance> {
    let shown = path.display();
    let os = |action: &'static str| move |error: io::Error| Error::os(action, &error);
    if let Some(kind) = dir.network_file_system().map_err(os("look at the file system"))? {
        return Err(Error::new(
            Code::FsUnsupported,
            format!(
                "{shown} is on a network file system ({kind}), where other machines can change the files. Use a local disk."
            ),
        ));
    }
    lock(&dir, path, options.read_only)?;
    let writable = !options.read_only;
    let terms = Terms {
        writable,
        full: options.recovery == Some(Recovery::Full),
        quarantine: options.on_corrupt == Some(OnCorrupt::Quarantine),
        same_files: options.hooks.same_files,
        secure: options.secure_delete == Some(true),
        boot: recover::boot_id(options.hooks.boot_id),
        control: options.control.clone().unwrap_or_default(),
    };
    let opened = match checkpoints::read(&dir)? {
        Found::Newest { checkpoint, which, torn, same } => {
            codecs::check(options, &checkpoint.key_codec, &checkpoint.value_codec)?;
            check_shards(options, checkpoint.shards.len() as u32)?;
            // What is made from here on is as open as what is there.
            dir.set_mode_of(names::CHECKPOINTS[which]);
            let owner = match writable {
                true => {
                    // A process may have died between the renaming that makes the map and the sync of the directory: no
                    // other name may be durable before that one is.
                    dir.sync().map_err(|error| Error::sync("sync the map's directory", &error))?;
                    Some(Owner::announce(&dir)?)
                }
                false => None,
            };
            recover::open(dir, which, *checkpoint, torn, same, &terms).inspect_err(|_| {
                owner.inspect(Owner::withdraw);
            })?
        }
        Found::Nothing => {
            check_unfinished(&dir, path)?;
            if !options.create || options.read_only {
                return Err(Error::new(
                    Code::NotFound,
                    format!("There is no map in {shown}. Check the path, or open it with create: true."),
                ));
            }
            dir.set_mode(options.mode.unwrap_or(DEFAULT_MODE));
            let created = recover::create(dir, first_checkpoint(options)?, &terms)?;
            // Not before there is a map: a power cut may leave the file with other bytes, and what is no map and holds
            // anything that is not ours is never made one.
            write_owner(&created.medium.dir)?;
            created
        }
    };
    if let Some(parent) = path.parent()
        && opened.recovery.reason == Reason::Created
    {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        // A parent that cannot be opened for reading can still hold a map; its own file system orders the name.
        if let Ok(parent) = Dir::open(parent) {
            parent.sync().map_err(|error| Error::sync("sync the directory above the map", &error))?;
        }
    }
    Instance::new(path.to_path_buf(), opened, options, sharing)
}

fn lock(dir: &Dir, path: &Path, shared: bool) -> Result<()> {
    let kind = if shared { Lock::Shared } else { Lock::Exclusive };
    match dir.lock(kind) {
        Ok(true) => Ok(()),
        Ok(false) => {
            let owner = dir.read_start(names::OWNER, OWNER_LEN).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let pid = owner.as_deref().map(str::trim).and_then(|pid| pid.parse::<u32>().ok());
            let holder = match pid {
                Some(pid) if pid == std::process::id() => "another copy of opendiskmap in this process".into(),
                Some(pid) => format!("process {pid}"),
                None => "another process".into(),
            };
            Err(Error::new(Code::Locked, format!("{} is held by {holder}. Close it there first.", path.display())))
        }
        Err(error) => Err(Error::new(
            Code::FsUnsupported,
            format!("The file system of {} has no locks ({error}). Use a local disk.", path.display()),
        )
        .caused_by(&error)),
    }
}

/// For the message of whoever comes second; the lock does not depend on it.
fn write_owner(dir: &Dir) -> Result<()> {
    let text = std::process::id().to_string();
    match dir.write(names::OWNER, text.as_bytes()) {
        // A full disk must not keep a map from being opened.
        Err(error) if !sys::is_full(&error) => Err(Error::os("write the map's OWNER file", &error)),
        _ => Ok(()),
    }
}

/// What stood in `OWNER` before, to be put back if the map cannot be opened: a refused open changes nothing.
struct Owner {
    dir: Dir,
    before: Option<Vec<u8>>,
}

impl Owner {
    fn announce(dir: &Dir) -> Result<Owner> {
        let before = dir.read_start(names::OWNER, OWNER_LEN).ok();
        let dir = dir.again().map_err(|error| Error::os("open the map's directory again", &error))?;
        write_owner(&dir)?;
        Ok(Owner { dir, before })
    }

    fn withdraw(&self) {
        let _ = match &self.before {
            Some(before) => self.dir.write(names::OWNER, before),
            None => self.dir.unlink(names::OWNER),
        };
    }
}

/// A directory without a checkpoint is free, or was being made into a map when the process died. Nothing is touched before
/// every name has been looked at: what is not ours, or not certainly empty, stays.
fn check_unfinished(dir: &Dir, path: &Path) -> Result<()> {
    let names = dir.list().map_err(|error| Error::os("list the map's directory", &error))?;
    // A file that is longer than ours is at that age is not read to its end to find that out.
    let is_ours = |name: &str, most: usize, looks: &dyn Fn(&[u8]) -> bool| {
        dir.read_start(name, most + 1).is_ok_and(|bytes| bytes.len() <= most && looks(&bytes))
    };
    for name in &names {
        let ours = match names::parse(name) {
            None => false,
            Some(Name::Head) => {
                // A power cut keeps some of its sectors and not others; no other file has this name and this length.
                let looks =
                    |bytes: &[u8]| bytes.len() == head::LEN || is_blank_or(bytes, &Kind::Head.magic().to_le_bytes());
                is_ours(name, head::LEN, &looks)
            }
            // Whole only under its next name.
            Some(Name::Checkpoint) if name == names::FIRST_CHECKPOINT => {
                let in_pages = |len: u64| len > 0 && len.is_multiple_of(PAGE as u64);
                dir.file_len(name).is_ok_and(in_pages)
                    || is_ours(name, PAGE, &|bytes| is_blank_or(bytes, CHECKPOINT_MAGIC))
            }
            Some(Name::Checkpoint) => is_ours(name, PAGE, &|bytes| is_blank_or(bytes, CHECKPOINT_MAGIC)),
            Some(Name::Lock) => dir.file_len(name).is_ok_and(|len| len == 0),
            Some(Name::Owner) => is_ours(name, OWNER_LEN, &|bytes| bytes.iter().all(u8::is_ascii_digit)),
            Some(_) => {
                return Err(Error::corrupt(format_args!(
                    "{} has records or an index, and no checkpoint",
                    path.display()
                )));
            }
        };
        if !ours {
            return Err(Error::new(
                Code::NotAMap,
                format!(
                    "{} holds something else ({name}). A map needs a directory of its own; choose another path.",
                    path.display()
                ),
            ));
        }
    }
    Ok(())
}

/// Whether a file starts as ours do, or was never written.
fn is_blank_or(bytes: &[u8], magic: &[u8; 8]) -> bool {
    bytes.starts_with(magic) || bytes.iter().all(|&byte| byte == 0)
}

fn first_checkpoint(options: &Options) -> Result<Checkpoint> {
    let shards = options.shards.unwrap_or(DEFAULT_SHARDS) as usize;
    Ok(Checkpoint {
        number: 1,
        features: 0,
        generation: 1,
        clean: false,
        align: options.value_align,
        boot: [0; 16],
        file: FileId::default(),
        mount: 0,
        keys: Keys { hash: sys::random()?, sum: u64::from_le_bytes(sys::random()?) },
        capacity: options.capacity.unwrap_or_default(),
        key_codec: options.key_codec.clone().unwrap_or_else(|| options.new_codecs.0.clone()),
        value_codec: options.value_codec.clone().unwrap_or_else(|| options.new_codecs.1.clone()),
        shards: vec![Default::default(); shards],
    })
}
