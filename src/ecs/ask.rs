//! One request on its way through an action: who asks, with which parameters, and how to get an
//! answer of the service.

use std::sync::Arc;
use std::time::Duration;

use domain::RegionId;
use event::{Actor, FlowId};
use service::{
    Call, Context, Identity, ImageAt, ImageView, Manner, PROTOCOL, Page, Reply, Request, Service, Started,
    Trouble, WorkflowView,
};
use wire::{Fault, Object, Params};

use crate::actions::ECS;
use crate::codes::fault;

/// How long an answer waits for its operation. The clients' own limit is 10 seconds for most actions;
/// what takes longer goes on without them.
const WAIT_MAX: Duration = Duration::from_secs(8);
/// Pauses between two looks at an operation that has just begun, doubling.
const LOOK_PAUSE: Duration = Duration::from_millis(1);
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(50);
/// Records of an operation whose first step has been decided: its start, and that.
const BEGUN_EVENTS: u64 = 2;
/// Entries of a page where nobody says, as the API documents.
const PAGE_SIZE: u32 = 10;

/// Who asks, proved by a signature.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account and its key.
    pub actor: Actor,
    /// The request's id, as the answer shows it.
    pub request_id: String,
    /// Host and port as the client wrote them: what an endpoint is called.
    pub host: String,
    /// Whose key it is signed with, and what policies may ask of the request beside; none of one that came over no
    /// wire.
    pub proved: Option<(Identity, Context)>,
}

/// A request of an action.
pub struct Ask {
    pub(crate) service: Arc<Service>,
    pub(crate) caller: Caller,
    pub(crate) params: Params,
    pub(crate) action: &'static str,
    /// The version of the API that it is an action of.
    pub(crate) version: &'static str,
}

/// How an action ends: the fields of its answer, without the request's id.
pub(crate) type Outcome = Result<Object, Fault>;

impl Ask {
    /// A request of an action.
    pub fn new(service: Arc<Service>, caller: Caller, params: Params, action: &'static str) -> Self {
        Self { service, caller, params, action, version: ECS }
    }

    /// The account that asks.
    pub(crate) fn account(&self) -> &str {
        &self.caller.actor.account
    }

    /// The region that is named, which has to be there.
    pub(crate) async fn region(&self) -> Result<RegionId, Fault> {
        let named = self.params.need("RegionId")?;
        self.known_region(named).await
    }

    /// A region that is there.
    pub(crate) async fn known_region(&self, named: &str) -> Result<RegionId, Fault> {
        if self.service.has_region(named).map_err(|trouble| fault(self.action, trouble))? {
            return Ok(RegionId::from(named));
        }
        let why = format!("The specified RegionId does not exist: `{}`.", named.escape_debug());
        Err(fault(self.action, Trouble::new(service::Family::Refused, "InvalidRegionId.NotFound", why)))
    }

    /// The page that is asked for.
    pub(crate) fn page(&self) -> Result<Page, Fault> {
        let number = |name: &str, default: u32| {
            let said = self.params.number(name)?;
            // What is no page at all is refused by the service, in its words.
            Ok::<_, Fault>(said.map_or(default, |said| u32::try_from(said).unwrap_or(0)))
        };
        Ok(Page { number: number("PageNumber", 1)?, size: number("PageSize", PAGE_SIZE)? })
    }

    /// The page that is asked for, refused here if it is none: of at most so many entries.
    pub(crate) fn checked_page(&self, size_max: u32) -> Result<Page, Fault> {
        let page = self.page()?;
        if page.number == 0 {
            return Err(Fault::new(
                400,
                "InvalidParameter.PageNumber",
                "There is no page `0`: pages are counted from 1.",
            ));
        }
        if page.size == 0 || page.size > size_max {
            let why = format!("A page cannot have {} entries: ask for 1 to {size_max}.", page.size);
            return Err(Fault::new(400, "InvalidParameter.PageSize", why));
        }
        Ok(page)
    }

    /// Asks what changes nothing.
    pub(crate) async fn look<T: TryFrom<Reply, Error = Trouble>>(
        &self,
        request: Request,
    ) -> Result<T, Fault> {
        self.call(request, Manner::default()).await
    }

