//! The Node.js addon: conversions between JavaScript and the engine, and nothing else.
//!
//! What is exported by the napi macros opens maps and tells constants; the verbs of an open map are functions bound to
//! it, made in `verbs.rs` by way of `call.rs`.

#![deny(unsafe_code)]

mod batch;
#[allow(unsafe_code)]
mod call;
mod events;
mod handle;
mod iteration;
mod job;
mod later;
mod recovery;
#[allow(unsafe_code)]
mod segment;
mod texts;
mod verbs;
mod views;

use call::{Fail, Failure, Outcome, Raw, Value, give, guarded};
use handle::{Handle, META, SCRATCH};
use napi::bindgen_prelude::{BigInt, JsValue, Uint8Array, Unknown};
use napi::sys::napi_env;
use napi::{Env, Status};
use napi_derive::napi;
use opendiskmap::{Capacity, Code, Codec, Control, Identity, Map, OnCorrupt, Options, Recovery};
use segment::shared;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How a map is to be opened; what is absent is unstated.
#[napi(object)]
pub struct NativeOptions {
    pub create: bool,
    pub read_only: bool,
    pub shards: Option<u32>,
    /// Milliseconds; -1 is never.
    pub flush_interval: Option<f64>,
    #[napi(ts_type = "'auto' | 'full'")]
    pub recovery: Option<String>,
    #[napi(ts_type = "'throw' | 'quarantine'")]
    pub on_corrupt: Option<String>,
    pub mode: Option<u32>,
    pub secure_delete: Option<bool>,
    pub capacity_entries: Option<f64>,
    pub capacity_bytes: Option<f64>,
    pub key_codec: Option<String>,
    pub key_param: Option<Uint8Array>,
    pub value_codec: Option<String>,
    pub value_param: Option<Uint8Array>,
}

/// Tells one opening of a map from every other.
#[napi(object)]
pub struct NativeIdentity {
    pub path: String,
    pub device: BigInt,
    pub inode: BigInt,
    /// From 0 to 2^53 - 1.
    pub instance: f64,
}

/// The limits of the format and of the boundary, in bytes and counts.
#[napi(object)]
pub struct Limits {
    pub max_key_bytes: u32,
    pub max_value_bytes: u32,
    pub max_shards: u32,
    pub max_codec_name_bytes: u32,
    pub max_codec_param_bytes: u32,
    pub scratch_bytes: u32,
    pub page_bytes: u32,
}

/// A page that holds any portion of an iteration but a single long entry.
const PAGE: u32 = 512 << 10;

#[napi]
pub fn limits() -> Limits {
    Limits {
        max_key_bytes: opendiskmap::MAX_KEY as u32,
        max_value_bytes: opendiskmap::MAX_VALUE as u32,
        max_shards: opendiskmap::MAX_SHARDS,
        max_codec_name_bytes: opendiskmap::MAX_CODEC_NAME as u32,
        max_codec_param_bytes: opendiskmap::MAX_CODEC_PARAM as u32,
        scratch_bytes: SCRATCH as u32,
        page_bytes: PAGE,
    }
}

/// Every code of the engine's table.
#[napi]
pub fn error_codes() -> Vec<String> {
    Code::ALL.iter().map(|code| code.as_str().into()).collect()
}

fn pending() -> napi::Error {
    napi::Error::from_status(Status::PendingException)
}

/// This environment's scratch: key bytes first, value bytes from 65,536 on.
#[napi(ts_return_type = "ArrayBuffer")]
pub fn scratch(env: Env) -> napi::Result<Raw> {
    shared(env.raw(), SCRATCH).and_then(|shared| shared.value(env.raw())).map(Raw).map_err(|_| pending())
}

/// This environment's sequence number, as a double.
#[napi(ts_return_type = "ArrayBuffer")]
pub fn meta(env: Env) -> napi::Result<Raw> {
    shared(env.raw(), META).and_then(|shared| shared.value(env.raw())).map(Raw).map_err(|_| pending())
}

/// Whether views can show mapped files in this environment; else they copy.
#[napi]
pub fn can_show(env: Env) -> bool {
    segment::can_show(env.raw())
}

/// Leaves an ArrayBuffer that a view was given, and every view of it, with length 0.
#[napi(ts_args_type = "buffer: ArrayBuffer")]
pub fn detach(env: Env, buffer: Unknown) {
    segment::detach(env.raw(), buffer.raw());
}

/// Opens a map; what it throws is made by `fail(code, message, errno)`.
#[napi(
    ts_args_type = "path: string, options: NativeOptions, fail: (code: string, message: string, errno: number | undefined) => Error",
    ts_return_type = "object"
)]
pub fn open(env: Env, path: String, options: NativeOptions, fail: Unknown) -> napi::Result<Raw> {
    export(env, fail, |env, fail| {
        let options = Options { events: Some(events::of(env)?), ..engine_options(&options) };
        handle_of(env, guarded(|| Map::open(path, &options))??, fail)
    })
}

/// The same off the event loop, as a job whose progress is that of a rebuild. Where the environment ends meanwhile, the map is
/// closed again.
#[napi(
    ts_args_type = "path: string, options: NativeOptions, fail: (code: string, message: string, errno: number | undefined) => Error",
    ts_return_type = "object"
)]
pub fn open_async(env: Env, path: String, options: NativeOptions, fail: Unknown) -> napi::Result<Raw> {
    export(env, fail, |env, fail| {
        let options = Options { events: Some(events::of(env)?), ..engine_options(&options) };
        let of_handle = Rc::clone(fail);
        let open =
            move |control: &Arc<Control>| Map::open(path, &Options { control: Some(Arc::clone(control)), ..options });
        job::job(env, fail, open, move |env, map| handle_of(env, map, &of_handle))
    })
}

