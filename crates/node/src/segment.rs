//! What an environment has of its own: ArrayBuffers on mapped files, how its thread is asked to do something, the events of its
//! maps, and the scratch.

use crate::call::{Failure, check};
use napi::sys::{self, Status, napi_env, napi_value};
use opendiskmap::{Ask, Events, Window};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

/// Whether this environment lets JavaScript see memory that is not V8's own. A V8 with a memory cage, as Electron's, does
/// not, and would copy whole segments if asked to by way of napi-rs.
pub fn can_show(env: napi_env) -> bool {
    static BYTES: [u8; 8] = [0; 8];
    let mut value = ptr::null_mut();
    // SAFETY: `env` is the running call's; nobody gets the ArrayBuffer, and the static outlives it.
    let made = unsafe {
        let bytes = BYTES.as_ptr().cast_mut().cast();
        sys::napi_create_external_arraybuffer(env, bytes, BYTES.len(), None, ptr::null_mut(), &mut value)
    };
    if made != Status::napi_ok {
        forget_exception(env);
    }
    made == Status::napi_ok
}

/// An ArrayBuffer that shows the window's file, which stays mapped until the ArrayBuffer's memory is given up: when V8
/// collects or detaches it, or when whoever it was transferred to is done with it. `None` where V8 takes no such memory.
pub fn array_buffer(env: napi_env, window: Rc<Window>) -> Option<napi_value> {
    let (start, len) = (window.start(), window.len());
    let held = Rc::into_raw(window).cast_mut();
    let mut value = ptr::null_mut();
    // SAFETY:
    // - the mapping is `len` bytes from `start` on, readable and writable, and lives as long as `held`, the share that
    //   `release` gives up once no ArrayBuffer has the memory;
    // - it is private: what JavaScript writes there reaches no memory that Rust reads.
    let made = unsafe {
        sys::napi_create_external_arraybuffer(env, start.cast(), len, Some(release), held.cast(), &mut value)
    };
    if made == Status::napi_ok {
        return Some(value);
    }
    forget_exception(env);
    // SAFETY: without an ArrayBuffer there is no finalizer: this is the share that was turned raw above.
    drop(unsafe { Rc::from_raw(held) });
    None
}

/// Node-API calls finalizers in their environment's thread, the one that made the window.
unsafe extern "C" fn release(_env: napi_env, _data: *mut c_void, held: *mut c_void) {
    // A panic must not reach V8.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `held` is the share that `array_buffer` turned raw for this finalizer, which runs once.
        drop(unsafe { Rc::from_raw(held.cast::<Window>().cast_const()) });
    }));
}

/// Some versions throw as well as fail.
fn forget_exception(env: napi_env) {
    let mut thrown = ptr::null_mut();
    // SAFETY: `env` is the running call's.
    unsafe { sys::napi_get_and_clear_last_exception(env, &mut thrown) };
}

/// Leaves an ArrayBuffer, and every view of it, with length 0.
pub fn detach(env: napi_env, buffer: napi_value) {
    // SAFETY: `env` and the value are those of the running call. What is no ArrayBuffer, or detached already, is refused.
    unsafe { sys::napi_detach_arraybuffer(env, buffer) };
}

/// Calls a JavaScript function of one environment from any thread. It keeps no environment alive.
struct Asker {
    asked: Asked,
    /// `None` once the environment has ended.
    function: Mutex<Option<Function>>,
}

struct Function(sys::napi_threadsafe_function);

// SAFETY: a thread-safe function may be called from any thread until its finalizer has run, which empties the `Asker`
// under its lock first.
unsafe impl Send for Function {}

/// What an environment is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// To detach windows.
    Windows,
    /// To take events.
    Events,
}

thread_local! {
    static ASKERS: RefCell<HashMap<(usize, Asked), Arc<Asker>>> = RefCell::default();
}

