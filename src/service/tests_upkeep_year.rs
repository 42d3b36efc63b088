//! A year of retention and distribution under a clock of its own, on a disk that forgets: days of imports, shares,
//! disks and families that are told what to stand for; power cuts at any call to the disk; a region that is away for
//! weeks; copies that are refused and cancelled; clocks that jump. Schedules run the policies and lists every day.
//!
//! When the year is over it is calm for some days, and then exactly that is there which should be. The log is looked
//! through from its beginning by `tests_upkeep_judge.rs`, which was told nothing of what happened.
//!
//! `KILN_SEED` is the first seed and `KILN_YEARS` their number. The data plane works on threads of its own, so a seed
//! repeats the choices and not the very interleaving.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::events::Attributes;
use domain::image::{IMAGES, Quotas, Status, scope};
use domain::port::DataPlane;
use domain::schedule::{Overlap, RUNNING};
use domain::upkeep::{Distribution, Goal, Keeping, Kind, Retention, UPKEEP_LANES, UPKEEPS};
use domain::{AccountId, RegionId, rules};
use event::Rows as _;
use files::Files;
use sim::{Chance, SimFiles};

use crate::tests::{call, import};
use crate::tests_schedule::ITS_OWN;
use crate::tests_upkeep_judge::{Seen, family, judge, protects};
use crate::ticker::Tried;
use crate::{
    Call, Called, DiskRequest, FamilyTo, FamilyWhere, ImageAt, ImageImport, Operation, Reply, Request,
    ScheduleCreate, ScheduleRequest, Service, ShareRequest, Started, Term, ThingAt, TicksAsked, Trouble,
    UpkeepAt, UpkeepCreate, UpkeepPlanView, UpkeepRequest, Wiring, dispatch, local_actor,
};

/// 2027-01-01T00:00:00Z.
const START_MS: i64 = 1_798_761_600_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const DAYS: i64 = 365;
/// Days of calm at the end: a run that deprecates, a grace time, a run that deletes, and some more.
const CALM: i64 = 14;
const DIR: &str = "/kiln";
const DISK: &str = "/disks/golden.raw";
/// Bytes of a disk: what is copied here is not the point.
const DISK_BYTES: usize = 192 << 10;
const HOME: &str = "cn-hangzhou";
const AWAY: [&str; 2] = ["cn-beijing", "cn-shanghai"];
const OTHERS: [&str; 2] = ["200000", "300000"];
/// What is distributed, and what is only kept short. Each has a policy of its name.
const FAMILIES: [&str; 2] = ["gold", "plain"];
const KEEP: u32 = 3;
const NEWEST: u32 = 2;

#[derive(Debug)]
struct YearClock(AtomicI64);

impl engine::Clock for YearClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn retention(family: &str) -> Retention {
    Retention {
        keep: Some(KEEP),
        younger_ms: Some(10 * DAY_MS),
        grace_ms: 7 * DAY_MS,
        in_use: false,
        // What is distributed is shared, and goes all the same.
        shared: family == FAMILIES[0],
    }
}

/// What a year has come to.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    cuts: u64,
    outages: u64,
    refused: u64,
    cancelled: u64,
    jumps: u64,
}

struct Year {
    seed: u64,
    disk: Arc<SimFiles>,
    clock: Arc<YearClock>,
    day: i64,
    /// Regions that are away, and until which day.
    away: [Option<i64>; 2],
    tally: Tally,
}

/// One opening of the house.
struct Life {
    service: Arc<Service>,
    clock: Arc<YearClock>,
    tried: Tried,
    asked: u32,
}

impl Life {
    async fn open(year: &Year) -> Result<Self, Trouble> {
        let files: Arc<dyn Files> = year.disk.mount();
        let under = files.clone();
        let options = data::Options { workers: 1, pack_bytes: 1 << 20, ..data::Options::default() };
        let data = move |root: &Path| -> Arc<dyn DataPlane> {
            Arc::new(data::Plane::new(under.clone(), root.to_owned(), options.clone()))
        };
        let wiring = Wiring { files, clock: year.clock.clone(), data: Arc::new(data) };
        let service = Service::open(crate::Options { dir: DIR.into(), wiring, drive: false }).await?;
        service.engine.drive().await?;
        Ok(Self { service, clock: year.clock.clone(), tried: Tried::default(), asked: 0 })
    }

