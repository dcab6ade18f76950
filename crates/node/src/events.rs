//! What happens to the maps of an environment, on its way to the channels of its JavaScript.

use crate::call::{Fail, Failure, Outcome, Value, array, number, object, text};
use crate::segment::{Asked, asker};
use napi::sys::{napi_env, napi_value};
use opendiskmap::{Event, Told};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

pub use crate::segment::events as of;

/// Has `relay` called in this environment when there is something to take.
pub fn listen(env: napi_env, relay: napi_value) -> Result<(), Failure> {
    of(env)?.listen(asker(env, Asked::Events, relay)?);
    Ok(())
}

/// An array of `{ kind, path, instance, time, missed }` and what each kind has besides.
pub fn take(env: napi_env, fail: &Rc<Fail>) -> Outcome {
    let told = of(env)?.take();
    let messages = told.iter().map(|told| message(env, fail, told)).collect::<Result<Vec<_>, _>>()?;
    Ok(Value::Raw(array(env, &messages)?))
}

fn message(env: napi_env, fail: &Fail, told: &Told) -> Result<napi_value, Failure> {
    let count = |count: u64| number(env, count as f64);
    let milliseconds = |time: Duration| number(env, time.as_secs_f64() * 1e3);
    // A clock may stand before 1970.
    let time = told.time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut members = vec![
        ("kind", text(env, told.event.kind())?),
        ("path", text(env, &told.path.to_string_lossy())?),
        ("instance", count(told.instance)?),
        ("time", count(time.as_millis() as u64)?),
        ("missed", count(told.missed)?),
    ];
    match &told.event {
        Event::Flush { duration, bytes, files } => {
            members.extend([
                ("duration", milliseconds(*duration)?),
                ("bytes", count(*bytes)?),
                ("files", count(*files)?),
            ]);
        }
        Event::Recovery(recovery) => {
            members.extend([
                ("duration", milliseconds(recovery.time)?),
                ("reason", text(env, recovery.reason.as_str())?),
                ("records", count(recovery.records)?),
                ("dropped", count(recovery.dropped)?),
            ]);
        }
        Event::Mended { shard, duration, records } => {
            members.extend([
                ("duration", milliseconds(*duration)?),
                ("reason", text(env, "mended")?),
                ("records", count(*records)?),
                ("dropped", count(0)?),
                ("shard", count((*shard).into())?),
            ]);
        }
        Event::Compaction { shard, duration, bytes, moved } => {
            members.extend([
                ("duration", milliseconds(*duration)?),
                ("bytes", count(*bytes)?),
                ("moved", count(*moved)?),
                ("shard", count((*shard).into())?),
            ]);
        }
        Event::Growth { shard, duration, bytes, file } => {
            members.extend([
                ("duration", milliseconds(*duration)?),
                ("bytes", count(*bytes)?),
                ("file", text(env, file.as_str())?),
            ]);
            if let Some(shard) = shard {
                members.push(("shard", count((*shard).into())?));
            }
        }
        Event::Failure { doing, error, read_only } => {
            members.extend([
                ("error", fail.make(env, error)),
                ("doing", text(env, doing.as_str())?),
                ("readOnly", crate::call::give(env, Value::Bool(*read_only))),
            ]);
        }
        _ => {}
    }
    object(env, &members)
}
