//! A process of its own for each system and number of clients, so that memory and syncs are its alone.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::postgres::Postgres;
use crate::syncs::Trace;
use crate::{argument, on_bare, on_dbos, on_duroxide, on_kiln};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Bare,
    Kiln,
    Ahead,
    Dbos,
    Duroxide,
}

impl System {
    pub(crate) const ALL: [Self; 5] = [Self::Bare, Self::Kiln, Self::Ahead, Self::Dbos, Self::Duroxide];

    /// As `--only` and `--child` want it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Kiln => "kiln",
            Self::Ahead => "ahead",
            Self::Dbos => "dbos",
            Self::Duroxide => "duroxide",
        }
    }

    /// As the table has it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare redb group commit",
            Self::Kiln => "Kiln",
            Self::Ahead => "Kiln, run-ahead",
            Self::Dbos => "DBOS for Rust 0.5.0 on PostgreSQL",
            Self::Duroxide => "duroxide 0.1.32 on SQLite, synchronous=FULL",
        }
    }
}

/// One run.
pub(crate) struct Run {
    pub(crate) system: System,
    pub(crate) clients: usize,
    /// Seconds before anything counts.
    pub(crate) warm: f64,
    pub(crate) seconds: f64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// When counting began and ended, seconds since 1970.
    pub(crate) begun: f64,
    pub(crate) ended: f64,
    pub(crate) seconds: f64,
    pub(crate) workflows: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) peak_kib: u64,
    /// Workflows that failed, and how the first did.
    pub(crate) errors: u64,
    pub(crate) first_error: String,
}

/// What stands before the figures, and before an error, among what a child says.
const FIGURES: &str = "figures ";
const FAILED: &str = "failed ";

/// Starts a child for a run and waits for what it says.
pub(crate) fn run(
    run: &Run,
    root: &Path,
    postgres: Option<&Postgres>,
    trace: Option<&Trace>,
) -> Result<Measured, String> {
    let dir = root.join("data");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).map_err(|error| format!("making `{}`: {error}", dir.display()))?;
    let exe = std::env::current_exe().map_err(|error| format!("finding this program: {error}"))?;
    let mut command = match trace {
        // PostgreSQL is what syncs for DBOS, and is traced itself.
        Some(trace) if postgres.is_none() => trace.command(&exe),
        _ => Command::new(&exe),
    };
    command.args(["--child", run.system.name(), "--clients", &run.clients.to_string()]);
    command.args(["--warm", &run.warm.to_string(), "--seconds", &run.seconds.to_string()]);
    command.arg("--dir").arg(&dir);
    if let Some(postgres) = postgres {
        command.args(["--url", &postgres.url()]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().map_err(|error| format!("starting a child: {error}"))?;
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut said = None;
    for line in lines.map_while(Result::ok) {
        if let Some(figures) = line.strip_prefix(FIGURES) {
            said = Some(read(figures));
        } else if let Some(error) = line.strip_prefix(FAILED) {
            said = Some(Err(error.to_owned()));
        }
    }
    let status = child.wait().map_err(|error| format!("waiting for a child: {error}"))?;
    let _ = std::fs::remove_dir_all(&dir);
    said.unwrap_or_else(|| Err(format!("the process ended with {status} and said nothing")))
}

/// The child: runs one system and says what came of it.
pub(crate) fn begin(name: &str) {
    let system = System::ALL.into_iter().find(|system| system.name() == name).expect("a system of that name");
    let given = |name: &str| argument(name).unwrap_or_else(|| panic!("{name} is missing"));
    let run = Run {
        system,
        clients: given("--clients").parse().expect("a number of clients"),
        warm: given("--warm").parse().expect("a number of seconds"),
        seconds: given("--seconds").parse().expect("a number of seconds"),
    };
    let dir = PathBuf::from(given("--dir"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime is made");
    let came = runtime.block_on(async {
        match system {
            System::Bare => on_bare::run(&run, &dir).await,
            System::Kiln => on_kiln::run(&run, &dir, false).await,
            System::Ahead => on_kiln::run(&run, &dir, true).await,
            System::Dbos => on_dbos::run(&run, &given("--url")).await,
            System::Duroxide => on_duroxide::run(&run, &dir).await,
        }
    });
    match came {
        Ok(measured) => println!("{FIGURES}{}", written(&measured)),
        Err(error) => println!("{FAILED}{}", error.replace('\n', " ")),
    }
    // At once, with whatever is still under way.
    std::process::exit(0);
}

fn written(measured: &Measured) -> String {
    let Measured { begun, ended, seconds, workflows, p50_ms, p99_ms, peak_kib, errors, first_error } =
        measured;
    let first_error = first_error.replace('\n', " ");
    format!("{begun} {ended} {seconds} {workflows} {p50_ms} {p99_ms} {peak_kib} {errors} {first_error}")
}

fn read(figures: &str) -> Result<Measured, String> {
    let mut words = figures.splitn(9, ' ');
    let mut next = || words.next().ok_or_else(|| format!("a child said only `{figures}`"));
    let real = |word: &str| word.parse::<f64>().map_err(|error| format!("a child said `{word}`: {error}"));
    let whole = |word: &str| word.parse::<u64>().map_err(|error| format!("a child said `{word}`: {error}"));
    Ok(Measured {
        begun: real(next()?)?,
        ended: real(next()?)?,
        seconds: real(next()?)?,
        workflows: whole(next()?)?,
        p50_ms: real(next()?)?,
        p99_ms: real(next()?)?,
        peak_kib: whole(next()?)?,
        errors: whole(next()?)?,
        first_error: next()?.to_owned(),
    })
}
