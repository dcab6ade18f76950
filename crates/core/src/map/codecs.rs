//! The codecs that a map is opened with, beside those that it was made with.

use super::options::Options;
use crate::layout::checkpoint::Codec;
use crate::{Code, Error, Result};

/// A parameter of up to so many bytes is shown as a whole.
const WHOLE: usize = 400;

/// What is shown of a longer one, before and behind the first difference.
const BEFORE: usize = 80;
const BEHIND: usize = 160;

pub(super) fn check(options: &Options, key: &Codec, value: &Codec) -> Result<()> {
    for (what, stated, stored) in [("key", &options.key_codec, key), ("value", &options.value_codec, value)] {
        if let Some(stated) = stated
            && stated != stored
        {
            return Err(Error::new(Code::CodecMismatch, mismatch(what, stored, stated)));
        }
    }
    Ok(())
}

fn mismatch(what: &str, stored: &Codec, stated: &Codec) -> String {
    let same = stored.param.iter().zip(&stated.param).take_while(|(stored, stated)| stored == stated).count();
    // Where neither has one there is nothing to say of it.
    let shown = |codec: &Codec| match stored.param.is_empty() && stated.param.is_empty() {
        true => format!("'{}'", codec.name),
        false => format!("'{}' and {}", codec.name, parameter(&codec.param, same)),
    };
    format!(
        "The map's {what}s are stored with the codec {}; it was opened with {}. Open it with the stored one; to have another, copy its \
         entries into a new map.",
        shown(stored),
        shown(stated)
    )
}

/// With quotes if it is a text; of a long one what is around its first difference from the other.
fn parameter(param: &[u8], same: usize) -> String {
    match std::str::from_utf8(param) {
        _ if param.is_empty() => "no parameter".into(),
        Ok(text) if !text.contains(char::is_control) => format!("the parameter '{}'", excerpt(text, same)),
        _ => format!("a parameter of {} bytes", param.len()),
    }
}

fn excerpt(text: &str, around: usize) -> String {
    if text.len() <= WHOLE {
        return text.into();
    }
    let start = boundary(text, around.saturating_sub(BEFORE));
    let end = boundary(text, (around + BEHIND).min(text.len()));
    let cut = |is: bool| if is { "…" } else { "" };
    format!("{}{}{}", cut(start > 0), &text[start..end], cut(end < text.len()))
}

/// The nearest place before this one at which a character begins or the text ends.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stored: (&str, &[u8]), stated: (&str, &[u8])) -> String {
        let codec = |(name, param): (&str, &[u8])| Codec { name: name.into(), param: param.into() };
        let options = Options { value_codec: Some(codec(stated)), ..Options::default() };
        let refused = check(&options, &Codec::named("str"), &codec(stored)).unwrap_err();
        assert_eq!(refused.code(), Code::CodecMismatch);
        let told = refused.message().strip_prefix("The map's values are stored with the codec ").unwrap();
        let advice = ". Open it with the stored one; to have another, copy its entries into a new map.";
        told.strip_suffix(advice).unwrap().into()
    }

    #[test]
    fn a_mismatch_shows_both_names_and_both_texts() {
        assert_eq!(told(("str", b""), ("json", b"")), "'str'; it was opened with 'json'");
        assert_eq!(
            told(("arch", b"{id:u32}"), ("arch", b"{id:u64}")),
            "'arch' and the parameter '{id:u32}'; it was opened with 'arch' and the parameter '{id:u64}'"
        );
        assert_eq!(
            told(("arch", "{\"größe\":u8}".as_bytes()), ("json", b"")),
            "'arch' and the parameter '{\"größe\":u8}'; it was opened with 'json' and no parameter"
        );
    }

    #[test]
    fn of_a_parameter_that_is_no_text_a_mismatch_shows_the_length() {
        assert_eq!(
            told(("mine", &[1, 2]), ("mine", b"\xff")),
            "'mine' and a parameter of 2 bytes; it was opened with 'mine' and a parameter of 1 bytes"
        );
        assert!(told(("mine", b"a\nb"), ("mine", b"a")).contains("a parameter of 3 bytes"));
    }

    #[test]
    fn of_long_parameters_a_mismatch_shows_the_first_difference() {
        let fields = |changed: usize| {
            let field = |number: usize| format!("größe{number}:{}", if number == changed { "u64" } else { "u32" });
            (0..5000).map(field).collect::<Vec<_>>().join(",")
        };
        let before = fields(usize::MAX);
        for changed in [0, 1, 5, 2500, 4999] {
            let after = fields(changed);
            let told = told(("arch", before.as_bytes()), ("arch", after.as_bytes()));
            assert!(told.len() < 800, "{told}");
            let (stored, stated) = told.split_once("; it was opened with ").unwrap();
            assert!(stored.contains(&format!("größe{changed}:u32")), "{told}");
            assert!(stated.contains(&format!("größe{changed}:u64")), "{told}");
            assert_eq!(told.contains("'…"), changed > 5, "{told}");
            assert_eq!(told.contains("…'"), changed < 4999, "{told}");
        }
        // A short one beside a long one is whole.
        let told = told(("arch", before.as_bytes()), ("arch", b"u8"));
        assert!(told.contains("'größe0:u32,") && told.ends_with("the parameter 'u8'"), "{told}");
    }
}
