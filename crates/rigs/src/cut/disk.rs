//! A file system in a file, whose power can be cut. All of it lies in a mount namespace of the rig's own: when the rig's
//! last process ends, however it ends, the mounts go and the loop device with them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ext4,
    Xfs,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Ext4, Self::Xfs];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    /// The smallest that mkfs.xfs makes; ext4 can be smaller, and is made faster then.
    fn size(self) -> u64 {
        match self {
            Self::Ext4 => 96 << 20,
            Self::Xfs => 320 << 20,
        }
    }
}

/// A directory in memory that only this process and its children see.
pub struct OwnDirectory(PathBuf);

impl OwnDirectory {
    /// `Err` says why there can be none here.
    pub fn make(path: &Path) -> Result<Self, String> {
        unshare(CloneFlags::CLONE_NEWNS).map_err(|error| format!("no mount namespace of its own: {error}"))?;
        let none = None::<&str>;
        let private = mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none);
        private.map_err(|error| format!("its mounts cannot be kept to itself: {error}"))?;
        fs::create_dir_all(path).map_err(|error| error.to_string())?;
        let made = Self(path.into());
        let memory = mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), Some("size=1g"));
        memory.map_err(|error| format!("a tmpfs cannot be mounted here: {error}"))?;
        Ok(made)
    }
}

impl Drop for OwnDirectory {
    fn drop(&mut self) {
        let _ = umount(&self.0);
        let _ = fs::remove_dir(&self.0);
    }
}

fn command(program: &str, words: &[&str], paths: &[&Path]) -> Result<(), String> {
    match Command::new(program).args(words).args(paths).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!("{program} is not installed")),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

pub struct Disk {
    image: PathBuf,
    mount: PathBuf,
}

impl Disk {
    /// A new file system, mounted.
    pub fn make(kind: Kind, work: &Path) -> Result<Self, String> {
        let image = work.join(format!("{}.image", kind.name()));
        let mount = work.join(kind.name());
        fs::create_dir_all(&mount).map_err(|error| error.to_string())?;
        let file = File::create(&image).and_then(|file| file.set_len(kind.size()));
        file.map_err(|error| format!("its image cannot be made: {error}"))?;
        match kind {
            Kind::Ext4 => command("mkfs.ext4", &["-q", "-F"], &[&image])?,
            Kind::Xfs => command("mkfs.xfs", &["-q", "-f"], &[&image])?,
        }
        let disk = Self { image, mount };
        disk.mount()?;
        Ok(disk)
    }

    pub fn path(&self) -> &Path {
        &self.mount
    }

    /// With the option `loop` the kernel lets go of the loop device when the file system is unmounted.
    pub fn mount(&self) -> Result<(), String> {
        command("mount", &["-n", "-o", "loop"], &[&self.image, &self.mount])
    }

    pub fn cut(&self, flush_log: bool) -> io::Result<()> {
        opendiskmap::power::shut_down(&File::open(&self.mount)?, flush_log)
    }

    pub fn unmount(&self) -> Result<(), String> {
        for _ in 0..400 {
            match umount(&self.mount) {
                Ok(()) => return Ok(()),
                // The kernel is not yet done with the process that was killed.
                Err(Errno::EBUSY) => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => return Err(format!("{} cannot be unmounted: {error}", self.mount.display())),
            }
        }
        Err(format!("{} is still in use", self.mount.display()))
    }

    /// What a reboot does after the power came back.
    pub fn restart(&self) -> Result<(), String> {
        self.unmount()?;
        self.mount()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(why) = self.unmount() {
            println!("{why}");
        }
        let _ = fs::remove_file(&self.image);
    }
}
