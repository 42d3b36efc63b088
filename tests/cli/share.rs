//! Sharing on the command line: accounts, shares, publishing, copies, families in several regions,
//! quotas, and regions that are added.

use serde_json::Value;

use crate::kit::{Place, Run, plain};

const OTHER: &str = "200000";

/// A place with another account.
fn two() -> Place {
    let place = Place::new();
    let created = place.json(&["account", "create", "other", "--id", OTHER]);
    assert_eq!((text(&created, "AccountId"), text(&created, "AccountName")), (OTHER, "other"));
    place
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// What the other account is told.
fn by_other(place: &Place, words: &[&str]) -> Run {
    place.run(&[&["--account", OTHER], words].concat())
}

/// Refused with a code.
fn refused(run: &Run, code: &str) {
    assert!(run.code == 3 && run.err.contains(&format!("code: {code}")), "{code}: {} {}", run.code, run.err);
}

fn head(place: &Place, region: &str) -> String {
    let family = place.json(&["family", "show", "web", "--region", region]);
    text(&family, "ImageName").to_owned()
}

#[test]
fn accounts_are_created_once_with_fresh_ids_and_only_by_the_operator() {
    let place = two();
    let fresh = place.json(&["account", "create", "builders"]);
    let id = text(&fresh, "AccountId").to_owned();
    assert!(id.len() == 16 && id.bytes().all(|digit| digit.is_ascii_digit()), "{id}");
    let list = place.json(&["account", "list"]);
    let names: Vec<_> =
        list["Accounts"].as_array().unwrap().iter().map(|one| text(one, "AccountName")).collect();
    assert_eq!(names.len(), 3);
    assert!(["default", "other", "builders"].iter().all(|name| names.contains(name)), "{names:?}");
    refused(&place.run(&["account", "create", "again", "--id", OTHER]), "InvalidAccount.Duplicated");
    refused(&place.run(&["account", "create", "again", "--id", "0x7"]), "InvalidAccount.Malformed");
    refused(&by_other(&place, &["account", "create", "mine"]), "Forbidden.Operator");
    refused(&place.run(&["--account", "7", "image", "list"]), "InvalidAccount.NotFound");
    let token = ["account", "create", "once", "--client-token", "t-1"];
    assert_eq!(place.json(&token), place.json(&token), "the same token, the same account");
}

#[test]
fn an_image_is_found_by_those_it_is_shared_with_and_by_nobody_else() {
    let place = two();
    place.done(&["account", "create", "third", "--id", "300000"]);
    let id = place.image("web-1", &[]);
    let id = id.as_str();
    refused(&by_other(&place, &["image", "show", id]), "InvalidImageId.NotFound");
    let shares = place.json(&["image", "share", "web-1", "--with", OTHER, "--until", "2999-01-31"]);
    let first = &shares["Accounts"][0];
    assert_eq!((text(first, "AccountId"), text(first, "UntilTime")), (OTHER, "2999-01-31T00:00:00Z"));
    let seen = by_other(&place, &["image", "show", id, "--output", "json"]);
    assert_eq!(seen.code, 0, "{}", seen.err);
    let seen: Value = serde_json::from_str(&seen.out).unwrap();
    assert_eq!((text(&seen, "ImageId"), text(&seen, "ImageOwnerAlias")), (id, "others"));
    refused(&place.run(&["--account", "300000", "image", "show", id]), "InvalidImageId.NotFound");
    for words in [
        &["image", "modify", id, "--name", "mine"][..],
        &["image", "deprecate", id],
        &["image", "restore", id],
        &["image", "share", id, "--with", "300000"],
        &["image", "unshare", id, "--all"],
        &["image", "shares", id],
        &["image", "publish", id],
        &["image", "unpublish", id],
        &["image", "cancel-copy", id],
        &["image", "export", id, "--to", "x.raw", "--format", "raw"],
        &["image", "history", id],
    ] {
        refused(&by_other(&place, words), "InvalidImageId.NotFound");
    }
    refused(&place.run(&["image", "share", id, "--with", "7"]), "InvalidAccount.NotFound");
    refused(&place.run(&["image", "share", id, "--with", "100000"]), "InvalidAccount.Forbbiden");
    refused(
        &place.run(&["image", "share", id, "--with", OTHER, "--until", "2001-01-01"]),
        "InvalidParameter.ShareUntil",
    );
    assert_eq!(place.run(&["image", "share", id, "--with", OTHER, "--for", "soon"]).code, 2);
    assert_eq!(place.run(&["image", "unshare", id]).code, 2);
    refused(&place.run(&["image", "deprecate", id]), "ImageUseShared");

    place.done(&["image", "share", id, "--with", OTHER, "300000", "--for", "30d"]);
    assert_eq!(place.json(&["image", "shares", id])["Accounts"].as_array().unwrap().len(), 2);
    place.done(&["image", "unshare", id, "--from", OTHER]);
    refused(&by_other(&place, &["image", "show", id]), "InvalidImageId.NotFound");
    let none = place.run(&["image", "unshare", id, "--all"]);
    assert_eq!((none.code, none.out.as_str()), (0, ""), "{}", none.err);
    assert!(none.err.contains("is shared with nobody"), "{}", none.err);
    let story = plain(&place, &place.done(&["image", "history", id]));
    for said in ["shared with `200000` until 2999", "shared no more with `200000`"] {
        assert!(place.done(&["image", "history", id]).contains(said), "{said} in {story}");
    }
}

#[test]
fn a_published_image_is_everybodys_until_it_is_not() {
    let place = two();
    let id = place.image("web-1", &["--family", "web"]);
    let shares = place.json(&["image", "publish", "web-1"]);
    assert_eq!(shares["IsPublic"], true);
    assert_eq!(by_other(&place, &["image", "show", &id]).code, 0);
    let family = by_other(&place, &["family", "show", "acs:100000:web", "--output", "json"]);
    let family: Value = serde_json::from_str(&family.out).unwrap_or_else(|_| panic!("{}", family.err));
    assert_eq!((text(&family, "ImageId"), text(&family, "ImageFamily")), (id.as_str(), "acs:100000:web"));
    refused(&place.run(&["image", "publish", "web-1"]), "Image.Public");
    refused(&place.run(&["image", "delete", "web-1", "--yes"]), "ImageIsPublic");
    refused(
        &place.run(&["image", "copy", "web-1", "--to-region", "cn-beijing"]),
        "OperationDenied.CommunityImage",
    );
    refused(&by_other(&place, &["image", "copy", &id]), "OperationDenied.CommunityImage");
    place.done(&["image", "unpublish", "web-1"]);
    refused(&place.run(&["image", "unpublish", "web-1"]), "Image.NotPublic");
    refused(&by_other(&place, &["image", "show", &id]), "InvalidImageId.NotFound");
    refused(&by_other(&place, &["family", "show", "acs:100000:web"]), "InvalidImageFamily.NotFound");
}

#[test]
fn nothing_of_another_account_is_in_its_lists_or_its_log() {
    let place = two();
    let id = place.image("web-1", &["--family", "web"]);
    let flows = place.json(&["workflow", "list"]);
    let flow = text(&flows["Workflows"][0], "WorkflowId").to_owned();
    for (words, field) in [
        (&["image", "list"][..], "Images"),
        (&["family", "list"], "Families"),
        (&["workflow", "list"], "Workflows"),
        (&["audit", "log"], "Log"),
        (&["audit", "log", "--from", "1"], "Log"),
    ] {
        let run = by_other(&place, &[words, &["--output", "json"]].concat());
        assert_eq!(run.code, 0, "{words:?} {}", run.err);
        let found: Value = serde_json::from_str(&run.out).unwrap();
        // Its own key was made for it, and it is told so.
        let others = |one: &&Value| one["Kind"] != "access-key.created/1";
        let others = found[field].as_array().map(|all| all.iter().filter(others).count());
        assert_eq!(others, Some(0), "{words:?}: {found}");
    }
    refused(&by_other(&place, &["audit", "log", "--subject", &id]), "InvalidImageId.NotFound");
    refused(&by_other(&place, &["family", "show", "web"]), "InvalidImageFamily.NotFound");
    for verb in ["show", "watch", "cancel", "resume", "unwind", "abandon"] {
        refused(&by_other(&place, &["workflow", verb, &flow]), "InvalidWorkflowId.NotFound");
    }
    for words in [
        &["audit", "head", "--unsigned"][..],
        &["audit", "verify"],
        &["audit", "rebuild"],
        &["region", "collect"],
        &["region", "check"],
        &["region", "add", "cn-x"],
        &["quota", "show", "--of", "100000"],
        &["quota", "set", "--images", "7"],
    ] {
        refused(&by_other(&place, words), "Forbidden.Operator");
    }
    // What it deletes is collected all the same.
    place.disk("mine.raw", 1 << 20, 1 << 16, 9);
    let import = by_other(&place, &["image", "import", "mine.raw", "--name", "mine"]);
    assert_eq!(import.code, 0, "{}", import.err);
    let delete = by_other(&place, &["image", "delete", "mine", "--yes"]);
    assert_eq!(delete.code, 0, "{}", delete.err);
    assert!(by_other(&place, &["audit", "log"]).out.contains("image.deleted/1"));
    place.done(&["audit", "rebuild"]);
}

#[test]
fn a_family_is_promoted_and_rolled_back_in_all_regions_or_in_none() {
    let place = Place::new();
    let beijing = ["--region", "cn-beijing"];
    for name in ["web-1", "web-2"] {
        place.image(name, &["--family", "web"]);
        place.image(name, &[&["--family", "web"], &beijing[..]].concat());
    }
    place.image("web-3", &["--family", "web"]);
    let both = || (head(&place, "cn-hangzhou"), head(&place, "cn-beijing"));
    let are = |hangzhou: &str, beijing: &str| (hangzhou.to_owned(), beijing.to_owned());
    assert_eq!(both(), are("web-3", "web-2"));

    // In one region there is none: named, and nothing moves anywhere.
    let half = place.run(&["family", "promote", "web", "web-3", "--all-regions"]);
    refused(&half, "InvalidImageId.NotFound");
    assert!(
        half.err.contains("in `cn-beijing` there is neither an image `web-3` nor a copy"),
        "{}",
        half.err
    );
    assert_eq!(both(), are("web-3", "web-2"));

    let moved = place.json(&[
        "family",
        "promote",
        "web",
        "web-1",
        "--region",
        "cn-hangzhou",
        "--region",
        "cn-beijing",
    ]);
    assert!(moved["Families"].as_array().unwrap().iter().all(|family| family["IsPinned"] == true), "{moved}");
    assert_eq!(both(), are("web-1", "web-1"));
    assert!(place.done(&["family", "list"]).contains("web-1 (pinned)"));
    let shown = place.done(&["family", "show", "web", "--region", "cn-beijing"]);
    for said in ["Pinned", "to this image", "Elsewhere", "cn-hangzhou: web-1, pinned"] {
        assert!(shown.contains(said), "{said} in {shown}");
    }
    refused(&place.run(&["family", "rollback", "web", "--all-regions"]), "InvalidImageFamily.NothingBefore");
    assert_eq!(both(), are("web-1", "web-1"));

    place.done(&["family", "unpin", "web"]);
    assert_eq!(both(), are("web-3", "web-2"));
    refused(&place.run(&["family", "unpin", "web"]), "InvalidImageFamily.NotPinned");
    refused(&place.run(&["family", "rollback", "web"]), "InvalidImageFamily.Ambiguous");
    place.done(&["family", "rollback", "web", "--all-regions"]);
    assert_eq!(both(), are("web-2", "web-1"));
    place.done(&["family", "rollback", "web", "--region", "cn-hangzhou"]);
    assert_eq!(both(), are("web-1", "web-1"));
    // Without a region it is where the image is.
    place.done(&["family", "promote", "web", "web-3"]);
    assert_eq!(both(), are("web-3", "web-1"));
    place.done(&["audit", "rebuild"]);
}

#[test]
fn quotas_are_seen_beside_what_there_is_and_bind_when_they_are_set() {
    let place = two();
    let count = |name: &str| {
        let quotas = place.json(&["quota", "show", "--of", OTHER, "--region", "cn-hangzhou"]);
        let items = quotas["Quotas"][0]["Items"].as_array().unwrap().clone();
        let item = items.into_iter().find(|item| item["Name"] == name).unwrap();
        (item["Used"].as_u64(), item["Limit"].as_u64().unwrap(), item["IsSet"].as_bool().unwrap())
    };
    assert_eq!(count("images"), (Some(0), 10_000, false));
    assert_eq!(count("image-shares"), (None, 50, false));
    place.done(&["quota", "set", "--of", OTHER, "--images", "1", "--image-shares", "0"]);
    place.disk("mine.raw", 1 << 20, 1 << 16, 9);
    assert_eq!(by_other(&place, &["image", "import", "mine.raw", "--name", "mine-1"]).code, 0);
    assert_eq!(count("images"), (Some(1), 1, true));
    refused(&by_other(&place, &["image", "import", "mine.raw", "--name", "mine-2"]), "QuotaExceed.Image");
    refused(
        &by_other(&place, &["image", "share", "mine-1", "--with", "100000"]),
        "QuotaExceed.ShareImageUser",
    );
    assert_eq!(place.json(&["quota", "show"])["Quotas"].as_array().unwrap().len(), 2, "one a region");
    refused(&place.run(&["quota", "show", "--of", "7"]), "InvalidAccount.NotFound");
    assert_eq!(place.run(&["quota", "set"]).code, 2);
}

#[test]
fn a_region_that_is_added_takes_images() {
    let place = Place::new();
    let added = place.json(&["region", "add", "cn-shanghai"]);
    assert_eq!(
        (text(&added["Regions"][0], "RegionId"), &added["Regions"][0]["Ready"]),
        ("cn-shanghai", &true.into())
    );
    place.image("web-1", &["--region", "cn-shanghai"]);
    refused(&place.run(&["region", "add", "cn-shanghai"]), "InvalidRegionId.Duplicated");
    refused(&place.run(&["region", "add", "CN/1"]), "InvalidRegionId.Malformed");
    assert_eq!(place.json(&["region", "list"])["Regions"].as_array().unwrap().len(), 3);
}

#[test]
fn copies_that_cannot_be_are_refused_by_their_codes() {
    let place = two();
    let id = place.image("web-1", &[]);
    let copy = |to: &str| place.run(&["image", "copy", "web-1", "--to-region", to]);
    refused(&copy("cn-hangzhou"), "IncorrectDestinationRegion");
    refused(&copy("cn-nowhere"), "DestinationRegion.NotFound");
    refused(&place.run(&["image", "copy", "web-1", "--region", "cn-nowhere"]), "SourceRegion.NotFound");
    refused(&place.run(&["image", "cancel-copy", "web-1"]), "ImageCreatedNotFromCopy");
    refused(&by_other(&place, &["image", "copy", &id]), "InvalidImageId.NotFound");
    place.done(&["image", "share", &id, "--with", OTHER]);
    refused(
        &by_other(&place, &["image", "copy", &id, "--to-region", "cn-beijing"]),
        "OperationDenied.SameRegionOnly",
    );
    let dry = by_other(&place, &["image", "copy", &id, "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.err);
    assert_eq!(place.run(&["image", "copy", "web-1", "--bandwidth", "fast"]).code, 2);
}

/// Needs the data plane's copies.
#[test]
fn an_image_is_copied_to_several_regions_at_once_and_a_family_follows_its_copies() {
    let place = Place::new();
    place.done(&["region", "add", "cn-shanghai"]);
    let regions = ["cn-beijing", "cn-shanghai"];
    let mut sources = Vec::new();
    for name in ["web-1", "web-2"] {
        sources.push(place.image(name, &["--family", "web", "--tag", "a=b"]));
        let words = [
            "image",
            "copy",
            name,
            "--to-region",
            regions[0],
            "--to-region",
            regions[1],
            "--region",
            "cn-hangzhou",
        ];
        let copies = place.json(&words);
        let images = copies["Images"].as_array().unwrap();
        let places: Vec<_> = images.iter().map(|image| text(image, "RegionId")).collect();
        assert_eq!(places, regions);
        for image in images {
            assert_eq!((text(image, "ImageName"), text(image, "Status")), (name, "Available"));
            assert_eq!((text(image, "ImageFamily"), image["IsCopied"].as_bool()), ("", Some(true)));
            assert_eq!(text(image, "CopiedFrom"), sources[sources.len() - 1]);
        }
    }
    // The source may go, and its copy be renamed: a copy of the image is still what it is.
    place.done(&["image", "modify", "web-1", "--region", "cn-beijing", "--name", "first"]);
    place.done(&["family", "promote", "web", &sources[1], "--all-regions"]);
    let heads = || ["cn-hangzhou", regions[0], regions[1]].map(|region| head(&place, region));
    assert_eq!(heads(), ["web-2", "web-2", "web-2"]);
    place.done(&["family", "rollback", "web", "--all-regions"]);
    assert_eq!(heads(), ["web-1", "first", "web-1"]);
    place.done(&["family", "unpin", "web"]);
    assert_eq!(head(&place, "cn-hangzhou"), "web-2");
    place.done(&["audit", "rebuild"]);
}

/// Needs the data plane's copies.
#[test]
fn a_shared_image_is_copied_within_its_region_and_is_then_the_copiers_own() {
    let place = two();
    let id = place.image("web-1", &[]);
    place.done(&["image", "share", &id, "--with", OTHER]);
    let run = by_other(
        &place,
        &["image", "copy", &id, "--name", "mine", "--bandwidth", "1GiB", "--output", "json"],
    );
    assert_eq!(run.code, 0, "{}", run.err);
    let copies: Value = serde_json::from_str(&run.out).unwrap();
    let copy = text(&copies["Images"][0], "ImageId").to_owned();
    assert_eq!(text(&copies["Images"][0], "OwnerId"), OTHER);
    place.done(&["image", "unshare", &id, "--all"]);
    assert_eq!(by_other(&place, &["image", "show", "mine"]).code, 0, "it stays when the share ends");
    refused(&place.run(&["image", "show", &copy]), "InvalidImageId.NotFound");
    // The owner is told who copied it, and nothing of the copier's image beside its id.
    let story = place.done(&["image", "history", &id]);
    assert!(story.contains("account `200000` began to copy it"), "{story}");
    assert!(!story.contains("`mine`"), "{story}");
    refused(&by_other(&place, &["image", "cancel-copy", "mine"]), "IncorrectImageStatus");
}

/// Needs the data plane's copies.
#[test]
fn a_copy_that_is_cancelled_leaves_nothing() {
    let place = Place::new();
    let id = place.image("web-1", &[]);
    // Nothing drives it yet, so it is in progress for as long as it takes to cancel it.
    let started = place.json(&["image", "copy", "web-1", "--to-region", "cn-beijing", "--no-wait"]);
    let copy = text(&started["Copies"][0], "ImageId").to_owned();
    let stopped = place.done(&["image", "cancel-copy", &copy, "--reason", "wrong region"]);
    assert!(stopped.contains("stopped; nothing of it stays"), "{stopped}");
    refused(&place.run(&["image", "show", &copy]), "InvalidImageId.NotFound");
    let shown = place.json(&["image", "show", &id]);
    assert_eq!(shown["Copies"], 0, "the source is let go");
    place.done(&["image", "copy", "web-1", "--to-region", "cn-beijing"]);
}
