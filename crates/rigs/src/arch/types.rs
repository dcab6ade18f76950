//! The types: together they have all that a schema can say.

use super::draws::Draws;
use super::sample::{Sample, called, held, samples, tagged};
use serde_json::Value;

samples! {
    struct User {
        id: u32,
        name: String,
        email: String,
        scores: Vec<f64>,
        home: Option<Home>,
        kind: Kind,
        attrs: Vec<(String, u32)>,
    }

    struct Home {
        city: String,
    }

    enum Kind {
        None as "none",
        Circle as "circle" (radius: f64),
        Rect as "rect" { w: f64, h: f64 },
    }

    struct Scalars {
        truth: bool,
        u64: u64,
        u8: u8,
        u16: u16,
        i8: i8,
        i64: i64,
        f32: f32,
        f64: f64,
        i16: i16,
        u32: u32,
        i32: i32,
        text: String,
        bytes: Vec<u8>,
    }

    /// Room before and behind most fields.
    struct Holes {
        a: u8,
        b: u64,
        c: u8,
        inner: Hole,
        d: u8,
        text: String,
        e: bool,
        list: Vec<Hole>,
        f: u16,
    }

    struct Hole {
        x: u8,
        y: u32,
        z: u16,
    }

    struct Texts {
        one: Length,
        more: Vec<String>,
        pair: (String, String),
        last: String,
    }

    struct Lists {
        bytes: Vec<u8>,
        truths: Vec<bool>,
        shorts: Vec<i16>,
        floats: Vec<f32>,
        doubles: Vec<f64>,
        longs: Vec<u64>,
        words: Vec<String>,
        nested: Vec<Vec<u32>>,
        deep: Vec<Vec<Vec<u8>>>,
    }

    struct Fixed {
        id: [u8; 16],
        matrix: [[f32; 3]; 2],
        names: [String; 3],
        maybe: [Option<u16>; 3],
        lists: [Vec<i32>; 2],
        holes: [Hole; 2],
        one: [i64; 1],
    }

    struct Maybes {
        byte: Option<u8>,
        long: Option<u64>,
        text: Option<String>,
        bytes: Option<Vec<u8>>,
        list: Vec<Option<u32>>,
        both: Option<Vec<Option<String>>>,
        tuple: Option<(u8, f64)>,
        hole: Option<Hole>,
        color: Option<Color>,
        fixed: Option<[u16; 3]>,
    }

    struct Tuples {
        pair: (u8, u64),
        nested: ((bool, u16), (String, (i8, f64))),
        twelve: (u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, bool, String),
        list: Vec<(u16, u8, String)>,
    }

    enum Shape {
        Empty,
        Circle(radius: f64),
        Line(from: (f64, f64), to: (f64, f64)),
        Rect { w: f32, h: f32 },
        Named { name: String, tags: Vec<String> },
        Holed(hole: Hole),
        Many(a: u8, b: u64, c: u8, d: String),
        Flag(flag: bool),
        Maybe(color: Option<Color>),
        Raw(bytes: Vec<u8>),
    }

    enum Color {
        Red,
        Green,
        Blue,
    }

    struct Colors {
        one: Color,
        list: Vec<Color>,
        fixed: [Color; 3],
        last: u16,
    }

    struct Places {
        places: Vec<Place>,
        shapes: Vec<Shape>,
    }

    struct Place {
        name: String,
        north: f64,
        east: f64,
        open: bool,
        color: Color,
        visits: Vec<Visit>,
    }

    struct Visit {
        at: i64,
        by: Option<String>,
    }

    struct Pairs {
        ages: Vec<(String, u8)>,
        names: Vec<(u64, String)>,
        lists: Vec<(String, Vec<(u8, i64)>)>,
        places: Vec<((i32, i32), Visit)>,
    }

    struct Names {
        r#type: u8,
        _under: u16,
        größe: f32,
        email as "e-mail": String,
        quote as "say \"\\\n\u{1f}'": bool,
        blank as " ": u8,
        none as "": i8,
        constructor: Named,
    }

    enum Named {
        Ünit,
        Dollar as "$" (value: u8),
        Dash as "a-b" { r#fn: u8, straße: u16 },
    }

    struct Deep {
        a: Vec<Option<DeepInner>>,
    }

    struct DeepInner {
        b: Vec<(u8, [Option<Deepest>; 2])>,
    }

    struct Deepest {
        c: Option<Vec<DeepEnd>>,
    }

    enum DeepEnd {
        End,
        List(list: Vec<Vec<Option<Vec<i16>>>>),
        Both { left: Option<(u8, Vec<String>)>, right: [(Color, Option<u64>); 2] },
    }
}

/// A text whose length is each in turn of those at which something changes in its archived form or in the length's.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, opendiskmap::Schema)]
pub struct Length(pub String);

impl Sample for Length {
    fn draw(draws: &mut Draws) -> Self {
        const LENGTHS: [usize; 12] = [0, 1, 7, 8, 9, 63, 64, 65, 127, 256, 1023, 16_384];
        let length = LENGTHS[draws.nth() % LENGTHS.len()];
        Length(draws.text(length))
    }

    fn json(&self) -> Value {
        self.0.json()
    }
}
