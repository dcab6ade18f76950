//! Iterations: pages of entries, as bytes or as strings.

use crate::call::{Call, Failure, Outcome, Value, function};
use crate::handle::Handle;
use crate::texts::Strings;
use crate::verbs::Bound;
use opendiskmap::{Code, Cursor, Error, Page};
use std::cell::RefCell;
use std::rc::Rc;

/// An iteration: the page that was read last, and how much of it JavaScript has.
struct Iteration {
    handle: Rc<Handle>,
    cursor: Cursor,
    page: Page,
    given: usize,
}

impl Iteration {
    fn of(bound: &Bound) -> Result<Iteration, Failure> {
        let handle = Rc::clone(&bound.handle);
        let cursor = handle.map()?.cursor();
        Ok(Iteration { handle, cursor, page: Page::default(), given: 0 })
    }

    /// Sees to it that the page has entries that were not given yet; `false`: there are no more.
    fn turn(&mut self) -> Result<bool, Failure> {
        // Asked also where entries are at hand: a closed map gives none.
        let map = self.handle.map()?;
        if self.given < self.page.len() {
            return Ok(true);
        }
        self.given = 0;
        let more = self.cursor.next(&map, &mut self.page)?;
        if !more {
            self.page = Page::default();
        }
        Ok(more)
    }
}

pub fn cursor(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let iteration = Rc::new(RefCell::new(Iteration::of(bound)?));
    Ok(Value::Raw(function::<1, _, _>(call.env(), &iteration, &bound.handle.fail, |call, iteration| {
        next_page(call, &mut iteration.borrow_mut())
    })?))
}

/// Packs entries into the target as `u32` key length, `u32` value length, key, value.
fn next_page(call: &mut Call<'_>, iteration: &mut Iteration) -> Outcome {
    if !iteration.turn()? {
        return Ok(Value::Number(0.0));
    }
    let target = call.bytes_mut(0)?;
    let mut used = 0;
    for (key, value) in iteration.page.iter_from(iteration.given) {
        let len = 8 + key.len() + value.len();
        if len > target.len() - used {
            if used == 0 {
                return Ok(Value::Number(-(len as f64)));
            }
            break;
        }
        let (head, rest) = target[used..used + len].split_at_mut(8);
        head[..4].copy_from_slice(&(key.len() as u32).to_le_bytes());
        head[4..].copy_from_slice(&(value.len() as u32).to_le_bytes());
        rest[..key.len()].copy_from_slice(key);
        rest[key.len()..].copy_from_slice(value);
        used += len;
        iteration.given += 1;
    }
    Ok(Value::Number(used as f64))
}

/// Which strings of an entry an iteration gives; the numbers are the face's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Keys,
    Values,
    Entries,
}

/// As `cursor`, for a map whose keys and values are text: a function that gives them as arrays, an entry's key before its
/// value.
pub fn text_cursor(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let Some(&part) = [Part::Keys, Part::Values, Part::Entries].get(call.len(0)?) else {
        return Err(Error::new(Code::InvalidArgument, "There is no such part of an entry.").into());
    };
    let iteration = Rc::new(RefCell::new(Iteration::of(bound)?));
    Ok(Value::Raw(function::<1, _, _>(call.env(), &iteration, &bound.handle.fail, move |call, iteration| {
        next_texts(call, &mut iteration.borrow_mut(), part)
    })?))
}

/// The next strings; none at the end.
fn next_texts(call: &mut Call<'_>, iteration: &mut Iteration, part: Part) -> Outcome {
    if !iteration.turn()? {
        return Ok(Value::Undefined);
    }
    // The page is a copy, and nothing of the map is held.
    let mut strings = Strings::new(call.env())?;
    for (key, value) in iteration.page.iter_from(iteration.given) {
        if !strings.has_room(2) {
            break;
        }
        if part != Part::Values {
            strings.push(Some(key))?;
        }
        if part != Part::Keys {
            strings.push(Some(value))?;
        }
        iteration.given += 1;
    }
    strings.give(call, 0)
}
