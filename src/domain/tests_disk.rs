//! The rules of disks, snapshots and tags, one by one.

use std::collections::BTreeMap;

use crate::events::ResourceId;
use crate::image::{self, DUE, Due};
use crate::rules::{self, Deletion, SECTOR_BYTES, Tagging};
use crate::tests_kit::{GIB, World, code, make_image, new_disk, new_snapshot, plan, scope, take, with_disk};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn due(world: &World) -> Vec<Due> {
    DUE.list(&world.rows, &image::house(), &[])
}

#[test]
fn a_disk_has_a_size_that_is_allowed() {
    let world = World::new();
    let size = |size_bytes| {
        let wanted = crate::events::DiskReserved { size_bytes, ..new_disk(&scope(), "d-1") };
        world.ask(&scope(), |view| rules::reserve_disk(view, wanted)).map(|disk| disk.size_bytes)
    };
    for bytes in [GIB, GIB + SECTOR_BYTES, 2048 * GIB] {
        assert_eq!(size(bytes), Ok(bytes));
    }
    for bytes in [0, 1, GIB - SECTOR_BYTES, GIB + 1, 2048 * GIB + SECTOR_BYTES, u64::MAX] {
        assert_eq!(code(size(bytes)), "InvalidDiskSize.NotSupported", "{bytes}");
    }
}

#[test]
fn a_disk_is_never_smaller_than_what_it_is_made_of() {
    let mut world = with_disk();
    take(&mut world, "s-1", "d-1");
    make_image(&mut world, "m-1", vec![plan(0, "s-m", true, 1001)]);
    let of = |snapshot: Option<&str>, image: Option<&str>, size_bytes| {
        let wanted = crate::events::DiskReserved {
            of_snapshot: snapshot.map(Into::into),
            of_image: image.map(Into::into),
            size_bytes,
            ..new_disk(&scope(), "d-2")
        };
        world.ask(&scope(), |view| rules::reserve_disk(view, wanted))
    };
    for (size_bytes, has) in [(0, 2 * GIB), (GIB, 2 * GIB), (3 * GIB, 3 * GIB)] {
        let disk = of(Some("s-1"), None, size_bytes).unwrap();
        assert_eq!((disk.size_bytes, disk.content), (has, world.snapshot(&scope(), "s-1").unwrap().disk));
    }
    let of_image = of(None, Some("m-1"), 0).unwrap();
    assert_eq!(of_image.size_bytes, 1001, "content of an odd size is taken as it is");
    assert_eq!(of_image.content, world.image(&scope(), "m-1").unwrap().system().disk);
    assert_eq!(code(of(None, Some("m-1"), 1003)), "InvalidDiskSize.NotSupported", "no whole sectors");
    assert_eq!(code(of(Some("s-1"), Some("m-1"), 0)), "InvalidParameter.Conflict");
    assert_eq!(code(of(Some("s-2"), None, 0)), "InvalidSnapshotId.NotFound");
    assert_eq!(code(of(None, Some("m-2"), 0)), "InvalidImageId.NotFound");
}

#[test]
fn a_disk_that_is_being_made_or_snapshotted_stays() {
    let mut world = with_disk();
    let wanted = crate::events::DiskReserved { size_bytes: GIB, ..new_disk(&scope(), "d-2") };
    world.decide(&scope(), |view| rules::reserve_disk(view, wanted)).unwrap();
    let delete = |world: &World, id: &str| world.ask(&scope(), |view| rules::delete_disk(view, &id.into()));
    assert_eq!(code(delete(&world, "d-2")), "IncorrectDiskStatus");
    assert_eq!(code(delete(&world, "d-3")), "InvalidDiskId.NotFound");
    let taken = |id: &str, disk: &str| new_snapshot(&scope(), id, Some(disk));
    world.decide(&scope(), |view| rules::reserve_snapshot(view, taken("s-1", "d-1"))).unwrap();
    assert_eq!(code(delete(&world, "d-1")), "DiskCreatingSnapshot");
    let reserve = |id: &str, disk: &str| {
        code(world.ask(&scope(), |view| rules::reserve_snapshot(view, taken(id, disk))))
    };
    assert_eq!(reserve("s-2", "d-1"), "IncorrectDiskStatus.CreatingSnapshot", "one at a time");
    assert_eq!(reserve("s-2", "d-2"), "IncorrectDiskStatus", "it is still being made");
    assert_eq!(reserve("s-2", "d-3"), "InvalidDiskId.NotFound");
    world.decide(&scope(), |view| rules::seal_snapshot(view, &"s-1".into())).unwrap();
    delete(&world, "d-1").unwrap();
    world.decide(&scope(), |view| rules::delete_disk(view, &"d-1".into())).unwrap();
    assert!(world.snapshot(&scope(), "s-1").unwrap().disk.is_some(), "a snapshot outlives its disk");
}

