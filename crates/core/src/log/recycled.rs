//! Freed segments that become new ones. To make a file, give it pages and delete it again costs more than to write it full,
//! so where a log is written fast they are kept for a moment.

use crate::mem::Region;
use parking_lot::Mutex;

/// The freed segments of one map, each with its file's name. Nothing leads to them any more.
#[derive(Debug, Default)]
pub(crate) struct Recycled(Mutex<Vec<(String, Region)>>);

impl Recycled {
    /// Keeps one, if all that are kept are no longer than `most` then; else gives back its name, to be deleted.
    pub fn keep(&self, name: String, region: Region, most: u64) -> Option<String> {
        let mut kept = self.0.lock();
        if in_all(&kept) + region.len() as u64 > most {
            // Unmapped without the lock.
            drop(kept);
            drop(region);
            return Some(name);
        }
        kept.push((name, region));
        None
    }

    /// One that can take the place of a segment of this size, and is no shorter than it has to be.
    pub fn take(&self, size: u64, least: u64) -> Option<(String, Region)> {
        let mut kept = self.0.lock();
        let fits = |len: u64| len >= least && is_like(size, len);
        let at = kept.iter().position(|(_, region)| fits(region.len() as u64))?;
        Some(kept.swap_remove(at))
    }

    /// Gives up all of them: what they are called is to be deleted.
    pub fn drain(&self) -> Vec<String> {
        let kept = std::mem::take(&mut *self.0.lock());
        kept.into_iter().map(|(name, _)| name).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.lock().iter().any(|(kept, _)| kept == name)
    }

    pub fn bytes(&self) -> u64 {
        in_all(&self.0.lock())
    }
}

/// Whether a segment of this length may take the place of one of that size.
pub(super) fn is_like(size: u64, len: u64) -> bool {
    (size / 2..=size * 2).contains(&len)
}

fn in_all(kept: &[(String, Region)]) -> u64 {
    kept.iter().map(|(_, region)| region.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_a_limit_and_is_taken_where_its_length_fits() {
        let recycled = Recycled::default();
        let region = || Region::anonymous(65536).unwrap();
        assert_eq!(recycled.keep("a".into(), region(), 131_072), None);
        assert_eq!(recycled.keep("b".into(), region(), 131_072), None);
        assert_eq!(recycled.keep("c".into(), region(), 131_072), Some("c".into()));
        assert!(recycled.has("a") && !recycled.has("c"));
        assert!(recycled.take(131_074, 0).is_none() && recycled.take(32_767, 0).is_none());
        assert!(recycled.take(80_000, 80_000).is_none());
        let (name, _) = recycled.take(80_000, 65536).unwrap();
        assert!(!recycled.has(&name));
        assert_eq!(recycled.bytes(), 65536);
        assert_eq!(recycled.drain().len(), 1);
    }
}
