//! One frame of `kiln top`: lines that fit a terminal, made of what was looked at and nothing else.

use std::cmp::Reverse;
use std::collections::HashMap;

use event::FlowId;
use service::{EngineView, Top, WorkflowView, bytes_text, time_ms};

use crate::table::{cut, width};

/// Cells of a progress bar.
const BAR_CELLS: u64 = 10;
/// Lines above the operations: counts, the engine, titles.
const HEAD_LINES: usize = 3;
/// From so many columns on there is room for bar, kind and rate beside the rest.
const WIDE: usize = 100;

/// By what operations are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sort {
    /// The newest first
    #[default]
    Newest,
    /// The oldest first
    Oldest,
    /// By kind
    Kind,
    /// By state, parked ones first
    State,
}

impl Sort {
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Newest => Self::Oldest,
            Self::Oldest => Self::Kind,
            Self::Kind => Self::State,
            Self::State => Self::Newest,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Kind => "kind",
            Self::State => "state",
        }
    }
}

/// How it is looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looking {
    pub(crate) sort: Sort,
    pub(crate) only_parked: bool,
    /// Operations above the first that is shown.
    pub(crate) scrolled: usize,
    /// Why nothing new is known, if nothing is.
    pub(crate) lost: Option<String>,
}

/// The lines of a frame: at most `height`, none wider than `columns`.
pub(crate) fn frame(
    top: &Top,
    before: Option<&Top>,
    looking: &Looking,
    (columns, height): (usize, usize),
) -> Vec<String> {
    let shown = chosen(top, looking);
    let mut lines = vec![counts(top, looking), engine(top, before), titles(columns)];
    if let Some(lost) = &looking.lost {
        lines[1] = format!("lost: {lost}; trying again");
    }
    let room = height.saturating_sub(HEAD_LINES + 1);
    let rates = rates(top, before);
    let first = looking.scrolled.min(shown.len().saturating_sub(room.max(1)));
    lines.extend(shown.iter().skip(first).take(room).map(|flow| line(top, flow, &rates, columns)));
    if shown.is_empty() {
        lines.push(
            if looking.only_parked { "no operation is parked" } else { "no operation is in progress" }
                .to_owned(),
        );
    }
    let below = shown.len().saturating_sub(first + room);
    let more = if first + below > 0 { format!("  {first} above, {below} below") } else { String::new() };
    lines.push(format!("q quit  p only parked  s sort: {}  arrows scroll{more}", looking.sort.word()));
    let mut lines: Vec<String> = lines.iter().map(|line| cut(&tame(line), columns)).collect();
    lines.truncate(height.max(1));
    lines
}

/// A line without what would move the cursor or end the line: why something is parked may say anything.
fn tame(line: &str) -> String {
    line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// How many operations can be looked at.
pub(crate) fn count(top: &Top, looking: &Looking) -> usize {
    chosen(top, looking).len()
}

fn chosen<'a>(top: &'a Top, looking: &Looking) -> Vec<&'a WorkflowView> {
    let wanted = |flow: &&WorkflowView| !looking.only_parked || flow.state == "Parked";
    let mut shown: Vec<_> = top.workflows.iter().filter(wanted).collect();
    match looking.sort {
        Sort::Newest => shown.sort_by_key(|flow| Reverse(flow.start_time.clone())),
        Sort::Oldest => shown.sort_by_key(|flow| flow.start_time.clone()),
        Sort::Kind => shown.sort_by_key(|flow| flow.name.clone()),
        Sort::State => shown.sort_by_key(|flow| (flow.state != "Parked", flow.state.clone())),
    }
    shown
}

fn counts(top: &Top, looking: &Looking) -> String {
    let only = if looking.only_parked { "  (only parked)" } else { "" };
    let ended = top.engine.as_ref().map(|engine| format!("  ended {}", engine.ended)).unwrap_or_default();
    let count =
        |count: u64, or_more: bool| if or_more { format!("{count} or more") } else { count.to_string() };
    let (running, parked) = (count(top.running, top.running_or_more), count(top.parked, top.parked_or_more));
    format!("kiln top  {running} in progress  {parked} parked{ended}{only}")
}

