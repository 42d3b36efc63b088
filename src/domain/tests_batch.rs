//! Batches: what may begin, what follows what, and when so many failures stop one.

use event::Refusal;

use crate::batch::{
    BATCH_LINES, BATCH_MANIFESTS, BATCH_NAMES, BATCHES, BATCHES_OPEN, Batch, BatchId, BatchNote, BatchPlan,
    BatchState, Budget, Counts, UNSTARTED_MAX, Unstarted,
};
use crate::events::BatchBegun;
use crate::image::house;
use crate::tests_kit::{ACCOUNT, World};
use crate::{AccountId, Digest, rules};

fn wanted(name: &str, manifest: u8) -> BatchBegun {
    BatchBegun {
        batch: BatchId(format!("b-{name}")),
        account: AccountId::from(ACCOUNT),
        name: name.to_owned(),
        manifest: Digest([manifest; 32]),
        lines: 100,
        plan: BatchPlan::default(),
        again: false,
    }
}

/// A world in which a batch has begun.
fn begun(plan: BatchPlan) -> (World, BatchId) {
    let mut world = World::new();
    let begun =
        world.decide(&house(), |view| rules::begin_batch(view, BatchBegun { plan, ..wanted("web", 1) }));
    (world, begun.unwrap().batch)
}

fn row(world: &World, id: &BatchId) -> Batch {
    BATCHES.get(&world.rows, &house(), &[ACCOUNT, id.as_str()]).unwrap()
}

fn account() -> AccountId {
    AccountId::from(ACCOUNT)
}

fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> String {
    answer.unwrap_err().code
}

fn note(world: &mut World, id: &BatchId, done: u64, failed: u64) -> Result<(), Refusal> {
    let counts = Counts { done, failed, parked: 0 };
    let note = BatchNote { settled: counts.all(), counts, unstarted: Vec::new() };
    world.decide(&house(), |view| rules::note_batch(view, &account(), id, note)).map(drop)
}

#[test]
fn a_manifest_is_done_once_unless_it_is_to_be_done_again_and_a_name_is_one_batch() {
    let (mut world, first) = begun(BatchPlan::default());
    let mut begin = |wanted| world.decide(&house(), |view| rules::begin_batch(view, wanted));
    assert_eq!(code(begin(wanted("web", 2))), "InvalidBatchName.Duplicated");
    let repeated = begin(wanted("web-2", 1)).unwrap_err();
    assert_eq!(repeated.code, "InvalidManifest.Repeated");
    assert!(repeated.message.contains("`web`") && repeated.advice.contains("--again"), "{repeated:?}");
    begin(BatchBegun { again: true, ..wanted("web-2", 1) }).unwrap();
    // Another account's is none of ours.
    begin(BatchBegun { account: AccountId::from("200000"), ..wanted("web", 1) }).unwrap();
    assert_eq!(row(&world, &first).state, BatchState::Running);
    let newest = BATCH_MANIFESTS.get(&world.rows, &house(), &[ACCOUNT, &Digest([1; 32]).to_string()]);
    assert_eq!(newest, Some(BatchId::from("b-web-2")));
}

#[test]
fn what_is_no_name_no_plan_and_no_manifest_is_refused() {
    let mut world = World::new();
    let mut begin = |wanted| code(world.decide(&house(), |view| rules::begin_batch(view, wanted)));
    for name in ["", "a b", "b-0123456789abcdefghij", &"x".repeat(129)] {
        assert_eq!(begin(wanted(name, 1)), "InvalidBatchName.Malformed", "{name}");
    }
    for lines in [0, 1_000_001] {
        assert_eq!(begin(BatchBegun { lines, ..wanted("web", 1) }), "InvalidManifest.Lines");
    }
    let plan = BatchPlan::default();
    for plan in [
        BatchPlan { concurrency: 0, ..plan.clone() },
        BatchPlan { concurrency: 257, ..plan.clone() },
        BatchPlan { per_minute: Some(0), ..plan.clone() },
        BatchPlan { bytes_per_second: Some(0), ..plan.clone() },
        BatchPlan { budget: Some(Budget::Percent(101)), ..plan.clone() },
        BatchPlan { budget: Some(Budget::Lines(0)), ..plan },
    ] {
        assert_eq!(begin(BatchBegun { plan, ..wanted("web", 1) }), "InvalidParameter.BatchPlan");
    }
}