/// What asks this environment for something: `callback`, the same for all of its maps, is called soon after, in its own
/// thread. Only the first callback of an environment counts.
pub fn asker(env: napi_env, asked: Asked, callback: napi_value) -> Result<Ask, Failure> {
    let key = (env as usize, asked);
    let known = ASKERS.with_borrow(|all| all.get(&key).cloned());
    let asker = match known {
        Some(asker) => asker,
        None => {
            let asker = make_asker(env, asked, callback)?;
            ASKERS.with_borrow_mut(|all| all.insert(key, Arc::clone(&asker)));
            asker
        }
    };
    Ok(Arc::new(move || {
        if let Some(Function(function)) = &*asker.function.lock() {
            // SAFETY: the finalizer has not run: it would have emptied this under the lock that is held.
            unsafe {
                sys::napi_call_threadsafe_function(
                    *function,
                    ptr::null_mut(),
                    sys::ThreadsafeFunctionCallMode::nonblocking,
                )
            };
        }
    }))
}

fn make_asker(env: napi_env, asked: Asked, callback: napi_value) -> Result<Arc<Asker>, Failure> {
    let asker = Arc::new(Asker { asked, function: Mutex::new(None) });
    let name = crate::call::text(env, "opendiskmap")?;
    let held = Arc::into_raw(Arc::clone(&asker)).cast_mut();
    let mut function = ptr::null_mut();
    // SAFETY: `env` and the callback are those of the running call; `held` is given up by `end`, which runs once, when the
    // environment ends. At most one call waits: more would ask for the same.
    let made = unsafe {
        sys::napi_create_threadsafe_function(
            env,
            callback,
            ptr::null_mut(),
            name,
            1,
            1,
            held.cast(),
            Some(end),
            ptr::null_mut(),
            None,
            &mut function,
        )
    };
    if made != Status::napi_ok {
        // SAFETY: no function was made, so nobody else has the share.
        drop(unsafe { Arc::from_raw(held) });
        return Err(Failure::Pending);
    }
    // SAFETY: just made, in this thread. It must not keep the event loop alive.
    unsafe { sys::napi_unref_threadsafe_function(env, function) };
    *asker.function.lock() = Some(Function(function));
    Ok(asker)
}

unsafe extern "C" fn end(env: napi_env, held: *mut c_void, _context: *mut c_void) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the share that `make_asker` turned raw for this finalizer.
        let asker = unsafe { Arc::from_raw(held.cast::<Asker>().cast_const()) };
        *asker.function.lock() = None;
        let _ = ASKERS.try_with(|all| all.borrow_mut().remove(&(env as usize, asker.asked)));
    }));
}

/// Memory that an environment's JavaScript and this addon both write in place.
#[derive(Clone, Copy)]
pub struct Shared {
    data: *mut u8,
    len: usize,
    reference: sys::napi_ref,
}

thread_local! {
    /// What happens to an environment's maps; its end removes its entry.
    static EVENTS: RefCell<HashMap<usize, Arc<Events>>> = RefCell::default();
}

/// The environment's events, made when first asked for.
pub fn events(env: napi_env) -> Result<Arc<Events>, Failure> {
    if let Some(events) = EVENTS.with_borrow(|all| all.get(&(env as usize)).cloned()) {
        return Ok(events);
    }
    // SAFETY: `env` is the running call's; the hook gets it as its argument, and does not look behind it.
    check(unsafe { sys::napi_add_env_cleanup_hook(env, Some(forget_events), env.cast()) })?;
    let events = Arc::new(Events::default());
    EVENTS.with_borrow_mut(|all| all.insert(env as usize, Arc::clone(&events)));
    Ok(events)
}

unsafe extern "C" fn forget_events(env: *mut c_void) {
    // A map that this thread has not closed may go on; nobody is told of it here any more.
    if let Ok(Some(events)) = EVENTS.try_with(|all| all.borrow_mut().remove(&(env as usize))) {
        events.stop();
    }
}

thread_local! {
    /// By environment and purpose; an environment's end removes its entries.
    static SHARED: RefCell<HashMap<(usize, usize), Shared>> = RefCell::new(HashMap::new());
}

/// The environment's shared memory of this length, made when first asked for.
pub fn shared(env: sys::napi_env, len: usize) -> Result<Shared, Failure> {
    let key = (env as usize, len);
    if let Some(shared) = SHARED.with_borrow(|all| all.get(&key).copied()) {
        return Ok(shared);
    }
    let (mut value, mut data, mut reference) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: `env` is the running call's. The strong reference keeps the ArrayBuffer until the environment ends, and the
    // face, the only one that has it, never detaches it: its memory stays where it is. The hook gets `env` as its argument.
    unsafe {
        check(sys::napi_create_arraybuffer(env, len, &mut data, &mut value))?;
        check(sys::napi_create_reference(env, value, 1, &mut reference))?;
        check(sys::napi_add_env_cleanup_hook(env, Some(forget_shared), Box::into_raw(Box::new(key)).cast()))?;
        data.cast::<u8>().write_bytes(0, len);
    }
    let shared = Shared { data: data.cast(), len, reference };
    SHARED.with_borrow_mut(|all| all.insert(key, shared));
    Ok(shared)
}

