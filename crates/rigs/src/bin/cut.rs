//! Cuts the power of a file system under a writer. `cut --help` says how.

#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(all(target_os = "linux", feature = "negative-controls"))]
fn main() -> ExitCode {
    use opendiskmap_rigs::cut::{arguments::Arguments, child, supervise};
    use std::io;
    use std::path::Path;

    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // The rig runs itself again for the process that writes.
    let result = match words.as_slice() {
        ["write", orders @ .., map, work] => child::Orders::from(orders)
            .ok_or_else(|| io::Error::other("these are no orders"))
            .and_then(|orders| child::live(orders, Path::new(map), Path::new(work)))
            .map(|()| true),
        _ => Arguments::parse(words.iter().map(ToString::to_string))
            .map_err(io::Error::other)
            .and_then(|arguments| supervise::run(&arguments)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cut: {error}");
            ExitCode::from(2)
        }
    }
}

#[cfg(not(all(target_os = "linux", feature = "negative-controls")))]
fn main() -> ExitCode {
    println!("cut: skipped, it needs Linux and a build with the feature negative-controls");
    println!("cut: 0 passed, 0 failed");
    ExitCode::SUCCESS
}
