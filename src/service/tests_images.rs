//! Whose images are shown to whom, and how: shared ones, those that are everybody's, and nothing of
//! how their owner keeps them; tasks of nobody else.

use std::sync::Arc;

use domain::{AccountId, ImageId, RegionId};
use event::Actor;
use workflows::{ChangeShares, CreateAccount, PublishImage};

use crate::service::DEFAULT_REGION;
use crate::tests::{ask, call, disk, finished, import, open, wiring};
use crate::{
    Call, ImageAt, ImageQuery, ImageView, Images, Options, Request, Service, Started, TaskQuery, TaskRequest,
    TaskView, Tasks, Trouble, dispatch, local_actor,
};

const FRIEND: &str = "200000";

fn friend() -> Actor {
    Actor { account: FRIEND.to_owned(), key: String::new() }
}

async fn names(service: &Arc<Service>, actor: &Actor, query: ImageQuery) -> Vec<String> {
    let found: Images = ask(service, actor, "", Request::ImageList(query)).await.unwrap();
    found.images.into_iter().map(|image| image.image_name).collect()
}

fn of(owner: &str) -> ImageQuery {
    ImageQuery { owner: Some(owner.to_owned()), ..ImageQuery::default() }
}

async fn share(service: &Arc<Service>, image: &str, add: &[&str], remove: &[&str]) {
    let accounts = |ids: &[&str]| ids.iter().map(|id| AccountId::from(*id)).collect();
    let change = ChangeShares {
        account: AccountId::from(local_actor().account.as_str()),
        region: RegionId::from(DEFAULT_REGION),
        image: ImageId::from(image),
        add: accounts(add),
        until_ms: None,
        remove: accounts(remove),
    };
    let request = format!("share {add:?} {remove:?}");
    let flow = service.engine.run(local_actor(), &request, change).await.unwrap();
    assert_eq!(flow.trouble(), None);
}

async fn imported(service: &Arc<Service>, place: &tempfile::TempDir, name: &str) -> String {
    let Request::ImageImport(mut asked) = import(&disk(place), name) else { unreachable!("it is an import") };
    asked.family = Some("web".to_owned());
    asked.tags = [("secret".to_owned(), "plan".to_owned())].into();
    let started: Started = ask(service, &local_actor(), name, Request::ImageImport(asked)).await.unwrap();
    let image = finished(service, &local_actor(), &started).await.output;
    assert_eq!(image, started.image_id, "who starts an import knows what it will make");
    image
}

