//! Raw Node-API: functions that are bound to Rust data, their arguments and their results.
//!
//! A verb of a map is a plain function with the map behind its `data` pointer. A class method would unwrap its receiver
//! at every call, which costs several times as much as the call itself.

use napi::bindgen_prelude::ToNapiValue;
use napi::sys;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

/// No verb takes more.
const MAX_ARGS: usize = 4;
/// Keys of at most this many UTF-16 units are read to the stack.
const SHORT: usize = 256;

/// What a verb gives back.
pub enum Value {
    Undefined,
    Bool(bool),
    Number(f64),
    /// A value that was made in this call.
    Raw(sys::napi_value),
}

/// What a verb throws.
pub enum Failure {
    /// To be made into a `DiskMapError`.
    Error(opendiskmap::Error),
    /// JavaScript has thrown already.
    Pending,
}

impl From<opendiskmap::Error> for Failure {
    fn from(error: opendiskmap::Error) -> Self {
        Failure::Error(error)
    }
}

pub type Outcome = Result<Value, Failure>;

/// One call of a verb, in its thread, with its arguments.
pub struct Call<'a> {
    env: sys::napi_env,
    args: [sys::napi_value; MAX_ARGS],
    /// Nothing taken from a call outlives it.
    life: PhantomData<&'a ()>,
}

/// Makes a text argument's UTF-8 without asking the allocator for a short one.
#[derive(Default)]
pub struct Text {
    bytes: Vec<u8>,
}

/// A lone surrogate stands for no character and has no UTF-8.
pub struct LoneSurrogate;

