//! What stands in the ticker's way: a tick that is refused, operations of its own that were made to stand still, and an
//! operation that is somebody else's.

use domain::schedule::Overlap;
use engine::{State, Which};
use workflows::TickSchedule;

use crate::tests::close;
use crate::tests_schedule::{Kept, MINUTE_MS, START_MS, minutely};
use crate::{Operation, Request, ScheduleCreate, ScheduleRequest, Started, local_actor};

/// A tick that was refused would be refused again: it was asked for again and again once, and the log grew by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_whose_tick_is_refused_is_paused_and_says_why() {
    let mut kept = Kept::new().await;
    kept.create(minutely(Overlap::Skip)).await;
    kept.minute(1);
    let shown = kept.show().await;
    let at_ms = START_MS + MINUTE_MS;
    let flow = TickSchedule {
        account: "100000".into(),
        schedule: shown.schedule_id.as_str().into(),
        // None of its ticks.
        ticks: vec![at_ms + 1],
        missed: None,
        now_ms: at_ms,
    };
    let tick = format!("schedule/{}/tick/{at_ms}", shown.schedule_id);
    let refused = kept.service.engine.run(local_actor(), &tick, flow).await.unwrap();
    assert_eq!(refused.state, State::Undone);
    kept.keep_all().await;
    let stuck = kept.show().await;
    assert_eq!(stuck.status, "Paused");
    assert!(stuck.paused_because.contains("it cannot tick: IncorrectScheduleStatus"), "{stuck:?}");
    assert!(kept.starts("create_disk").await.is_empty());
    let ticks =
        kept.service.engine.snapshot().unwrap().flows(100, |flow| flow.name == "tick_schedule").unwrap();
    assert_eq!(ticks.len(), 1);
    kept.done(ScheduleRequest::Resume("minutely".to_owned())).await;
    kept.minute(2);
    kept.keep_all().await;
    assert_eq!(kept.starts("create_disk").await, ["08:02"]);
    close(kept.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_stands_still_holds_up_nothing_else() {
    let mut kept = Kept::new().await;
    kept.create(minutely(Overlap::Allow)).await;
    let engine = |kept: &Kept| (local_actor(), Which::Kind("tick_schedule".to_owned()), kept.service.clone());
    let (by, ticks, service) = engine(&kept);
    service.engine.pause(by, ticks, "not now").await.unwrap();
    drop(service);
    kept.minute(1);
    kept.done(ScheduleRequest::RunNow("minutely".to_owned())).await;
    // What was asked for by hand begins and ends, while the tick stands still.
    while kept.show().await.ended == 0 {
        kept.service.keep_schedules(&mut kept.tried).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(kept.service.engine.snapshot().unwrap().open_flows().len(), 1);
    let (by, ticks, service) = engine(&kept);
    service.engine.resume(by, ticks, "now").await.unwrap();
    drop(service);
    kept.keep_all().await;
    assert_eq!(kept.show().await.ended, 2);
    close(kept.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_cancels_what_goes_on_leaves_alone_what_it_only_joined() {
    let mut kept = Kept::new().await;
    kept.image("web").await;
    kept.done(Operation::new("disk.create", [("image", "web"), ("name", "web")]).request().unwrap()).await;
    kept.done(Operation::new("snapshot.create", [("disk", "web"), ("name", "web")]).request().unwrap()).await;
    // A byte a second: it goes on until it is cancelled.
    let words = [("snapshot", "web"), ("to-region", "cn-beijing"), ("bandwidth", "1B")];
    let operation = Operation::new("snapshot.copy", words);
    let persons: Started = kept.ask(operation.request().unwrap()).await;
    kept.create(ScheduleCreate { operation, ..minutely(Overlap::CancelOther) }).await;
    for minute in 1..=3 {
        kept.minute(minute);
        kept.keep().await;
    }
    let shown = kept.show().await;
    assert_eq!((shown.running.len(), shown.running[0].workflow_ids.clone()), (1, vec![persons.workflow_id]));
    let copy = kept.service.engine.snapshot().unwrap().flow(persons.workflow_id).unwrap();
    assert!(copy.cancel.is_none() && !copy.state.has_ended(), "{copy:?}");
    let reason = "enough".to_owned();
    let cancel = Request::WorkflowCancel { workflow: persons.workflow_id, reason };
    let _: crate::WorkflowView = kept.ask(cancel).await;
    kept.service.engine.wait(persons.workflow_id).await.unwrap();
    kept.keep().await;
    // The newest tick begins its own.
    let shown = kept.show().await;
    assert_eq!(shown.running[0].run, "2027-01-15T08:03:00Z");
    assert_ne!(shown.running[0].workflow_ids, [persons.workflow_id]);
    kept.minute(4);
    kept.keep().await;
    let own = shown.running[0].workflow_ids[0];
    assert!(kept.service.engine.wait(own).await.unwrap().cancel.is_some(), "what it began itself it cancels");
    close(kept.service).await;
}
