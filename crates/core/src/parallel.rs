//! Work on many things, on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

/// How many threads a rebuild uses.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Does `work` for each item on at most `threads` threads, and gives the results in the order of the items. A panic of one
/// is the caller's.
pub(crate) fn map<T: Sync, R: Send>(threads: usize, items: &[T], work: impl Fn(usize, &T) -> R + Sync) -> Vec<R> {
    let threads = threads.min(items.len());
    if threads <= 1 {
        return items.iter().enumerate().map(|(at, item)| work(at, item)).collect();
    }
    let next = AtomicUsize::new(0);
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let run = || {
            let mut done = Vec::new();
            // Relaxed: the counter gives out numbers; what the items hold was there before the threads were.
            while let at = next.fetch_add(1, Ordering::Relaxed)
                && let Some(item) = items.get(at)
            {
                done.push((at, work(at, item)));
            }
            done
        };
        // Where no thread can be had, those that there are do it.
        let others: Vec<_> = (1..threads).map_while(|_| Builder::new().spawn_scoped(scope, run).ok()).collect();
        let mut results = run();
        for other in others {
            match other.join() {
                Ok(done) => results.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_unstable_by_key(|&(at, _)| at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_stand_in_the_order_of_their_items() {
        let items: Vec<usize> = (0..1000).collect();
        for threads in [1, 2, 7] {
            let squares = super::map(threads, &items, |at, &item| {
                assert_eq!(at, item);
                item * item
            });
            assert!(squares.iter().enumerate().all(|(at, &square)| square == at * at) && squares.len() == 1000);
        }
        assert!(super::map(3, &[0u8; 0], |_, _| ()).is_empty());
    }
}