impl Call<'_> {
    pub fn env(&self) -> sys::napi_env {
        self.env
    }

    /// A string argument as UTF-8. UTF-16 is the one way in that loses nothing and is the fastest too.
    pub fn text<'t>(&self, index: usize, text: &'t mut Text) -> Result<Result<&'t [u8], LoneSurrogate>, Failure> {
        text.bytes.clear();
        let mut short = [0u16; SHORT];
        let mut len = 0;
        // SAFETY: `env` and the argument are those of the running call; the buffer has SHORT units.
        check(unsafe {
            sys::napi_get_value_string_utf16(self.env, self.args[index], short.as_mut_ptr(), SHORT, &mut len)
        })?;
        // One unit is for the terminator: a string that fills the rest may be longer.
        if len < SHORT - 1 {
            return Ok(narrow(&short[..len], text));
        }
        // SAFETY: as above; without a buffer the length is all that is written.
        check(unsafe { sys::napi_get_value_string_utf16(self.env, self.args[index], ptr::null_mut(), 0, &mut len) })?;
        let mut long = vec![0u16; len + 1];
        // SAFETY: as above; the buffer has len + 1 units.
        check(unsafe {
            sys::napi_get_value_string_utf16(self.env, self.args[index], long.as_mut_ptr(), len + 1, &mut len)
        })?;
        Ok(narrow(&long[..len], text))
    }

    /// The bytes of a `Uint8Array` argument where they lie. No JavaScript runs while the call uses them.
    pub fn bytes(&self, index: usize) -> Result<&[u8], Failure> {
        let (data, len) = self.typed_array(index)?;
        // SAFETY: Node-API gives the array's own memory, which lives at least as long as the argument, and the face hands
        // over neither shared nor resizable buffers: nobody writes or frees it before the call returns.
        Ok(unsafe { slice(data, len) })
    }

    /// The same for a target.
    pub fn bytes_mut(&mut self, index: usize) -> Result<&mut [u8], Failure> {
        let (data, len) = self.typed_array(index)?;
        if data.is_null() {
            return Ok(&mut []);
        }
        // SAFETY: as in `bytes`; `&mut self` makes this the only slice taken from the call.
        Ok(unsafe { std::slice::from_raw_parts_mut(data, len) })
    }

    /// Bytes to read and bytes to fill, in arrays of their own.
    pub fn bytes_and_target<const N: usize>(
        &mut self,
        sources: [usize; N],
        target: usize,
    ) -> Result<([&[u8]; N], &mut [u8]), Failure> {
        let (start, room) = self.typed_array(target)?;
        let mut slices = [&[][..]; N];
        for (bytes, source) in slices.iter_mut().zip(sources) {
            let (from, len) = self.typed_array(source)?;
            if (from as usize) < start as usize + room && (start as usize) < from as usize + len {
                let what = "The source and the target of a call must not overlap.";
                return Err(opendiskmap::Error::new(opendiskmap::Code::InvalidArgument, what).into());
            }
            // SAFETY: as in `bytes`; it does not overlap the target (checked above), which `&mut self` makes the only one.
            *bytes = unsafe { slice(from, len) };
        }
        if start.is_null() {
            return Ok((slices, &mut []));
        }
        // SAFETY: as in `bytes`; no slice taken from the call overlaps it (checked above).
        Ok((slices, unsafe { std::slice::from_raw_parts_mut(start, room) }))
    }

    /// A length, unless the argument is something else.
    pub fn size(&self, index: usize) -> Result<Option<usize>, Failure> {
        Ok(if self.kind(index)? == sys::ValueType::napi_number { Some(self.len(index)?) } else { None })
    }

    /// Whether an argument was left out.
    pub fn is_undefined(&self, index: usize) -> Result<bool, Failure> {
        Ok(self.kind(index)? == sys::ValueType::napi_undefined)
    }

    fn kind(&self, index: usize) -> Result<sys::napi_valuetype, Failure> {
        let mut kind = 0;
        // SAFETY: `env` and the argument are those of the running call.
        check(unsafe { sys::napi_typeof(self.env, self.args[index], &mut kind) })?;
        Ok(kind)
    }

    fn typed_array(&self, index: usize) -> Result<(*mut u8, usize), Failure> {
        let (mut kind, mut len, mut data) = (0, 0, ptr::null_mut());
        // SAFETY: `env` and the argument are those of the running call; the outputs are locals.
        check(unsafe {
            sys::napi_get_typedarray_info(
                self.env,
                self.args[index],
                &mut kind,
                &mut len,
                &mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        })?;
        Ok((data.cast(), len))
    }

    /// A function argument, or any other as it came.
    pub fn raw(&self, index: usize) -> sys::napi_value {
        self.args[index]
    }

    /// A length argument.
    pub fn len(&self, index: usize) -> Result<usize, Failure> {
        let mut len = 0;
        // SAFETY: `env` and the argument are those of the running call.
        check(unsafe { sys::napi_get_value_uint32(self.env, self.args[index], &mut len) })?;
        Ok(len as usize)
    }
}

fn narrow<'t>(units: &[u16], text: &'t mut Text) -> Result<&'t [u8], LoneSurrogate> {
    if units.iter().fold(0, |all, unit| all | unit) < 0x80 {
        text.bytes.extend(units.iter().map(|&unit| unit as u8));
        return Ok(&text.bytes);
    }
    let mut encoded = [0; 4];
    for character in char::decode_utf16(units.iter().copied()) {
        let character = character.map_err(|_| LoneSurrogate)?;
        text.bytes.extend_from_slice(character.encode_utf8(&mut encoded).as_bytes());
    }
    Ok(&text.bytes)
}

/// # Safety
/// `data` is null, or readable for `len` bytes as long as the result is used.
unsafe fn slice<'a>(data: *const u8, len: usize) -> &'a [u8] {
    if data.is_null() {
        return &[];
    }
    // SAFETY: the caller's.
    unsafe { std::slice::from_raw_parts(data, len) }
}

pub fn check(status: sys::napi_status) -> Result<(), Failure> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Failure::Pending) }
}

struct Bound<T, F> {
    data: Rc<T>,
    fail: Rc<Fail>,
    body: F,
}

