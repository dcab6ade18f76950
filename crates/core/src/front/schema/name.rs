//! Names of fields and variants in a schema's text: bare where they are plain, else as in JSON.

use std::fmt::{self, Write};

/// Whether a name stands without quotes, as it does in TypeScript.
pub(super) fn is_bare(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, '_' | '$'));
    first && characters.all(is_of_bare)
}

pub(super) fn is_of_bare(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '$')
}

pub(super) fn write(name: &str, to: &mut impl Write) -> fmt::Result {
    if is_bare(name) { to.write_str(name) } else { quote(name, to) }
}

/// As `JSON.stringify` does.
pub(super) fn quote(name: &str, to: &mut impl Write) -> fmt::Result {
    to.write_char('"')?;
    for character in name.chars() {
        match character {
            '"' => to.write_str("\\\"")?,
            '\\' => to.write_str("\\\\")?,
            '\u{8}' => to.write_str("\\b")?,
            '\u{c}' => to.write_str("\\f")?,
            '\n' => to.write_str("\\n")?,
            '\r' => to.write_str("\\r")?,
            '\t' => to.write_str("\\t")?,
            '\0'..' ' => write!(to, "\\u{:04x}", u32::from(character))?,
            _ => to.write_char(character)?,
        }
    }
    to.write_char('"')
}

/// The name that stands in quotes at the start of a text, and the length of what [`quote`] makes of it. No other way to
/// write it is taken, for then two texts would say the same.
pub(super) fn unquote(text: &str) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut characters = text.strip_prefix('"')?.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => name.push(match characters.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits = characters.as_str().get(..4)?;
                    characters = characters.as_str()[4..].chars();
                    char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
                }
                itself => itself,
            }),
            character => name.push(character),
        }
    }
    let length = text.len() - characters.as_str().len();
    let mut again = String::with_capacity(length);
    quote(&name, &mut again).ok()?;
    (again == text[..length] && !is_bare(&name)).then_some((name, length))
}
