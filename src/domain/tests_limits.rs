//! How many and how large: disks of an image, exports, snapshots of a disk, families, quotas, tags, each at
//! its border.

use std::collections::BTreeMap;

use event::Refusal;

use crate::events::{Attributes, BucketReserved, DiskPlan, ImageReserved, SnapshotSealed};
use crate::image::{DiskKind, Making, Quotas};
use crate::machine::{BootMode, LicenseType, MachineAsked, Nvme, SecureBoot};
use crate::port::{Compression, Format, Location, Target, Wrapping};
use crate::rules::{self, DISK_SIZE_MAX, DISK_SNAPSHOTS_MAX, Deletion, EXPORT_DISK_MAX, FAMILIES_MAX};
use crate::tests_kit::{GIB, World, code, image_of, make_image, new_snapshot, plan, scope, with_disk};
use crate::{SnapshotId, name};

fn reserve(world: &World, wanted: ImageReserved) -> Result<(), Refusal> {
    world.ask(&scope(), |view| rules::reserve(view, wanted)).map(drop)
}

fn image(disks: Vec<DiskPlan>) -> ImageReserved {
    image_of(&scope(), "m-1", disks, Making::Import)
}

fn disks(count: u8) -> Vec<DiskPlan> {
    (0..count).map(|place| plan(place, &format!("s-{place}"), true, GIB)).collect()
}

#[test]
fn an_image_has_one_system_disk_and_up_to_sixteen_data_disks() {
    let world = World::new();
    for count in [1, 2, 17] {
        assert_eq!(reserve(&world, image(disks(count))), Ok(()), "{count}");
    }
    assert_eq!(code(reserve(&world, image(disks(18)))), "InvalidDiskCount.ValueNotSupported");
    assert_eq!(code(reserve(&world, image(Vec::new()))), "OperationDenied");
    let data_only = DiskPlan { kind: DiskKind::Data, ..plan(1, "s-1", true, GIB) };
    assert_eq!(code(reserve(&world, image(vec![data_only]))), "OperationDenied");
    let two = vec![plan(0, "s-0", true, GIB), plan(0, "s-1", true, GIB)];
    assert_eq!(code(reserve(&world, image(two))), "OperationDenied", "two system disks");
    let twice = vec![plan(0, "s-0", true, GIB), plan(1, "s-1", true, GIB), plan(1, "s-2", true, GIB)];
    assert_eq!(code(reserve(&world, image(twice))), "InvalidDevice.InUse");
    let mut swapped = disks(2);
    swapped[1].device = "/dev/xvda".to_owned();
    assert_eq!(code(reserve(&world, image(swapped))), "InvalidDevice.Malformed");
}

#[test]
fn a_disk_of_an_image_has_up_to_2048_gib_and_holds_what_is_on_it() {
    let world = World::new();
    for (place, refused) in [(0, "InvalidImageSize"), (1, "InvalidDataDiskSize")] {
        let sized = |size_bytes, disk_bytes| {
            let mut disks = disks(2);
            disks[place].size_bytes = size_bytes;
            disks[place].disk_bytes = disk_bytes;
            reserve(&world, image(disks))
        };
        for (size_bytes, disk_bytes) in [(DISK_SIZE_MAX, DISK_SIZE_MAX), (GIB, GIB), (2 * GIB, 512)] {
            assert_eq!(sized(size_bytes, disk_bytes), Ok(()));
        }
        for (size_bytes, disk_bytes) in
            [(DISK_SIZE_MAX + 1, GIB), (DISK_SIZE_MAX + 1, DISK_SIZE_MAX + 1), (GIB - 1, GIB)]
        {
            assert_eq!(code(sized(size_bytes, disk_bytes)), refused, "{size_bytes} {disk_bytes}");
        }
    }
}

#[test]
fn a_disk_on_a_snapshot_is_at_least_as_large_and_the_snapshot_accomplished() {
    let mut world = with_disk();
    world
        .decide(&scope(), |view| rules::reserve_snapshot(view, new_snapshot(&scope(), "s-1", Some("d-1"))))
        .unwrap();
    let on = |world: &World, snapshot: &str, size_bytes| {
        let disk = DiskPlan { size_bytes, disk_bytes: 0, ..plan(0, snapshot, false, 0) };
        let wanted = image_of(&scope(), "m-1", vec![disk], Making::Snapshots);
        world.ask(&scope(), |view| rules::reserve(view, wanted)).map(|image| image.disks[0].size_bytes)
    };
    assert_eq!(code(on(&world, "s-1", 0)), "InvalidSnapshotId.NotReady");
    assert_eq!(code(on(&world, "s-2", 0)), "InvalidSnapshotId.NotFound");
    world.tell(&scope(), SnapshotSealed { snapshot: "s-1".into() });
    for (asked, has) in [(0, 2 * GIB), (2 * GIB, 2 * GIB), (3 * GIB, 3 * GIB)] {
        assert_eq!(on(&world, "s-1", asked), Ok(has));
    }
    assert_eq!(code(on(&world, "s-1", 2 * GIB - 1)), "InvalidSize.ValueNotSupported");
}