/// A JavaScript function that runs `body` with the data and `ARGS` arguments: each costs, also where it is left out. The
/// function owns a share of both.
pub fn function<const ARGS: usize, T: 'static, F>(
    env: sys::napi_env,
    data: &Rc<T>,
    fail: &Rc<Fail>,
    body: F,
) -> Result<sys::napi_value, Failure>
where
    F: Fn(&mut Call<'_>, &T) -> Outcome + 'static,
{
    let bound = Box::into_raw(Box::new(Bound { data: Rc::clone(data), fail: Rc::clone(fail), body }));
    let mut value = ptr::null_mut();
    // SAFETY: the name may be empty; `bound` stays valid until the finalizer below frees it, which runs after the last call.
    let made = unsafe {
        sys::napi_create_function(env, ptr::null(), 0, Some(trampoline::<ARGS, T, F>), bound.cast(), &mut value)
    };
    let free: sys::napi_finalize = Some(free::<Bound<T, F>>);
    let owned = check(made).and_then(|()| {
        // SAFETY: `value` is the function just made; `free` gets `bound` exactly once, after the function is gone.
        check(unsafe { sys::napi_add_finalizer(env, value, bound.cast(), free, ptr::null_mut(), ptr::null_mut()) })
    });
    if let Err(failure) = owned {
        if made != sys::Status::napi_ok {
            // SAFETY: no function was made, so nobody else has the pointer.
            drop(unsafe { Box::from_raw(bound) });
        }
        return Err(failure);
    }
    Ok(value)
}

unsafe extern "C" fn free<T>(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // A panic must not reach V8; what is dropped here may close a map.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `data` is a `Box<T>` turned raw by whoever registered this finalizer, and finalizers run once.
        drop(unsafe { Box::from_raw(data.cast::<T>()) });
    }));
}

