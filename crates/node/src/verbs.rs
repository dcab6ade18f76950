//! The verbs of a map: arguments in, engine, result out.

use crate::batch::{delete_many, get_many, get_many_fixed, get_many_texts, has_many, set_many};
use crate::call::{Call, Failure, Outcome, Text, Value, bigint, buffer, function, number, object, string, text};
use crate::handle::{Handle, Lane, VALUE_AT, argument};
use crate::iteration::{cursor, text_cursor};
use crate::job::{damages, job};
use crate::recovery;
use crate::views::{detach_copies, end_view, next_idle, open_views, renew_view, track_copy, view, view_cursor};
use napi::sys::{napi_env, napi_value};
use opendiskmap::{Amount, Code, Error, NumberType, Stats};
use std::ops::DerefMut;
use std::rc::Rc;
use std::sync::Arc;

pub const MISS: f64 = -1.0;

/// A handle and how its keys and values cross.
pub struct Bound {
    pub handle: Rc<Handle>,
    key: Lane,
    value: Lane,
}

impl Bound {
    pub fn with_key<R>(
        &self,
        call: &Call<'_>,
        use_key: impl FnOnce(&[u8]) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let mut text = self.handle.key_text.borrow_mut();
        use_key(argument(call, 0, self.key, &self.handle.scratch, text.deref_mut())?)
    }

    fn with_both<R>(
        &self,
        call: &Call<'_>,
        use_both: impl FnOnce(&[u8], &[u8]) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let mut text: std::cell::RefMut<'_, Text> = self.handle.value_text.borrow_mut();
        let value = argument(call, 1, self.value, &self.handle.scratch, text.deref_mut())?;
        self.with_key(call, |key| use_both(key, value))
    }

    /// Leaves the value in the scratch, or for `take`, and returns its length.
    fn read_packed(&self, call: &Call<'_>) -> Result<(f64, Option<u64>), Failure> {
        let handle = &self.handle;
        let map = handle.map()?;
        self.with_key(call, |key| {
            let mut len = 0;
            let found = map.read_with(key, &mut |bytes| len = handle.leave(bytes))?;
            let Some((seq, extent)) = found else { return Ok((MISS, None)) };
            if let Some(extent) = extent {
                len = handle.leave_extent(&extent)?;
            }
            Ok((len as f64, Some(seq)))
        })
    }
}

fn get(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    if bound.value != Lane::Utf8 {
        return Ok(Value::Number(bound.read_packed(call)?.0));
    }
    let mut value = bound.handle.value.borrow_mut();
    let found = bound.with_key(call, |key| Ok(bound.handle.map()?.read_into(key, &mut value)?))?;
    match found {
        None => Ok(Value::Undefined),
        Some(_) => text_value(call.env(), &value),
    }
}

fn text_value(env: napi_env, bytes: &[u8]) -> Outcome {
    string(env, bytes)?.ok_or_else(not_text)
}

pub fn not_text() -> Failure {
    let what = "The stored value is not UTF-8: it was not written as text. Read it with the codec 'bytes'.";
    Error::new(Code::Corrupt, what).into()
}

fn take(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let value = std::mem::take(&mut *bound.handle.value.borrow_mut());
    let target = call.bytes_mut(0)?;
    if target.len() != value.len() {
        return Err(Error::new(Code::InvalidArgument, "The target is not as long as the value.").into());
    }
    target.copy_from_slice(&value);
    Ok(Value::Undefined)
}

fn read(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let (len, seq) = bound.read_packed(call)?;
    bound.handle.set_meta(seq);
    Ok(Value::Number(len))
}

fn has(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    bound.with_key(call, |key| Ok(Value::Bool(bound.handle.map()?.contains_key(key)?)))
}

fn set(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    bound.with_both(call, |key, value| {
        bound.handle.map()?.put(key, value)?;
        Ok(Value::Undefined)
    })
}

fn delete(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    bound.with_key(call, |key| Ok(Value::Bool(bound.handle.map()?.remove(key)?)))
}

fn swap(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let expected = bound.handle.meta();
    bound.with_both(call, |key, value| Ok(Value::Bool(bound.handle.map()?.swap(key, expected, Some(value))?)))
}

fn swap_delete(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let expected = bound.handle.meta();
    bound.with_key(call, |key| Ok(Value::Bool(bound.handle.map()?.swap(key, expected, None)?)))
}

/// Compares the key's value with the second argument and stores the third; undefined is an absent key.
fn compare_and_set(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let (mut expected_text, mut next_text) = (Text::default(), Text::default());
    let optional = |index, text| -> Result<Option<&[u8]>, Failure> {
        if call.is_undefined(index)? {
            return Ok(None);
        }
        argument(call, index, bound.value, &bound.handle.scratch, text).map(Some)
    };
    let expected = optional(1, &mut expected_text)?;
    let next = optional(2, &mut next_text)?;
    bound.with_key(call, |key| Ok(Value::Bool(bound.handle.map()?.compare_and_set(key, expected, next)?)))
}

