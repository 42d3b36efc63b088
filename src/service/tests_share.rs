//! Sharing at the service's door, under a clock that stands until it is told otherwise: shares that end,
//! what the keeper starts, families of others, who sees what, and copies that are refused.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::AccountId;
use domain::image::Quotas;
use domain::port::DataPlane;
use event::{Actor, FlowId};
use tempfile::TempDir;

use crate::keeper::{Look, Looked};
use crate::tests::{ask, call, close, disk, finished, import};
use crate::{
    Accounts, AuditRequest, FamilyTo, FamilyView, FamilyWhere, ImageAt, ImageCopy, ImageImport, ImageQuery,
    ImageView, Images, LogAsked, LogPage, Manner, QuotaViews, Request, Service, ShareRequest, Shares,
    Started, Term, Trouble, Wiring, WorkflowQuery, WorkflowView, Workflows, dispatch, local_actor,
};

const START_MS: i64 = 1_800_000_000_000;
const HOUR_MS: i64 = 60 * 60 * 1000;

/// A clock that stands still until it is told otherwise.
#[derive(Debug)]
struct TestClock(AtomicI64);

impl engine::Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A house with a default account and another one, `200000`.
struct Two {
    place: TempDir,
    clock: Arc<TestClock>,
    service: Arc<Service>,
    asked: AtomicI64,
}

fn other() -> Actor {
    Actor { account: "200000".to_owned(), key: String::new() }
}

fn third() -> Actor {
    Actor { account: "300000".to_owned(), key: String::new() }
}

async fn open(place: &TempDir, clock: &Arc<TestClock>) -> Arc<Service> {
    let files: Arc<dyn files::Files> = Arc::new(files::RealFiles);
    let under = files.clone();
    let data = move |root: &Path| -> Arc<dyn DataPlane> {
        Arc::new(data::Plane::new(under.clone(), root.to_owned(), data::Options::default()))
    };
    let wiring = Wiring { files, clock: clock.clone(), data: Arc::new(data) };
    let dir = place.path().join("data");
    Service::open(crate::Options { dir, wiring, drive: true }).await.unwrap()
}

impl Two {
    async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(START_MS)));
        let service = open(&place, &clock).await;
        let two = Self { place, clock, service, asked: AtomicI64::new(0) };
        for (id, name) in [("200000", "other"), ("300000", "third")] {
            let (name, account) = (name.to_owned(), Some(AccountId::from(id)));
            two.done(&local_actor(), ShareRequest::AccountCreate { name, account }).await;
        }
        two
    }

    fn pass(&self, ms: i64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    /// Asks under a request id of its own.
    async fn ask<T: TryFrom<crate::Reply, Error = Trouble>>(
        &self,
        by: &Actor,
        request: impl Into<Request>,
    ) -> Result<T, Trouble> {
        let id = format!("test-{}", self.asked.fetch_add(1, Ordering::Relaxed));
        ask(&self.service, by, &id, request.into()).await
    }

    /// Asks for an operation, which has to be done in the end.
    async fn done(&self, by: &Actor, request: impl Into<Request>) -> WorkflowView {
        let started: Started = self.ask(by, request).await.unwrap();
        let view = finished(&self.service, by, &started).await;
        assert_eq!(view.state, "Done", "{view:?}");
        view
    }

    /// Why it is refused.
    async fn no(&self, by: &Actor, request: impl Into<Request>) -> String {
        let request = request.into();
        match dispatch(&self.service, call(by, "no", request.clone())).await {
            Err(trouble) => trouble.code,
            Ok(reply) => panic!("{request:?} was answered with {reply:?}"),
        }
    }

    /// How many images each kind of list shows an account: all it may use, those of others, and both once more with
    /// a filter, which is answered from other rows.
    async fn listed(&self, by: &Actor) -> [u64; 4] {
        let mut counts = [0; 4];
        let kinds = [(None, None), (Some("others"), None), (None, Some("*")), (Some("others"), Some("*"))];
        for (count, (owner, name)) in counts.iter_mut().zip(kinds) {
            let (owner, name) = (owner.map(str::to_owned), name.map(str::to_owned));
            let query = ImageQuery { owner, name, ..ImageQuery::default() };
            let images: Images = self.ask(by, Request::ImageList(query)).await.unwrap();
            assert_eq!(images.images.len() as u64, images.total_count);
            *count = images.total_count;
        }
        counts
    }

    /// An image of an account; its id.
    async fn image(&self, by: &Actor, name: &str, family: Option<&str>, region: Option<&str>) -> String {
        let Request::ImageImport(ask) = import(&disk(&self.place), name) else { unreachable!() };
        let (family, region) = (family.map(str::to_owned), region.map(domain::RegionId::from));
        self.pass(1);
        self.done(by, Request::ImageImport(ImageImport { family, region, ..ask })).await.output
    }

    async fn share(&self, image: &str, with: &Actor, term: Term) {
        let with = vec![AccountId::from(with.account.as_str())];
        self.done(&local_actor(), ShareRequest::Share { at: at(image), with, term }).await;
    }

    async fn sees(&self, by: &Actor, image: &str) -> bool {
        self.ask::<ImageView>(by, Request::ImageShow(at(image))).await.is_ok()
    }

    async fn shares(&self, image: &str) -> Vec<String> {
        let shares: Shares = self.ask(&local_actor(), ShareRequest::Shares(at(image))).await.unwrap();
        shares.accounts.into_iter().map(|share| share.account_id).collect()
    }

    async fn head(&self, by: &Actor, family: &str) -> Result<FamilyView, Trouble> {
        self.ask(by, Request::FamilyShow { family: family.to_owned(), region: None }).await
    }
}

