//! What the events of schedules say in plain words.

use domain::events_schedule as told;
use domain::schedule::{Ending, Next, Then, Why};
use event::{Event, Record};

use crate::story_text::read;
use crate::view::time_text;

/// The event in plain words, if it is one of schedules.
pub(crate) fn text(record: &Record) -> Option<String> {
    if let Some(event) = read::<told::ScheduleCreated>(record) {
        let (when, zone, operation) = (event.plan.when, event.plan.zone, event.planned.operation);
        return Some(format!(
            "the schedule `{}` was created: `{operation}` by `{when}` in {zone}, {}",
            event.name,
            next_text(event.next)
        ));
    }
    if let Some(event) = read::<told::TickCame>(record) {
        let at = time_text(event.at_ms);
        return Some(format!("it ticked for {at}: {}, {}", then_text(&event.then), next_text(event.next)));
    }
    if let Some(event) = read::<told::TicksMissed>(record) {
        let (first, last, next) =
            (time_text(event.first_ms), time_text(event.last_ms), next_text(event.next));
        let more = if event.or_more { " or more" } else { "" };
        return Some(format!("{}{more} ticks from {first} to {last} were missed, {next}", event.count));
    }
    if let Some(event) = read::<told::RunAsked>(record) {
        return Some(format!("a run was wanted now: {}", then_text(&event.then)));
    }
    if let Some(event) = read::<told::ScheduleBackfilled>(record) {
        let (first, last) = (time_text(event.first_ms), time_text(event.last_ms));
        return Some(format!("{} ticks from {first} to {last} are made up for", event.ticks.len()));
    }
    if let Some(event) = read::<told::RunBegan>(record) {
        let flows: Vec<String> = event.flows.iter().map(|flow| format!("`{flow}`")).collect();
        return Some(format!("the run `{}` began {}", event.run, flows.join(", ")));
    }
    if let Some(event) = read::<told::RunEnded>(record) {
        let how = match event.ending {
            Ending::Done => "is done".to_owned(),
            Ending::Cancelled => "was cancelled".to_owned(),
            Ending::Failed(refusal) => format!("failed: {}", refusal.message),
        };
        return Some(format!("the run `{}` {how}", event.run));
    }
    if let Some(event) = read::<told::SchedulePaused>(record) {
        let why = if event.why.is_empty() { String::new() } else { format!(": {}", event.why) };
        return Some(format!("it was paused{why}"));
    }
    if let Some(event) = read::<told::ScheduleResumed>(record) {
        return Some(format!("it was resumed, {}", next_text(event.next)));
    }
    (record.kind == told::ScheduleDeleted::KIND).then(|| "the schedule was deleted".to_owned())
}

fn next_text(next: Option<Next>) -> String {
    next.map_or_else(|| "and never again".to_owned(), |next| format!("next for {}", time_text(next.at_ms)))
}

fn then_text(then: &Then) -> String {
    match then {
        Then::Begins => "it begins".to_owned(),
        Then::Waits { instead_of: None } => "it waits until the one before has ended".to_owned(),
        Then::Waits { instead_of: Some(dropped) } if dropped.is_empty() => {
            "the one before is cancelled for it".to_owned()
        }
        Then::Waits { instead_of: Some(dropped) } => {
            format!("the one before is cancelled for it, and it waits instead of `{}`", dropped.join("`, `"))
        }
        Then::Skipped(Why::Missed) => "skipped, for nobody was there in time".to_owned(),
        Then::Skipped(Why::Overlap) => "skipped, for another goes on".to_owned(),
        Then::Skipped(Why::Full) => "skipped, for as many go on or wait as may".to_owned(),
    }
}
