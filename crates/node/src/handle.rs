//! A handle of a map as JavaScript holds it.

use crate::call::{Call, Fail, Failure, LoneSurrogate, Outcome, Text, promise};
use crate::later::{Task, Tasks};
use crate::segment::{Copies, Shared};
use crate::texts::Texts;
use napi::sys::napi_env;
use opendiskmap::{Code, Error, Extent, Map, Windows};
use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// Scratch: key bytes first, value bytes from here on.
pub const VALUE_AT: usize = 64 << 10;
pub const SCRATCH: usize = 128 << 10;
pub const META: usize = 64;
/// Room for a value in the scratch; a longer one waits for `take`.
const VALUE_ROOM: usize = SCRATCH - VALUE_AT;

/// How a key or a value crosses the boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// As a JavaScript string.
    Utf8,
    /// As a `Uint8Array`.
    Bytes,
    /// In the scratch; the argument is the length.
    Packed,
}

impl Lane {
    pub fn from_number(number: usize) -> Option<Lane> {
        [Lane::Utf8, Lane::Bytes, Lane::Packed].get(number).copied()
    }
}

pub struct Handle {
    /// `None` once closed: the face may keep the handle for long, and the files are to be let go at once.
    map: RefCell<Option<Arc<Map>>>,
    pub fail: Rc<Fail>,
    pub scratch: Shared,
    pub meta: Shared,
    /// Kept from call to call for their memory.
    pub key_text: RefCell<Text>,
    pub value_text: RefCell<Text>,
    pub value: RefCell<Vec<u8>>,
    pub texts: RefCell<Texts>,
    /// What was promised and is to be done before the handle ends.
    tasks: RefCell<Tasks>,
    /// What its views show; `None` where all of them copy.
    pub windows: RefCell<Option<Windows>>,
    pub copies: RefCell<Copies>,
}

impl Handle {
    pub fn new(map: Map, fail: Rc<Fail>, scratch: Shared, meta: Shared) -> Handle {
        Handle {
            map: RefCell::new(Some(Arc::new(map))),
            fail,
            scratch,
            meta,
            key_text: RefCell::default(),
            value_text: RefCell::default(),
            value: RefCell::default(),
            texts: RefCell::default(),
            tasks: RefCell::default(),
            windows: RefCell::default(),
            copies: RefCell::default(),
        }
    }

    /// A promise whose work runs on a thread of the pool, and is done before this handle ends.
    pub fn promise<T: Send + 'static>(
        &self,
        env: napi_env,
        run: impl FnOnce(&Map) -> opendiskmap::Result<T> + Send + 'static,
        settle: impl FnOnce(napi_env, T) -> Outcome + 'static,
    ) -> Outcome {
        let map = Arc::clone(&*self.map()?);
        let task = Arc::new(Task::new(move || run(&map)));
        self.tasks.borrow_mut().push(&task);
        promise(env, &self.fail, move || task.result(), settle)
    }

    /// The map, while the handle is open. Not to be held while JavaScript runs.
    #[inline]
    pub fn map(&self) -> Result<Ref<'_, Arc<Map>>, Failure> {
        Ref::filter_map(self.map.borrow(), Option::as_ref).map_err(|_| {
            let closed = "The map is closed. Open it again to use it.";
            Error::new(Code::Closed, closed).into()
        })
    }

    pub fn close(&self) -> opendiskmap::Result<()> {
        let Some(map) = self.map.take() else { return Ok(()) };
        self.tasks.take().finish();
        self.windows.take();
        map.end()
    }

    /// Leaves a value in the scratch, or for `take`, and gives its length.
    pub fn leave(&self, value: &[u8]) -> usize {
        if value.len() <= VALUE_ROOM {
            self.scratch.write(VALUE_AT, value);
        } else {
            let mut long = self.value.borrow_mut();
            long.clear();
            long.extend_from_slice(value);
        }
        value.len()
    }

    /// The same for a value that is still to be read.
    pub fn leave_extent(&self, extent: &Extent<'_>) -> Result<usize, Failure> {
        let mut long = self.value.borrow_mut();
        long.clear();
        extent.append_to(&mut long)?;
        Ok(long.len())
    }

    /// The sequence number that the face and the addon hand to each other; -1 for an absent key.
    pub fn set_meta(&self, seq: Option<u64>) {
        // Sequence numbers have 48 bits: a double holds them exactly.
        let seq = seq.map_or(-1.0, |seq| seq as f64);
        self.set(0, seq);
    }

    /// How far a batch came: bytes or entries of its first argument.
    pub fn set_progress(&self, done: usize) {
        self.set(1, done as f64);
    }

    /// Where a view lies in its window, and the window's number if it is new to the face.
    pub fn set_place(&self, at: usize, len: usize, opened: u32) {
        self.set(2, at as f64);
        self.set(3, len as f64);
        self.set_opened(opened);
    }

    pub fn set_opened(&self, number: u32) {
        self.set(4, f64::from(number));
    }

    /// There may be windows to detach. The face takes it back.
    pub fn set_asked(&self) {
        self.set(5, 1.0);
    }

    /// Of the key that an iteration of views left in the scratch.
    pub fn set_key_length(&self, len: usize) {
        self.set(6, len as f64);
    }

    fn set(&self, index: usize, number: f64) {
        self.meta.write(8 * index, &number.to_ne_bytes());
    }

    pub fn meta(&self) -> Option<u64> {
        let bytes: [u8; 8] = self.meta.read(0, 8).try_into().expect("eight bytes");
        let seq = f64::from_ne_bytes(bytes);
        (seq >= 0.0).then_some(seq as u64)
    }
}

/// The bytes of an argument, by its lane.
pub fn argument<'a>(
    call: &'a Call<'_>,
    index: usize,
    lane: Lane,
    scratch: &'a Shared,
    text: &'a mut Text,
) -> Result<&'a [u8], Failure> {
    match lane {
        Lane::Utf8 => match call.text(index, text)? {
            Ok(bytes) => Ok(bytes),
            Err(LoneSurrogate) => {
                let (code, what) = if index == 0 { (Code::InvalidKey, "key") } else { (Code::InvalidValue, "value") };
                let advice = "holds half of a surrogate pair, which is no character. Use a codec for bytes";
                Err(Error::new(code, format!("The {what} {advice}.")).into())
            }
        },
        Lane::Bytes => call.bytes(index),
        Lane::Packed => {
            let (at, room) = if index == 0 { (0, VALUE_AT) } else { (VALUE_AT, SCRATCH - VALUE_AT) };
            let len = call.len(index)?;
            if len > room {
                return Err(Error::new(Code::TooLarge, "The encoded bytes are longer than the scratch.").into());
            }
            Ok(scratch.read(at, len))
        }
    }
}