#[test]
fn an_import_boots_in_one_way_and_tells_its_tags_apart_by_more_than_case() {
    let world = World::new();
    let machine = |boot_mode| {
        let asked = MachineAsked { boot_mode: Some(boot_mode), ..MachineAsked::default() };
        asked.resolve().unwrap()
    };
    let booting =
        |making, boot_mode| ImageReserved { making, machine: machine(boot_mode), ..image(disks(1)) };
    for boot_mode in [BootMode::Bios, BootMode::Uefi] {
        assert_eq!(reserve(&world, booting(Making::Import, boot_mode)), Ok(()));
    }
    let either = BootMode::UefiPreferred;
    assert_eq!(code(reserve(&world, booting(Making::Import, either))), "InvalidBootMode.NotSupport");
    assert_eq!(reserve(&world, booting(Making::Snapshots, either)), Ok(()));
    let tagged = |making, keys: &[&str]| {
        let tags = keys.iter().map(|key| ((*key).to_owned(), String::new())).collect();
        ImageReserved { tags, making, ..image(disks(1)) }
    };
    let alike = ["env", "Env"];
    assert_eq!(code(reserve(&world, tagged(Making::Import, &alike))), "TagKey.Duplication");
    assert_eq!(reserve(&world, tagged(Making::Import, &["env", "envy"])), Ok(()));
    assert_eq!(reserve(&world, tagged(Making::Snapshots, &alike)), Ok(()));
}

#[test]
fn something_new_has_at_most_twenty_tags() {
    let world = World::new();
    let tags = |count: usize| -> BTreeMap<String, String> {
        (0..count).map(|number| (format!("k{number}"), String::new())).collect()
    };
    let tagged = |count| ImageReserved { tags: tags(count), ..image(disks(1)) };
    assert_eq!(reserve(&world, tagged(name::TAGS_MAX)), Ok(()));
    assert_eq!(code(reserve(&world, tagged(name::TAGS_MAX + 1))), "InvalidTagCount");
    for (key, value, refused) in
        [("acs:x", "", "InvalidTagKey.Malformed"), ("k", "acs:x", "InvalidTagValue.Malformed")]
    {
        let tags = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        assert_eq!(code(reserve(&world, ImageReserved { tags, ..image(disks(1)) })), refused);
    }
}

#[test]
fn a_quota_counts_images_and_snapshots_that_are_being_made() {
    let mut world = World::new();
    let quotas = Quotas { images: Some(2), snapshots: Some(3), ..Quotas::default() };
    world.decide(&scope(), |view| rules::set_quotas(view, quotas)).unwrap();
    let named = |id: &str, count| {
        let disks = (0..count).map(|place| plan(place, &format!("s-{id}-{place}"), true, GIB)).collect();
        image_of(&scope(), id, disks, Making::Import)
    };
    world.decide(&scope(), |view| rules::reserve(view, named("m-1", 2))).unwrap();
    assert_eq!(code(reserve(&world, named("m-2", 2))), "QuotaExceed.Snapshot");
    world.decide(&scope(), |view| rules::reserve(view, named("m-2", 1))).unwrap();
    assert_eq!(code(reserve(&world, named("m-3", 1))), "QuotaExceed.Image");
    let released = world.ask(&scope(), |view| rules::release(view, &"m-1".into()));
    world.tell(&scope(), released);
    assert_eq!(reserve(&world, named("m-3", 2)), Ok(()));
}

#[test]
fn a_disk_has_up_to_256_snapshots() {
    let mut world = with_disk();
    let take = |world: &mut World, id: &str| -> Result<(), Refusal> {
        let wanted = new_snapshot(&scope(), id, Some("d-1"));
        world.decide(&scope(), |view| rules::reserve_snapshot(view, wanted))?;
        world.decide(&scope(), |view| rules::seal_snapshot(view, &id.into())).map(drop)
    };
    for number in 0..DISK_SNAPSHOTS_MAX {
        take(&mut world, &format!("s-{number}")).unwrap();
    }
    assert_eq!(code(take(&mut world, "s-more")), "QuotaExceed.Snapshot");
    let id = SnapshotId::from("s-7");
    world.decide(&scope(), |view| rules::delete_snapshot(view, &id, false, false)).unwrap();
    take(&mut world, "s-more").unwrap();
}