/// Adds the amount in the scratch to the key's number and leaves the sum there.
fn increment(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let Some(&number) = NumberType::ALL.get(call.len(1)?) else {
        return Err(Error::new(Code::InvalidArgument, "There is no such type of numbers.").into());
    };
    let scratch = &bound.handle.scratch;
    let by = match number.is_float() {
        true => Amount::Float(f64::from_le_bytes(scratch.read(VALUE_AT, 8).try_into().expect("eight bytes"))),
        false => Amount::Int(i128::from_le_bytes(scratch.read(VALUE_AT, 16).try_into().expect("sixteen bytes"))),
    };
    let sum = bound.with_key(call, |key| Ok(bound.handle.map()?.increment(key, number, by)?))?;
    scratch.write(VALUE_AT, &sum[..number.size()]);
    Ok(Value::Undefined)
}

fn size(_call: &mut Call<'_>, bound: &Bound) -> Outcome {
    Ok(Value::Number(bound.handle.map()?.try_len()? as f64))
}

fn capacity(_call: &mut Call<'_>, bound: &Bound) -> Outcome {
    Ok(Value::Number(bound.handle.map()?.capacity() as f64))
}

fn clear(_call: &mut Call<'_>, bound: &Bound) -> Outcome {
    bound.handle.map()?.clear()?;
    Ok(Value::Undefined)
}

/// A promise of the value: as a string in the lane of text, else as a Buffer.
fn get_async(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let key = bound.with_key(call, |key| Ok(key.to_vec()))?;
    let lane = bound.value;
    bound.handle.promise(
        call.env(),
        move |map| map.get(&key),
        move |env, value| match value {
            None => Ok(Value::Undefined),
            Some(bytes) if lane == Lane::Utf8 => text_value(env, &bytes),
            Some(bytes) => Ok(Value::Raw(buffer(env, &bytes)?)),
        },
    )
}

fn flush(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    bound.handle.promise(call.env(), |map| map.flush(), |_, ()| Ok(Value::Undefined))
}

fn flush_sync(_call: &mut Call<'_>, bound: &Bound) -> Outcome {
    bound.handle.map()?.flush()?;
    Ok(Value::Undefined)
}

fn compact(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let map = Arc::clone(&*bound.handle.map()?);
    job(call.env(), &bound.handle.fail, move |control| map.compact_with(control), |_, ()| Ok(Value::Undefined))
}

/// A job whose promise gives the report; keys as they are stored.
fn verify(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let (env, fail) = (call.env(), &bound.handle.fail);
    let map = Arc::clone(&*bound.handle.map()?);
    job(
        env,
        fail,
        move |control| map.verify_with(control),
        |env, report| {
            let members = [
                ("records", number(env, report.records as f64)?),
                ("bytes", number(env, report.bytes as f64)?),
                ("errors", damages(env, report.errors())?),
                ("errorCount", number(env, report.error_count() as f64)?),
            ];
            Ok(Value::Raw(object(env, &members)?))
        },
    )
}

fn backup(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let (env, fail) = (call.env(), &bound.handle.fail);
    let mut path = Text::default();
    let Ok(path) = call.text(0, &mut path)? else {
        return Err(Error::new(Code::InvalidArgument, "The path has a lone surrogate.").into());
    };
    let path = std::path::PathBuf::from(String::from_utf8_lossy(path).into_owned());
    let map = Arc::clone(&*bound.handle.map()?);
    job(env, fail, move |control| map.backup_with(&path, control), |_, ()| Ok(Value::Undefined))
}

fn close(_call: &mut Call<'_>, bound: &Bound) -> Outcome {
    bound.handle.close()?;
    Ok(Value::Undefined)
}

fn stats(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let env = call.env();
    let stats: Stats = bound.handle.map()?.stats()?;
    let recovery = recovery::report(env, &stats.recovery)?;
    let numbers = [
        ("entries", stats.entries),
        ("shards", stats.shards),
        ("liveBytes", stats.live_bytes),
        ("deadBytes", stats.dead_bytes),
        ("tombstoneBytes", stats.tombstone_bytes),
        ("logBytes", stats.log_bytes),
        ("logBound", stats.log_bound),
        ("emptiedBytes", stats.emptied_bytes),
        ("segments", stats.segments),
        ("largestSegment", stats.largest_segment),
        ("indexBytes", stats.index_bytes),
        ("indexBound", stats.index_bound),
        ("tables", stats.tables),
        ("slots", stats.slots),
        ("extentBytes", stats.extent_bytes),
        ("pins", stats.pins),
        ("pinnedBytes", stats.pinned_bytes),
        ("spareBytes", stats.spare_bytes),
        ("waits", stats.waits),
        ("checkpoints", stats.checkpoints),
        ("instance", stats.instance),
    ];
    let mut members = Vec::with_capacity(numbers.len() + 3);
    for (name, value) in numbers {
        members.push((name, number(env, value as f64)?));
    }
    members.push(("path", text(env, &stats.path)?));
    members.push(("recovery", recovery));
    members.push(("damage", damages(env, stats.damage.list())?));
    Ok(Value::Raw(object(env, &members)?))
}

