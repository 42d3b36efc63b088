//! The table, and which of the goals it shows to be reached.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::child::{Measured, System};

/// One at a time, the median is at most so much of DBOS's.
const P50_ALONE_OF_DBOS_MAX: f64 = 0.6;
/// At 64 and at 1,000, throughput is at least so many times DBOS's.
const OF_DBOS_AT_64_MIN: f64 = 6.0;
const OF_DBOS_AT_1000_MIN: f64 = 20.0;
const P99_AT_1000_MS_MAX: f64 = 100.0;
/// Syncs of a workflow alone, and at 64; and alone when it runs ahead, which is "about 1".
const SYNCS_ALONE_MAX: f64 = 6.0;
const SYNCS_AT_64_MAX: f64 = 0.2;
const SYNCS_AHEAD_MAX: f64 = 1.1;
/// At 1,000, throughput is at least so much of bare redb's.
const OF_BARE_AT_1000_MIN: f64 = 0.5;

type Key = (&'static str, usize);

/// All that was measured.
#[derive(Default)]
pub(crate) struct Table {
    runs: HashMap<Key, Vec<Result<Measured, String>>>,
    syncs: HashMap<Key, Result<f64, String>>,
}

impl Table {
    pub(crate) fn add(&mut self, system: System, clients: usize, measured: Result<Measured, String>) {
        self.runs.entry((system.name(), clients)).or_default().push(measured);
    }

    pub(crate) fn count(&mut self, system: System, clients: usize, syncs: Result<f64, String>) {
        self.syncs.insert((system.name(), clients), syncs);
    }

    /// The table itself, with what failed below it.
    pub(crate) fn text(&self, systems: &[System], clients: &[usize]) -> String {
        let mut text = String::from(
            "| clients | system | workflows/s | p50 ms | p99 ms | syncs/workflow | peak MiB |\n\
             |---|---|---|---|---|---|---|\n",
        );
        let mut notes = String::new();
        for &clients in clients {
            for &system in systems {
                let _ = writeln!(text, "{}", self.row(system, clients));
                self.note(system, clients, &mut notes);
            }
        }
        text + "\n" + &notes
    }

    fn row(&self, system: System, clients: usize) -> String {
        let title = system.title();
        let syncs = match self.syncs.get(&(system.name(), clients)) {
            Some(Ok(syncs)) => format!("{syncs:.3}"),
            _ => "not counted".to_owned(),
        };
        let median = |figure: fn(&Measured) -> f64| self.median(system, clients, figure);
        let figures = (median(speed), median(p50), median(p99), median(|run| run.peak_kib as f64 / 1024.0));
        let (Some(speed), Some(p50), Some(p99), Some(peak)) = figures else {
            return format!("| {clients} | {title} | failed, see below | | | | |");
        };
        format!("| {clients} | {title} | {speed:.0} | {p50:.2} | {p99:.2} | {syncs} | {peak:.0} |")
    }

    fn note(&self, system: System, clients: usize, notes: &mut String) {
        let name = format!("{} at {clients}", system.title());
        for run in self.runs.get(&(system.name(), clients)).into_iter().flatten() {
            match run {
                Err(error) => _ = writeln!(notes, "- {name}: {error}"),
                Ok(run) if run.errors > 0 => {
                    let _ =
                        writeln!(notes, "- {name}: {} failed, the first: {}", run.errors, run.first_error);
                }
                Ok(_) => {}
            }
        }
        if let Some(Err(error)) = self.syncs.get(&(system.name(), clients)) {
            let _ = writeln!(notes, "- {name}, syncs: {error}");
        }
    }

    /// The goals, and whether each is reached.
    pub(crate) fn verdict(&self) -> String {
        let of = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a / b);
        let speed_at = |system, clients| self.median(system, clients, speed);
        let syncs =
            |system: System, clients| self.syncs.get(&(system.name(), clients))?.as_ref().ok().copied();
        let alone = of(self.median(System::Kiln, 1, p50), self.median(System::Dbos, 1, p50));
        let of_dbos = |clients| of(speed_at(System::Kiln, clients), speed_at(System::Dbos, clients));
        let mut text = String::from("\n| goal | measured | limit | |\n|---|---|---|---|\n");
        let mut goal = |what: &str, measured: Option<f64>, limit: f64, at_most: bool| {
            let holds = measured.map(|measured| if at_most { measured <= limit } else { measured >= limit });
            let word = if at_most { "at most" } else { "at least" };
            let verdict = match holds {
                Some(true) => "holds",
                Some(false) => "**missed**",
                None => "not measured",
            };
            let measured = measured.map_or_else(|| "-".to_owned(), |measured| format!("{measured:.3}"));
            let _ = writeln!(text, "| {what} | {measured} | {word} {limit} | {verdict} |");
        };
        goal("p50 of one at a time, of DBOS's", alone, P50_ALONE_OF_DBOS_MAX, true);
        goal("throughput at 64, of DBOS's", of_dbos(64), OF_DBOS_AT_64_MIN, false);
        goal("throughput at 1,000, of DBOS's", of_dbos(1000), OF_DBOS_AT_1000_MIN, false);
        goal("p99 at 1,000, ms", self.median(System::Kiln, 1000, p99), P99_AT_1000_MS_MAX, true);
        goal("syncs of a workflow alone", syncs(System::Kiln, 1), SYNCS_ALONE_MAX, true);
        goal("syncs of a workflow at 64", syncs(System::Kiln, 64), SYNCS_AT_64_MAX, true);
        goal("syncs of one that runs ahead, alone", syncs(System::Ahead, 1), SYNCS_AHEAD_MAX, true);
        let of_bare = of(speed_at(System::Kiln, 1000), speed_at(System::Bare, 1000));
        goal("throughput at 1,000, of bare redb's", of_bare, OF_BARE_AT_1000_MIN, false);
        text
    }

    /// The median over the rounds that came to an end; none if one did not.
    fn median(&self, system: System, clients: usize, figure: impl Fn(&Measured) -> f64) -> Option<f64> {
        let runs = self.runs.get(&(system.name(), clients))?;
        let mut figures: Vec<f64> =
            runs.iter().map(|run| run.as_ref().ok().map(&figure)).collect::<Option<_>>()?;
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied()
    }
}

fn speed(run: &Measured) -> f64 {
    run.workflows as f64 / run.seconds
}

fn p50(run: &Measured) -> f64 {
    run.p50_ms
}

fn p99(run: &Measured) -> f64 {
    run.p99_ms
}
