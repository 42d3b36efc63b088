//! The operations on retention policies and distribution lists.

use domain::RegionId;
use domain::image::{IMAGES, REGIONS, house as the_house};
use domain::port::Place;
use domain::upkeep::{Distribution, Goal, Kind, Lane, Retention, Sharing, UPKEEP_LANES, UPKEEPS, UpkeepId};
use workflows::{ChangeUpkeep, CreateUpkeep, DeleteUpkeep, DistributeImages, RunUpkeep};

use crate::cases::{Case, account, nothing, region, run, start};
use crate::images::import;
use crate::world::{DISKS, House, OTHER_ACCOUNT, START_MS, scope};

const FAMILY: &str = "web";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

pub fn cases() -> Vec<Case> {
    vec![
        case("create_upkeep", nothing, |house| Box::pin(start(house, create(retention())))),
        case("create_upkeep_list", nothing, |house| Box::pin(start(house, create(list())))),
        case("change_upkeep", with_policy, |house| {
            let goal = Goal::Retention(Retention { keep: Some(2), ..Retention::default() });
            let (account, name) = (account(), FAMILY.to_owned());
            Box::pin(start(house, ChangeUpkeep { account, upkeep: the_upkeep(house), name, goal }))
        }),
        case("delete_upkeep", with_policy, |house| {
            let (account, name) = (account(), FAMILY.to_owned());
            Box::pin(start(house, DeleteUpkeep { account, upkeep: the_upkeep(house), name }))
        }),
        case("run_upkeep", with_images, |house| Box::pin(start(house, run_of(house, 0)))),
        case("run_upkeep_with_nothing_to_do", with_policy, |house| Box::pin(start(house, run_of(house, 0)))),
        case("run_upkeep_past_the_grace_time", with_deprecated, |house| {
            Box::pin(start(house, run_of(house, 2 * DAY_MS)))
        }),
        case("run_upkeep_of_a_list", with_list, |house| {
            Box::pin(async {
                let id = start(house, run_of(house, 0)).await?;
                house.engine.wait(id).await?;
                // What it has begun in regions goes on beside it.
                for lane in UPKEEP_LANES.list_all(&house.engine.snapshot()?) {
                    house.engine.wait(lane).await?;
                }
                Ok(id)
            })
        }),
        case("distribute_images", with_list, |house| Box::pin(start(house, distribute(house)))),
        case("distribute_images_where_nothing_is_missing", with_list, |house| {
            let mut nothing = distribute(house);
            nothing.lane.shares.clear();
            Box::pin(start(house, nothing))
        }),
    ]
}

/// An operation of which nothing is taken back.
fn case(name: &'static str, before: crate::cases::Before, start: crate::cases::Start) -> Case {
    Case { name, acts: false, before, start }
}

fn retention() -> Goal {
    Goal::Retention(Retention { keep: Some(1), grace_ms: DAY_MS, ..Retention::default() })
}

fn list() -> Goal {
    Goal::Distribution(Distribution { newest: 2, to: Vec::new(), share_with: vec![OTHER_ACCOUNT.into()] })
}

fn create(goal: Goal) -> CreateUpkeep {
    let region = (goal.kind() == Kind::Distribution).then(region);
    let (name, family) = (FAMILY.to_owned(), FAMILY.to_owned());
    CreateUpkeep { account: account(), name, family, region, goal }
}

/// The only one; the id of none once it is gone: a second start finds the first by its request.
fn the_upkeep(house: &House) -> UpkeepId {
    let rows = house.engine.snapshot().unwrap();
    UPKEEPS.list_all(&rows).into_iter().map(|upkeep| upkeep.id).next().unwrap_or_default()
}

fn run_of(house: &House, later_ms: i64) -> RunUpkeep {
    let (account, name) = (account(), FAMILY.to_owned());
    RunUpkeep { account, upkeep: the_upkeep(house), name, now_ms: START_MS + later_ms, over: Vec::new() }
}

/// What is missing of the list at home. A copy that fails is told and tried again by the next run, which is neither of
/// what these tests know: copies for a list are in the year of `service::tests_upkeep_year`.
fn distribute(house: &House) -> DistributeImages {
    let rows = house.engine.snapshot().unwrap();
    let place = |region: &RegionId| Place {
        region: region.clone(),
        store: REGIONS.get(&rows, &the_house(), &[region.as_str()]).unwrap().store,
        account: account(),
    };
    let images = IMAGES.list(&rows, &scope(), &[]).into_iter();
    let shares = images.map(|image| Sharing { image: image.id, with: vec![OTHER_ACCOUNT.into()] });
    let lane =
        Lane { from: place(&region()), to: place(&region()), copies: Vec::new(), shares: shares.collect() };
    DistributeImages {
        account: account(),
        upkeep: the_upkeep(house),
        name: FAMILY.to_owned(),
        family: FAMILY.to_owned(),
        lane,
        share_with: vec![OTHER_ACCOUNT.into()],
        over: Vec::new(),
    }
}

type Doing<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>;

fn with_policy(house: &House) -> Doing<'_> {
    Box::pin(run(house, "policy", create(retention())))
}

/// Two images, of which one is too many.
fn with_images(house: &House) -> Doing<'_> {
    Box::pin(async {
        run(house, "older", import(house, DISKS[0], "v1")).await;
        run(house, "newer", import(house, DISKS[1], "v2")).await;
        run(house, "policy", create(retention())).await;
    })
}

/// That one is deprecated.
fn with_deprecated(house: &House) -> Doing<'_> {
    Box::pin(async {
        with_images(house).await;
        run(house, "first run", run_of(house, 0)).await;
    })
}

fn with_list(house: &House) -> Doing<'_> {
    Box::pin(async {
        run(house, "older", import(house, DISKS[0], "v1")).await;
        run(house, "newer", import(house, DISKS[1], "v2")).await;
        run(house, "list", create(list())).await;
    })
}
