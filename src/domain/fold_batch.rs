//! How events about batches become rows.

use event::{Event as _, Record, RowsMut};

use crate::AccountId;
use crate::batch::{
    BATCH_LINES, BATCH_MANIFESTS, BATCH_NAMES, BATCHES, BATCHES_OPEN, Batch, BatchId, BatchState, Counts,
    line_part,
};
use crate::events_batch::{
    BatchBegun, BatchCancelled, BatchEnded, BatchForgotten, BatchLinesForgotten, BatchNoted, BatchPaused,
    BatchResumed, BatchStopped,
};
use crate::fold::with;
use crate::image::house;

pub(crate) fn apply(rows: &mut dyn RowsMut, record: &Record) -> bool {
    match record.kind.as_str() {
        BatchBegun::KIND => with(record, |event: BatchBegun| begin(rows, record, event)),
        BatchPaused::KIND => with(record, |event: BatchPaused| {
            change(rows, &event.account, &event.batch, |batch| {
                (batch.state, batch.why) = (BatchState::Paused, event.reason);
            });
        }),
        BatchStopped::KIND => with(record, |event: BatchStopped| {
            change(rows, &event.account, &event.batch, |batch| {
                (batch.state, batch.why) = (BatchState::Stopped, event.why);
                // Of lines behind one that still runs no note tells yet.
                batch.forgiven = batch.forgiven.max(event.counts.bad());
            });
        }),
        BatchResumed::KIND => with(record, |event: BatchResumed| {
            change(rows, &event.account, &event.batch, |batch| {
                if batch.state == BatchState::Stopped {
                    batch.forgiven = batch.forgiven.max(batch.counts.bad());
                }
                (batch.state, batch.why) = (BatchState::Running, event.reason);
            });
        }),
        BatchCancelled::KIND => with(record, |event: BatchCancelled| {
            change(rows, &event.account, &event.batch, |batch| {
                (batch.state, batch.why) = (BatchState::Cancelling, event.reason);
                batch.hard |= event.hard;
            });
        }),
        BatchNoted::KIND => with(record, |event: BatchNoted| {
            let (account, batch) = (event.account.as_str(), event.batch.as_str());
            for line in event.note.unstarted {
                BATCH_LINES.put(rows, &house(), &[account, batch, &line_part(line.line)], &line);
            }
            change(rows, &event.account, &event.batch, |batch| {
                (batch.settled, batch.counts) = (event.note.settled, event.note.counts);
            });
        }),
        BatchEnded::KIND => with(record, |event: BatchEnded| {
            change(rows, &event.account, &event.batch, |batch| {
                let cancelled = batch.state == BatchState::Cancelling;
                batch.state = if cancelled { BatchState::Cancelled } else { BatchState::Done };
                (batch.counts, batch.ended_ms) = (event.counts, Some(record.time_ms));
            });
            BATCHES_OPEN.remove(rows, &house(), &[event.account.as_str(), event.batch.as_str()]);
        }),
        BatchLinesForgotten::KIND => with(record, |event: BatchLinesForgotten| {
            forget_lines(rows, &event.account, &event.batch, Some(event.below));
        }),
        BatchForgotten::KIND => {
            with(record, |event: BatchForgotten| forget(rows, &event.account, &event.batch))
        }
        _ => false,
    }
}

fn begin(rows: &mut dyn RowsMut, record: &Record, event: BatchBegun) {
    let BatchBegun { batch: id, account, name, manifest, lines, plan, .. } = event;
    let row = Batch {
        id,
        account,
        name,
        actor: record.actor.clone(),
        manifest,
        lines,
        plan,
        state: BatchState::Running,
        hard: false,
        why: String::new(),
        settled: 0,
        counts: Counts::default(),
        forgiven: 0,
        begun_ms: record.time_ms,
        ended_ms: None,
    };
    let account = row.account.as_str();
    BATCH_NAMES.put(rows, &house(), &[account, &row.name], &row.id);
    BATCH_MANIFESTS.put(rows, &house(), &[account, &row.manifest.to_string()], &row.id);
    BATCHES_OPEN.put(rows, &house(), &[account, row.id.as_str()], &row.id);
    BATCHES.put(rows, &house(), &[account, row.id.as_str()], &row);
}

fn change(rows: &mut dyn RowsMut, account: &AccountId, id: &BatchId, change: impl FnOnce(&mut Batch)) {
    BATCHES.change(rows, &house(), &[account.as_str(), id.as_str()], change);
}

/// Removes what is kept of lines, of those before one or of all.
fn forget_lines(rows: &mut dyn RowsMut, account: &AccountId, id: &BatchId, below: Option<u64>) {
    let key = |line: &str| BATCH_LINES.key(&house(), &[account.as_str(), id.as_str(), line]);
    let end = below.map(|line| key(&line_part(line)));
    let mut keys = Vec::new();
    rows.scan(&key(""), &mut |key, _| {
        let goes = end.as_ref().is_none_or(|end| key < &**end);
        keys.extend(goes.then(|| key.to_vec()));
        goes
    });
    for key in keys {
        rows.set(key, None);
    }
}

fn forget(rows: &mut dyn RowsMut, account: &AccountId, id: &BatchId) {
    forget_lines(rows, account, id, None);
    let (account, house) = (account.as_str(), house());
    let Some(row) = BATCHES.get(rows, &house, &[account, id.as_str()]) else { return };
    BATCH_NAMES.remove(rows, &house, &[account, &row.name]);
    let digest = row.manifest.to_string();
    if BATCH_MANIFESTS.get(rows, &house, &[account, &digest]).is_some_and(|newest| newest == *id) {
        BATCH_MANIFESTS.remove(rows, &house, &[account, &digest]);
    }
    BATCHES.remove(rows, &house, &[account, id.as_str()]);
}
