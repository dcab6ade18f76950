//! What an open recovered, and how far a rebuild has come.

use crate::call::{Call, Fail, Failure, Outcome, Value, array, function, number, object, text};
use napi::sys::{napi_env, napi_value};
use opendiskmap::{OpenReport, RebuildProgress};
use std::rc::Rc;
use std::sync::Arc;

/// The report as JavaScript sees it.
pub fn report(env: napi_env, recovery: &OpenReport) -> Result<napi_value, Failure> {
    let mut shards = Vec::with_capacity(recovery.shards.len());
    for shard in &recovery.shards {
        let members = [
            ("kept", number(env, shard.kept as f64)?),
            ("dropped", number(env, shard.dropped as f64)?),
            ("cutBytes", number(env, shard.cut_bytes as f64)?),
        ];
        shards.push(object(env, &members)?);
    }
    object(
        env,
        &[
            ("reason", text(env, recovery.reason.as_str())?),
            ("records", number(env, recovery.records as f64)?),
            ("dropped", number(env, recovery.dropped as f64)?),
            ("shards", array(env, &shards)?),
            ("milliseconds", number(env, recovery.time.as_secs_f64() * 1e3)?),
        ],
    )
}

/// A promise of a map, with a function that tells how far the rebuild has come; undefined as long as there is none.
pub fn opening(env: napi_env, opened: Value, progress: Arc<RebuildProgress>, fail: &Rc<Fail>) -> Outcome {
    let progress =
        function::<0, _, _>(env, &Rc::new(progress), fail, |call: &mut Call<'_>, progress: &Arc<RebuildProgress>| {
            let (env, total) = (call.env(), progress.total_bytes());
            if total == 0 {
                return Ok(Value::Undefined);
            }
            let members =
                [("bytes", number(env, progress.bytes() as f64)?), ("totalBytes", number(env, total as f64)?)];
            Ok(Value::Raw(object(env, &members)?))
        })?;
    let opened = crate::call::give(env, opened);
    Ok(Value::Raw(object(env, &[("opened", opened), ("progress", progress)])?))
}
