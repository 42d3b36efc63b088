//! A task that is past its point of no return, as somebody sees it who would cancel it. Of an export that
//! point is the last event; an import still settles what it has sealed, and is held there.

use std::path::Path;
use std::sync::Arc;

use domain::port::DataPlane;
use event::Actor;
use service::{
    Call, FileAt, ImageImport, ImportDisk, Manner, PROTOCOL, Reply, Request, Service, Started, TaskRequest,
    TaskView, Trouble, Wiring, WorkflowView, dispatch,
};

use crate::ports::{Held, Twice, Wrapped};

async fn open(dir: &Path, held: &Arc<Held>) -> Arc<Service> {
    let files: Arc<dyn files::Files> = Arc::new(files::RealFiles);
    let (under, held) = (files.clone(), held.clone());
    let data = move |root: &Path| -> Arc<dyn DataPlane> {
        let plane = data::Plane::new(under.clone(), root.to_owned(), data::Options::default());
        Arc::new(Wrapped { inner: Arc::new(plane), way: Twice::Twice, settles: Some(held.clone()) })
    };
    let wiring = Wiring { files, clock: Arc::new(engine::SystemClock), data: Arc::new(data) };
    Service::open(service::Options { dir: dir.to_owned(), wiring, drive: true }).await.unwrap()
}

async fn ask<T: TryFrom<Reply, Error = Trouble>>(
    service: &Arc<Service>,
    id: &str,
    request: Request,
) -> Result<T, Trouble> {
    let (protocol, actor, manner): (_, Actor, _) = (PROTOCOL, service::local_actor(), Manner::default());
    T::try_from(
        dispatch(service, Call { protocol, drive: true, actor, id: id.to_owned(), manner, request }).await?,
    )
}

fn import(path: &Path) -> Request {
    let at = FileAt { bucket: None, path: path.to_str().unwrap().to_owned() };
    Request::ImageImport(ImageImport {
        disks: vec![ImportDisk { at, format: None, device: None, size_bytes: None }],
        machine: domain::machine::MachineAsked::default(),
        check: false,
        name: "web-1".to_owned(),
        description: String::new(),
        family: None,
        tags: std::collections::BTreeMap::default(),
        region: None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_past_its_point_of_no_return_is_not_cancelled_and_ends_well() {
    let (place, held) = (tempfile::tempdir().unwrap(), Arc::new(Held::default()));
    let service = open(&place.path().join("data"), &held).await;
    let disk = place.path().join("disk.raw");
    std::fs::write(&disk, vec![7; 1 << 20]).unwrap();
    let started: Started = ask(&service, "import", import(&disk)).await.unwrap();
    let task = started.workflow_id.to_string();
    let show = || Request::Task(TaskRequest::Show { task: task.clone() });
    let cancel = |reason: &str| TaskRequest::Cancel { task: task.clone(), reason: reason.to_owned() };

    held.came.notified().await;
    let before: TaskView = ask(&service, "", show()).await.unwrap();
    assert_eq!((before.task_status.as_str(), before.support_cancel), ("Processing", false));
    let refused = ask::<TaskView>(&service, "one", Request::Task(cancel("late"))).await.unwrap_err();
    assert_eq!(refused.code, "CancelTaskFailed");
    assert!(refused.message.contains("past the point of no return"), "{}", refused.message);
    let after: TaskView = ask(&service, "", show()).await.unwrap();
    assert_eq!(after, before, "it was asked for nothing");

    held.may_go.notify_one();
    let view = loop {
        let request = Request::WorkflowWait { workflow: started.workflow_id, events: u64::MAX };
        let view: WorkflowView = ask(&service, "", request).await.unwrap();
        if view.rests() {
            break view;
        }
    };
    assert_eq!(view.state, "Done");
    let ended: TaskView = ask(&service, "", show()).await.unwrap();
    assert_eq!(ended.task_status, "Finished");
    let refused = ask::<TaskView>(&service, "two", Request::Task(cancel("later"))).await.unwrap_err();
    assert_eq!(refused.code, "InvalidTaskId.IncorrectTaskStatus");
}
