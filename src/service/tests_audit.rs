//! The past through the door, on a clock that the test sets: an image is imported at 10:00, shared
//! from 11:00 until 14:00, everybody's from 12:00 to 13:00, deprecated at 16:00 and deleted at 17:00,
//! and every question is asked afterwards.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::port::DataPlane;
use domain::{AccountId, ImageId, RegionId};
use engine::{Clock, Workflow};
use event::Actor;
use tempfile::TempDir;
use workflows::{
    ChangeShares, CreateAccount, DeleteImage, DeprecateImage, DiskFile, ImportImage, Ports, PublishImage,
    UnpublishImage,
};

use crate::{
    Action, AuditRequest, Call, DEFAULT_ACCOUNT, DEFAULT_REGION, Differences, ImageAt, Judged, LogAsked,
    LogPage, Manner, PROTOCOL, PastRows, PastView, Replayed, Reply, Request, Service, Told, Trouble, When,
    Wiring, dispatch, local_actor,
};

/// 2026-03-03T00:00:00Z.
const DAY_MS: i64 = 1_772_496_000_000;
const HOUR_MS: i64 = 3_600_000;
const FRIEND: &str = "200000";
const STRANGER: &str = "300000";

#[derive(Debug)]
struct Set(AtomicI64);

impl Clock for Set {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

struct Day {
    service: Arc<Service>,
    clock: Arc<Set>,
    image: ImageId,
    place: TempDir,
}

impl Day {
    /// The day up to an hour.
    async fn up_to(last_hour: i64) -> Self {
        let place = tempfile::tempdir().unwrap();
        let clock = Arc::new(Set(AtomicI64::new(DAY_MS + 9 * HOUR_MS)));
        let files: Arc<dyn files::Files> = Arc::new(files::RealFiles);
        let under = files.clone();
        let data = move |root: &Path| -> Arc<dyn DataPlane> {
            Arc::new(data::Plane::new(under.clone(), root.to_owned(), data::Options::default()))
        };
        let wiring = Wiring { files, clock: clock.clone(), data: Arc::new(data) };
        let dir = place.path().join("data");
        let service = Service::open(crate::Options { dir, wiring, drive: true }).await.unwrap();
        let mut day = Self { service, clock, image: ImageId::default(), place };
        for account in [FRIEND, STRANGER] {
            let create = CreateAccount { account: account.into(), name: format!("of {account}") };
            day.run(account, create).await;
        }
        for hour in 10..=last_hour {
            day.at(hour).await;
        }
        day.clock.0.store(DAY_MS + last_hour * HOUR_MS + HOUR_MS / 2, Ordering::SeqCst);
        day
    }

    async fn run<W: Workflow<Ports = Ports>>(&self, request: &str, workflow: W) {
        let row = self.service.engine.run(local_actor(), request, workflow).await.unwrap();
        assert_eq!(row.trouble(), None);
    }

    async fn at(&mut self, hour: i64) {
        self.clock.0.store(DAY_MS + hour * HOUR_MS, Ordering::SeqCst);
        let (account, region) = (AccountId::from(DEFAULT_ACCOUNT), RegionId::from(DEFAULT_REGION));
        let (image, request) = (self.image.clone(), format!("hour {hour}"));
        match hour {
            10 => self.import().await,
            11 => {
                let until_ms = Some(DAY_MS + 14 * HOUR_MS);
                let (add, remove) = (vec![FRIEND.into()], Vec::new());
                self.run(&request, ChangeShares { account, region, image, add, until_ms, remove }).await;
            }
            12 => self.run(&request, PublishImage { account, region, image }).await,
            13 => self.run(&request, UnpublishImage { account, region, image }).await,
            16 => self.run(&request, DeprecateImage { account, region, image, by: None }).await,
            17 => {
                let delete =
                    DeleteImage { account, region, image, force: false, keep_snapshots: false, by: None };
                self.run(&request, delete).await;
            }
            _ => {}
        }
    }

