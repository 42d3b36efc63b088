//! Schedules at the service's door, under a clock that stands until it is told otherwise: downtime, clocks that jump,
//! each overlap policy, and a process that ends between a tick and what it starts.
//!
//! Nobody keeps the house here but the test: it looks, as the keeper would, until nothing is left to be done.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::port::DataPlane;
use domain::schedule::{Overlap, RUNNING};
use event::Actor;
use tempfile::TempDir;
use workflows::TickSchedule;

use crate::tests::{call, close, disk, import};
use crate::ticker::{EACH_MAX, LATE_MAX, Tried};
use crate::{
    Call, CopiesStarted, Family, Operation, PreviewOf, Reply, Request, ScheduleCreate, ScheduleRequest,
    ScheduleView, Schedules, Service, ShareRequest, Started, Ticks, TicksAsked, Trouble, Wiring,
    WorkflowView, Workflows, dispatch, local_actor,
};

/// 2027-01-15T08:00:00Z.
pub(crate) const START_MS: i64 = 1_800_000_000_000;
pub(crate) const MINUTE_MS: i64 = 60_000;
/// What is written down of schedules by themselves.
pub(crate) const ITS_OWN: [&str; 4] = ["tick_schedule", "begin_run", "end_run", "pause_schedule"];

/// A clock that stands still until it is told otherwise.
#[derive(Debug)]
struct TestClock(AtomicI64);

impl engine::Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A house that only the test keeps.
pub(crate) struct Kept {
    place: TempDir,
    clock: Arc<TestClock>,
    pub(crate) service: Arc<Service>,
    pub(crate) tried: Tried,
    asked: u32,
}

async fn open(place: &TempDir, clock: &Arc<TestClock>) -> Arc<Service> {
    let files: Arc<dyn files::Files> = Arc::new(files::RealFiles);
    let under = files.clone();
    let data = move |root: &Path| -> Arc<dyn DataPlane> {
        Arc::new(data::Plane::new(under.clone(), root.to_owned(), data::Options::default()))
    };
    let wiring = Wiring { files, clock: clock.clone(), data: Arc::new(data) };
    let dir = place.path().join("data");
    let service = Service::open(crate::Options { dir, wiring, drive: false }).await.unwrap();
    // Operations are driven; what is due is for the test.
    service.engine.drive().await.unwrap();
    service
}

