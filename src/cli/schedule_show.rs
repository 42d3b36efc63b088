//! How schedules, their runs and their ticks look on a screen.

use service::{RunView, ScheduleView, Schedules, Ticks};

use crate::session::Session;
use crate::table::{Column, draw, facts};

/// Schedules in a table.
pub(crate) fn list_text(session: &Session, schedules: &Schedules) -> String {
    let columns = [
        Column::Whole("NAME"),
        Column::State("STATUS"),
        Column::Text("WHEN"),
        Column::Text("STARTS"),
        Column::Whole("NEXT"),
        Column::Spare("LAST"),
    ];
    let row = |schedule: &ScheduleView| {
        let next = schedule.next.as_ref().map(|next| clock(&next.local_time)).unwrap_or_default();
        let last = schedule.recent.first().map(|run| run.state.clone()).unwrap_or_default();
        vec![
            schedule.schedule_name.clone(),
            schedule.status.clone(),
            schedule.when.clone(),
            schedule.label.clone(),
            next,
            last,
        ]
    };
    draw(&session.screen, &columns, &schedules.schedules.iter().map(row).collect::<Vec<_>>())
}

/// A local time as people read it: `2027-03-28 03:00:00+02:00`.
fn clock(local_time: &str) -> String {
    local_time.replacen('T', " ", 1)
}

/// One schedule.
pub(crate) fn text(session: &Session, schedule: &ScheduleView) -> String {
    let span = |seconds: i64| if seconds == 0 { String::new() } else { span_text(seconds) };
    let parameters: Vec<String> =
        schedule.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let next = schedule.next.as_ref().map(|next| clock(&next.local_time)).unwrap_or_default();
    let failures = match (schedule.failures, schedule.pause_after) {
        (0, _) => String::new(),
        (failures, 0) => format!("{failures} in a row"),
        (failures, most) => format!("{failures} in a row; paused after {most}"),
    };
    let count = |count: u64| if count == 0 { String::new() } else { count.to_string() };
    let mut text = facts(
        &session.screen,
        &[
            ("name", schedule.schedule_name.clone()),
            ("id", schedule.schedule_id.clone()),
            ("status", session.screen.state(&schedule.status)),
            ("because", schedule.paused_because.clone()),
            ("when", format!("{} in {}", schedule.when, schedule.time_zone)),
            ("from", clock(&schedule.start_time)),
            ("until", clock(&schedule.end_time)),
            ("next", next),
            ("starts", format!("{} {}", schedule.operation, parameters.join(" "))),
            ("jitter", span(schedule.jitter_seconds)),
            ("overlap", schedule.overlap_policy.clone()),
            ("catch up", span(schedule.catch_up_seconds)),
            ("failures", failures),
            ("waiting", count(schedule.waiting)),
            ("ended", count(schedule.ended)),
            ("skipped", count(schedule.skipped)),
            ("created", schedule.creation_time.clone()),
        ],
    );
    let runs: Vec<&RunView> = schedule.running.iter().chain(&schedule.recent).collect();
    if !runs.is_empty() {
        let columns = [
            Column::Whole("RUN FOR"),
            Column::State("STATE"),
            Column::Whole("WORKFLOW"),
            Column::Spare("ENDED"),
            Column::Text("WHY"),
        ];
        let row = |run: &&RunView| {
            let flows: Vec<String> = run.workflow_ids.iter().map(ToString::to_string).collect();
            let why = if run.error_code.is_empty() {
                String::new()
            } else {
                format!("{}: {}", run.error_code, run.error_message)
            };
            vec![clock(&run.local_time), run.state.clone(), flows.join(" "), run.end_time.clone(), why]
        };
        text.push('\n');
        text.push_str(&draw(&session.screen, &columns, &runs.iter().map(row).collect::<Vec<_>>()));
    }
    text
}

/// A length of time in the largest unit that fits.
fn span_text(seconds: i64) -> String {
    let units = [("d", 86_400), ("h", 3600), ("m", 60)];
    let fits = units.iter().find(|(_, unit)| seconds % unit == 0);
    fits.map_or_else(|| format!("{seconds}s"), |(name, unit)| format!("{}{name}", seconds / unit))
}

/// Ticks in a table.
pub(crate) fn ticks_text(session: &Session, ticks: &Ticks) -> String {
    let has_jitter = ticks.ticks.iter().any(|tick| tick.begin_time != tick.time);
    let mut columns = vec![Column::Whole("LOCAL TIME"), Column::Whole("UTC")];
    if has_jitter {
        columns.push(Column::Whole("BEGINS"));
    }
    let rows: Vec<Vec<String>> = ticks
        .ticks
        .iter()
        .map(|tick| {
            let mut row = vec![clock(&tick.local_time), tick.time.clone()];
            row.extend(has_jitter.then(|| tick.begin_time.clone()));
            row
        })
        .collect();
    draw(&session.screen, &columns, &rows)
}
