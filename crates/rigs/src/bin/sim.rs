//! Cuts the power of a simulated disk under the engine. `sim --help` says how.

#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use opendiskmap_rigs::sim::report;

    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // The rig runs itself again for each of its processes.
    let result = match words.as_slice() {
        ["lane", task @ ..] => report::lane(task),
        _ => report::Arguments::parse(words.iter().map(ToString::to_string))
            .map_err(std::io::Error::other)
            .and_then(|arguments| report::run(&arguments)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sim: {error}");
            ExitCode::from(2)
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("this rig is written for Linux");
    println!("sim: 0 passed, 0 failed");
    ExitCode::SUCCESS
}
