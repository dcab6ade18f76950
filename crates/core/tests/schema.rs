//! The schema that a type has under `arch`: its text, what a map makes of it, and that it is true.

#![allow(dead_code, reason = "most types are described and never made")]

mod common;

use common::{quiet, scratch};
use opendiskmap::{
    Arch, Code, ConcurrentDiskMap, DiskHashMap, Map, Native, Result, Schema, SchemaText, Str, typescript,
};
use rkyv::{Archive, Serialize};
use std::path::Path;

fn text<T: Schema>() -> String {
    T::schema().unwrap()
}

/// Opens a map of the type, so that its text is compared with its archived form too.
fn holds<T>(expected: &str)
where
    T: Schema,
    Arch<T>: opendiskmap::ValueCodec,
{
    assert_eq!(text::<T>(), expected);
    let directory = scratch();
    DiskHashMap::<Str, Arch<T>>::new_in(directory.path()).unwrap().close().unwrap();
    let map = Map::open(directory.path(), &quiet(1)).unwrap();
    assert_eq!(map.codecs().1.param, expected.as_bytes());
    // What is written by derive is read, and all but an option within an option has words in TypeScript.
    assert_eq!(typescript(expected).is_ok(), !expected.contains("??"), "{expected}");
}

#[test]
fn each_type_of_the_grammar_has_its_text() {
    holds::<bool>("bool");
    holds::<u8>("u8");
    holds::<u16>("u16");
    holds::<u32>("u32");
    holds::<u64>("u64");
    holds::<i8>("i8");
    holds::<i16>("i16");
    holds::<i32>("i32");
    holds::<i64>("i64");
    holds::<f32>("f32");
    holds::<f64>("f64");
    holds::<String>("string");
    holds::<Vec<u8>>("bytes");
    holds::<Vec<Vec<u8>>>("bytes[]");
    holds::<Vec<i8>>("i8[]");
    holds::<[u8; 16]>("u8[16]");
    holds::<Vec<[u8; 3]>>("u8[3][]");
    holds::<[Vec<u8>; 3]>("bytes[3]");
    holds::<Option<u64>>("u64?");
    holds::<Option<Vec<Option<f32>>>>("f32?[]?");
    holds::<Option<Option<u8>>>("u8??");
    holds::<(u8, u64)>("(u8,u64)");
    holds::<Vec<(String, u32)>>("(string,u32)[]");
    holds::<[[f32; 4]; 2]>("f32[4][2]");
    holds::<(u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, bool, String)>(
        "(u8,u16,u32,u64,i8,i16,i32,i64,f32,f64,bool,string)",
    );
}

#[derive(Archive, Serialize, Schema)]
struct User {
    id: u32,
    name: String,
    email: String,
    scores: Vec<f64>,
    home: Option<Home>,
    kind: Kind,
    attrs: Vec<(String, u32)>,
}

#[derive(Archive, Serialize, Schema)]
struct Home {
    city: String,
}

#[derive(Archive, Serialize, Schema)]
enum Kind {
    #[schema(rename = "none")]
    None,
    #[schema(rename = "circle")]
    Circle(f64),
    #[schema(rename = "rect")]
    Rect { w: f64, h: f64 },
}

const USER: &str = "{id:u32,name:string,email:string,scores:f64[],home:{city:string}?,kind:<none|circle(f64)|rect{w:f64,h:f64}>,\
                    attrs:(string,u32)[]}";

fn user(id: u32) -> User {
    User {
        id,
        name: format!("user {id}"),
        email: format!("{id}@example.com"),
        scores: vec![0.5; id as usize],
        home: Some(Home { city: "Wien".into() }),
        kind: [Kind::None, Kind::Circle(1.5), Kind::Rect { w: 1.0, h: 2.0 }].into_iter().nth(id as usize % 3).unwrap(),
        attrs: vec![("visits".into(), id)],
    }
}

#[test]
fn structs_and_enums_derive_it() {
    holds::<User>(USER);
    holds::<Option<Kind>>("<none|circle(f64)|rect{w:f64,h:f64}>?");
}

