//! Rules of batches: what may begin, and what may become of one that has.

use event::{Refusal, View};

use crate::AccountId;
use crate::batch::{
    BATCH_MANIFESTS, BATCH_NAMES, BATCHES, BATCHES_MAX, Batch, BatchId, BatchNote, BatchPlan, BatchState,
    Budget, CONCURRENCY_MAX, Counts, LINES_MAX, PER_MINUTE_MAX, UNSTARTED_MAX,
};
use crate::events::{
    BatchBegun, BatchCancelled, BatchEnded, BatchForgotten, BatchLinesForgotten, BatchNoted, BatchPaused,
    BatchResumed, BatchStopped,
};

/// Characters of a batch's name.
const NAME_CHARS: std::ops::RangeInclusive<usize> = 1..=128;
/// Where a batch may be forgotten.
const ENDED: [BatchState; 2] = [BatchState::Done, BatchState::Cancelled];
/// Characters of why somebody says something.
const REASON_CHARS_MAX: usize = 1024;

/// Begins a batch: of a manifest that no other did, unless it is to be done again.
pub fn begin_batch(view: &View<'_>, wanted: BatchBegun) -> Result<BatchBegun, Refusal> {
    check_name(&wanted.name)?;
    check_plan(&wanted.plan)?;
    let account = wanted.account.as_str();
    if wanted.lines == 0 || wanted.lines > LINES_MAX {
        let why = format!("a manifest of {} lines; one has 1 to {LINES_MAX}", wanted.lines);
        return Err(Refusal::new("InvalidManifest.Lines", why).advise("make several manifests of it"));
    }
    if view.get(&BATCH_NAMES, &[account, &wanted.name]).is_some() {
        let why = format!("there is a batch named `{}` already", wanted.name);
        return Err(Refusal::new("InvalidBatchName.Duplicated", why)
            .advise("give this one a name of its own with `--name`"));
    }
    let before = view.get(&BATCH_MANIFESTS, &[account, &wanted.manifest.to_string()]);
    if let Some(before) = before.filter(|_| !wanted.again) {
        let name = view.get(&BATCHES, &[account, before.as_str()]).map_or(before.0, |batch| batch.name);
        let why = format!("the batch `{name}` has the same manifest");
        return Err(Refusal::new("InvalidManifest.Repeated", why)
            .advise(format!("`kiln batch show {name}` tells of it; `--again NAME` does it all once more")));
    }
    let there = view.list(&BATCHES, &[account]).len();
    if there >= BATCHES_MAX {
        let why = format!("the account has {there} batches already");
        return Err(Refusal::new("QuotaExceed.Batch", why)
            .advise("`kiln batch forget` takes one that has ended out of the list"));
    }
    Ok(wanted)
}

/// Has no line started until it is resumed.
pub fn pause_batch(
    view: &View<'_>,
    account: &AccountId,
    id: &BatchId,
    reason: &str,
) -> Result<BatchPaused, Refusal> {
    let batch = in_state(view, account, id, "paused", &[BatchState::Running])?;
    check_reason(reason)?;
    Ok(BatchPaused { batch: batch.id, account: batch.account, reason: reason.to_owned() })
}

/// Has lines started again, whatever failed before.
pub fn resume_batch(
    view: &View<'_>,
    account: &AccountId,
    id: &BatchId,
    reason: &str,
) -> Result<BatchResumed, Refusal> {
    let batch = in_state(view, account, id, "resumed", &[BatchState::Paused, BatchState::Stopped])?;
    check_reason(reason)?;
    Ok(BatchResumed { batch: batch.id, account: batch.account, reason: reason.to_owned() })
}

/// Has no line started ever more; asked a second time, those that run may be cancelled as well.
pub fn cancel_batch(
    view: &View<'_>,
    account: &AccountId,
    id: &BatchId,
    reason: &str,
    hard: bool,
) -> Result<BatchCancelled, Refusal> {
    let open = [BatchState::Running, BatchState::Paused, BatchState::Stopped, BatchState::Cancelling];
    let batch = in_state(view, account, id, "cancelled", &open)?;
    check_reason(reason)?;
    Ok(BatchCancelled { batch: batch.id, account: batch.account, reason: reason.to_owned(), hard })
}

/// Stops a batch of which too many lines failed.
pub fn stop_batch(
    view: &View<'_>,
    account: &AccountId,
    id: &BatchId,
    why: &str,
    counts: Counts,
) -> Result<BatchStopped, Refusal> {
    let batch = in_state(view, account, id, "stopped", &[BatchState::Running])?;
    Ok(BatchStopped { batch: batch.id, account: batch.account, why: why.to_owned(), counts })
}

/// Notes how far a batch has come: never less far than before, and never further than it goes.
pub fn note_batch(
    view: &View<'_>,
    account: &AccountId,
    id: &BatchId,
    note: BatchNote,
) -> Result<BatchNoted, Refusal> {
    let batch = known(view, account, id)?;
    let ended = batch.state.has_ended();
    let goes_on = note.settled >= batch.settled && note.settled <= batch.lines;
    if ended || !goes_on || note.counts.all() != note.settled || note.unstarted.len() > UNSTARTED_MAX {
        let why = format!(
            "`{}` stands at {} lines, which {} do not follow",
            batch.name, batch.settled, note.settled
        );
        return Err(Refusal::new("IncorrectBatchStatus", why));
    }
    Ok(BatchNoted { batch: batch.id, account: batch.account, note })
}