unsafe extern "C" fn forget_shared(key: *mut c_void) {
    // SAFETY: the box that `shared` registered for this hook, which runs once.
    let key = unsafe { Box::from_raw(key.cast::<(usize, usize)>()) };
    let _ = SHARED.try_with(|all| all.borrow_mut().remove(&*key));
}

impl Shared {
    /// The ArrayBuffer.
    pub fn value(self, env: sys::napi_env) -> Result<sys::napi_value, Failure> {
        let mut value = ptr::null_mut();
        // SAFETY: the reference belongs to this environment and is strong.
        check(unsafe { sys::napi_get_reference_value(env, self.reference, &mut value) })?;
        Ok(value)
    }

    /// Bytes that JavaScript wrote before the call.
    pub fn read(&self, offset: usize, len: usize) -> &[u8] {
        assert!(len <= self.len && offset <= self.len - len, "beyond the shared memory");
        // SAFETY: inside the ArrayBuffer (checked above), which outlives every call; no JavaScript runs meanwhile, and
        // `write` takes no slice of it.
        unsafe { std::slice::from_raw_parts(self.data.add(offset), len) }
    }

    /// Bytes for JavaScript to read after the call.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(bytes.len() <= self.len && offset <= self.len - bytes.len(), "beyond the shared memory");
        // SAFETY: inside the ArrayBuffer (checked above); the source may be a slice of it, so an overlapping copy.
        unsafe { ptr::copy(bytes.as_ptr(), self.data.add(offset), bytes.len()) };
    }
}

const FIRST_SWEEP: usize = 64;

/// ArrayBuffers that views of a handle were copied to. They are known by weak references, which keep nothing alive, not even
/// until the running job ends as JavaScript's do.
pub struct Copies {
    env: napi_env,
    references: Vec<sys::napi_ref>,
    sweep_at: usize,
}

impl Default for Copies {
    fn default() -> Self {
        Copies { env: ptr::null_mut(), references: Vec::new(), sweep_at: FIRST_SWEEP }
    }
}

impl Copies {
    /// Remembers an ArrayBuffer.
    pub fn track(&mut self, env: napi_env, buffer: napi_value) {
        self.env = env;
        if self.references.len() >= self.sweep_at {
            self.retain(|_| true);
            self.sweep_at = (2 * self.references.len()).max(FIRST_SWEEP);
        }
        let mut reference = ptr::null_mut();
        // SAFETY: `env` and the value are those of the running call.
        if unsafe { sys::napi_create_reference(env, buffer, 0, &mut reference) } == Status::napi_ok {
            self.references.push(reference);
        }
    }

    /// Leaves all of them with length 0.
    pub fn detach(&mut self) {
        let env = self.env;
        self.retain(|buffer| {
            detach(env, buffer);
            false
        });
    }

    /// Forgets those that are gone, and those that `keep` has no use for.
    fn retain(&mut self, keep: impl Fn(napi_value) -> bool) {
        let env = self.env;
        self.references.retain(|&reference| {
            let (mut scope, mut buffer) = (ptr::null_mut(), ptr::null_mut());
            // SAFETY: `env` is the one that the references were made in, in its thread; each is deleted once, when it
            // leaves the list. The scope lets go of what was looked at.
            unsafe {
                let scoped = sys::napi_open_handle_scope(env, &mut scope) == Status::napi_ok;
                sys::napi_get_reference_value(env, reference, &mut buffer);
                let kept = !buffer.is_null() && keep(buffer);
                if !kept {
                    sys::napi_delete_reference(env, reference);
                }
                if scoped {
                    sys::napi_close_handle_scope(env, scope);
                }
                kept
            }
        });
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        for &reference in &self.references {
            // SAFETY: dropped in the environment's own thread, with the handle; each reference is in the list once.
            unsafe { sys::napi_delete_reference(self.env, reference) };
        }
    }
}
