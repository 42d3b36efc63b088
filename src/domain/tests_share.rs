//! Sharing, publishing, copying and deleting, rule by rule.

use event::{Refusal, Scope};

use crate::events::{CopyEnded, ImageDeprecated};
use crate::image::{self, Making, Quotas};
use crate::rules::{self, Deletion, IMAGE_SHARES_MAX};
use crate::tests_kit::{ACCOUNT, GIB, World, code, make_image, new_disk, plan, scope, take, with_disk};
use crate::{AccountId, ImageId};

const HOUR_MS: i64 = 60 * 60 * 1000;

fn world() -> World {
    let mut world = World::new();
    make_image(&mut world, "m-1", vec![plan(0, "s-1", true, GIB)]);
    world
}

fn accounts(ids: impl IntoIterator<Item = u32>) -> Vec<AccountId> {
    ids.into_iter().map(|id| AccountId(id.to_string())).collect()
}

fn id() -> ImageId {
    "m-1".into()
}

fn share(world: &mut World, add: &[AccountId], remove: &[AccountId]) -> Result<(), Refusal> {
    world.decide(&scope(), |view| rules::change_shares(view, &id(), add, None, remove)).map(drop)
}

fn shares(world: &World) -> usize {
    world.image(&scope(), "m-1").unwrap().shares.len()
}

#[test]
fn an_image_is_shared_with_fifty_accounts_and_no_more() {
    let mut world = world();
    let fifty = accounts(1..=IMAGE_SHARES_MAX);
    share(&mut world, &fifty[..49], &[]).unwrap();
    assert_eq!(code(share(&mut world, &accounts([900, 901]), &[])), "QuotaExceed.ShareImageUser");
    assert_eq!(shares(&world), 49, "none of them");
    share(&mut world, &fifty[49..], &[]).unwrap();
    share(&mut world, &fifty[..3], &[]).unwrap();
    assert_eq!(code(share(&mut world, &accounts([900]), &[])), "QuotaExceed.ShareImageUser");
    share(&mut world, &accounts([900]), &fifty[..1]).unwrap();
    assert_eq!(shares(&world), 50, "one came as one went");
    // Whoever set the bar higher may go above it.
    let quotas = Quotas { image_shares: Some(51), shares: Some(51), ..Quotas::default() };
    world.decide(&scope(), |view| rules::set_quotas(view, quotas)).unwrap();
    share(&mut world, &accounts([902]), &[]).unwrap();
    let quotas = Quotas { image_shares: Some(100), ..Quotas::default() };
    world.decide(&scope(), |view| rules::set_quotas(view, quotas)).unwrap();
    assert_eq!(code(share(&mut world, &accounts([903]), &[])), "QuotaExceed.ShareImage", "of all images");
}

#[test]
fn sharing_again_and_unsharing_who_has_no_share_change_nothing() {
    let mut world = world();
    let (friend, stranger) = (accounts([200_000]), accounts([300_000]));
    share(&mut world, &friend, &[]).unwrap();
    let before = world.rows.0.clone();
    share(&mut world, &friend, &stranger).unwrap();
    assert_eq!(world.rows.0, before);
    share(&mut world, &[], &friend).unwrap();
    share(&mut world, &[], &friend).unwrap();
    assert_eq!(shares(&world), 0);
}

#[test]
fn an_image_is_not_shared_with_its_owner_nor_when_it_is_everybodys() {
    let mut world = world();
    let friend = accounts([200_000]);
    assert_eq!(code(share(&mut world, &[ACCOUNT.into()], &[])), "InvalidAccount.Forbbiden");
    assert_eq!(code(share(&mut world, &friend, &friend)), "InvalidParameter");
    world.decide(&scope(), |view| rules::publish(view, &id())).unwrap();
    assert_eq!(code(share(&mut world, &friend, &[])), "Image.Public");
    share(&mut world, &[], &friend).unwrap();
    assert_eq!(code(world.ask(&scope(), |view| rules::publish(view, &id()))), "Image.Public");
    world.decide(&scope(), |view| rules::unpublish(view, &id())).unwrap();
    assert_eq!(code(world.ask(&scope(), |view| rules::unpublish(view, &id()))), "Image.NotPublic");
    share(&mut world, &friend, &[]).unwrap();
}

