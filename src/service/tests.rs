//! The door and the socket, on a real directory: whose images are seen, what is started once, and
//! what a stranger on the socket can do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::port::DataPlane;
use event::Actor;
use serde::Serialize;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::{
    Because, Call, Family, FileAt, House, ImageAt, ImageImport, ImageQuery, ImageView, Images, ImportDisk,
    Manner, PROTOCOL, Reply, Request, Service, ShareRequest, Started, Trouble, Wiring, WorkflowQuery,
    WorkflowView, Workflows, dispatch, frame, local_actor,
};

pub(crate) fn wiring() -> Wiring {
    let files: Arc<dyn files::Files> = Arc::new(files::RealFiles);
    let under = files.clone();
    let data = move |root: &Path| -> Arc<dyn DataPlane> {
        Arc::new(data::Plane::new(under.clone(), root.to_owned(), data::Options::default()))
    };
    Wiring { files, clock: Arc::new(engine::SystemClock), data: Arc::new(data) }
}

pub(crate) async fn open(place: &TempDir) -> Arc<Service> {
    let dir = place.path().join("data");
    Service::open(crate::Options { dir, wiring: wiring(), drive: true }).await.unwrap()
}

/// Closes it once nobody else has it any more: its keeper may just be looking at what is due.
pub(crate) async fn close(mut service: Arc<Service>) {
    service.stop_following();
    let alone = loop {
        match Arc::try_unwrap(service) {
            Ok(alone) => break alone,
            Err(shared) => service = shared,
        }
        tokio::task::yield_now().await;
    };
    alone.close().await;
}

pub(crate) fn disk(place: &TempDir) -> PathBuf {
    let path = place.path().join("disk.raw");
    std::fs::write(&path, vec![7; 1 << 20]).unwrap();
    path
}

pub(crate) fn import(path: &Path, name: &str) -> Request {
    Request::ImageImport(ImageImport {
        disks: vec![ImportDisk {
            at: FileAt { bucket: None, path: path.to_str().unwrap().to_owned() },
            format: None,
            device: None,
            size_bytes: None,
        }],
        machine: domain::machine::MachineAsked::default(),
        check: false,
        name: name.to_owned(),
        description: String::new(),
        family: None,
        tags: std::collections::BTreeMap::default(),
        region: None,
    })
}

pub(crate) fn call(actor: &Actor, id: &str, request: Request) -> Call {
    Call {
        protocol: PROTOCOL,
        drive: true,
        actor: actor.clone(),
        id: id.to_owned(),
        manner: Manner::default(),
        request,
    }
}

pub(crate) async fn ask<T: TryFrom<Reply, Error = Trouble>>(
    service: &Arc<Service>,
    actor: &Actor,
    id: &str,
    request: Request,
) -> Result<T, Trouble> {
    T::try_from(dispatch(service, call(actor, id, request)).await?)
}