#[tokio::test(flavor = "multi_thread")]
async fn others_see_what_is_shared_and_nothing_of_how_it_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let service = open(&place).await;
    let account = CreateAccount { account: AccountId::from(FRIEND), name: "friend".to_owned() };
    service.engine.run(local_actor(), "friend", account).await.unwrap();
    let shared = imported(&service, &place, "shared").await;
    let public = imported(&service, &place, "public").await;
    let hidden = imported(&service, &place, "hidden").await;
    let at = |image: &str| Request::ImageShow(ImageAt { image: image.to_owned(), region: None });
    for image in [&shared, &public, &hidden] {
        let no = ask::<ImageView>(&service, &friend(), "", at(image)).await.unwrap_err();
        assert_eq!(no.code, "InvalidImageId.NotFound");
    }
    share(&service, &shared, &[FRIEND], &[]).await;
    let publish = PublishImage {
        account: AccountId::from(local_actor().account.as_str()),
        region: RegionId::from(DEFAULT_REGION),
        image: ImageId::from(public.as_str()),
    };
    service.engine.run(local_actor(), "publish", publish).await.unwrap();

    assert_eq!(names(&service, &friend(), ImageQuery::default()).await, ["shared"]);
    assert_eq!(names(&service, &friend(), of("others")).await, ["shared"]);
    assert_eq!(names(&service, &friend(), of("self")).await, [] as [&str; 0]);
    let everybodys = ImageQuery { public: true, ..of("others") };
    assert_eq!(names(&service, &friend(), everybodys).await, ["public"]);
    let owners = ImageQuery { owner_id: Some(local_actor().account), ..of("others") };
    assert_eq!(names(&service, &friend(), owners).await, ["public", "shared"]);
    assert_eq!(names(&service, &local_actor(), of("others")).await, [] as [&str; 0]);
    assert_eq!(names(&service, &local_actor(), of("self")).await.len(), 3);

    let view: ImageView = ask(&service, &friend(), "", at(&shared)).await.unwrap();
    assert_eq!((view.image_owner_alias.as_str(), view.image_family.as_str()), ("others", "acs:100000:web"));
    assert!(view.tags.is_empty() && view.disks.is_empty() && view.shares.is_empty(), "{view:?}");
    assert_eq!((view.source_path.as_str(), view.task_id.as_str(), view.stored_bytes), ("", "", 0));
    // A filter finds out no more than the view shows.
    for query in [
        ImageQuery { tags: vec![("secret".to_owned(), None)], ..of("others") },
        ImageQuery { family: Some("web".to_owned()), ..of("others") },
        ImageQuery { ids: vec![hidden.clone()], ..of("others") },
        ImageQuery { region: Some(RegionId::from("cn-beijing")), ..of("others") },
    ] {
        assert_eq!(names(&service, &friend(), query.clone()).await, [] as [&str; 0], "{query:?}");
    }
    let family = ImageQuery { family: Some("acs:100000:web".to_owned()), ..of("others") };
    assert_eq!(names(&service, &friend(), family).await, ["shared"]);

    let mut own: Images = ask(&service, &local_actor(), "", Request::ImageList(of("self"))).await.unwrap();
    let snapshot = own.images.pop().unwrap().snapshot_id;
    let stands_on = ImageQuery { snapshot: Some(snapshot.clone()), ..ImageQuery::default() };
    assert_eq!(names(&service, &local_actor(), stands_on.clone()).await, ["shared"]);
    assert_eq!(names(&service, &friend(), stands_on).await, [] as [&str; 0]);

    share(&service, &shared, &[], &[FRIEND]).await;
    assert_eq!(names(&service, &friend(), ImageQuery::default()).await, [] as [&str; 0]);
    assert!(ask::<ImageView>(&service, &friend(), "", at(&shared)).await.is_err(), "gone at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_seen_by_their_account_alone() {
    let place = tempfile::tempdir().unwrap();
    let service = open(&place).await;
    let account = CreateAccount { account: AccountId::from(FRIEND), name: "friend".to_owned() };
    service.engine.run(local_actor(), "friend", account).await.unwrap();
    let started: Started =
        ask(&service, &local_actor(), "one", import(&disk(&place), "web-1")).await.unwrap();
    finished(&service, &local_actor(), &started).await;
    let list = || Request::Task(TaskRequest::List(TaskQuery::default()));
    let own: Tasks = ask(&service, &local_actor(), "", list()).await.unwrap();
    assert_eq!(own.tasks[0].task_id, crate::import_task(started.workflow_id));
    let none: Tasks = ask(&service, &friend(), "", list()).await.unwrap();
    assert_eq!((none.tasks, none.total_count), (Vec::new(), 0));
    for named in [own.tasks[0].task_id.clone(), started.workflow_id.to_string(), "a\0b".to_owned()] {
        for request in [
            TaskRequest::Show { task: named.clone() },
            TaskRequest::Cancel { task: named.clone(), reason: String::new() },
        ] {
            let answer: Result<TaskView, Trouble> =
                ask(&service, &friend(), "two", Request::Task(request)).await;
            assert_eq!(answer.unwrap_err().code, "InvalidTaskId.NotFound", "{named}");
        }
    }
}

/// Whoever cancels may be faster than the operation, which then has told of no task.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_cancelled_before_it_has_begun_is_told_to_be() {
    let place = tempfile::tempdir().unwrap();
    let (disk, dir, wiring) = (disk(&place), place.path().join("data"), wiring());
    let service = Service::open(Options { dir, wiring, drive: false }).await.unwrap();
    let undriven = |id: &str, request| Call { drive: false, ..call(&local_actor(), id, request) };
    let started = dispatch(&service, undriven("import", import(&disk, "web-1"))).await.unwrap();
    let started = Started::try_from(started).unwrap();
    let task = crate::import_task(started.workflow_id);
    let cancel = TaskRequest::Cancel { task: task.clone(), reason: String::new() };
    let asked =
        TaskView::try_from(dispatch(&service, undriven("cancel", Request::Task(cancel))).await.unwrap());
    assert_eq!(asked.unwrap().task_id, task, "it is heard");
    finished(&service, &local_actor(), &started).await;
    let show = |named: String| Request::Task(TaskRequest::Show { task: named });
    let shown: TaskView =
        ask(&service, &local_actor(), "", show(started.workflow_id.to_string())).await.unwrap();
    assert_eq!((shown.task_id, shown.task_status.as_str()), (task, "Deleted"));
}
