//! The open data directory: engine and data plane behind the one door, [`dispatch`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError};

use domain::image::{ACCOUNTS, REGIONS, house};
use domain::port::DataPlane;
use domain::port_compute::Compute;
use domain::{AccountId, Projections, RegionId, rules};
use engine::{Clock, Engine, FlowRow, Snapshot, State, Workflow};
use event::{Actor, FlowId};
use files::Files;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use workflows::{
    AddRegion, CopyImage, CopySnapshot, CreateAccount, CreateDisk, CreateImage, CreateSchedule,
    CreateSnapshot, CreateUpkeep, DeleteDisk, DeleteImage, DeleteSnapshot, ImportImage, Ports, RunUpkeep,
};

use crate::asked::{Asked, Tokens};
use crate::batches::Running;
use crate::create::NoCompute;
use crate::kept_lists::KeptLists;
use crate::kept_rows::KeptRows;
use crate::keys::AccessKey;
use crate::lookup::account;
use crate::manifests::Manifests;
use crate::operator::{operator, sees_flow};
use crate::policies::Policies;
use crate::request::{Call, Reply, Request};
use crate::seal::Seal;
use crate::share::known_account;
use crate::signer::Signer;
use crate::view::Started;
use crate::{Family, Trouble};

/// The account a first start makes. Decimal, as all are; what the person at the machine acts as.
pub const DEFAULT_ACCOUNT: &str = "100000";
/// The region that is meant when none is named.
pub const DEFAULT_REGION: &str = "cn-hangzhou";
/// The regions a first start makes: two, so that copies have somewhere to go.
pub const REGIONS_FIRST: [&str; 2] = [DEFAULT_REGION, "cn-beijing"];

/// The operations that may leave something behind which nothing needs any more.
const COLLECTED_AFTER: [&str; 3] = [DeleteImage::NAME, DeleteSnapshot::NAME, DeleteDisk::NAME];

/// Below the data directory: one store a region.
pub(crate) const STORES: &str = "regions";

/// The person at the machine.
pub fn local_actor() -> Actor {
    Actor { account: DEFAULT_ACCOUNT.to_owned(), key: String::new() }
}

/// What makes a data plane below a directory.
pub(crate) type MakeData = dyn Fn(&Path) -> Arc<dyn DataPlane> + Send + Sync;

/// What the product is wired from.
#[derive(Clone)]
pub struct Wiring {
    /// The file system.
    pub files: Arc<dyn Files>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The data plane of a directory of stores.
    pub data: Arc<MakeData>,
}

/// How to open a data directory.
pub struct Options {
    /// The directory. Whoever opens it has to make sure that nobody else has it open.
    pub dir: PathBuf,
    /// What it is wired from.
    pub wiring: Wiring,
    /// Whether unfinished operations go on.
    pub drive: bool,
}

/// An open data directory.
pub struct Service {
    pub(crate) engine: Engine<Ports>,
    pub(crate) data: Arc<dyn DataPlane>,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) compute: Arc<dyn Compute>,
    /// The directory.
    pub(crate) dir: PathBuf,
    /// Held by the one backup that may be written.
    pub(crate) backing_up: Mutex<()>,
    /// What secrets are sealed with.
    pub(crate) seal: Seal,
    /// By what heads of the log are signed.
    pub(crate) signer: Signer,
    /// Lists of accounts' own images that were read before.
    pub(crate) kept_lists: KeptLists,
    /// Keys with their secrets, accounts and regions that were asked about lately.
    pub(crate) kept_keys: KeptRows<AccessKey>,
    pub(crate) kept_accounts: KeptRows<()>,
    pub(crate) kept_regions: KeptRows<()>,
    /// Whether anything of an account in a region was put in a resource group.
    pub(crate) kept_grouped: KeptRows<bool>,
    /// Policies that were read before.
    pub(crate) policies: Policies,
    /// Held while an operation that may have been started already is looked for and started.
    pub(crate) starting: Mutex<()>,
    /// Tokens of requests that are being answered.
    pub(crate) tokens: Tokens,
    /// Whether what is due is started here.
    pub(crate) keeping: AtomicBool,
    /// After how long what was written goes into the archive.
    pub(crate) archive_after_ms: AtomicI64,
    /// Manifests of batches.
    pub(crate) manifests: Manifests,
    /// Batches whose lines are started here.
    pub(crate) running: Running,
    /// What waits here for an operation to end, to start what follows it.
    pub(crate) following: std::sync::Mutex<JoinSet<()>>,
}

