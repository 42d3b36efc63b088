//! Every state of an image against everything that can be asked of it: what is let through, and the
//! code of what is not.
//!
//! An image that is being made is refused by what it is made from as well, so those stand apart. A new
//! operation on images belongs into [`Ask`], and a new state into [`images`].

use crate::events::{Attributes, DiskReserved, ImageDeprecated};
use crate::image::{Making, Status, scope as scope_in};
use crate::port::{Compression, Format, Location, Target, Wrapping};
use crate::rules::{self, Deletion};
use crate::tests_kit::{ACCOUNT, World, image_of, new_disk, plan, scope};
use crate::{AccountId, ImageId};

/// What can be asked of an image.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Modify,
    ModifyDeprecated,
    ModifyRestored,
    Deprecate,
    Restore,
    Delete,
    ForceDelete,
    Share,
    Unshare,
    Publish,
    Unpublish,
    Copy,
    Export,
    Check,
    MakeDisk,
    PromoteFamily,
}

/// Asks it; the code of the refusal, or nothing if there is none.
fn answer(world: &World, ask: Ask) -> Option<String> {
    let id = ImageId::from("m-1");
    let friend = [AccountId::from("200000")];
    let deprecated = |deprecated| Attributes { deprecated, ..Attributes::default() };
    let answer = world.ask(&scope(), |view| match ask {
        Ask::Modify => rules::modify(view, &id, &deprecated(None)).map(drop),
        Ask::ModifyDeprecated => rules::modify(view, &id, &deprecated(Some(true))).map(drop),
        Ask::ModifyRestored => rules::modify(view, &id, &deprecated(Some(false))).map(drop),
        Ask::Deprecate => rules::deprecate(view, &id).map(drop),
        Ask::Restore => rules::restore(view, &id).map(drop),
        Ask::Delete => rules::delete(view, &id, Deletion::default()).map(drop),
        Ask::ForceDelete => {
            rules::delete(view, &id, Deletion { force: true, ..Deletion::default() }).map(drop)
        }
        Ask::Share => rules::change_shares(view, &id, &friend, None, &[]).map(drop),
        Ask::Unshare => rules::change_shares(view, &id, &[], None, &friend).map(drop),
        Ask::Publish => rules::publish(view, &id).map(drop),
        Ask::Unpublish => rules::unpublish(view, &id).map(drop),
        Ask::Copy => {
            let to = scope_in(&ACCOUNT.into(), &"cn-b".into());
            rules::begin_copy(view, &id, &ACCOUNT.into(), &"m-2".into(), &to).map(drop)
        }
        Ask::Export => {
            rules::begin_export(view, &id, &"t-1".into(), &[("/dev/xvda".to_owned(), target())]).map(drop)
        }
        Ask::Check => rules::ask_check(view, &id).map(drop),
        Ask::MakeDisk => {
            let wanted = DiskReserved { of_image: Some(id.clone()), ..new_disk(&scope(), "d-1") };
            rules::reserve_disk(view, wanted).map(drop)
        }
        Ask::PromoteFamily => rules::set_family_head(view, "web", Some(&id)).map(drop),
    });
    answer.err().map(|refusal| refusal.code)
}

fn target() -> Target {
    Target {
        at: Location::file("/out"),
        wrapping: Wrapping::None,
        format: Format::Raw,
        compression: Compression::None,
        replace: false,
    }
}

fn copying() -> Making {
    Making::Copy { image: "m-0".into(), account: ACCOUNT.into(), region: "cn-b".into() }
}

/// A world with the image `m-1`, being made.
fn being_made(making: Making, waits: bool) -> World {
    let mut world = World::new();
    let wanted = image_of(&scope(), "m-1", vec![plan(0, "s-1", true, 512)], making);
    let wanted = crate::events::ImageReserved { waits, ..wanted };
    world.decide(&scope(), |view| rules::reserve(view, wanted)).unwrap();
    world
}

fn available() -> World {
    let mut world = being_made(Making::Import, false);
    world.arrive(&scope(), "m-1", Some(&"s-1".into()), 512, 1);
    world.decide(&scope(), |view| rules::seal(view, &"m-1".into())).unwrap();
    world
}

fn deprecated() -> World {
    let mut world = available();
    world.tell(&scope(), ImageDeprecated::of("m-1".into()));
    world
}

/// A world for each state, and for each way to be made.
fn images() -> [World; 6] {
    [
        being_made(copying(), true),
        being_made(copying(), false),
        being_made(Making::Import, false),
        being_made(Making::Snapshots, false),
        available(),
        deprecated(),
    ]
}

