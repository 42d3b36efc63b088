//! Images made, found and taken out in every way there is: data disks, snapshots, filters, tasks.

use serde_json::Value;

use crate::kit::{MIB, Place, assert_same};

fn names(found: &Value) -> Vec<&str> {
    let images = found["Images"].as_array().unwrap();
    images.iter().map(|image| image["ImageName"].as_str().unwrap()).collect()
}

fn listed(place: &Place, words: &[&str]) -> Vec<String> {
    let found = place.json(&[&["image", "list"], words].concat());
    names(&found).into_iter().map(str::to_owned).collect()
}

/// The command is refused with this code, and the log has nothing of it.
fn refused(place: &Place, words: &[&str], code: &str) {
    let before = place.done(&["audit", "head", "--unsigned"]);
    let run = place.run(words);
    assert_eq!((run.code, run.out.as_str()), (3, ""), "{words:?}: {}", run.err);
    assert!(run.err.contains(&format!("\n  code: {code}\n")), "{words:?}: {}", run.err);
    assert!(run.err.contains("\n  try: "), "{words:?} says not what to try: {}", run.err);
    assert_eq!(place.done(&["audit", "head", "--unsigned"]), before, "{words:?} left something in the log");
}

#[test]
fn an_image_of_several_disks_comes_out_as_it_went_in() {
    let place = Place::new();
    place.disk("system.raw", 8 * MIB, 3 * MIB, 1);
    place.disk("data.raw", 4 * MIB, 2 * MIB, 2);
    place.disk("more.raw", 2 * MIB, MIB, 3);
    let words = "image import system.raw --name db-1 --data-disk data.raw --data-disk more.raw --size 1G \
                 --data-device /dev/xvdd --data-size 20M --data-format raw --architecture arm64 --imds v2 --nvme \
                 supported --platform debian --secure-boot supported";
    let image = place.json(&words.split_whitespace().collect::<Vec<_>>());
    let disks = image["Disks"].as_array().unwrap();
    let devices: Vec<_> = disks.iter().map(|disk| disk["Device"].as_str().unwrap()).collect();
    assert_eq!(devices, ["/dev/xvda", "/dev/xvdd", "/dev/xvdb"]);
    assert_eq!((&disks[0]["SizeBytes"], &disks[1]["SizeBytes"]), (&(1u64 << 30).into(), &(20 * MIB).into()));
    assert_eq!((&image["BootMode"], &image["Platform"]), (&"UEFI".into(), &"Debian".into()));
    assert_eq!((&image["ImdsSupport"], &image["NvmeSupport"]), (&"v2".into(), &"supported".into()));
    assert_eq!(image["SecureBootSupport"], "supported");
    let shown = place.done(&["image", "show", "db-1"]);
    for said in ["Disks", "/dev/xvdd", "arm64, Debian, UEFI, metadata v2, NVMe, secure boot"] {
        assert!(shown.contains(said), "{shown}");
    }
    let exported = place.json(&["image", "export", "db-1", "--to", "out.raw", "--format", "raw"]);
    let paths: Vec<_> =
        exported["Paths"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(paths.len(), 3);
    for (source, out) in
        [("system.raw", "out.raw"), ("data.raw", "out-xvdd.raw"), ("more.raw", "out-xvdb.raw")]
    {
        assert!(paths.contains(&&*place.path(out).to_string_lossy()), "{paths:?}");
        assert_same(&place.path(source), &place.path(out));
    }
    for (words, code) in [
        ("--data-disk data.raw --data-device /dev/xvda", "InvalidDevice.Malformed"),
        ("--data-disk data.raw --data-size 1M", "InvalidDataDiskSize"),
        ("--size 1M", "InvalidImageSize"),
        ("--architecture sparc", "InvalidArchitecture.Malformed"),
        ("--platform Debian --os-type windows", "InvalidPlatform.Malformed"),
        ("--architecture arm64 --boot-mode BIOS", "InvalidBootMode.NotSupport"),
        ("--license-type BYOL", "InvalidLicenseType.NotSupported"),
        ("--data-disk oss://nothing/x.raw", "InvalidOSSBucket.NotFound"),
    ] {
        let words: Vec<_> = words.split(' ').collect();
        let words = [&["image", "import", "system.raw", "--name", "db-2"], &words[..]].concat();
        let run = place.run(&words);
        assert_eq!(run.code, 3, "{words:?}: {}", run.err);
        assert!(run.err.contains(&format!("code: {code}\n")), "{words:?}: {}", run.err);
    }
}

#[test]
fn an_image_is_created_from_snapshots_and_copies_nothing() {
    let place = Place::new();
    place.disk("system.raw", 8 * MIB, 3 * MIB, 1);
    place.disk("data.raw", 4 * MIB, 2 * MIB, 2);
    let words = [
        "image",
        "import",
        "system.raw",
        "--name",
        "db-1",
        "--data-disk",
        "data.raw",
        "--platform",
        "Debian",
    ];
    let source = place.json(&words);
    let snapshot = |disk: usize| source["Disks"][disk]["SnapshotId"].as_str().unwrap();
    let (system, data) = (snapshot(0), snapshot(1));

    let one =
        place.json(&["image", "create", "--from-snapshot", system, "--name", "one", "--family", "made"]);
    assert_eq!((&one["StoredBytes"], &one["ContentRoot"]), (&0.into(), &source["ContentRoot"]));
    assert_eq!((&one["Status"], &one["Platform"]), (&"Available".into(), &"Debian".into()), "inherited");
    let unnamed = place.json(&["image", "create", "--from-snapshot", system]);
    assert_eq!(unnamed["ImageName"], unnamed["ImageId"]);

    let data_of = format!("{data}:10M:/dev/xvdf");
    let two = place.json(&["image", "create", "--disk", &data_of, "--disk", system, "--name", "two"]);
    assert_eq!(two["Disks"][0]["SnapshotId"], system, "the system disk is first");
    assert_eq!(
        (&two["Disks"][1]["Device"], &two["Disks"][1]["SizeBytes"]),
        (&"/dev/xvdf".into(), &(10 * MIB).into())
    );
    let turned = format!("{data}:system");
    let turned = place.json(&["image", "create", "--disk", &turned, "--name", "turned"]);
    assert_eq!(turned["Disks"][0]["Type"], "system");
    place.done(&["image", "export", "two", "--to", "two.raw", "--format", "raw"]);
    assert_same(&place.path("system.raw"), &place.path("two.raw"));
    assert_same(&place.path("data.raw"), &place.path("two-xvdf.raw"));

    for (words, code) in [
        (format!("--from-snapshot {data}"), "OperationDenied"),
        (format!("--disk {data}"), "OperationDenied"),
        (format!("--disk {system} --disk {data}:system"), "OperationDenied"),
        (format!("--disk {system}:1M"), "InvalidSize.ValueNotSupported"),
        (format!("--disk {system} --empty-disk 1M"), "InvalidSize.ValueNotSupported"),
        (format!("--disk {system} --disk {data}:/dev/xvda"), "InvalidDevice.Malformed"),
        (format!("--disk {system} --disk {data}:/dev/xvdb --disk {data}:/dev/xvdb"), "InvalidDevice.InUse"),
        ("--from-snapshot s-nothing".to_owned(), "InvalidSnapshotId.NotFound"),
        ("--from-instance i-1".to_owned(), "InvalidInstanceId.NotFound"),
        (
            format!("--from-instance i-1 --disk {system} --from-snapshot {system}"),
            "InvalidInstanceId.NotFound",
        ),
    ] {
        let words: Vec<_> = words.split(' ').collect();
        refused(&place, &[&["image", "create", "--name", "three"], &words[..]].concat(), code);
    }
    let run = place.run(&["image", "create", "--from-snapshot", system, "--name", "one"]);
    assert!(run.err.contains("code: InvalidImageName.Duplicated"), "{}", run.err);
    // The snapshot serves several images, so deleting the first leaves the others whole.
    place.done(&["image", "delete", "db-1", "--yes"]);
    place.done(&["region", "collect"]);
    place.done(&["image", "export", "one", "--to", "one.raw", "--format", "raw"]);
    assert_same(&place.path("system.raw"), &place.path("one.raw"));
    place.done(&["region", "check", "--deep"]);
}

#[test]
fn empty_data_disks_stand_beside_snapshots() {
    let place = Place::new();
    let image = place.image("web-1", &[]);
    let shown = place.json(&["image", "show", &image]);
    let system = shown["Disks"][0]["SnapshotId"].as_str().unwrap();
    let made =
        place.json(&["image", "create", "--from-snapshot", system, "--empty-disk", "1G", "--name", "web-2"]);
    assert_eq!(made["Disks"][1]["SizeBytes"], 1u64 << 30);
    assert_eq!(
        (&made["Disks"][1]["Device"], &made["Disks"][1]["DataBytes"]),
        (&"/dev/xvdb".into(), &0.into())
    );
}

#[test]
fn images_are_found_by_what_they_are() {
    let place = Place::new();
    place.image("web-1", &["--family", "web", "--tag", "env=prod", "--tag", "team=a"]);
    place.image("web-2", &["--family", "web", "--tag", "env=test"]);
    place.image("db-1", &["--architecture", "arm64", "--tag", "env=prod"]);
    place.image("far-1", &["--region", "cn-beijing"]);
    place.done(&["image", "deprecate", "web-1"]);
    let all = ["far-1", "db-1", "web-2", "web-1"];
    for (words, found) in [
        ("", &all[..]),
        ("--status all", &all[..]),
        ("--status Deprecated", &["web-1"]),
        ("--status available,creating", &["far-1", "db-1", "web-2"]),
        ("--family web", &["web-2", "web-1"]),
        ("--name eb-", &["web-2", "web-1"]),
        ("--name *-1", &["far-1", "db-1", "web-1"]),
        ("--name web-1*", &["web-1"]),
        ("--tag env=prod", &["db-1", "web-1"]),
        ("--tag env --tag team", &["web-1"]),
        ("--tag env=prod --tag team=b", &[]),
        ("--architecture ARM64", &["db-1"]),
        ("--os-type windows", &[]),
        ("--owner self --region cn-beijing", &["far-1"]),
        ("--owner 100000 --name far*", &["far-1"]),
        ("--owner others", &[]),
        ("--owner public", &[]),
        ("--owner 4711", &[]),
        ("--page 2 --page-size 3", &["web-1"]),
        ("--page 9", &[]),
    ] {
        let words: Vec<_> = words.split(' ').filter(|word| !word.is_empty()).collect();
        assert_eq!(listed(&place, &words), found, "{words:?}");
    }
    let page = place.json(&["image", "list", "--page", "1", "--page-size", "3"]);
    assert_eq!(
        (&page["TotalCount"], &page["PageNumber"], &page["PageSize"]),
        (&4.into(), &1.into(), &3.into())
    );
    for (words, code) in [
        ("--status Gone", "InvalidParamter"),
        ("--architecture sparc", "InvalidArchitecture"),
        ("--os-type plan9", "InvalidOSType"),
        ("--owner nobody", "InvalidImageOwnerAlias.ValueNotSupported"),
        ("--tag =prod", "InvalidTag.Mismatch"),
        ("--page 0", "InvalidParameter.PageNumber"),
        ("--page-size 101", "InvalidParameter.PageSize"),
    ] {
        let words: Vec<_> = words.split(' ').collect();
        refused(&place, &[&["image", "list"], &words[..]].concat(), code);
    }
}

#[test]
fn several_attributes_are_changed_at_once_or_none_is() {
    let place = Place::new();
    place.image("web-1", &[]);
    place.image("web-2", &[]);
    let words = "image modify web-1 --name web-1b --boot-mode UEFI --secure-boot supported --imds v2 --nvme supported \
                 --family web --deprecate";
    let image = place.json(&words.split_whitespace().collect::<Vec<_>>());
    assert_eq!((&image["BootMode"], &image["ImdsSupport"]), (&"UEFI".into(), &"v2".into()));
    assert_eq!(image["SecureBootSupport"], "supported");
    assert_eq!((&image["NvmeSupport"], &image["Status"]), (&"supported".into(), &"Deprecated".into()));
    for (words, code) in [
        ("--name web-3 --imds v1", "InvalidOperation.FeaturesImdsSupportNotMatch"),
        ("--description ok --license-type BYOL", "InvalidLicenseType.NotSupported"),
        ("--boot-mode BIOS --secure-boot unsupported --name web-2", "InvalidImageName.Duplicated"),
        ("--boot-mode BIOS --name web-4", "InvalidParameter"),
        ("--secure-boot perhaps", "InvalidParameter"),
        ("--boot-mode CD", "InvalidBootMode.NotSupport"),
        ("--family new --deprecate", "ImageStatus.NotAvailable"),
    ] {
        let words: Vec<_> = words.split(' ').collect();
        let run = place.run(&[&["image", "modify", "web-1b"], &words[..]].concat());
        assert!(run.code == 3 && run.err.contains(&format!("code: {code}\n")), "{words:?}: {}", run.err);
    }
    assert_eq!(place.json(&["image", "show", "web-1b"]), image, "nothing of what was refused was done");
}

#[test]
fn what_cannot_be_undone_needs_a_yes_where_nobody_can_be_asked() {
    let place = Place::new();
    place.image("web-1", &[]);
    let before = place.done(&["audit", "head", "--unsigned"]);
    let run = place.run(&["image", "delete", "web-1"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""), "{}", run.err);
    assert!(run.err.contains("`--yes`") && run.err.contains("`web-1`"), "{}", run.err);
    assert_eq!(place.done(&["audit", "head", "--unsigned"]), before);
    let shown = place.json(&["image", "show", "web-1"]);
    let snapshot = shown["SnapshotId"].as_str().unwrap();
    place.done(&["image", "delete", "web-1", "--keep-snapshots", "--yes"]);
    place.done(&["image", "create", "--from-snapshot", snapshot, "--name", "web-2"]);
}

#[test]
fn a_dry_run_ends_well_if_nothing_stands_against_it_and_does_nothing() {
    let place = Place::new();
    place.image("web-1", &[]);
    let before = place.done(&["audit", "head", "--unsigned"]);
    for words in [
        "image delete web-1",
        "image modify web-1 --name web-2",
        "image import web-1.raw --name web-3",
        "image export web-1 --to out.raw --format raw",
        "image check web-1",
    ] {
        let words: Vec<_> = words.split(' ').chain(["--dry-run"]).collect();
        let run = place.run(&words);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{words:?}");
        assert!(run.out.contains("nothing stands against it"), "{words:?}: {}", run.out);
        assert_eq!(place.json(&words)["Code"], "DryRunOperation");
    }
    let run = place.run(&["image", "delete", "web-9", "--dry-run"]);
    assert!(run.code == 3 && run.err.contains("InvalidImageId.NotFound"), "{}", run.err);
    assert_eq!(place.done(&["audit", "head", "--unsigned"]), before);
    assert!(!place.path("out.raw").exists());
}

#[test]
fn imports_and_exports_are_tasks() {
    let place = Place::new();
    let image = place.image("web-1", &[]);
    place.done(&["image", "export", "web-1", "--to", "out.qcow2", "--format", "qcow2"]);
    let tasks = place.json(&["task", "list"]);
    let tasks = tasks["Tasks"].as_array().unwrap();
    let actions: Vec<_> = tasks.iter().map(|task| task["TaskAction"].as_str().unwrap()).collect();
    assert_eq!(actions, ["ExportImage", "ImportImage"], "newest first");
    for task in tasks {
        assert_eq!((&task["TaskStatus"], &task["TaskProcess"]), (&"Finished".into(), &"100%".into()));
        assert_eq!((&task["ResourceId"], &task["SupportCancel"]), (&image.as_str().into(), &false.into()));
        let id = task["TaskId"].as_str().unwrap();
        assert_eq!(&place.json(&["task", "show", id]), task);
        assert_eq!(&place.json(&["task", "show", task["WorkflowId"].as_str().unwrap()]), task);
        refused(&place, &["task", "cancel", id], "InvalidTaskId.IncorrectTaskStatus");
    }
    assert_eq!(tasks[1]["RelatedItems"][0]["Value"], image.as_str());
    let items = tasks[0]["RelatedItems"].as_array().unwrap();
    assert!(items.iter().any(|item| item["Name"] == "ImageFormat" && item["Value"] == "qcow2"), "{items:?}");
    assert_eq!(tasks[1]["TaskId"], place.json(&["image", "show", "web-1"])["TaskId"]);
    let id = tasks[0]["TaskId"].as_str().unwrap();
    for (words, count) in [
        (vec!["--action", "ImportImage"], 1),
        (vec!["--status", "Finished,Failed"], 2),
        (vec!["--status", "Processing"], 0),
        (vec!["--image", &image], 2),
        (vec![id], 1),
        (vec!["--since", "2100-01-01T00:00:00Z"], 0),
        (vec!["--until", "2100-01-01T00:00:00Z"], 2),
        (vec!["--page-size", "1", "--page", "2"], 1),
        (vec!["--region", "cn-beijing"], 0),
    ] {
        let found = place.json(&[&["task", "list"], &words[..]].concat());
        assert_eq!(found["Tasks"].as_array().unwrap().len(), count, "{words:?}");
    }
    place.done(&["image", "deprecate", "web-1"]);
    let other = place.json(&["workflow", "list"])["Workflows"][0]["WorkflowId"].as_str().unwrap().to_owned();
    for (words, code) in [
        (vec!["task", "show", "t-nothing"], "InvalidTaskId.NotFound"),
        (vec!["task", "cancel", "t-nothing"], "InvalidTaskId.NotFound"),
        (vec!["task", "cancel", &other], "InvalidTaskId.TaskActionNotSupport"),
        (vec!["task", "list", "--action", "Dance"], "InvalidParameter.TaskAction"),
        (vec!["task", "list", "--status", "Gone"], "InvalidParameter.TaskStatus"),
        (vec!["task", "list", "--since", "yesterday"], "InvalidParameter.Time"),
    ] {
        refused(&place, &words, code);
    }
}

#[test]
fn a_task_that_has_not_begun_is_there_and_can_be_cancelled() {
    let place = Place::new();
    place.disk("web.raw", 8 * MIB, 3 * MIB, 1);
    // Nobody drives it, so it stands where it was started.
    let started = place.json(&["image", "import", "web.raw", "--name", "web-1", "--no-wait"]);
    let task = place.json(&["task", "list"])["Tasks"][0].clone();
    assert_eq!((&task["TaskStatus"], &task["ResourceId"]), (&"Processing".into(), &started["ImageId"]));
    assert_eq!((&task["TaskProcess"], &task["SupportCancel"]), (&"0%".into(), &true.into()));
    let id = task["TaskId"].as_str().unwrap();
    let cancelled = place.json(&["task", "cancel", id, "--reason", "the wrong disk"]);
    assert_eq!(cancelled["TaskStatus"], "Deleted");
    assert_eq!(listed(&place, &[]), [] as [&str; 0]);
}

#[test]
fn every_code_is_explained_and_a_slip_is_understood() {
    let place = Place::new();
    let run = place.run(&["image", "show", "web-9"]);
    let code = run.err.lines().find_map(|line| line.strip_prefix("  code: ")).unwrap();
    let page = place.done(&["explain", code]);
    for said in ["Means", "Likely cause", "What to do"] {
        assert!(page.contains(said), "{page}");
    }
    let run = place.run(&["explain", "InvalidImgeId.NotFound"]);
    assert!(run.code == 3 && run.err.contains("did you mean `InvalidImageId.NotFound`?"), "{}", run.err);
    let place = Place::new();
    assert!(place.json(&["explain"])["Pages"].as_array().unwrap().len() > 100);
    assert!(!place.data().exists(), "explaining needs no data directory");
}

#[test]
fn a_check_says_what_it_found() {
    let place = Place::new();
    place.image("web-1", &[]);
    let checked = place.json(&["image", "check", "web-1"]);
    assert_eq!((&checked["Status"], &checked["ImageName"]), (&"Finished".into(), &"web-1".into()));
    assert!(!checked["Items"].as_array().unwrap().is_empty(), "{checked}");
    assert!(place.done(&["image", "show", "web-1"]).contains("Check"));
    assert_eq!(place.json(&["image", "show", "web-1"])["Detection"]["Items"], checked["Items"]);
}

#[test]
fn an_image_goes_to_a_bucket_under_the_names_of_the_api() {
    let place = Place::new();
    let image = place.image("web-1", &[]);
    place.done(&["bucket", "create", "exports"]);
    let words = ["image", "export", "web-1", "--to-bucket", "exports", "--prefix", "nightly"];
    let exported = place.json(&words);
    assert_eq!(exported["Paths"][0], format!("oss://exports/nightly_{image}_system.raw.tar.gz").as_str());
    let exported =
        place.json(&["image", "export", "web-1", "--to", "oss://exports/web.qcow2", "--format", "qcow2"]);
    assert_eq!(exported["Paths"][0], "oss://exports/web.qcow2");
    let again = place.json(&["image", "import", "oss://exports/web.qcow2", "--name", "again"]);
    assert_eq!(again["ContentRoot"], place.json(&["image", "show", "web-1"])["ContentRoot"]);
}
