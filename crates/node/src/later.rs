//! Work that is done off the event loop, or before a handle closes: whichever comes first.

use opendiskmap::{Error, Result};
use std::mem::replace;
use std::sync::{Arc, Mutex, PoisonError};

/// Work that somebody was promised. The pool's thread and `close` may both come for it; one of them does it, and the other
/// waits until it is done.
pub struct Task<T> {
    state: Mutex<State<T>>,
}

enum State<T> {
    Due(Box<dyn FnOnce() -> Result<T> + Send>),
    Done(Result<T>),
    /// The result was taken, or a panic ended the work.
    Over,
}

impl<T> Task<T> {
    pub fn new(run: impl FnOnce() -> Result<T> + Send + 'static) -> Task<T> {
        Task { state: Mutex::new(State::Due(Box::new(run))) }
    }

    /// The result, for the one who settles the promise; the work is done here unless it was done before.
    pub fn result(&self) -> Result<T> {
        self.finish();
        match self.replace(State::Over) {
            State::Done(result) => result,
            State::Due(_) | State::Over => Err(Error::stopped()),
        }
    }

    fn replace(&self, state: State<T>) -> State<T> {
        replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), state)
    }
}

/// A task, whatever it results in.
trait Finish {
    fn finish(&self);
    fn is_finished(&self) -> bool;
}

impl<T> Finish for Task<T> {
    fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match replace(&mut *state, State::Over) {
            // What it holds of the map is let go here too.
            State::Due(run) => *state = State::Done(run()),
            finished => *state = finished,
        }
    }

    fn is_finished(&self) -> bool {
        self.state.try_lock().is_ok_and(|state| !matches!(*state, State::Due(_)))
    }
}

/// The tasks of one handle.
#[derive(Default)]
pub struct Tasks {
    tasks: Vec<Arc<dyn Finish>>,
}

impl Tasks {
    pub fn push<T: 'static>(&mut self, task: &Arc<Task<T>>) {
        if self.tasks.len() == self.tasks.capacity() {
            self.tasks.retain(|task| !task.is_finished());
            // Twice the room of what is left, so that a task is looked at a few times in its life, however many there are.
            self.tasks.reserve(self.tasks.len() + 1);
        }
        self.tasks.push(Arc::clone(task) as Arc<dyn Finish>);
    }

    /// Their promises say how each went.
    pub fn finish(self) {
        for task in self.tasks {
            task.finish();
        }
    }
}
