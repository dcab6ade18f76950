//! Who flushes: calls that come while a flush is under way share the next one.

use crate::rules::{Rule, holds};
use crate::{Error, Result};
use parking_lot::{Condvar, Mutex};

/// A caller may join a flush only while no tail has been noted: what it wrote might else be missed.
#[derive(Debug, Default)]
pub(crate) struct Flusher {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    requested: u64,
    done: u64,
    running: bool,
    /// How the last flush ended, for those that waited for it.
    failed: Option<Error>,
}

impl Flusher {
    /// Returns once a flush that began after this call has ended; runs it if nobody else does.
    pub fn flush(&self, run: impl Fn() -> Result<()>) -> Result<()> {
        self.serve(run, false)
    }

    /// Waits for a flush that is under way and then runs this one, whatever others did meanwhile.
    pub fn run_alone(&self, run: impl Fn() -> Result<()>) -> Result<()> {
        self.serve(run, true)
    }

    fn serve(&self, run: impl Fn() -> Result<()>, alone: bool) -> Result<()> {
        let mut state = self.state.lock();
        state.requested += 1;
        let ticket = state.requested;
        loop {
            if !alone && state.done >= ticket {
                return state.failed.clone().map_or(Ok(()), Err);
            }
            if !state.running {
                break;
            }
            self.changed.wait(&mut state);
        }
        state.running = true;
        // All who have asked by now are served: none of their tails is noted yet.
        let served = state.requested;
        drop(state);
        let finish = Finish { flusher: self, served, result: None };
        finish.run(run)
    }
}

/// Lets the waiting go on also when the flush panics.
struct Finish<'a> {
    flusher: &'a Flusher,
    served: u64,
    result: Option<Result<()>>,
}

impl Finish<'_> {
    fn run(mut self, run: impl Fn() -> Result<()>) -> Result<()> {
        let result = run();
        self.result = Some(result.clone());
        result
    }
}

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        let mut state = self.flusher.state.lock();
        state.running = false;
        state.done = if holds(Rule::JoinBeforeNote) { self.served } else { state.requested };
        state.failed = match self.result.take() {
            Some(result) => result.err(),
            None => {
                Some(Error::new(crate::Code::Poisoned, "A flush stopped halfway. Close the map and open it again."))
            }
        };
        self.flusher.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_flush_that_began_before_the_call_does_not_count_for_it() {
        let flusher = Flusher::default();
        let runs = AtomicUsize::new(0);
        let (started, go) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                flusher
                    .flush(|| {
                        runs.fetch_add(1, Ordering::SeqCst);
                        started.wait();
                        go.wait();
                        Ok(())
                    })
                    .unwrap();
            });
            started.wait();
            let late: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        flusher
                            .flush(|| {
                                runs.fetch_add(1, Ordering::SeqCst);
                                Ok(())
                            })
                            .unwrap();
                    })
                })
                .collect();
            while flusher.state.lock().requested < 5 {
                std::thread::yield_now();
            }
            assert_eq!(runs.load(Ordering::SeqCst), 1);
            go.wait();
            for thread in late {
                thread.join().unwrap();
            }
        });
        assert_eq!(runs.load(Ordering::SeqCst), 2, "the four late calls shared one flush");
    }
}