impl From<ShareRequest> for Request {
    fn from(request: ShareRequest) -> Self {
        Self::Share(request)
    }
}

fn at(image: &str) -> ImageAt {
    ImageAt { image: image.to_owned(), region: None }
}

fn copy(image: &str, to: &[&str]) -> ShareRequest {
    ShareRequest::Copy(ImageCopy {
        at: at(image),
        to: to.iter().copied().map(domain::RegionId::from).collect(),
        name: None,
        description: String::new(),
        tags: std::collections::BTreeMap::default(),
        bytes_per_second: None,
    })
}

fn moved(family: &str, to: FamilyTo, regions: FamilyWhere) -> ShareRequest {
    ShareRequest::FamilyMove { family: family.to_owned(), to, regions }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_ends_at_its_time_to_the_millisecond_and_the_keeper_writes_it_down_once() {
    let two = Two::new().await;
    let image = two.image(&local_actor(), "web-1", None, None).await;
    assert!(!two.sees(&other(), &image).await);
    assert_eq!((two.listed(&local_actor()).await, two.listed(&other()).await), ([1, 0, 1, 0], [0; 4]));
    let until_ms = START_MS + HOUR_MS;
    two.share(&image, &other(), Term::Until(until_ms)).await;
    assert!(two.sees(&other(), &image).await);
    assert_eq!((two.listed(&other()).await, two.listed(&third()).await), ([1; 4], [0; 4]));
    assert!(!two.sees(&other(), "web-1").await, "names are each account's own");
    assert!(!two.sees(&third(), &image).await);
    let mut looked = Looked::default();
    let look = two.service.start_due(&mut looked).await.unwrap();
    assert_eq!(look, Look { started: 0, next_ms: Some(until_ms) });

    two.clock.0.store(until_ms - 1, Ordering::Relaxed);
    assert!(two.sees(&other(), &image).await);
    assert_eq!(two.listed(&other()).await, [1; 4]);
    two.clock.0.store(until_ms, Ordering::Relaxed);
    assert!(!two.sees(&other(), &image).await, "whether or not anything runs");
    assert_eq!(two.listed(&other()).await, [0; 4]);
    assert_eq!(two.shares(&image).await, [""; 0]);
    assert_eq!(two.no(&other(), copy(&image, &[])).await, "InvalidImageId.NotFound");

    // The keeper of the service may have been there before.
    two.service.start_due(&mut looked).await.unwrap();
    let ends = ended(&two, "end_share").await;
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!((ends[0].state.as_str(), ends[0].account_id.as_str()), ("Done", "100000"));
    let look = two.service.start_due(&mut Looked::default()).await.unwrap();
    assert_eq!(look, Look::default(), "nothing is due any more");
    let log: LogPage = two.ask(&local_actor(), log_of(&image)).await.unwrap();
    let ends = log.log.iter().filter(|line| line.kind == "image.share-ended/1").count();
    assert_eq!(ends, 1);
    let cause = format!("due/share-end/{image}/200000/{until_ms}");
    assert!(log.log.iter().any(|line| line.cause == cause), "{:?}", log.log);
}

/// The operations of a story, when all have ended.
async fn ended(two: &Two, story: &str) -> Vec<WorkflowView> {
    let all: Workflows =
        two.ask(&local_actor(), Request::WorkflowList(WorkflowQuery::newest(1000))).await.unwrap();
    let mut found = Vec::new();
    for flow in all.workflows.into_iter().filter(|flow| flow.name == story) {
        let started = Started { workflow_id: flow.workflow_id, joined: true, image_id: String::new() };
        found.push(finished(&two.service, &local_actor(), &started).await);
    }
    found
}

fn log_of(image: &str) -> Request {
    let subject = Some(image.to_owned());
    Request::Audit(AuditRequest::Log(LogAsked { count: 1000, subject, ..LogAsked::default() }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_is_prolonged_does_not_end_at_its_first_time() {
    let two = Two::new().await;
    let image = two.image(&local_actor(), "web-1", None, None).await;
    two.share(&image, &other(), Term::For(HOUR_MS)).await;
    two.share(&image, &other(), Term::For(3 * HOUR_MS)).await;
    two.share(&image, &third(), Term::For(HOUR_MS)).await;
    two.share(&image, &third(), Term::Ever).await;
    two.pass(2 * HOUR_MS);
    let mut looked = Looked::default();
    assert_eq!(two.service.start_due(&mut looked).await.unwrap().started, 0);
    assert!(two.sees(&other(), &image).await && two.sees(&third(), &image).await);
    two.pass(2 * HOUR_MS);
    assert!(!two.sees(&other(), &image).await && two.sees(&third(), &image).await);
    assert_eq!(two.shares(&image).await, ["300000"]);
    let with = vec![AccountId::from("200000")];
    let before = ShareRequest::Share { at: at(&image), with, term: Term::Until(START_MS) };
    assert_eq!(two.no(&local_actor(), before).await, "InvalidParameter.ShareUntil");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_due_while_nothing_ran_is_started_at_the_next_opening() {
    let two = Two::new().await;
    let image = two.image(&local_actor(), "web-1", None, None).await;
    two.share(&image, &other(), Term::For(HOUR_MS)).await;
    let Two { place, clock, service, asked } = two;
    close(service).await;
    clock.0.fetch_add(2 * HOUR_MS, Ordering::Relaxed);
    let service = open(&place, &clock).await;
    let two = Two { place, clock, service, asked };
    two.service.start_due(&mut Looked::default()).await.unwrap();
    assert_eq!(ended(&two, "end_share").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_to_be_checked_is_checked_once_by_itself() {
    let two = Two::new().await;
    let Request::ImageImport(ask) = import(&disk(&two.place), "web-1") else { unreachable!() };
    two.done(&local_actor(), Request::ImageImport(ImageImport { check: true, ..ask })).await;
    let mut looked = Looked::default();
    for _ in 0..3 {
        two.service.start_due(&mut looked).await.unwrap();
        two.service.start_due(&mut Looked::default()).await.unwrap();
        assert_eq!(ended(&two, "check_image").await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn to_a_stranger_an_image_is_not_there_whatever_is_asked_of_it() {
    let two = Two::new().await;
    let image = two.image(&local_actor(), "web-1", Some("web"), None).await;
    let with = || vec![AccountId::from("300000")];
    let asks = |image: &str| -> Vec<Request> {
        let at = || at(image);
        vec![
            Request::ImageShow(at()),
            Request::ImageHistory(at()),
            ShareRequest::Share { at: at(), with: with(), term: Term::Ever }.into(),
            ShareRequest::Unshare { at: at(), from: None }.into(),
            ShareRequest::Shares(at()).into(),
            ShareRequest::Publish(at()).into(),
            ShareRequest::Unpublish(at()).into(),
            ShareRequest::CancelCopy { at: at(), reason: String::new() }.into(),
            copy(image, &["cn-beijing"]).into(),
            copy(image, &[]).into(),
        ]
    };
    for (there, never) in asks(&image).into_iter().zip(asks("m-00000000000000000000")) {
        let no = dispatch(&two.service, call(&other(), "no", there.clone())).await.unwrap_err();
        let unknown = dispatch(&two.service, call(&other(), "no", never)).await.unwrap_err();
        assert_eq!(no.code, "InvalidImageId.NotFound", "{there:?}");
        let text = no.message.replace(&image, "m-00000000000000000000");
        assert_eq!((text, &no.advice), (unknown.message, &unknown.advice), "as if it had never been");
    }
    // Those it is shared with may see and copy it, and nothing else.
    two.share(&image, &other(), Term::Ever).await;
    for ask in asks(&image).into_iter().skip(1).take(7) {
        assert_eq!(two.no(&other(), ask.clone()).await, "InvalidImageId.NotFound", "{ask:?}");
    }
    let publish = ShareRequest::Publish(at(&image));
    let told = dispatch(&two.service, call(&other(), "no", publish.into())).await.unwrap_err();
    assert!(told.message.contains("is another account's"), "it is plain why: {told:?}");
    let seen: ImageView = two.ask(&other(), Request::ImageShow(at(&image))).await.unwrap();
    let kept =
        (seen.image_owner_alias.as_str(), seen.shares.len(), seen.disks.len(), seen.workflow_id.as_str());
    assert_eq!(kept, ("others", 0, 0, ""));
    assert_eq!(two.no(&other(), copy(&image, &["cn-beijing"])).await, "OperationDenied.SameRegionOnly");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_all_accounts_is_the_operators() {
    let two = Two::new().await;
    let image = two.image(&local_actor(), "web-1", None, None).await;
    let mine = two.image(&other(), "mine", None, None).await;
    let quotas = Quotas { images: Some(1), ..Quotas::default() };
    let theirs = || Some(AccountId::from("100000"));
    for ask in [
        Request::AuditHead,
        Request::AuditVerify { heads: Vec::new() },
        Request::AuditRebuild,
        Request::AuditArchive(crate::ArchiveAsked { now: false, older_than_days: None }),
        Request::RegionCollect { region: None, after: None },
        Request::RegionCheck { region: None, deep: false },
        ShareRequest::AccountCreate { name: "x".to_owned(), account: None }.into(),
        ShareRequest::QuotaShow { account: theirs(), region: None }.into(),
        ShareRequest::QuotaSet { account: None, region: None, quotas }.into(),
        ShareRequest::RegionAdd(domain::RegionId::from("cn-x")).into(),
    ] {
        assert_eq!(two.no(&other(), ask.clone()).await, "Forbidden.Operator", "{ask:?}");
    }
    let accounts: Accounts = two.ask(&other(), ShareRequest::AccountList).await.unwrap();
    assert_eq!(accounts.accounts.len(), 1, "an account sees itself alone");
    let own: QuotaViews =
        two.ask(&other(), ShareRequest::QuotaShow { account: None, region: None }).await.unwrap();
    assert!(own.quotas.iter().all(|quota| quota.account_id == "200000"));

    // The log: its own records, wherever it begins to read.
    let log = |asked: LogAsked| Request::Audit(AuditRequest::Log(asked));
    for reverse in [false, true] {
        let ask = log(LogAsked { count: 1000, reverse, ..LogAsked::default() });
        let log: LogPage = two.ask(&other(), ask).await.unwrap();
        assert!(log.log.iter().all(|line| line.account_id == "200000"), "{:?}", log.log);
        assert!(log.log.iter().any(|line| line.subjects.contains(&mine)));
    }
    let last = log(LogAsked { count: 2, reverse: true, ..LogAsked::default() });
    let last: LogPage = two.ask(&other(), last).await.unwrap();
    assert_eq!(last.log.first().map(|line| line.kind.as_str()), Some("flow.ended/1"), "{:?}", last.log);
    assert_eq!(last.log.len(), 2);
    assert_eq!(two.no(&other(), log_of(&image)).await, "InvalidImageId.NotFound");
    let flow = imported(&two, &local_actor()).await;
    let of_flow = log(LogAsked { count: 9, workflow: Some(flow), ..LogAsked::default() });
    let after = Request::RegionCollect { region: None, after: Some(flow) };
    for ask in [of_flow, after, Request::WorkflowShow(flow), Request::WorkflowHistory(flow)] {
        assert_eq!(two.no(&other(), ask.clone()).await, "InvalidWorkflowId.NotFound", "{ask:?}");
    }
    // The operator sees every operation, for it has to look at those that are parked.
    let flow = imported(&two, &other()).await;
    let view: WorkflowView = two.ask(&local_actor(), Request::WorkflowShow(flow)).await.unwrap();
    assert_eq!(view.account_id, "200000");
}

async fn imported(two: &Two, by: &Actor) -> FlowId {
    let all: Workflows = two.ask(by, Request::WorkflowList(WorkflowQuery::newest(1000))).await.unwrap();
    let own = |flow: &&WorkflowView| flow.name == "import_image" && flow.account_id == by.account;
    all.workflows.iter().find(own).unwrap().workflow_id
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_cannot_be_are_refused_before_anything_begins() {
    let two = Two::new().await;
    let (owner, image) = (local_actor(), two.image(&local_actor(), "web-1", None, None).await);
    two.image(&owner, "web-1", None, Some("cn-beijing")).await;
    for (ask, code) in [
        (copy(&image, &[]), "IncorrectDestinationRegion"),
        (copy(&image, &["cn-hangzhou"]), "IncorrectDestinationRegion"),
        (copy(&image, &["cn-nowhere"]), "DestinationRegion.NotFound"),
        (copy(&image, &["cn-beijing"]), "InvalidImageName.Duplicated"),
        (copy("web-1", &["cn-beijing"]), "InvalidImageName.Ambiguous"),
        (ShareRequest::CancelCopy { at: at(&image), reason: String::new() }, "ImageCreatedNotFromCopy"),
    ] {
        assert_eq!(two.no(&owner, ask.clone()).await, code, "{ask:?}");
    }
    let ShareRequest::Copy(ask) = copy(&image, &["cn-beijing"]) else { unreachable!() };
    let nowhere = ImageAt { region: Some(domain::RegionId::from("cn-nowhere")), ..at(&image) };
    let nowhere = ShareRequest::Copy(ImageCopy { at: nowhere, ..ask.clone() });
    assert_eq!(two.no(&owner, nowhere).await, "SourceRegion.NotFound");
    // What would do is found to do, and nothing is done.
    let fine = ShareRequest::Copy(ImageCopy { name: Some("web-1-copy".to_owned()), ..ask });
    let mut dry = call(&owner, "dry", fine.clone().into());
    dry.manner = Manner { dry_run: true, token: None, ..Manner::default() };
    assert_eq!(dispatch(&two.service, dry).await.unwrap_err().code, "DryRunOperation");
    two.done(&owner, ShareRequest::Publish(at(&image))).await;
    assert_eq!(two.no(&owner, fine.clone()).await, "OperationDenied.CommunityImage");
    assert!(two.sees(&other(), &image).await, "it is everybody's");
    assert_eq!(two.no(&owner, ShareRequest::Publish(at(&image))).await, "Image.Public");
    two.done(&owner, ShareRequest::Unpublish(at(&image))).await;
    assert!(!two.sees(&other(), &image).await);
    let quotas = Quotas { images: Some(1), ..Quotas::default() };
    let region = Some(domain::RegionId::from("cn-beijing"));
    two.done(&owner, ShareRequest::QuotaSet { account: None, region, quotas }).await;
    assert_eq!(two.no(&owner, fine).await, "QuotaExceed.Image");
    assert_eq!(ended(&two, "copy_image").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_of_another_stands_for_the_newest_that_is_shared_and_for_what_it_was_promoted_to() {
    let two = Two::new().await;
    let owner = local_actor();
    let mut ids = Vec::new();
    for name in ["web-1", "web-2", "web-3"] {
        ids.push(two.image(&owner, name, Some("web"), None).await);
    }
    let of_owner = "acs:100000:web";
    let never = two.head(&other(), "acs:100000:other").await.unwrap_err();
    let hidden = two.head(&other(), of_owner).await.unwrap_err();
    assert_eq!((&hidden.code, &hidden.advice), (&never.code, &never.advice));
    assert_eq!(hidden.code, "InvalidImageFamily.NotFound");
    two.share(&ids[0], &other(), Term::Ever).await;
    two.share(&ids[1], &other(), Term::For(HOUR_MS)).await;
    let seen = two.head(&other(), of_owner).await.unwrap();
    assert_eq!((&seen.image.image_id, seen.members.len()), (&ids[1], 2));
    assert_eq!(seen.image.image_family, of_owner);
    let shown: ImageView = two.ask(&other(), Request::ImageShow(at(of_owner))).await.unwrap();
    assert_eq!(shown.image_id, ids[1], "wherever an image is expected");
    // A promotion holds for others where they may see it.
    two.done(&owner, moved("web", FamilyTo::Image(ids[0].clone()), FamilyWhere::One)).await;
    assert_eq!(two.head(&other(), of_owner).await.unwrap().image.image_id, ids[0]);
    two.done(&owner, moved("web", FamilyTo::Image(ids[2].clone()), FamilyWhere::One)).await;
    let seen = two.head(&other(), of_owner).await.unwrap();
    assert_eq!((&seen.image.image_id, seen.pinned_image_id.as_str()), (&ids[1], ""));
    two.pass(HOUR_MS);
    assert_eq!(two.head(&other(), of_owner).await.unwrap().image.image_id, ids[0]);
    assert_eq!(two.head(&owner, of_owner).await.unwrap().image.image_id, ids[2], "the owner may say it so");
    let delete = Request::ImageDelete { at: at(of_owner), force: false, keep_snapshots: false };
    assert_eq!(two.no(&other(), delete).await, "InvalidImageId.NotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_holds_until_its_image_is_not_available_or_the_family_is_told_otherwise() {
    let two = Two::new().await;
    let owner = local_actor();
    let one = two.image(&owner, "web-1", Some("web"), None).await;
    let second = two.image(&owner, "web-2", Some("web"), None).await;
    let stray = two.image(&owner, "db-1", Some("db"), None).await;
    let head = async || two.head(&owner, "web").await.unwrap();
    for (to, code) in [
        (FamilyTo::Image("web-9".to_owned()), "InvalidImageId.NotFound"),
        (FamilyTo::Image(stray), "InvalidImageFamily.NotMatched"),
        (FamilyTo::Newest, "InvalidImageFamily.NotPinned"),
    ] {
        assert_eq!(two.no(&owner, moved("web", to, FamilyWhere::One)).await, code);
    }
    let typo = moved("wbe", FamilyTo::Before, FamilyWhere::One);
    assert_eq!(two.no(&owner, typo).await, "InvalidImageFamily.NotFound");

    two.done(&owner, moved("web", FamilyTo::Image("web-1".to_owned()), FamilyWhere::One)).await;
    let third = two.image(&owner, "web-3", Some("web"), None).await;
    let view = head().await;
    assert_eq!((&view.image.image_id, view.is_pinned), (&one, true), "newer ones do not take over");
    two.done(&owner, Request::ImageDeprecate(at(&one))).await;
    let view = head().await;
    assert_eq!((&view.image.image_id, &view.pinned_image_id, view.is_pinned), (&third, &one, false));
    two.done(&owner, Request::ImageRestore(at(&one))).await;
    assert_eq!(head().await.image.image_id, one, "restored, it is promoted again");
    let oldest = moved("web", FamilyTo::Before, FamilyWhere::One);
    assert_eq!(two.no(&owner, oldest.clone()).await, "InvalidImageFamily.NothingBefore");
    two.done(&owner, moved("web", FamilyTo::Newest, FamilyWhere::One)).await;
    let view = head().await;
    assert_eq!((&view.image.image_id, view.is_pinned, view.pinned_image_id.as_str()), (&third, false, ""));
    two.done(&owner, oldest).await;
    assert_eq!(head().await.image.image_id, second, "a rollback is a promotion of the one before");
    let delete = Request::ImageDelete { at: at(&second), force: false, keep_snapshots: false };
    two.done(&owner, delete).await;
    let view = head().await;
    assert_eq!(
        (&view.image.image_id, view.pinned_image_id.as_str()),
        (&third, ""),
        "deleted, it is forgotten"
    );
}
