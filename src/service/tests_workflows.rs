//! Finding operations at the service's door: who sees which, by what they are found, and what is no filter.

use std::sync::Arc;

use domain::events::Attributes;
use domain::{AccountId, ImageId, RegionId};
use event::Actor;
use tempfile::TempDir;
use workflows::DeprecateImage;

use crate::tests::{ask, close, disk, finished, import, open, wiring};
use crate::{
    ArchiveAsked, BackupAsked, Because, Call, DEFAULT_ACCOUNT, DEFAULT_REGION, ImageAt, Manner, PROTOCOL,
    Request, Service, ShareRequest, Started, Time, Top, Trouble, WorkflowQuery, WorkflowView, Workflows,
    dispatch, local_actor,
};

/// A house in which several things were asked for, one after the other.
struct House {
    place: TempDir,
    service: Arc<Service>,
    ran: Vec<WorkflowView>,
}

fn other() -> Actor {
    Actor { account: "200000".to_owned(), key: String::new() }
}

impl House {
    async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let service = open(&place).await;
        let account = Some(AccountId::from("200000"));
        let create = ShareRequest::AccountCreate { name: "other".to_owned(), account };
        let (owner, other) = (local_actor(), other());
        let disk = disk(&place);
        let mut ran = Vec::new();
        let asks: [(&Actor, Request); 5] = [
            (&owner, create.into()),
            (&owner, import(&disk, "web-1")),
            (&other, import(&disk, "web-1")),
            (&owner, Request::ImageDeprecate(ImageAt { image: "web-1".to_owned(), region: None })),
            (&other, import(&disk, "Web-2")),
        ];
        for (number, (actor, request)) in asks.into_iter().enumerate() {
            let started: Started = ask(&service, actor, &format!("ask {number}"), request).await.unwrap();
            ran.push(finished(&service, actor, &started).await);
        }
        // What the service would refuse at once, so that one is refused by the log.
        let image = ImageId::from(ran[1].output.as_str());
        let again = DeprecateImage {
            account: AccountId::from(DEFAULT_ACCOUNT),
            region: RegionId::from(DEFAULT_REGION),
            image,
            by: None,
        };
        let id = service.engine.start(owner.clone(), "again", again).await.unwrap();
        let started = Started { workflow_id: id, joined: false, image_id: String::new() };
        ran.push(finished(&service, &owner, &started).await);
        assert_eq!(ran[5].state, "Undone", "{:?}", ran[5]);
        Self { place, service, ran }
    }

    async fn page(&self, actor: &Actor, query: WorkflowQuery) -> Result<Workflows, Trouble> {
        ask(&self.service, actor, "", Request::WorkflowList(query)).await
    }

    /// Which of those are found, told by number; what a first start has done is left out.
    async fn found(&self, actor: &Actor, query: WorkflowQuery) -> Result<Vec<usize>, Trouble> {
        let page = self.page(actor, WorkflowQuery { count: 100, ..query }).await?;
        let place = |flow: &WorkflowView| self.ran.iter().position(|ran| ran.workflow_id == flow.workflow_id);
        Ok(page.workflows.iter().filter_map(place).collect())
    }
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_found_by_what_they_are_and_how_they_went_by_those_who_may_see_them() {
    let house = House::new().await;
    let (owner, other, ran) = (local_actor(), other(), &house.ran);
    let image = ran[1].output.clone();
    let none = WorkflowQuery::default;
    for (actor, query, expected) in [
        (&owner, none(), vec![5, 4, 3, 2, 1, 0]),
        (&other, none(), vec![4, 2]),
        (&owner, WorkflowQuery { kinds: texts(&["import-image"]), ..none() }, vec![4, 2, 1]),
        (
            &owner,
            WorkflowQuery { kinds: texts(&["import_image", "create-account"]), ..none() },
            vec![4, 2, 1, 0],
        ),
        (&owner, WorkflowQuery { states: texts(&["Undone"]), ..none() }, vec![5]),
        (&other, WorkflowQuery { states: texts(&["done", "parked"]), ..none() }, vec![4, 2]),
        (&owner, WorkflowQuery { errors: vec![ran[5].error_code.clone()], ..none() }, vec![5]),
        (&other, WorkflowQuery { errors: vec![ran[5].error_code.clone()], ..none() }, vec![]),
        (&owner, WorkflowQuery { image: Some("web-1".to_owned()), ..none() }, vec![5, 3, 1]),
        (&owner, WorkflowQuery { image: Some(image.clone()), ..none() }, vec![5, 3, 1]),
        (&owner, WorkflowQuery { image: Some(ran[2].output.clone()), ..none() }, vec![2]),
        (&other, WorkflowQuery { image: Some("web-1".to_owned()), ..none() }, vec![2]),
        (&owner, WorkflowQuery { by: Some("200000".to_owned()), ..none() }, vec![4, 2]),
        (&other, WorkflowQuery { by: Some("100000".to_owned()), ..none() }, vec![]),
        (&other, WorkflowQuery { by: Some("nobody".to_owned()), ..none() }, vec![]),
        (
            &owner,
            WorkflowQuery { region: Some(RegionId::from("cn-hangzhou")), ..none() },
            vec![5, 4, 3, 2, 1],
        ),
        (&owner, WorkflowQuery { region: Some(RegionId::from("cn-beijing")), ..none() }, vec![]),
        (&owner, WorkflowQuery { text: "WEB-2".to_owned(), ..none() }, vec![4]),
        (
            &owner,
            WorkflowQuery { since: Some(Time::AgoMs(0)), until: Some(Time::AgoMs(1 << 40)), ..none() },
            vec![],
        ),
        (
            &owner,
            WorkflowQuery { since: Some(Time::AgoMs(3_600_000)), text: "web".to_owned(), ..none() },
            vec![4, 2, 1],
        ),
        (&owner, WorkflowQuery { open: true, ..none() }, vec![]),
        (&owner, WorkflowQuery { open: true, states: texts(&["done"]), ..none() }, vec![]),
    ] {
        assert_eq!(house.found(actor, query.clone()).await.unwrap(), expected, "{} {query:?}", actor.account);
    }
    close(house.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_for_is_refused_with_what_can() {
    let house = House::new().await;
    let (owner, other, none) = (local_actor(), other(), WorkflowQuery::default);
    let image = house.ran[1].output.clone();
    for (actor, query, code, says) in [
        (
            &owner,
            WorkflowQuery { kinds: texts(&["import-imgae"]), ..none() },
            "InvalidParameter.Filter",
            "import_image",
        ),
        (
            &owner,
            WorkflowQuery { kinds: texts(&["x"]), ..none() },
            "InvalidParameter.Filter",
            "delete_snapshot",
        ),
        (
            &owner,
            WorkflowQuery { states: texts(&["lost"]), ..none() },
            "InvalidParameter.Filter",
            "`abandoned`",
        ),
        (
            &owner,
            WorkflowQuery { by: Some("nobody".to_owned()), ..none() },
            "InvalidAccount.NotFound",
            "account list",
        ),
        (
            &owner,
            WorkflowQuery { image: Some("web-9".to_owned()), ..none() },
            "InvalidImageId.NotFound",
            "web-1",
        ),
        (&other, WorkflowQuery { image: Some(image), ..none() }, "InvalidImageId.NotFound", ""),
        (
            &owner,
            WorkflowQuery { region: Some(RegionId::from("cn-x")), ..none() },
            "InvalidRegionId.NotFound",
            "",
        ),
        (
            &owner,
            WorkflowQuery { errors: vec![String::new(); 101], ..none() },
            "InvalidParameter.Filter",
            "turns",
        ),
        (&owner, WorkflowQuery { text: "x".repeat(257), ..none() }, "InvalidParameter.Filter", "part"),
    ] {
        let trouble = house.found(actor, query.clone()).await.unwrap_err();
        assert_eq!(trouble.code, code, "{query:?}");
        assert!(format!("{trouble:?}").contains(says), "{trouble:?} says `{says}`");
    }
    close(house.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_operations_go_on_where_the_one_before_ended() {
    let (house, owner) = (House::new().await, local_actor());
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let query = WorkflowQuery { after, ..WorkflowQuery::newest(4) };
        let page = house.page(&owner, query).await.unwrap();
        seen.extend(page.workflows.iter().map(|flow| flow.workflow_id));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let all = house.page(&owner, WorkflowQuery::newest(100)).await.unwrap();
    assert_eq!(seen, all.workflows.iter().map(|flow| flow.workflow_id).collect::<Vec<_>>());
    assert!(all.workflows.is_sorted_by(|a, b| a.start_time >= b.start_time) && all.next.is_none());
    close(house.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_asks_never_holds_the_directory_and_finds_whoever_does() {
    let place = tempfile::tempdir().unwrap();
    let at =
        |dir: &str| crate::House::new(place.path().join(dir), wiring(), Because::Looks, Box::new(|_| {}));
    let (guest, holder) = (at("data"), at("data"));
    guest.only_ask();
    let look = || Request::WorkflowTop { count: 10 };
    let no = guest.ask::<Top>(look()).await.unwrap_err();
    assert_eq!(no.code, "DataDirectory.Idle", "{no:?}");
    assert!(!place.path().join("data").exists(), "nothing was begun for who only looks");
    let top: Top = holder.ask(look()).await.unwrap();
    let seen: Top = guest.ask(look()).await.unwrap();
    assert_eq!((top.workflows, top.running, top.parked), (seen.workflows, seen.running, seen.parked));
    assert!(seen.engine.is_some_and(|engine| engine.events > 0 && engine.ended > 0));
    holder.close().await;
    guest.ask::<Top>(look()).await.expect_err("whoever held it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_told_when_more_goes_on_than_was_counted() {
    let house = House::new().await;
    house.service.engine.pause(local_actor(), engine::Which::All, "so that it goes on").await.unwrap();
    for number in 0..3 {
        let request = crate::Operation::new("disk.create", [("size", "20GiB")]).request().unwrap();
        let _: Started = ask(&house.service, &other(), &format!("disk-{number}"), request).await.unwrap();
    }
    for (count, running, or_more) in [(2, 2, true), (3, 3, false), (500, 3, false)] {
        let top: Top = ask(&house.service, &other(), "", Request::WorkflowTop { count }).await.unwrap();
        assert_eq!((top.running, top.running_or_more, top.parked_or_more), (running, or_more, false));
    }
    let all: Top = ask(&house.service, &local_actor(), "", Request::WorkflowTop { count: 1 }).await.unwrap();
    assert_eq!((all.running, all.running_or_more), (3, false), "the operator's numbers are whole");
    close(house.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_to_an_operation_that_is_only_tried_says_what_would_come_of_it_and_does_nothing() {
    let house = House::new().await;
    let (by, ended) = (local_actor(), house.ran[1].workflow_id);
    let all = || engine::Which::All;
    house.service.engine.pause(by.clone(), all(), "so that one stays open").await.unwrap();
    let rename = Attributes { description: Some("other words".to_owned()), ..Default::default() };
    let at = ImageAt { image: "web-1".to_owned(), region: None };
    let begun: Started =
        ask(&house.service, &by, "open", Request::ImageModify { at, to: rename }).await.unwrap();
    let open = begun.workflow_id;
    let (reason, to) = (String::new, house.place.path().join("backup"));
    let words = |workflow: event::FlowId| {
        [
            Request::WorkflowCancel { workflow, reason: reason() },
            Request::WorkflowPause { which: engine::Which::Flow(workflow), reason: reason() },
            Request::WorkflowResume { workflow, reason: reason() },
            Request::WorkflowUnwind { workflow, reason: reason() },
            Request::WorkflowAbandon { workflow, reason: reason() },
            Request::WorkflowReset { workflow, before: None, reason: reason() },
        ]
    };
    let whole = [
        Request::WorkflowPause { which: engine::Which::Background, reason: reason() },
        Request::WorkflowResumeAll { which: all(), reason: reason() },
        Request::Backup(BackupAsked { to: to.to_str().unwrap().to_owned(), reuse: None, log_only: true }),
        Request::AuditArchive(ArchiveAsked { now: true, older_than_days: None }),
    ];
    let before = house.service.engine.snapshot().unwrap().head().unwrap();
    let mut told = Vec::new();
    for (number, request) in words(open).into_iter().chain(words(ended)).chain(whole).enumerate() {
        let manner = Manner { dry_run: true, ..Manner::default() };
        let (actor, id) = (by.clone(), format!("dry {number}"));
        let call = Call { protocol: PROTOCOL, drive: true, actor, id, manner, request };
        let no = dispatch(&house.service, call).await.expect_err("a dry run does nothing");
        told.push((no.code, no.message));
    }
    assert_eq!(house.service.engine.snapshot().unwrap().head().unwrap(), before);
    let would = |at: usize| told[at].0 == "DryRunOperation";
    assert_eq!(
        (0..told.len()).filter(|at| would(*at)).collect::<Vec<_>>(),
        [0, 1, 2, 12, 13, 14, 15],
        "{told:?}"
    );
    assert!(!to.exists());
    assert!(told[3..6].iter().all(|(_, why)| why.contains("is not parked")), "{told:?}");
    assert!(told[6..12].iter().all(|(_, why)| why.contains("has ended already")), "{told:?}");
    house.service.engine.resume(by, all(), "").await.unwrap();
    close(house.service).await;
}
