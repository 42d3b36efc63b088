//! What a retention policy lets go and what a distribution list lacks, compared with plain statements of both; and what
//! the rules say to it at the head of the log when something changed since.

use std::collections::BTreeMap;

use event::{FlowId, Scope};

use crate::distribution::{Copy, spots};
use crate::due::{Of, tasks};
use crate::events::{AccountCreated, ImageDeprecated, ImageReserved, RegionAdded};
use crate::events_upkeep::UpkeepCreated;
use crate::image::{Image, Making, Share, Status, house, scope as scope_in};
use crate::retention::{Fate, Member, judge, members};
use crate::rules::{self, Deletion};
use crate::tests_kit::{ACCOUNT, BEGIN_MS, GIB, World, code, image_of, new_disk, plan, scope};
use crate::upkeep::{
    Distribution, ForList, Goal, Keeping, Report, Retention, UPKEEP_LANES, UPKEEPS, Upkeep, UpkeepId,
};
use crate::{AccountId, RegionId};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const FAMILY: &str = "web";
const OTHER: &str = "200000";

fn account() -> AccountId {
    AccountId::from(ACCOUNT)
}

/// An image of the family through its whole birth.
fn make(world: &mut World, scope: &Scope, id: &str, making: Making, for_list: Option<ForList>) {
    let disks = vec![plan(0, &format!("s-{id}"), true, GIB)];
    let family = Some(FAMILY.to_owned());
    let wanted = ImageReserved { family, for_list, ..image_of(scope, id, disks, making) };
    world.decide(scope, |view| rules::reserve(view, wanted)).unwrap();
    world.arrive(scope, id, Some(&format!("s-{id}").as_str().into()), GIB, 7);
    world.decide(scope, |view| rules::seal(view, &id.into())).unwrap();
}

fn import(world: &mut World, id: &str) {
    make(world, &scope(), id, Making::Import, None);
}

fn keeping(retention: Retention, now_ms: i64) -> Keeping {
    Keeping { upkeep: "up-1".into(), name: "tidy".to_owned(), family: FAMILY.to_owned(), retention, now_ms }
}

fn keep(count: u32) -> Retention {
    Retention { keep: Some(count), ..Retention::default() }
}

/// One of the things that can be true of an image.
const MARKS: usize = 5;

fn member(like: &Image, place: i64, status: Status, mark: usize) -> Member {
    let mut image = Image { status, created_ms: BEGIN_MS - place * DAY_MS, ..like.clone() };
    image.id = format!("m-{place}").as_str().into();
    image.deprecated_ms = (status == Status::Deprecated).then_some(BEGIN_MS - 3 * DAY_MS);
    if mark == 4 {
        image.shares.insert(OTHER.into(), Share { since_ms: 0, until_ms: None });
    }
    Member {
        image,
        told: (mark == 1).then(|| "other".to_owned()),
        busy: (mark == 2).then(|| "it is being exported".to_owned()),
        used: (mark == 3).then(|| "a disk was made from it".to_owned()),
    }
}

/// Whether an image may go, as one would say it to somebody.
fn may_go(retention: &Retention, family: &[Member], place: usize) -> bool {
    let it = &family[place];
    let available = |member: &Member| member.image.status == Status::Available;
    let newer = family[..place].iter().filter(|other| available(other)).count();
    let is_newest = available(it) && newer == 0;
    let is_old = retention.younger_ms.is_none_or(|ms| BEGIN_MS - it.image.created_ms >= ms);
    let is_shared = !(it.image.shares.is_empty() || retention.shared && available(it));
    !it.image.status.is_being_made()
        && !is_newest
        && retention.keep.is_none_or(|keep| newer >= keep as usize)
        && is_old
        && it.told.is_none()
        && it.busy.is_none()
        && (it.used.is_none() || retention.in_use)
        && !is_shared
}