#[test]
fn a_modification_that_moves_into_a_family_keeps_to_its_limits() {
    let mut world = World::new();
    let of = |id: &str, family: Option<&str>| {
        let disk = plan(0, &format!("s-{id}"), true, GIB);
        ImageReserved {
            family: family.map(str::to_owned),
            ..image_of(&scope(), id, vec![disk], Making::Import)
        }
    };
    make_image(&mut world, "m-0", vec![plan(0, "s-m-0", true, GIB)]);
    let quotas = Quotas { family_images: Some(2), ..Quotas::default() };
    world.decide(&scope(), |view| rules::set_quotas(view, quotas)).unwrap();
    for id in ["m-1", "m-2"] {
        world.decide(&scope(), |view| rules::reserve(view, of(id, Some("web")))).unwrap();
    }
    assert_eq!(code(reserve(&world, of("m-3", Some("web")))), "ImageQuotaExceed.ImageFamily");
    for number in 1..FAMILIES_MAX {
        let wanted = of(&format!("f-{number}"), Some(&format!("family-{number}")));
        world.decide(&scope(), |view| rules::reserve(view, wanted)).unwrap();
    }
    assert_eq!(code(reserve(&world, of("m-3", Some("another")))), "ImageFamilyQuotaExceed");
    for (family, wanted) in [
        ("web", Some("ImageQuotaFull.ImageFamily")),
        ("another", Some("ImageFamilyQuotaFull")),
        ("family-1", None),
        ("", Some("InvalidImageFamily.Malformed")),
        ("acs:web", Some("InvalidImageFamily.Malformed")),
    ] {
        let to = Attributes { family: Some(family.to_owned()), ..Attributes::default() };
        let answer = world.ask(&scope(), |view| rules::modify(view, &"m-0".into(), &to));
        assert_eq!(answer.err().map(|refusal| refusal.code).as_deref(), wanted, "{family}");
    }
}

#[test]
fn a_modification_is_refused_for_each_attribute_that_will_not_do() {
    let mut world = World::new();
    let wanted = image(disks(1));
    let asked =
        MachineAsked { architecture: Some(crate::machine::Architecture::Arm64), ..MachineAsked::default() };
    let wanted = ImageReserved { machine: asked.resolve().unwrap(), ..wanted };
    world.decide(&scope(), |view| rules::reserve(view, wanted)).unwrap();
    world.arrive(&scope(), "m-1", Some(&"s-0".into()), GIB, 1);
    world.decide(&scope(), |view| rules::seal(view, &"m-1".into())).unwrap();
    let none = Attributes::default;
    let many = (0..21).map(|number| (format!("k{number}"), Some(String::new()))).collect();
    for (to, refused) in [
        (Attributes { name: Some("x".to_owned()), ..none() }, "InvalidImageName.Malformed"),
        (Attributes { description: Some("x".to_owned()), ..none() }, "InvalidDescription.Malformed"),
        (Attributes { boot_mode: Some(BootMode::Bios), ..none() }, "InvalidBootMode.NotSupport"),
        (Attributes { license_type: Some(LicenseType::Byol), ..none() }, "InvalidLicenseType.NotSupported"),
        (Attributes { license_type: Some(LicenseType::Aliyun), ..none() }, "InvalidLicenseType.NotSupported"),
        (Attributes { tags: many, ..none() }, "InvalidTagCount"),
    ] {
        // Whatever else is right: all or nothing.
        let to = Attributes { nvme: Some(Nvme::Supported), ..to };
        let answer = world.ask(&scope(), |view| rules::modify(view, &"m-1".into(), &to));
        assert_eq!(code(answer), refused, "{to:?}");
    }
}

