//! Values under the codec `arch`, for a test in another language. `arch --help` says how.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use opendiskmap::{Code, typescript};
use opendiskmap_rigs::arch::kinds::{self, GOLDEN_COUNT, GOLDEN_SEED, KINDS, Kind};
use opendiskmap_rigs::arch::{Archived, from_hex, map, to_hex};
use serde_json::{Value, json};

const USAGE: &str = "\
arch generate [--seed N] [--count N] [--type NAME]
arch check
arch schemas
arch write DIRECTORY [--seed N] [--count N]
arch read DIRECTORY
arch golden DIRECTORY

Values of many types, as JSON and as the bytes that rkyv makes of them. A line is a JSON object.

  generate   so many values of each type, or of one: type, schema, json, hex
  check      reads lines with a type and hex, and answers each: ok, and if it is, json and the hex that it is written as
  schemas    the types: type, schema, typescript
  write      makes a map of native.u64 to the type `user` with the keys 0 to N - 1, and the values that generate gives
  read       opens such a map: key and json of each entry
  golden     writes the files that are kept, one for each type

  --seed N   the draw (default 1); a value depends on it, on its type and on how many of the type came before
  --count N  how many (default 100)
";

type Done = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("arch: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[&str], out: &mut impl Write) -> Done {
    match words {
        ["generate", options @ ..] => generate(&Options::parse(options)?, out),
        ["check"] => io::stdin().lock().lines().try_for_each(|line| check(&line?, out)),
        ["schemas"] => KINDS.iter().try_for_each(|kind| schema(kind, out)),
        ["write", directory, options @ ..] => {
            let Options { seed, count, .. } = Options::parse(options)?;
            Ok(map::write(Path::new(directory), seed, count)?)
        }
        ["read", directory] => {
            for (key, json) in map::read(Path::new(directory))? {
                writeln!(out, "{}", json!({ "key": key.to_string(), "json": json }))?;
            }
            Ok(())
        }
        ["golden", directory] => {
            for kind in KINDS {
                let path = Path::new(directory).join(format!("{}.ndjson", kind.name));
                fs::write(path, kind.lines(GOLDEN_SEED, GOLDEN_COUNT)?)?;
            }
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

struct Options {
    seed: u64,
    count: usize,
    kind: Option<&'static Kind>,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self, Box<dyn Error>> {
        let mut options = Options { seed: 1, count: 100, kind: None };
        for pair in words.chunks(2) {
            match pair {
                ["--seed", seed] => options.seed = seed.parse()?,
                ["--count", count] => options.count = count.parse()?,
                ["--type", name] => options.kind = Some(known(name)?),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }
}

fn known(name: &str) -> Result<&'static Kind, String> {
    kinds::named(name).ok_or_else(|| format!("no type is called {name}"))
}

fn generate(options: &Options, out: &mut impl Write) -> Done {
    for kind in KINDS.iter().filter(|kind| options.kind.is_none_or(|only| only.name == kind.name)) {
        out.write_all(kind.lines(options.seed, options.count)?.as_bytes())?;
    }
    Ok(())
}

fn check(line: &str, out: &mut impl Write) -> Done {
    let line: Value = serde_json::from_str(line)?;
    let text = |name: &str| line[name].as_str().ok_or_else(|| format!("a line has no {name}"));
    let kind = known(text("type")?)?;
    let bytes = from_hex(text("hex")?).ok_or("hex has an even number of hexadecimal digits")?;
    let answer = match kind.read(&bytes) {
        Ok(Archived { json, bytes }) => json!({ "ok": true, "json": json, "hex": to_hex(&bytes) }),
        Err(error) if error.code() == Code::Corrupt => json!({ "ok": false }),
        Err(error) => return Err(error.into()),
    };
    // Whoever asks may wait for the answer.
    writeln!(out, "{answer}")?;
    Ok(out.flush()?)
}

fn schema(kind: &Kind, out: &mut impl Write) -> Done {
    let schema = kind.schema()?;
    let source = typescript(&schema)?;
    Ok(writeln!(out, "{}", json!({ "type": kind.name, "schema": schema, "typescript": source }))?)
}