fn engine(top: &Top, before: Option<&Top>) -> String {
    let Some(now) = &top.engine else { return "the log's own numbers are told to the operator".to_owned() };
    let zero = EngineView {
        commits: 0,
        events: 0,
        commit_us: 0,
        syncs: 0,
        sync_us: 0,
        waiting: 0,
        failed_attempts: 0,
        ended: 0,
        recoveries: 0,
    };
    let (then, ms) = match before.and_then(|before| Some((before.engine.as_ref()?, before.time_ms))) {
        Some((then, then_ms)) if then.commits <= now.commits => (then, top.time_ms - then_ms),
        _ => (&zero, 0),
    };
    let per_second = |now: u64, then: u64| match u64::try_from(ms) {
        // Who answers now may have begun to count anew.
        Ok(ms) if ms > 0 => format!("{}/s", now.saturating_sub(then).saturating_mul(1000) / ms),
        _ => now.to_string(),
    };
    // Without anything new the time of those before is told.
    let (syncs, sync_us) = if now.syncs > then.syncs {
        (now.syncs - then.syncs, now.sync_us.saturating_sub(then.sync_us))
    } else {
        (now.syncs, now.sync_us)
    };
    let sync_us = sync_us.checked_div(syncs).unwrap_or_default();
    format!(
        "commits {}  events {}  fsync {}.{} ms  queue {}  failed attempts {}",
        per_second(now.commits, then.commits),
        per_second(now.events, then.events),
        sync_us / 1000,
        sync_us % 1000 / 100,
        now.waiting,
        now.failed_attempts
    )
}

fn titles(columns: usize) -> String {
    if columns >= WIDE {
        format!("{:<28}  {:<9}  {:>6}  {:<15}  {:>11}  WHAT", "ID", "STATE", "AGE", "PROGRESS", "RATE")
    } else {
        format!("{:<9}  {:>6}  {:>4}  WHAT", "STATE", "AGE", "DONE")
    }
}

fn line(top: &Top, flow: &WorkflowView, rates: &HashMap<FlowId, u64>, columns: usize) -> String {
    let age = age_text(top.time_ms - time_ms(&flow.start_time).unwrap_or(top.time_ms));
    let percent = flow.progress.as_ref().and_then(|progress| {
        let done = u128::from(progress.done_bytes.min(progress.total_bytes)) * 100;
        done.checked_div(u128::from(progress.total_bytes)).and_then(|percent| u64::try_from(percent).ok())
    });
    let what = match (&flow.progress, flow.state.as_str()) {
        (_, "Parked") => format!("{}: {}", flow.label, flow.error_message),
        (Some(progress), _) => format!("{} ({})", flow.label, progress.doing),
        (None, _) => flow.label.clone(),
    };
    let done = percent.map(|percent| format!("{percent}%")).unwrap_or_default();
    if columns < WIDE {
        return format!("{:<9}  {age:>6}  {done:>4}  {what}", flow.state);
    }
    let bar = percent.map(|percent| bar_text(percent) + &format!("{done:>5}")).unwrap_or_default();
    let rate =
        rates.get(&flow.workflow_id).map(|rate| format!("{}/s", bytes_text(*rate))).unwrap_or_default();
    let blank = " ".repeat(15_usize.saturating_sub(width(&bar)));
    format!(
        "{:<28}  {:<9}  {age:>6}  {bar}{blank}  {rate:>11}  {what}",
        flow.workflow_id.to_string(),
        flow.state
    )
}

fn bar_text(percent: u64) -> String {
    let full = (percent * BAR_CELLS / 100).min(BAR_CELLS);
    (0..BAR_CELLS).map(|cell| if cell < full { '█' } else { '░' }).collect()
}

/// Bytes a second since the frame before, of those that went on with the same thing.
fn rates(top: &Top, before: Option<&Top>) -> HashMap<FlowId, u64> {
    let Some(before) = before else { return HashMap::new() };
    let ms = u64::try_from(top.time_ms - before.time_ms).unwrap_or_default();
    let then: HashMap<FlowId, &WorkflowView> =
        before.workflows.iter().map(|flow| (flow.workflow_id, flow)).collect();
    let rate = |flow: &WorkflowView| {
        let now = flow.progress.as_ref()?;
        let then = then.get(&flow.workflow_id)?.progress.as_ref().filter(|then| then.doing == now.doing)?;
        let bytes = now.done_bytes.checked_sub(then.done_bytes)?;
        Some((flow.workflow_id, bytes.saturating_mul(1000).checked_div(ms)?))
    };
    top.workflows.iter().filter_map(rate).filter(|(_, rate)| *rate > 0).collect()
}

