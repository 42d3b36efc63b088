//! `cargo xtask bench`: measurements, each beside a peer in the same run.
//!
//! `batch`, `commit`, `flows`, `million`, `open`, `recover` and `wire` are bench targets of the product and only
//! started here.
//! `peers` is a package outside the workspace, as the peers' crates are no part of the product. `import` compares
//! programs with each other and is a chore, in its own file; `objects` is a script of a bucket's own client.

use crate::bench_import;
use crate::error::{Error, Result};
use crate::{clients, place, run, setup};
use std::process::{Command, Stdio};

pub(crate) const HELP: &str = "\
Measure Kiln beside its peers

Usage: cargo xtask bench [batch|commit|flows|import|million|objects|open|peers|recover|wire] [OPTIONS]

Without a name all ten run. Goals that are missed are named; the exit code is 0 all the same.
  batch   100,000 operations by a batch beside the same operations without one
  commit  durable events per second beside a bare redb group commit
  flows   a million finished flows beside ten thousand, and proving their log beside a bare scan
  import  importing, exporting and storing a real Debian disk beside qemu-img and casync
  million asking a million images the questions that are asked of ten thousand
  objects 2 GiB up to a bucket and down again through oss2 beside the plain file system
  open    opening a data directory of a million events beside a bare redb repair
  peers   durable workflows beside DBOS on PostgreSQL, duroxide and a bare redb group commit
  recover ten thousand flows after a kill, beside a bare redb repair and the same work undisturbed
  wire    64 signed clients of a server of a million images beside a bare handler that verifies the signature

Options of `batch`:
  --lines N   how many operations (default 100000)

Options of `import`:
  --rounds N  how many times each program runs, in turns (default 5)
  --disk FILE a raw disk instead of the Debian test disk; leaves out the second version
  --kiln FILE another program than the present sources give, to compare releases

Options of `million`:
  --dir DIR   where the sets of images lie, some 10 GB, and stay for the next run
  --fresh     makes them anew
  --audit     proves the log of the million as well, which takes minutes and gigabytes of memory

Options of `objects`:
  --dir DIR   where the files and the server's data lie while it runs, some 8 GB
  --mib N, --part N, --threads N, --rounds N   another size in MiB, other parts, more or fewer at a time, rounds

Options of `wire`:
  --dir DIR   where the set of images lies, some 12 GB with the copy that is asked, and stays for the next run
  --fresh     makes it anew
  --turns N   how many times each is measured, in turns (default 5)
  --only KIND describe, page or mixed alone, for a profiler

Options of `peers`:
  --quick     one short round of each, to try it
  --rounds N  how many times each is measured, in turns (default 3)
  --seconds S how long each is measured
  --only NAME bare, kiln, ahead, dbos or duroxide alone
  --clients N with so many clients alone
  --dir DIR   where everything lies while it runs

Options of `flows` and `recover`:
  --quick     a twentieth or a tenth of the flows, to try it
  --flows N   another number of flows
  --keep      leaves the sets of `flows` for the next run, some 5 GB

Options of the others are handed on to the bench.
";

/// The bench targets of the product, and the rooms they are beside.
const TARGETS: [(&str, &str); 7] = [
    ("batch", "service"),
    ("commit", "engine"),
    ("flows", "engine"),
    ("million", "service"),
    ("open", "engine"),
    ("recover", "engine"),
    ("wire", "server"),
];

/// Runs one bench or all.
pub(crate) fn begin(arguments: &[String]) -> Result<bool> {
    match arguments.split_first() {
        None => {
            bench_import::begin(&[])?;
            peers(&[])?;
            objects(&[])?;
            for (name, room) in TARGETS {
                target(name, room, &[])?;
            }
            Ok(true)
        }
        Some((name, rest)) if name == "peers" => peers(rest),
        Some((name, rest)) if name == "objects" => objects(rest),
        Some((name, rest)) if name == "import" => bench_import::begin(rest),
        Some((name, rest)) => match TARGETS.iter().find(|(target, _)| target == name) {
            Some((_, room)) => target(name, room, rest),
            None => {
                Err(Error::new(format!("there is no bench `{name}`")).try_next("cargo xtask bench --help"))
            }
        },
    }
}

/// Builds the package of the peers, in a folder of its own, and runs it.
fn peers(rest: &[String]) -> Result<bool> {
    // Without them the rows that need them say so.
    if let Err(error) = setup::for_peers() {
        eprintln!("{error}");
    }
    let mut command = run::cargo()?;
    command.env("CARGO_TARGET_DIR", place::target()?.join("peers"));
    command.args(["run", "--quiet", "--release", "--locked", "--manifest-path", "benches/peers/Cargo.toml"]);
    if !rest.is_empty() {
        command.arg("--").args(rest);
    }
    ended("peers", command)
}

/// Builds the program, and drives its buckets by their own client.
fn objects(rest: &[String]) -> Result<bool> {
    let python = clients::make_sure()?;
    let target = place::target()?;
    let mut command = run::program(python);
    command.arg("tests/clients/oss_speed.py").env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("KILN_PROGRAM", target.join("release/kiln")).env("OSS_SCRATCH", &target);
    let mut options = rest.iter();
    while let Some(option) = options.next() {
        let variable = match option.as_str() {
            "--dir" => "OSS_SCRATCH",
            "--mib" => "OSS_SPEED_MIB",
            "--part" => "OSS_SPEED_PART_MIB",
            "--threads" => "OSS_SPEED_THREADS",
            "--rounds" => "OSS_SPEED_ROUNDS",
            other => {
                let wrong = Error::new(format!("`objects` has no option `{other}`"));
                return Err(wrong.try_next("cargo xtask bench --help"));
            }
        };
        let value = options.next().ok_or_else(|| Error::new(format!("`{option}` wants a value")))?;
        if variable != "OSS_SCRATCH" && value.parse().map_or(true, |number: u32| number == 0) {
            return Err(Error::new(format!("`{option} {value}`: a number from 1 is wanted")));
        }
        command.env(variable, value);
    }
    println!("building kiln");
    run::quietly(run::cargo()?.args(["build", "--release", "--package", "kiln"]))?;
    ended("objects", command)
}

fn target(name: &str, room: &str, rest: &[String]) -> Result<bool> {
    let mut command = run::cargo()?;
    command.args(["bench", "--package", room, "--bench", name]);
    if !rest.is_empty() {
        command.arg("--").args(rest);
    }
    ended(name, command)
}

fn ended(name: &str, mut command: Command) -> Result<bool> {
    command.stdin(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(true),
        Ok(status) => Err(Error::new(format!("bench `{name}` ended with {status}"))),
        Err(error) => Err(Error::new(format!("starting bench `{name}`: {error}"))),
    }
}