/// Asks a service. The only door; the API, the console and the command line are adapters onto it.
pub async fn dispatch(service: &Arc<Service>, call: Call) -> Result<Reply, Trouble> {
    call.check()?;
    if call.drive && !call.request.holds_lines_back() {
        service.drive().await?;
    }
    if let Some(answer) = look(service, &call) {
        return answer;
    }
    let service = service.clone();
    // On a task of its own: reading a damaged database may panic, and that is an answer as well.
    match tokio::spawn(async move { answer(&service, call).await }).await {
        Ok(answer) => answer,
        Err(join) if join.is_panic() => Err(Trouble::panicked(&panic_text(&*join.into_panic()))),
        Err(_) => Err(Trouble::new(Family::World, "Stopped", "the process is ending")),
    }
}

/// The answer to what is asked most and only looked up: without a task of its own, which would cost as much as the
/// looking. It waits for nothing, so that it cannot be left half done by whoever asked and went away.
fn look(service: &Service, call: &Call) -> Option<Result<Reply, Trouble>> {
    let actor = &call.actor;
    let look: &dyn Fn() -> Result<Reply, Trouble> = match &call.request {
        Request::ImageList(query) => &|| Ok(service.images(actor, query)?.into()),
        Request::ImageShow(at) => &|| Ok(service.image(actor, at)?.into()),
        Request::WorkflowShow(id) => &|| Ok(service.workflow(actor, *id)?.into()),
        _ => return None,
    };
    let looked = catch_unwind(AssertUnwindSafe(|| {
        service.knows(actor)?;
        look()
    }));
    Some(looked.unwrap_or_else(|panic| Err(Trouble::panicked(&panic_text(&*panic)))))
}

async fn answer(service: &Arc<Service>, call: Call) -> Result<Reply, Trouble> {
    service.knows(&call.actor)?;
    let (asked, _answering) = service.asked(&call)?;
    let asked = &asked;
    let Call { actor, request, .. } = call;
    Ok(match request {
        Request::ImageImport(ask) => service.import(actor, asked, ask).await?.into(),
        Request::ImageList(query) => service.images(&actor, &query)?.into(),
        Request::ImageShow(at) => service.image(&actor, &at)?.into(),
        Request::ImageModify { at, to } => service.modify(actor, asked, &at, to).await?.into(),
        Request::ImageDeprecate(at) => service.deprecate(actor, asked, &at).await?.into(),
        Request::ImageRestore(at) => service.restore(actor, asked, &at).await?.into(),
        Request::ImageDelete { at, force, keep_snapshots } => {
            service.delete(actor, asked, &at, rules::Deletion { force, keep_snapshots }).await?.into()
        }
        Request::ImageExport(ask) => service.export(actor, asked, ask).await?.into(),
        Request::Image(request) => service.image_more(actor, asked, request).await?,
        Request::Task(request) => service.tasks(actor, asked, request).await?,
        Request::ImageHistory(at) => service.image_history(&actor, &at)?.into(),
        Request::FamilyList { region } => service.families(&actor, region.as_ref())?.into(),
        Request::FamilyShow { family, region } => service.family(&actor, &family, region.as_ref())?.into(),
        Request::WorkflowList(query) => service.workflows(&actor, &query)?.into(),
        Request::WorkflowTop { count } => service.top(&actor, count)?.into(),
        Request::WorkflowShow(id) => service.workflow(&actor, id)?.into(),
        Request::WorkflowHistory(id) => service.workflow_history(&actor, id)?.into(),
        Request::WorkflowWait { workflow, events } => service.wait(&actor, workflow, events).await?.into(),
        Request::WorkflowCancel { workflow, reason } => {
            service.cancel(actor, asked, workflow, &reason).await?.into()
        }
        Request::WorkflowResume { workflow, reason } => {
            service.resume(actor, asked, workflow, &reason).await?.into()
        }
        Request::WorkflowPause { which, reason } => service.pause(actor, asked, which, &reason).await?,
        Request::WorkflowResumeAll { which, reason } => {
            service.resume_all(actor, asked, which, &reason).await?
        }
        Request::WorkflowReset { workflow, before, reason } => {
            service.reset(actor, asked, workflow, before, &reason).await?.into()
        }
        Request::WorkflowUnwind { workflow, reason } => {
            service.unwind(actor, asked, workflow, &reason).await?.into()
        }
        Request::WorkflowAbandon { workflow, reason } => {
            service.abandon(actor, asked, workflow, &reason).await?.into()
        }
        Request::Audit(request) => service.audit(actor, request).await?,
        Request::AuditHead => {
            operator(&actor)?;
            service.head()?.into()
        }
        Request::AuditSignedHead => {
            operator(&actor)?;
            service.signed_head()?.into()
        }
        Request::AuditKeys => {
            operator(&actor)?;
            service.signing_keys()?.into()
        }
        Request::AuditVerify { heads } => {
            operator(&actor)?;
            blocking(service, move |service| service.verify(&heads)).await?.into()
        }
        Request::AuditRebuild => {
            operator(&actor)?;
            blocking(service, Service::rebuild).await?.into()
        }
        Request::AuditArchive(what) => {
            operator(&actor)?;
            service.archive(asked, what).await?.into()
        }
        Request::Backup(backup) => {
            operator(&actor)?;
            service.back_up(asked, backup).await?.into()
        }
        Request::RegionList => service.regions(&actor)?.into(),
        Request::RegionCollect { region, after } => {
            match after {
                // What an account deletes is collected, whoever it is.
                Some(deletion) => drop(service.flow(&actor, deletion)?),
                None => operator(&actor)?,
            }
            service.collect(actor, asked, region, after).await?.into()
        }
        Request::Disk(request) => service.disk(actor, asked, request).await?,
        Request::Snapshot(request) => service.snapshot(actor, asked, request).await?,
        Request::Bucket(request) => service.bucket(actor, asked, request).await?,
        Request::Tag(request) => service.tag(actor, asked, request).await?,
        Request::Network(request) => service.network(actor, asked, request).await?,
        Request::Schedule(request) => service.schedule(actor, asked, request).await?,
        Request::Upkeep(request) => service.upkeep(actor, asked, request).await?,
        Request::Share(ask) => service.share(actor, asked, ask).await?,
        Request::Batch(request) => service.batch(actor, asked, request).await?,
        Request::Key(request) => service.key(actor, asked, request).await?,
        Request::Access(request) => service.access(actor, asked, request).await?,
        Request::RegionCheck { region, deep } => {
            operator(&actor)?;
            service.check_region(region, deep).await?.into()
        }
    })
}

