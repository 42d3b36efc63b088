//! Manifests as files: how long one stays that no batch is of, and how much of them an account may keep.
//!
//! One that was sent a day ago was removed once while a batch of it was being begun: it was found whole and checked,
//! the house began to be kept and was swept, and then the batch named it.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use domain::batch::BatchPlan;
use domain::{AccountId, Digest};

use crate::manifests::Manifests;
use crate::tests::{call, close, wiring};
use crate::tests_batch::{Scene, kept, run_of, tag};
use crate::{
    BatchRequest, BatchView, Call, ManifestHave, Operation, Reply, Request, Service, Trouble, Wiring,
    dispatch, local_actor,
};

const DAY: Duration = Duration::from_hours(24);

/// A clock that runs so far ahead.
#[derive(Debug, Default)]
struct Ahead(AtomicI64);

impl engine::Clock for Ahead {
    fn now_ms(&self) -> i64 {
        engine::SystemClock.now_ms() + self.0.load(Ordering::Relaxed)
    }
}

/// The manifests there are, by name.
fn there(scene: &Scene) -> Vec<String> {
    let dir = scene.place.path().join("data/manifests");
    let names = std::fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn age(scene: &Scene, manifest: &str, by: Duration) {
    let path = scene.place.path().join(format!("data/manifests/100000-{manifest}"));
    File::options().append(true).open(path).unwrap().set_modified(SystemTime::now() - by).unwrap();
}

/// Asks a house that nothing is driven in, and that may stay so.
async fn ask_idle<T: TryFrom<Reply, Error = Trouble>>(
    service: &Arc<Service>,
    id: &str,
    request: BatchRequest,
) -> Result<T, Trouble> {
    let call = Call { drive: false, ..call(&local_actor(), id, Request::Batch(request)) };
    T::try_from(dispatch(service, call).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_may_begin_of_a_manifest_that_was_sent_long_ago() {
    let scene = Scene::new().await;
    let manifest = scene.put(&[tag(1), tag(2)]).await;
    let Scene { place, service } = scene;
    close(service).await;
    let dir = place.path().join("data");
    let service = Service::open(crate::Options { dir, wiring: wiring(), drive: false }).await.unwrap();
    let scene = Scene { place, service };
    age(&scene, &manifest, 2 * DAY);
    let run = BatchRequest::Run(run_of(&manifest, "old", BatchPlan::default()));
    ask_idle::<BatchView>(&scene.service, "run", run).await.unwrap();
    let done = scene.at_rest("old").await;
    assert_eq!((done.state.as_str(), done.done), ("Done", 2));
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_to_be_named_and_what_was_asked_for_again_is_not_removed() {
    let scene = Scene::new().await;
    let manifest = scene.put(&[tag(1)]).await;
    let (account, digest) = (AccountId::from("100000"), manifest.parse::<Digest>().unwrap());
    let manifests = &scene.service.manifests;
    age(&scene, &manifest, 2 * DAY);
    {
        let _held = manifests.hold(&account, &digest);
        scene.service.sweep_manifests();
        manifests.remove(&account, &digest, || Ok(false)).unwrap();
    }
    assert_eq!(there(&scene).len(), 1, "somebody is about to name it");
    // Whoever is told that it is whole has a day to run it.
    scene.put(&[tag(1)]).await;
    scene.service.sweep_manifests();
    assert_eq!(there(&scene).len(), 1);
    age(&scene, &manifest, 2 * DAY);
    scene.service.sweep_manifests();
    assert_eq!(there(&scene), Vec::<String>::new());
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_that_stays_open_removes_what_nothing_came_of() {
    let scene = Scene::new().await;
    let Scene { place, service } = scene;
    close(service).await;
    let clock = Arc::new(Ahead::default());
    let wiring = Wiring { clock: clock.clone(), ..wiring() };
    let dir = place.path().join("data");
    let service = Service::open(crate::Options { dir, wiring, drive: true }).await.unwrap();
    let scene = Scene { place, service };
    scene.run(&[tag(1)], "kept", BatchPlan::default()).await.unwrap();
    scene.at_rest("kept").await;
    scene.put(&[tag(2)]).await;
    assert_eq!(there(&scene).len(), 2);
    clock.0.store(2 * 24 * 60 * 60 * 1000, Ordering::Relaxed);
    // Whatever comes to rest has it looked at what is due.
    let mut number = 0;
    while there(&scene).len() > 1 {
        number += 1;
        let value = format!("{number}");
        let words = [("image", "web-1"), ("tag:n", &*value)];
        let request = Operation::new("image.modify", words).request().unwrap();
        dispatch(&scene.service, call(&local_actor(), &format!("tag-{number}"), request)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(there(&scene)[0].ends_with(&kept(&[tag(1)]).0), "the other is a batch's");
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_keeps_no_more_than_so_much_that_no_batch_is_of() {
    let scene = Scene::new().await;
    let running = scene.run(&[tag(1)], "run", BatchPlan::default()).await.unwrap();
    scene.at_rest("run").await;
    let dir = scene.place.path().join("data/manifests");
    let fill = |name: &str, bytes: u64| File::create(dir.join(name)).unwrap().set_len(bytes).unwrap();
    // What a batch is of does not count, however large it is, nor what another account has sent.
    fill(&format!("100000-{}", running.manifest), 2 << 30);
    fill(&format!("200000-{}", Digest([1; 32])), 2 << 30);
    scene.put(&[tag(2)]).await;
    fill(&format!("100000-{}.part", Digest([2; 32])), 1 << 30);
    let (manifest, text) = kept(&[tag(3)]);
    let bytes = text.len() as u64;
    let put = |text: String| BatchRequest::Put { manifest: manifest.clone(), bytes, offset: 0, text };
    for text in [text, String::new()] {
        let no = scene.ask::<ManifestHave>(put(text)).await.unwrap_err();
        assert_eq!(no.code, "QuotaExceed.Manifest");
    }
    assert!(!dir.join(format!("100000-{manifest}.part")).exists());
    // What is there already is told all the same, and can be run.
    scene.run(&[tag(2)], "run-2", BatchPlan::default()).await.unwrap();
    close(scene.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_small_manifests_take_room_as_well() {
    let place = tempfile::tempdir().unwrap();
    let manifests = Manifests::of(wiring().files, place.path());
    let dir = place.path().join("manifests");
    std::fs::create_dir(&dir).unwrap();
    for number in 0..1024 {
        File::create(dir.join(format!("100000-{number:064x}"))).unwrap();
    }
    let (manifest, text) = kept(&[tag(1)]);
    let piece = crate::manifests::Piece { total: text.len() as u64, offset: 0, text: text.as_bytes() };
    let (account, digest) = (AccountId::from("100000"), manifest.parse::<Digest>().unwrap());
    let no = manifests.put(&account, &digest, piece, 0, || Ok([].into())).unwrap_err();
    assert_eq!(no.code, "QuotaExceed.Manifest");
    let other = AccountId::from("200000");
    assert!(manifests.put(&other, &digest, piece, 0, || Ok([].into())).unwrap().whole);
}