#[test]
fn in_every_family_of_three_exactly_that_goes_which_nothing_keeps() {
    let mut world = World::new();
    import(&mut world, "m-1");
    let like = world.image(&scope(), "m-1").unwrap();
    let statuses = [Status::Available, Status::Deprecated, Status::Creating];
    let retentions = {
        let mut all = Vec::new();
        for keep in [None, Some(1), Some(2), Some(3)] {
            for younger_ms in [None, Some(DAY_MS), Some(2 * DAY_MS)] {
                for (in_use, shared, grace_ms) in
                    [(false, false, 0), (true, false, 4 * DAY_MS), (false, true, 3 * DAY_MS)]
                {
                    all.push(Retention { keep, younger_ms, grace_ms, in_use, shared });
                }
            }
        }
        all
    };
    let (kinds, mut gone) = (statuses.len() * MARKS, 0_u64);
    for number in 0..kinds.pow(3) {
        let pick = |place: usize| {
            let one = number / kinds.pow(u32::try_from(place).unwrap()) % kinds;
            member(&like, i64::try_from(place).unwrap(), statuses[one % 3], one / 3)
        };
        let family: Vec<Member> = (0..3).map(pick).collect();
        for retention in &retentions {
            let fates = judge(retention, &family, BEGIN_MS);
            for (place, fate) in fates.iter().enumerate() {
                let goes = may_go(retention, &family, place);
                let status = family[place].image.status;
                let is_past = retention.grace_ms <= 3 * DAY_MS;
                let wanted = match (goes, status) {
                    (false, _) => matches!(fate, Fate::Stays(_)),
                    (true, Status::Available) => matches!(fate, Fate::Deprecate(_)),
                    (true, _) if is_past => matches!(fate, Fate::Delete(_)),
                    (true, _) => matches!(fate, Fate::Waits(until, _) if *until == BEGIN_MS + DAY_MS),
                };
                assert!(wanted, "{retention:?}, image {place}: {fate:?} of {family:#?}");
                gone += u64::from(goes);
            }
        }
    }
    assert!(gone > 10_000, "{gone} went");
}

#[test]
fn what_holds_an_image_is_read_from_its_rows() {
    let mut world = World::new();
    for id in ["m-1", "m-2", "m-3", "m-4", "m-5"] {
        import(&mut world, id);
    }
    let disk = crate::events::DiskReserved { of_image: Some("m-1".into()), ..new_disk(&scope(), "d-1") };
    world.decide(&scope(), |view| rules::reserve_disk(view, disk)).unwrap();
    let head = |view: &event::View<'_>| rules::set_family_head(view, "elsewhere", Some(&"m-2".into()));
    world.decide(&scope(), head).unwrap();
    let to = scope_in(&account(), &"cn-b".into());
    world
        .decide(&scope(), |view| rules::begin_copy(view, &"m-3".into(), &account(), &"m-9".into(), &to))
        .unwrap();
    let found = world.ask(&scope(), |view| members(view, FAMILY));
    let states: Vec<_> = found
        .iter()
        .map(|it| (it.image.id.as_str(), it.told.is_some(), it.busy.is_some(), it.used.is_some()))
        .collect();
    let free = |id| (id, false, false, false);
    let wanted = [
        free("m-5"),
        free("m-4"),
        ("m-3", false, true, false),
        ("m-2", true, false, false),
        ("m-1", false, false, true),
    ];
    assert_eq!(states, wanted, "newest first");
}

#[test]
fn at_the_head_of_the_log_a_policy_is_asked_once_more() {
    let mut world = World::new();
    for id in ["m-1", "m-2", "m-3"] {
        import(&mut world, id);
    }
    let by = keeping(keep(2), world.now_ms);
    let retire = |world: &World, id: &str| world.ask(&scope(), |view| rules::retire(view, &id.into(), &by));
    let event = retire(&world, "m-1").unwrap();
    assert_eq!((event.by, event.unshared), (Some("up-1".into()), false));
    assert_eq!(code(retire(&world, "m-2")), "OperationDenied.Retained");
    // What the plan counted on is gone by the time.
    world.tell(&scope(), ImageDeprecated::of("m-3".into()));
    assert_eq!(code(retire(&world, "m-1")), "OperationDenied.Retained");
    assert_eq!(code(retire(&world, "m-9")), "InvalidImageId.NotFound");
    world.decide(&scope(), |view| rules::restore(view, &"m-3".into())).unwrap();

    let remove =
        |world: &World, by: &Keeping| world.ask(&scope(), |view| rules::remove(view, &"m-1".into(), by));
    assert_eq!(code(remove(&world, &by)), "OperationDenied.Retained", "it is not deprecated");
    world.decide(&scope(), |view| rules::retire(view, &"m-1".into(), &by)).unwrap();
    let grace = |grace_ms, now_ms| keeping(Retention { grace_ms, ..keep(2) }, now_ms);
    assert_eq!(code(remove(&world, &grace(DAY_MS, BEGIN_MS + DAY_MS - 1))), "OperationDenied.Retained");
    assert!(remove(&world, &grace(DAY_MS, BEGIN_MS + DAY_MS)).is_ok(), "by the time of the plan");
    // Somebody made a disk from it.
    let disk = crate::events::DiskReserved { of_image: Some("m-1".into()), ..new_disk(&scope(), "d-1") };
    world.decide(&scope(), |view| rules::reserve_disk(view, disk)).unwrap();
    assert_eq!(code(remove(&world, &by)), "OperationDenied.Retained");
    assert!(world.ask(&scope(), |view| rules::delete(view, &"m-1".into(), Deletion::default())).is_ok());
}