fn age_text(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use service::Progress;

    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn flow(number: u64, state: &str, ago_ms: i64, progress: Option<(u64, u64)>) -> WorkflowView {
        WorkflowView {
            workflow_id: FlowId::derive(NOW_MS, &number.to_be_bytes()),
            name: "import_image".to_owned(),
            label: format!("import `web-{number}`"),
            state: state.to_owned(),
            driven: true,
            progress: progress.map(|(done_bytes, total_bytes)| Progress {
                doing: "reading".to_owned(),
                done_bytes,
                total_bytes,
            }),
            start_time: service::time_text(NOW_MS - ago_ms),
            end_time: String::new(),
            events: 3,
            subjects: Vec::new(),
            past_no_return: false,
            cancel_requested: false,
            error_code: String::new(),
            error_message: if state == "Parked" {
                "the disk\n\x1b[2J is gone".to_owned()
            } else {
                String::new()
            },
            advice: String::new(),
            output: String::new(),
            collected: None,
            account_id: "100000".to_owned(),
            region_id: String::new(),
            paused: String::new(),
            takes_up: String::new(),
        }
    }

    fn top(workflows: Vec<WorkflowView>, time_ms: i64, commits: u64) -> Top {
        let engine = EngineView {
            commits,
            events: 3 * commits,
            commit_us: 0,
            syncs: 2 * commits,
            sync_us: 3000 * commits,
            waiting: 7,
            failed_attempts: 1,
            ended: 40,
            recoveries: 0,
        };
        let (running_or_more, parked_or_more) = (false, false);
        Top {
            time_ms,
            workflows,
            running: 2,
            parked: 1,
            running_or_more,
            parked_or_more,
            engine: Some(engine),
        }
    }

    fn two_frames() -> (Top, Top) {
        let flows = |done| {
            vec![
                flow(1, "Running", 5000, Some((done, 100 << 20))),
                flow(2, "Running", 3_700_000, None),
                flow(3, "Parked", 90_000, None),
            ]
        };
        (top(flows(10 << 20), NOW_MS, 100), top(flows(50 << 20), NOW_MS + 2000, 150))
    }

    #[test]
    fn a_frame_tells_what_goes_on_how_far_it_is_and_what_the_log_does() {
        let (before, now) = two_frames();
        let lines = frame(&now, Some(&before), &Looking::default(), (120, 40));
        let all = lines.join("\n");
        for said in [
            "2 in progress  1 parked  ended 40",
            "commits 25/s  events 75/s  fsync 1.5 ms  queue 7",
            "█████░░░░░  50%",
            "20 MiB/s",
            "1h01m",
            "import `web-3`: the disk  [2J is gone",
        ] {
            assert!(all.contains(said), "`{said}` in\n{all}");
        }
        let parked = frame(&now, None, &Looking { only_parked: true, ..Looking::default() }, (120, 40));
        assert!(!parked.join("\n").contains("web-1") && parked.join("\n").contains("web-3"));
        let lost = Looking { lost: Some("nobody answers".to_owned()), ..Looking::default() };
        assert!(frame(&now, None, &lost, (120, 40))[1].contains("nobody answers; trying again"));
        let more = Top { running_or_more: true, parked_or_more: true, ..now.clone() };
        let more = frame(&more, None, &Looking::default(), (120, 40)).join("\n");
        assert!(more.contains("2 or more in progress  1 or more parked"), "{more}");
        let none = frame(&top(Vec::new(), NOW_MS, 0), None, &Looking::default(), (80, 24));
        assert!(none.join("\n").contains("no operation is in progress"));
    }

    /// A server that was begun anew meanwhile counts from nothing, each thing at its own pace.
    #[test]
    fn numbers_that_went_back_are_no_rates() {
        let (mut before, now) = two_frames();
        if let Some(engine) = &mut before.engine {
            (engine.events, engine.syncs, engine.sync_us) = (1_000_000, 1, u64::MAX);
        }
        let lines = frame(&now, Some(&before), &Looking::default(), (120, 40));
        assert!(lines[1].contains("commits 25/s  events 0/s  fsync 0.0 ms"), "{}", lines[1]);
    }

    #[test]
    fn a_frame_fits_whatever_terminal_it_is_for() {
        let many: Vec<_> =
            (0..300).map(|number| flow(number, "Running", 1000, Some((number, 300)))).collect();
        let many = top(many, NOW_MS, 9);
        for columns in [1, 12, 40, 80, 99, 100, 120, 300] {
            for height in [1, 2, 4, 5, 24, 40] {
                for scrolled in [0, 7, 299, usize::MAX] {
                    let looking = Looking { scrolled, ..Looking::default() };
                    let lines = frame(&many, Some(&many), &looking, (columns, height));
                    assert!(lines.len() <= height, "{columns} x {height}");
                    assert!(
                        lines.iter().all(|line| width(line) <= columns),
                        "{columns} x {height}: {lines:#?}"
                    );
                }
            }
        }
        let looking = Looking { scrolled: 10, ..Looking::default() };
        assert!(frame(&many, None, &looking, (80, 24)).last().unwrap().contains("10 above, 270 below"));
    }

    #[test]
    fn what_stands_first_is_what_was_asked_for() {
        let (_, now) = two_frames();
        for (sort, first) in [(Sort::Newest, "web-1"), (Sort::Oldest, "web-2"), (Sort::State, "web-3")] {
            let lines = frame(&now, None, &Looking { sort, ..Looking::default() }, (120, 40));
            assert!(lines[HEAD_LINES].contains(first), "{sort:?}: {lines:#?}");
        }
    }
}
