//! What a question or a request may say at the service's door: each word that is none, each list that is too
//! long, and each token used twice, with its code.

use std::sync::Arc;

use domain::RegionId;
use domain::events::Attributes;
use domain::image::DiskKind;
use domain::port::Format;
use tempfile::TempDir;

use crate::tests::{ask, call, disk, finished, import, open};
use crate::{
    BucketRequest, Called, CreateDisk, DiskQuery, DiskRequest, ExportTo, Family, ImageAt, ImageCopy,
    ImageCreate, ImageExport, ImageImport, ImageQuery, ImageRequest, ImageView, Images, Manner, Page,
    Request, Service, ShareRequest, SnapshotQuery, SnapshotRequest, Snapshots, Started, TagRequest,
    TaskQuery, TaskRequest, Tasks, ThingAt, Trouble, dispatch, local_actor,
};

/// The code by which a request is refused; nothing if it is not.
async fn code(service: &Arc<Service>, request: Request) -> String {
    let asked = format!("{request:?}");
    dispatch(service, call(&local_actor(), &asked, request))
        .await
        .err()
        .map_or_else(String::new, |no| no.code)
}

fn tags(count: usize) -> Vec<(String, Option<String>)> {
    (0..count).map(|number| (format!("k{number}"), None)).collect()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "what a question may leave out is wrapped, and this is what it says"
)]
fn some(word: &str) -> Option<String> {
    Some(word.to_owned())
}

