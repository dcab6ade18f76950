//! What the rig is asked to do.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

const USAGE: &str = "\
cut [--cuts N] [--seed N] [--only ext4|xfs] [--directory PATH] [--without RULE]

Makes a file system in a file and mounts it; starts a process that writes to a map on it with 1 to 4 threads; cuts the
power at a random moment (FS_IOC_SHUTDOWN), kills the process, unmounts and mounts; opens the map and compares it with
what was flushed; again and again. Needs root, loop devices and the programs that make the file systems.

  --cuts N           power cuts on each file system (default 60)
  --seed N           the draw of an earlier run; moments of cuts differ all the same
  --only NAME        only this file system
  --directory PATH   where the mounts are (default: the temporary directory)
  --without RULE     the negative control: the engine leaves this crash rule out, and a file system passes only if that
                     is noticed within so many cuts
";

pub struct Arguments {
    pub cuts: usize,
    pub seed: u64,
    pub only: Option<String>,
    pub directory: PathBuf,
    pub without: Option<String>,
}

impl Arguments {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
        let mut arguments = Self { cuts: 60, seed, only: None, directory: std::env::temp_dir(), without: None };
        while let Some(word) = words.next() {
            let mut operand = || words.next().ok_or_else(|| USAGE.to_string());
            match word.as_str() {
                "--cuts" => arguments.cuts = operand()?.parse().map_err(|_| USAGE)?,
                "--seed" => arguments.seed = operand()?.parse().map_err(|_| USAGE)?,
                "--only" => arguments.only = Some(operand()?),
                "--directory" => arguments.directory = operand()?.into(),
                "--without" => arguments.without = Some(operand()?),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(arguments)
    }
}