    async fn import(&mut self) {
        let path = self.place.path().join("disk.raw");
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let region = RegionId::from(DEFAULT_REGION);
        let rows = self.service.engine.snapshot().unwrap();
        let at = domain::port::Location::file(path.to_str().unwrap());
        let import = ImportImage {
            account: DEFAULT_ACCOUNT.into(),
            store: crate::lookup::region(&rows, Some(&region)).unwrap().store,
            region,
            disks: vec![DiskFile { at, format: None, device: "/dev/xvda".to_owned(), size_bytes: None }],
            name: "web-1".to_owned(),
            description: String::new(),
            family: None,
            tags: std::collections::BTreeMap::new(),
            machine: domain::machine::Machine::default(),
            check: false,
        };
        self.run("hour 10", import).await;
        let rows = self.service.engine.snapshot().unwrap();
        self.image = domain::image::IMAGES.list_all(&rows).remove(0).id;
    }

    async fn ask<T: TryFrom<Reply, Error = Trouble>>(
        &self,
        account: &str,
        asked: AuditRequest,
    ) -> Result<T, Trouble> {
        let actor = Actor { account: account.to_owned(), key: String::new() };
        let (request, manner) = (Request::Audit(asked), Manner::default());
        let call = Call { protocol: PROTOCOL, drive: true, actor, id: String::new(), manner, request };
        T::try_from(dispatch(&self.service, call).await?)
    }

    /// Who could, as account, yes or no, tie, code.
    async fn who(&self, action: Action, at: &str) -> Vec<(String, bool, String, String)> {
        let asked = AuditRequest::WhoCould { action, image: web_1(), at: when(at) };
        let judged: Judged = self.ask(DEFAULT_ACCOUNT, asked).await.unwrap();
        let short = judged.verdicts.into_iter().map(|it| (it.account_id, it.allowed, it.tie, it.code));
        short.collect()
    }

