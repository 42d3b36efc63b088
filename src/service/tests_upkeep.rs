//! Retention policies and distribution lists at the service's door: what they are refused for, what a plan says, what a
//! run finds changed since, and who may have one run.

use std::sync::Arc;

use domain::upkeep::{Distribution, Goal, Kind, Retention};
use domain::{AccountId, RegionId};
use event::Actor;
use tempfile::TempDir;

use crate::tests::{ask, close, disk, finished, import, open};
use crate::{
    ImageAt, ImageImport, ImageQuery, Images, Request, Service, ShareRequest, Started, Term, Trouble,
    UpkeepAt, UpkeepCreate, UpkeepPlanView, UpkeepRequest, UpkeepView, WorkflowView, local_actor,
};

const OTHER: &str = "200000";

struct Place {
    dir: TempDir,
    service: Arc<Service>,
    asked: std::cell::Cell<u32>,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let service = open(&dir).await;
        let place = Self { dir, service, asked: std::cell::Cell::new(0) };
        let (name, account) = ("other".to_owned(), Some(AccountId::from(OTHER)));
        place.done(Request::Share(ShareRequest::AccountCreate { name, account })).await;
        place
    }

    async fn ask<T: TryFrom<crate::Reply, Error = Trouble>>(&self, request: Request) -> Result<T, Trouble> {
        self.asked.set(self.asked.get() + 1);
        ask(&self.service, &local_actor(), &format!("ask {}", self.asked.get()), request).await
    }

    async fn done(&self, request: Request) -> WorkflowView {
        let started: Started = self.ask(request).await.unwrap();
        let view = finished(&self.service, &local_actor(), &started).await;
        assert_eq!(view.state, "Done", "{view:?}");
        view
    }

    async fn image(&self, name: &str) -> String {
        let Request::ImageImport(asked) = import(&disk(&self.dir), name) else { unreachable!("an import") };
        self.done(Request::ImageImport(ImageImport { family: Some("web".to_owned()), ..asked })).await.output
    }

    async fn create(&self, name: &str, goal: Goal) -> Result<Started, Trouble> {
        let (name, family) = (name.to_owned(), "web".to_owned());
        let create = UpkeepCreate { name, family, region: None, goal };
        let started: Started = self.ask(Request::Upkeep(UpkeepRequest::Create(create))).await?;
        finished(&self.service, &local_actor(), &started).await;
        Ok(started)
    }

    async fn plan(&self, kind: Kind, name: &str) -> Vec<(String, String, String)> {
        let plan = Request::Upkeep(UpkeepRequest::Plan(UpkeepAt { kind, named: name.to_owned() }));
        let plan: UpkeepPlanView = self.ask(plan).await.unwrap();
        plan.images.into_iter().map(|row| (row.image_name, row.region_id, row.does)).collect()
    }

    /// Runs it, and waits for all that it begins.
    async fn run(&self, kind: Kind, name: &str) -> UpkeepView {
        let at = || UpkeepAt { kind, named: name.to_owned() };
        self.done(Request::Upkeep(UpkeepRequest::Run(at()))).await;
        let view: UpkeepView = self.ask(Request::Upkeep(UpkeepRequest::Show(at()))).await.unwrap();
        for run in view.last.iter().flat_map(|last| &last.begun) {
            self.service.engine.wait(run.workflow_id).await.unwrap();
        }
        self.ask(Request::Upkeep(UpkeepRequest::Show(at()))).await.unwrap()
    }
}

fn keep(count: u32) -> Retention {
    Retention { keep: Some(count), ..Retention::default() }
}

fn list(to: &[&str], share_with: &[&str]) -> Goal {
    Goal::Distribution(Distribution {
        newest: 1,
        to: to.iter().map(|region| RegionId::from(*region)).collect(),
        share_with: share_with.iter().map(|account| AccountId::from(*account)).collect(),
    })
}

fn row(name: &str, region: &str, does: &str) -> (String, String, String) {
    (name.to_owned(), region.to_owned(), does.to_owned())
}