#[derive(Archive, Serialize, Schema)]
#[rkyv(derive(Debug), compare(PartialEq))]
#[repr(C)]
struct Names {
    r#type: u8,
    _hidden: bool,
    größe: u16,
    #[schema(rename = "e-mail")]
    email: String,
    #[schema(rename = "say \"\n\"")]
    quote: i64,
    #[schema(rename = "")]
    empty: Names2,
}

#[derive(Archive, Serialize, Schema)]
#[rkyv(derive(Debug), compare(PartialEq))]
enum Names2 {
    Ünit,
    #[schema(rename = "$")]
    Dollar(u8),
}

#[test]
fn names_that_are_no_plain_words_stand_as_in_json() {
    holds::<Names>(r#"{type:u8,_hidden:bool,"größe":u16,"e-mail":string,"say \"\n\"":i64,"":<"Ünit"|$(u8)>}"#);
}

/// Archived as what it holds.
#[derive(Archive, Serialize, Schema)]
struct Byte(u8);

#[derive(Archive, Serialize, Schema)]
struct Point(f64, f64);

#[derive(Archive, Serialize, Schema)]
struct Pair<T, const N: usize> {
    left: T,
    right: [Option<T>; N],
}

/// All alignments, each with room in front of it.
#[derive(Archive, Serialize, Schema)]
enum Mixed {
    A,
    B(u8, u64, u16),
    C { small: bool, list: Vec<Byte>, text: String },
    D((u8, u32), [u16; 3]),
    E(Option<Byte>),
}

#[test]
fn what_is_archived_as_another_type_has_the_text_of_that() {
    holds::<Byte>("u8");
    holds::<Vec<Byte>>("bytes");
    holds::<Point>("(f64,f64)");
    holds::<Vec<Point>>("(f64,f64)[]");
    holds::<Pair<Byte, 3>>("{left:u8,right:u8?[3]}");
    holds::<Pair<Vec<Byte>, 1>>("{left:bytes,right:bytes?[1]}");
    holds::<Mixed>("<A|B(u8,u64,u16)|C{small:bool,list:bytes,text:string}|D((u8,u32),u16[3])|E(u8?)>");
    holds::<Pair<Mixed, 2>>(&format!("{{left:{0},right:{0}?[2]}}", text::<Mixed>()));
}

#[test]
fn a_map_opens_under_the_text_that_it_was_made_with_and_no_other() {
    #[derive(Archive, Serialize, Schema)]
    struct Longer {
        id: u32,
        name: String,
        email: String,
        scores: Vec<f64>,
        home: Option<Home>,
        kind: Kind,
        attrs: Vec<(String, u32)>,
        more: Option<u8>,
    }
    let directory = scratch();
    let path = directory.path().join("map");
    let map = ConcurrentDiskMap::<Native<u64>, Arch<User>>::open(&path, &quiet(2)).unwrap();
    for id in 0..100 {
        map.insert(&u64::from(id), &user(id)).unwrap();
    }
    let refuses = || {
        let refused = ConcurrentDiskMap::<Native<u64>, Arch<Longer>>::open(&path, &quiet(2)).unwrap_err();
        assert_eq!(refused.code(), Code::CodecMismatch);
        let longer = USER.strip_suffix('}').unwrap().to_owned() + ",more:u8?}";
        assert!(refused.message().contains(&format!("'{USER}'")), "{refused}");
        assert!(refused.message().contains(&format!("'{longer}'")), "{refused}");
        assert!(refused.message().contains("copy its entries into a new map"), "{refused}");
    };
    refuses();
    map.close().unwrap();
    refuses();
    let map = ConcurrentDiskMap::<Native<u64>, Arch<User>>::open(&path, &quiet(2)).unwrap();
    let held = map.get(&50).unwrap().unwrap();
    assert_eq!((held.id.to_native(), held.scores.len()), (50, 50));
    assert_eq!(held.attrs[0].0, "visits");
    assert!(matches!(held.kind, ArchivedKind::Rect { .. }));
}

#[test]
fn a_map_is_opened_and_its_schema_read_without_its_type() {
    let directory = scratch();
    ConcurrentDiskMap::<Native<u64>, Arch<User>>::open(directory.path(), &quiet(1)).unwrap().close().unwrap();
    let map = Map::open(directory.path(), &quiet(1)).unwrap();
    let stored = map.codecs().1;
    assert_eq!(stored.name, "arch");
    let source = typescript(std::str::from_utf8(&stored.param).unwrap()).unwrap();
    assert_eq!(
        source,
        "struct({
  id: 'u32',
  name: 'string',
  email: 'string',
  scores: 'f64[]',
  home: optional(struct({ city: 'string' })),
  kind: variants({ none: null, circle: 'f64', rect: { w: 'f64', h: 'f64' } }),
  attrs: pairs('string', 'u32'),
})"
    );
}