/// What `attach` takes, in this thread or another.
fn identity(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let env = call.env();
    let identity = bound.handle.map()?.identity()?;
    let members = [
        ("path", text(env, &identity.path.to_string_lossy())?),
        ("device", bigint(env, identity.device)?),
        ("inode", bigint(env, identity.inode)?),
        ("instance", number(env, identity.instance as f64)?),
    ];
    Ok(Value::Raw(object(env, &members)?))
}

fn codecs(call: &mut Call<'_>, handle: &Handle) -> Outcome {
    let env = call.env();
    let map = handle.map()?;
    let (key, value) = map.codecs();
    let members = [
        ("key", text(env, &key.name)?),
        ("keyParam", buffer(env, &key.param)?),
        ("value", text(env, &value.name)?),
        ("valueParam", buffer(env, &value.param)?),
    ];
    Ok(Value::Raw(object(env, &members)?))
}

type Verb = fn(&mut Call<'_>, &Bound) -> Outcome;

/// The verbs for one choice of lanes.
fn verbs(env: napi_env, handle: &Rc<Handle>, key: Lane, value: Lane) -> Result<napi_value, Failure> {
    let bound = Rc::new(Bound { handle: Rc::clone(handle), key, value });
    // Closures of no size, so that each verb gets a trampoline of its own and is called directly.
    macro_rules! members {
        ($($name:literal($args:literal): $verb:ident,)*) => {
            [$(($name, function::<$args, _, _>(env, &bound, &handle.fail, |call: &mut Call<'_>, bound: &Bound| $verb(call, bound))?),)*]
        };
    }
    let _: Verb = get;
    object(
        env,
        &members! {
            "get"(1): get,
            "getAsync"(1): get_async,
            "take"(1): take,
            "has"(1): has,
            "set"(2): set,
            "delete"(1): delete,
            "read"(1): read,
            "swap"(2): swap,
            "swapDelete"(1): swap_delete,
            "compareAndSet"(3): compare_and_set,
            "increment"(2): increment,
            "getMany"(3): get_many,
            "getManyTexts"(3): get_many_texts,
            "getManyFixed"(4): get_many_fixed,
            "hasMany"(3): has_many,
            "setMany"(4): set_many,
            "deleteMany"(2): delete_many,
            "size"(0): size,
            "capacity"(0): capacity,
            "clear"(0): clear,
            "cursor"(0): cursor,
            "textCursor"(2): text_cursor,
            "openViews"(1): open_views,
            "view"(1): view,
            "renewView"(1): renew_view,
            "endView"(1): end_view,
            "nextIdle"(1): next_idle,
            "viewCursor"(0): view_cursor,
            "trackCopy"(1): track_copy,
            "detachCopies"(0): detach_copies,
            "flush"(0): flush,
            "flushSync"(0): flush_sync,
            "compact"(0): compact,
            "verify"(0): verify,
            "backup"(1): backup,
            "stats"(0): stats,
            "identity"(0): identity,
            "close"(0): close,
        },
    )
}

fn bind(call: &mut Call<'_>, handle: &Rc<Handle>) -> Outcome {
    let (Some(key), Some(value)) = (Lane::from_number(call.len(0)?), Lane::from_number(call.len(1)?)) else {
        return Err(Error::new(Code::InvalidArgument, "There is no such lane.").into());
    };
    Ok(Value::Raw(verbs(call.env(), handle, key, value)?))
}

/// What `open` and its like return.
pub fn handle_object(env: napi_env, handle: Rc<Handle>) -> Result<napi_value, Failure> {
    let fail = Rc::clone(&handle.fail);
    let handle = Rc::new(handle);
    let codecs =
        function::<0, _, _>(env, &handle, &fail, |call: &mut Call<'_>, handle: &Rc<Handle>| codecs(call, handle))?;
    let bind = function::<2, _, _>(env, &handle, &fail, |call: &mut Call<'_>, handle: &Rc<Handle>| bind(call, handle))?;
    let recovered = function::<0, _, _>(env, &handle, &fail, |call: &mut Call<'_>, handle: &Rc<Handle>| {
        Ok(match handle.map()?.recovered() {
            Some(report) => Value::Raw(recovery::report(call.env(), report)?),
            None => Value::Undefined,
        })
    })?;
    object(env, &[("codecs", codecs), ("bind", bind), ("recovered", recovered)])
}