#[test]
fn a_snapshot_is_named_and_kept_as_the_api_allows() {
    let world = with_disk();
    let wanted = |name: &str, description: &str, days| {
        let snapshot = new_snapshot(&scope(), "s-1", Some("d-1"));
        let (name, description) = (name.to_owned(), description.to_owned());
        let wanted = crate::events::SnapshotReserved { name, description, retention_days: days, ..snapshot };
        world.ask(&scope(), |view| rules::reserve_snapshot(view, wanted))
    };
    for (name, description, days) in [("", "", None), ("ab", "ok", Some(1)), ("镜像", "", Some(65536))] {
        wanted(name, description, days).unwrap();
    }
    for name in ["a", "auto-1", "http://x", "https://x", &"n".repeat(129)] {
        assert_eq!(code(wanted(name, "", None)), "InvalidSnapshotName.Malformed", "{name}");
    }
    assert_eq!(code(wanted("", "x", None)), "InvalidDescription.Malformed");
    for days in [0, 65537] {
        assert_eq!(code(wanted("", "", Some(days))), "InvalidRetentionDays.Malformed");
    }
}

#[test]
fn retention_counts_from_the_creation_and_can_be_changed_and_lifted() {
    let mut world = with_disk();
    let wanted = crate::events::SnapshotReserved {
        retention_days: Some(3),
        ..new_snapshot(&scope(), "s-1", Some("d-1"))
    };
    let created_ms = world.now_ms;
    world.decide(&scope(), |view| rules::reserve_snapshot(view, wanted)).unwrap();
    assert_eq!(due(&world), [], "what is not accomplished is not removed by itself");
    world.decide(&scope(), |view| rules::seal_snapshot(view, &"s-1".into())).unwrap();
    let end = |days: i64| Due::SnapshotEnd {
        snapshot: "s-1".into(),
        scope: scope(),
        until_ms: created_ms + days * DAY_MS,
    };
    assert_eq!(due(&world), [end(3)]);
    let modify = |world: &mut World, days| {
        world.decide(&scope(), |view| rules::modify_snapshot(view, &"s-1".into(), None, None, Some(days)))
    };
    world.now_ms += 2 * DAY_MS;
    modify(&mut world, 10).unwrap();
    assert_eq!(due(&world), [end(10)]);
    assert_eq!(code(modify(&mut world, 2)), "InvalidRetentionDays.Malformed", "it is older already");
    assert_eq!(code(modify(&mut world, 65537)), "InvalidRetentionDays.Malformed");
    modify(&mut world, 0).unwrap();
    assert_eq!(due(&world), []);
    modify(&mut world, 3).unwrap();
    let expire =
        |world: &World| world.ask(&scope(), |view| rules::delete_snapshot(view, &"s-1".into(), false, true));
    assert_eq!(code(expire(&world)), "IncorrectSnapshotStatus", "a day is left");
    world.now_ms += DAY_MS;
    expire(&world).unwrap();
    world.decide(&scope(), |view| rules::delete_snapshot(view, &"s-1".into(), false, true)).unwrap();
    assert_eq!(due(&world), []);
}

#[test]
fn an_image_holds_a_snapshot_even_against_force_and_a_disk_does_not() {
    let mut world = with_disk();
    take(&mut world, "s-1", "d-1");
    make_image(&mut world, "m-1", vec![plan(0, "s-1", false, 2 * GIB), plan(1, "s-1", false, 2 * GIB)]);
    let delete = |world: &World, force| {
        world.ask(&scope(), |view| rules::delete_snapshot(view, &"s-1".into(), force, false))
    };
    assert_eq!(code(delete(&world, true)), "SnapshotCreatedImage");
    let disk = crate::events::DiskReserved { of_snapshot: Some("s-1".into()), ..new_disk(&scope(), "d-2") };
    world.decide(&scope(), |view| rules::reserve_disk(view, disk)).unwrap();
    world.decide(&scope(), |view| rules::seal_disk(view, &"d-2".into())).unwrap();
    world.decide(&scope(), |view| rules::delete(view, &"m-1".into(), Deletion::default())).unwrap();
    assert_eq!(code(delete(&world, false)), "SnapshotCreatedDisk");
    world.decide(&scope(), |view| rules::delete_snapshot(view, &"s-1".into(), true, false)).unwrap();
    assert_eq!(code(delete(&world, true)), "InvalidSnapshotId.NotFound");
    let live = image::live_manifests(&world.rows, &"cn-a".into());
    let held = world.disk(&scope(), "d-2").unwrap().disk.unwrap().manifest;
    assert!(live.iter().any(|(_, manifest)| *manifest == held), "a disk outlives its snapshot");
}

