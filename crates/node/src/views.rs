//! The verbs of views: where a value lies, in a window that JavaScript has as an ArrayBuffer.

use crate::call::{Call, Outcome, Value, function};
use crate::handle::Handle;
use crate::segment::{Asked, array_buffer, asker};
use crate::verbs::{Bound, MISS};
use napi::sys::napi_env;
use opendiskmap::{Sight, ViewCursor, Windows};
use std::cell::RefCell;
use std::rc::Rc;

/// The value was left to be copied; its length is in the place of a view's.
const COPIED: f64 = -2.0;
/// V8 takes no such memory, against what it said at first: the key is to be read.
const REFUSED: f64 = -3.0;

/// From now on views show the files. The argument is called, soon after, when something was freed that they may show.
pub fn open_views(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let ask = asker(call.env(), Asked::Windows, call.raw(0))?;
    let windows = bound.handle.map()?.windows(ask)?;
    bound.handle.windows.borrow_mut().get_or_insert(windows);
    Ok(Value::Undefined)
}

/// The number of the window that shows the key's value, or the ArrayBuffer of one that was made for it.
pub fn view(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let handle = &bound.handle;
    let map = handle.map()?;
    let mut windows = handle.windows.borrow_mut();
    let seen = |windows: Option<&mut Windows>| -> Outcome {
        let mut len = 0;
        let sight = bound.with_key(call, |key| Ok(map.view(key, windows, &mut |bytes| len = handle.leave(bytes))?))?;
        match sight {
            Some(sight) => show(call.env(), handle, sight, len),
            None => Ok(Value::Number(MISS)),
        }
    };
    let Some(windows) = windows.as_mut() else { return seen(None) };
    match seen(Some(windows))? {
        Value::Number(REFUSED) => seen(None),
        value => {
            if windows.is_asked() {
                handle.set_asked();
            }
            Ok(value)
        }
    }
}

fn show(env: napi_env, handle: &Handle, sight: Sight<'_>, copied: usize) -> Outcome {
    Ok(match sight {
        Sight::Window { number, at, len } => {
            handle.set_place(at, len, 0);
            Value::Number(f64::from(number))
        }
        Sight::Opened { number, window, at, len } => match array_buffer(env, window) {
            Some(buffer) => {
                handle.set_place(at, len, number);
                Value::Raw(buffer)
            }
            None => Value::Number(REFUSED),
        },
        Sight::Shown => {
            handle.set_place(0, copied, 0);
            Value::Number(COPIED)
        }
        Sight::Extent(extent) => {
            handle.set_place(0, handle.leave_extent(&extent)?, 0);
            Value::Number(COPIED)
        }
    })
}

/// Another ArrayBuffer for a window whose own the face has lost; undefined where there is none.
pub fn renew_view(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let number = call.len(0)? as u32;
    let mut windows = bound.handle.windows.borrow_mut();
    let renewed = windows.as_mut().and_then(|windows| windows.renew(number));
    let Some((number, window)) = renewed else { return Ok(Value::Undefined) };
    bound.handle.set_opened(number);
    Ok(array_buffer(call.env(), window).map_or(Value::Undefined, Value::Raw))
}

/// Whether the window is to be detached now that one less looks through it.
pub fn end_view(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let number = call.len(0)? as u32;
    Ok(Value::Bool(bound.handle.windows.borrow().as_ref().is_some_and(|windows| windows.look_away(number))))
}

/// The next window from a number on that is to be detached; -1 if there is none.
pub fn next_idle(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let from = call.len(0)? as u32;
    let idle = bound.handle.windows.borrow().as_ref().and_then(|windows| windows.next_idle(from));
    Ok(Value::Number(idle.map_or(-1.0, f64::from)))
}

/// Remembers an ArrayBuffer that views are copied to.
pub fn track_copy(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    bound.handle.copies.borrow_mut().track(call.env(), call.raw(0));
    Ok(Value::Undefined)
}

/// Leaves all of these with length 0.
pub fn detach_copies(_call: &mut Call<'_>, bound: &Bound) -> Outcome {
    bound.handle.copies.borrow_mut().detach();
    Ok(Value::Undefined)
}

struct Iteration {
    handle: Rc<Handle>,
    cursor: RefCell<ViewCursor>,
}

/// An iteration: a function that goes one entry on, and gives what `view` does; the key is left in the scratch.
pub fn view_cursor(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let iteration = Iteration { handle: Rc::clone(&bound.handle), cursor: RefCell::default() };
    Ok(Value::Raw(function::<0, _, _>(call.env(), &Rc::new(iteration), &bound.handle.fail, next_view)?))
}

fn next_view(call: &mut Call<'_>, iteration: &Iteration) -> Outcome {
    let handle = &iteration.handle;
    let map = handle.map()?;
    let mut windows = handle.windows.borrow_mut();
    let (mut key_len, mut len) = (0, 0);
    let next = iteration.cursor.borrow_mut().next(
        &map,
        windows.as_mut(),
        &mut |key| {
            handle.scratch.write(0, key);
            key_len = key.len();
        },
        &mut |bytes| len = handle.leave(bytes),
    )?;
    let Some(sight) = next else { return Ok(Value::Number(MISS)) };
    let shown = show(call.env(), handle, sight, len)?;
    handle.set_key_length(key_len);
    Ok(shown)
}
