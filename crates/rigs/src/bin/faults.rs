//! Has each system call of each operation fail. `faults --help` says how.

#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(all(target_os = "linux", feature = "negative-controls"))]
fn main() -> ExitCode {
    use opendiskmap_rigs::faults::{case, supervise};

    let words: Vec<String> = std::env::args().skip(1).collect();
    // The rig runs itself again for the process in which the calls fail.
    let result = match words.as_slice() {
        [word] if word == "case" => case::serve().map(|()| true),
        _ => supervise::Arguments::parse(words.into_iter())
            .map_err(std::io::Error::other)
            .and_then(|arguments| supervise::run(&arguments)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::from(2)
        }
    }
}

#[cfg(not(all(target_os = "linux", feature = "negative-controls")))]
fn main() -> ExitCode {
    println!("system calls fail on demand only on Linux, and in a build with the feature negative-controls");
    println!("faults: 0 passed, 0 failed");
    ExitCode::SUCCESS
}
