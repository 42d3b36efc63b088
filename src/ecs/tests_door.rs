//! A service on a directory of its own, asked as the wire asks it: an action by its version and name, with parameters
//! as they stand in a query.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::machine::{Architecture, MachineAsked};
use domain::port::DataPlane;
use event::Actor;
use service::{
    Call, FileAt, ImageImport, ImportDisk, Manner, Options, PROTOCOL, Request, Service, Started, Wiring,
    WorkflowView, dispatch, local_actor,
};
use tempfile::TempDir;
use wire::{Fault, Object, Pairs, Value};

use crate::actions::{ECS, VPC};
use crate::{Ask, Caller, find};

/// A house that is asked.
pub(crate) struct Door {
    pub(crate) service: Arc<Service>,
    pub(crate) actor: Actor,
    asked: AtomicU32,
    place: TempDir,
}

impl Door {
    pub(crate) async fn open() -> Self {
        let place = tempfile::tempdir().unwrap();
        let files: Arc<dyn files::Files> = Arc::new(files::RealFiles);
        let under = files.clone();
        let data = move |root: &Path| -> Arc<dyn DataPlane> {
            Arc::new(data::Plane::new(under.clone(), root.to_owned(), data::Options::default()))
        };
        let wiring = Wiring { files, clock: Arc::new(engine::SystemClock), data: Arc::new(data) };
        let dir = place.path().join("data");
        let service = Service::open(Options { dir, wiring, drive: true }).await.unwrap();
        Self { service, actor: local_actor(), asked: AtomicU32::new(0), place }
    }

    /// Asks an action of an API.
    pub(crate) async fn ask_of(&self, version: &str, action: &str, query: &str) -> Result<Object, Fault> {
        let action = find(version, action).unwrap_or_else(|| panic!("there is no {action} of {version}"));
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let caller = Caller {
            actor: self.actor.clone(),
            request_id: format!("request {number} of {}", self.actor.account),
            host: "127.0.0.1:8080".to_owned(),
            proved: None,
        };
        let params = Pairs::read(query, "").unwrap().params();
        action.answer(Ask::new(self.service.clone(), caller, params, action.name)).await
    }

    /// Asks an action of ECS that has to be answered.
    pub(crate) async fn ask(&self, action: &str, query: &str) -> Object {
        self.ask_of(ECS, action, query).await.unwrap_or_else(|fault| panic!("{action} {query}: {fault:?}"))
    }

    /// Asks an action of the VPC product that has to be answered.
    pub(crate) async fn ask_vpc(&self, action: &str, query: &str) -> Object {
        self.ask_of(VPC, action, query).await.unwrap_or_else(|fault| panic!("{action} {query}: {fault:?}"))
    }

    /// Asks an action of ECS that has to be refused; status and code.
    pub(crate) async fn refused(&self, action: &str, query: &str) -> (u16, String) {
        self.refused_of(ECS, action, query).await
    }

    /// Asks an action that has to be refused; status and code.
    pub(crate) async fn refused_of(&self, version: &str, action: &str, query: &str) -> (u16, String) {
        match self.ask_of(version, action, query).await {
            Ok(answer) => panic!("{action} {query}: {}", answer.json()),
            Err(fault) => (fault.status, fault.code),
        }
    }
}

impl Door {
    /// An image of a small disk, Available; its id.
    pub(crate) async fn image(&self, name: &str, architecture: Architecture) -> String {
        let path = self.place.path().join("disk.raw");
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let import = ImageImport {
            disks: vec![ImportDisk {
                at: FileAt { bucket: None, path: path.to_str().unwrap().to_owned() },
                format: None,
                device: None,
                size_bytes: None,
            }],
            machine: MachineAsked { architecture: Some(architecture), ..MachineAsked::default() },
            check: false,
            name: name.to_owned(),
            description: String::new(),
            family: Some("web".to_owned()),
            tags: std::collections::BTreeMap::default(),
            region: None,
        };
        let call = |id: &str, request: Request| Call {
            protocol: PROTOCOL,
            drive: true,
            actor: self.actor.clone(),
            id: id.to_owned(),
            manner: Manner::default(),
            request,
        };
        let started = dispatch(&self.service, call(name, Request::ImageImport(import))).await.unwrap();
        let started = Started::try_from(started).unwrap();
        loop {
            let wait = Request::WorkflowWait { workflow: started.workflow_id, events: u64::MAX };
            let view =
                WorkflowView::try_from(dispatch(&self.service, call("", wait)).await.unwrap()).unwrap();
            if view.rests() {
                assert_eq!(view.state, "Done");
                return started.image_id;
            }
        }
    }
}

/// What stands at the end of a path of names and numbers: `Vpcs.Vpc.0.VpcId`.
pub(crate) fn at<'a>(answer: &'a Object, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let field = |object: &'a Object, name: &str| {
        object.fields().iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    };
    let mut value = field(answer, parts.next()?)?;
    for part in parts {
        value = match value {
            Value::Object(object) => field(object, part)?,
            Value::List(list) => list.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// The same as a text.
pub(crate) fn text(answer: &Object, path: &str) -> String {
    match at(answer, path) {
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Word(word)) => (*word).to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Flag(flag)) => flag.to_string(),
        other => panic!("{path} is {other:?} in {}", answer.json()),
    }
}

/// How many stand in a list.
pub(crate) fn count(answer: &Object, path: &str) -> usize {
    match at(answer, path) {
        Some(Value::List(list)) => list.len(),
        other => panic!("{path} is {other:?} in {}", answer.json()),
    }
}