pub(crate) async fn finished(service: &Arc<Service>, actor: &Actor, started: &Started) -> WorkflowView {
    loop {
        let request = Request::WorkflowWait { workflow: started.workflow_id, events: u64::MAX };
        let view: WorkflowView = ask(service, actor, "", request).await.unwrap();
        if view.rests() {
            return view;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sent_again_finds_what_it_started_even_when_that_is_over() {
    let place = tempfile::tempdir().unwrap();
    let (service, actor) = (open(&place).await, local_actor());
    let wanted = import(&disk(&place), "web-1");
    let first: Started = ask(&service, &actor, "one", wanted.clone()).await.unwrap();
    let again: Started = ask(&service, &actor, "one", wanted.clone()).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(finished(&service, &actor, &first).await.state, "Done");
    let late: Started = ask(&service, &actor, "one", wanted.clone()).await.unwrap();
    assert_eq!(late.workflow_id, first.workflow_id);
    let other = ask::<Started>(&service, &actor, "two", wanted).await.unwrap_err();
    assert_eq!((other.family, other.code.as_str()), (Family::Refused, "InvalidImageName.Duplicated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_sees_and_touches_only_what_is_its_own() {
    let place = tempfile::tempdir().unwrap();
    let (service, owner) = (open(&place).await, local_actor());
    let stranger = Actor { account: "200000".to_owned(), key: String::new() };
    let (name, account) = ("stranger".to_owned(), Some(domain::AccountId::from("200000")));
    let create = Request::Share(ShareRequest::AccountCreate { name, account });
    let created: Started = ask(&service, &owner, "zero", create).await.unwrap();
    assert_eq!(finished(&service, &owner, &created).await.state, "Done");
    let started: Started = ask(&service, &owner, "one", import(&disk(&place), "web-1")).await.unwrap();
    let image = finished(&service, &owner, &started).await.output;

    let images: Images =
        ask(&service, &stranger, "", Request::ImageList(ImageQuery::default())).await.unwrap();
    assert_eq!(images.images, []);
    let at = || ImageAt { image: image.clone(), region: None };
    let named = ImageAt { image: "web-1".to_owned(), region: None };
    for request in [
        Request::ImageShow(at()),
        Request::ImageShow(named),
        Request::ImageHistory(at()),
        Request::ImageDeprecate(at()),
        Request::ImageDelete { at: at(), force: false, keep_snapshots: false },
    ] {
        let no = dispatch(&service, call(&stranger, "two", request.clone())).await.unwrap_err();
        assert_eq!(no.code, "InvalidImageId.NotFound", "{request:?}");
    }
    for request in [
        Request::WorkflowShow(started.workflow_id),
        Request::WorkflowCancel { workflow: started.workflow_id, reason: String::new() },
    ] {
        let no = dispatch(&service, call(&stranger, "three", request.clone())).await.unwrap_err();
        assert_eq!(no.code, "InvalidWorkflowId.NotFound", "{request:?}");
    }
    let flows: Workflows =
        ask(&service, &stranger, "", Request::WorkflowList(WorkflowQuery::newest(9))).await.unwrap();
    assert_eq!(flows.workflows, []);
    let same: Started = ask(&service, &stranger, "four", import(&disk(&place), "web-1")).await.unwrap();
    assert_eq!(finished(&service, &stranger, &same).await.state, "Done", "names are each account's own");
    let shown: ImageView = ask(&service, &owner, "", Request::ImageShow(at())).await.unwrap();
    assert_eq!(shown.status, "Available");
}

/// A frame of anything, and what comes back.
async fn say<T: Serialize>(socket: &Path, value: &T) -> Option<Result<Reply, Trouble>> {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    frame::write(&mut stream, value).await.unwrap();
    frame::read(&mut stream).await.ok().flatten()
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_on_the_socket_harms_nobody_and_another_version_is_told_so() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("data");
    let house = House::new(dir.clone(), wiring(), Because::Looks, Box::new(|_| ()));
    let list = || Request::ImageList(ImageQuery::default());
    let _: Images = house.ask(list()).await.unwrap();
    let socket = dir.join(crate::SOCKET);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    assert_eq!(say(&socket, &"no call").await, None);
    for bytes in [&b"\xff\xff\xff\xff"[..], b"\x08\x00\x00\x00abc", b"\x01", b""] {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut said = Vec::new();
        // It may hang up before all is read; what counts is that it says nothing.
        let _ = stream.read_to_end(&mut said).await;
        assert_eq!(said, b"");
    }
    let newer = Call { protocol: PROTOCOL + 1, ..call(&local_actor(), "", list()) };
    let told = say(&socket, &newer).await.unwrap().unwrap_err();
    assert_eq!((told.family, told.code.as_str()), (Family::World, "ProtocolMismatch"));
    let answer = say(&socket, &call(&local_actor(), "", list())).await.unwrap().unwrap();
    assert_eq!(
        answer,
        Reply::from(Images { images: Vec::new(), total_count: 0, page_number: 1, page_size: 0 })
    );
}
