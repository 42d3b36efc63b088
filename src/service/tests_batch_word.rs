//! A person's word on a batch at an odd moment: while nobody keeps the house, while its lines wait for a place, while
//! they run, and said twice.

use std::sync::Arc;

use domain::batch::{BatchPlan, Budget};
use tempfile::TempDir;

use crate::tests::{ask, call, close, disk, finished, import, wiring};
use crate::tests_batch::{Scene, cancel, lost, pause, resume, run_of, tag};
use crate::{
    BatchRequest, BatchRun, BatchView, Call, Line, Operation, Request, Service, Started, Trouble, dispatch,
    local_actor,
};

/// A house that nothing is driven in.
async fn idle(place: &TempDir) -> Arc<Service> {
    let dir = place.path().join("data");
    Service::open(crate::Options { dir, wiring: wiring(), drive: false }).await.unwrap()
}

/// A line that goes on until it is cancelled: a copy that is allowed a byte a second.
fn slow(number: u64, image: &str) -> Line {
    // Another name, or the image would be one of two.
    let name = format!("{image}-copy");
    let words = [("image", image), ("name", &*name), ("to-region", "cn-beijing"), ("bandwidth", "1B")];
    Line { number, key: None, operation: Operation::new("image.copy", words) }
}

/// Runs lines of which the first goes on for ever, one after another at least two at once.
async fn run_slow(scene: &Scene, lines: &[Line], plan: BatchPlan) -> BatchView {
    let manifest = scene.put(lines).await;
    let actions = ["share-copy", "image-modify", "image-deprecate"].map(str::to_owned).to_vec();
    scene.ask(BatchRequest::Run(BatchRun { actions, ..run_of(&manifest, "slow", plan) })).await.unwrap()
}

