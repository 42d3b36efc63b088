//! `cargo xtask bench`: measurements, each beside a peer in the same run.
//!
//! `commit` and `open` are bench targets of the product and only started here. `import` compares programs with each
//! other and is a chore, in its own file.

use crate::bench_import;
use crate::error::{Error, Result};
use crate::run;
use std::process::Stdio;

pub(crate) const HELP: &str = "\
Measure Kiln beside its peers

Usage: cargo xtask bench [commit|import|open] [OPTIONS]

Without a name all three run. Goals that are missed are named; the exit code is 0 all the same.

  commit  durable events per second beside a bare redb group commit
  import  importing, exporting and storing a real Debian disk beside qemu-img and casync
  open    opening a data directory of a million events beside a bare redb repair

Options of `import`:
  --rounds N  how many times each program runs, in turns (default 5)
  --disk FILE a raw disk instead of the Debian test disk; leaves out the second version
  --kiln FILE another program than the present sources give, to compare releases

Options of the others are handed on to the bench.
";

/// The bench targets of the product.
const TARGETS: [&str; 2] = ["commit", "open"];

/// Runs one bench or all.
pub(crate) fn begin(arguments: &[String]) -> Result<bool> {
    match arguments.split_first() {
        None => {
            target("commit", &[])?;
            bench_import::begin(&[])?;
            target("open", &[])
        }
        Some((name, rest)) if name == "import" => bench_import::begin(rest),
        Some((name, rest)) if TARGETS.contains(&name.as_str()) => target(name, rest),
        Some((name, _)) => {
            Err(Error::new(format!("there is no bench `{name}`")).try_next("cargo xtask bench --help"))
        }
    }
}

fn target(name: &str, rest: &[String]) -> Result<bool> {
    let mut command = run::cargo()?;
    command.args(["bench", "--package", "engine", "--bench", name]);
    if !rest.is_empty() {
        command.arg("--").args(rest);
    }
    command.stdin(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(true),
        Ok(status) => Err(Error::new(format!("bench `{name}` ended with {status}"))),
        Err(error) => Err(Error::new(format!("starting bench `{name}`: {error}"))),
    }
}