#[test]
fn a_share_is_in_force_until_its_end_and_not_a_millisecond_longer() {
    let mut world = world();
    let friend = AccountId::from("200000");
    let until_ms = world.now_ms + HOUR_MS;
    let change = |world: &World, until_ms| {
        let friends = [friend.clone()];
        world.ask(&scope(), |view| rules::change_shares(view, &id(), &friends, Some(until_ms), &[]))
    };
    assert_eq!(code(change(&world, world.now_ms)), "InvalidParameter.ShareUntil");
    let shared = change(&world, until_ms).unwrap();
    world.tell(&scope(), shared);
    let end = |world: &World, until_ms| {
        world.ask(&scope(), |view| rules::end_share(view, &id(), &friend, until_ms))
    };
    world.now_ms = until_ms - 1;
    assert!(world.image(&scope(), "m-1").unwrap().is_visible_to(&friend, world.now_ms));
    assert_eq!(code(end(&world, until_ms)), "IncorrectShareStatus");
    let deprecate = |world: &World| world.ask(&scope(), |view| rules::deprecate(view, &id()));
    assert_eq!(code(deprecate(&world)), "ImageUseShared");
    world.now_ms = until_ms;
    assert!(!world.image(&scope(), "m-1").unwrap().is_visible_to(&friend, world.now_ms));
    assert!(deprecate(&world).is_ok(), "whether or not its end was told");
    assert_eq!(code(end(&world, until_ms + 1)), "IncorrectShareStatus", "it was prolonged");
    let ended = end(&world, until_ms).unwrap();
    world.tell(&scope(), ended);
    assert_eq!(code(end(&world, until_ms)), "IncorrectShareStatus", "it has ended");
}

#[test]
fn what_is_shared_is_neither_deprecated_nor_deleted_not_even_by_force() {
    let mut world = world();
    let friend = accounts([200_000]);
    share(&mut world, &friend, &[]).unwrap();
    let delete = |world: &World, force| {
        let how = Deletion { force, ..Deletion::default() };
        world.ask(&scope(), |view| rules::delete(view, &id(), how))
    };
    assert_eq!(code(world.ask(&scope(), |view| rules::deprecate(view, &id()))), "ImageUseShared");
    for force in [false, true] {
        assert_eq!(code(delete(&world, force)), "ImageUseShared");
    }
    share(&mut world, &[], &friend).unwrap();
    world.decide(&scope(), |view| rules::publish(view, &id())).unwrap();
    for force in [false, true] {
        assert_eq!(code(delete(&world, force)), "ImageIsPublic");
    }
    world.decide(&scope(), |view| rules::unpublish(view, &id())).unwrap();
    assert!(delete(&world, false).is_ok());
}

fn to(account: &str, region: &str) -> Scope {
    image::scope(&account.into(), &region.into())
}

fn copy(world: &mut World, by: &str, target: &str, to: &Scope) -> Result<(), Refusal> {
    let rule = |view: &event::View<'_>| rules::begin_copy(view, &id(), &by.into(), &target.into(), to);
    world.decide(&scope(), rule).map(drop)
}

#[test]
fn the_owner_copies_to_other_regions_and_whom_it_is_shared_with_within_the_region() {
    let mut world = world();
    share(&mut world, &accounts([200_000]), &[]).unwrap();
    for (by, to, wanted) in [
        (ACCOUNT, to(ACCOUNT, "cn-b"), None),
        (ACCOUNT, to(ACCOUNT, "cn-a"), Some("IncorrectDestinationRegion")),
        ("200000", to("200000", "cn-a"), None),
        ("200000", to("200000", "cn-b"), Some("OperationDenied.SameRegionOnly")),
        ("300000", to("300000", "cn-a"), Some("InvalidImageId.NotFound")),
        (ACCOUNT, to(ACCOUNT, "cn-b"), Some("OperationDenied.ImageCopyConflict")),
        (ACCOUNT, to(ACCOUNT, "cn-c"), None),
    ] {
        let target = format!("m-{by}-{to}");
        let code = copy(&mut world, by, &target, &to).err().map(|refusal| refusal.code);
        assert_eq!(code.as_deref(), wanted, "{by} to {to}");
    }
}

