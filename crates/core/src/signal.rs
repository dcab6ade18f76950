//! How a shard asks for the process's background thread, which stands layers above it.

use parking_lot::{Condvar, Mutex};
use std::time::Duration;

static RAISED: Mutex<bool> = Mutex::new(false);
static CHANGED: Condvar = Condvar::new();

pub(crate) fn raise() {
    *RAISED.lock() = true;
    CHANGED.notify_one();
}

/// Until somebody raises the signal, or the time is over.
pub(crate) fn wait(timeout: Duration) {
    let mut raised = RAISED.lock();
    if !*raised {
        CHANGED.wait_for(&mut raised, timeout);
    }
    *raised = false;
}
