//! A house to ask: a real service with a real data plane on a directory that goes away, two accounts, and a
//! bucket with disks in it. Every answer on its way out is held to its tree and to both envelopes, and which
//! parameters were looked at is kept, whatever a test is about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use domain::port::DataPlane;
use event::Actor;
use serde_json::Value as Json;
use service::{
    BucketRequest, Call, Manner, PROTOCOL, Reply, Request, Service, ShareRequest, Started, Trouble,
    WorkflowView,
};
use tempfile::TempDir;
use wire::{Fault, Params};

use crate::tests_calls::VALUES;
use crate::tests_envelope;
use crate::tests_tree::{Contract, Told, check, contracts, leaves};
use crate::{Ask, Caller, find};

/// The account that owns what there is, one that it shares with, and another.
pub(crate) const OWNER: &str = service::DEFAULT_ACCOUNT;
pub(crate) const FRIEND: &str = "200000";
pub(crate) const STRANGER: &str = "200001";
/// Where things are, and where they are copied to.
pub(crate) const HERE: &str = "cn-hangzhou";
pub(crate) const THERE: &str = "cn-beijing";
/// The bucket, and the disks in it.
pub(crate) const BUCKET: &str = "uploads";
pub(crate) const SYSTEM: &str = "system.raw";
pub(crate) const DATA: &str = "data.raw";
/// Bytes of a disk: enough for several chunks, so that a copy which is held back comes to no end.
const DISK_BYTES: usize = 2 << 20;
/// How long anything is waited for on a machine that is busy with other things.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// The version of the API.
pub(crate) const ECS: &str = "2014-05-26";

pub(crate) struct World {
    pub(crate) service: Arc<Service>,
    pub(crate) contracts: BTreeMap<&'static str, Contract>,
    /// Ids by the names that values of parameters have them under: `{image}`.
    ids: Mutex<BTreeMap<String, String>>,
    /// Parameters that were looked at, by action.
    pub(crate) reads: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Parameters that were given, by action.
    pub(crate) given: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Fields that were answered, by action.
    pub(crate) told: Mutex<BTreeMap<String, Told>>,
    number: AtomicU64,
    place: TempDir,
}

/// An answer as its client has it, or why there is none.
pub(crate) type Answered = Result<Json, Fault>;