unsafe extern "C" fn trampoline<const ARGS: usize, T, F>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value
where
    F: Fn(&mut Call<'_>, &T) -> Outcome,
{
    const { assert!(ARGS <= MAX_ARGS) };
    let mut call = Call { env, args: [ptr::null_mut(); MAX_ARGS], life: PhantomData };
    let (mut count, mut data) = (ARGS, ptr::null_mut());
    // SAFETY: called by Node-API with its own `env` and `info`; there is room for ARGS arguments (asserted above), and
    // missing ones are filled with undefined.
    let status =
        unsafe { sys::napi_get_cb_info(env, info, &mut count, call.args.as_mut_ptr(), ptr::null_mut(), &mut data) };
    if status != sys::Status::napi_ok {
        return ptr::null_mut();
    }
    // SAFETY: `data` is the `Bound` that `function` made for exactly this trampoline; it lives as long as the function.
    let bound = unsafe { &*data.cast::<Bound<T, F>>() };
    // A panic has poisoned its shard.
    match guarded(|| (bound.body)(&mut call, &bound.data)) {
        Ok(Ok(value)) => give(env, value),
        Ok(Err(Failure::Pending)) => ptr::null_mut(),
        Ok(Err(Failure::Error(error))) => bound.fail.throw(env, &error),
        Err(error) => bound.fail.throw(env, &error),
    }
}

/// A value as JavaScript gets it; null is undefined.
pub fn give(env: sys::napi_env, value: Value) -> sys::napi_value {
    let mut result = ptr::null_mut();
    // SAFETY: `env` is the running call's; a failure leaves `result` null, which is undefined.
    unsafe {
        match value {
            Value::Undefined => 0,
            Value::Bool(value) => sys::napi_get_boolean(env, value, &mut result),
            Value::Number(value) => sys::napi_create_double(env, value, &mut result),
            Value::Raw(value) => {
                result = value;
                0
            }
        }
    };
    result
}

/// The face's function that makes a `DiskMapError`.
pub struct Fail {
    env: sys::napi_env,
    function: sys::napi_ref,
}

impl Fail {
    pub fn new(env: sys::napi_env, function: sys::napi_value) -> Result<Rc<Fail>, Failure> {
        let mut reference = ptr::null_mut();
        // SAFETY: called with the running call's `env` and argument.
        check(unsafe { sys::napi_create_reference(env, function, 1, &mut reference) })?;
        Ok(Rc::new(Fail { env, function: reference }))
    }

    /// The error as JavaScript sees it; null where even that fails, with an exception pending.
    pub fn make(&self, env: sys::napi_env, error: &opendiskmap::Error) -> sys::napi_value {
        let (mut function, mut receiver, mut made) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let mut args = [ptr::null_mut(); 3];
        let (code, message) = (error.code().as_str(), error.message());
        // SAFETY: `env` is the running call's and the one that the reference belongs to; strings are read before the calls
        // return; an undefined third argument says that there is no errno.
        unsafe {
            sys::napi_get_reference_value(env, self.function, &mut function);
            sys::napi_get_undefined(env, &mut receiver);
            sys::napi_create_string_utf8(env, code.as_ptr().cast(), code.len() as isize, &mut args[0]);
            sys::napi_create_string_utf8(env, message.as_ptr().cast(), message.len() as isize, &mut args[1]);
            match error.errno() {
                Some(errno) => sys::napi_create_int32(env, errno, &mut args[2]),
                None => sys::napi_get_undefined(env, &mut args[2]),
            };
            sys::napi_call_function(env, receiver, function, 3, args.as_ptr(), &mut made);
        }
        made
    }

    pub fn throw(&self, env: sys::napi_env, error: &opendiskmap::Error) -> sys::napi_value {
        let made = self.make(env, error);
        if !made.is_null() {
            // SAFETY: `made` is a value of this call.
            unsafe { sys::napi_throw(env, made) };
        }
        ptr::null_mut()
    }
}

impl Drop for Fail {
    fn drop(&mut self) {
        // SAFETY: dropped in the environment's own thread, by a finalizer or at the end of a call; deleting twice is impossible.
        unsafe { sys::napi_delete_reference(self.env, self.function) };
    }
}

/// A plain object of named values.
pub fn object(env: sys::napi_env, members: &[(&str, sys::napi_value)]) -> Result<sys::napi_value, Failure> {
    let mut value = ptr::null_mut();
    // SAFETY: `env` is the running call's, the members are values of it, and names are read before the calls return.
    unsafe {
        check(sys::napi_create_object(env, &mut value))?;
        for (name, member) in members {
            let mut key = ptr::null_mut();
            check(sys::napi_create_string_utf8(env, name.as_ptr().cast(), name.len() as isize, &mut key))?;
            check(sys::napi_set_property(env, value, key, *member))?;
        }
    }
    Ok(value)
}

/// An array of values.
pub fn array(env: sys::napi_env, elements: &[sys::napi_value]) -> Result<sys::napi_value, Failure> {
    let mut value = ptr::null_mut();
    // SAFETY: `env` is the running call's, and the elements are values of it.
    unsafe {
        check(sys::napi_create_array_with_length(env, elements.len(), &mut value))?;
        for (at, element) in elements.iter().enumerate() {
            check(sys::napi_set_element(env, value, at as u32, *element))?;
        }
    }
    Ok(value)
}

/// A JavaScript string of a value's bytes; `None` where they are not UTF-8.
pub fn string(env: sys::napi_env, bytes: &[u8]) -> Result<Option<Value>, Failure> {
    let mut value = ptr::null_mut();
    let (data, len) = (bytes.as_ptr().cast(), bytes.len() as isize);
    let made = if bytes.is_ascii() {
        // SAFETY: ASCII is Latin-1; the bytes are read before the call returns.
        unsafe { sys::napi_create_string_latin1(env, data, len, &mut value) }
    } else if std::str::from_utf8(bytes).is_ok() {
        // SAFETY: valid UTF-8, read before the call returns.
        unsafe { sys::napi_create_string_utf8(env, data, len, &mut value) }
    } else {
        return Ok(None);
    };
    match made {
        sys::Status::napi_ok => Ok(Some(Value::Raw(value))),
        _ => Err(Failure::Error(opendiskmap::Error::new(
            opendiskmap::Code::TooLarge,
            format!(
                "The value has {} bytes, more than a JavaScript string can hold. Read it with the codec 'bytes'.",
                bytes.len()
            ),
        ))),
    }
}

pub fn undefined(env: sys::napi_env) -> Result<sys::napi_value, Failure> {
    let mut value = ptr::null_mut();
    // SAFETY: `env` is the running call's.
    check(unsafe { sys::napi_get_undefined(env, &mut value) })?;
    Ok(value)
}

/// What a function of the face makes of the values.
pub fn call_with(
    env: sys::napi_env,
    function: sys::napi_value,
    receiver: sys::napi_value,
    values: &[sys::napi_value],
) -> Result<sys::napi_value, Failure> {
    let mut made = ptr::null_mut();
    // SAFETY: `env` is the running call's, and all values are values of it.
    check(unsafe { sys::napi_call_function(env, receiver, function, values.len(), values.as_ptr(), &mut made) })?;
    Ok(made)
}

pub fn bigint(env: sys::napi_env, number: u64) -> Result<sys::napi_value, Failure> {
    let mut value = ptr::null_mut();
    // SAFETY: `env` is the running call's.
    check(unsafe { sys::napi_create_bigint_uint64(env, number, &mut value) })?;
    Ok(value)
}

pub fn number(env: sys::napi_env, number: f64) -> Result<sys::napi_value, Failure> {
    let mut value = ptr::null_mut();
    // SAFETY: `env` is the running call's.
    check(unsafe { sys::napi_create_double(env, number, &mut value) })?;
    Ok(value)
}

pub fn text(env: sys::napi_env, text: &str) -> Result<sys::napi_value, Failure> {
    let mut value = ptr::null_mut();
    // SAFETY: `env` is the running call's; the text is read before the call returns.
    check(unsafe { sys::napi_create_string_utf8(env, text.as_ptr().cast(), text.len() as isize, &mut value) })?;
    Ok(value)
}

/// A Buffer with a copy of the bytes.
pub fn buffer(env: sys::napi_env, bytes: &[u8]) -> Result<sys::napi_value, Failure> {
    let (mut value, mut data) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: `env` is the running call's; the bytes are read before the call returns.
    check(unsafe { sys::napi_create_buffer_copy(env, bytes.len(), bytes.as_ptr().cast(), &mut data, &mut value) })?;
    Ok(value)
}

/// A value on its way out of a function that the napi macros export.
pub struct Raw(pub sys::napi_value);

impl ToNapiValue for Raw {
    unsafe fn to_napi_value(_env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        Ok(value.0)
    }
}

/// Work that runs on a thread of libuv's pool, what becomes of its result, and the promise that both settle.
struct Work<T, W, S> {
    run: Option<W>,
    result: Option<opendiskmap::Result<T>>,
    settle: Option<S>,
    fail: Rc<Fail>,
    deferred: sys::napi_deferred,
    handle: sys::napi_async_work,
}

/// A promise of what `settle` makes, in this thread, of the result of `run`, on one of the pool; or of the error that one of
/// them ends with; `ERR_CLOSED` if it was cancelled. An environment that ends waits for work that it queued: `settle` then runs
/// where no JavaScript can, and what it was given is dropped.
pub fn promise<T, W, S>(env: sys::napi_env, fail: &Rc<Fail>, run: W, settle: S) -> Outcome
where
    T: Send + 'static,
    W: FnOnce() -> opendiskmap::Result<T> + Send + 'static,
    S: FnOnce(sys::napi_env, T) -> Outcome + 'static,
{
    let (mut deferred, mut promise) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: `env` is the running call's.
    check(unsafe { sys::napi_create_promise(env, &mut deferred, &mut promise) })?;
    let name = text(env, "opendiskmap")?;
    let work: *mut Work<T, _, _> = Box::into_raw(Box::new(Work {
        run: Some(run),
        result: None,
        settle: Some(settle),
        fail: Rc::clone(fail),
        deferred,
        handle: ptr::null_mut(),
    }));
    // SAFETY: `work` stays valid until `complete` frees it, which runs exactly once after `execute`, or, where the work
    // cannot be queued, until it is freed here.
    unsafe {
        let mut handle = ptr::null_mut();
        let made = sys::napi_create_async_work(
            env,
            ptr::null_mut(),
            name,
            Some(execute::<T, W, S>),
            Some(complete::<T, W, S>),
            work.cast(),
            &mut handle,
        );
        (*work).handle = handle;
        if made != sys::Status::napi_ok || sys::napi_queue_async_work(env, handle) != sys::Status::napi_ok {
            sys::napi_delete_async_work(env, handle);
            drop(Box::from_raw(work));
            return Err(Failure::Pending);
        }
    }
    Ok(Value::Raw(promise))
}

unsafe extern "C" fn execute<T, W: FnOnce() -> opendiskmap::Result<T>, S>(_env: sys::napi_env, data: *mut c_void) {
    // SAFETY: `data` is the `Work` of `promise`. Until this returns the environment's thread does not touch it, and this
    // thread touches `run` and `result` only, which may be sent: neither the reference-counted `fail` nor `settle`.
    let (run, result) = unsafe {
        let work = data.cast::<Work<T, W, S>>();
        ((*work).run.take(), &raw mut (*work).result)
    };
    let ended = run.map(|run| guarded(run).and_then(|result| result));
    // SAFETY: as above.
    unsafe { *result = ended };
}

unsafe extern "C" fn complete<T, W, S>(env: sys::napi_env, _status: sys::napi_status, data: *mut c_void)
where
    S: FnOnce(sys::napi_env, T) -> Outcome,
{
    // SAFETY: `data` is the `Work` of `promise`, and its work is over: this is its only owner from here on.
    let mut work = unsafe { Box::from_raw(data.cast::<Work<T, W, S>>()) };
    let mut scope = ptr::null_mut();
    // SAFETY: `env` is the one that the work was made in; the scope holds what is made until it is closed below.
    if unsafe { sys::napi_open_handle_scope(env, &mut scope) } == sys::Status::napi_ok {
        let result = work.result.take().unwrap_or_else(|| Err(cancelled()));
        let settled = match (result, work.settle.take()) {
            (Ok(value), Some(settle)) => guarded(|| settle(env, value)).unwrap_or_else(|error| Err(error.into())),
            (Err(error), _) => Err(error.into()),
            (Ok(_), None) => Err(cancelled().into()),
        };
        // SAFETY: as above; the deferred is settled once. Where the environment has ended neither call does anything.
        unsafe {
            match settled {
                Ok(value) => {
                    let mut value = give(env, value);
                    if value.is_null() {
                        sys::napi_get_undefined(env, &mut value);
                    }
                    sys::napi_resolve_deferred(env, work.deferred, value)
                }
                Err(Failure::Error(error)) => {
                    sys::napi_reject_deferred(env, work.deferred, work.fail.make(env, &error))
                }
                Err(Failure::Pending) => {
                    let mut thrown = ptr::null_mut();
                    sys::napi_get_and_clear_last_exception(env, &mut thrown);
                    sys::napi_reject_deferred(env, work.deferred, thrown)
                }
            };
            sys::napi_close_handle_scope(env, scope);
        }
    }
    // SAFETY: the work is over, and this is the only place that deletes it.
    unsafe { sys::napi_delete_async_work(env, work.handle) };
}

/// A panic must not unwind into libuv or V8.
pub fn guarded<R>(run: impl FnOnce() -> R) -> opendiskmap::Result<R> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| opendiskmap::Error::stopped())
}

fn cancelled() -> opendiskmap::Error {
    opendiskmap::Error::new(
        opendiskmap::Code::Closed,
        "The thread ended before the map was reached. Call it from a thread that goes on.",
    )
}