#[test]
fn snapshots_of_one_disk_are_copied_to_a_region_one_at_a_time() {
    let mut world = with_disk();
    take(&mut world, "s-1", "d-1");
    take(&mut world, "s-2", "d-1");
    let begin = |world: &mut World, id: &str, target: &str, to: &str| {
        world
            .decide(&scope(), |view| rules::begin_snapshot_copy(view, &id.into(), &target.into(), &to.into()))
    };
    assert_eq!(code(begin(&mut world, "s-1", "s-9", "cn-a")), "InvalidOperation.NotSupportCopyInSameRegion");
    begin(&mut world, "s-1", "s-9", "cn-b").unwrap();
    for (id, to) in [("s-1", "cn-b"), ("s-2", "cn-b")] {
        assert_eq!(code(begin(&mut world, id, "s-8", to)), "InvalidOperation.DiskHasUnfinishedSnapshotCopy");
    }
    begin(&mut world, "s-2", "s-7", "cn-c").unwrap();
    let delete = world.ask(&scope(), |view| rules::delete_snapshot(view, &"s-1".into(), true, false));
    assert_eq!(code(delete), "Operation.Conflict");
    let end = |world: &mut World, id: &str, target: &str, to: &str| {
        let ended = world
            .ask(&scope(), |view| rules::end_snapshot_copy(view, &id.into(), &target.into(), &to.into()));
        world.tell(&scope(), ended);
    };
    end(&mut world, "s-1", "s-8", "cn-b");
    assert_eq!(world.snapshot(&scope(), "s-1").unwrap().copies.len(), 1, "the undo of another copy");
    end(&mut world, "s-1", "s-9", "cn-b");
    begin(&mut world, "s-2", "s-8", "cn-b").unwrap();
    world.decide(&scope(), |view| rules::delete_snapshot(view, &"s-1".into(), true, false)).unwrap();
}

#[test]
fn a_snapshot_needs_verified_content_to_be_accomplished() {
    let mut world = World::new();
    let copy = crate::events::SnapshotReserved {
        copy_of: Some(("cn-b".into(), "s-0".into())),
        size_bytes: GIB,
        ..new_snapshot(&scope(), "s-1", None)
    };
    world.decide(&scope(), |view| rules::reserve_snapshot(view, copy)).unwrap();
    let seal = |world: &World| world.ask(&scope(), |view| rules::seal_snapshot(view, &"s-1".into()));
    assert_eq!(code(seal(&world)), "IncorrectSnapshotStatus");
    let delete = world.ask(&scope(), |view| rules::delete_snapshot(view, &"s-1".into(), true, false));
    assert_eq!(code(delete), "IncorrectSnapshotStatus");
    world.arrive(&scope(), "s-1", None, GIB, 5);
    world.decide(&scope(), |view| rules::seal_snapshot(view, &"s-1".into())).unwrap();
    assert_eq!(code(seal(&world)), "IncorrectSnapshotStatus", "once is enough");
    let released = world.ask(&scope(), |view| rules::release_snapshot(view, &"s-1".into()));
    world.tell(&scope(), released);
    assert!(world.snapshot(&scope(), "s-1").is_some(), "what is accomplished is not given back");
}

