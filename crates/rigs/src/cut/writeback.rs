//! Pages that reach the disk before others do.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memmap2::MmapRaw;

use crate::random::Random;

/// What the system may do at any time, done more often: pages of any file go to the disk before others.
pub fn write_back(map: &Path, seed: u64, writing: &AtomicBool) {
    let mut random = Random::new(seed);
    while writing.load(Ordering::Relaxed) {
        let names: Vec<_> = fs::read_dir(map).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        if !names.is_empty() {
            // The file may be gone by now, or be one that is not mapped.
            let _ = write_pages(&names[random.below(names.len())], &mut random);
        }
        std::thread::sleep(Duration::from_micros(random.below(3000) as u64));
    }
}

fn write_pages(path: &Path, random: &mut Random) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let map = MmapRaw::map_raw(&file)?;
    // A file that is just being made has no page yet, and cannot be mapped.
    let pages = map.len().div_ceil(4096);
    if pages == 0 {
        return Ok(());
    }
    for _ in 0..random.below(6) {
        let first = random.below(pages);
        let count = 1 + random.below((pages - first).min(8));
        map.flush_range(first * 4096, (count * 4096).min(map.len() - first * 4096))?;
    }
    Ok(())
}