#[test]
fn a_batch_goes_from_state_to_state_as_drawn_and_no_other_way() {
    let (mut world, id) = begun(BatchPlan::default());
    let ask = |world: &World| {
        let account = account();
        let ask = |rule: &dyn Fn(&event::View<'_>) -> Result<(), Refusal>| world.ask(&house(), rule).is_ok();
        [
            ask(&|view| rules::pause_batch(view, &account, &id, "").map(drop)),
            ask(&|view| rules::resume_batch(view, &account, &id, "").map(drop)),
            ask(&|view| rules::stop_batch(view, &account, &id, "", Counts::default()).map(drop)),
            ask(&|view| rules::cancel_batch(view, &account, &id, "", false).map(drop)),
            ask(&|view| rules::end_batch(view, &account, &id, Counts::default()).map(drop)),
            ask(&|view| rules::forget_batch(view, &account, &id).map(drop)),
        ]
    };
    assert_eq!(ask(&world), [true, false, true, true, false, false], "running");
    world.decide(&house(), |view| rules::pause_batch(view, &account(), &id, "night")).unwrap();
    assert_eq!(row(&world, &id).why, "night");
    assert_eq!(ask(&world), [false, true, false, true, false, false], "paused");
    world.decide(&house(), |view| rules::resume_batch(view, &account(), &id, "")).unwrap();
    world
        .decide(&house(), |view| rules::stop_batch(view, &account(), &id, "3 failed", Counts::default()))
        .unwrap();
    assert_eq!(ask(&world), [false, true, false, true, false, false], "stopped");
    world.decide(&house(), |view| rules::cancel_batch(view, &account(), &id, "", false)).unwrap();
    assert_eq!(ask(&world), [false, false, false, true, true, false], "cancelling");
    world.decide(&house(), |view| rules::cancel_batch(view, &account(), &id, "", true)).unwrap();
    assert!(row(&world, &id).hard);
    world.decide(&house(), |view| rules::end_batch(view, &account(), &id, Counts::default())).unwrap();
    assert_eq!(row(&world, &id).state, BatchState::Cancelled);
    assert_eq!(ask(&world), [false, false, false, false, false, true], "cancelled");
    assert_eq!(
        note(&mut world, &id, 1, 0).map_err(|refusal| refusal.code),
        Err("IncorrectBatchStatus".to_owned())
    );
}

#[test]
fn a_batch_is_done_when_its_last_line_is_and_notes_never_go_back() {
    let (mut world, id) = begun(BatchPlan::default());
    note(&mut world, &id, 40, 2).unwrap();
    assert_eq!(row(&world, &id).settled, 42);
    assert_eq!(code(note(&mut world, &id, 40, 1)), "IncorrectBatchStatus");
    assert_eq!(code(note(&mut world, &id, 101, 0)), "IncorrectBatchStatus");
    let unstarted = vec![Unstarted { line: 1, code: String::new(), message: String::new(), joined: None }];
    let counts = Counts { done: 98, failed: 2, parked: 0 };
    let fewer = Counts { done: 97, failed: 2, parked: 0 };
    let much = BatchNote { settled: 100, counts, unstarted: vec![unstarted[0].clone(); UNSTARTED_MAX + 1] };
    let no = world.decide(&house(), |view| rules::note_batch(view, &account(), &id, much));
    assert_eq!(code(no), "IncorrectBatchStatus");
    assert_eq!(
        code(world.ask(&house(), |view| rules::end_batch(view, &account(), &id, fewer))),
        "IncorrectBatchStatus"
    );
    let all = BatchNote { settled: 100, counts, unstarted };
    world.decide(&house(), |view| rules::note_batch(view, &account(), &id, all)).unwrap();
    world.decide(&house(), |view| rules::end_batch(view, &account(), &id, counts)).unwrap();
    let ended = row(&world, &id);
    assert_eq!((ended.state, ended.counts.bad(), ended.ended_ms), (BatchState::Done, 2, Some(world.now_ms)));
    assert_eq!(BATCHES_OPEN.list(&world.rows, &house(), &[]), []);
    assert_eq!(BATCH_LINES.list(&world.rows, &house(), &[ACCOUNT, id.as_str()]).len(), 1);
    world.decide(&house(), |view| rules::forget_batch(view, &account(), &id)).unwrap();
    assert!(BATCHES.list(&world.rows, &house(), &[]).is_empty());
    assert!(BATCH_NAMES.list(&world.rows, &house(), &[]).is_empty());
    assert!(BATCH_MANIFESTS.list(&world.rows, &house(), &[]).is_empty());
    assert!(BATCH_LINES.list(&world.rows, &house(), &[]).is_empty());
}

#[test]
fn lines_are_forgotten_in_stretches_and_only_of_a_batch_that_has_ended() {
    let (mut world, id) = begun(BatchPlan::default());
    let line = |line| Unstarted { line, code: "No".to_owned(), message: String::new(), joined: None };
    let counts = Counts { done: 97, failed: 3, parked: 0 };
    let note = BatchNote { settled: 100, counts, unstarted: vec![line(7), line(70), line(1000)] };
    world.decide(&house(), |view| rules::note_batch(view, &account(), &id, note)).unwrap();
    let forget = |view: &event::View<'_>| rules::forget_lines(view, &account(), &id, 1000);
    assert_eq!(code(world.ask(&house(), forget)), "IncorrectBatchStatus");
    world.decide(&house(), |view| rules::end_batch(view, &account(), &id, counts)).unwrap();
    world.decide(&house(), forget).unwrap();
    let left = BATCH_LINES.list(&world.rows, &house(), &[ACCOUNT, id.as_str()]);
    assert_eq!(left, [line(1000)]);
}

#[test]
fn a_budget_stops_a_batch_and_whoever_resumes_it_forgives_what_failed() {
    let plan = BatchPlan { budget: Some(Budget::Percent(3)), ..BatchPlan::default() };
    let (mut world, id) = begun(plan);
    let bad = |failed, parked| Counts { done: 10, failed, parked };
    assert_eq!(row(&world, &id).is_spent(bad(2, 0)), None);
    assert_eq!(row(&world, &id).is_spent(bad(2, 1)).unwrap(), "3 lines did not go well, and it stops at 3");
    note(&mut world, &id, 10, 3).unwrap();
    world
        .decide(&house(), |view| rules::stop_batch(view, &account(), &id, "3 failed", Counts::default()))
        .unwrap();
    world.decide(&house(), |view| rules::resume_batch(view, &account(), &id, "seen")).unwrap();
    assert_eq!(row(&world, &id).is_spent(bad(5, 0)), None);
    assert!(row(&world, &id).is_spent(bad(6, 0)).is_some());
    for (budget, lines, at) in [
        (Budget::Percent(1), 10, 1),
        (Budget::Percent(1), 101, 2),
        (Budget::Percent(100), 7, 7),
        (Budget::Lines(5), 7, 5),
    ] {
        assert_eq!(budget.stops_at(lines), at, "{budget:?} of {lines}");
    }
}

/// Of lines behind one that still runs no note tells: what failed among them was forgiven by nobody once, and the batch
/// stopped again at once, and after a kill.
#[test]
fn what_a_batch_stopped_for_is_forgiven_though_no_note_tells_of_it() {
    let plan = BatchPlan { budget: Some(Budget::Lines(3)), canary: 5, ..BatchPlan::default() };
    let (mut world, id) = begun(plan);
    let bad = |failed, parked| Counts { done: 0, failed, parked };
    world.decide(&house(), |view| rules::stop_batch(view, &account(), &id, "", bad(2, 1))).unwrap();
    world.decide(&house(), |view| rules::resume_batch(view, &account(), &id, "seen")).unwrap();
    let resumed = row(&world, &id);
    assert_eq!((resumed.is_spent(bad(5, 0)), resumed.opens_to(bad(3, 0))), (None, 100));
    assert!(resumed.is_spent(bad(6, 0)).is_some());
    // Nor is anything forgiven less than it was.
    world.decide(&house(), |view| rules::stop_batch(view, &account(), &id, "", Counts::default())).unwrap();
    world.decide(&house(), |view| rules::resume_batch(view, &account(), &id, "")).unwrap();
    assert_eq!(row(&world, &id).forgiven, 3);
}

/// What was written before the counts stood in the event.
#[test]
fn a_stop_without_counts_is_read() {
    let old = r#"{"batch": "b-web", "account": "100000", "why": "3 failed"}"#;
    let event: crate::events::BatchStopped = serde_json::from_str(old).unwrap();
    assert_eq!(event.counts, Counts::default());
}

#[test]
fn the_first_lines_go_well_before_any_other_is_started() {
    let (mut world, id) = begun(BatchPlan { canary: 5, ..BatchPlan::default() });
    let counts = |done, failed| Counts { done, failed, parked: 0 };
    let batch = row(&world, &id);
    assert_eq!((batch.opens_to(counts(0, 0)), batch.opens_to(counts(4, 0))), (5, 5));
    assert_eq!(batch.opens_to(counts(5, 0)), 100);
    assert_eq!(batch.is_spent(counts(4, 0)), None);
    assert!(batch.is_spent(counts(3, 1)).unwrap().contains("first 5 lines"));
    assert_eq!(batch.is_spent(counts(6, 1)), None, "the others have no budget");
    note(&mut world, &id, 4, 1).unwrap();
    world.decide(&house(), |view| rules::stop_batch(view, &account(), &id, "", Counts::default())).unwrap();
    world.decide(&house(), |view| rules::resume_batch(view, &account(), &id, "")).unwrap();
    assert_eq!(
        (row(&world, &id).opens_to(counts(4, 1)), row(&world, &id).is_spent(counts(4, 1))),
        (100, None)
    );
}
