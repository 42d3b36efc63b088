//! Batches at the service's door: every line once, whatever stops them on the way.

use std::sync::Arc;

use domain::AccountId;
use domain::batch::{BatchPlan, Budget, Sort};
use event::Actor;
use tempfile::TempDir;

use crate::manifest::LinesDigest;
use crate::tests::{ask, close, disk, finished, import, open};
use crate::{
    BatchLines, BatchRequest, BatchRun, BatchView, Batches, ImageAt, ImageQuery, ImageView, Images, Line,
    LinesTried, ManifestHave, Operation, Request, Service, ShareRequest, Started, Trouble, WorkflowView,
    Workflows, local_actor,
};

/// A house with one image, and a manifest that was put into it.
pub(crate) struct Scene {
    pub(crate) place: TempDir,
    pub(crate) service: Arc<Service>,
}

/// A line that sets a tag of the image.
pub(crate) fn tag(number: u64) -> Line {
    let value = number.to_string();
    let operation = Operation::new("image.modify", [("image", "web-1"), ("tag:n", &value)]);
    Line { number, key: None, operation }
}

/// A line that nothing can be made of: there is no such image.
pub(crate) fn lost(number: u64) -> Line {
    Line { number, key: None, operation: Operation::new("image.deprecate", [("image", "nobody")]) }
}

pub(crate) fn kept(lines: &[Line]) -> (String, String) {
    let (mut identity, mut text) = (LinesDigest::default(), String::new());
    for line in lines {
        identity.add(&line.kept());
        text.push_str(&line.kept());
    }
    (identity.digest(), text)
}

pub(crate) fn run_of(manifest: &str, name: &str, plan: BatchPlan) -> BatchRun {
    BatchRun {
        manifest: manifest.to_owned(),
        name: name.to_owned(),
        plan,
        again: false,
        actions: vec!["image-modify".to_owned(), "image-deprecate".to_owned()],
        names_files: false,
    }
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let service = open(&place).await;
        let scene = Self { place, service };
        scene.import("web-1").await;
        scene
    }

    pub(crate) async fn import(&self, name: &str) {
        let (by, request) = (local_actor(), import(&disk(&self.place), name));
        let started: Started = ask(&self.service, &by, &format!("import {name}"), request).await.unwrap();
        assert_eq!(finished(&self.service, &by, &started).await.state, "Done");
    }

    pub(crate) async fn ask<T: TryFrom<crate::Reply, Error = Trouble>>(
        &self,
        request: BatchRequest,
    ) -> Result<T, Trouble> {
        self.ask_as(&local_actor(), request).await
    }

    pub(crate) async fn ask_as<T: TryFrom<crate::Reply, Error = Trouble>>(
        &self,
        by: &Actor,
        request: BatchRequest,
    ) -> Result<T, Trouble> {
        static ASKED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = ASKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        ask(&self.service, by, &format!("test-{number}"), Request::Batch(request)).await
    }

    pub(crate) async fn put(&self, lines: &[Line]) -> String {
        let (manifest, text) = kept(lines);
        let bytes = text.len() as u64;
        let put = BatchRequest::Put { manifest: manifest.clone(), bytes, offset: 0, text };
        let have: ManifestHave = self.ask(put).await.unwrap();
        assert!(have.whole);
        manifest
    }

    pub(crate) async fn run(
        &self,
        lines: &[Line],
        name: &str,
        plan: BatchPlan,
    ) -> Result<BatchView, Trouble> {
        let manifest = self.put(lines).await;
        self.ask(BatchRequest::Run(run_of(&manifest, name, plan))).await
    }

    /// Waits until no line of it is started any more.
    pub(crate) async fn at_rest(&self, batch: &str) -> BatchView {
        loop {
            let view: BatchView = self.ask(BatchRequest::Wait { batch: batch.to_owned() }).await.unwrap();
            if !view.driven && !matches!(view.state.as_str(), "Running" | "Cancelling") {
                return view;
            }
        }
    }

    pub(crate) async fn lines(&self, batch: &str) -> Vec<crate::LineView> {
        let (mut all, mut from) = (Vec::new(), Some(0));
        while let Some(at) = from {
            let request = BatchRequest::Lines { batch: batch.to_owned(), from: at, count: 7, bad: false };
            let lines: BatchLines = self.ask(request).await.unwrap();
            all.extend(lines.lines);
            from = lines.next;
        }
        all
    }

    pub(crate) async fn states(&self, batch: &str) -> Vec<String> {
        self.lines(batch).await.into_iter().map(|line| line.state).collect()
    }

    /// The same, asked of the log alone.
    pub(crate) fn changes_idle(&self) -> usize {
        let rows = self.service.engine.snapshot().unwrap();
        rows.flows(10_000, |flow| flow.name == "modify_image").unwrap().len()
    }

    /// How many operations there are that changed the image.
    pub(crate) async fn changes(&self) -> usize {
        let list = Request::WorkflowList(crate::WorkflowQuery::newest(10_000));
        let flows: Workflows = ask(&self.service, &local_actor(), "", list).await.unwrap();
        flows.workflows.iter().filter(|flow| flow.name == "modify_image").count()
    }
}