#[test]
fn a_source_that_is_being_copied_stays_until_that_is_over() {
    let mut world = world();
    copy(&mut world, ACCOUNT, "m-2", &to(ACCOUNT, "cn-b")).unwrap();
    let delete = |world: &World| world.ask(&scope(), |view| rules::delete(view, &id(), Deletion::default()));
    assert_eq!(code(delete(&world)), "OperationDenied.ImageCopying");
    world.tell(&scope(), CopyEnded { image: id(), target: "m-9".into() });
    assert_eq!(code(delete(&world)), "OperationDenied.ImageCopying", "that was another copy");
    let ended = world.ask(&scope(), |view| rules::end_copy(view, &id(), &"m-2".into())).unwrap();
    world.tell(&scope(), ended);
    assert!(delete(&world).is_ok());
    copy(&mut world, ACCOUNT, "m-3", &to(ACCOUNT, "cn-b")).unwrap();
    let withdrawn = world.ask(&scope(), |view| rules::withdraw_copy(view, &id(), &"m-3".into()));
    world.tell(&scope(), withdrawn);
    assert!(delete(&world).is_ok(), "a copy that was cancelled lets go as well");
}

#[test]
fn what_is_everybodys_or_deprecated_is_not_copied() {
    let mut world = world();
    world.decide(&scope(), |view| rules::publish(view, &id())).unwrap();
    for (by, to) in [(ACCOUNT, to(ACCOUNT, "cn-b")), ("300000", to("300000", "cn-a"))] {
        assert_eq!(code(copy(&mut world, by, "m-2", &to)), "OperationDenied.CommunityImage");
    }
    world.decide(&scope(), |view| rules::unpublish(view, &id())).unwrap();
    world.tell(&scope(), ImageDeprecated::of(id()));
    assert_eq!(code(copy(&mut world, ACCOUNT, "m-2", &to(ACCOUNT, "cn-b"))), "IncorrectImageStatus");
}

#[test]
fn a_copy_is_a_new_image_without_family_shares_and_tags() {
    let mut world = world();
    share(&mut world, &accounts([200_000]), &[]).unwrap();
    let there = to(ACCOUNT, "cn-b");
    let rule =
        |view: &event::View<'_>| rules::begin_copy(view, &id(), &ACCOUNT.into(), &"m-2".into(), &there);
    let begun = world.decide(&scope(), rule).unwrap();
    let source = world.image(&scope(), "m-1").unwrap();
    assert_eq!(begun.copied.machine, source.machine);
    assert_eq!(begun.copied.disks.len(), source.disks.len());
    let making = Making::Copy { image: id(), account: ACCOUNT.into(), region: "cn-a".into() };
    let wanted = crate::tests_kit::image_of(&there, "m-2", vec![plan(0, "s-2", true, GIB)], making);
    let copy = world.decide(&there, |view| rules::reserve(view, wanted)).unwrap();
    assert_eq!((copy.family, copy.tags.len()), (None, 0));
    let copy = world.image(&there, "m-2").unwrap();
    assert!(copy.shares.is_empty() && matches!(copy.making, Making::Copy { .. }));
    assert_eq!(world.image(&scope(), "m-1").unwrap().shares.len(), 1, "the source keeps its own");
}

#[test]
fn a_deletion_keeps_snapshots_that_were_asked_for_or_that_others_stand_on() {
    let mut world = with_disk();
    take(&mut world, "s-own", "d-1");
    make_image(&mut world, "m-1", vec![plan(0, "s-1", true, GIB), plan(1, "s-own", false, 2 * GIB)]);
    let delete = |world: &World, keep_snapshots| {
        let how = Deletion { keep_snapshots, ..Deletion::default() };
        world.ask(&scope(), |view| rules::delete(view, &id(), how)).map(|deleted| deleted.snapshots)
    };
    assert_eq!(delete(&world, true), Ok(Vec::new()), "as the API has it");
    assert_eq!(delete(&world, false), Ok(vec!["s-1".into()]), "never one that the image did not make");
    make_image(&mut world, "m-2", vec![plan(0, "s-1", false, GIB)]);
    assert_eq!(delete(&world, false), Ok(Vec::new()), "another image stands on it");
    world.decide(&scope(), |view| rules::delete(view, &"m-2".into(), Deletion::default())).unwrap();
    let disk = crate::events::DiskReserved { of_snapshot: Some("s-1".into()), ..new_disk(&scope(), "d-2") };
    world.decide(&scope(), |view| rules::reserve_disk(view, disk)).unwrap();
    assert_eq!(code(delete(&world, false)), "Operation.Conflict", "a disk is being made from it");
    assert_eq!(delete(&world, true), Ok(Vec::new()));
}
