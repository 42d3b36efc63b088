//! `kiln batch plan`, `run` and `watch`.

use std::time::{Duration, Instant};

use clap::Args;
use domain::batch::{BatchPlan, Budget, CONCURRENCY, Sort};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use service::{BatchRequest, BatchRun, BatchView, Because, Family, LineView, LinesTried, Request, Trouble};

use crate::batch::progress;
use crate::batch_manifest::{Checked, From};
use crate::exit::Stop;
use crate::session::Session;
use crate::size::size;

/// Lines that are tried at once.
const STRETCH: u32 = 500;
/// Refused lines that are told one by one.
const TOLD_MAX: usize = 20;
/// In a pipe or a log file, a line every so often is enough.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// The bar.
const BAR: &str = "{msg:11} [{wide_bar}] {pos} of {len} lines, {per_sec}, {eta} left";

/// A manifest to try.
#[derive(Debug, Args)]
#[command(
    after_help = "Every line is read and checked; then each is asked by itself whether it could be done as things
are now, and nothing is done. What a line before it would have changed is not seen.

Examples:
  kiln batch plan rename.csv
  kiln batch plan --images family=web status=Deprecated --operation image.delete"
)]
pub(crate) struct Plan {
    #[command(flatten)]
    from: From,
}

/// A manifest to do.
#[derive(Debug, Args)]
#[command(
    after_help = "Every line is checked before the first is started. Each is an operation of its own, started
once whatever happens: interrupt it, kill it, pull the plug; it goes on under the next `kiln` that waits for
something, and the same manifest again finds the same batch.

Examples:
  kiln batch run rename.csv
  kiln batch run copies.jsonl --concurrency 4 --rate 10/m --stop-after 1%
  kiln batch run rename.csv --canary 10 --stop-after 20 --name rename-all
  kiln batch run --images family=web status=Deprecated --operation image.delete
  kiln batch run list.csv --operation image.copy --set to-region=cn-beijing --bandwidth 20MiB --sort name
  kiln batch run rename.csv --again rename-once-more"
)]
pub(crate) struct Run {
    #[command(flatten)]
    from: From,
    /// Name of the batch [default: made of the file's name and content]
    #[arg(long)]
    name: Option<String>,
    /// Lines that run at once
    #[arg(long, value_name = "COUNT", default_value_t = CONCURRENCY)]
    concurrency: u32,
    /// Lines started at most: 20/s or 30/m [default: as fast as they end]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<u32>,
    /// Send at most so much a second, all copies of its lines together [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    bandwidth: Option<u64>,
    /// Stop when so many lines have failed: 20, or 1% of all [default: never]
    #[arg(long, value_name = "COUNT", value_parser = budget)]
    stop_after: Option<Budget>,
    /// The first lines, all of which have to go well before any other is started
    #[arg(long, value_name = "COUNT", default_value_t = 0, hide_default_value = true)]
    canary: u32,
    /// Start lines in the order of this parameter [default: as in the manifest]
    #[arg(long, value_name = "PARAMETER")]
    sort: Option<String>,
    /// The greatest first
    #[arg(long, requires = "sort")]
    descending: bool,
    /// Do it all once more, as another batch of this name
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    again: Option<String>,
    /// Begin it and return
    #[arg(long)]
    no_wait: bool,
}

/// A batch to watch.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln batch watch rename-all")]
pub(crate) struct Watch {
    /// Its name or id
    batch: String,
}

/// `20/s` or `30/m`, a minute.
fn rate(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is no rate: one looks like 20/s or 30/m");
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let number: u32 = number.parse().map_err(|_| wrong())?;
    match unit {
        "s" => number.checked_mul(60).ok_or_else(wrong),
        "m" => Ok(number),
        _ => Err(wrong()),
    }
}

/// `20`, or `1%`.
fn budget(text: &str) -> Result<Budget, String> {
    let wrong = |_| format!("`{text}` is no count of lines: one looks like 20 or 1%");
    match text.strip_suffix('%') {
        Some(percent) => percent.parse().map(Budget::Percent).map_err(wrong),
        None => text.parse().map(Budget::Lines).map_err(wrong),
    }
}

/// What a plan came to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Planned {
    manifest: String,
    lines: u64,
    ready: u64,
    refused: Vec<LineView>,
}

impl Plan {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let checked = self.from.check(session).await?;
        plan(session, &checked).await
    }
}

async fn plan(session: &Session, checked: &Checked) -> Result<(), Stop> {
    checked.send(session).await?;
    let mut planned =
        Planned { manifest: checked.digest.clone(), lines: checked.lines, ready: 0, refused: Vec::new() };
    let mut from = Some(0);
    let bar = LinesBar::new(session, checked.lines);
    while let Some(at) = from {
        let request = BatchRequest::Plan {
            manifest: checked.digest.clone(),
            from: at,
            count: STRETCH,
            actions: checked.actions.clone(),
            names_files: checked.names_files,
        };
        let tried: LinesTried = session.ask(Request::Batch(request)).await?;
        planned.ready += tried.ready;
        planned.refused.extend(tried.refused);
        from = tried.next;
        bar.show("trying", planned.ready + planned.refused.len() as u64);
    }
    bar.clear();
    session.screen.give(&planned, |planned| {
        let line = |line: &LineView| {
            format!("line {}, {}: {}\n", line.line, line.operation.label(), line.error_message)
        };
        let mut text: String = planned.refused.iter().take(TOLD_MAX).map(line).collect();
        let (refused, more) = (planned.refused.len(), planned.refused.len().saturating_sub(TOLD_MAX));
        if more > 0 {
            text.extend(["and ", &more.to_string(), " more\n"]);
        }
        let (ready, lines) = (planned.ready, planned.lines);
        text.extend([format!("{ready} of {lines} lines could be done now, {refused} not\n")]);
        text
    });
    if planned.refused.is_empty() { Ok(()) } else { Err(Stop::Found) }
}

