//! Writing a schema's text.

use super::{MAX_LEVELS, MAX_TEXT, Schema, name};
use crate::{Code, Error, Result};
use std::any::type_name;

/// Writes the text of a part: a type's [`Schema::describe`].
type Describe = fn(&mut SchemaText);

/// What a [`Schema`] is written to, piece by piece. It takes at most 65,535 bytes and 64 levels; what comes then is not
/// written, and the schema is refused as a whole.
#[derive(Debug, Default)]
pub struct SchemaText {
    text: String,
    /// The level that is being written.
    level: usize,
    deepest: usize,
    full: bool,
}

/// What a variant of an enum holds.
#[derive(Clone, Copy, Debug)]
pub enum Variant<'a> {
    /// Nothing.
    Unit,
    /// Elements without names.
    Tuple(&'a [Describe]),
    /// Fields.
    Struct(&'a [(&'a str, Describe)]),
}

impl SchemaText {
    /// A word that stands for a whole type.
    pub fn word(&mut self, word: &str) {
        self.deepest = self.deepest.max(self.level);
        self.push(word);
    }

    /// `T[]`, which is `bytes` for `u8`.
    pub fn array(&mut self, element: Describe) {
        let (start, deepest) = (self.text.len(), self.deepest);
        self.nested(|text| {
            element(text);
            text.push("[]");
        });
        // By the text and not by the type, so that a type which is archived like u8 counts as one. The word is no level.
        if self.text.get(start..) == Some("u8[]") {
            self.text.truncate(start);
            self.deepest = deepest;
            self.word("bytes");
        }
    }

    /// `T[n]`.
    pub fn fixed(&mut self, element: Describe, count: usize) {
        self.nested(|text| {
            element(text);
            text.push(&format!("[{count}]"));
        });
    }

    /// `T?`.
    pub fn optional(&mut self, value: Describe) {
        self.nested(|text| {
            value(text);
            text.push("?");
        });
    }

    /// `(T,U)`.
    pub fn tuple(&mut self, elements: &[Describe]) {
        self.nested(|text| text.elements(elements));
    }

    /// `{name:T}`.
    pub fn structure(&mut self, fields: &[(&str, Describe)]) {
        self.nested(|text| text.fields(fields));
    }

    /// `<None|Some(T)>`.
    pub fn variants(&mut self, variants: &[(&str, Variant<'_>)]) {
        self.nested(|text| {
            for (index, (name, variant)) in variants.iter().enumerate() {
                text.push(if index == 0 { "<" } else { "|" });
                text.name(name);
                match variant {
                    Variant::Unit => {}
                    Variant::Tuple(elements) => text.elements(elements),
                    Variant::Struct(fields) => text.fields(fields),
                }
            }
            text.push(">");
        });
    }

    fn elements(&mut self, elements: &[Describe]) {
        for (index, element) in elements.iter().enumerate() {
            self.push(if index == 0 { "(" } else { "," });
            element(self);
        }
        self.push(")");
    }

    fn fields(&mut self, fields: &[(&str, Describe)]) {
        for (index, (name, field)) in fields.iter().enumerate() {
            self.push(if index == 0 { "{" } else { "," });
            self.name(name);
            self.push(":");
            field(self);
        }
        self.push("}");
    }

    fn name(&mut self, name: &str) {
        let mut written = String::with_capacity(name.len());
        // A string takes all that is written to it.
        let _ = name::write(name, &mut written);
        self.push(&written);
    }

    /// Stops where it is too deep, or full: a type that contains itself would have no end.
    fn nested(&mut self, inside: impl FnOnce(&mut Self)) {
        // One more than there may be: an array of u8 turns out to be none.
        if self.full || self.level > MAX_LEVELS {
            self.deepest = self.deepest.max(self.level);
            self.full = true;
            return;
        }
        self.level += 1;
        self.deepest = self.deepest.max(self.level);
        inside(self);
        self.level -= 1;
    }

    fn push(&mut self, text: &str) {
        self.full |= self.text.len() + text.len() > MAX_TEXT;
        if !self.full {
            self.text.push_str(text);
        }
    }
}

/// A type's text, if it can be stored.
pub(super) fn of<T: Schema + ?Sized>() -> Result<String> {
    let mut text = SchemaText::default();
    T::describe(&mut text);
    let invalid =
        |why: String| Err(Error::new(Code::InvalidArgument, format!("The schema of {} {why}", type_name::<T>())));
    if text.deepest > MAX_LEVELS {
        return invalid(format!(
            "is deeper than {MAX_LEVELS} levels. A type that contains itself needs a Schema that is written by hand."
        ));
    }
    if text.full {
        return invalid(format!(
            "is longer than {MAX_TEXT} bytes. Write its Schema by hand, with a word that stands for it."
        ));
    }
    if text.text.is_empty() {
        return invalid("is empty. Write at least a word to it.".into());
    }
    Ok(text.text)
}