    async fn ask<T: TryFrom<Reply, Error = Trouble>>(
        &self,
        id: &str,
        request: Request,
    ) -> Result<T, Trouble> {
        let call = Call { drive: false, ..call(&local_actor(), id, request) };
        T::try_from(dispatch(&self.service, call).await?)
    }

    /// Does something under a request of its own, so that a day that is lived again does it once.
    async fn doing(&mut self, day: i64, request: Request) -> Result<bool, Trouble> {
        self.asked += 1;
        let id = format!("day {day}, {}", self.asked);
        match self.ask::<Started>(&id, request).await {
            Ok(started) => Ok(self.service.engine.wait(started.workflow_id).await?.trouble().is_none()),
            Err(trouble) if trouble.family == crate::Family::Refused => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Lets schedules tick, and waits for what they begin, but not for what goes on in regions.
    async fn tick(&mut self) -> Result<(), Trouble> {
        loop {
            let look = self.service.keep_schedules(&mut self.tried).await?;
            // What is written down of ticks and runs comes to rest by itself, and the keeper waits for none of it.
            let open = self.service.engine.snapshot()?.open_flows();
            if let Some(flow) = open.iter().find(|flow| ITS_OWN.contains(&flow.name.as_str())) {
                let row = self.service.engine.wait(flow.id).await?;
                assert!(row.state.has_ended(), "`{}` is parked: {:?}", row.label, row.parked);
                continue;
            }
            if look.started > 0 {
                // What was started is not to wait for whoever looks.
                tokio::task::yield_now().await;
                continue;
            }
            let running = RUNNING.list_all(&self.service.engine.snapshot()?);
            let Some(flow) = running.iter().flat_map(|run| &run.flows).next().copied() else { return Ok(()) };
            let row = self.service.engine.wait(flow).await?;
            assert!(row.state.has_ended(), "a run is parked: {:?}", row.parked);
        }
    }

    /// Waits for what goes on in regions that are there.
    async fn settle(&self, away: &[Option<i64>; 2]) -> Result<(), Trouble> {
        let lanes = {
            let rows = self.service.engine.snapshot()?;
            let mut lanes = Vec::new();
            let prefix = UPKEEP_LANES.key(&domain::image::house(), &[""]);
            rows.scan(&prefix, &mut |key, value| {
                let region = key.rsplit(|byte| *byte == 0).next().unwrap_or_default().to_vec();
                lanes.push((String::from_utf8(region).unwrap(), UPKEEP_LANES.read(value)));
                true
            });
            lanes
        };
        for (region, flow) in lanes {
            if is_away(away, &region) {
                continue;
            }
            let mut row = self.service.engine.wait(flow).await?;
            if row.parked.is_some() {
                // A copy was cancelled, and the region went away before all of it was taken back there: a person was
                // called, who lets it go on now that the region is there again.
                self.resume(&region).await?;
                self.service.engine.retry(local_actor(), flow, "the region is there").await?;
                row = self.service.engine.wait(flow).await?;
            }
            assert!(row.state.has_ended(), "in `{region}`: {:?}", row.parked);
        }
        Ok(())
    }

    /// Lets copies to a region go on that wait for a person.
    async fn resume(&self, region: &str) -> Result<(), Trouble> {
        let to = scope(&account(), &RegionId::from(region));
        let open = self.service.engine.snapshot()?.open_flows();
        for flow in open.into_iter().filter(|flow| flow.scope == to && flow.parked.is_some()) {
            self.service.engine.retry(local_actor(), flow.id, "the region is there").await?;
            let row = self.service.engine.wait(flow.id).await?;
            assert!(row.state.has_ended(), "in `{region}`: {:?}", row.parked);
        }
        Ok(())
    }

    /// Cancels every copy under way; how many.
    async fn cancel_copies(&self) -> Result<u64, Trouble> {
        let open = self.service.engine.snapshot()?.open_flows();
        let mut cancelled = 0;
        for flow in open.into_iter().filter(|flow| flow.name == "copy_image" && !flow.committed) {
            let done = self.service.engine.cancel(local_actor(), flow.id, "the network is needed").await;
            cancelled += u64::from(done.is_ok());
        }
        Ok(cancelled)
    }

    fn images(&self, of: &str) -> Result<Vec<domain::image::Image>, Trouble> {
        Ok(family(&self.service.engine.snapshot()?, &account(), &RegionId::from(HOME), of))
    }
}

/// Whether a region is one that is away.
fn is_away(away: &[Option<i64>; 2], region: &str) -> bool {
    AWAY.iter().zip(away).any(|(name, until)| *name == region && until.is_some())
}

fn account() -> AccountId {
    AccountId::from(crate::DEFAULT_ACCOUNT)
}

fn golden(name: &str, family: &str) -> Request {
    let Request::ImageImport(asked) = import(Path::new(DISK), name) else { unreachable!("it is an import") };
    Request::ImageImport(ImageImport { family: Some(family.to_owned()), ..asked })
}

fn at(image: &domain::image::Image) -> ImageAt {
    ImageAt { image: image.id.0.clone(), region: Some(image.region.clone()) }
}

impl Year {
    fn of(seed: u64) -> Self {
        let disk = SimFiles::new(seed);
        for dir in ["/disks", DIR] {
            disk.put_dir(dir);
        }
        let bytes: Vec<u8> = (0..DISK_BYTES).map(|at| u8::try_from(at / 4096 % 251).unwrap()).collect();
        disk.put(DISK, &bytes);
        let clock = Arc::new(YearClock(AtomicI64::new(START_MS)));
        Self { seed, disk, clock, day: 0, away: [None, None], tally: Tally::default() }
    }

    fn set(&self, ms: i64) {
        self.clock.0.store(ms, Ordering::Relaxed);
    }

    /// Before the year begins: accounts, a region, policies, a list, and their schedules.
    async fn prepare(&self) -> Result<(), Trouble> {
        let mut life = Life::open(self).await?;
        for other in OTHERS {
            let (name, account) = (format!("account {other}"), Some(AccountId::from(other)));
            assert!(life.doing(-1, Request::Share(ShareRequest::AccountCreate { name, account })).await?);
        }
        assert!(life.doing(-1, Request::Share(ShareRequest::RegionAdd(RegionId::from(AWAY[1])))).await?);
        for family in FAMILIES {
            let (name, goal) = (family.to_owned(), Goal::Retention(retention(family)));
            let create = UpkeepCreate { name, family: family.to_owned(), region: None, goal };
            assert!(life.doing(-1, Request::Upkeep(UpkeepRequest::Create(create))).await?);
        }
        let list = Distribution {
            newest: NEWEST,
            to: AWAY.map(RegionId::from).to_vec(),
            share_with: OTHERS.map(AccountId::from).to_vec(),
        };
        let (name, family) = ("out".to_owned(), FAMILIES[0].to_owned());
        let create = UpkeepCreate { name, family, region: None, goal: Goal::Distribution(list) };
        assert!(life.doing(-1, Request::Upkeep(UpkeepRequest::Create(create))).await?);
        let often = |name: &str, when: &str, operation| ScheduleCreate {
            name: name.to_owned(),
            ticks: TicksAsked { when: when.to_owned(), ..TicksAsked::default() },
            overlap: Overlap::Skip,
            catch_up_ms: Some(2 * DAY_MS),
            failures_max: Some(0),
            operation,
            ..ScheduleCreate::default()
        };
        for (name, when) in [(FAMILIES[0], "0 4 * * *"), (FAMILIES[1], "30 4 * * *")] {
            let create = often(name, when, Operation::new("retention.run", [("retention", name)]));
            assert!(life.doing(-1, ScheduleRequest::Create(Box::new(create)).into()).await?);
        }
        let create =
            often("out", "0 */12 * * *", Operation::new("distribution.run", [("distribution", "out")]));
        assert!(life.doing(-1, ScheduleRequest::Create(Box::new(create)).into()).await?);
        drop(life);
        Ok(())
    }

    /// Lives until the power goes, or until the year is over and calm has come.
    async fn live(&mut self) -> Result<(), Trouble> {
        let mut life = Life::open(self).await?;
        while self.day < DAYS {
            let chance =
                &mut Chance::new(self.seed.wrapping_mul(1_000_003).wrapping_add(self.day.cast_unsigned()));
            life.asked = 0;
            self.set(START_MS + self.day * DAY_MS);
            self.regions(chance);
            self.one_day(&mut life, chance).await?;
            self.day += 1;
            if chance.in_thousand(60) {
                self.disk.power_cut();
            } else if chance.in_thousand(80) {
                let after = 1 + chance.below(300) as u64;
                if chance.coin() { self.disk.cut_after(after) } else { self.disk.tear_after(after) }
            }
        }
        Ok(())
    }

    /// Regions come back, and one may go away for weeks.
    fn regions(&mut self, chance: &mut Chance) {
        for place in 0..AWAY.len() {
            if self.away[place].is_some_and(|until| self.day >= until) {
                self.show(place, true);
                self.away[place] = None;
            }
        }
        let place = chance.below(AWAY.len());
        if chance.in_thousand(15) && self.away[place].is_none() {
            self.go_away(place, 5 + chance.below(30));
        }
    }

    fn go_away(&mut self, place: usize, days: usize) {
        self.show(place, false);
        self.away[place] = Some(self.day + i64::try_from(days).unwrap());
        self.tally.outages += 1;
    }

    /// Has the store of a region be found, or not.
    fn show(&self, place: usize, there: bool) {
        let dir = format!("{DIR}/regions/{}", AWAY[place]);
        let (shown, hidden) = (format!("{dir}/store.id"), format!("{dir}/unmounted.id"));
        let (from, to) = if there { (&hidden, &shown) } else { (&shown, &hidden) };
        if self.disk.get(from).is_some() {
            self.disk.rename(Path::new(from), Path::new(to)).unwrap();
            self.disk.sync_dir(Path::new(&dir)).unwrap();
        }
    }

    async fn one_day(&mut self, life: &mut Life, chance: &mut Chance) -> Result<(), Trouble> {
        let day = self.day;
        for family in FAMILIES {
            if chance.in_thousand(350) {
                life.doing(day, golden(&format!("{family}-{day}"), family)).await?;
            }
            let images = life.images(family)?;
            if images.is_empty() {
                continue;
            }
            let image = chance.pick(&images).clone();
            let name = format!("of-{family}");
            let request = match chance.below(12) {
                0 => Request::ImageDeprecate(at(&image)),
                1 => Request::ImageRestore(at(&image)),
                2 => {
                    let to = FamilyTo::Image(image.id.0.clone());
                    let regions = FamilyWhere::Named(vec![RegionId::from(HOME)]);
                    Request::Share(ShareRequest::FamilyMove { family: family.to_owned(), to, regions })
                }
                3 | 4 => {
                    let regions = FamilyWhere::Named(vec![RegionId::from(HOME)]);
                    let to = FamilyTo::Newest;
                    Request::Share(ShareRequest::FamilyMove { family: family.to_owned(), to, regions })
                }
                5 => Request::Disk(DiskRequest::Create {
                    called: Called { name, ..Called::default() },
                    region: Some(RegionId::from(HOME)),
                    size_bytes: 1 << 30,
                    snapshot: None,
                    image: Some(image.id.0.clone()),
                }),
                6 | 7 => Request::Disk(DiskRequest::Delete(ThingAt { thing: name, region: None })),
                // A share by hand, for a while; of what is not distributed.
                8 if family == FAMILIES[1] => {
                    let with = vec![AccountId::from(OTHERS[0])];
                    Request::Share(ShareRequest::Share { at: at(&image), with, term: Term::For(15 * DAY_MS) })
                }
                9 => {
                    let description = Some(format!("looked at on day {day}"));
                    Request::ImageModify {
                        at: at(&image),
                        to: Attributes { description, ..Attributes::default() },
                    }
                }
                _ => continue,
            };
            life.doing(day, request).await?;
        }
        self.quotas(life, chance).await?;
        self.clock_jumps(life, chance).await?;
        // Twice: schedules tick in the night and at noon.
        for hour in [5, 13] {
            self.set(START_MS + day * DAY_MS + hour * DAY_MS / 24);
            life.tick().await?;
            if chance.in_thousand(100) {
                self.tally.cancelled += life.cancel_copies().await?;
            }
            let place = chance.below(AWAY.len());
            if chance.in_thousand(8) && self.away[place].is_none() {
                // While something may be on its way there.
                self.go_away(place, 3 + chance.below(20));
            }
            life.settle(&self.away).await?;
        }
        Ok(())
    }

    /// A region has no room for a while, so that copies to it are refused.
    async fn quotas(&mut self, life: &mut Life, chance: &mut Chance) -> Result<(), Trouble> {
        let region = Some(RegionId::from(*chance.pick(&AWAY)));
        let images = match chance.below(20) {
            0 => Some(0),
            1..4 => Some(rules::IMAGES_MAX),
            _ => return Ok(()),
        };
        self.tally.refused += u64::from(images == Some(0));
        let quotas = Quotas { images, ..Quotas::default() };
        let set = ShareRequest::QuotaSet { account: None, region, quotas };
        life.doing(self.day, Request::Share(set)).await?;
        Ok(())
    }

    /// The clock is wrong for a moment, and schedules tick meanwhile.
    async fn clock_jumps(&mut self, life: &mut Life, chance: &mut Chance) -> Result<(), Trouble> {
        if !chance.in_thousand(25) {
            return Ok(());
        }
        let days = *chance.pick(&[-20, -3, -1, 1, 2, 5, 30]);
        self.set(START_MS + (self.day + days) * DAY_MS);
        self.tally.jumps += 1;
        life.tick().await?;
        life.settle(&self.away).await
    }

    /// Everything is well again, for some days; then what is there is what should be.
    async fn end(&mut self) -> Result<Seen, Trouble> {
        for place in 0..AWAY.len() {
            self.show(place, true);
        }
        self.away = [None, None];
        let mut life = Life::open(self).await?;
        // Behind every time that a clock has ever said.
        let first = DAYS + 60;
        self.set(START_MS + first * DAY_MS);
        for region in AWAY.map(RegionId::from) {
            let quotas = Quotas { images: Some(rules::IMAGES_MAX), ..Quotas::default() };
            let region = Some(region);
            let set = ShareRequest::QuotaSet { account: None, region, quotas };
            assert!(life.doing(first, Request::Share(set)).await?);
        }
        for number in 0..NEWEST {
            let name = format!("last-{number}");
            assert!(life.doing(first, golden(&name, FAMILIES[0])).await?);
        }
        for day in first..first + 2 * CALM {
            for hour in [5, 13] {
                self.set(START_MS + day * DAY_MS + hour * DAY_MS / 24);
                life.tick().await?;
                life.settle(&self.away).await?;
            }
        }
        assert_eq!(life.service.engine.snapshot()?.open_flows().len(), 0, "nothing is left under way");
        Self::check_kept(&life)?;
        Self::check_distributed(&life)?;
        for (kind, name) in
            [(Kind::Retention, "gold"), (Kind::Retention, "plain"), (Kind::Distribution, "out")]
        {
            let plan = UpkeepRequest::Plan(UpkeepAt { kind, named: name.to_owned() });
            let plan: UpkeepPlanView = life.ask("plan", Request::Upkeep(plan)).await?;
            let still =
                plan.images.iter().filter(|row| !["Stays", "There", "Left"].contains(&row.does.as_str()));
            let still: Vec<_> = still.filter(|row| row.does != "Waits").collect();
            assert!(still.is_empty(), "{still:?}");
        }
        let seen = judge(&life.service.engine);
        assert_eq!(life.service.engine.verify()?.fault, None);
        assert_eq!(life.service.engine.rebuild()?.faults, Vec::new());
        Ok(seen)
    }

    /// Of every family in every region exactly those are there that have to stay, or still have grace.
    fn check_kept(life: &Life) -> Result<(), Trouble> {
        let rows = life.service.engine.snapshot()?;
        let now_ms = life.clock.0.load(Ordering::Relaxed);
        for name in FAMILIES {
            let upkeep = UPKEEPS.list_all(&rows).into_iter().find(|upkeep| upkeep.name == name).unwrap();
            let by = Keeping {
                upkeep: upkeep.id,
                name: name.to_owned(),
                family: name.to_owned(),
                retention: retention(name),
                now_ms,
            };
            for region in std::iter::once(HOME).chain(AWAY).map(RegionId::from) {
                for image in family(&rows, &account(), &region, name) {
                    let has_grace = image.status == Status::Deprecated
                        && image
                            .deprecated_ms
                            .is_some_and(|since_ms| since_ms + 7 * DAY_MS > now_ms - DAY_MS);
                    let stays = protects(&rows, &image, &by);
                    assert!(stays.is_some() || has_grace, "`{}` is still in `{region}`", image.name);
                }
            }
        }
        Ok(())
    }

    /// The newest images are in every region once, and shared with everybody they should be.
    fn check_distributed(life: &Life) -> Result<(), Trouble> {
        let rows = life.service.engine.snapshot()?;
        let mut newest = family(&rows, &account(), &RegionId::from(HOME), FAMILIES[0]);
        newest.retain(|image| image.status == Status::Available);
        newest.truncate(NEWEST as usize);
        assert_eq!(newest.len(), NEWEST as usize);
        let wanted: BTreeSet<AccountId> = OTHERS.map(AccountId::from).into_iter().collect();
        let shared = |image: &domain::image::Image| image.shares.keys().cloned().collect::<BTreeSet<_>>();
        for image in &newest {
            assert_eq!(shared(image), wanted, "`{}` at home", image.name);
            for region in AWAY.map(RegionId::from) {
                let there = IMAGES.list(&rows, &scope(&account(), &region), &[]);
                let copies: Vec<_> = there
                    .iter()
                    .filter(|copy| {
                        domain::image::Making::Copy {
                            image: image.id.clone(),
                            account: account(),
                            region: RegionId::from(HOME),
                        } == copy.making
                    })
                    .collect();
                assert_eq!(copies.len(), 1, "`{}` in `{region}`", image.name);
                assert_eq!((copies[0].status, shared(copies[0])), (Status::Available, wanted.clone()));
            }
        }
        // And the family stands for the newest everywhere.
        for region in AWAY.map(RegionId::from) {
            let first = family(&rows, &account(), &region, FAMILIES[0]).swap_remove(0);
            assert_eq!(first.name, newest[0].name);
        }
        Ok(())
    }
}

/// Runs one opening; all that went on in it has ended on return.
fn incarnation<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(work)
}

fn play(seed: u64) -> (Tally, Seen) {
    let mut year = Year::of(seed);
    incarnation(year.prepare()).unwrap();
    year.disk.settle();
    while year.day < DAYS {
        let lived = catch_unwind(AssertUnwindSafe(|| incarnation(year.live())));
        match lived {
            Ok(Err(trouble)) => {
                assert!(!year.disk.is_powered(), "seed {seed}, day {}: {trouble:?}", year.day);
            }
            Err(panic) if year.disk.is_powered() => resume_unwind(panic),
            Ok(Ok(())) | Err(_) => {}
        }
        year.disk.clear_faults();
        if !year.disk.is_powered() {
            year.disk.power_on();
            year.tally.cuts += 1;
        }
    }
    let in_the_end = incarnation(year.end()).unwrap();
    (year.tally, in_the_end)
}

#[test]
fn a_year_of_power_cuts_outages_and_clock_jumps_ends_with_exactly_what_should_be_there() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, years) = (number("KILN_SEED", 1), number("KILN_YEARS", 1));
    for seed in first..first + years {
        let (tally, seen) = catch_unwind(|| play(seed)).unwrap_or_else(|panic| {
            println!("failed with KILN_SEED={seed} KILN_YEARS=1");
            resume_unwind(panic)
        });
        println!("soak: seed {seed}: {tally:?}, {seen:?}");
        // A year in which nothing happened would show nothing.
        assert!(tally.cuts > 10 && tally.outages > 0 && tally.jumps > 0, "{tally:?}");
        assert!(
            seen.deprecated > 20 && seen.deleted > 20 && seen.copied > 40 && seen.shared > 100,
            "{seen:?}"
        );
    }
}