impl Run {
    pub(crate) fn because(&self) -> Because {
        if self.no_wait { Because::Looks } else { Because::Waits }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let checked = self.from.check(session).await?;
        if session.is_dry_run() {
            return plan(session, &checked).await;
        }
        checked.send(session).await?;
        let again = self.again.is_some();
        let sort = self.sort.map(|parameter| Sort { parameter, descending: self.descending });
        let plan = BatchPlan {
            concurrency: self.concurrency,
            per_minute: self.rate,
            budget: self.stop_after,
            canary: self.canary,
            sort,
            bytes_per_second: self.bandwidth,
        };
        let run = BatchRun {
            manifest: checked.digest,
            name: self.again.or(self.name).unwrap_or(checked.name),
            plan,
            again,
            actions: checked.actions,
            names_files: checked.names_files,
        };
        let view: BatchView = session.ask(Request::Batch(BatchRequest::Run(run))).await?;
        if view.joined {
            let (name, state) = (&view.batch_name, &view.state);
            session.screen.say(&format!("the batch `{name}` has the same manifest, and is {state}"));
            session.screen.say("  try: `--again NAME` does it all once more");
        }
        if self.no_wait {
            session.screen.give(&view, |view| format!("began `{}`: {}\n", view.batch_name, progress(view)));
            session.screen.say("it goes on under the next `kiln` that waits, for example `kiln batch watch`");
            return Ok(());
        }
        finish(session, &view.batch_id).await
    }
}

impl Watch {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        finish(session, &self.batch).await
    }
}

/// Waits for a batch and tells how it ended; badly, if any line did.
async fn finish(session: &Session, batch: &str) -> Result<(), Stop> {
    let view = watch(session, batch).await?;
    session.screen.give(&view, |view| format!("`{}`: {}\n", view.batch_name, progress(view)));
    let bad = view.failed + view.parked;
    if view.state == "Done" && bad == 0 {
        return Ok(());
    }
    let (name, lines) = (&view.batch_name, view.lines);
    let why = match view.state.as_str() {
        "Done" => format!("{bad} of {lines} lines of `{name}` did not go well"),
        state => format!("the batch `{name}` is {state}, with {} of {lines} lines done", view.done),
    };
    let advice = match view.state.as_str() {
        "Stopped" | "Paused" => {
            format!("`kiln batch report {name}` shows what failed, `kiln batch resume {name}` goes on")
        }
        _ => format!("`kiln batch report {name} --failures again.csv` writes them as a manifest"),
    };
    Err(Stop::Trouble(Trouble::new(Family::Ended, "BatchFailed", why).advise(advice)))
}

/// Waits until no line of a batch is started any more, and shows how far it is.
pub(crate) async fn watch(session: &Session, batch: &str) -> Result<BatchView, Stop> {
    let mut bar = None;
    loop {
        let request = BatchRequest::Wait { batch: batch.to_owned() };
        let view: BatchView = session.ask(Request::Batch(request)).await?;
        let bar = bar.get_or_insert_with(|| LinesBar::new(session, view.lines));
        let moves = matches!(view.state.as_str(), "Running" | "Cancelling");
        if !moves && !view.driven {
            bar.clear();
            return Ok(view);
        }
        bar.show(&view.state.to_lowercase(), view.settled);
    }
}

/// How many lines have come to an end.
struct LinesBar<'a> {
    session: &'a Session,
    drawn: Option<ProgressBar>,
    said: std::cell::Cell<Instant>,
    lines: u64,
}

impl<'a> LinesBar<'a> {
    fn new(session: &'a Session, lines: u64) -> Self {
        let target = ProgressDrawTarget::stderr();
        let drawn = session.screen.is_watched().then(|| ProgressBar::with_draw_target(Some(lines), target));
        if let Some(bar) = &drawn {
            let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("=> "));
        }
        Self { session, drawn, said: std::cell::Cell::new(Instant::now()), lines }
    }

    fn show(&self, doing: &str, done: u64) {
        if let Some(bar) = &self.drawn {
            bar.set_message(doing.to_owned());
            bar.set_position(done);
        } else if self.said.get().elapsed() >= LINE_EVERY {
            self.said.set(Instant::now());
            self.session.screen.say(&format!("{doing}: {done} of {} lines", self.lines));
        }
    }

    fn clear(&self) {
        self.drawn.iter().for_each(ProgressBar::finish_and_clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_second_or_a_minute_and_budgets_lines_or_percent() {
        assert_eq!((rate("20/s"), rate("30/m"), rate("2")), (Ok(1200), Ok(30), Ok(120)));
        assert_eq!((budget("20"), budget("1%")), (Ok(Budget::Lines(20)), Ok(Budget::Percent(1))));
        for wrong in ["", "/s", "x/m", "1/h", "4294967295/s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "%", "1.5%", "-1"] {
            assert!(budget(wrong).is_err(), "{wrong}");
        }
    }
}
