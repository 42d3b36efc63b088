//! The operations on batches: beginning one, and each change of one that has begun.

use domain::batch::{BATCH_NAMES, BatchChange, BatchNote, BatchPlan, Counts, Unstarted};
use domain::{Digest, image};
use workflows::{BeginBatch, ChangeBatch};

use crate::cases::{Before, Case, Start, account, nothing, run, start};
use crate::world::House;

/// Something that is to become true of the batch of every test.
type Change = fn() -> BatchChange;

pub fn cases() -> Vec<Case> {
    vec![
        decided("begin_batch", nothing, |house| Box::pin(start(house, begin()))),
        decided("change_batch_to_paused", begun, |house| change(house, pause)),
        decided("change_batch_to_running", paused, |house| change(house, resume)),
        decided("change_batch_to_stopped", begun, |house| change(house, stop)),
        decided("change_batch_to_cancelled", begun, |house| {
            change(house, || BatchChange::Cancel { reason: "the wrong manifest".to_owned(), hard: true })
        }),
        decided("change_batch_by_a_note", begun, |house| change(house, note)),
        decided("change_batch_to_done", noted, |house| change(house, end)),
        decided("change_batch_by_forgetting_lines", ended, |house| {
            change(house, || BatchChange::ForgetLines { below: 3 })
        }),
        decided("change_batch_to_forgotten", ended, |house| change(house, || BatchChange::Forget)),
    ]
}

/// An operation that is one decide.
fn decided(name: &'static str, before: Before, start: Start) -> Case {
    Case { name, acts: false, before, start }
}

fn begin() -> BeginBatch {
    let plan = BatchPlan { canary: 1, ..BatchPlan::default() };
    BeginBatch {
        account: account(),
        name: "rename".to_owned(),
        manifest: Digest([7; 32]),
        lines: 2,
        plan,
        again: false,
    }
}

fn pause() -> BatchChange {
    BatchChange::Pause { reason: "the night is over".to_owned() }
}

fn stop() -> BatchChange {
    let counts = Counts { done: 0, failed: 2, parked: 0 };
    BatchChange::Stop { why: "2 lines did not go well".to_owned(), counts }
}

fn resume() -> BatchChange {
    BatchChange::Resume { reason: String::new() }
}

fn end() -> BatchChange {
    BatchChange::End(Counts { done: 1, failed: 1, parked: 0 })
}

/// Both lines have come to their ends, one of them before it was an operation.
fn note() -> BatchChange {
    let unstarted = Unstarted {
        line: 2,
        code: "InvalidImageId.NotFound".to_owned(),
        message: "there is no image `web-2`".to_owned(),
        joined: None,
    };
    let counts = Counts { done: 1, failed: 1, parked: 0 };
    BatchChange::Note(BatchNote { settled: 2, counts, unstarted: vec![unstarted] })
}

fn of(house: &House, change: BatchChange) -> ChangeBatch {
    let rows = house.engine.snapshot().unwrap();
    // Once it is forgotten, a second start finds the first by its request and looks at none of this.
    let batch = BATCH_NAMES.get(&rows, &image::house(), &[account().as_str(), "rename"]);
    let batch = batch.unwrap_or_default();
    ChangeBatch { account: account(), batch, name: "rename".to_owned(), change }
}

fn change(
    house: &House,
    change: Change,
) -> std::pin::Pin<Box<dyn Future<Output = Result<event::FlowId, engine::Error>> + '_>> {
    Box::pin(async move { start(house, of(house, change())).await })
}

fn begun(house: &House) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(run(house, "begun", begin()))
}

fn paused(house: &House) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(async move {
        begun(house).await;
        run(house, "paused", of(house, pause())).await;
    })
}

fn noted(house: &House) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(async move {
        begun(house).await;
        run(house, "noted", of(house, note())).await;
    })
}

fn ended(house: &House) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(async move {
        noted(house).await;
        run(house, "ended", of(house, end())).await;
    })
}