    /// Asks to do something, as the request says: for a trial, or once for its token.
    pub(crate) async fn act<T: TryFrom<Reply, Error = Trouble>>(&self, request: Request) -> Result<T, Fault> {
        let dry_run = self.params.flag("DryRun")?.unwrap_or(false);
        self.call(request, Manner { dry_run, token: self.params.string("ClientToken"), ..Manner::default() })
            .await
    }

    async fn call<T: TryFrom<Reply, Error = Trouble>>(
        &self,
        request: Request,
        manner: Manner,
    ) -> Result<T, Fault> {
        let (actor, id) = (self.caller.actor.clone(), self.caller.request_id.clone());
        let call = Call { protocol: PROTOCOL, drive: true, actor, id, manner, request };
        let answer = service::dispatch(&self.service, call).await;
        answer.and_then(T::try_from).map_err(|trouble| fault(self.action, trouble))
    }

    /// Asks to begin something, and waits until it has: from then on it is seen, or it was refused.
    pub(crate) async fn begin(&self, request: Request) -> Result<Started, Fault> {
        let started: Started = self.act(request).await?;
        self.begun(started.workflow_id).await?;
        Ok(started)
    }

    /// Waits until the first step of an operation is decided.
    pub(crate) async fn begun(&self, workflow: FlowId) -> Result<(), Fault> {
        let deadline = tokio::time::Instant::now() + WAIT_MAX;
        let mut pause = LOOK_PAUSE;
        loop {
            let view: WorkflowView = self.look(Request::WorkflowShow(workflow)).await?;
            if let Some(trouble) = view.trouble() {
                return Err(fault(self.action, trouble));
            }
            if view.events >= BEGUN_EVENTS || view.rests() || tokio::time::Instant::now() > deadline {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_PAUSE_MAX);
        }
    }

    /// Waits until an image that is imported or copied is there: the step before that is one on its source. One that
    /// takes longer than a client waits goes on by itself.
    pub(crate) async fn reserved(&self, workflow: FlowId, image: &str) -> Result<(), Fault> {
        let deadline = tokio::time::Instant::now() + WAIT_MAX;
        loop {
            let at = ImageAt { image: image.to_owned(), region: None };
            let found: Result<ImageView, Fault> = self.look(Request::ImageShow(at)).await;
            if found.is_ok() || tokio::time::Instant::now() > deadline {
                return Ok(());
            }
            let view: WorkflowView = self.look(Request::WorkflowShow(workflow)).await?;
            if let Some(trouble) = view.trouble() {
                return Err(fault(self.action, trouble));
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Asks to do something that takes no time to speak of, and waits for its end.
    pub(crate) async fn finish(&self, request: Request) -> Result<WorkflowView, Fault> {
        let started: Started = self.act(request).await?;
        self.finished(started.workflow_id).await
    }

    /// Waits for an operation's end. One that takes longer than a client waits goes on by itself.
    pub(crate) async fn finished(&self, workflow: FlowId) -> Result<WorkflowView, Fault> {
        let deadline = tokio::time::Instant::now() + WAIT_MAX;
        loop {
            let wait = Request::WorkflowWait { workflow, events: u64::MAX };
            let view: WorkflowView = self.look(wait).await?;
            if let Some(trouble) = view.trouble() {
                return Err(fault(self.action, trouble));
            }
            if view.rests() || tokio::time::Instant::now() > deadline {
                return Ok(view);
            }
        }
    }

    /// Waits for the end of an operation that was cancelled: that it is undone is what was asked for.
    pub(crate) async fn undone(&self, workflow: FlowId) -> Result<(), Fault> {
        let deadline = tokio::time::Instant::now() + WAIT_MAX;
        loop {
            let wait = Request::WorkflowWait { workflow, events: u64::MAX };
            let view: WorkflowView = self.look(wait).await?;
            if view.rests() || tokio::time::Instant::now() > deadline {
                return Ok(());
            }
        }
    }

    /// Ends a reading action that was only to be tried.
    pub(crate) fn read_only(&self, answer: Object) -> Outcome {
        if self.params.flag("DryRun")?.unwrap_or(false) {
            let why = "Request validation has been passed with DryRun flag set.";
            return Err(Fault::new(400, "DryRunOperation", why));
        }
        Ok(answer)
    }
}
