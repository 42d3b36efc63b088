//! Kiln's own chores, as `cargo xtask COMMAND`.
//!
//! One file a chore, and one line a chore in [`CHORES`]. Chores run the tools a developer would run by hand (cargo,
//! apt-get, qemu-img) and say what they run. This crate deliberately has no dependency, so that it builds in a
//! second on a clean clone, and it knows nothing of the product but its command line.

mod bench;
mod bench_import;
mod bench_tables;
mod clients;
mod count;
mod disks;
mod disks_recipe;
mod error;
mod licences;
mod machine;
mod place;
mod run;
mod setup;
mod soak;
mod test;

use std::fmt::Write as _;
use std::process::ExitCode;

use error::{Error, Result};

/// A command of `cargo xtask`.
struct Chore {
    name: &'static str,
    summary: &'static str,
    help: &'static str,
    begin: fn(&[String]) -> Result<bool>,
}

/// Every chore; adding one touches its own file and this list.
const CHORES: [Chore; 4] = [
    Chore { name: "test", summary: "run every check and every test", help: test::HELP, begin: test::begin },
    Chore {
        name: "soak",
        summary: "run the full counts and write a report",
        help: soak::HELP,
        begin: soak::begin,
    },
    Chore {
        name: "disks",
        summary: "make the real Debian test disks",
        help: disks::HELP,
        begin: disks::begin,
    },
    Chore { name: "bench", summary: "measure beside peers", help: bench::HELP, begin: bench::begin },
];

/// The exit code of a chore that ran to its end and found something wrong.
const FOUND_WRONG: u8 = 1;
/// The exit code of a chore that could not do its work.
const COULD_NOT: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FOUND_WRONG),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(COULD_NOT)
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<bool> {
    let Some(name) = arguments.first() else {
        print!("{}", overview());
        return Ok(false);
    };
    if ["-h", "--help", "help"].contains(&name.as_str()) {
        print!("{}", overview());
        return Ok(true);
    }
    let chore = CHORES
        .iter()
        .find(|chore| chore.name == name)
        .ok_or_else(|| Error::new(format!("there is no chore `{name}`")).try_next("cargo xtask help"))?;
    if arguments.iter().any(|argument| argument == "-h" || argument == "--help") {
        print!("{}", chore.help);
        return Ok(true);
    }
    (chore.begin)(&arguments[1..])
}

fn overview() -> String {
    let mut text = String::from("Kiln's own chores\n\nUsage: cargo xtask COMMAND [OPTIONS]\n\nCommands:\n");
    for chore in &CHORES {
        let _ = writeln!(text, "  {:<7} {}", chore.name, chore.summary);
    }
    text.push_str(
        "\n`cargo xtask COMMAND --help` says more. Exit codes: 0 all is well, 1 something was found wrong, ",
    );
    text.push_str("2 the chore could not do its work.\n");
    text
}