#[test]
fn only_what_boots_by_uefi_boots_securely_whichever_of_the_two_is_changed() {
    use BootMode::{Bios, Uefi, UefiPreferred};
    use SecureBoot::{Supported, Unsupported};
    let image_with = |boot_mode, secure_boot| {
        let asked = MachineAsked {
            boot_mode: Some(boot_mode),
            secure_boot: Some(secure_boot),
            ..MachineAsked::default()
        };
        let mut world = World::new();
        let wanted =
            ImageReserved { machine: asked.resolve().unwrap(), making: Making::Snapshots, ..image(disks(1)) };
        world.decide(&scope(), |view| rules::reserve(view, wanted)).unwrap();
        world.arrive(&scope(), "m-1", Some(&"s-0".into()), GIB, 1);
        world.decide(&scope(), |view| rules::seal(view, &"m-1".into())).unwrap();
        world
    };
    for (is, boot_mode, secure_boot, becomes) in [
        ((Bios, Unsupported), None, Some(Supported), None),
        ((Bios, Unsupported), Some(Uefi), Some(Supported), Some((Uefi, Supported))),
        ((Bios, Unsupported), Some(Bios), Some(Unsupported), Some((Bios, Unsupported))),
        ((Uefi, Unsupported), None, Some(Supported), Some((Uefi, Supported))),
        ((Uefi, Unsupported), Some(Bios), Some(Supported), None),
        ((Uefi, Supported), Some(Bios), None, None),
        ((Uefi, Supported), Some(UefiPreferred), None, Some((UefiPreferred, Supported))),
        ((UefiPreferred, Supported), Some(Bios), Some(Unsupported), Some((Bios, Unsupported))),
        ((UefiPreferred, Supported), None, Some(Unsupported), Some((UefiPreferred, Unsupported))),
    ] {
        let mut world = image_with(is.0, is.1);
        let to = Attributes { boot_mode, secure_boot, ..Attributes::default() };
        let what = format!("{is:?} to {to:?}");
        let answer = world.decide(&scope(), |view| rules::modify(view, &"m-1".into(), &to));
        let refused = answer.err().map(|refusal| refusal.code);
        assert_eq!(refused.as_deref(), becomes.is_none().then_some("InvalidParameter"), "{what}");
        let machine = world.image(&scope(), "m-1").unwrap().machine;
        assert_eq!((machine.boot_mode, machine.secure_boot), becomes.unwrap_or(is), "{what}");
    }
}

/// A check holds nothing: an image was deleted and its chunks collected before the check had read them, and the
/// check said that the store was damaged. Found by a race of the two with `KILN_SEED=14`.
#[test]
fn what_a_check_cannot_read_is_damage_only_while_the_image_is_there() {
    let mut world = World::new();
    make_image(&mut world, "m-1", disks(1));
    let damage = || Err(Refusal::new("Storage.Corrupt", "a chunk is missing"));
    let end = |world: &World, found| world.ask(&scope(), |view| rules::end_check(view, &"m-1".into(), found));
    assert_eq!(code(end(&world, damage())), "Storage.Corrupt");
    world.decide(&scope(), |view| rules::delete(view, &"m-1".into(), Deletion::default())).unwrap();
    assert_eq!(code(end(&world, damage())), "InvalidImageId.NotFound");
    assert!(end(&world, Ok(Vec::new())).is_ok(), "what was read in time is told");
}

fn export(world: &World, device: &str) -> Result<(), Refusal> {
    let target = Target {
        at: Location::file("/out"),
        wrapping: Wrapping::None,
        format: Format::Raw,
        compression: Compression::None,
        replace: false,
    };
    let targets = [(device.to_owned(), target)];
    world.ask(&scope(), |view| rules::begin_export(view, &"m-1".into(), &"t-1".into(), &targets)).map(drop)
}

#[test]
fn an_export_takes_four_data_disks_of_500_gib() {
    let of = |count: u8, size_bytes| {
        let mut world = World::new();
        let mut disks = disks(count);
        disks.last_mut().unwrap().size_bytes = size_bytes;
        make_image(&mut world, "m-1", disks);
        export(&world, "/dev/xvda")
    };
    for (count, size_bytes) in [(1, EXPORT_DISK_MAX), (5, EXPORT_DISK_MAX), (2, GIB)] {
        assert_eq!(of(count, size_bytes), Ok(()), "{count}");
    }
    for (count, size_bytes) in [(6, GIB), (2, EXPORT_DISK_MAX + 1), (1, EXPORT_DISK_MAX + 1)] {
        assert_eq!(code(of(count, size_bytes)), "InvalidImage.DiskAmountOrSize", "{count}");
    }
}