impl World {
    /// A house with nothing in it but accounts and a bucket.
    pub(crate) async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let files: Arc<dyn files::Files> = Arc::new(files::RealFiles);
        let under = files.clone();
        let data = move |root: &Path| -> Arc<dyn DataPlane> {
            Arc::new(data::Plane::new(under.clone(), root.to_owned(), data::Options::default()))
        };
        let clock = Arc::new(engine::SystemClock);
        let wiring = service::Wiring { files, clock, data: Arc::new(data) };
        let dir = place.path().join("data");
        let service = Service::open(service::Options { dir, wiring, drive: true }).await.unwrap();
        let world = Self {
            service,
            contracts: contracts(),
            ids: Mutex::default(),
            reads: Mutex::default(),
            given: Mutex::default(),
            told: Mutex::default(),
            number: AtomicU64::default(),
            place,
        };
        for (name, account) in [("friend", FRIEND), ("stranger", STRANGER)] {
            let create = ShareRequest::AccountCreate { name: name.to_owned(), account: Some(account.into()) };
            world.run(Request::Share(create)).await;
        }
        world.bucket(HERE, BUCKET, [SYSTEM, DATA]).await;
        world
    }

    /// A bucket with disks in it, no two alike.
    pub(crate) async fn bucket(&self, region: &str, bucket: &str, keys: [&str; 2]) {
        self.bucket_of(OWNER, region, bucket, keys).await;
    }

    /// The same of some account.
    pub(crate) async fn bucket_of(&self, account: &str, region: &str, bucket: &str, keys: [&str; 2]) {
        let create = BucketRequest::Create { bucket: bucket.to_owned(), region: Some(region.into()) };
        self.run_as(account, Request::Bucket(create)).await;
        for key in keys {
            let seed = self.number.fetch_add(1, Ordering::Relaxed);
            self.put(account, bucket, key, &noise(seed)).await;
        }
    }

    async fn put(&self, account: &str, bucket: &str, key: &str, bytes: &[u8]) {
        let path = self.place.path().join(key);
        std::fs::write(&path, bytes).unwrap();
        let path = path.to_str().unwrap().to_owned();
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let put = BucketRequest::Put { path, bucket, key, replace: false };
        self.run_as(account, Request::Bucket(put)).await;
    }

    /// Something the wire has no word for, to its end.
    pub(crate) async fn run(&self, request: Request) {
        self.run_as(OWNER, request).await;
    }

    /// The same by some account.
    async fn run_as(&self, account: &str, request: Request) {
        let actor = Actor { account: account.to_owned(), key: String::new() };
        let (id, manner) = (self.new_name("request"), Manner::default());
        let call = Call { protocol: PROTOCOL, drive: true, actor, id, manner, request };
        let started = Started::try_from(service::dispatch(&self.service, call).await.unwrap()).unwrap();
        loop {
            let wait = Request::WorkflowWait { workflow: started.workflow_id, events: u64::MAX };
            let view: WorkflowView = self.direct(wait).await.unwrap();
            if view.rests() {
                assert_eq!(view.trouble(), None);
                return;
            }
        }
    }

    /// Asks the service itself.
    pub(crate) async fn direct<T: TryFrom<Reply, Error = Trouble>>(
        &self,
        request: Request,
    ) -> Result<T, Trouble> {
        let actor = service::local_actor();
        let (id, manner) = (self.new_name("request"), Manner::default());
        let call = Call { protocol: PROTOCOL, drive: true, actor, id, manner, request };
        T::try_from(service::dispatch(&self.service, call).await?)
    }

    /// A name that nothing else has.
    pub(crate) fn new_name(&self, what: &str) -> String {
        format!("{what}-{}", self.number.fetch_add(1, Ordering::Relaxed))
    }

    /// Calls something by a name in the values of parameters: `{image}`.
    pub(crate) fn call_it(&self, name: &str, id: &Json) -> String {
        let id = id.as_str().unwrap_or_else(|| panic!("an id for {name}")).to_owned();
        self.ids.lock().unwrap().insert(format!("{{{name}}}"), id.clone());
        id
    }

    /// What a value of a parameter stands for.
    pub(crate) fn filled(&self, value: &str) -> String {
        let ids = self.ids.lock().unwrap();
        let known = ids.iter().fold(value.to_owned(), |value, (name, id)| value.replace(name, id));
        known.replace("{new}", &self.new_name("made"))
    }

    /// Asks with exactly these parameters.
    pub(crate) async fn ask(&self, action: &str, params: &[(&str, &str)]) -> Answered {
        self.ask_as(OWNER, action, params).await
    }

    pub(crate) async fn ask_as(&self, account: &str, action: &str, params: &[(&str, &str)]) -> Answered {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), self.filled(value)));
        self.answer(account, action, params.collect()).await
    }

    /// Asks with every parameter there is, each with its usual value or the one given here; `-` leaves one out.
    pub(crate) async fn ask_whole(&self, action: &str, other: &[(&str, &str)]) -> Answered {
        self.answer(OWNER, action, self.whole(action, other)).await
    }

    /// Every parameter of an action.
    pub(crate) fn whole(&self, action: &str, other: &[(&str, &str)]) -> BTreeMap<String, String> {
        let names = leaves(&self.contracts[action].request, "1");
        for (name, _) in other {
            assert!(names.iter().any(|known| known == name), "{action} has no {name}");
        }
        let value = |name: &str| {
            let here = other.iter().find(|(known, _)| *known == name);
            let of_action = || VALUES.iter().find(|(known, _)| *known == format!("{action}:{name}"));
            let plain = name.strip_prefix("Permissions.1.").unwrap_or(name);
            let usual = || VALUES.iter().find(|(known, _)| *known == plain);
            let found = here.or_else(of_action).or_else(usual);
            self.filled(found.unwrap_or_else(|| panic!("no value for {name} of {action}")).1)
        };
        let params = names.into_iter().map(|name| (name.clone(), value(&name)));
        params.filter(|(_, value)| value != "-").collect()
    }

    /// Asks, holds the answer to its tree, and remembers what was looked at and told.
    pub(crate) async fn answer(
        &self,
        account: &str,
        action: &str,
        params: BTreeMap<String, String>,
    ) -> Answered {
        self.answer_of(ECS, account, action, params).await
    }

    /// The same of any API. Trees there are of one.
    pub(crate) async fn answer_of(
        &self,
        version: &str,
        account: &str,
        action: &str,
        params: BTreeMap<String, String>,
    ) -> Answered {
        let found = find(version, action).unwrap_or_else(|| panic!("there is no action {action}"));
        let given = params.keys().map(|name| numbered(name));
        self.given.lock().unwrap().entry(action.to_owned()).or_default().extend(given);
        let mut params: Params = params.into_iter().collect();
        let reads = params.watch();
        let caller = Caller {
            actor: Actor { account: account.to_owned(), key: String::new() },
            request_id: self.new_name("request"),
            host: "127.0.0.1:8080".to_owned(),
            proved: None,
        };
        let answer = found.answer(Ask::new(self.service.clone(), caller, params, found.name)).await;
        self.reads.lock().unwrap().entry(action.to_owned()).or_default().extend(reads.names());
        let answer = answer?;
        let json = tests_envelope::json(&answer, action);
        if let Some(contract) = self.contracts.get(action).filter(|_| version == ECS) {
            let mut told = self.told.lock().unwrap();
            let wrong = check(&answer, &contract.response, "", told.entry(action.to_owned()).or_default());
            assert!(wrong.is_empty(), "{action}: {}", wrong.join(", "));
        }
        Ok(json)
    }

    /// Waits until an answer is what is waited for.
    pub(crate) async fn until(
        &self,
        action: &str,
        params: &[(&str, &str)],
        is_it: impl Fn(&Json) -> bool,
    ) -> Json {
        let begun = Instant::now();
        loop {
            let answer = self.ask(action, params).await.unwrap();
            if is_it(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < WAIT_MAX, "waited in vain: {answer:#}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until an image is there.
    pub(crate) async fn available(&self, region: &str, image: &str) -> Json {
        let params = [("RegionId", region), ("ImageId", image)];
        let answer = self.until("DescribeImages", &params, |answer| answer["TotalCount"] == 1).await;
        answer["Images"]["Image"][0].clone()
    }

    /// Imports an image of one disk, and waits until it is there.
    pub(crate) async fn import(&self, name: &str) -> String {
        let at = [("DiskDeviceMapping.1.OSSBucket", BUCKET), ("DiskDeviceMapping.1.OSSObject", SYSTEM)];
        let params = [&[("RegionId", HERE), ("ImageName", name)], &at[..]].concat();
        let image = self.ask("ImportImage", &params).await.unwrap()["ImageId"].as_str().unwrap().to_owned();
        self.available(HERE, &image).await;
        image
    }

    /// Where the log ends: what changes nothing leaves it where it was.
    pub(crate) async fn head(&self) -> u64 {
        let head: service::Head = self.direct(Request::AuditHead).await.unwrap();
        head.event
    }
}

/// A parameter's name with `N` for its numbers, as it is known by.
fn numbered(name: &str) -> String {
    let part = |part: &str| {
        if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) { "N" } else { part }.to_owned()
    };
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// Bytes that do not repeat.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(DISK_BYTES);
    while bytes.len() < DISK_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes
}

/// The code of what was refused.
pub(crate) fn code(answer: Answered) -> String {
    match answer {
        Ok(answer) => panic!("it was answered: {answer:#}"),
        Err(fault) => fault.code,
    }
}