/// Looks at a batch until it is so.
async fn until(scene: &Scene, so: impl Fn(&BatchView) -> bool) -> BatchView {
    loop {
        let view: BatchView = scene.ask(BatchRequest::Wait { batch: "slow".to_owned() }).await.unwrap();
        if so(&view) {
            return view;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_stopped_goes_on_while_a_line_of_it_still_runs_and_after_a_restart() {
    let scene = Scene::new().await;
    let lines: Vec<Line> = [slow(1, "web-1"), lost(2), lost(3)].into_iter().chain((4..=9).map(tag)).collect();
    let plan = BatchPlan { budget: Some(Budget::Lines(2)), concurrency: 2, ..BatchPlan::default() };
    run_slow(&scene, &lines, plan).await;
    until(&scene, |view| view.state == "Stopped").await;
    scene.ask::<BatchView>(resume("slow")).await.unwrap();
    let on = until(&scene, |view| view.done == 6 || view.state == "Stopped").await;
    assert_eq!(
        (on.state.as_str(), on.failed, on.running),
        ("Running", 2, 1),
        "{:?}",
        scene.lines("slow").await
    );
    let Scene { place, service } = scene;
    close(service).await;
    let scene = Scene { service: crate::tests::open(&place).await, place };
    let on = until(&scene, |view| view.done == 6 || view.state == "Stopped").await;
    assert_eq!((on.state.as_str(), on.failed, on.running), ("Running", 2, 1));
    scene.ask::<BatchView>(cancel("slow", true)).await.unwrap();
    let ended = scene.at_rest("slow").await;
    assert_eq!((ended.state.as_str(), ended.done, ended.failed), ("Cancelled", 6, 3));
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_paused_or_cancelled_in_an_idle_house_starts_nothing_before() {
    let lines: Vec<Line> = (1..=600).map(tag).collect();
    for cancels in [false, true] {
        let scene = Scene::new().await;
        let plan = BatchPlan { per_minute: Some(1), concurrency: 256, ..BatchPlan::default() };
        scene.run(&lines, "long", plan).await.unwrap();
        let Scene { place, service } = scene;
        close(service).await;
        let scene = Scene { service: idle(&place).await, place };
        let before = scene.changes_idle();
        let word = if cancels { cancel("long", false) } else { pause("long") };
        // Whoever waits for what follows drives as well, and no earlier.
        let call = Call { drive: cancels, ..call(&local_actor(), "word", Request::Batch(word)) };
        dispatch(&scene.service, call).await.unwrap();
        let rests = scene.at_rest("long").await;
        assert_eq!(rests.state, if cancels { "Cancelled" } else { "Paused" });
        assert_eq!(scene.changes_idle(), before, "not a line more");
        close(scene.service).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_thousands_of_refused_lines_is_forgotten_in_stretches_and_told_the_same_when_asked_again()
{
    let scene = Scene::new().await;
    let long = "x".repeat(3000);
    let words = [("image", "web-1"), ("to-region", &*long)];
    let first = Line { number: 1, key: None, operation: Operation::new("image.copy", words) };
    let lines: Vec<Line> = [first].into_iter().chain((2..=5000).map(lost)).collect();
    run_slow(&scene, &lines, BatchPlan { concurrency: 256, ..BatchPlan::default() }).await;
    let done = scene.at_rest("slow").await;
    assert_eq!((done.state.as_str(), done.failed), ("Done", 5000));
    let told = &scene.lines("slow").await[0];
    assert_eq!(told.state, "Refused");
    assert!(told.error_message.chars().count() <= 500, "{}", told.error_message);
    let forget = || BatchRequest::Forget { batch: "slow".to_owned() };
    let say = |id: &str| dispatch(&scene.service, call(&local_actor(), id, Request::Batch(forget())));
    let first: BatchView = say("forget").await.unwrap().try_into().unwrap();
    let again: BatchView = say("forget").await.unwrap().try_into().unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(&first).unwrap());
    assert_eq!(say("another").await.unwrap_err().code, "InvalidBatchId.NotFound");
    let rows = scene.service.engine.snapshot().unwrap();
    let records = rows.history(&done.batch_id).unwrap();
    let of = |kind: &str| records.iter().filter(|record| record.kind == kind).count();
    assert_eq!((of("batch.lines-forgotten/1"), of("batch.forgotten/1")), (1, 1));
    assert!(domain::batch::BATCH_LINES.list_all(&rows).is_empty());
    drop(rows);
    close(scene.service).await;
}

/// A process that was killed asks for every line again that it had started and not noted.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_gave_its_disk_or_snapshot_another_name_is_found_when_it_is_asked_for_again() {
    let scene = Scene::new().await;
    let say = |id: &'static str, name: &'static str, words: &'static [(&'static str, &'static str)]| {
        let request = Operation::new(name, words.iter().copied()).request().unwrap();
        let call = call(&local_actor(), id, request);
        async {
            let started: Started = dispatch(&scene.service, call).await?.try_into()?;
            Ok::<_, Trouble>(finished(&scene.service, &local_actor(), &started).await)
        }
    };
    say("disk", "disk.create", &[("size", "20GiB"), ("name", "one")]).await.unwrap();
    say("snapshot", "snapshot.create", &[("disk", "one"), ("name", "one")]).await.unwrap();
    for (id, operation, what) in [("1", "disk.modify", "disk"), ("2", "snapshot.modify", "snapshot")] {
        let words: &[(&str, &str)] = if what == "disk" {
            &[("disk", "one"), ("name", "two")]
        } else {
            &[("snapshot", "one"), ("name", "two")]
        };
        let first = say(id, operation, words).await.unwrap();
        assert_eq!(first.state, "Done", "{first:?}");
        let again = say(id, operation, words).await.unwrap();
        assert_eq!(again.workflow_id, first.workflow_id, "{what}");
    }
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_wait_for_a_place_start_no_more_when_their_batch_is_paused_or_cancelled() {
    let lines: Vec<Line> = (1..=20).map(tag).collect();
    for cancels in [false, true] {
        let scene = Scene::new().await;
        // Other batches have every place.
        let places = scene.service.running.places.clone();
        let all = u32::try_from(places.available_permits()).unwrap();
        let taken = places.acquire_many_owned(all).await.unwrap();
        scene.run(&lines, "slow", BatchPlan::default()).await.unwrap();
        until(&scene, |view| view.running == 16).await;
        let word = if cancels { cancel("slow", false) } else { pause("slow") };
        scene.ask::<BatchView>(word).await.unwrap();
        drop(taken);
        let rests = scene.at_rest("slow").await;
        assert_eq!((rests.settled, scene.changes().await), (0, 0), "{rests:?}");
        if !cancels {
            scene.ask::<BatchView>(resume("slow")).await.unwrap();
            assert_eq!(scene.at_rest("slow").await.done, 20);
        }
        close(scene.service).await;
    }
}

/// The lines were held back, and the batch goes on before anything else of it came to rest.
#[tokio::test(flavor = "multi_thread")]
async fn lines_that_were_held_back_start_when_their_batch_is_resumed_while_another_runs() {
    let scene = Scene::new().await;
    // Each is copied once at a time.
    for name in ["web-2", "web-3"] {
        let request = import(&disk(&scene.place), name);
        let started: Started = ask(&scene.service, &local_actor(), name, request).await.unwrap();
        assert_eq!(finished(&scene.service, &local_actor(), &started).await.state, "Done");
    }
    let lines: Vec<Line> = (1..=3).map(|number| slow(number, &format!("web-{number}"))).collect();
    let places = scene.service.running.places.clone();
    let all = u32::try_from(places.available_permits()).unwrap();
    let taken = places.acquire_many_owned(all - 1).await.unwrap();
    let copies = || {
        let rows = scene.service.engine.snapshot().unwrap();
        rows.flows(100, |flow| flow.name == "copy_image").unwrap().len()
    };
    run_slow(&scene, &lines, BatchPlan { concurrency: 3, ..BatchPlan::default() }).await;
    until(&scene, |view| view.running == 3 && copies() == 1).await;
    scene.ask::<BatchView>(pause("slow")).await.unwrap();
    drop(taken);
    until(&scene, |view| view.running == 1).await;
    scene.ask::<BatchView>(resume("slow")).await.unwrap();
    until(&scene, |view| view.running == 3 && copies() == 3).await;
    scene.ask::<BatchView>(cancel("slow", true)).await.unwrap();
    let ended = scene.at_rest("slow").await;
    assert_eq!((ended.state.as_str(), ended.done, ended.failed), ("Cancelled", 0, 3));
    close(scene.service).await;
}

/// Refused lines leave no trace until they are noted; the one that had been started stands behind many of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_batch_that_is_taken_up_again_waits_for_a_line_behind_many_that_were_refused() {
    let scene = Scene::new().await;
    let lines: Vec<Line> = (1..=100).map(lost).chain([slow(101, "web-1")]).collect();
    run_slow(&scene, &lines, BatchPlan { concurrency: 1, ..BatchPlan::default() }).await;
    until(&scene, |view| view.failed == 100 && view.running == 1).await;
    scene.ask::<BatchView>(cancel("slow", false)).await.unwrap();
    let Scene { place, service } = scene;
    close(service).await;
    let scene = Scene { service: crate::tests::open(&place).await, place };
    scene.ask::<BatchView>(cancel("slow", true)).await.unwrap();
    let ended = scene.at_rest("slow").await;
    assert_eq!((ended.state.as_str(), ended.done, ended.failed > 0), ("Cancelled", 0, true));
    let rows = scene.service.engine.snapshot().unwrap();
    let copy = rows.flows(100, |flow| flow.name == "copy_image").unwrap().remove(0);
    assert!(copy.state.has_ended(), "it was waited for: {copy:?}");
    close(scene.service).await;
}
