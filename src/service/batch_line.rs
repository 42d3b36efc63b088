//! A line of a batch as it is done: started under a request of its own, or found started, and waited for.

use std::sync::Arc;
use std::time::Duration;

use domain::AccountId;
use domain::batch::{BATCH_LINES, BATCHES, Batch, BatchId, BatchState, Unstarted, line_part};
use domain::image::house;
use domain::port::SharedPace;
use engine::{FlowRow, State};
use event::{FlowId, Rows};
use tokio::sync::watch;

use crate::batches::{ask_line, call_of};
use crate::manifest::Line;
use crate::request::Reply;
use crate::{Family, Service, Trouble};

/// Tries at starting a line where the world stood in the way, with pauses that double.
const TRIES_MAX: u32 = 8;
const TRY_PAUSE: Duration = Duration::from_millis(50);

/// Characters of why a line was refused, or a batch stopped, that are kept.
pub(crate) const WHY_CHARS_MAX: usize = 500;

/// What requests of lines begin with.
const BATCH: &str = "batch/";

/// The request under which a line is started.
pub(crate) fn request_of(batch: &BatchId, line: &Line) -> String {
    match &line.key {
        Some(key) => format!("{BATCH}{batch}/key/{key}"),
        None => format!("{BATCH}{batch}/{}", line_part(line.number)),
    }
}

/// What copies may send together that are asked for so, if they are lines of a batch with a bandwidth.
///
/// It is found by the request's id, which is all that a line has of its batch. An id that only looks like one says
/// no more than that its own account's batch is to go slower.
pub(crate) fn shared_pace(rows: &dyn Rows, account: &AccountId, request: &str) -> Option<SharedPace> {
    let batch = request.strip_prefix(BATCH)?.split('/').next()?;
    let batch = BATCHES.get(rows, &house(), &[account.as_str(), batch])?;
    Some(SharedPace { of: batch.id.0, bytes_per_second: batch.plan.bytes_per_second? })
}

/// How a line came to its end.
#[derive(Debug)]
pub(crate) enum Ended {
    Well,
    Badly,
    Parked,
    /// It never became an operation of its own.
    Unstarted(Unstarted, bool),
    /// Its batch came to stand still before it was started.
    HeldBack,
    /// The process is ending.
    Not,
}

/// Whether a line is not to be started any more, for somebody paused or cancelled its batch. One that was started
/// before, or that something is noted of, comes to its end.
pub(crate) fn is_held_back(service: &Service, batch: &Batch, line: &Line, was_noted: bool) -> bool {
    let Ok(rows) = service.engine.snapshot() else { return false };
    let row = BATCHES.get(&rows, &house(), &[batch.account.as_str(), batch.id.as_str()]);
    let runs = row.is_some_and(|row| row.state == BatchState::Running);
    !runs && !was_noted && rows.started_by(&request_of(&batch.id, line)).is_none()
}

/// Starts a line, or finds it started; or what an earlier process noted of it, ahead of lines that had not ended.
pub(crate) async fn started(
    service: &Arc<Service>,
    batch: &Batch,
    line: &Line,
    was_noted: bool,
) -> Result<FlowId, Ended> {
    let unstarted = |trouble: Trouble| {
        let Trouble { code, message, .. } = trouble;
        let message = message.chars().take(WHY_CHARS_MAX).collect();
        Ended::Unstarted(Unstarted { line: line.number, code, message, joined: None }, false)
    };
    if was_noted {
        let place = [batch.account.as_str(), batch.id.as_str(), &line_part(line.number)];
        let Ok(rows) = service.engine.snapshot() else { return Err(Ended::Not) };
        return BATCH_LINES.get(&rows, &house(), &place).and_then(|noted| noted.joined).ok_or(Ended::Badly);
    }
    let id = request_of(&batch.id, line);
    let request = line.operation.request().map_err(unstarted)?;
    let mut pause = TRY_PAUSE;
    for _ in 1..TRIES_MAX {
        match ask_line(service.clone(), call_of(batch, id.clone(), request.clone())).await {
            Ok(reply) => return flow_of(reply, line),
            Err(trouble) if trouble.code == "Log.Stopped" || trouble.code == "Stopped" => {
                return Err(Ended::Not);
            }
            Err(trouble) if trouble.family == Family::World => {}
            Err(trouble) => return Err(unstarted(trouble)),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    let last = ask_line(service.clone(), call_of(batch, id, request)).await;
    last.map_err(unstarted).and_then(|reply| flow_of(reply, line))
}

/// The operation an answer tells of.
fn flow_of(reply: Reply, line: &Line) -> Result<FlowId, Ended> {
    let joined = |flow| Unstarted {
        line: line.number,
        code: String::new(),
        message: String::new(),
        joined: Some(flow),
    };
    match reply {
        Reply::Started(started) if started.joined => {
            Err(Ended::Unstarted(joined(started.workflow_id), false))
        }
        Reply::Started(started) => Ok(started.workflow_id),
        Reply::CopiesStarted(copies) => {
            copies.copies.first().map(|copy| copy.workflow_id).ok_or(Ended::Badly)
        }
        _ => Err(Ended::Badly),
    }
}

/// Waits for a line's operation, and cancels it if that is said.
pub(crate) async fn to_end(
    service: &Service,
    batch: &Batch,
    flow: FlowId,
    mut hard: watch::Receiver<bool>,
) -> Ended {
    let said = async { hard.wait_for(|hard| *hard).await.is_ok() };
    let ended = tokio::select! {
        ended = service.engine.wait(flow) => Some(ended),
        _ = said => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        let reason = format!("its batch `{}` was cancelled", batch.name);
        // One that is past its point of no return comes to its end.
        let _ = service.engine.cancel(batch.actor.clone(), flow, &reason).await;
        service.engine.wait(flow).await
    };
    ended.map_or(Ended::Not, |flow| how(&flow))
}

fn how(flow: &FlowRow) -> Ended {
    match flow.state {
        State::Done => Ended::Well,
        State::Parked => Ended::Parked,
        State::Undone | State::Abandoned => Ended::Badly,
        State::Running | State::Unwinding => Ended::Not,
    }
}