const OK: &str = "";
const COPYING: &str = "OperationDenied.ImageCopying";
const IMPORTING: &str = "ImageIsImporting";
const CREATING: &str = "InvalidStatus.ImageIsCreating";
const INCORRECT: &str = "IncorrectImageStatus";
const NOT_AVAILABLE: &str = "ImageStatus.NotAvailable";
const NOT_DEPRECATED: &str = "ImageStatus.NotDeprecated";
const NOT_PUBLIC: &str = "Image.NotPublic";
const SHARE_STATUS: &str = "OperationDenied.InvalidImageStatus";

/// In the order of [`images`]: Waiting and Creating by a copy, Creating by an import and from snapshots,
/// Available, Deprecated.
const ANSWERS: [(Ask, [&str; 6]); 16] = [
    (Ask::Modify, [CREATING, CREATING, CREATING, CREATING, OK, OK]),
    (Ask::ModifyDeprecated, [CREATING, CREATING, CREATING, CREATING, OK, NOT_AVAILABLE]),
    (Ask::ModifyRestored, [CREATING, CREATING, CREATING, CREATING, NOT_DEPRECATED, OK]),
    (Ask::Deprecate, [NOT_AVAILABLE, NOT_AVAILABLE, NOT_AVAILABLE, NOT_AVAILABLE, OK, NOT_AVAILABLE]),
    (Ask::Restore, [NOT_DEPRECATED, NOT_DEPRECATED, NOT_DEPRECATED, NOT_DEPRECATED, NOT_DEPRECATED, OK]),
    (Ask::Delete, [COPYING, COPYING, IMPORTING, CREATING, OK, OK]),
    (Ask::ForceDelete, [COPYING, COPYING, IMPORTING, CREATING, OK, OK]),
    (Ask::Share, [CREATING, CREATING, CREATING, CREATING, OK, SHARE_STATUS]),
    (Ask::Unshare, [CREATING, CREATING, CREATING, CREATING, OK, OK]),
    (Ask::Publish, [CREATING, CREATING, CREATING, CREATING, OK, SHARE_STATUS]),
    (Ask::Unpublish, [NOT_PUBLIC; 6]),
    (Ask::Copy, [INCORRECT, INCORRECT, INCORRECT, INCORRECT, OK, INCORRECT]),
    (Ask::Export, [INCORRECT, INCORRECT, INCORRECT, INCORRECT, OK, OK]),
    (Ask::Check, [INCORRECT, INCORRECT, INCORRECT, INCORRECT, OK, OK]),
    (Ask::MakeDisk, [INCORRECT, INCORRECT, INCORRECT, INCORRECT, OK, OK]),
    (Ask::PromoteFamily, [INCORRECT, INCORRECT, INCORRECT, INCORRECT, OK, INCORRECT]),
];

#[test]
fn every_state_answers_every_operation_as_the_api_says() {
    for (place, world) in images().iter().enumerate() {
        let image = world.image(&scope(), "m-1").unwrap();
        for (ask, codes) in ANSWERS {
            let code = answer(world, ask).unwrap_or_default();
            assert_eq!(code, codes[place], "{ask:?} of {} ({:?})", image.status.word(), image.making);
        }
    }
}

#[test]
fn states_follow_one_another_as_the_api_draws_them() {
    let status = |world: &World| world.image(&scope(), "m-1").map(|image| image.status);
    let mut world = being_made(copying(), true);
    assert_eq!(status(&world), Some(Status::Waiting));
    world.decide(&scope(), |view| rules::begin_image(view, &"m-1".into())).unwrap();
    assert_eq!(status(&world), Some(Status::Creating));
    world.arrive(&scope(), "m-1", Some(&"s-1".into()), 512, 1);
    world.decide(&scope(), |view| rules::seal(view, &"m-1".into())).unwrap();
    assert_eq!(status(&world), Some(Status::Available));
    world.decide(&scope(), |view| rules::deprecate(view, &"m-1".into())).unwrap();
    assert_eq!(status(&world), Some(Status::Deprecated));
    world.decide(&scope(), |view| rules::restore(view, &"m-1".into())).unwrap();
    assert_eq!(status(&world), Some(Status::Available));
    world.decide(&scope(), |view| rules::delete(view, &"m-1".into(), Deletion::default())).unwrap();
    assert_eq!(status(&world), None, "at once");

    for waits in [true, false] {
        let mut world = being_made(copying(), waits);
        let released = world.ask(&scope(), |view| rules::release(view, &"m-1".into()));
        world.tell(&scope(), released);
        assert_eq!(status(&world), None, "what is cancelled or fails leaves nothing");
    }
}

#[test]
fn what_is_not_there_is_not_found_whatever_is_asked() {
    let world = World::new();
    for (ask, _) in ANSWERS {
        assert_eq!(answer(&world, ask).as_deref(), Some("InvalidImageId.NotFound"), "{ask:?}");
    }
}
