//! What a schema cannot say is refused by a sentence that names the reason.

use crate::describe::implement;

fn refused(source: &str) -> String {
    let input = syn::parse_str(source).unwrap();
    implement(&input).expect_err(source).to_string()
}

fn taken(source: &str) -> String {
    let input = syn::parse_str(source).unwrap();
    implement(&input).expect(source).to_string()
}

#[test]
fn types_without_a_counterpart_are_refused() {
    for (source, why) in [
        ("union Either { a: u32, b: f32 }", "a union has no schema"),
        ("struct Nothing;", "a struct without fields"),
        ("struct Nothing();", "a struct without fields"),
        ("struct Nothing {}", "a struct without fields"),
        ("enum Never {}", "enums of 1 to 256 variants; this one has 0"),
        ("enum Empty { A() }", "without brackets"),
        ("enum Empty { A {} }", "without brackets"),
        ("struct Long(u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);", "at most 12 elements"),
        ("enum Long { A(u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8) }", "at most 12 elements"),
    ] {
        assert!(refused(source).contains(why), "{source}: {}", refused(source));
    }
    let variants = |count: u32| (0..count).map(|number| format!("V{number},")).collect::<String>();
    taken(&format!("enum Most {{ {} }}", variants(256)));
    assert!(refused(&format!("enum Many {{ {} }}", variants(257))).contains("this one has 257"));
}

#[test]
fn variants_that_have_other_numbers_than_they_stand_at_are_refused() {
    taken("enum Same { A = 0, B, C = 2 }");
    for source in
        ["enum Other { A = 1 }", "enum Other { A, B = 0 }", "enum Other { A = -1 }", "enum Other { A = ZERO }"]
    {
        assert!(refused(source).contains("numbers variants as they stand, from 0"), "{source}");
    }
}

#[test]
fn names_that_are_there_twice_are_refused() {
    for source in [
        "struct Same { #[schema(rename = \"b\")] a: u8, b: u8 }",
        "enum Same { #[schema(rename = \"B\")] A, B }",
        "enum Same { A { #[schema(rename = \"x\")] r#type: u8, x: u8 } }",
    ] {
        assert!(refused(source).contains("is there twice"), "{source}");
    }
    taken("enum Apart { A { x: u8 }, B { x: u8 } }");
}

#[test]
fn attributes_that_change_the_archived_form_are_refused() {
    for source in [
        "struct S { #[rkyv(with = AsBox)] a: u32 }",
        "struct S { #[rkyv(omit_bounds, with = Map<AsBox, u8>)] a: u32 }",
        "struct S { #[rkyv(niche)] a: Option<u32> }",
        "struct S { #[rkyv(niche = NaN)] a: Option<f32> }",
        "struct S { #[rkyv(getter = get)] a: u32 }",
        "struct S(#[rkyv(with = AsBox)] u32);",
        "struct S(u8, #[rkyv(with = AsBox)] u32);",
        "enum E { A(#[rkyv(with = AsBox)] u32) }",
        "enum E { A { #[rkyv(with = AsBox)] a: u32 } }",
        "enum E { #[rkyv(other)] A }",
        "#[rkyv(remote = Other)] struct S { a: u32 }",
        "#[rkyv(as = Other)] struct S { a: u32 }",
        "#[rkyv(derive(Debug), attr(repr(align(16))))] struct S { a: u32 }",
        "#[rkyv(attr(allow(dead_code), repr(packed)))] struct S { a: u32 }",
        "#[rkyv(attr(cfg_attr(all(), repr(packed))))] struct S { a: u32 }",
        "#[rkyv(of_tomorrow)] struct S { a: u32 }",
    ] {
        let why = refused(source);
        assert!(why.contains("the archived form may be") && why.contains("by hand"), "{source}: {why}");
    }
}

#[test]
fn attributes_that_leave_the_archived_form_alone_are_taken() {
    for source in [
        "#[rkyv(derive(Debug), compare(PartialEq), archived = Shown, resolver = R, crate = ::rkyv)] struct S { a: u32 }",
        "#[rkyv(crate)] #[rkyv(attr(doc = \"text\", allow(dead_code)))] struct S { a: u32 }",
        "#[rkyv(serialize_bounds(S: Writer, S::Error: Source), bytecheck(bounds(C: Context)))] struct S { a: u32 }",
        "#[repr(u8)] enum E { A, B(#[rkyv(omit_bounds, attr(allow(unused)))] u8) }",
        "/// text\n#[derive(Clone)] struct S { /** text */ a: u32 }",
    ] {
        taken(source);
    }
}

#[test]
fn what_schema_does_not_know_is_refused() {
    for (source, why) in [
        ("#[schema(rename = \"T\")] struct S { a: u8 }", "for named fields and for variants"),
        ("struct S(#[schema(rename = \"a\")] u8);", "only a named field"),
        ("enum E { A(#[schema(rename = \"a\")] u8) }", "only a named field"),
        ("struct S { #[schema(name = \"b\")] a: u8 }", "`rename = \"…\"`"),
        ("struct S { #[schema(rename = 1)] a: u8 }", "string literal"),
        ("struct S { #[schema(rename = \"b\", rename = \"c\")] a: u8 }", "renamed twice"),
        ("struct S { #[schema(rename = \"b\")] #[schema(rename = \"b\")] a: u8 }", "renamed twice"),
    ] {
        assert!(refused(source).contains(why), "{source}: {}", refused(source));
    }
}
