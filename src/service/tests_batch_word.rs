//! A person's word on a batch at an odd moment: while nobody keeps the house, while its lines wait for a place, while
//! they run, and said twice.

use std::sync::Arc;

use domain::batch::BatchPlan;
use tempfile::TempDir;

use crate::tests::{call, close, wiring};
use crate::tests_batch::{Scene, pause, tag};
use crate::{BatchRequest, BatchView, Call, Line, Request, Service, dispatch, local_actor};

/// A house that nothing is driven in.
async fn idle(place: &TempDir) -> Arc<Service> {
    let dir = place.path().join("data");
    Service::open(crate::Options { dir, wiring: wiring(), drive: false }).await.unwrap()
}

/// Says it without driving anything, as `kiln batch pause` does.
async fn say(service: &Arc<Service>, id: &str, request: BatchRequest) -> BatchView {
    let call = Call { drive: false, ..call(&local_actor(), id, Request::Batch(request)) };
    dispatch(service, call).await.unwrap().try_into().unwrap()
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
        let word = if cancels { crate::tests_batch::cancel("long", false) } else { pause("long") };
        // Whoever waits for what follows drives as well, and no earlier.
        let call = Call { drive: cancels, ..call(&local_actor(), "word", Request::Batch(word)) };
        dispatch(&scene.service, call).await.unwrap();
        let rests = scene.at_rest("long").await;
        assert_eq!(rests.state, if cancels { "Cancelled" } else { "Paused" });
        assert_eq!(scene.changes_idle(), before, "not a line more");
        close(scene.service).await;
    }
}
