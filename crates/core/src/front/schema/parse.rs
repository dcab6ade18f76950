//! Reading a schema's text. Only what [`SchemaText`](super::SchemaText) writes is taken, so that one shape has one text.

use super::shape::{Payload, SCALARS, Shape};
use super::{MAX_LEVELS, MAX_TEXT, MAX_TUPLE, MAX_VARIANTS, name};
use crate::{Code, Error, MAX_VALUE, Result};
use std::collections::HashSet;

/// # Errors
/// `ERR_INVALID_ARGUMENT`, with the place in the text where it stops being a schema.
pub(super) fn parse(text: &str) -> Result<Shape> {
    if text.len() > MAX_TEXT {
        return Err(invalid(format!("The schema has {} bytes; it can have at most {MAX_TEXT}.", text.len())));
    }
    let mut reader = Reader { text, at: 0, open: 0 };
    let read = reader.shape().and_then(|shape| match reader.peek() {
        None => Ok(shape),
        Some(_) => Err("the end was expected".into()),
    });
    let shape = read.map_err(|why| invalid(format!("The schema cannot be read from byte {} on: {why}.", reader.at)))?;
    if shape.levels() > MAX_LEVELS {
        return Err(invalid(too_deep()));
    }
    match shape.layout() {
        Ok(layout) if layout.size() <= MAX_VALUE => Ok(shape),
        _ => Err(invalid(format!("The schema asks for more than the {MAX_VALUE} bytes that a value can have."))),
    }
}

fn invalid(message: String) -> Error {
    Error::new(Code::InvalidArgument, message)
}

fn too_deep() -> String {
    format!("The schema is deeper than {MAX_LEVELS} levels.")
}

/// What is wrong where the reader stands.
type Read<T> = Result<T, String>;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Brackets that are open. They bound how deep the reader goes; what stands behind a shape does not.
    open: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.rest().bytes().next()
    }

    fn takes(&mut self, mark: u8) -> bool {
        let there = self.peek() == Some(mark);
        self.at += usize::from(there);
        there
    }

    /// As many as the condition holds for.
    fn run(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let run = &rest[..rest.find(|character| !of(character)).unwrap_or(rest.len())];
        self.at += run.len();
        run
    }

    fn shape(&mut self) -> Read<Shape> {
        let mut shape = match self.peek() {
            Some(b'{') => self.bracket(Self::fields).map(Shape::Struct)?,
            Some(b'<') => self.bracket(Self::variants).map(Shape::Enum)?,
            Some(b'(') => {
                let elements = self.bracket(Self::elements)?;
                if elements.len() < 2 {
                    return Err(format!("a tuple has 2 to {MAX_TUPLE} elements"));
                }
                Shape::Tuple(elements)
            }
            _ => self.scalar()?,
        };
        for _ in 0..=MAX_LEVELS {
            shape = match self.peek() {
                Some(b'?') => {
                    self.at += 1;
                    Shape::Optional(Box::new(shape))
                }
                Some(b'[') => self.array(shape)?,
                _ => return Ok(shape),
            };
        }
        Err(too_deep())
    }

    fn bracket<T>(&mut self, inside: fn(&mut Self) -> Read<T>) -> Read<T> {
        if self.open == MAX_LEVELS {
            return Err(too_deep());
        }
        (self.open, self.at) = (self.open + 1, self.at + 1);
        let read = inside(self)?;
        self.open -= 1;
        Ok(read)
    }

    fn scalar(&mut self) -> Read<Shape> {
        let start = self.at;
        let word = self.run(|character| character.is_ascii_alphanumeric());
        let known = SCALARS.iter().find(|scalar| scalar.name == word);
        known.map(Shape::Scalar).ok_or_else(|| {
            self.at = start;
            format!("no type is called '{}'", word.chars().take(40).collect::<String>())
        })
    }

    fn array(&mut self, element: Shape) -> Read<Shape> {
        let start = self.at;
        self.at += 1;
        let digits = self.run(|character| character.is_ascii_digit());
        if !self.takes(b']') {
            return Err("a ] was expected".into());
        }
        if digits.is_empty() {
            let array = Shape::Array(Box::new(element));
            return if array.is_bytes() { Err("u8[] is written as bytes".into()) } else { Ok(array) };
        }
        let count = digits.parse::<u32>().ok().filter(|&count| count > 0 && count as usize <= MAX_VALUE);
        match count {
            Some(count) if !digits.starts_with('0') => Ok(Shape::Fixed(Box::new(element), count)),
            _ => {
                self.at = start;
                Err(format!("an array has 1 to {MAX_VALUE} elements, in decimal digits without leading zeros"))
            }
        }
    }

    fn elements(&mut self) -> Read<Vec<Shape>> {
        let mut elements = vec![self.shape()?];
        while self.takes(b',') {
            if elements.len() == MAX_TUPLE {
                return Err(format!("a tuple has at most {MAX_TUPLE} elements"));
            }
            elements.push(self.shape()?);
        }
        if self.takes(b')') { Ok(elements) } else { Err("a , or ) was expected".into()) }
    }

    fn fields(&mut self) -> Read<Vec<(String, Shape)>> {
        let (mut fields, mut names) = (Vec::new(), HashSet::new());
        loop {
            let name = self.name(&mut names)?;
            if !self.takes(b':') {
                return Err("a : was expected".into());
            }
            fields.push((name, self.shape()?));
            if self.takes(b'}') {
                return Ok(fields);
            }
            if !self.takes(b',') {
                return Err("a , or } was expected".into());
            }
        }
    }

    fn variants(&mut self) -> Read<Vec<(String, Payload)>> {
        let (mut variants, mut names) = (Vec::new(), HashSet::new());
        loop {
            if variants.len() == MAX_VARIANTS {
                return Err(format!("an enum has at most {MAX_VARIANTS} variants"));
            }
            let name = self.name(&mut names)?;
            // Its brackets are no level of their own.
            let payload = match self.peek() {
                Some(b'(') => {
                    self.at += 1;
                    Payload::Tuple(self.elements()?)
                }
                Some(b'{') => {
                    self.at += 1;
                    Payload::Struct(self.fields()?)
                }
                _ => Payload::Unit,
            };
            variants.push((name, payload));
            if self.takes(b'>') {
                return Ok(variants);
            }
            if !self.takes(b'|') {
                return Err("a | or > was expected".into());
            }
        }
    }

    fn name(&mut self, names: &mut HashSet<String>) -> Read<String> {
        let start = self.at;
        let name = match self.peek() {
            Some(b'"') => {
                let (name, length) = name::unquote(self.rest())
                    .ok_or("a name in quotes is written as JSON.stringify does, and only where it needs them")?;
                self.at += length;
                name
            }
            _ => self.run(name::is_of_bare).to_owned(),
        };
        let named = start < self.at && (self.text.as_bytes()[start] == b'"' || name::is_bare(&name));
        if named && names.insert(name.clone()) {
            return Ok(name);
        }
        self.at = start;
        Err(if named { format!("the name {name:?} stands there twice") } else { "a name was expected".into() })
    }
}
