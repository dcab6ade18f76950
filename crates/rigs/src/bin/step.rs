//! Kills a writer at every instruction of one operation. `step --help` says how.

#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> ExitCode {
    use opendiskmap_rigs::check;
    use opendiskmap_rigs::step::{child, report};
    use std::path::Path;

    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // The rig runs itself again for the process that is stepped and for the ones that open states.
    let part = match words.as_slice() {
        ["child", name, work] => Some(child::scenario(name, Path::new(work))),
        ["reopen", recovery, work] => Some(child::reopen(recovery, Path::new(work))),
        ["probe", ..] => Some(child::probe()),
        ["check"] => Some(check::serve()),
        _ => None,
    };
    let result = part.map(|part| part.map(|()| true)).unwrap_or_else(|| {
        match report::Arguments::parse(words.iter().map(ToString::to_string)) {
            Ok(Some(arguments)) => report::run(&arguments),
            Ok(None) => Ok(true),
            Err(usage) => Err(std::io::Error::other(usage)),
        }
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("step: {error}");
            ExitCode::from(2)
        }
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() -> ExitCode {
    println!("stepping is not possible here: it needs Linux on x86-64");
    println!("step: 0 passed, 0 failed");
    ExitCode::SUCCESS
}