impl Kept {
    pub(crate) async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(START_MS)));
        let service = open(&place, &clock).await;
        Self { place, clock, service, tried: Tried::default(), asked: 0 }
    }

    fn set(&self, ms: i64) {
        self.clock.0.store(ms, Ordering::Relaxed);
    }

    /// To that minute after the beginning.
    pub(crate) fn minute(&self, minutes: i64) {
        self.set(START_MS + minutes * MINUTE_MS);
    }

    async fn try_ask<T: TryFrom<Reply, Error = Trouble>>(
        &mut self,
        by: &Actor,
        request: impl Into<Request>,
    ) -> Result<T, Trouble> {
        self.asked += 1;
        let id = format!("test-{}", self.asked);
        let call = Call { drive: false, ..call(by, &id, request.into()) };
        T::try_from(dispatch(&self.service, call).await?)
    }

    pub(crate) async fn ask<T: TryFrom<Reply, Error = Trouble>>(&mut self, request: impl Into<Request>) -> T {
        self.try_ask(&local_actor(), request).await.unwrap()
    }

    async fn no(&mut self, request: impl Into<Request>) -> Trouble {
        self.try_ask::<Started>(&local_actor(), request).await.unwrap_err()
    }

    pub(crate) async fn done(&mut self, request: impl Into<Request>) -> WorkflowView {
        let started: Started = self.ask(request).await;
        let view = self.rest(&started).await;
        assert_eq!(view.state, "Done", "{view:?}");
        view
    }

    /// Waits for an operation, and has nobody keep the house meanwhile.
    async fn rest(&mut self, started: &Started) -> WorkflowView {
        self.service.engine.wait(started.workflow_id).await.unwrap();
        self.ask(Request::WorkflowShow(started.workflow_id)).await
    }

    pub(crate) async fn create(&mut self, create: ScheduleCreate) {
        self.done(ScheduleRequest::Create(Box::new(create))).await;
    }

    /// Looks until nothing more is to be done; operations that were begun may still go on.
    pub(crate) async fn keep(&mut self) {
        loop {
            let look = self.service.keep_schedules(&mut self.tried).await.unwrap();
            // What is written down of them comes to rest by itself, and is waited for as the keeper does.
            let open = self.service.engine.snapshot().unwrap().open_flows();
            match open.iter().find(|flow| ITS_OWN.contains(&flow.name.as_str())) {
                Some(flow) => _ = self.service.engine.wait(flow.id).await.unwrap(),
                None if look.started == 0 => return,
                None => {}
            }
        }
    }

    /// The same, and waits for what was begun, until all of it has ended.
    pub(crate) async fn keep_all(&mut self) {
        loop {
            self.keep().await;
            let running = RUNNING.list_all(&self.service.engine.snapshot().unwrap());
            let Some(flow) = running.iter().flat_map(|run| &run.flows).next().copied() else { return };
            self.service.engine.wait(flow).await.unwrap();
        }
    }

    pub(crate) async fn show(&mut self) -> ScheduleView {
        self.ask(ScheduleRequest::Show("minutely".to_owned())).await
    }

    /// The times of day for which operations of a kind were asked for by the schedule, oldest first.
    pub(crate) async fn starts(&mut self, name: &str) -> Vec<String> {
        let flows: Workflows = self.ask(Request::WorkflowList(crate::WorkflowQuery::newest(10_000))).await;
        let mut found = Vec::new();
        for flow in flows.workflows.iter().rev().filter(|flow| flow.name == name) {
            let row = self.service.engine.snapshot().unwrap().flow(flow.workflow_id).unwrap();
            if let event::Cause::Request(request) = row.cause
                && let Some(run) = request.strip_prefix("schedule/")
            {
                let run = run.split('/').nth(1).unwrap_or_default();
                let run = run.trim_start_matches("2027-01-15T").trim_end_matches(":00Z");
                found.push((row.first, run.to_owned()));
            }
        }
        // Of what began in one millisecond the ids say nothing.
        found.sort();
        found.into_iter().map(|(_, run)| run).collect()
    }

    /// The process ends, whatever it was at, and another begins.
    async fn restart(mut self) -> Self {
        close(self.service).await;
        self.service = open(&self.place, &self.clock).await;
        self.tried = Tried::default();
        self
    }

    /// An image of the account.
    pub(crate) async fn image(&mut self, name: &str) {
        let path = disk(&self.place);
        self.done(import(&path, name)).await;
    }
}

impl From<ScheduleRequest> for Request {
    fn from(request: ScheduleRequest) -> Self {
        Self::Schedule(request)
    }
}

/// Every minute, a disk is made.
pub(crate) fn minutely(overlap: Overlap) -> ScheduleCreate {
    ScheduleCreate {
        name: "minutely".to_owned(),
        ticks: TicksAsked { when: "* * * * *".to_owned(), ..TicksAsked::default() },
        jitter_ms: 0,
        overlap,
        catch_up_ms: Some(5 * MINUTE_MS),
        failures_max: Some(3),
        operation: Operation::new("disk.create", [("size", "20GiB")]),
    }
}

