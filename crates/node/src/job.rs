//! Long calls of JavaScript: a promise, and with it the functions that watch the work and call it off.

use crate::call::{Call, Fail, Failure, Outcome, Value, array, buffer, function, number, object, promise, text};
use napi::sys::{napi_env, napi_value};
use opendiskmap::{Control, Damage};
use std::rc::Rc;
use std::sync::Arc;

/// `{ promise, progress(), total(), cancel() }` of work on a thread of the pool; what it gives, `settle` makes a value of.
pub fn job<T: Send + 'static>(
    env: napi_env,
    fail: &Rc<Fail>,
    run: impl FnOnce(&Arc<Control>) -> opendiskmap::Result<T> + Send + 'static,
    settle: impl FnOnce(napi_env, T) -> Outcome + 'static,
) -> Outcome {
    let control = Arc::new(Control::default());
    let watched = Arc::clone(&control);
    let Value::Raw(promise) = promise(env, fail, move || run(&watched), settle)? else { return Ok(Value::Undefined) };
    let control = Rc::new(control);
    let progress = function::<0, _, _>(env, &control, fail, |_: &mut Call<'_>, control: &Arc<Control>| {
        Ok(Value::Number(control.done() as f64))
    })?;
    let total = function::<0, _, _>(env, &control, fail, |_: &mut Call<'_>, control: &Arc<Control>| {
        Ok(Value::Number(control.total() as f64))
    })?;
    let cancel = function::<0, _, _>(env, &control, fail, |_: &mut Call<'_>, control: &Arc<Control>| {
        control.cancel();
        Ok(Value::Undefined)
    })?;
    let members = [("promise", promise), ("progress", progress), ("total", total), ("cancel", cancel)];
    Ok(Value::Raw(object(env, &members)?))
}

/// Damages as an array of `{ code, file, offset, key? }`, keys as they are stored.
pub fn damages(env: napi_env, list: &[Damage]) -> Result<napi_value, Failure> {
    let mut values = Vec::with_capacity(list.len());
    for damage in list {
        let mut members = vec![
            ("code", text(env, damage.code.as_str())?),
            ("file", text(env, &damage.file)?),
            ("offset", number(env, damage.offset as f64)?),
        ];
        if let Some(key) = &damage.key {
            members.push(("key", buffer(env, key)?));
        }
        values.push(object(env, &members)?);
    }
    array(env, &values)
}
