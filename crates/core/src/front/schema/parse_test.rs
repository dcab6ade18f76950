//! One shape has one text: what is written is read as the same shape, and nothing else is taken.

use super::parse::parse;
use super::shape::{Payload, SCALARS, Shape};
use super::{MAX_LEVELS, MAX_TEXT, name, typescript};
use crate::Code;
use proptest::collection::vec;
use proptest::prelude::*;

fn names() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z_$][a-zA-Z0-9_$]{0,6}", 1 => "\\PC{0,6}", 1 => vec(any::<char>(), 0..5).prop_map(String::from_iter)]
}

/// A number at the end makes each name another.
fn named<T: std::fmt::Debug>(parts: impl Strategy<Value = T>, most: usize) -> impl Strategy<Value = Vec<(String, T)>> {
    vec((names(), parts), 1..most).prop_map(|named| {
        let number = |(index, (name, part)): (usize, (String, T))| (format!("{name}{index}"), part);
        named.into_iter().enumerate().map(number).collect()
    })
}

fn array(element: Shape) -> Shape {
    let array = Shape::Array(Box::new(element));
    if array.is_bytes() { parse("bytes").unwrap() } else { array }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let scalar = (0..SCALARS.len()).prop_map(|index| Shape::Scalar(&SCALARS[index]));
    scalar.prop_recursive(8, 60, 5, |inner| {
        let payload = prop_oneof![
            vec(inner.clone(), 1..5).prop_map(Payload::Tuple),
            named(inner.clone(), 5).prop_map(Payload::Struct),
        ];
        let payload = prop::option::of(payload).prop_map(|payload| payload.unwrap_or(Payload::Unit));
        prop_oneof![
            inner.clone().prop_map(array),
            (inner.clone(), 1u32..40).prop_map(|(element, count)| Shape::Fixed(Box::new(element), count)),
            inner.clone().prop_map(|value| Shape::Optional(Box::new(value))),
            vec(inner.clone(), 2..6).prop_map(Shape::Tuple),
            named(inner, 6).prop_map(Shape::Struct),
            named(payload, 6).prop_map(Shape::Enum),
        ]
    })
}

/// What no parser should trip over, made of what it looks for.
fn texts() -> impl Strategy<Value = String> {
    let pieces =
        ["{", "}", "(", ")", "<", ">", "|", ",", ":", "?", "[", "]", "\"", "\\u00", "a", "é", "0", "7", "u8", "bytes"];
    prop_oneof![vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat()), any::<String>()]
}