#[test]
fn shares_end_with_the_deprecation_where_the_policy_says_so() {
    let mut world = World::new();
    import(&mut world, "m-1");
    import(&mut world, "m-2");
    let share =
        |view: &event::View<'_>| rules::change_shares(view, &"m-1".into(), &[OTHER.into()], None, &[]);
    world.decide(&scope(), share).unwrap();
    let by = |shared| keeping(Retention { shared, ..keep(1) }, BEGIN_MS);
    let retire = |world: &mut World, shared| {
        world.decide(&scope(), |view| rules::retire(view, &"m-1".into(), &by(shared)))
    };
    assert_eq!(code(retire(&mut world, false)), "OperationDenied.Retained");
    assert!(retire(&mut world, true).unwrap().unshared);
    let image = world.image(&scope(), "m-1").unwrap();
    assert_eq!(
        (image.status, image.shares.len(), image.deprecated_ms),
        (Status::Deprecated, 0, Some(BEGIN_MS))
    );
    assert_eq!(world.usage(&scope()).unwrap().shares, 0);
    world.decide(&scope(), |view| rules::restore(view, &"m-1".into())).unwrap();
    assert_eq!(world.image(&scope(), "m-1").unwrap().deprecated_ms, None);
}

fn copy_of(id: &str) -> Making {
    Making::Copy { image: id.into(), account: account(), region: "cn-a".into() }
}

fn for_list(world: &World, id: &str) -> ForList {
    ForList { upkeep: "up-1".into(), born: world.image(&scope(), id).unwrap().born }
}

fn to(region: &str) -> Scope {
    scope_in(&account(), &region.into())
}

/// A world with two regions more, another account, and a list to both.
fn with_list(newest: u32) -> World {
    let mut world = World::new();
    for region in ["cn-a", "cn-b", "cn-c"] {
        let event = RegionAdded { region: region.into(), store: format!("store-{region}").as_str().into() };
        world.tell(&house(), event);
    }
    world.tell(&house(), AccountCreated { account: OTHER.into(), name: "other".to_owned() });
    let goal = Goal::Distribution(Distribution {
        newest,
        to: vec!["cn-b".into(), "cn-c".into(), "cn-b".into()],
        share_with: vec![OTHER.into()],
    });
    let created = UpkeepCreated {
        upkeep: "up-1".into(),
        account: account(),
        name: "out".to_owned(),
        family: FAMILY.to_owned(),
        region: Some("cn-a".into()),
        goal,
    };
    world.decide(&house(), |view| rules::create_upkeep(view, created)).unwrap();
    world
}

fn the_list(world: &World) -> (Upkeep, Distribution) {
    let upkeep = UPKEEPS.get(&world.rows, &house(), &[ACCOUNT, "up-1"]).unwrap();
    let Goal::Distribution(list) = upkeep.goal.clone() else { panic!("it is a list") };
    (upkeep, list)
}

/// What the list says of each image in a region, newest first.
fn in_region(world: &World, region: &str, away: &[&str]) -> Vec<Copy> {
    let (upkeep, list) = the_list(world);
    let away: BTreeMap<RegionId, String> =
        away.iter().map(|region| ((*region).into(), "is not there".to_owned())).collect();
    let spots = spots(&world.rows, &Of::upkeep(&upkeep, &[]), &list, &away, world.now_ms);
    spots.into_iter().filter(|spot| spot.region.as_str() == region).map(|spot| spot.copy).collect()
}