/// A world with a disk, a snapshot of it and an image on that, and a way to tag in it.
fn tagged() -> World {
    let mut world = with_disk();
    take(&mut world, "s-1", "d-1");
    make_image(&mut world, "m-1", vec![plan(0, "s-1", false, 2 * GIB)]);
    world
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn tag(
    world: &mut World,
    ids: &[&str],
    set: &[(&str, &str)],
    remove: &[&str],
    all: bool,
) -> Result<crate::events::ResourcesTagged, event::Refusal> {
    let resources: Vec<ResourceId> = ids.iter().map(|id| ResourceId::from(*id)).collect();
    let (set, remove) = (pairs(set), remove.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>());
    let tagging = Tagging { set: &set, remove: &remove, all };
    world.decide(&scope(), |view| rules::tag(view, &resources, tagging))
}

#[test]
fn tags_go_on_all_resources_or_on_none() {
    let mut world = tagged();
    assert_eq!(
        code(tag(&mut world, &["m-1", "s-1", "d-9"], &[("env", "prod")], &[], false)),
        "InvalidResourceId.NotFound"
    );
    assert!(world.image(&scope(), "m-1").unwrap().tags.is_empty());
    let told = tag(&mut world, &["m-1", "s-1", "d-1", "m-1"], &[("env", "prod"), ("a", "")], &[], false);
    assert_eq!(told.unwrap().resources.len(), 3, "named twice is tagged once");
    tag(&mut world, &["m-1"], &[("env", "test")], &["a"], false).unwrap();
    assert_eq!(world.image(&scope(), "m-1").unwrap().tags, pairs(&[("env", "test")]));
    assert_eq!(world.snapshot(&scope(), "s-1").unwrap().tags, pairs(&[("env", "prod"), ("a", "")]));
    assert_eq!(world.disk(&scope(), "d-1").unwrap().tags, pairs(&[("env", "prod"), ("a", "")]));
}

#[test]
fn a_tagging_keeps_to_the_limits_of_the_api() {
    let mut world = tagged();
    let many: Vec<String> = (0..21).map(|number| format!("k{number}")).collect();
    let set: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "v")).collect();
    let keys: Vec<&str> = many.iter().map(String::as_str).collect();
    let ids = vec!["m-1"; 51];
    for (ids, set, remove, wanted) in [
        (&ids[..], &set[..1], &[][..], "NumberExceed.ResourceIds"),
        (&[][..], &set[..1], &[][..], "MissingParameter.ResourceIds"),
        (&ids[..1], &[][..], &[][..], "MissingParameter.Tags"),
        (&ids[..1], &set[..], &[][..], "NumberExceed.Tags"),
        (&ids[..1], &[][..], &keys[..], "NumberExceed.Tags"),
        (&ids[..1], &[("acs:x", "v")][..], &[][..], "InvalidTagKey.Malformed"),
        (&ids[..1], &[("", "v")][..], &[][..], "InvalidTagKey.Malformed"),
        (&ids[..1], &[("k", "acs:v")][..], &[][..], "InvalidTagValue.Malformed"),
        (&ids[..1], &[][..], &["acs:ecs:image:osVersion"][..], "NoPermission.Tag"),
        (&["x-1"][..], &set[..1], &[][..], "InvalidResourceId.NotFound"),
    ] {
        assert_eq!(code(tag(&mut world, ids, set, remove, false)), wanted);
    }
    tag(&mut world, &ids[..50], &set[..20], &[], false).unwrap();
    assert_eq!(code(tag(&mut world, &["m-1"], &set[20..], &[], false)), "QuotaExceed.Tags");
    tag(&mut world, &["m-1"], &set[20..], &["k0"], false).unwrap();
    assert_eq!(world.image(&scope(), "m-1").unwrap().tags.len(), 20);
}

#[test]
fn all_tags_go_but_those_of_the_system_and_named_keys_stand_against_all() {
    let mut world = tagged();
    let item = crate::port::CheckItem {
        name: "GUESTOS.OSVersion".to_owned(),
        value: "Debian 13".to_owned(),
        risk: None,
        risk_code: String::new(),
    };
    world.decide(&scope(), |view| rules::end_check(view, &"m-1".into(), Ok(vec![item]))).unwrap();
    tag(&mut world, &["m-1"], &[("a", "1"), ("b", "2"), ("c", "3")], &[], false).unwrap();
    let keys = |world: &World| world.image(&scope(), "m-1").unwrap().tags.into_keys().collect::<Vec<_>>();
    tag(&mut world, &["m-1"], &[], &["a"], true).unwrap();
    assert_eq!(keys(&world), ["acs:ecs:image:osVersion", "b", "c"], "only the one that was named");
    tag(&mut world, &["m-1"], &[("d", "4")], &[], true).unwrap();
    assert_eq!(keys(&world), ["acs:ecs:image:osVersion", "d"]);
    tag(&mut world, &["m-1"], &[], &[], true).unwrap();
    assert_eq!(keys(&world), ["acs:ecs:image:osVersion"]);
}

#[test]
fn quotas_count_what_is_being_made() {
    let mut world = with_disk();
    let quotas = image::Quotas { snapshots: Some(1), disks: Some(1), ..image::Quotas::default() };
    world.decide(&scope(), |view| rules::set_quotas(view, quotas)).unwrap();
    let disk = crate::events::DiskReserved { size_bytes: GIB, ..new_disk(&scope(), "d-2") };
    assert_eq!(code(world.ask(&scope(), |view| rules::reserve_disk(view, disk))), "QuotaExceed.Disk");
    let wanted = |id: &str| new_snapshot(&scope(), id, Some("d-1"));
    world.decide(&scope(), |view| rules::reserve_snapshot(view, wanted("s-1"))).unwrap();
    let full = world.ask(&scope(), |view| rules::reserve_snapshot(view, wanted("s-2")));
    assert_eq!(code(full), "QuotaExceed.Snapshot");
    let released = world.ask(&scope(), |view| rules::release_snapshot(view, &"s-1".into()));
    world.tell(&scope(), released);
    world.decide(&scope(), |view| rules::reserve_snapshot(view, wanted("s-2"))).unwrap();
}