/// Joins a map that is open in this process.
#[napi(
    ts_args_type = "identity: NativeIdentity, options: NativeOptions, fail: (code: string, message: string, errno: number | undefined) => Error",
    ts_return_type = "object"
)]
pub fn attach(env: Env, identity: NativeIdentity, options: NativeOptions, fail: Unknown) -> napi::Result<Raw> {
    export(env, fail, |env, fail| {
        let identity = Identity {
            path: identity.path.into(),
            device: identity.device.get_u64().1,
            inode: identity.inode.get_u64().1,
            instance: identity.instance as u64,
        };
        let options = Options { events: Some(events::of(env)?), ..engine_options(&options) };
        handle_of(env, guarded(|| Map::attach(&identity, &options))??, fail)
    })
}

/// From now on what happens to this environment's maps is kept for `takeEvents`, and `relay`, the same for all of them, is
/// called soon after, in its own thread. Only the first one of an environment counts.
#[napi(ts_args_type = "relay: () => void")]
pub fn listen(env: Env, relay: Unknown) -> napi::Result<()> {
    events::listen(env.raw(), relay.raw()).map_err(|_| pending())
}

/// Nothing is kept any more.
#[napi]
pub fn stop_listening(env: Env) -> napi::Result<()> {
    events::of(env.raw()).map(|events| events.stop()).map_err(|_| pending())
}

/// What happened since the last time; errors are made by `fail`.
#[napi(
    ts_args_type = "fail: (code: string, message: string, errno: number | undefined) => Error",
    ts_return_type = "object[]"
)]
pub fn take_events(env: Env, fail: Unknown) -> napi::Result<Raw> {
    export(env, fail, events::take)
}

/// A job that writes what verifies of the directory `from` to a new map in `to`; keys of what is damaged are not told.
#[napi(
    ts_args_type = "from: string, to: string, options: NativeOptions, fail: (code: string, message: string, errno: number | undefined) => Error",
    ts_return_type = "object"
)]
pub fn salvage(env: Env, from: String, to: String, options: NativeOptions, fail: Unknown) -> napi::Result<Raw> {
    export(env, fail, |env, fail| {
        let options = engine_options(&options);
        job::job(
            env,
            fail,
            move |control| opendiskmap::salvage(from, to, &options, control),
            |env, report| {
                let members = [
                    ("records", call::number(env, report.records as f64)?),
                    ("bytes", call::number(env, report.bytes as f64)?),
                    ("dropped", call::number(env, report.dropped as f64)?),
                    ("errors", job::damages(env, report.errors())?),
                    ("errorCount", call::number(env, report.error_count() as f64)?),
                ];
                Ok(Value::Raw(call::object(env, &members)?))
            },
        )
    })
}

/// Runs the body of an exported function that throws what `fail` makes.
fn export(env: Env, fail: Unknown, body: impl FnOnce(napi_env, &Rc<Fail>) -> Outcome) -> napi::Result<Raw> {
    let env = env.raw();
    let fail = Fail::new(env, fail.raw()).map_err(|_| pending())?;
    match body(env, &fail) {
        Ok(value) => Ok(Raw(give(env, value))),
        Err(failure) => {
            if let Failure::Error(error) = failure {
                fail.throw(env, &error);
            }
            Err(pending())
        }
    }
}

/// The functions of a handle of this map.
fn handle_of(env: napi_env, map: Map, fail: &Rc<Fail>) -> Outcome {
    let handle = Handle::new(map, Rc::clone(fail), shared(env, SCRATCH)?, shared(env, META)?);
    Ok(Value::Raw(verbs::handle_object(env, Rc::new(handle))?))
}

fn engine_options(options: &NativeOptions) -> Options {
    let codec = |name: &Option<String>, param: &Option<Uint8Array>| {
        name.as_ref()
            .map(|name| Codec { name: name.clone(), param: param.as_ref().map_or(Vec::new(), |param| param.to_vec()) })
    };
    Options {
        create: options.create,
        read_only: options.read_only,
        shards: options.shards,
        flush_interval: options.flush_interval.map(|ms| (ms >= 0.0).then(|| Duration::from_millis(ms as u64))),
        recovery: options
            .recovery
            .as_ref()
            .map(|recovery| if recovery == "full" { Recovery::Full } else { Recovery::Auto }),
        on_corrupt: options
            .on_corrupt
            .as_ref()
            .map(|choice| if choice == "quarantine" { OnCorrupt::Quarantine } else { OnCorrupt::Throw }),
        mode: options.mode,
        secure_delete: options.secure_delete,
        capacity: match (options.capacity_entries, options.capacity_bytes) {
            (None, None) => None,
            (entries, bytes) => {
                Some(Capacity { entries: entries.unwrap_or(0.0) as u64, bytes: bytes.unwrap_or(0.0) as u64 })
            }
        },
        key_codec: codec(&options.key_codec, &options.key_param),
        value_codec: codec(&options.value_codec, &options.value_param),
        // So that a map made without codecs takes what a JavaScript Map takes.
        new_codecs: (Codec::named("primitive"), Codec::named("structured")),
        ..Options::default()
    }
}