#[test]
fn a_list_says_of_each_image_and_region_what_is_there_and_what_is_missing() {
    let mut world = with_list(2);
    for id in ["m-1", "m-2", "m-3"] {
        import(&mut world, id);
    }
    assert_eq!(in_region(&world, "cn-a", &[]), [Copy::Home, Copy::Home], "the newest two");
    assert_eq!(in_region(&world, "cn-b", &[]), [Copy::Missing, Copy::Missing]);
    let list = Some(for_list(&world, "m-3"));
    make(&mut world, &to("cn-b"), "m-3b", copy_of("m-3"), list);
    // The older one is not brought after it: the family would fall back to it.
    assert_eq!(in_region(&world, "cn-b", &[]), [Copy::There("m-3b".into()), Copy::PassedOver("m-3b".into())]);
    world.tell(&to("cn-b"), ImageDeprecated::of("m-3b".into()));
    assert_eq!(in_region(&world, "cn-b", &[])[0], Copy::Deprecated("m-3b".into()));
    assert_eq!(in_region(&world, "cn-c", &["cn-c"])[0], Copy::Away("is not there".to_owned()));
    assert_eq!(
        in_region(&world, "cn-c", &["cn-a"])[0],
        Copy::Away("is not there".to_owned()),
        "nor its source"
    );
    let c = to("cn-c");
    let begin =
        |view: &event::View<'_>| rules::begin_copy(view, &"m-3".into(), &account(), &"m-9".into(), &c);
    world.decide(&scope(), begin).unwrap();
    assert_eq!(in_region(&world, "cn-c", &[])[0], Copy::Underway(Some("m-9".into())));
    let by = FlowId([1; 16]);
    world
        .decide(&house(), |view| {
            rules::begin_lane(view, &account(), &"up-1".into(), &"cn-c".into(), (by, &[]))
        })
        .unwrap();
    assert_eq!(in_region(&world, "cn-c", &[])[1], Copy::Busy(by));
}

#[test]
fn what_is_missing_is_brought_oldest_first_and_what_is_there_is_left_alone() {
    let mut world = with_list(3);
    for id in ["m-1", "m-2", "m-3"] {
        import(&mut world, id);
    }
    let list = Some(for_list(&world, "m-1"));
    make(&mut world, &to("cn-b"), "m-1b", copy_of("m-1"), list);
    // Somebody has the name of one there.
    let wanted = ImageReserved {
        name: "n-m-2".to_owned(),
        ..image_of(&to("cn-b"), "m-x", vec![plan(0, "s-x", true, GIB)], Making::Import)
    };
    world.decide(&to("cn-b"), |view| rules::reserve(view, wanted)).unwrap();
    let (upkeep, _) = the_list(&world);
    let found = tasks(&world.rows, &Of::upkeep(&upkeep, &[]), &BTreeMap::new(), world.now_ms);
    let lanes: Vec<_> = found
        .lanes
        .iter()
        .map(|lane| {
            let copies: Vec<_> = lane.copies.iter().map(|copy| copy.name.as_str()).collect();
            let shares: Vec<_> = lane.shares.iter().map(|share| share.image.as_str()).collect();
            (lane.to.region.as_str(), copies, shares)
        })
        .collect();
    let wanted = vec![
        ("cn-a", vec![], vec!["m-1", "m-2", "m-3"]),
        ("cn-b", vec!["n-m-2-m-2", "n-m-3"], vec!["m-1b"]),
        ("cn-c", vec!["n-m-1", "n-m-2", "n-m-3"], vec![]),
    ];
    assert_eq!(lanes, wanted, "a region that is named twice is one");
    // What somebody shared already is not shared again.
    let share =
        |view: &event::View<'_>| rules::change_shares(view, &"m-2".into(), &[OTHER.into()], None, &[]);
    world.decide(&scope(), share).unwrap();
    let found = tasks(&world.rows, &Of::upkeep(&upkeep, &[]), &BTreeMap::new(), world.now_ms);
    let shares: Vec<_> = found.lanes[0].shares.iter().map(|share| share.image.as_str()).collect();
    assert_eq!(shares, ["m-1", "m-3"]);
}