pub(crate) fn one_at_a_time() -> BatchPlan {
    BatchPlan { concurrency: 1, ..BatchPlan::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_is_done_once_and_the_same_manifest_finds_the_same_batch() {
    let scene = Scene::new().await;
    let lines: Vec<Line> = (1..=40).map(tag).collect();
    let begun = scene.run(&lines, "tags", BatchPlan::default()).await.unwrap();
    let done = scene.at_rest("tags").await;
    assert_eq!((done.state.as_str(), done.done, done.failed, done.settled), ("Done", 40, 0, 40));
    let changes =
        scene.service.engine.snapshot().unwrap().flows(100, |flow| flow.name == "modify_image").unwrap();
    let behind = changes.iter().all(|flow| flow.class == engine::Class::Background);
    assert!(changes.len() == 40 && behind, "a line is behind what a person asks for");
    assert_eq!(scene.states("tags").await, vec!["Done"; 40]);
    let again = scene.run(&lines, "other", BatchPlan::default()).await.unwrap();
    assert!(again.joined);
    assert_eq!((again.batch_id, again.state.as_str()), (begun.batch_id, "Done"));
    assert_eq!(scene.changes().await, 40);
    let run = BatchRun { again: true, ..run_of(&begun.manifest, "more", BatchPlan::default()) };
    scene.ask::<BatchView>(BatchRequest::Run(run)).await.unwrap();
    assert_eq!(scene.at_rest("more").await.done, 40);
    assert_eq!(scene.changes().await, 80);
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_became_an_operation_is_told_and_counts_as_failed() {
    let scene = Scene::new().await;
    let lines = [tag(1), lost(2), tag(3), lost(7)];
    scene.run(&lines, "some", BatchPlan::default()).await.unwrap();
    let done = scene.at_rest("some").await;
    assert_eq!((done.state.as_str(), done.done, done.failed), ("Done", 2, 2));
    let told = scene.lines("some").await;
    let states: Vec<_> = told.iter().map(|line| (line.line, line.state.as_str())).collect();
    assert_eq!(states, [(1, "Done"), (2, "Refused"), (3, "Done"), (7, "Refused")]);
    assert_eq!(told[1].error_code, "InvalidImageId.NotFound");
    assert!(told[1].workflow_id.is_none() && told[0].workflow_id.is_some());
    close(scene.service).await;
}

/// Refusals come in many at a time where many lines run at once: a note held one more than it may once, and was
/// refused itself, and the batch went on nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_refused_lines_are_noted_a_few_hundred_at_a_time() {
    let scene = Scene::new().await;
    let lines: Vec<Line> = (1..=3000).map(lost).collect();
    scene.run(&lines, "lost", BatchPlan { concurrency: 256, ..BatchPlan::default() }).await.unwrap();
    let done = scene.at_rest("lost").await;
    assert_eq!((done.state.as_str(), done.done, done.failed), ("Done", 0, 3000));
    let rows = scene.service.engine.snapshot().unwrap();
    let refused = rows.flows(100, |flow| flow.name == "change_batch" && flow.refusal().is_some()).unwrap();
    assert!(refused.is_empty(), "a note was refused: {refused:?}");
    drop(rows);
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_stops_it_and_resuming_goes_on_where_it_stopped() {
    let scene = Scene::new().await;
    let lines = [tag(1), lost(2), lost(3), tag(4), lost(5), tag(6), lost(7), tag(8)];
    let plan = BatchPlan { budget: Some(Budget::Lines(2)), ..one_at_a_time() };
    scene.run(&lines, "some", plan).await.unwrap();
    let stopped = scene.at_rest("some").await;
    assert_eq!((stopped.state.as_str(), stopped.done, stopped.failed), ("Stopped", 1, 2));
    assert_eq!(stopped.reason, "2 lines did not go well, and it stops at 2");
    let resume = BatchRequest::Resume { batch: "some".to_owned(), reason: "seen".to_owned() };
    scene.ask::<BatchView>(resume.clone()).await.unwrap();
    let stopped = scene.at_rest("some").await;
    assert_eq!((stopped.state.as_str(), stopped.done, stopped.failed), ("Stopped", 3, 4));
    scene.ask::<BatchView>(resume).await.unwrap();
    let done = scene.at_rest("some").await;
    assert_eq!((done.state.as_str(), done.done, done.failed), ("Done", 4, 4));
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_fails_keeps_every_other_line_from_being_started() {
    let scene = Scene::new().await;
    let lines: Vec<Line> = [tag(1), lost(2), tag(3)].into_iter().chain((4..=20).map(tag)).collect();
    scene.run(&lines, "some", BatchPlan { canary: 3, ..BatchPlan::default() }).await.unwrap();
    let stopped = scene.at_rest("some").await;
    assert_eq!((stopped.state.as_str(), stopped.settled, stopped.done), ("Stopped", 3, 2));
    assert_eq!(scene.changes().await, 2);
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_batch_starts_nothing_until_it_is_resumed_and_a_cancelled_one_never() {
    let scene = Scene::new().await;
    let lines: Vec<Line> = (1..=30).map(tag).collect();
    // A line a minute: the first is started, and the batch waits.
    let slow = BatchPlan { per_minute: Some(1), ..BatchPlan::default() };
    scene.run(&lines, "slow", slow).await.unwrap();
    let pause = BatchRequest::Pause { batch: "slow".to_owned(), reason: "night".to_owned() };
    scene.ask::<BatchView>(pause).await.unwrap();
    let paused = scene.at_rest("slow").await;
    assert_eq!((paused.state.as_str(), paused.reason.as_str()), ("Paused", "night"));
    assert!(paused.settled <= 1, "{paused:?}");
    let before = scene.changes().await;
    let resume = BatchRequest::Resume { batch: "slow".to_owned(), reason: String::new() };
    let resumed: BatchView = scene.ask(resume).await.unwrap();
    assert_eq!(resumed.state, "Running");
    let cancel = |hard| BatchRequest::Cancel { batch: "slow".to_owned(), reason: "wrong".to_owned(), hard };
    scene.ask::<BatchView>(cancel(true)).await.unwrap();
    let cancelled = scene.at_rest("slow").await;
    assert_eq!(cancelled.state, "Cancelled");
    assert!(scene.changes().await <= before + 1);
    let states = scene.states("slow").await;
    assert_eq!(states.iter().filter(|state| *state == "Waiting").count() as u64, 30 - cancelled.settled);
    let no = scene.ask::<BatchView>(cancel(false)).await.unwrap_err();
    assert_eq!(no.code, "IncorrectBatchStatus");
    scene.ask::<BatchView>(BatchRequest::Forget { batch: "slow".to_owned() }).await.unwrap();
    assert!(scene.ask::<Batches>(BatchRequest::List).await.unwrap().batches.is_empty());
    let left = std::fs::read_dir(scene.place.path().join("data/manifests")).unwrap().count();
    assert_eq!(left, 0, "its manifest is gone with it");
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_on_by_itself_when_the_directory_is_opened_again() {
    let scene = Scene::new().await;
    let lines: Vec<Line> =
        (1..=200).map(|number| if number % 50 == 0 { lost(number) } else { tag(number) }).collect();
    scene.run(&lines, "long", BatchPlan { concurrency: 4, ..BatchPlan::default() }).await.unwrap();
    let Scene { place, service } = scene;
    close(service).await;
    let scene = Scene { service: open(&place).await, place };
    let done = scene.at_rest("long").await;
    assert_eq!((done.state.as_str(), done.done, done.failed), ("Done", 196, 4));
    assert_eq!(scene.changes().await, 196);
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_started_in_the_order_of_a_parameter() {
    let scene = Scene::new().await;
    let lines: Vec<Line> = [3, 10, 2, 1]
        .into_iter()
        .enumerate()
        .map(|(place, value)| Line {
            number: place as u64 + 1,
            key: Some(format!("k{value}")),
            operation: Operation::new(
                "image.modify",
                [("image", "web-1"), ("description", &*format!("{value}"))],
            ),
        })
        .collect();
    let lines: Vec<Line> = lines
        .into_iter()
        .map(|mut line| {
            // A description is two characters at least.
            let value = line.operation.parameters["description"].clone();
            line.operation.parameters.insert("tag:n".to_owned(), value);
            line.operation.parameters.remove("description");
            line
        })
        .collect();
    let sort = Some(Sort { parameter: "Tag:N".to_owned(), descending: true });
    scene.run(&lines, "sorted", BatchPlan { sort, ..one_at_a_time() }).await.unwrap();
    assert_eq!(scene.at_rest("sorted").await.done, 4);
    let mut told = scene.lines("sorted").await;
    assert_eq!(told[0].key, "k3");
    // Of what began in one millisecond the ids say nothing.
    let rows = scene.service.engine.snapshot().unwrap();
    told.sort_by_key(|line| line.workflow_id.and_then(|id| rows.flow(id)).map(|flow| flow.first));
    drop(rows);
    let order: Vec<_> = told.iter().map(|line| line.key.as_str()).collect();
    assert_eq!(order, ["k10", "k3", "k2", "k1"]);
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_tells_what_could_not_be_done_now_and_does_nothing() {
    let scene = Scene::new().await;
    let lines: Vec<Line> = [tag(1), lost(2)].into_iter().chain((3..=12).map(tag)).collect();
    let manifest = scene.put(&lines).await;
    let (mut ready, mut refused, mut from) = (0, Vec::new(), Some(0));
    while let Some(at) = from {
        let actions = vec!["image-modify".to_owned(), "image-deprecate".to_owned()];
        let request = BatchRequest::Plan {
            manifest: manifest.clone(),
            from: at,
            count: 5,
            actions,
            names_files: false,
        };
        let tried: LinesTried = scene.ask(request).await.unwrap();
        ready += tried.ready;
        refused.extend(tried.refused);
        from = tried.next;
    }
    assert_eq!((ready, refused.len(), refused[0].line), (11, 1, 2));
    assert_eq!(scene.changes().await, 0);
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_not_what_was_said_of_it_is_refused_before_anything_starts() {
    let scene = Scene::new().await;
    let no = |answer: Result<BatchView, Trouble>| answer.unwrap_err().code;
    let missing = kept(&[tag(1)]).0;
    let plan = BatchPlan::default;
    assert_eq!(
        no(scene.ask(BatchRequest::Run(run_of(&missing, "x", plan()))).await),
        "InvalidManifest.NotFound"
    );
    let wrong =
        Line { number: 2, key: None, operation: Operation::new("image.modify", [("image", "web-1")]) };
    assert_eq!(no(scene.run(&[tag(1), wrong], "x", plan()).await), "InvalidManifest.Malformed");
    assert_eq!(no(scene.run(&[tag(2), tag(1)], "x", plan()).await), "InvalidManifest.Malformed");
    // A key would be a part of a request.
    for key in ["a/b", "", "a b"] {
        let keyed = Line { key: Some(key.to_owned()), ..tag(1) };
        let no = scene.run(&[keyed], "x", plan()).await.unwrap_err();
        assert!(no.code == "InvalidManifest.Malformed" && no.message.contains("is no key"), "{no:?}");
    }
    let sort = Some(Sort { parameter: "imagee".to_owned(), descending: false });
    let wrong = scene.run(&[tag(1)], "x", BatchPlan { sort, ..plan() }).await.unwrap_err();
    assert_eq!(
        (wrong.code.as_str(), wrong.advice.as_str()),
        ("InvalidParameter.BatchPlan", "did you mean `image`?")
    );
    let paced =
        scene.run(&[tag(1)], "x", BatchPlan { bytes_per_second: Some(1), ..plan() }).await.unwrap_err();
    let told = (paced.code.as_str(), paced.advice.as_str());
    assert_eq!(told, ("InvalidParameter.BatchPlan", "leave the bandwidth out"), "nothing is copied");
    // What policies were not asked about is not done.
    let delete =
        Line { number: 1, key: None, operation: Operation::new("image.delete", [("image", "web-1")]) };
    assert_eq!(no(scene.run(&[delete], "x", plan()).await), "InvalidManifest.Malformed");
    let export = Operation::new("image.export", [("image", "web-1"), ("to", "/tmp/x.raw")]);
    let manifest = scene.put(&[Line { number: 1, key: None, operation: export }]).await;
    let run = BatchRun { actions: vec!["image-export".to_owned()], ..run_of(&manifest, "x", plan()) };
    assert_eq!(no(scene.ask(BatchRequest::Run(run)).await), "InvalidManifest.Malformed");
    // Cut short, or of other bytes.
    let (manifest, text) = kept(&[tag(5)]);
    let bytes = text.len() as u64;
    let put = |text: String, offset| BatchRequest::Put { manifest: manifest.clone(), bytes, offset, text };
    let have: ManifestHave = scene.ask(put(text[..10].to_owned(), 0)).await.unwrap();
    assert_eq!((have.bytes, have.whole), (10, false));
    let have: ManifestHave = scene.ask(put(text[20..].to_owned(), 20)).await.unwrap();
    assert_eq!(have.bytes, 10, "a piece that does not follow changes nothing");
    let wrong = scene.ask::<ManifestHave>(put("x".repeat(text.len() - 10), 10)).await.unwrap_err();
    assert_eq!(wrong.code, "InvalidManifest.Digest");
    assert_eq!(scene.changes().await, 0);
    let images: Images =
        ask(&scene.service, &local_actor(), "", Request::ImageList(ImageQuery::default())).await.unwrap();
    assert_eq!(images.total_count, 1);
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_its_accounts_alone() {
    let scene = Scene::new().await;
    let (name, account) = ("other".to_owned(), Some(AccountId::from("200000")));
    let create = Request::Share(ShareRequest::AccountCreate { name, account });
    let started: Started = ask(&scene.service, &local_actor(), "account", create).await.unwrap();
    let view: WorkflowView = finished(&scene.service, &local_actor(), &started).await;
    assert_eq!(view.state, "Done");
    let begun = scene.run(&[tag(1)], "mine", BatchPlan::default()).await.unwrap();
    scene.at_rest("mine").await;
    let other = Actor { account: "200000".to_owned(), key: String::new() };
    for batch in ["mine", &begun.batch_id] {
        let show = BatchRequest::Show { batch: batch.to_owned() };
        let no = scene.ask_as::<BatchView>(&other, show).await.unwrap_err();
        assert_eq!(no.code, "InvalidBatchId.NotFound");
    }
    let run = BatchRequest::Run(run_of(&begun.manifest, "mine", BatchPlan::default()));
    let no = scene.ask_as::<BatchView>(&other, run).await.unwrap_err();
    assert_eq!(no.code, "InvalidManifest.NotFound");
    assert!(scene.ask_as::<Batches>(&other, BatchRequest::List).await.unwrap().batches.is_empty());
    let at = ImageAt { image: "web-1".to_owned(), region: None };
    let image: ImageView = ask(&scene.service, &local_actor(), "", Request::ImageShow(at)).await.unwrap();
    assert_eq!(image.image_name, "web-1");
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_manifest_is_gone_stops_and_says_so() {
    let scene = Scene::new().await;
    let lines: Vec<Line> = (1..=5).map(tag).collect();
    let slow = BatchPlan { per_minute: Some(1), ..BatchPlan::default() };
    scene.run(&lines, "slow", slow).await.unwrap();
    let pause = BatchRequest::Pause { batch: "slow".to_owned(), reason: String::new() };
    scene.ask::<BatchView>(pause).await.unwrap();
    let paused = scene.at_rest("slow").await;
    let file = scene.place.path().join("data/manifests").join(format!("100000-{}", paused.manifest));
    std::fs::write(&file, "nonsense\n".repeat(5)).unwrap();
    let resume = BatchRequest::Resume { batch: "slow".to_owned(), reason: String::new() };
    scene.ask::<BatchView>(resume).await.unwrap();
    let stopped = scene.at_rest("slow").await;
    assert_eq!(stopped.state, "Stopped");
    assert!(stopped.reason.contains("cannot be read"), "{}", stopped.reason);
    close(scene.service).await;
}

/// A batch that waits, where its manifest is, and how many lines of it have ended.
async fn paused(scene: &Scene) -> (std::path::PathBuf, u64) {
    let lines: Vec<Line> = (1..=5).map(tag).collect();
    let slow = BatchPlan { per_minute: Some(1), ..BatchPlan::default() };
    scene.run(&lines, "slow", slow).await.unwrap();
    scene.ask::<BatchView>(pause("slow")).await.unwrap();
    let paused = scene.at_rest("slow").await;
    assert_eq!(paused.state, "Paused");
    let file = format!("data/manifests/100000-{}", paused.manifest);
    (scene.place.path().join(file), paused.settled)
}

pub(crate) fn pause(batch: &str) -> BatchRequest {
    BatchRequest::Pause { batch: batch.to_owned(), reason: String::new() }
}

pub(crate) fn resume(batch: &str) -> BatchRequest {
    BatchRequest::Resume { batch: batch.to_owned(), reason: String::new() }
}

pub(crate) fn cancel(batch: &str, hard: bool) -> BatchRequest {
    BatchRequest::Cancel { batch: batch.to_owned(), reason: String::new(), hard }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_manifest_was_removed_stops_and_can_be_cancelled_and_forgotten() {
    let scene = Scene::new().await;
    std::fs::remove_file(paused(&scene).await.0).unwrap();
    scene.ask::<BatchView>(resume("slow")).await.unwrap();
    let stopped = scene.at_rest("slow").await;
    assert_eq!(stopped.state, "Stopped");
    assert!(stopped.reason.contains("cannot be read"), "{}", stopped.reason);
    scene.ask::<BatchView>(cancel("slow", false)).await.unwrap();
    let cancelled = scene.at_rest("slow").await;
    assert_eq!((cancelled.state.as_str(), cancelled.settled), ("Cancelled", stopped.settled));
    scene.ask::<BatchView>(BatchRequest::Forget { batch: "slow".to_owned() }).await.unwrap();
    assert!(scene.ask::<Batches>(BatchRequest::List).await.unwrap().batches.is_empty());
    close(scene.service).await;
}

/// What cannot be opened now may be later: a batch rests for a moment and is tried again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_on_by_itself_when_the_world_lets_it() {
    let scene = Scene::new().await;
    let (file, before) = paused(&scene).await;
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    // It is there and cannot be opened: it is a link to itself.
    std::os::unix::fs::symlink(&file, &file).unwrap();
    scene.ask::<BatchView>(resume("slow")).await.unwrap();
    let another = scene.run(&[tag(7)], "another", BatchPlan::default()).await.unwrap();
    assert_eq!(scene.at_rest(&another.batch_id).await.state, "Done", "nobody else waits for it");
    let show = BatchRequest::Show { batch: "slow".to_owned() };
    assert_eq!(scene.ask::<BatchView>(show.clone()).await.unwrap().state, "Running");
    std::fs::rename(&aside, &file).unwrap();
    loop {
        let view: BatchView = scene.ask(show.clone()).await.unwrap();
        if view.settled > before {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    close(scene.service).await;
}
