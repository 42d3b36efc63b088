//! What the copies of a batch may send together: said once for the batch, and known to each of them.

use std::sync::Arc;

use domain::AccountId;
use domain::batch::BatchPlan;
use domain::port::{Pace, SharedPace};
use event::FlowId;
use workflows::{CopyImage, CopySnapshot};

use crate::batch_line::shared_pace;
use crate::tests::{ask, close};
use crate::tests_batch::{Scene, cancel, run_of};
use crate::{
    BatchRequest, BatchRun, BatchView, CopiesStarted, ImageAt, ImageView, Line, Operation, Request, Service,
    local_actor,
};

/// What an operation was started with.
fn asked<T: serde::de::DeserializeOwned>(service: &Arc<Service>, flow: FlowId) -> T {
    let started = service.engine.snapshot().unwrap().started(flow).unwrap().unwrap();
    rmp_serde::from_slice(&started.input).unwrap()
}

fn line(number: u64, key: Option<&str>, operation: &str, words: &[(&str, &str)]) -> Line {
    let to = [("to-region", "cn-beijing")];
    let operation = Operation::new(operation, words.iter().copied().chain(to));
    Line { number, key: key.map(str::to_owned), operation }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copies_of_a_batch_share_its_bandwidth_and_those_of_nobody_else_do() {
    let scene = Scene::new().await;
    // An image is not copied twice to the same place at once.
    for name in ["web-2", "web-3"] {
        scene.import(name).await;
    }
    let at = ImageAt { image: "web-1".to_owned(), region: None };
    let shown = Request::ImageShow(at);
    let image: ImageView = ask(&scene.service, &local_actor(), "", shown).await.unwrap();
    let snapshot = image.disks[0].snapshot_id.clone();
    let lines = [
        line(1, None, "image.copy", &[("image", "web-1"), ("name", "one")]),
        line(2, Some("two"), "image.copy", &[("image", "web-2"), ("name", "two"), ("bandwidth", "1KiB")]),
        line(3, None, "snapshot.copy", &[("snapshot", &snapshot)]),
    ];
    let manifest = scene.put(&lines).await;
    let actions = ["share-copy", "snapshot-copy"].map(str::to_owned).to_vec();
    // So slow that nothing ends before it is looked at.
    let plan = BatchPlan { bytes_per_second: Some(1), ..BatchPlan::default() };
    let run = BatchRun { actions, ..run_of(&manifest, "slow", plan) };
    let begun: BatchView = scene.ask(BatchRequest::Run(run)).await.unwrap();
    assert_eq!(begun.bytes_per_second, Some(1));
    let flows = loop {
        let lines = scene.lines("slow").await;
        let flows: Vec<FlowId> = lines.into_iter().filter_map(|line| line.workflow_id).collect();
        if flows.len() == 3 {
            break flows;
        }
    };
    let shared = SharedPace { of: begun.batch_id.clone(), bytes_per_second: 1 };
    let pace = |own: Option<u64>| Pace { bytes_per_second: own, shared: Some(shared.clone()) };
    assert_eq!(asked::<CopyImage>(&scene.service, flows[0]).pace, pace(None));
    assert_eq!(asked::<CopyImage>(&scene.service, flows[1]).pace, pace(Some(1024)), "beside its own");
    assert_eq!(asked::<CopySnapshot>(&scene.service, flows[2]).pace, pace(None));
    // Who asks by hand shares with nobody, nor would another account whose request has such an id.
    let copy = |name: &str| {
        line(1, None, "image.copy", &[("image", "web-3"), ("name", name)]).operation.request().unwrap()
    };
    let by_hand: CopiesStarted = ask(&scene.service, &local_actor(), "hand", copy("three")).await.unwrap();
    assert_eq!(asked::<CopyImage>(&scene.service, by_hand.copies[0].workflow_id).pace, Pace::default());
    let (rows, request) =
        (scene.service.engine.snapshot().unwrap(), format!("batch/{}/0000009", begun.batch_id));
    let of = |account: &str| shared_pace(&rows, &AccountId::from(account), &request);
    assert_eq!((of(&local_actor().account), of("200000")), (Some(shared), None));
    scene.ask::<BatchView>(cancel("slow", true)).await.unwrap();
    assert_eq!(scene.at_rest("slow").await.state, "Cancelled");
    close(scene.service).await;
}
