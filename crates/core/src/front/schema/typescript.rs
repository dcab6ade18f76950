//! A schema in the words of the TypeScript face.

use super::name;
use super::parse::parse;
use super::shape::{Payload, Shape};
use crate::{Code, Error, Result};
use std::fmt::Write;

/// Columns of a line, if it can be broken.
const WIDTH: usize = 80;

/// TypeScript source that makes the schema: an expression of the builders `struct`, `array`, `fixed`, `optional`, `tuple`,
/// `pairs` and `variants` of the package, for its `arch`.
///
/// ```
/// # fn main() -> opendiskmap::Result<()> {
/// use opendiskmap::{Schema, typescript};
///
/// #[derive(rkyv::Archive, rkyv::Serialize, Schema)]
/// struct User {
///     id: u32,
///     name: String,
///     scores: Vec<f64>,
///     home: Option<Home>,
///     attributes: Vec<(String, u32)>,
/// }
///
/// #[derive(rkyv::Archive, rkyv::Serialize, Schema)]
/// enum Home {
///     Unknown,
///     City(String),
///     Point { north: f64, east: f64 },
/// }
///
/// let source = format!("export const user = {}\n", typescript(&User::schema()?)?);
/// assert_eq!(
///     source,
///     "export const user = struct({
///   id: 'u32',
///   name: 'string',
///   scores: 'f64[]',
///   home: optional(
///     variants({
///       Unknown: null,
///       City: 'string',
///       Point: { north: 'f64', east: 'f64' },
///     }),
///   ),
///   attributes: pairs('string', 'u32'),
/// })
/// "
/// );
/// # Ok(())
/// # }
/// ```
///
/// The text may also be a stored one: a map opened with [`Map::open`](crate::Map::open) shows it as
/// [`codecs()`](crate::Map::codecs)`.1.param`.
///
/// # Errors
/// `ERR_INVALID_ARGUMENT` for a text that is not a schema, or has what JavaScript cannot tell apart: an option within an
/// option, and a field or variant whose name is a number, which objects do not keep in its place.
pub fn typescript(schema: &str) -> Result<String> {
    let mut source = String::new();
    call(&parse(schema)?)?.write(0, 0, &mut source);
    Ok(source)
}

/// A word, or a word around a list.
struct Term {
    open: String,
    items: Vec<(String, Term)>,
    close: &'static str,
}

impl Term {
    fn word(word: String) -> Self {
        Term { open: word, items: Vec::new(), close: "" }
    }

    fn list(open: &str, items: Vec<Term>, close: &'static str) -> Self {
        Term { open: open.into(), items: items.into_iter().map(|item| (String::new(), item)).collect(), close }
    }

    /// The blank inside braces.
    fn inside(&self) -> &'static str {
        if self.close.starts_with('}') { " " } else { "" }
    }

    fn width(&self) -> usize {
        let items: usize = self.items.iter().map(|(name, item)| name.chars().count() + item.width() + 2).sum();
        let inside = 2 * self.inside().len();
        self.open.chars().count() + (items + inside).saturating_sub(2) + self.close.len()
    }

    /// On one line if it fits behind `before` columns, else an item a line.
    fn write(&self, indent: usize, before: usize, to: &mut String) {
        to.push_str(&self.open);
        // The comma behind it counts.
        let broken = !self.items.is_empty() && before + self.width() + 1 > WIDTH;
        if !broken && !self.items.is_empty() {
            to.push_str(self.inside());
        }
        for (index, (name, item)) in self.items.iter().enumerate() {
            let mut start = 0;
            if broken {
                start = indent + 2;
                to.push('\n');
                to.extend(std::iter::repeat_n(' ', start));
            } else if index > 0 {
                to.push_str(", ");
            }
            to.push_str(name);
            item.write(start, start + name.chars().count(), to);
            if broken {
                to.push(',');
            }
        }
        if broken {
            to.push('\n');
            to.extend(std::iter::repeat_n(' ', indent));
        } else if !self.items.is_empty() {
            to.push_str(self.inside());
        }
        to.push_str(self.close);
    }
}

fn call(shape: &Shape) -> Result<Term> {
    if let Shape::Optional(value) = shape
        && matches!(**value, Shape::Optional(_))
    {
        return Err(cannot(format!("An option within an option ({shape}) has no counterpart in TypeScript")));
    }
    match shape {
        shape if is_short(shape) => Ok(Term::word(format!("'{shape}'"))),
        Shape::Scalar(scalar) => Ok(Term::word(format!("'{}'", scalar.name))),
        Shape::Array(element) => match &**element {
            Shape::Tuple(pair) if pair.len() == 2 => Ok(Term::list("pairs(", calls(pair)?, ")")),
            element => Ok(Term::list("array(", vec![call(element)?], ")")),
        },
        Shape::Fixed(element, count) => {
            Ok(Term::list("fixed(", vec![call(element)?, Term::word(count.to_string())], ")"))
        }
        Shape::Optional(value) => Ok(Term::list("optional(", vec![call(value)?], ")")),
        Shape::Tuple(elements) => Ok(Term::list("tuple(", calls(elements)?, ")")),
        Shape::Struct(fields) => Ok(Term { open: "struct({".into(), items: members(fields)?, close: "})" }),
        Shape::Enum(variants) => {
            let items = variants.iter().map(|(name, payload)| Ok((member(name)?, variant(payload)?)));
            Ok(Term { open: "variants({".into(), items: items.collect::<Result<_>>()?, close: "})" })
        }
    }
}

/// Whether a string says it: a scalar, and what can stand behind one.
fn is_short(shape: &Shape) -> bool {
    match shape {
        Shape::Scalar(_) => true,
        Shape::Array(inner) | Shape::Fixed(inner, _) => is_short(inner),
        Shape::Optional(inner) => is_short(inner) && !matches!(**inner, Shape::Optional(_)),
        _ => false,
    }
}

fn calls(shapes: &[Shape]) -> Result<Vec<Term>> {
    shapes.iter().map(call).collect()
}

fn variant(payload: &Payload) -> Result<Term> {
    match payload {
        Payload::Unit => Ok(Term::word("null".into())),
        Payload::Tuple(elements) => match elements.as_slice() {
            [value] => call(value),
            elements => Ok(Term::list("[", calls(elements)?, "]")),
        },
        Payload::Struct(fields) => Ok(Term { open: "{".into(), items: members(fields)?, close: "}" }),
    }
}

fn members(fields: &[(String, Shape)]) -> Result<Vec<(String, Term)>> {
    fields.iter().map(|(name, field)| Ok((member(name)?, call(field)?))).collect()
}

/// A name and its colon in the braces of an object.
fn member(name: &str) -> Result<String> {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(cannot(format!("A name that is a number ('{name}') loses its place in an object of JavaScript")));
    }
    // Bare or in quotes, this one would set the object's prototype.
    if name == "__proto__" {
        return Ok("['__proto__']: ".into());
    }
    let mut member = String::with_capacity(name.len() + 4);
    // A string takes all that is written to it.
    let _ = match name::is_bare(name) {
        true => member.write_str(name),
        false if name.contains(['\'', '"', '\\']) || name.contains(char::is_control) => name::quote(name, &mut member),
        false => write!(member, "'{name}'"),
    };
    member.push_str(": ");
    Ok(member)
}

fn cannot(why: String) -> Error {
    Error::new(Code::InvalidArgument, format!("{why}. Change the type, or open its maps from Rust only."))
}