#[test]
fn windows_server_and_what_is_everybodys_are_not_exported_and_exports_are_counted() {
    let platform = |platform: &str| {
        let mut world = World::new();
        let asked = MachineAsked { platform: Some(platform.to_owned()), ..MachineAsked::default() };
        let wanted = ImageReserved { machine: asked.resolve().unwrap(), ..image(disks(1)) };
        world.decide(&scope(), |view| rules::reserve(view, wanted)).unwrap();
        world.arrive(&scope(), "m-1", Some(&"s-0".into()), GIB, 1);
        world.decide(&scope(), |view| rules::seal(view, &"m-1".into())).unwrap();
        world
    };
    for server in ["Windows Server 2022", "Windows Server 2003"] {
        assert_eq!(code(export(&platform(server), "/dev/xvda")), "InvalidImageLicense.NotSupported");
    }
    let mut world = platform("Other Windows");
    assert_eq!(export(&world, "/dev/xvda"), Ok(()));
    assert_eq!(code(export(&world, "/dev/xvdb")), "InvalidDevice.Malformed", "it has no such disk");
    let quotas = Quotas { exports: Some(1), ..Quotas::default() };
    world.decide(&scope(), |view| rules::set_quotas(view, quotas)).unwrap();
    world.decide(&scope(), |view| rules::begin_export(view, &"m-1".into(), &"t-1".into(), &[])).unwrap();
    assert_eq!(code(export(&world, "/dev/xvda")), "ConcurrentQuotaExceed.ExportImage");
    let ended = world.ask(&scope(), |view| rules::withdraw_export(view, &"m-1".into()));
    world.tell(&scope(), ended);
    world.decide(&scope(), |view| rules::publish(view, &"m-1".into())).unwrap();
    assert_eq!(code(export(&world, "/dev/xvda")), "InvalidImageCategory.NotSupported");
    let deleted = world.ask(&scope(), |view| rules::delete(view, &"m-1".into(), Deletion::default()));
    assert_eq!(code(deleted), "ImageIsPublic");
}

#[test]
fn accounts_and_regions_are_named_once_and_as_they_have_to_be() {
    let mut world = World::new();
    let house = crate::image::house();
    for (id, wanted) in [
        ("1", None),
        ("123456789012345678", None),
        ("", Some("InvalidAccount.Malformed")),
        ("1234567890123456789", Some("InvalidAccount.Malformed")),
        ("0123", Some("InvalidAccount.Malformed")),
        ("12a", Some("InvalidAccount.Malformed")),
    ] {
        let answer = world.ask(&house, |view| rules::create_account(view, &id.into(), "some"));
        assert_eq!(answer.err().map(|refusal| refusal.code).as_deref(), wanted, "{id}");
    }
    world.decide(&house, |view| rules::create_account(view, &"7".into(), "some")).unwrap();
    let again = world.ask(&house, |view| rules::create_account(view, &"7".into(), "some"));
    assert_eq!(code(again), "InvalidAccount.Duplicated");
    let add = |id: &str| crate::events::RegionAdded { region: id.into(), store: crate::StoreId::default() };
    for id in ["", "Cn", "-a", "1a", "a_b", &"a".repeat(33)] {
        let answer = world.ask(&house, |view| rules::add_region(view, add(id)));
        assert_eq!(code(answer), "InvalidRegionId.Malformed", "{id}");
    }
    world.decide(&house, |view| rules::add_region(view, add("cn-x"))).unwrap();
    assert_eq!(
        code(world.ask(&house, |view| rules::add_region(view, add("cn-x")))),
        "InvalidRegionId.Duplicated"
    );
    let known = ["cn-x".into()];
    assert_eq!(rules::known_region(&known, &"cn-x".into()), Ok(()));
    assert_eq!(code(rules::known_region(&known, &"cn-y".into())), "InvalidRegionId.NotFound");
}

#[test]
fn a_buckets_name_is_taken_once() {
    let mut world = World::new();
    let house = crate::image::house();
    let bucket = |account: &str, bucket: &str| BucketReserved {
        bucket: bucket.to_owned(),
        account: account.into(),
        region: "cn-a".into(),
    };
    let reserve = |world: &World, account: &str, name: &str| {
        world.ask(&house, |view| rules::reserve_bucket(view, bucket(account, name))).map(drop)
    };
    assert_eq!(code(reserve(&world, "1", "X")), "InvalidOSSBucket.Malformed");
    world.decide(&house, |view| rules::reserve_bucket(view, bucket("1", "mine"))).unwrap();
    assert_eq!(code(reserve(&world, "1", "mine")), "BucketAlreadyOwnedByYou");
    assert_eq!(code(reserve(&world, "2", "mine")), "BucketAlreadyExists");
    assert_eq!(reserve(&world, "2", "theirs"), Ok(()));
    let close =
        |world: &World, by: &str| world.ask(&house, |view| rules::close_bucket(view, "mine", &by.into()));
    assert_eq!(code(close(&world, "1")), "InvalidOSSBucket.NotFound", "it is not made yet");
    let made = world.ask(&house, |view| rules::made_bucket(view, "mine")).unwrap();
    world.tell(&house, made);
    assert!(close(&world, "1").is_ok());
    assert_eq!(code(close(&world, "2")), "InvalidOSSBucket.NotFound", "to others it is not there");
}
