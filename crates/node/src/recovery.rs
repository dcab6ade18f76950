//! What an open recovered.

use crate::call::{Failure, array, number, object, text};
use napi::sys::{napi_env, napi_value};
use opendiskmap::OpenReport;

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