/// Runs what reads for long where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    service: &Arc<Service>,
    run: impl FnOnce(&Service) -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let service = service.clone();
    match tokio::task::spawn_blocking(move || run(&service)).await {
        Ok(answer) => answer,
        Err(join) if join.is_panic() => Err(Trouble::panicked(&panic_text(&*join.into_panic()))),
        Err(_) => Err(Trouble::new(Family::World, "Stopped", "the process is ending")),
    }
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it gave no reason").to_owned()
}

impl Service {
    /// Opens a data directory; a fresh one gets its account and regions first.
    pub async fn open(options: Options) -> Result<Arc<Self>, Trouble> {
        let service = Arc::new(Self::open_log(&options).await?);
        if !service.is_ready()? {
            service.make_ready().await?;
        }
        if options.drive {
            service.drive().await?;
        }
        Ok(service)
    }

    pub(crate) async fn open_log(options: &Options) -> Result<Self, Trouble> {
        let Options { dir, wiring, .. } = options;
        let data = (wiring.data)(&dir.join(STORES));
        let engine_options = engine::Options {
            files: wiring.files.clone(),
            dir: dir.clone(),
            clock: wiring.clock.clone(),
            fold: Arc::new(Projections),
            book: workflows::book(),
            ports: Arc::new(Ports { data: data.clone() }),
            order: None,
        };
        let opened = tokio::task::spawn_blocking(move || {
            catch_unwind(AssertUnwindSafe(|| Engine::open(engine_options).map_err(Trouble::from)))
                .unwrap_or_else(|panic| Err(Trouble::panicked(&panic_text(&*panic))))
        });
        Ok(Self {
            engine: opened.await.map_err(|error| Trouble::world("opening the log", error))??,
            data,
            files: wiring.files.clone(),
            clock: wiring.clock.clone(),
            compute: Arc::new(NoCompute),
            seal: Seal::of(dir),
            signer: Signer::of(dir),
            dir: dir.clone(),
            backing_up: Mutex::default(),
            kept_lists: KeptLists::default(),
            kept_keys: KeptRows::default(),
            kept_accounts: KeptRows::default(),
            kept_regions: KeptRows::default(),
            kept_grouped: KeptRows::default(),
            policies: Policies::default(),
            starting: Mutex::default(),
            tokens: Tokens::default(),
            keeping: AtomicBool::new(false),
            archive_after_ms: AtomicI64::new(engine::ARCHIVE_AFTER_MS),
            manifests: Manifests::of(wiring.files.clone(), dir),
            running: Running::default(),
            following: std::sync::Mutex::default(),
        })
    }

