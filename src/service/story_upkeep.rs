//! What the events of retention policies and distribution lists say in plain words.

use domain::events_upkeep as told;
use domain::upkeep::{Goal, Report};
use event::{Event, Record};

use crate::story_text::read;

/// The event in plain words, if it is one of these.
pub(crate) fn text(record: &Record) -> Option<String> {
    if let Some(event) = read::<told::UpkeepCreated>(record) {
        let called = event.goal.kind().called();
        return Some(format!(
            "the {called} `{}` was created for the family `{}`: {}",
            event.name,
            event.family,
            goal_text(&event.goal)
        ));
    }
    if let Some(event) = read::<told::UpkeepChanged>(record) {
        return Some(format!("it was changed: {}", goal_text(&event.goal)));
    }
    if let Some(event) = read::<told::UpkeepBegun>(record) {
        return Some(format!("a run of `{}` began: {}", event.name, goal_text(&event.goal)));
    }
    if let Some(event) = read::<told::UpkeepPlanned>(record) {
        let tasks = event.tasks;
        let copies: usize = tasks.lanes.iter().map(|lane| lane.copies.len()).sum();
        let shares: usize = tasks.lanes.iter().map(|lane| lane.shares.len()).sum();
        let all = [
            (tasks.deprecate.len(), "deprecate"),
            (tasks.delete.len(), "delete"),
            (copies, "copy"),
            (shares, "share"),
        ];
        let all: Vec<String> = all
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{what} {count}"))
            .collect();
        let away = match tasks.away.len() {
            0 => String::new(),
            count => format!("; {count} regions are not there"),
        };
        let all = if all.is_empty() { "nothing".to_owned() } else { all.join(", ") };
        return Some(format!("found what is to be done: {all}{away}"));
    }
    if let Some(event) = read::<told::UpkeepEnded>(record) {
        return Some(format!("the run has ended: {}", report_text(&event.report)));
    }
    if let Some(event) = read::<told::LaneBegun>(record) {
        return Some(format!("what is missing in `{}` is brought there", event.region));
    }
    if let Some(event) = read::<told::LaneEnded>(record) {
        return Some(format!("in `{}`: {}", event.region, report_text(&event.report)));
    }
    (record.kind == told::UpkeepDeleted::KIND).then(|| "it was deleted".to_owned())
}

fn goal_text(goal: &Goal) -> String {
    match goal {
        Goal::Retention(it) => {
            let keep = it.keep.map(|keep| format!("the newest {keep} stay"));
            let younger = it.younger_ms.map(|ms| format!("those younger than {} seconds stay", ms / 1000));
            let says: Vec<String> = keep.into_iter().chain(younger).collect();
            format!("{}, {} seconds of grace", says.join(" and "), it.grace_ms / 1000)
        }
        Goal::Distribution(it) => {
            format!(
                "the newest {}, to {} regions, shared with {} accounts",
                it.newest,
                it.to.len(),
                it.share_with.len()
            )
        }
    }
}

fn report_text(report: &Report) -> String {
    let all = [
        (report.deprecated.len(), "deprecated"),
        (report.deleted.len(), "deleted"),
        (report.copied.len(), "copied"),
        (report.shared.len(), "shared"),
        (report.begun.len(), "regions begun"),
        (report.refused.len(), "not done"),
        (report.away.len(), "regions not there"),
    ];
    let all: Vec<String> =
        all.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if all.is_empty() { "nothing was to be done".to_owned() } else { all.join(", ") }
}