const HOME: &str = "cn-hangzhou";
const BEIJING: &str = "cn-beijing";

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_goes_and_a_run_does_that_and_no_more() {
    let place = Place::new().await;
    let mut ids = Vec::new();
    for name in ["web-1", "web-2", "web-3", "web-4"] {
        ids.push(place.image(name).await);
    }
    let share = ShareRequest::Share {
        at: ImageAt { image: ids[0].clone(), region: None },
        with: vec![AccountId::from(OTHER)],
        term: Term::Ever,
    };
    place.done(Request::Share(share)).await;
    place.create("tidy", Goal::Retention(keep(2))).await.unwrap();
    let does = |third: &str, first: &str| {
        vec![
            row("web-4", HOME, "Stays"),
            row("web-3", HOME, "Stays"),
            row("web-2", HOME, third),
            row("web-1", HOME, first),
        ]
    };
    assert_eq!(place.plan(Kind::Retention, "tidy").await, does("Deprecate", "Stays"));
    let ran = place.run(Kind::Retention, "tidy").await.last.unwrap();
    assert_eq!((ran.deprecated, ran.deleted.len(), ran.refused.len()), (vec![ids[1].clone()], 0, 0));
    // There is no grace, so the next run deletes it; shares end only where the policy says so.
    assert_eq!(place.plan(Kind::Retention, "tidy").await, does("Delete", "Stays"));
    let ran = place.run(Kind::Retention, "tidy").await.last.unwrap();
    assert_eq!((ran.deprecated.len(), ran.deleted), (0, vec![ids[1].clone()]));
    let at = UpkeepAt { kind: Kind::Retention, named: "tidy".to_owned() };
    let goal = Goal::Retention(Retention { shared: true, ..keep(2) });
    place.done(Request::Upkeep(UpkeepRequest::Change { at, goal })).await;
    let ran = place.run(Kind::Retention, "tidy").await.last.unwrap();
    assert_eq!(ran.deprecated, [ids[0].clone()]);
    let strangers = Actor { account: OTHER.to_owned(), key: String::new() };
    let seen: Images =
        ask(&place.service, &strangers, "look", Request::ImageList(ImageQuery::default())).await.unwrap();
    assert_eq!(seen.images, [], "its shares have ended with that");
    // Asked once more, nothing is to be done.
    place.run(Kind::Retention, "tidy").await;
    let ran = place.run(Kind::Retention, "tidy").await.last.unwrap();
    assert_eq!((ran.deprecated.len(), ran.deleted.len()), (0, 0));
    close(place.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_brings_what_is_missing_and_a_region_that_was_away_is_caught_up() {
    let place = Place::new().await;
    place.image("web-1").await;
    place.create("out", list(&[BEIJING], &[OTHER])).await.unwrap();
    let plan =
        |at_home: &str, away: &str, name: &str| vec![row(name, HOME, at_home), row(name, BEIJING, away)];
    assert_eq!(place.plan(Kind::Distribution, "out").await, plan("Share", "Copy", "web-1"));
    let view = place.run(Kind::Distribution, "out").await;
    let copied: usize = view.regions.iter().map(|region| region.report.copied.len()).sum();
    let shared: usize = view.regions.iter().map(|region| region.report.shared.len()).sum();
    assert_eq!((copied, shared), (1, 2));
    assert_eq!(place.plan(Kind::Distribution, "out").await, plan("There", "There", "web-1"));
    // Nothing is missing, so nothing is begun.
    assert!(place.run(Kind::Distribution, "out").await.last.unwrap().begun.is_empty());

    let store = place.dir.path().join("data/regions").join(BEIJING);
    let hidden = place.dir.path().join("unmounted");
    std::fs::rename(&store, &hidden).unwrap();
    place.image("web-2").await;
    assert_eq!(place.plan(Kind::Distribution, "out").await, plan("Share", "Waits", "web-2"));
    let last = place.run(Kind::Distribution, "out").await.last.unwrap();
    assert_eq!(last.away.len(), 1, "{last:?}");
    assert!(last.away[0].because.contains(BEIJING), "{last:?}");
    assert_eq!(last.begun.len(), 1, "it is shared at home all the same");
    std::fs::rename(&hidden, &store).unwrap();
    place.run(Kind::Distribution, "out").await;
    assert_eq!(place.plan(Kind::Distribution, "out").await, plan("There", "There", "web-2"));
    let region = Some(RegionId::from(BEIJING));
    let there: Images =
        place.ask(Request::ImageList(ImageQuery { region, ..ImageQuery::default() })).await.unwrap();
    let family: Vec<_> = there.images.iter().map(|image| image.image_family.as_str()).collect();
    assert_eq!(family, ["web", "web"], "copies stand in the family there");
    close(place.service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_and_an_upkeep_is_its_accounts_alone() {
    let place = Place::new().await;
    place.create("one", Goal::Retention(keep(3))).await.unwrap();
    let nothing = Retention::default();
    for (name, goal, code) in [
        ("one", Goal::Retention(keep(3)), "InvalidUpkeepName.Duplicated"),
        ("one", list(&[BEIJING], &[]), "InvalidUpkeepName.Duplicated"),
        ("up-1", Goal::Retention(keep(3)), "InvalidUpkeepName.Malformed"),
        ("a b", Goal::Retention(keep(3)), "InvalidUpkeepName.Malformed"),
        ("x", Goal::Retention(nothing), "InvalidParameter.Retention"),
        ("x", Goal::Retention(keep(0)), "InvalidParameter.Retention"),
        ("x", Goal::Retention(keep(101)), "InvalidParameter.Retention"),
        ("x", Goal::Retention(Retention { grace_ms: -1, ..keep(1) }), "InvalidParameter.Retention"),
        ("x", list(&[], &[]), "InvalidParameter.Distribution"),
        ("x", list(&[HOME], &[]), "InvalidParameter.Distribution"),
        ("x", list(&["cn-nowhere"], &[]), "InvalidRegionId.NotFound"),
        ("x", list(&[], &["100000"]), "InvalidParameter.Distribution"),
        ("x", list(&[], &["999"]), "InvalidAccount.NotFound"),
    ] {
        let told = format!("{name} {goal:?}");
        let no = place.create(name, goal).await.unwrap_err();
        assert_eq!(no.code, code, "{told}");
        assert!(!no.advice.is_empty(), "{told}");
    }
    let named = |kind| UpkeepAt { kind, named: "one".to_owned() };
    let no = place.ask::<UpkeepView>(Request::Upkeep(UpkeepRequest::Show(named(Kind::Distribution)))).await;
    let no = no.unwrap_err();
    assert_eq!(no.code, "InvalidUpkeep.NotFound");
    assert!(no.advice.contains("kiln retention show one"), "{no:?}");
    let strangers = Actor { account: OTHER.to_owned(), key: String::new() };
    for request in [
        UpkeepRequest::Show(named(Kind::Retention)),
        UpkeepRequest::Plan(named(Kind::Retention)),
        UpkeepRequest::Run(named(Kind::Retention)),
        UpkeepRequest::Delete(named(Kind::Retention)),
        UpkeepRequest::Change { at: named(Kind::Retention), goal: Goal::Retention(keep(1)) },
    ] {
        let told = format!("{request:?}");
        let no =
            ask::<Started>(&place.service, &strangers, &told, Request::Upkeep(request)).await.unwrap_err();
        assert_eq!(no.code, "InvalidUpkeep.NotFound", "{told}");
    }
    close(place.service).await;
}

#[test]
fn whoever_has_a_policy_run_is_judged_by_what_it_does() {
    let run = |kind| Request::Upkeep(UpkeepRequest::Run(UpkeepAt { kind, named: "one".to_owned() }));
    let of = |request: Request| request.actions().collect::<Vec<_>>();
    let retains = ["upkeep-run", "image-deprecate", "image-delete", "share-unshare", "share-unpublish"];
    assert_eq!(of(run(Kind::Retention)), retains);
    assert_eq!(of(run(Kind::Distribution)), ["upkeep-run", "share-copy", "share-share"]);
    let (name, family) = ("one".to_owned(), "web".to_owned());
    let create = UpkeepCreate { name, family, region: None, goal: Goal::Retention(keep(1)) };
    assert_eq!(of(Request::Upkeep(UpkeepRequest::Create(create)))[1..], retains[1..], "it will be run");
    // These are the names that the operations themselves have.
    let at = || ImageAt { image: "web-1".to_owned(), region: None };
    assert_eq!(Request::ImageDeprecate(at()).action_name(), "image-deprecate");
    let delete = Request::ImageDelete { at: at(), force: false, keep_snapshots: false };
    assert_eq!(delete.action_name(), "image-delete");
    let unshare = ShareRequest::Unshare { at: at(), from: None };
    assert_eq!(Request::Share(unshare).action_name(), "share-unshare");
    assert_eq!(Request::Share(ShareRequest::Unpublish(at())).action_name(), "share-unpublish");
    let copy = crate::Operation::new("image.copy", [("image", "web-1"), ("to-region", BEIJING)]);
    assert_eq!(copy.request().unwrap().action_name(), "share-copy");
    let share = ShareRequest::Share { at: at(), with: Vec::new(), term: Term::Ever };
    assert_eq!(Request::Share(share).action_name(), "share-share");
}