/// An operation that goes on until it is cancelled: a copy that is allowed a byte a second.
async fn hold(kept: &mut Kept) -> Started {
    kept.image("slow").await;
    let words = [("image", "slow"), ("to-region", "cn-beijing"), ("bandwidth", "1B")];
    let copies: CopiesStarted = kept.ask(Operation::new("image.copy", words).request().unwrap()).await;
    Started { workflow_id: copies.copies[0].workflow_id, joined: false, image_id: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tick_starts_its_operation_once_however_often_it_is_looked_at() {
    let mut kept = Kept::new().await;
    kept.create(minutely(Overlap::Skip)).await;
    kept.keep_all().await;
    assert!(kept.starts("create_disk").await.is_empty(), "nothing before its time");
    for minute in 1..=3 {
        kept.minute(minute);
        kept.keep_all().await;
        kept.keep_all().await;
    }
    assert_eq!(kept.starts("create_disk").await, ["08:01", "08:02", "08:03"]);
    let started =
        kept.service.engine.snapshot().unwrap().flows(100, |flow| flow.name == "create_disk").unwrap();
    let behind = started.iter().all(|flow| flow.class == engine::Class::Background);
    assert!(started.len() == 3 && behind, "what the clock starts is behind what a person asks for");
    let shown = kept.show().await;
    assert_eq!((shown.status.as_str(), shown.ended, shown.skipped), ("Active", 3, 0));
    assert_eq!(shown.next.unwrap().time, "2027-01-15T08:04:00Z");
    let first = &shown.recent[0];
    assert_eq!((first.run.as_str(), first.state.as_str()), ("2027-01-15T08:03:00Z", "Done"));
    assert_eq!(first.workflow_ids.len(), 1);
    close(kept.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_anywhere_between_a_tick_and_its_end_starts_it_once() {
    // Between each look and the next there is one durable step: the process ends after each of them in turn.
    for cut in 0..6 {
        let mut kept = Kept::new().await;
        kept.create(minutely(Overlap::Skip)).await;
        kept.minute(1);
        for _ in 0..cut {
            kept.service.keep_schedules(&mut kept.tried).await.unwrap();
        }
        let mut kept = kept.restart().await;
        kept.keep_all().await;
        assert_eq!(kept.starts("create_disk").await, ["08:01"], "cut after {cut}");
        assert_eq!(kept.show().await.ended, 1, "cut after {cut}");
        close(kept.service).await;
    }
    // After the tick, before anything was begun.
    let mut kept = Kept::new().await;
    kept.create(minutely(Overlap::Skip)).await;
    kept.minute(1);
    let shown = kept.show().await;
    let flow = TickSchedule {
        account: "100000".into(),
        schedule: shown.schedule_id.as_str().into(),
        ticks: vec![START_MS + MINUTE_MS],
        missed: None,
        now_ms: START_MS + MINUTE_MS,
    };
    let tick = format!("schedule/{}/tick/{}", shown.schedule_id, START_MS + MINUTE_MS);
    kept.service.engine.run(local_actor(), &tick, flow).await.unwrap();
    let kept = kept.restart().await;
    // After the operation was begun, before that was noted: it was asked for under the request of its run.
    let request = Operation::new("disk.create", [("size", "20GiB")]).request().unwrap();
    let id = format!("schedule/{}/2027-01-15T08:01:00Z", shown.schedule_id);
    let begun: Started = {
        let call = Call { drive: false, ..call(&local_actor(), &id, request) };
        dispatch(&kept.service, call).await.unwrap().try_into().unwrap()
    };
    let mut kept = kept.restart().await;
    kept.keep_all().await;
    assert_eq!(kept.starts("create_disk").await, ["08:01"]);
    assert_eq!(kept.show().await.recent[0].workflow_ids, [begun.workflow_id]);
    close(kept.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_while_of_nobody_being_there_what_is_not_too_late_runs_and_the_rest_is_told() {
    let mut kept = Kept::new().await;
    kept.create(minutely(Overlap::BufferAll)).await;
    kept.minute(1);
    kept.keep_all().await;
    let mut kept = kept.restart().await;
    kept.minute(20);
    kept.keep_all().await;
    // Five minutes are not too late: 08:15 and on.
    let expected = ["08:01", "08:15", "08:16", "08:17", "08:18", "08:19", "08:20"];
    assert_eq!(kept.starts("create_disk").await, expected);
    let shown = kept.show().await;
    assert_eq!((shown.skipped, shown.ended), (13, 7));
    let told = kept.service.engine.snapshot().unwrap().history(&shown.schedule_id).unwrap();
    let ticks = told.iter().filter(|record| record.kind == "schedule.ticked/1").count();
    assert_eq!(ticks, 20, "an event for each tick");
    close(kept.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_missed_ticks_are_told_one_by_one_up_to_a_bound_and_then_as_one() {
    let mut kept = Kept::new().await;
    kept.create(minutely(Overlap::Skip)).await;
    kept.minute(10_000);
    kept.keep_all().await;
    let shown = kept.show().await;
    let records = kept.service.engine.snapshot().unwrap().history(&shown.schedule_id).unwrap();
    let of = |kind: &str| records.iter().filter(|record| record.kind == kind).count();
    assert_eq!(of("schedule.ticks-missed/1"), 1);
    assert_eq!(of("schedule.ticked/1"), EACH_MAX + 6, "the first, and the six that are not too late");
    assert_eq!(shown.skipped + shown.ended, 10_000, "none is lost");
    assert_eq!(shown.next.unwrap().local_time, "2027-01-22T06:41:00+00:00");
    // A window that is longer than anybody wants is cut.
    let mut kept = Kept::new().await;
    kept.create(ScheduleCreate { catch_up_ms: Some(300 * 24 * 60 * MINUTE_MS), ..minutely(Overlap::Skip) })
        .await;
    kept.minute(5_000);
    kept.keep_all().await;
    let shown = kept.show().await;
    let records = kept.service.engine.snapshot().unwrap().history(&shown.schedule_id).unwrap();
    let of = |kind: &str| records.iter().filter(|record| record.kind == kind).count();
    assert_eq!((of("schedule.ticks-missed/1"), of("schedule.ticked/1")), (1, EACH_MAX + LATE_MAX));
    assert_eq!(shown.skipped + shown.ended, 5_000);
    close(kept.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_neither_repeats_nor_loses_a_tick() {
    let mut kept = Kept::new().await;
    kept.create(ScheduleCreate { catch_up_ms: None, ..minutely(Overlap::BufferAll) }).await;
    kept.minute(3);
    kept.keep_all().await;
    kept.minute(-60);
    kept.keep_all().await;
    kept.minute(2);
    kept.keep_all().await;
    assert_eq!(kept.starts("create_disk").await, ["08:01", "08:02", "08:03"]);
    kept.minute(5);
    kept.keep_all().await;
    assert_eq!(kept.starts("create_disk").await, ["08:01", "08:02", "08:03", "08:04", "08:05"]);
    // The log's time has been ahead by a year; what ticks after that is not late.
    let mut kept = Kept::new().await;
    kept.minute(365 * 24 * 60);
    kept.image("ahead").await;
    kept.minute(0);
    kept.create(minutely(Overlap::Skip)).await;
    kept.minute(1);
    kept.keep_all().await;
    assert_eq!(kept.starts("create_disk").await, ["08:01"]);
    close(kept.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_run_goes_on_a_tick_is_what_its_policy_says() {
    for (overlap, begun, skipped) in [
        (Overlap::Skip, vec!["08:01", "08:05"], 3),
        (Overlap::BufferOne, vec!["08:01", "08:02", "08:05"], 2),
        (Overlap::BufferAll, vec!["08:01", "08:02", "08:03", "08:04", "08:05"], 0),
        (Overlap::CancelOther, vec!["08:01", "08:04", "08:05"], 2),
        (Overlap::Allow, vec!["08:01", "08:02", "08:03", "08:04", "08:05"], 0),
    ] {
        let mut kept = Kept::new().await;
        let slow = hold(&mut kept).await;
        kept.create(ScheduleCreate { failures_max: Some(0), ..minutely(overlap) }).await;
        // The first run is made to hang on an operation that goes on until it is stopped.
        kept.minute(1);
        while RUNNING.list_all(&kept.service.engine.snapshot().unwrap()).is_empty() {
            kept.service.keep_schedules(&mut kept.tried).await.unwrap();
        }
        let run = RUNNING.list_all(&kept.service.engine.snapshot().unwrap()).remove(0);
        let began = workflows::BeginRun {
            account: run.account.clone(),
            schedule: run.schedule.clone(),
            run: run.name.clone(),
            flows: vec![slow.workflow_id],
        };
        let request = format!("schedule/{}/{}", run.schedule, run.name);
        kept.service.engine.run(local_actor(), &format!("{request}/began"), began).await.unwrap();
        // Three come together: what a policy says is said to each.
        kept.minute(4);
        kept.keep().await;
        // With one of the policies that has happened by itself.
        kept.service.engine.cancel(local_actor(), slow.workflow_id, "enough").await.ok();
        kept.rest(&slow).await;
        kept.keep_all().await;
        kept.minute(5);
        kept.keep_all().await;
        let mut expected = begun.clone();
        expected.remove(0);
        assert_eq!(kept.starts("create_disk").await, expected, "{overlap:?}");
        let shown = kept.show().await;
        assert_eq!((shown.skipped, shown.ended), (skipped, begun.len() as u64), "{overlap:?}");
        let first = shown.recent.iter().find(|past| past.run == run.name).unwrap();
        assert_eq!(first.state, "Cancelled", "{overlap:?}");
        close(kept.service).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_fails_too_often_is_paused_and_says_why_and_goes_on_when_resumed() {
    let mut kept = Kept::new().await;
    let operation = Operation::new("image.deprecate", [("image", "golden")]);
    kept.create(ScheduleCreate { operation, ..minutely(Overlap::Skip) }).await;
    for minute in 1..=5 {
        kept.minute(minute);
        kept.keep_all().await;
    }
    let shown = kept.show().await;
    assert_eq!((shown.status.as_str(), shown.ended, shown.failures), ("Paused", 3, 3));
    assert!(shown.paused_because.contains("3 runs failed in a row"), "{}", shown.paused_because);
    assert_eq!(shown.recent[0].error_code, "InvalidImageId.NotFound");
    assert_eq!(shown.next, None);
    kept.image("golden").await;
    kept.done(ScheduleRequest::Resume("minutely".to_owned())).await;
    kept.minute(6);
    kept.keep_all().await;
    let shown = kept.show().await;
    assert_eq!((shown.status.as_str(), shown.failures, shown.ended), ("Active", 0, 4));
    assert_eq!(shown.recent[0].run, "2027-01-15T08:06:00Z");
    close(kept.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_is_made_up_for_and_what_ran_in_it_does_not_run_again() {
    let mut kept = Kept::new().await;
    kept.create(minutely(Overlap::Skip)).await;
    kept.minute(1);
    kept.keep_all().await;
    kept.minute(20);
    kept.keep_all().await;
    let ran = kept.starts("create_disk").await;
    assert_eq!(ran, ["08:01", "08:15"], "the others of the last five minutes came while that went on");
    let backfill = |from: &str, to: &str| ScheduleRequest::Backfill {
        schedule: "minutely".to_owned(),
        from: from.to_owned(),
        to: Some(to.to_owned()),
    };
    kept.done(backfill("2027-01-15T07:58", "2027-01-15T08:03")).await;
    kept.keep_all().await;
    let expected = ["08:01", "08:15", "07:58", "07:59", "08:00", "08:02", "08:03"];
    assert_eq!(kept.starts("create_disk").await, expected);
    assert_eq!(
        kept.no(backfill("2027-01-15T07:58", "2027-01-15T08:03")).await.code,
        "IncorrectScheduleStatus"
    );
    assert_eq!(kept.no(backfill("2027-01-16", "2027-01-17")).await.code, "InvalidSchedule.Bounds");
    assert_eq!(kept.no(backfill("1970-01-01", "2027-01-15")).await.code, "IncorrectScheduleStatus");
    close(kept.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_may_be_had_now_and_a_deleted_schedule_does_nothing_more() {
    let mut kept = Kept::new().await;
    kept.create(minutely(Overlap::Skip)).await;
    let pause = ScheduleRequest::Pause { schedule: "minutely".to_owned(), why: "holidays".to_owned() };
    kept.done(pause).await;
    let run = kept.done(ScheduleRequest::RunNow("minutely".to_owned())).await.output;
    kept.minute(9);
    kept.keep_all().await;
    let shown = kept.show().await;
    assert_eq!((shown.recent[0].run.as_str(), shown.ended), (run.as_str(), 1), "paused, and yet");
    assert_eq!(shown.paused_because, "holidays");
    kept.done(ScheduleRequest::Resume("minutely".to_owned())).await;
    kept.done(ScheduleRequest::Delete("minutely".to_owned())).await;
    kept.minute(99);
    kept.keep_all().await;
    assert_eq!(kept.starts("create_disk").await.len(), 1);
    assert_eq!(kept.no(ScheduleRequest::Show("minutely".to_owned())).await.code, "InvalidSchedule.NotFound");
    // Of the same name, and yet another: its first tick is its own.
    kept.create(minutely(Overlap::Skip)).await;
    kept.minute(100);
    kept.keep_all().await;
    assert_eq!(kept.show().await.ended, 1);
    close(kept.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_are_an_accounts_own_and_refused_where_they_make_no_sense() {
    let mut kept = Kept::new().await;
    let (name, account) = ("other".to_owned(), Some(domain::AccountId::from("200000")));
    kept.done(Request::Share(ShareRequest::AccountCreate { name, account })).await;
    kept.create(minutely(Overlap::Skip)).await;
    let other = Actor { account: "200000".to_owned(), key: String::new() };
    let all: Schedules = kept.try_ask(&other, ScheduleRequest::List).await.unwrap();
    assert_eq!(all.schedules, []);
    let id = kept.show().await.schedule_id;
    for request in [
        ScheduleRequest::Show(id.clone()),
        ScheduleRequest::RunNow(id.clone()),
        ScheduleRequest::Delete("minutely".to_owned()),
        ScheduleRequest::Resume("min\0utely".to_owned()),
        ScheduleRequest::Preview { of: PreviewOf::Schedule(id), from: None, count: 1 },
    ] {
        let no = kept.try_ask::<Started>(&other, request).await.unwrap_err();
        assert_eq!((no.family, no.code.as_str()), (Family::Refused, "InvalidSchedule.NotFound"));
    }
    let create = |change: fn(&mut ScheduleCreate)| {
        let mut create = ScheduleCreate { name: "other".to_owned(), ..minutely(Overlap::Skip) };
        change(&mut create);
        ScheduleRequest::Create(Box::new(create))
    };
    for (request, code) in [
        (create(|it| it.ticks.when = "0 0 30 2 *".to_owned()), "InvalidSchedule.When"),
        (create(|it| it.ticks.zone = "Berlin".to_owned()), "InvalidSchedule.TimeZone"),
        (create(|it| it.ticks.start = Some("soon".to_owned())), "InvalidSchedule.When"),
        (create(|it| it.ticks.end = Some("2020-01-01".to_owned())), "InvalidSchedule.NeverTicks"),
        (create(|it| it.operation.operation = "image.explode".to_owned()), "InvalidOperation.NotFound"),
        (create(|it| it.operation = Operation::new("image.check", [])), "MissingParameter"),
        (
            create(|it| it.operation = Operation::new("disk.create", [("size", "20GiB"), ("Size", "1GiB")])),
            "InvalidParameter.Conflict",
        ),
        (create(|it| it.name = "minutely".to_owned()), "InvalidScheduleName.Duplicated"),
    ] {
        let no = kept.no(request).await;
        assert_eq!(no.code, code);
        assert!(!no.advice.is_empty(), "{no:?}");
    }
    let of = PreviewOf::Ticks(TicksAsked {
        when: "30 2 * * *".to_owned(),
        zone: "Europe/Berlin".to_owned(),
        ..TicksAsked::default()
    });
    let ticks: Ticks =
        kept.ask(ScheduleRequest::Preview { of, from: Some("2027-03-27".to_owned()), count: 3 }).await;
    let told: Vec<_> = ticks.ticks.iter().map(|tick| tick.local_time.as_str()).collect();
    assert_eq!(told, ["2027-03-27T02:30:00+01:00", "2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00"]);
    close(kept.service).await;
}
