//! Kills a writer with several threads at random moments. `kill --help` says how.

#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use opendiskmap::Recovery;
    use opendiskmap_rigs::kill::{child, supervise};
    use std::io;
    use std::path::Path;

    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse::<u64>().map_err(io::Error::other);
    // The rig runs itself again for the process that is killed and for the one that looks.
    let result = match words.as_slice() {
        ["write", seed, threads, at_once, work] => number(seed).and_then(|seed| {
            let (threads, at_once) = (number(threads)? as usize, number(at_once)? as usize);
            child::write_until_killed(Path::new(work), seed, threads, at_once).map(|()| true)
        }),
        ["look", how, end, work] => {
            let recovery = if *how == "full" { Recovery::Full } else { Recovery::Auto };
            child::look(Path::new(work), recovery, *end == "closes").map(|()| true)
        }
        _ => supervise::Arguments::parse(words.iter().map(ToString::to_string))
            .map_err(io::Error::other)
            .and_then(|arguments| supervise::run(&arguments)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("kill: {error}");
            ExitCode::from(2)
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("this rig is written for Linux");
    println!("kill: 0 passed, 0 failed");
    ExitCode::SUCCESS
}
