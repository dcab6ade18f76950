//! What the fuzzers run, as plain functions: `fuzz/` gives them to libFuzzer, a test gives them the corpus that is kept.

pub mod codecs;
pub mod image;
pub mod operations;
pub mod packed;
pub mod resum;

use std::path::{Path, PathBuf};

/// An empty directory for this thread of this process, in memory where there is a file system in it.
fn scratch(name: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
    let thread: String = format!("{:?}", std::thread::current().id()).chars().filter(char::is_ascii_digit).collect();
    let path = directory.join(format!("opendiskmap-fuzz-{name}-{}-{thread}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a scratch directory can be made");
    path
}