    /// Lets nothing follow any more.
    pub(crate) fn stop_following(&self) {
        self.following.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// Closes the log; operations in progress go on when it is opened again.
    pub async fn close(self) {
        self.engine.close().await;
    }

    /// Whether a first start has done all it does.
    fn is_ready(&self) -> Result<bool, Trouble> {
        let rows = self.engine.snapshot()?;
        let ready =
            |region: &&str| REGIONS.get(&rows, &house(), &[region]).is_some_and(|region| region.ready);
        Ok(ACCOUNTS.get(&rows, &house(), &[DEFAULT_ACCOUNT]).is_some() && REGIONS_FIRST.iter().all(ready))
    }

    /// Makes the default account and the first regions. Its request ids are fixed, so that a first
    /// start that was cut short goes on where it was.
    async fn make_ready(&self) -> Result<(), Trouble> {
        self.engine.drive().await?;
        let actor = local_actor();
        let account = CreateAccount { account: AccountId::from(DEFAULT_ACCOUNT), name: "default".to_owned() };
        let made = self.engine.run(actor.clone(), "first-start/account", account).await?;
        self.see_through(made).await?;
        for region in REGIONS_FIRST {
            let request = format!("first-start/region/{region}");
            let add = AddRegion { region: RegionId::from(region) };
            let made = self.engine.run(actor.clone(), &request, add).await?;
            self.see_through(made).await?;
        }
        Ok(())
    }

    /// A part of the first start that is parked (the disk was full) is tried again at each opening:
    /// nothing else can be asked before it is done.
    async fn see_through(&self, flow: FlowRow) -> Result<(), Trouble> {
        if flow.parked.is_none() {
            return settled(&flow);
        }
        self.engine.retry(local_actor(), flow.id, "the data directory was opened again").await?;
        settled(&self.engine.wait(flow.id).await?)
    }

    /// Lets unfinished operations go on, and those started from now on, and has started what is to happen by itself.
    pub async fn drive(self: &Arc<Self>) -> Result<(), Trouble> {
        self.drive_operations().await?;
        // A first start drives by itself, before there is anything to keep.
        if !self.keeping.swap(true, Ordering::AcqRel) {
            self.keep();
            self.keep_small();
            self.run_batches();
        }
        Ok(())
    }

    /// Lets operations go on, and has nothing started by itself.
    pub(crate) async fn drive_operations(self: &Arc<Self>) -> Result<(), Trouble> {
        if !self.engine.is_driving() {
            self.engine.drive().await?;
            for flow in self.engine.snapshot()?.open_flows() {
                if COLLECTED_AFTER.contains(&flow.name.as_str()) {
                    self.collect_after(flow);
                } else if flow.name == RunUpkeep::NAME {
                    self.collect_after_run(flow);
                }
            }
        }
        Ok(())
    }

    /// Fails unless the account that asks is there.
    fn knows(&self, actor: &Actor) -> Result<(), Trouble> {
        static ALL: LazyLock<Vec<u8>> = LazyLock::new(|| ACCOUNTS.key(&house(), &[""]));
        if actor.account == DEFAULT_ACCOUNT {
            return Ok(());
        }
        let known = |rows: &Snapshot| Ok::<_, Trouble>(Some(known_account(rows, &account(actor))?));
        self.kept_accounts.now(&self.engine, &ALL, &actor.account, known)?;
        Ok(())
    }

    /// The operation a request has started before, if it has.
    pub(crate) fn known(&self, asked: &Asked) -> Result<Option<Started>, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let Some(id) = snapshot.started_by(&asked.id) else { return Ok(None) };
        // It could be, since it was: a trial is told so even where the token had done it.
        asked.go_on()?;
        let about = snapshot.flow(id).and_then(|flow| {
            made_by(&flow.name, id).or_else(|| flow.subjects.first().map(|subject| subject.0.clone()))
        });
        Ok(Some(Started { workflow_id: id, joined: false, image_id: about.unwrap_or_default() }))
    }

    /// One operation, if the account may see it.
    pub(crate) fn flow(&self, actor: &Actor, id: FlowId) -> Result<FlowRow, Trouble> {
        let flow = self.engine.snapshot()?.flow(id).filter(|flow| sees_flow(actor, flow));
        flow.ok_or_else(|| engine::Error::NoFlow(id).into())
    }
}

/// The id of what an operation makes, known before it is there: stories mint it first of all.
pub(crate) fn made_by(story: &str, flow: FlowId) -> Option<String> {
    let prefix = match story {
        <ImportImage as Workflow>::NAME | <CreateImage as Workflow>::NAME | <CopyImage as Workflow>::NAME => {
            "m"
        }
        <CreateSnapshot as Workflow>::NAME | <CopySnapshot as Workflow>::NAME => "s",
        <CreateDisk as Workflow>::NAME => "d",
        <CreateSchedule as Workflow>::NAME => "sch",
        <CreateUpkeep as Workflow>::NAME => "up",
        _ => return None,
    };
    Some(format!("{prefix}-{}", flow.mint("1")))
}

/// The trouble of an operation that did not end well.
pub(crate) fn settled(flow: &FlowRow) -> Result<(), Trouble> {
    match flow.trouble() {
        Some(refusal) => Err(refusal.into()),
        None if flow.state == State::Done => Ok(()),
        None => Err(Trouble::new(Family::World, "Stopped", format!("workflow `{}` has not ended", flow.id))),
    }
}
