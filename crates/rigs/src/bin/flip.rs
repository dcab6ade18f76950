//! Damages the files of a map, bit by bit and page by page, and opens it. `flip --help` says how.

#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Counts what is asked for, so that a damaged length that asks for all memory is noticed. What goes beyond ends the process,
/// which is a finding.
#[cfg(target_os = "linux")]
#[global_allocator]
static MEMORY: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use opendiskmap_rigs::flip::{supervise, sweep};
    use std::io;

    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // The rig runs itself again for the processes that open what is damaged.
    let result = match words.as_slice() {
        ["sweep", task @ ..] => match sweep::Task::parse(task) {
            Some(task) => {
                let limit = |more: usize| {
                    let _ = MEMORY.set_limit(MEMORY.allocated().saturating_add(more));
                };
                sweep::run(&task, limit).map(|()| true)
            }
            None => Err(io::Error::other("a sweep without its arguments")),
        },
        ["pack", directory] => sweep::pack(std::path::Path::new(directory)).map(|()| true),
        ["make", kind, work] => sweep::make(kind, std::path::Path::new(work)).map(|()| true),
        _ => supervise::Arguments::parse(words.iter().map(ToString::to_string))
            .map_err(io::Error::other)
            .and_then(|arguments| supervise::run(&arguments)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("flip: {error}");
            ExitCode::from(2)
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("this rig is written for Linux");
    println!("flip: 0 passed, 0 failed");
    ExitCode::SUCCESS
}