#[test]
fn a_copy_that_is_there_already_or_older_than_one_that_is_does_not_come_to_be() {
    let mut world = with_list(3);
    for id in ["m-1", "m-2"] {
        import(&mut world, id);
    }
    let list = Some(for_list(&world, "m-2"));
    make(&mut world, &to("cn-b"), "m-2b", copy_of("m-2"), list);
    let reserve = |world: &World, id: &str, name: &str| {
        let disks = vec![plan(0, "s-9", true, GIB)];
        let (family, name) = (Some(FAMILY.to_owned()), name.to_owned());
        let wanted = image_of(&to("cn-b"), "m-9", disks, copy_of(id));
        let wanted = ImageReserved { family, name, for_list: Some(for_list(world, id)), ..wanted };
        world.ask(&to("cn-b"), |view| rules::reserve(view, wanted))
    };
    assert_eq!(code(reserve(&world, "m-2", "again")), "OperationDenied.Distributed");
    assert_eq!(code(reserve(&world, "m-1", "older")), "OperationDenied.Distributed");
    import(&mut world, "m-3");
    assert!(reserve(&world, "m-3", "newer").is_ok());
}

#[test]
fn one_run_goes_on_at_a_time_and_what_it_came_to_is_kept() {
    let mut world = with_list(1);
    let (account, id) = (account(), UpkeepId::from("up-1"));
    let begin = |view: &event::View<'_>| rules::begin_upkeep(view, &account, &id, &[]);
    world.decide(&house(), begin).unwrap();
    assert_eq!(code(world.ask(&house(), begin)), "IncorrectUpkeepStatus");
    // A person has given that one up; the kit's operations all have this id.
    let over = [FlowId([0; 16])];
    assert!(world.ask(&house(), |view| rules::begin_upkeep(view, &account, &id, &over)).is_ok());
    world.decide(&house(), |view| rules::end_upkeep(view, &account, &id, Report::default())).unwrap();
    let (upkeep, _) = the_list(&world);
    assert_eq!((upkeep.running, upkeep.last.is_some()), (None, true));
    assert!(world.ask(&house(), begin).is_ok());

    let (region, by) = (RegionId::from("cn-b"), FlowId([1; 16]));
    let lane = |view: &event::View<'_>| rules::begin_lane(view, &account, &id, &region, (by, &[]));
    let lane_begun = world.decide(&house(), lane).unwrap();
    assert_eq!(code(world.ask(&house(), lane)), "IncorrectUpkeepStatus");
    let other = FlowId([2; 16]);
    let anew = |view: &event::View<'_>| rules::begin_lane(view, &account, &id, &region, (other, &[by]));
    assert!(world.ask(&house(), anew).is_ok(), "a person has given the first up");
    world.decide(&house(), |view| rules::end_lane(view, lane_begun, Report::default())).unwrap();
    assert_eq!(the_list(&world).0.regions.len(), 1);
    assert_eq!(UPKEEP_LANES.list_all(&world.rows), []);

    let other = Goal::Retention(keep(1));
    assert_eq!(
        code(world.ask(&house(), |view| rules::change_upkeep(view, &account, &id, other))),
        "InvalidUpkeep.NotFound"
    );
    world.decide(&house(), |view| rules::delete_upkeep(view, &account, &id)).unwrap();
    assert_eq!(code(world.ask(&house(), begin)), "InvalidUpkeep.NotFound");
    assert_eq!(UPKEEPS.list_all(&world.rows), []);
}

#[test]
fn an_account_has_up_to_a_thousand() {
    let mut world = World::new();
    let create = |number: usize| UpkeepCreated {
        upkeep: format!("up-{number}").as_str().into(),
        account: account(),
        name: format!("n-{number}"),
        family: FAMILY.to_owned(),
        region: None,
        goal: Goal::Retention(keep(1)),
    };
    for number in 0..rules::UPKEEPS_MAX {
        world.decide(&house(), |view| rules::create_upkeep(view, create(number))).unwrap();
    }
    let more = world.ask(&house(), |view| rules::create_upkeep(view, create(rules::UPKEEPS_MAX)));
    assert_eq!(code(more), "QuotaExceed.Upkeep");
}