/// Ends a batch: all its lines have come to their ends, or it was cancelled and those that had been started have.
pub fn end_batch(
    view: &View<'_>,
    account: &AccountId,
    id: &BatchId,
    counts: Counts,
) -> Result<BatchEnded, Refusal> {
    let batch = in_state(view, account, id, "ended", &[BatchState::Running, BatchState::Cancelling])?;
    let cancelled = batch.state == BatchState::Cancelling && counts.all() <= batch.lines;
    if !cancelled && counts.all() != batch.lines {
        let why = format!("`{}` has {} lines, and {} have ended", batch.name, batch.lines, counts.all());
        return Err(Refusal::new("IncorrectBatchStatus", why));
    }
    Ok(BatchEnded { batch: batch.id, account: batch.account, counts })
}

/// Forgets lines of a batch that has ended and is about to be forgotten: it may have a million of them, which are too
/// many for one commit.
pub fn forget_lines(
    view: &View<'_>,
    account: &AccountId,
    id: &BatchId,
    below: u64,
) -> Result<BatchLinesForgotten, Refusal> {
    let batch = in_state(view, account, id, "forgotten", &ENDED)?;
    Ok(BatchLinesForgotten { batch: batch.id, account: batch.account, below })
}

/// Takes a batch that has ended out of the list.
pub fn forget_batch(view: &View<'_>, account: &AccountId, id: &BatchId) -> Result<BatchForgotten, Refusal> {
    let batch = in_state(view, account, id, "forgotten", &ENDED)?;
    Ok(BatchForgotten { batch: batch.id, account: batch.account })
}

fn known(view: &View<'_>, account: &AccountId, id: &BatchId) -> Result<Batch, Refusal> {
    let found = view.get(&BATCHES, &[account.as_str(), id.as_str()]);
    found.ok_or_else(|| no_batch(id.as_str()))
}

/// There is no such batch.
pub fn no_batch(named: &str) -> Refusal {
    let why = format!("there is no batch `{}`", named.escape_debug());
    Refusal::new("InvalidBatchId.NotFound", why).advise("`kiln batch list` shows those there are")
}

fn in_state(
    view: &View<'_>,
    account: &AccountId,
    id: &BatchId,
    what: &str,
    states: &[BatchState],
) -> Result<Batch, Refusal> {
    let batch = known(view, account, id)?;
    if states.contains(&batch.state) {
        return Ok(batch);
    }
    let why = format!("the batch `{}` is {} and cannot be {what}", batch.name, batch.state.word());
    let refusal = Refusal::new("IncorrectBatchStatus", why);
    Err(match batch.state {
        BatchState::Done | BatchState::Cancelled => {
            refusal.advise("`kiln batch report` writes what failed as a manifest for another")
        }
        _ => refusal.advise(format!("`kiln batch show {}` says where it stands", batch.name)),
    })
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let plain = |letter: char| letter.is_alphanumeric() || ":_-.".contains(letter);
    // What may be an id is none's name.
    let is_id = name.starts_with("b-") && name.len() == 22;
    if NAME_CHARS.contains(&name.chars().count()) && name.chars().all(plain) && !is_id {
        return Ok(());
    }
    let why = format!("`{}` is no name of a batch", name.escape_debug());
    Err(Refusal::new("InvalidBatchName.Malformed", why)
        .advise("one has 1 to 128 letters, digits and `:` `_` `-` `.`"))
}

fn check_plan(plan: &BatchPlan) -> Result<(), Refusal> {
    let no = |what: &str, value: u64, range: String| {
        let why = format!("{what} of {value}: it is {range}");
        Err(Refusal::new("InvalidParameter.BatchPlan", why))
    };
    if plan.concurrency == 0 || plan.concurrency > CONCURRENCY_MAX {
        return no("a concurrency", plan.concurrency.into(), format!("1 to {CONCURRENCY_MAX}"));
    }
    if let Some(rate) = plan.per_minute.filter(|rate| *rate == 0 || *rate > PER_MINUTE_MAX) {
        return no("a rate a minute", rate.into(), format!("1 to {PER_MINUTE_MAX}"));
    }
    if plan.bytes_per_second == Some(0) {
        return no("a bandwidth", 0, "1 byte a second or more".to_owned());
    }
    match plan.budget {
        Some(Budget::Percent(percent)) if percent == 0 || percent > 100 => {
            no("a failure budget in percent", percent.into(), "1 to 100".to_owned())
        }
        Some(Budget::Lines(0)) => no("a failure budget", 0, "1 or more".to_owned()),
        _ => Ok(()),
    }
}

fn check_reason(reason: &str) -> Result<(), Refusal> {
    if reason.chars().count() <= REASON_CHARS_MAX {
        return Ok(());
    }
    let why = format!("a reason longer than {REASON_CHARS_MAX} characters");
    Err(Refusal::new("InvalidParameter.Reason", why).advise("say it shorter"))
}