/// Says how opening a map of the type fails, and that nothing was made.
fn refused<T>() -> String
where
    Arch<T>: opendiskmap::ValueCodec,
{
    let directory = scratch();
    let path = directory.path().join("map");
    let fails = |result: Result<()>, path: &Path| {
        let error = result.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(!path.exists(), "nothing is made before the schema is known to do");
        error.message().to_owned()
    };
    let alone = fails(DiskHashMap::<Str, Arch<T>>::new_in(&path).map(drop), &path);
    assert_eq!(alone, fails(ConcurrentDiskMap::<Str, Arch<T>>::new_in(&path).map(drop), &path));
    alone
}

#[derive(Archive, Serialize, Schema)]
#[rkyv(
    serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source),
    bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source))
)]
struct Tree {
    #[rkyv(omit_bounds)]
    left: Vec<Tree>,
    #[rkyv(omit_bounds)]
    right: Vec<Tree>,
}

#[test]
fn a_type_that_contains_itself_is_refused() {
    let message = refused::<Tree>();
    assert!(message.contains("Tree is deeper than 64 levels"), "{message}");
    assert!(message.contains("written by hand"), "{message}");
}

#[derive(Archive, Serialize, Schema)]
struct Ten<T> {
    the_first_of_ten_fields: T,
    the_second_of_ten_fields: T,
    the_third_of_ten_fields: T,
    the_fourth_of_ten_fields: T,
    the_fifth_of_ten_fields: T,
    the_sixth_of_ten_fields: T,
    the_seventh_of_ten_fields: T,
    the_eighth_of_ten_fields: T,
    the_ninth_of_ten_fields: T,
    the_tenth_of_ten_fields: T,
}

#[test]
fn a_type_whose_text_is_too_long_is_refused() {
    holds::<Ten<Ten<Ten<u8>>>>(&text::<Ten<Ten<Ten<u8>>>>());
    assert!(refused::<Ten<Ten<Ten<Ten<u8>>>>>().contains("is longer than 65535 bytes"));
}

macro_rules! levels {
    ($inner:ty;) => { $inner };
    ($inner:ty; 4 $($more:tt)*) => { levels!(Vec<Option<Vec<Option<$inner>>>>; $($more)*) };
}

#[test]
fn a_type_of_64_levels_is_the_deepest() {
    type Deep = levels!(u16; 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4);
    type DeepBytes = levels!(Vec<u8>; 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4);
    assert_eq!(text::<Deep>(), format!("u16{}", "?[]".repeat(32)));
    assert_eq!(text::<DeepBytes>(), format!("bytes{}", "?[]".repeat(32)));
    assert!(typescript(&text::<Deep>()).is_ok() && typescript(&text::<DeepBytes>()).is_ok());
    assert_eq!(Vec::<Deep>::schema().unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(<(DeepBytes, u8)>::schema().unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(typescript(&format!("u16{}[]", "?[]".repeat(32))).unwrap_err().code(), Code::InvalidArgument);
}

/// By hand, and not as it is archived.
#[derive(Archive, Serialize)]
struct Untrue {
    number: u64,
}

impl Schema for Untrue {
    fn describe(text: &mut SchemaText) {
        text.structure(&[("number", u32::describe)]);
    }
}

#[derive(Archive, Serialize)]
struct Wordless {
    number: u64,
}

impl Schema for Wordless {
    fn describe(_: &mut SchemaText) {}
}

#[test]
fn a_text_that_is_not_true_of_the_archived_form_is_refused() {
    assert!(
        refused::<Untrue>()
            .contains("Untrue says 4 bytes at a multiple of 4, but it is archived as 8 bytes at a multiple of 8")
    );
    assert!(refused::<Wordless>().contains("is empty"));
}