    async fn log(&self, account: &str, asked: LogAsked) -> LogPage {
        self.ask(account, AuditRequest::Log(asked)).await.unwrap()
    }
}

fn web_1() -> ImageAt {
    ImageAt { image: "web-1".to_owned(), region: None }
}

fn when(hour: &str) -> When {
    format!("2026-03-03T{hour}Z").parse().unwrap()
}

fn said(account: &str, allowed: bool, tie: &str, code: &str) -> (String, bool, String, String) {
    (account.to_owned(), allowed, tie.to_owned(), code.to_owned())
}

fn asked() -> LogAsked {
    LogAsked { count: 1000, ..LogAsked::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_could_use_an_image_is_answered_by_the_rules_and_the_time_of_then() {
    let day = Day::up_to(17).await;
    let owner = || said(DEFAULT_ACCOUNT, true, "owner", "");
    assert_eq!(day.who(Action::Launch, "10:30").await, [owner()]);
    assert_eq!(day.who(Action::Launch, "11:30").await, [owner(), said(FRIEND, true, "shared", "")]);
    let everybody = [owner(), said(FRIEND, true, "shared", ""), said(STRANGER, true, "everybody", "")];
    assert_eq!(day.who(Action::Launch, "12:30").await, everybody);
    assert_eq!(day.who(Action::Launch, "13:30").await, [owner(), said(FRIEND, true, "shared", "")]);
    assert_eq!(day.who(Action::Launch, "14:30").await, [owner()], "the share was over, told or not");
    assert_eq!(day.who(Action::Launch, "16:30").await, [owner()]);

    let own = "InvalidImageId.NotFound";
    assert_eq!(day.who(Action::Copy, "11:30").await, [owner(), said(FRIEND, true, "shared", "")]);
    let community = "OperationDenied.CommunityImage";
    assert_eq!(day.who(Action::Copy, "12:30").await[0], said(DEFAULT_ACCOUNT, false, "owner", community));
    assert_eq!(day.who(Action::Export, "11:30").await, [owner(), said(FRIEND, false, "shared", own)]);
    let shared = said(DEFAULT_ACCOUNT, false, "owner", "ImageUseShared");
    assert_eq!(day.who(Action::Delete, "11:30").await, [shared, said(FRIEND, false, "shared", own)]);
    assert_eq!(day.who(Action::Delete, "16:30").await, [owner()]);
    let deprecated = "OperationDenied.InvalidImageStatus";
    assert_eq!(day.who(Action::Share, "16:30").await, [said(DEFAULT_ACCOUNT, false, "owner", deprecated)]);

    for at in ["09:30", "17:30"] {
        let asked = AuditRequest::WhoCould { action: Action::Launch, image: web_1(), at: when(at) };
        let no = day.ask::<Judged>(DEFAULT_ACCOUNT, asked).await.unwrap_err();
        assert_eq!(no.code, "InvalidImageId.NotFound", "at {at} there was none");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_names_the_events_that_show_it() {
    let day = Day::up_to(17).await;
    let event = async |kind: &str| {
        let page = day.log(DEFAULT_ACCOUNT, LogAsked { kind: Some(kind.to_owned()), ..asked() }).await;
        page.log[0].event
    };
    let could = AuditRequest::Could { account: FRIEND.to_owned(), image: web_1(), at: when("11:30") };
    let judged: Judged = day.ask(DEFAULT_ACCOUNT, could).await.unwrap();
    let allowed: Vec<(&str, bool)> =
        judged.verdicts.iter().map(|it| (it.action.as_str(), it.allowed)).collect();
    let no = ["export", "modify", "delete"].map(|action| (action, false));
    assert_eq!(allowed, [&[("launch", true), ("share", false), ("copy", true)], &no[..]].concat());
    assert_eq!(judged.verdicts[0].events, [event("image.shares-changed").await]);
    assert_eq!(judged.verdicts[0].until, "2026-03-03T14:00:00Z");
    assert_eq!(
        judged.verdicts[0].why,
        "shared with it since 2026-03-03T11:00:00Z by `100000`, until 2026-03-03T14:00:00Z"
    );
    let asked = AuditRequest::WhoCould { action: Action::Share, image: web_1(), at: when("16:30") };
    let judged: Judged = day.ask(DEFAULT_ACCOUNT, asked).await.unwrap();
    let shown = [event("image.reserved").await, event("image.deprecated").await];
    assert_eq!((&judged.verdicts[0].events[..], judged.other_accounts), (&shown[..], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_verdict_says_of_now_is_what_happens_now() {
    for hour in [11, 12, 16] {
        let day = Day::up_to(hour).await;
        let image = web_1();
        let asked = AuditRequest::WhoCould { action: Action::Delete, image: image.clone(), at: When::Now };
        let judged: Judged = day.ask(DEFAULT_ACCOUNT, asked).await.unwrap();
        let request = Request::ImageDelete { at: image, force: false, keep_snapshots: false };
        let (actor, manner) = (local_actor(), Manner { dry_run: true, token: None, ..Manner::default() });
        let call = Call { protocol: PROTOCOL, drive: true, actor, id: "x".to_owned(), manner, request };
        let code = dispatch(&day.service, call).await.unwrap_err().code;
        let verdict = &judged.verdicts[0];
        let told = if verdict.allowed { "DryRunOperation" } else { &verdict.code };
        assert_eq!(told, code, "at {hour}:30");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_is_seen_as_it_was_and_two_are_compared_in_words() {
    let day = Day::up_to(17).await;
    let replay = async |of: Replayed, at: &str| {
        let asked = AuditRequest::Replay { at: when(at), of, region: None };
        day.ask::<PastView>(DEFAULT_ACCOUNT, asked).await
    };
    let image = || Replayed::Image(day.image.0.clone());
    let view = replay(image(), "11:30").await.unwrap();
    let PastRows::Image(shown) = &view.rows else { panic!("{view:?}") };
    assert_eq!((shown.status.as_str(), shown.shares[0].account_id.as_str()), ("Available", FRIEND));
    assert!(view.events_folded < view.event, "only its own {} of {} events", view.events_folded, view.event);
    let PastRows::Image(later) = replay(Replayed::Image("web-1".into()), "16:30").await.unwrap().rows else {
        panic!("one image")
    };
    assert_eq!((later.status.as_str(), later.shares.len()), ("Deprecated", 0));
    assert_eq!(replay(image(), "17:00:00").await.unwrap_err().code, "InvalidImageId.NotFound");
    let lists = [Replayed::Images, Replayed::Shares, Replayed::Snapshots];
    for (of, before, after) in lists.into_iter().zip([1, 1, 1]).map(|(of, count)| (of, count, 0)) {
        for (at, count) in [("11:30", before), ("17:30", after)] {
            let rows = replay(of.clone(), at).await.unwrap().rows;
            let found = match &rows {
                PastRows::Images(rows) => rows.len(),
                PastRows::Shares(rows) => rows.len(),
                PastRows::Snapshots(rows) => rows.len(),
                other => panic!("{other:?}"),
            };
            assert_eq!(found, count, "{of:?} at {at}");
        }
    }

    let diff = async |from: &str, to: &str| {
        let asked = AuditRequest::Diff { from: when(from), to: when(to), subject: None };
        let found: Differences = day.ask(DEFAULT_ACCOUNT, asked).await.unwrap();
        found
            .changes
            .into_iter()
            .map(|it| format!("{} {}: {}", it.what, it.change, it.text))
            .collect::<Vec<_>>()
    };
    let shared = "share added: `web-1` was shared with `200000` until 2026-03-03T14:00:00Z";
    assert_eq!(diff("10:30", "11:30").await, [shared]);
    let public = "image changed: it is now everybody's";
    assert_eq!(diff("11:30", "12:30").await, [public, "share added: `web-1` became everybody's"]);
    assert_eq!(diff("12:30", "12:31").await, Vec::<String>::new());
    assert_eq!(diff("13:30", "14:30").await, ["share removed: `web-1` is shared with `200000` no more"]);
    let deprecated = "image changed: its status went from `Available` to `Deprecated`";
    assert_eq!(diff("15:30", "16:30").await, [deprecated]);
    assert_eq!(diff("16:30", "17:30").await, ["image removed: is gone", "snapshot removed: is gone"]);
    let back = AuditRequest::Diff { from: when("12:30"), to: when("11:30"), subject: None };
    assert_eq!(
        day.ask::<Differences>(DEFAULT_ACCOUNT, back).await.unwrap_err().code,
        "InvalidParameter.Moment"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_filtered_and_paged_both_ways_without_losing_a_line() {
    let day = Day::up_to(17).await;
    let all = day.log(DEFAULT_ACCOUNT, asked()).await;
    assert_eq!((all.next, all.log.len() as u64), (None, all.head));
    // What follows by itself, a collection for one, may write on meanwhile: what was there is compared.
    let events = |page: &LogPage| {
        let told = page.log.iter().map(|line| line.event);
        told.filter(|event| *event <= all.head).collect::<Vec<_>>()
    };
    for filter in [
        asked(),
        LogAsked { kind: Some("image.*".to_owned()), ..asked() },
        LogAsked { subject: Some("web-1".to_owned()), ..asked() },
        LogAsked { subject: Some(FRIEND.to_owned()), ..asked() },
        LogAsked { workflow: Some(all.log[0].workflow_id), ..asked() },
        LogAsked {
            since: "2026-03-03T11:00".parse().ok(),
            until: "2026-03-03T12:00".parse().ok(),
            ..asked()
        },
    ] {
        let whole = events(&day.log(DEFAULT_ACCOUNT, filter.clone()).await);
        assert!(!whole.is_empty(), "{filter:?}");
        for reverse in [false, true] {
            let mut found = Vec::new();
            let mut page = LogAsked { count: 3, reverse, ..filter.clone() };
            loop {
                let got = day.log(DEFAULT_ACCOUNT, page.clone()).await;
                assert!(got.log.len() <= 3);
                found.extend(events(&got));
                let Some(next) = got.next else { break };
                page.from = Some(next);
            }
            if reverse {
                found.reverse();
            }
            assert_eq!(found, whole, "{filter:?}, reverse: {reverse}");
        }
    }
    let hour = LogAsked {
        since: "2026-03-03T11:00".parse().ok(),
        until: "2026-03-03T11:00".parse().ok(),
        ..asked()
    };
    let times: Vec<String> =
        day.log(DEFAULT_ACCOUNT, hour).await.log.into_iter().map(|line| line.time).collect();
    assert!(!times.is_empty() && times.iter().all(|time| time == "2026-03-03T11:00:00Z"), "{times:?}");
    let nobody = LogAsked { by: Some("999".to_owned()), ..asked() };
    let no = day.ask::<LogPage>(DEFAULT_ACCOUNT, AuditRequest::Log(nobody)).await.unwrap_err();
    assert_eq!(no.code, "InvalidAccount.NotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_told_of_its_own_past_alone() {
    let day = Day::up_to(12).await;
    let id = || day.image.0.clone();
    let at = || ImageAt { image: id(), region: None };
    assert_eq!(day.log(FRIEND, asked()).await.log, []);
    for of in [Replayed::Images, Replayed::Families, Replayed::Shares, Replayed::Snapshots, Replayed::Disks] {
        let asked = AuditRequest::Replay { at: When::Now, of, region: None };
        let view: PastView = day.ask(FRIEND, asked).await.unwrap();
        let json = serde_json::to_string(&view.rows).unwrap();
        assert!(json.ends_with("[]}"), "{json}");
    }
    // What is another's is as what never was: the same code for both.
    for image in [id(), "web-1".to_owned(), "m-00000000000000000000".to_owned()] {
        let (now, at) = (When::Now, ImageAt { image: image.clone(), region: None });
        let subject = LogAsked { subject: Some(image.clone()), ..asked() };
        for asked in [
            AuditRequest::Replay { at: now, of: Replayed::Image(image.clone()), region: None },
            AuditRequest::WhoCould { action: Action::Launch, image: at.clone(), at: now },
            AuditRequest::Could { account: FRIEND.to_owned(), image: at, at: now },
            AuditRequest::Log(subject),
        ] {
            let no = day.ask::<PastView>(FRIEND, asked.clone()).await.unwrap_err();
            assert_eq!(no.code, "InvalidImageId.NotFound", "{asked:?}");
        }
        let story = AuditRequest::Story { id: image };
        assert_eq!(day.ask::<Told>(FRIEND, story).await.unwrap_err().code, "InvalidResourceId.NotFound");
    }
    let own: Told = day.ask(FRIEND, AuditRequest::Story { id: FRIEND.to_owned() }).await.unwrap();
    assert!(own.history.iter().any(|it| it.text.contains("shared with `200000`")), "{own:?}");
    let (account, region) = (AccountId::from(DEFAULT_ACCOUNT), RegionId::from(DEFAULT_REGION));
    // What is everybody's is not shared with some.
    let (owner, there, image) = (account.clone(), region.clone(), day.image.clone());
    day.run("unpublish", UnpublishImage { account: owner, region: there, image }).await;
    let add = vec![STRANGER.into(), FRIEND.into()];
    let (image, until_ms, remove) = (day.image.clone(), None, Vec::new());
    day.run("both", ChangeShares { account, region, image, add, until_ms, remove }).await;
    for (account, other) in [(FRIEND, STRANGER), (STRANGER, FRIEND)] {
        let story = AuditRequest::Story { id: account.to_owned() };
        let own: Told = day.ask(account, story).await.unwrap();
        let all = serde_json::to_string(&own).unwrap();
        assert!(all.contains(account) && !all.contains(other), "whom else it was shared with: {all}");
    }
    let other = AuditRequest::Story { id: DEFAULT_ACCOUNT.to_owned() };
    assert_eq!(day.ask::<Told>(FRIEND, other).await.unwrap_err().code, "InvalidResourceId.NotFound");
    assert_eq!(
        day.ask::<Judged>(
            FRIEND,
            AuditRequest::Could { account: DEFAULT_ACCOUNT.to_owned(), image: at(), at: When::Now }
        )
        .await
        .unwrap_err()
        .code,
        "InvalidImageId.NotFound"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_age_is_archived_and_every_answer_stays() {
    let day = Day::up_to(17).await;
    let ask = async |asked: crate::ArchiveAsked| -> crate::ArchiveView {
        let (actor, request) = (local_actor(), Request::AuditArchive(asked));
        let (id, manner) = (String::new(), Manner::default());
        let call = Call { protocol: PROTOCOL, drive: true, actor, id, manner, request };
        crate::ArchiveView::try_from(dispatch(&day.service, call).await.unwrap()).unwrap()
    };
    let answers = async || {
        (
            day.who(Action::Launch, "12:30").await,
            day.who(Action::Launch, "14:30").await,
            day.log(DEFAULT_ACCOUNT, asked()).await,
            day.service.verify(&[]).unwrap(),
            day.service.rebuild().unwrap(),
        )
    };
    let before = answers().await;
    let nothing = ask(crate::ArchiveAsked { now: true, older_than_days: None }).await;
    assert_eq!((nothing.segments, nothing.segments_now), (0, 0), "it is a day old");
    day.clock.0.store(DAY_MS + 40 * 24 * HOUR_MS, Ordering::SeqCst);
    let view = ask(crate::ArchiveAsked { now: true, older_than_days: None }).await;
    assert!(view.segments_now == 1 && view.rows_now > 10 && view.live_events < 10, "{view:?}");
    assert_eq!(view.archived_events + view.live_events, before.3.head.event);
    assert_eq!(answers().await, before);
    assert_eq!(day.service.archived().segments, 1);
}