fn is_read(text: &str) -> bool {
    match parse(text) {
        Ok(shape) => {
            assert_eq!(shape.to_string(), text);
            true
        }
        Err(error) => {
            assert_eq!(error.code(), Code::InvalidArgument);
            false
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_text_says_one_shape_and_a_shape_has_one_text(shape in shapes()) {
        let text = shape.to_string();
        if text.len() <= MAX_TEXT && shape.layout().is_ok_and(|layout| layout.size() <= crate::MAX_VALUE) {
            prop_assert_eq!(parse(&text).unwrap(), shape);
            let _ = typescript(&text);
        }
    }

    #[test]
    fn any_text_is_refused_or_is_what_its_shape_writes(text in texts()) {
        is_read(&text);
    }

    #[test]
    fn a_changed_text_is_refused_or_is_what_its_shape_writes(
        shape in shapes(),
        at in any::<prop::sample::Index>(),
        with in prop::sample::select("{}()<>|,:?[]\"\\ 0u8".chars().collect::<Vec<_>>()),
    ) {
        let mut characters = shape.to_string().chars().collect::<Vec<_>>();
        let at = at.index(characters.len());
        characters[at] = with;
        is_read(&String::from_iter(&characters));
        characters.truncate(at);
        is_read(&String::from_iter(&characters));
    }

    #[test]
    fn a_name_is_read_as_it_was_written(name in names()) {
        let mut text = String::new();
        name::write(&name, &mut text).unwrap();
        match text.starts_with('"') {
            true => prop_assert_eq!(name::unquote(&format!("{text}:u8")), Some((name, text.len()))),
            false => prop_assert_eq!(name, text),
        }
    }
}

#[test]
fn what_says_the_same_in_another_way_is_refused() {
    for text in [
        "u8[]",
        "{a:u8[]}",
        "u8[][]",
        "{\"a\":u8}",
        "{\"\\u00e9\":u8}",
        "{\"\\u000a\":u8}",
        "{\"\\/\":u8}",
        "u8[01]",
        "u8[+1]",
    ] {
        assert!(!is_read(text), "{text}");
    }
    for text in
        ["bytes", "{a:bytes}", "bytes[]", "{a:u8}", "{\"é\":u8}", "{\"\\n\":u8}", "{\"/\":u8}", "u8[1]", "{\"\":u8}"]
    {
        assert!(is_read(text), "{text}");
    }
}

#[test]
fn what_cannot_be_laid_out_is_refused() {
    let refused = [
        "",
        " ",
        "u8 ",
        "U8",
        "u128",
        "char",
        "u8,u8",
        "?",
        "[]",
        "u8[0]",
        "u8[2147483648]",
        "u64[2147483647]",
        "u8[99999999999]",
        "u64[65536][65536]",
        "u8[65536][65536][65536][65536][65536]",
        "u8[",
        "u8[]]",
        "u8[x]",
        "{}",
        "{a}",
        "{a:}",
        "{a:u8",
        "{a:u8,}",
        "{,a:u8}",
        "{a:u8,a:u8}",
        "{a:u8,\"b\":u8}",
        "{1a:u8}",
        "{a-b:u8}",
        "{é:u8}",
        "{\"a:u8}",
        "{\"\\ud800\":u8}",
        "()",
        "(u8)",
        "(u8,)",
        "(u8,u8",
        "(u8,u8}",
        "<>",
        "<a",
        "<a|>",
        "<|a>",
        "<a|a>",
        "<a()>",
        "<a(u8,)>",
        "<a{}>",
        "<a{b:u8,b:u8}>",
        "<a:u8>",
    ];
    for text in refused {
        assert!(!is_read(text), "{text}");
    }
    let many = |count: usize, of: &str, between: &str| vec![of; count].join(between);
    assert!(is_read(&format!("({})", many(12, "u8", ","))) && !is_read(&format!("({})", many(13, "u8", ","))));
    assert!(is_read(&format!("<a({})>", many(12, "u8", ","))) && !is_read(&format!("<a({})>", many(13, "u8", ","))));
    let variants = |count| format!("<{}>", (0..count).map(|number| format!("v{number}")).collect::<Vec<_>>().join("|"));
    assert!(is_read(&variants(256)) && !is_read(&variants(257)));
}

#[test]
fn a_text_has_at_most_64_levels_and_65535_bytes() {
    let wrap = |levels: usize, open: &str, close: &str| [&open.repeat(levels), "u16", &close.repeat(levels)].concat();
    for (open, close) in
        [("", "[]"), ("", "[2]"), ("", "?"), ("{a:", "}"), ("(u8,", ")"), ("<a(", ")>"), ("<a{b:", "}>")]
    {
        // Arrays of two that hold each other are soon longer than any value.
        let most = if close == "[2]" { 29 } else { MAX_LEVELS };
        assert!(is_read(&wrap(most, open, close)), "{open}{close}");
        for levels in [most + 1, 100, 1000, MAX_TEXT / (open.len() + close.len()) - 1, MAX_TEXT] {
            assert!(!is_read(&wrap(levels, open, close)), "{open}{close} {levels}");
        }
    }
    let unclosed = ["{a:", "(", "<a(", "<a{b:"].map(|open| open.repeat(MAX_TEXT / open.len()));
    assert!(unclosed.iter().all(|text| !is_read(text)));
    let long = |length: usize| format!("{{{}:u8}}", "a".repeat(length - 5));
    assert!(is_read(&long(MAX_TEXT)) && !is_read(&long(MAX_TEXT + 1)));
}

#[test]
fn typescript_says_what_is_wrong_with_a_schema_that_it_has_no_words_for() {
    for (text, why) in [
        ("u8??", "option within an option"),
        ("{a:<b(u8??[])>}", "option within an option"),
        ("{a:u8,\"1\":u8}", "number ('1')"),
        ("<\"0\">", "number ('0')"),
        ("{a:u9}", "byte 3"),
    ] {
        let refused = typescript(text).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(why), "{refused}");
    }
}

#[test]
fn typescript_has_a_builder_for_each_shape_and_a_string_where_that_does() {
    for (text, source) in [
        ("u32", "'u32'"),
        ("bytes?", "'bytes?'"),
        ("f64[][3]?", "'f64[][3]?'"),
        ("{a:u8}[]", "array(struct({ a: 'u8' }))"),
        ("(u8,{a:u8}?)[2]", "fixed(tuple('u8', optional(struct({ a: 'u8' }))), 2)"),
        ("(string,(u8,i8)[])[]", "pairs('string', pairs('u8', 'i8'))"),
        ("(u8,u8,u8)[]?", "optional(array(tuple('u8', 'u8', 'u8')))"),
        (
            "<none|one(u8)|two(u8,string[])|pair((u8,u8))|in({a:u8})|at{x:f64,y:f64}>",
            "variants({\n  none: null,\n  one: 'u8',\n  two: ['u8', 'string[]'],\n  pair: tuple('u8', 'u8'),\n  in: struct({ a: 'u8' }),\n  at: { x: 'f64', y: 'f64' },\n})",
        ),
        (
            "{_$:u8,__proto__:u8,\"e-mail\":u8,\"it's\":u8,\"\":u8,\"größe\":u8,\"1a\":u8}",
            "struct({\n  _$: 'u8',\n  ['__proto__']: 'u8',\n  'e-mail': 'u8',\n  \"it's\": 'u8',\n  '': 'u8',\n  'größe': 'u8',\n  '1a': 'u8',\n})",
        ),
    ] {
        assert_eq!(typescript(text).unwrap(), source, "{text}");
    }
}
