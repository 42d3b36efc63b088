//! What the reference says in words of single actions: defaults, precedence, limits, and what is left out without
//! a word. Shapes are `tests_contract.rs`'s, statuses of codes `codes.rs`'s.

use serde_json::Value as Json;
use service::{Request, ShareRequest};

use crate::tests_kit::{BUCKET, DATA, FRIEND, HERE, SYSTEM, THERE, World, code};

const REGION: (&str, &str) = ("RegionId", HERE);
const OBJECT: [(&str, &str); 3] =
    [REGION, ("DiskDeviceMapping.1.OSSBucket", BUCKET), ("DiskDeviceMapping.1.OSSObject", SYSTEM)];

/// The names of the images an answer has, in its order.
fn names(answer: &Json) -> Vec<&str> {
    let images = answer["Images"]["Image"].as_array().unwrap();
    images.iter().map(|image| image["ImageName"].as_str().unwrap()).collect()
}

async fn named(world: &World, query: &[(&str, &str)]) -> (Vec<String>, u64) {
    let answer = world.ask("DescribeImages", &[&[REGION], query].concat()).await.unwrap();
    let names = names(&answer).into_iter().map(str::to_owned).collect();
    (names, answer["TotalCount"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_was_given_no_name_is_called_by_its_id() {
    let world = World::new().await;
    let imported = world.ask("ImportImage", &OBJECT).await.unwrap();
    let image = world.available(HERE, imported["ImageId"].as_str().unwrap()).await;
    assert_eq!(image["ImageName"], imported["ImageId"]);
    let snapshot = image["DiskDeviceMappings"]["DiskDeviceMapping"][0]["SnapshotId"].as_str().unwrap();
    let created = world.ask("CreateImage", &[REGION, ("SnapshotId", snapshot)]).await.unwrap();
    let image = world.available(HERE, created["ImageId"].as_str().unwrap()).await;
    assert_eq!(image["ImageName"], created["ImageId"]);
    assert_eq!((&image["Architecture"], &image["OSType"]), (&"x86_64".into(), &"linux".into()));
    assert_eq!((&image["Platform"], &image["BootMode"]), (&"Others Linux".into(), &"BIOS".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_taken_in_the_order_of_their_numbers_and_no_further_than_they_go() {
    let world = World::new().await;
    // Numbers have gaps, and the eighteenth is one too many.
    let more = [
        ("DiskDeviceMapping.17.OSSBucket", BUCKET),
        ("DiskDeviceMapping.17.OSSObject", DATA),
        ("DiskDeviceMapping.18.OSSObject", "nowhere.raw"),
        ("DiskDeviceMapping.18.Format", "nothing"),
        ("ImageName", "two-disks"),
    ];
    let imported = world.ask("ImportImage", &[&OBJECT[..], &more].concat()).await.unwrap();
    let id = imported["ImageId"].as_str().unwrap();
    let image = world.available(HERE, id).await;
    let disks = image["DiskDeviceMappings"]["DiskDeviceMapping"].as_array().unwrap();
    let shape = |disk: &Json| (disk["Type"].clone(), disk["Device"].clone(), disk["ImportOSSObject"].clone());
    assert_eq!(disks.len(), 2);
    assert_eq!(shape(&disks[0]), ("system".into(), "/dev/xvda".into(), SYSTEM.into()));
    assert_eq!(shape(&disks[1]), ("data".into(), "/dev/xvdb".into(), DATA.into()));
    let lost =
        [REGION, ("DiskDeviceMapping.18.OSSBucket", BUCKET), ("DiskDeviceMapping.18.OSSObject", SYSTEM)];
    assert_eq!(code(world.ask("ImportImage", &lost).await), "MissingParameter.DiskDeviceMapping");

    let mut accounts = Vec::new();
    for number in 1..=11 {
        let account = format!("3000{number:02}");
        let create =
            ShareRequest::AccountCreate { name: account.clone(), account: Some(account.as_str().into()) };
        world.run(Request::Share(create)).await;
        accounts.push((format!("AddAccount.{number}"), account));
    }
    let accounts = accounts.iter().map(|(name, account)| (name.as_str(), account.as_str()));
    let with_all: Vec<(&str, &str)> = [REGION, ("ImageId", id)].into_iter().chain(accounts).collect();
    world.ask("ModifyImageSharePermission", &with_all).await.unwrap();
    let page = [REGION, ("ImageId", id), ("PageSize", "4"), ("PageNumber", "3")];
    let shares = world.ask("DescribeImageSharePermission", &page).await.unwrap();
    assert_eq!(
        (&shares["TotalCount"], shares["Accounts"]["Account"].as_array().unwrap().len()),
        (&10.into(), 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_found_by_what_they_are_newest_first_and_counted_over_all_pages() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for name in ["web-1", "web-2", "db-1"] {
        ids.push(world.import(name).await);
    }
    let old = [REGION, ("ImageId", &ids[0]), ("Status", "Deprecated"), ("ImageFamily", "web")];
    world.ask("ModifyImageAttribute", &old).await.unwrap();
    let check = async |query: &[(&str, &str)], expected: &[&str]| {
        let (found, total) = named(&world, query).await;
        assert_eq!(
            (found.as_slice(), total),
            (&expected.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()[..], expected.len() as u64),
            "{query:?}"
        );
    };
    check(&[], &["db-1", "web-2"]).await;
    check(&[("Status", "ALL")], &["db-1", "web-2", "web-1"]).await;
    check(&[("Status", "Available,Deprecated")], &["db-1", "web-2", "web-1"]).await;
    check(&[("Status", "Deprecated")], &["web-1"]).await;
    check(&[("Status", "Creating,Waiting,UnAvailable,CreateFailed")], &[]).await;
    check(&[("Status", "ALL"), ("Usable", "True")], &["db-1", "web-2", "web-1"]).await;
    check(&[("Status", "ALL"), ("Usable", "false")], &[]).await;
    check(&[("ImageName", "web")], &["web-2"]).await;
    check(&[("ImageName", "*-1"), ("Status", "ALL")], &["db-1", "web-1"]).await;
    check(&[("ImageFamily", "web"), ("Status", "ALL")], &["web-1"]).await;
    check(&[("ImageId", &format!("{},{},m-00000000000000000000", ids[1], ids[2]))], &["db-1", "web-2"]).await;
    check(&[("ImageId", &format!("['{}']", ids[1]))], &["web-2"]).await;
    check(&[("ImageId", "no id")], &[]).await;
    check(&[("ImageOwnerAlias", "self")], &["db-1", "web-2"]).await;
    check(&[("ImageOwnerAlias", "")], &["db-1", "web-2"]).await;
    for owner in ["system", "others", "marketplace"] {
        check(&[("ImageOwnerAlias", owner)], &[]).await;
    }
    check(&[("OSType", "Linux"), ("Architecture", "X86_64"), ("Usage", "none")], &["db-1", "web-2"]).await;
    check(&[("Usage", "instance")], &[]).await;
    check(&[("IsSupportIoOptimized", "false")], &[]).await;
    check(&[("IsSupportCloudinit", "TRUE")], &[]).await;
    check(&[("IsSupportCloudinit", "FALSE"), ("NoSuchParameter", "x")], &["db-1", "web-2"]).await;
    let filter = |key, value| [("Filter.1.Key", key), ("Filter.1.Value", value)];
    check(&filter("CreationStartTime", "2099-01-01T00:00Z"), &[]).await;
    check(&filter("CreationEndTime", "2020-01-01T00:00Z"), &[]).await;
    check(&filter("NetworkType", "vpc"), &["db-1", "web-2"]).await;
    check(&filter("CpuOnlineUpgrade", "unsupported"), &["db-1", "web-2"]).await;
    check(&filter("MemoryOnlineDowngrade", "supported"), &[]).await;

    let page = |number, size| [("PageNumber", number), ("PageSize", size), ("Status", "ALL")];
    assert_eq!(named(&world, &page("2", "2")).await, (vec!["web-1".to_owned()], 3));
    assert_eq!(named(&world, &page("9", "100")).await, (Vec::new(), 3));
    for (query, expected, status) in [
        (&page("0", "10")[..2], "InvalidParameter.PageNumber", 400),
        (&page("1", "101")[..2], "InvalidParameter.PageSize", 400),
        (&page("1", "x")[..2], "InvalidParameter", 400),
        (&[("Usable", "true")], "MissingParameter", 400),
        (&[("Status", "Gone")], "InvalidParamter", 400),
        (&[("Status", "ALL,Available")], "InvalidParamter", 400),
        (&[("ImageOwnerAlias", "mine")], "InvalidImageOwnerAlias.ValueNotSupported", 400),
        (&[("IsPublic", "true")], "InvalidImageOwnerAlias.PublicImageUnsupported", 400),
        (&[("ImageOwnerId", "200000")], "InvalidOperation.ImageOwnerIdUnsupported", 400),
        (&[("Usage", "some")], "InvalidUsage", 404),
        (&[("OSType", "plan9")], "InvalidOSType", 404),
        (&[("Architecture", "sparc")], "InvalidArchitecture", 404),
        (&[("Tag.1.Value", "x")], "InvalidTag.Mismatch", 400),
        (&filter("Size", "1"), "InvalidFilterKey.NotFound", 404),
        (&filter("CreationStartTime", "yesterday"), "InvalidFilterValue", 404),
        (&filter("NetworkType", "token-ring"), "InvalidFilterValue.NetworkType", 400),
    ] {
        let told = world.ask("DescribeImages", &[&[REGION], query].concat()).await.unwrap_err();
        assert_eq!((told.code.as_str(), told.status), (expected, status), "{query:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_not_there_has_the_status_of_its_action_and_none_is_missing() {
    let world = World::new().await;
    for (action, expected, status) in [
        ("DescribeImages", "InvalidRegionId.NotFound", 404),
        ("CancelCopyImage", "InvalidRegionId.NotFound", 404),
        ("ImportImage", "InvalidRegionId.NotFound", 400),
        ("ExportImage", "InvalidRegionId.NotFound", 400),
        ("DescribeTasks", "InvalidRegionId.NotFound", 400),
        ("CopyImage", "SourceRegion.NotFound", 400),
    ] {
        let image = ("ImageId", "m-00000000000000000000");
        let told = world.ask(action, &[("RegionId", "cn-nowhere"), image]).await.unwrap_err();
        assert_eq!((told.code.as_str(), told.status), (expected, status), "{action}");
        for params in [&[image][..], &[("RegionId", ""), image]] {
            let told = world.ask(action, params).await.unwrap_err();
            assert_eq!((told.code.as_str(), told.status), ("MissingParameter", 400), "{action}");
        }
    }
    for action in ["TagResources", "UntagResources", "ListTagResources", "AddTags", "DescribeTags"] {
        let told = world.ask(action, &[("ResourceType", "image")]).await.unwrap_err();
        assert_eq!((told.code.as_str(), told.status), ("MissingParameter.RegionId", 404), "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_read_in_both_spellings_and_refused_in_the_words_of_their_action() {
    let world = World::new().await;
    let older = [("ImageName", "web"), ("Tag.3.key", "env"), ("Tag.3.value", "")];
    let image =
        world.ask("ImportImage", &[&OBJECT[..], &older].concat()).await.unwrap()["ImageId"].to_string();
    let image = image.trim_matches('"');
    let shown = world.available(HERE, image).await;
    assert_eq!(shown["Tags"]["Tag"][0], serde_json::json!({ "TagKey": "env", "TagValue": "" }));
    let twice = [("Tag.1.Key", "a"), ("Tag.2.Key", "a")];
    let told = world.ask("ImportImage", &[&OBJECT[..], &twice].concat()).await.unwrap_err();
    assert_eq!((told.code.as_str(), told.status), ("TagKey.Duplication", 403));
    let of_image = [REGION, ("ResourceType", "image"), ("ResourceId.1", image)];
    let told = world.ask("TagResources", &[&of_image[..], &twice].concat()).await.unwrap_err();
    assert_eq!((told.code.as_str(), told.status), ("Duplicate.TagKey", 400));
    for (action, params, expected, status) in [
        ("TagResources", &of_image[..], "MissingParameter.Tags", 404),
        ("UntagResources", &of_image[..], "MissingParameter.Tags", 404),
        ("ListTagResources", &of_image[..2], "MissingParameter.Tags", 404),
        ("TagResources", &[REGION, ("ResourceId.1", image)], "MissingParameter.ResourceType", 404),
        ("TagResources", &[REGION, ("ResourceType", "cat")], "InvalidResourceType.NotFound", 404),
        ("TagResources", &of_image[..2], "MissingParameter", 400),
        (
            "ListTagResources",
            &[REGION, ("ResourceType", "image"), ("ResourceId.1", "web")],
            "InvalidResourceId.NotFound",
            404,
        ),
        (
            "ListTagResources",
            &[REGION, ("ResourceType", "image"), ("Tag.1.Value", "x")],
            "InvalidParameter.TagValue",
            400,
        ),
    ] {
        let told = world.ask(action, params).await.unwrap_err();
        assert_eq!((told.code.as_str(), told.status), (expected, status), "{action} {params:?}");
    }
    let kinds = [REGION, ("ResourceType", "DISK"), ("ResourceId.1", image), ("Tag.1.Key", "a")];
    assert_eq!(code(world.ask("TagResources", &kinds).await), "InvalidResourceId.NotFound", "it is an image");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_sources_the_first_counts_and_the_others_are_not_looked_at() {
    let world = World::new().await;
    world.import("web").await;
    let shown = world.ask("DescribeSnapshots", &[REGION]).await.unwrap();
    let snapshot = shown["Snapshots"]["Snapshot"][0]["SnapshotId"].as_str().unwrap();
    let disks = [
        ("SnapshotId", "s-00000000000000000000"),
        ("DiskDeviceMapping.1.SnapshotId", snapshot),
        ("DiskDeviceMapping.2.Size", "30"),
    ];
    let made = world.ask("CreateImage", &[&[REGION], &disks[..]].concat()).await.unwrap();
    let image = world.available(HERE, made["ImageId"].as_str().unwrap()).await;
    let mapping = &image["DiskDeviceMappings"]["DiskDeviceMapping"];
    assert_eq!((&mapping[1]["Type"], &mapping[1]["Size"]), (&"data".into(), &"30".into()));
    assert_eq!((&image["Size"], &mapping[0]["Size"]), (&1.into(), &"1".into()));
    let wrong = [REGION, ("InstanceId", "i-1"), ("DiskDeviceMapping.1.DiskType", "floppy")];
    assert_eq!(code(world.ask("CreateImage", &wrong).await), "InvalidInstanceId.NotFound");
    let told = world.ask("CreateImage", &[REGION, ("ImageName", "none")]).await.unwrap_err();
    assert_eq!((told.code.as_str(), told.status), ("MissingParameter", 400));
    let long = [("DiskId", "d-00000000000000000000"), ("SnapshotName", "ok"), ("Description", "x")];
    assert_eq!(code(world.ask("CreateSnapshot", &long).await), "InvalidDiskId.NotFound");
    let disk = world.ask("CreateDisk", &[REGION, ("Size", "20")]).await.unwrap();
    let disk = disk["DiskId"].as_str().unwrap();
    world
        .until("DescribeDisks", &[REGION, ("Status", "Available")], |answer| answer["TotalCount"] == 1)
        .await;
    let told = world.ask("CreateSnapshot", &[("DiskId", disk), ("Description", "x")]).await.unwrap_err();
    assert_eq!((told.code.as_str(), told.status), ("InvalidDescription.Malformed", 404), "as the API has it");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_an_image_is_shared_with_uses_it_and_changes_nothing_of_it() {
    let world = World::new().await;
    let image = world.import("web").await;
    let at = [REGION, ("ImageId", image.as_str())];
    let theirs = async |action: &str, more: &[(&str, &str)]| {
        world.ask_as(FRIEND, action, &[&at[..], more].concat()).await
    };
    for action in ["DeleteImage", "CopyImage", "ModifyImageAttribute", "DescribeImageSharePermission"] {
        assert_eq!(
            code(theirs(action, &[]).await),
            "InvalidImageId.NotFound",
            "{action}: it is not to be seen"
        );
    }
    world.ask("ModifyImageSharePermission", &[&at[..], &[("AddAccount.1", FRIEND)]].concat()).await.unwrap();
    for (action, more) in [
        ("DeleteImage", &[][..]),
        ("ModifyImageAttribute", &[("ImageName", "mine")]),
        ("ModifyImageSharePermission", &[("AddAccount.1", "300000")]),
        ("DescribeImageSharePermission", &[]),
    ] {
        assert_eq!(code(theirs(action, more).await), "InvalidImageId.NotFound", "{action}: it is not theirs");
    }
    let told = theirs("CopyImage", &[("DestinationRegionId", THERE)]).await.unwrap_err();
    assert_eq!((told.code.as_str(), told.status), ("OperationDenied.SameRegionOnly", 403));
    let copy = theirs("CopyImage", &[("DestinationRegionId", HERE), ("DestinationImageName", "mine")])
        .await
        .unwrap();
    let query = [REGION, ("ImageOwnerAlias", "self"), ("Status", "ALL")];
    let own = world.ask_as(FRIEND, "DescribeImages", &query).await.unwrap();
    assert_eq!(own["Images"]["Image"][0]["ImageId"], copy["ImageId"]);
    let old = [&at[..], &[("Status", "Deprecated")]].concat();
    assert_eq!(code(world.ask("ModifyImageAttribute", &old).await), "ImageUseShared");
    let both = [&at[..], &[("IsPublic", "True"), ("AddAccount.1", FRIEND)]].concat();
    assert_eq!(code(world.ask("ModifyImageSharePermission", &both).await), "InvalidParameter.IsPublic");
    let nothing = [&at[..], &[("IsPublic", "False")]].concat();
    world.ask("ModifyImageSharePermission", &nothing).await.unwrap();
}