/// A house with the image `web-1`, and the id of that.
async fn house() -> (TempDir, Arc<Service>, String) {
    let place = tempfile::tempdir().unwrap();
    let service = open(&place).await;
    let started: Started =
        ask(&service, &local_actor(), "web-1", import(&disk(&place), "web-1")).await.unwrap();
    let image = finished(&service, &local_actor(), &started).await.output;
    (place, service, image)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_images_is_asked_for_in_words_of_the_api() {
    let (_place, service, image) = house().await;
    let all = ImageQuery::default;
    let ids = |count: usize| (0..count).map(|number| format!("m-{number}")).collect();
    for (query, refused) in [
        (ImageQuery { ids: ids(100), ..all() }, ""),
        (ImageQuery { ids: ids(101), ..all() }, "InvalidParamter"),
        (ImageQuery { tags: tags(20), ..all() }, ""),
        (ImageQuery { tags: tags(21), ..all() }, "InvalidTagCount"),
        (ImageQuery { tags: vec![(String::new(), some("v"))], ..all() }, "InvalidTag.Mismatch"),
        (ImageQuery { usage: some("none"), ..all() }, ""),
        (ImageQuery { usage: some("all"), ..all() }, "InvalidUsage"),
        (ImageQuery { architecture: some("sparc"), ..all() }, "InvalidArchitecture"),
        (ImageQuery { os_type: some("plan9"), ..all() }, "InvalidOSType"),
        (ImageQuery { owner: some("nobody"), ..all() }, "InvalidImageOwnerAlias.ValueNotSupported"),
        (
            ImageQuery { owner: some("self"), public: true, ..all() },
            "InvalidImageOwnerAlias.PublicImageUnsupported",
        ),
        (ImageQuery { owner: some("others"), public: true, ..all() }, ""),
        (ImageQuery { owner_id: some("1"), ..all() }, "InvalidOperation.ImageOwnerIdUnsupported"),
        (ImageQuery { owner: some("others"), owner_id: some("1"), ..all() }, ""),
        (ImageQuery { status: some("Available,ALL"), ..all() }, "InvalidParamter"),
        (ImageQuery { status: some("ALL"), ..all() }, ""),
        (ImageQuery { region: Some(RegionId::from("cn-nowhere")), ..all() }, "InvalidRegionId.NotFound"),
        (ImageQuery { page: Some(Page { number: 0, size: 10 }), ..all() }, "InvalidParameter.PageNumber"),
        (ImageQuery { page: Some(Page { number: 1, size: 101 }), ..all() }, "InvalidParameter.PageSize"),
    ] {
        assert_eq!(code(&service, Request::ImageList(query.clone())).await, refused, "{query:?}");
    }
    let found = async |query: ImageQuery| {
        let images: Images = ask(&service, &local_actor(), "", Request::ImageList(query)).await.unwrap();
        images.images.into_iter().map(|image| image.image_id).collect::<Vec<_>>()
    };
    for owner in ["system", "marketplace", "others"] {
        assert_eq!(found(ImageQuery { owner: some(owner), ..all() }).await, [""; 0], "{owner}");
    }
    assert_eq!(found(ImageQuery { usage: some("instance"), ..all() }).await, [""; 0]);
    assert_eq!(found(ImageQuery { status: some("CreateFailed,UnAvailable"), ..all() }).await, [""; 0]);
    assert_eq!(found(ImageQuery { ids: vec![image.clone(), "m-gone".to_owned()], ..all() }).await, [image]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_found_as_it_is_now_whatever_lists_were_asked_for_before() {
    let (_place, service, image) = house().await;
    let show = |name: &str| Request::ImageShow(ImageAt { image: name.to_owned(), region: None });
    let rename = |from: &str, to: &str| Request::ImageModify {
        at: ImageAt { image: from.to_owned(), region: None },
        to: Attributes { name: some(to), ..Attributes::default() },
    };
    for (is_listed, from, to) in
        [(false, "web-1", "web-2"), (true, "web-2", "web-1"), (true, "web-1", "web-3")]
    {
        if is_listed {
            let _: Images = ask(&service, &local_actor(), "list", Request::ImageList(ImageQuery::default()))
                .await
                .unwrap();
        }
        let found: ImageView = ask(&service, &local_actor(), "shown", show(from)).await.unwrap();
        assert_eq!(found.image_id, image, "{from}");
        assert_eq!(code(&service, show(to)).await, "InvalidImageId.NotFound", "{to} before");
        let started: Started =
            ask(&service, &local_actor(), &format!("to {to}"), rename(from, to)).await.unwrap();
        finished(&service, &local_actor(), &started).await;
        assert_eq!(code(&service, show(from)).await, "InvalidImageId.NotFound", "{from} after");
        let found: ImageView = ask(&service, &local_actor(), "shown", show(to)).await.unwrap();
        assert_eq!(found.image_id, image, "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_snapshots_tags_and_tasks_are_asked_for_in_words_of_the_api() {
    let (_place, service, image) = house().await;
    let list = |query| Request::Snapshot(SnapshotRequest::List(query));
    let all = SnapshotQuery::default;
    let ids = |count: usize| Some((0..count).map(|number| format!("s-{number}")).collect::<Vec<_>>());
    for (query, refused) in [
        (SnapshotQuery { ids: ids(100), ..all() }, ""),
        (SnapshotQuery { ids: ids(101), ..all() }, "InvalidSnapshotIds.Malformed"),
        (SnapshotQuery { ids: ids(0), ..all() }, "InvalidSnapshotIds.Malformed"),
        (SnapshotQuery { status: some("ALL"), ..all() }, ""),
        (SnapshotQuery { status: some("failed"), ..all() }, ""),
        (SnapshotQuery { status: some("gone"), ..all() }, "InvalidStatus.NotFound"),
        (SnapshotQuery { usage: some("image_disk"), ..all() }, ""),
        (SnapshotQuery { usage: some("all"), ..all() }, "InvalidUsage"),
        (SnapshotQuery { source_disk_type: some("System"), ..all() }, ""),
        (SnapshotQuery { source_disk_type: some("boot"), ..all() }, "InvalidSourceDiskType"),
        (SnapshotQuery { snapshot_type: some("auto"), ..all() }, ""),
        (SnapshotQuery { snapshot_type: some("mine"), ..all() }, "InvalidSnapshotType.NotFound"),
        (SnapshotQuery { tags: tags(21), ..all() }, "InvalidTagCount"),
    ] {
        assert_eq!(code(&service, list(query.clone())).await, refused, "{query:?}");
    }
    let disks = DiskQuery::default;
    let ids = |count: usize| Some((0..count).map(|number| format!("d-{number}")).collect::<Vec<_>>());
    for (query, refused) in [
        (DiskQuery { ids: ids(100), ..disks() }, ""),
        (DiskQuery { ids: ids(101), ..disks() }, "InvalidDiskIds.Malformed"),
        (DiskQuery { status: some("All"), ..disks() }, ""),
        (DiskQuery { status: some("Gone"), ..disks() }, "InvalidStatus.NotFound"),
        (DiskQuery { disk_type: some("all"), ..disks() }, ""),
        (DiskQuery { disk_type: some("boot"), ..disks() }, "InvalidDiskType.ValueNotSupported"),
        (DiskQuery { tags: tags(21), ..disks() }, "InvalidTagCount"),
    ] {
        let list = Request::Disk(DiskRequest::List(query.clone()));
        assert_eq!(code(&service, list).await, refused, "{query:?}");
    }
    let listed = |resources: usize, count: usize| {
        let resources = vec![image.clone(); resources];
        Request::Tag(TagRequest::List { resources, region: None, tags: tags(count) })
    };
    for (resources, count, refused) in
        [(50, 20, ""), (51, 1, "NumberExceed.ResourceIds"), (1, 21, "NumberExceed.Tags")]
    {
        assert_eq!(code(&service, listed(resources, count)).await, refused);
    }
    let task = TaskQuery::default;
    let ids = |count: usize| (0..count).map(|number| format!("t-{number}")).collect();
    for (query, refused) in [
        (TaskQuery { ids: ids(100), ..task() }, ""),
        (TaskQuery { ids: ids(101), ..task() }, "InvalidParameter"),
        (TaskQuery { images: ids(101), ..task() }, "InvalidParameter"),
        (TaskQuery { action: some("ModifyDiskSpec"), ..task() }, ""),
        (TaskQuery { action: some("Dance"), ..task() }, "InvalidParameter.TaskAction"),
        (TaskQuery { status: some("Paused,Deleted"), ..task() }, ""),
        (TaskQuery { status: some("Gone"), ..task() }, "InvalidParameter.TaskStatus"),
        (TaskQuery { region: Some(RegionId::from("cn-nowhere")), ..task() }, "InvalidRegionId.NotFound"),
    ] {
        assert_eq!(
            code(&service, Request::Task(TaskRequest::List(query.clone()))).await,
            refused,
            "{query:?}"
        );
    }
    let unknown = TaskQuery { ids: vec!["t-gone".to_owned()], ..task() };
    let none: Tasks =
        ask(&service, &local_actor(), "", Request::Task(TaskRequest::List(unknown))).await.unwrap();
    assert_eq!((none.tasks.len(), none.total_count), (0, 0), "what is unknown is not there, and no error");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_or_export_that_will_not_do_is_refused_before_anything_begins() {
    let (place, service, image) = house().await;
    for (name, region) in [("near", None), ("far", Some(RegionId::from("cn-beijing")))] {
        let create = BucketRequest::Create { bucket: format!("{name}-bucket"), region };
        let started: Started = ask(&service, &local_actor(), name, Request::Bucket(create)).await.unwrap();
        finished(&service, &local_actor(), &started).await;
    }
    let export = |bucket: &str, prefix: Option<&str>| {
        let (bucket, prefix) = (bucket.to_owned(), prefix.map(str::to_owned));
        Request::ImageExport(ImageExport {
            at: ImageAt { image: image.clone(), region: None },
            to: ExportTo::Bucket { bucket, prefix },
            format: Format::Raw,
            compression: domain::port::Compression::None,
            replace: false,
        })
    };
    for (bucket, prefix, refused) in [
        ("near-bucket", Some("a-b"), "InvalidOSSPrefix.Malformed"),
        ("near-bucket", Some(""), "InvalidOSSPrefix.Malformed"),
        ("far-bucket", None, "InvalidOSSBucket.NotMatched"),
        ("no-bucket", None, "InvalidOSSBucket.NotFound"),
    ] {
        assert_eq!(code(&service, export(bucket, prefix)).await, refused, "{bucket} {prefix:?}");
    }
    let Request::ImageImport(fine) = import(&disk(&place), "web-2") else { unreachable!() };
    let machine = |boot_mode| domain::machine::MachineAsked { boot_mode, ..fine.machine.clone() };
    let either = Some(domain::machine::BootMode::UefiPreferred);
    let alike = ["env", "ENV"].map(|key| (key.to_owned(), String::new())).into();
    let from = |bucket: &str| {
        let mut disks = fine.disks.clone();
        disks[0].at.bucket = Some(bucket.to_owned());
        disks[0].at.path = "disk.raw".to_owned();
        ImageImport { disks, ..fine.clone() }
    };
    for (ask, refused) in [
        (ImageImport { disks: Vec::new(), ..fine.clone() }, "MissingParameter.DiskDeviceMapping"),
        (ImageImport { machine: machine(either), ..fine.clone() }, "InvalidBootMode.NotSupport"),
        (ImageImport { tags: alike, ..fine.clone() }, "TagKey.Duplication"),
        (from("near-bucket"), "InvalidOSSObject.NotFound"),
        (from("far-bucket"), "InvalidOSSBucket.NotMatched"),
        (from("no-bucket"), "InvalidOSSBucket.NotFound"),
    ] {
        assert_eq!(code(&service, Request::ImageImport(ask.clone())).await, refused, "{ask:?}");
    }
    let images: Images =
        ask(&service, &local_actor(), "", Request::ImageList(ImageQuery::default())).await.unwrap();
    assert_eq!(images.total_count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_stands_for_one_request_and_each_action_says_so_in_its_own_code() {
    let (place, service, image) = house().await;
    let told = async |token: &str, request: Request| {
        let mut call = call(&local_actor(), "", request);
        call.manner = Manner { dry_run: false, token: some(token), ..Manner::default() };
        dispatch(&service, call).await.err().map_or_else(String::new, |no| no.code)
    };
    let create = |name: &str| {
        let snapshot = some("s-none");
        Request::Image(ImageRequest::Create(ImageCreate {
            snapshot,
            name: name.to_owned(),
            ..ImageCreate::default()
        }))
    };
    assert_eq!(told("a\tb", create("one")).await, "InvalidClientToken.Malformed");
    assert_eq!(told(&"t".repeat(65), create("one")).await, "InvalidClientToken.Malformed");
    assert_eq!(told("", create("one")).await, "InvalidClientToken.Malformed");
    assert_eq!(told("one", create("one")).await, "InvalidSnapshotId.NotFound");
    assert_eq!(told("one", create("two")).await, "InvalidSnapshotId.NotFound", "nothing was begun under it");
    let import = |name: &str| import(&disk(&place), name);
    assert_eq!(told("one", import("web-2")).await, "");
    assert_eq!(told("one", import("web-2")).await, "");
    assert_eq!(told("one", import("web-3")).await, "IdempotentParameterMismatch");
    let shown: crate::ImageView =
        ask(&service, &local_actor(), "", Request::ImageShow(ImageAt { image: image.clone(), region: None }))
            .await
            .unwrap();
    let of = |name: &str| {
        let snapshot = Some(shown.snapshot_id.clone());
        Request::Image(ImageRequest::Create(ImageCreate {
            snapshot,
            name: name.to_owned(),
            ..ImageCreate::default()
        }))
    };
    assert_eq!(told("two", of("made-1")).await, "");
    assert_eq!(told("two", of("made-1")).await, "");
    assert_eq!(told("two", of("made-2")).await, "IdempotenceParamNotMatch");
    let copy = Request::Share(ShareRequest::Copy(ImageCopy {
        at: ImageAt { image, region: None },
        to: vec![RegionId::from("cn-beijing")],
        name: some("x"),
        description: String::new(),
        tags: std::collections::BTreeMap::default(),
        bytes_per_second: None,
    }));
    assert_eq!(told("three", copy).await, "InvalidImageName.Malformed", "named as any other image");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_still_being_answered_is_not_answered_twice() {
    let place = tempfile::tempdir().unwrap();
    let service = open(&place).await;
    let mut call = call(&local_actor(), "", import(&disk(&place), "web-1"));
    call.manner = Manner { dry_run: false, token: some("one"), ..Manner::default() };
    let (_, answering) = service.asked(&call).unwrap();
    assert_eq!(service.asked(&call).err().map(|no| no.code).as_deref(), Some("IdempotentProcessing"));
    drop(answering);
    assert!(service.asked(&call).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_for_an_image_decides_what_it_is_made_of() {
    let (_place, service, image) = house().await;
    let at = ImageAt { image, region: None };
    let shown: crate::ImageView = ask(&service, &local_actor(), "", Request::ImageShow(at)).await.unwrap();
    let create = |ask: ImageCreate| {
        Request::Image(ImageRequest::Create(ImageCreate { name: "x-1".to_owned(), ..ask }))
    };
    let on = |snapshot: &str| CreateDisk { snapshot: some(snapshot), ..CreateDisk::default() };
    let (known, unknown) = (shown.snapshot_id.as_str(), "s-none");
    let empty = CreateDisk { kind: Some(DiskKind::System), ..CreateDisk::default() };
    let none = ImageCreate::default;
    for (ask, refused) in [
        (none(), "MissingParameter"),
        (
            ImageCreate { instance: some("i-1"), disks: vec![on(known)], snapshot: some(known), ..none() },
            "InvalidInstanceId.NotFound",
        ),
        (
            ImageCreate { disks: vec![on(unknown)], snapshot: some(known), ..none() },
            "InvalidSnapshotId.NotFound",
        ),
        (ImageCreate { disks: vec![empty], ..none() }, "InvalidSystemSnapshot.Missing"),
        (ImageCreate { disks: vec![on(known)], snapshot: some(unknown), ..none() }, ""),
    ] {
        assert_eq!(code(&service, create(ask.clone())).await, refused, "{ask:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_being_made_is_stopped_by_deleting_it() {
    let (_place, service, image) = house().await;
    let at = ImageAt { image, region: None };
    let shown: crate::ImageView = ask(&service, &local_actor(), "", Request::ImageShow(at)).await.unwrap();
    let far = RegionId::from("cn-beijing");
    let copy = Request::Snapshot(SnapshotRequest::Copy {
        at: ThingAt { thing: shown.snapshot_id, region: None },
        to: far.clone(),
        called: Called::default(),
        retention_days: None,
        // So slow that it is not done before it is stopped.
        bytes_per_second: Some(1),
    });
    let started: Started = ask(&service, &local_actor(), "copy", copy).await.unwrap();
    let copies = async || {
        let query = SnapshotQuery { region: Some(far.clone()), ..SnapshotQuery::default() };
        let found: Snapshots =
            ask(&service, &local_actor(), "", Request::Snapshot(SnapshotRequest::List(query))).await.unwrap();
        found.snapshots
    };
    let mut events = 0;
    let made = loop {
        if let Some(made) = copies().await.pop() {
            break made;
        }
        let wait = Request::WorkflowWait { workflow: started.workflow_id, events };
        let view: crate::WorkflowView = ask(&service, &local_actor(), "", wait).await.unwrap();
        assert!(!view.rests(), "{view:?}");
        events += 1;
    };
    assert_eq!(made.status, "progressing");
    let at = ThingAt { thing: made.snapshot_id, region: None };
    let delete = Request::Snapshot(SnapshotRequest::Delete { at, force: false });
    let stopped: Started = ask(&service, &local_actor(), "delete", delete).await.unwrap();
    assert_eq!(stopped.workflow_id, started.workflow_id, "its making ends, and nothing else begins");
    assert_eq!(finished(&service, &local_actor(), &started).await.state, "Undone");
    assert_eq!(copies().await, []);
}

#[test]
fn what_is_ours_to_blame_is_answered_as_that_and_as_nothing_else() {
    let ours = Trouble::from(event::Failure::Ours("two heads".to_owned()));
    assert_eq!((ours.family, ours.code.as_str()), (Family::Ours, "InternalError"));
    let callers = Trouble::from(event::Failure::caller("InvalidUsage", "none"));
    assert_eq!((callers.family, callers.code.as_str()), (Family::Refused, "InvalidUsage"));
    let worlds = Trouble::from(event::Failure::World("no disk".to_owned()));
    assert_eq!(worlds.family, Family::World);
}
