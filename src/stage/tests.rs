//! The stage itself: what it plays is what the engine does, and faults in a story or a world are found.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::{Book, Ends, Flow, Halt, Outcome, Policy, State, Workflow, branch};
use event::{Event, Failure, Scope};
use serde::{Deserialize, Serialize};

use crate::{Fate, House, faults, story};

/// How often each thing is there.
type Shelf = Mutex<BTreeMap<String, u32>>;

#[derive(Serialize, Deserialize)]
struct Put {
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Taken {
    name: String,
}

impl Event for Put {
    const KIND: &'static str = "thing.put/1";
}

impl Event for Taken {
    const KIND: &'static str = "thing.taken/1";
}

/// What a story may do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Wrong {
    Nothing,
    /// A step that, run twice, does it twice.
    Counts,
    /// An undo that leaves what it is to take.
    Leaves,
    /// An undo that can only take what is there.
    Insists,
}

/// Puts two things on a shelf, a third and a fourth at once, and waits a week.
#[derive(Clone, Serialize, Deserialize)]
struct Stock {
    wrong: Wrong,
}

fn shelf(shelf: &Shelf) -> std::sync::MutexGuard<'_, BTreeMap<String, u32>> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn put(flow: &Flow<Shelf>, name: &str, wrong: Wrong) -> Result<(), Halt> {
    let (puts, takes) = (name.to_owned(), name.to_owned());
    let step = flow.step(move |at| {
        let name = puts.clone();
        async move {
            let mut shelf = shelf(at.ports());
            let count = shelf.entry(name.clone()).or_default();
            *count = if wrong == Wrong::Counts { *count + 1 } else { 1 };
            Ok::<_, Failure>(Put { name })
        }
    });
    let undone = step.undo(move |at| {
        let name = takes.clone();
        async move {
            let mut shelf = shelf(at.ports());
            let was = if wrong == Wrong::Leaves { None } else { shelf.remove(&name) };
            if wrong == Wrong::Insists && was.is_none() {
                return Err(Failure::Ours(format!("{name} is not there")));
            }
            Ok(Taken { name })
        }
    });
    undone.await.map(|_| ())
}

#[async_trait]
impl Workflow for Stock {
    type Ports = Shelf;
    type Output = ();
    const NAME: &'static str = "stock";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        Scope::from("shelf")
    }

    fn label(&self) -> String {
        "stock a shelf".to_owned()
    }

    async fn run(self, flow: &Flow<Shelf>) -> Result<(), Halt> {
        let wrong = self.wrong;
        put(flow, "one", wrong).await?;
        put(flow, "two", wrong).await?;
        let lines = ["three", "four"]
            .map(|name| branch(move |flow: Flow<Shelf>| async move { put(&flow, name, wrong).await }));
        flow.join(Vec::from(lines)).await?;
        flow.sleep(Duration::from_hours(7 * 24)).await
    }
}

/// A step that takes two hours, if it is let.
#[derive(Clone, Serialize, Deserialize)]
struct Slow {
    within: Duration,
}

#[async_trait]
impl Workflow for Slow {
    type Ports = Shelf;
    type Output = (bool, i64);
    const NAME: &'static str = "slow";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        Scope::from("shelf")
    }

    fn label(&self) -> String {
        "take long".to_owned()
    }

    async fn run(self, flow: &Flow<Shelf>) -> Result<(bool, i64), Halt> {
        let begun = flow.now_ms().await;
        let line = branch(|flow: Flow<Shelf>| async move {
            let slow = flow.step(|_| async {
                tokio::time::sleep(Duration::from_hours(2)).await;
                Ok::<_, Failure>(Put { name: "late".to_owned() })
            });
            slow.policy(Policy::default()).nothing_to_undo("it only waits").await
        });
        let came = flow.within(self.within, line).await?.is_some();
        Ok((came, flow.now_ms().await - begun))
    }
}

/// Waits for several times at once.
#[derive(Clone, Serialize, Deserialize)]
struct Waits;

#[async_trait]
impl Workflow for Waits {
    type Ports = Shelf;
    type Output = (u64, i64);
    const NAME: &'static str = "waits";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        Scope::from("shelf")
    }

    fn label(&self) -> String {
        "wait".to_owned()
    }

    async fn run(self, flow: &Flow<Shelf>) -> Result<(u64, i64), Halt> {
        let begun = flow.now_ms().await;
        let waits = |hours: u64| {
            branch(move |flow: Flow<Shelf>| async move {
                flow.sleep(Duration::from_hours(hours)).await.map(|()| hours)
            })
        };
        let (_, first) = flow.race(vec![waits(50), waits(1), waits(90)]).await?;
        Ok((first, flow.now_ms().await - begun))
    }
}

/// Takes what it is told, within an hour.
#[derive(Clone, Serialize, Deserialize)]
struct Listens;

#[async_trait]
impl Workflow for Listens {
    type Ports = Shelf;
    type Output = Option<String>;
    const NAME: &'static str = "listens";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        Scope::from("shelf")
    }

    fn label(&self) -> String {
        "listen".to_owned()
    }

    async fn run(self, flow: &Flow<Shelf>) -> Result<Option<String>, Halt> {
        flow.signal_within("word", Duration::from_hours(1)).await
    }
}

/// Stocks several shelves, one after the other.
#[derive(Clone, Serialize, Deserialize)]
struct Shop;

#[async_trait]
impl Workflow for Shop {
    type Ports = Shelf;
    type Output = u64;
    const NAME: &'static str = "shop";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        Scope::from("shelf")
    }

    fn label(&self) -> String {
        "open a shop".to_owned()
    }

    async fn run(self, flow: &Flow<Shelf>) -> Result<u64, Halt> {
        let stock = vec![("a".to_owned(), Stock { wrong: Wrong::Nothing })];
        let ends: Ends<()> = flow.each(stock, 1).nothing_to_undo("what is stocked stays").await?;
        Ok(ends.len() as u64)
    }
}

fn house() -> House<Shelf> {
    let book =
        || Book::default().with::<Stock>().with::<Slow>().with::<Listens>().with::<Shop>().with::<Waits>();
    House::new(Shelf::default(), book)
}

fn seen(world: &Shelf) -> String {
    format!("{:?}", shelf(world))
}

fn output<T: serde::de::DeserializeOwned>(row: &engine::FlowRow) -> T {
    let Some(Outcome::Done(output)) = &row.outcome else { panic!("{row:?}") };
    rmp_serde::from_slice(output).expect("it is of that type")
}

#[test]
fn a_story_that_is_right_stands_every_fault() {
    faults(house, &Stock { wrong: Wrong::Nothing }, seen);
}

#[test]
fn a_story_that_is_wrong_is_found_out() {
    for (wrong, said) in
        [(Wrong::Counts, "undisturbed run"), (Wrong::Leaves, "as it was"), (Wrong::Insists, "is not there")]
    {
        let tried = catch_unwind(AssertUnwindSafe(|| faults(house, &Stock { wrong }, seen)));
        let why = tried.expect_err("it is to be found");
        let why = why.downcast_ref::<String>().expect("it says why");
        assert!(why.contains(said), "{wrong:?}: {why}");
    }
}

#[test]
fn what_strikes_is_met_as_if_the_step_itself_had_come_to_it() {
    let house = house();
    house.strike("2", Fate::caller("NoRoom"));
    let row = house.run("once", Stock { wrong: Wrong::Nothing });
    assert_eq!(row.state, State::Undone);
    story!(house, row.id, @r#"
    flow.started/1 stock a shelf
    1 thing.put/1 {"name":"one"}
    2 flow.failed/1 {"refusal":{"code":"NoRoom","message":"the script says so"}}
    flow.turned/1
    2~ thing.taken/1 {"name":"two"}
    1~ thing.taken/1 {"name":"one"}
    flow.ended/1 Undone: the script says so
    "#);
}

#[test]
fn time_is_over_only_for_what_really_takes_that_long() {
    let hour_ms = 60 * 60 * 1000;
    for (hours, wanted) in [(1, (false, hour_ms)), (3, (true, 2 * hour_ms))] {
        for _ in 0..20 {
            let row = house().run("once", Slow { within: Duration::from_hours(hours) });
            assert_eq!(output::<(bool, i64)>(&row), wanted);
        }
    }
}

#[test]
fn who_is_told_something_in_time_is_not_late_however_slow_the_log_is() {
    for _ in 0..20 {
        let row = house().live(async |life| {
            let id = life.start("once", Listens).await.expect("it starts");
            life.pass(Duration::from_mins(59)).await;
            let by = event::Actor { account: "test".to_owned(), key: String::new() };
            life.signal(by, id, "word", &"yes", "").await.expect("it is told");
            life.wait(id).await.expect("it ends")
        });
        assert_eq!(output::<Option<String>>(&row).as_deref(), Some("yes"));
    }
    let row = house().run("once", Listens);
    assert_eq!(output::<Option<String>>(&row), None);
}

#[test]
fn a_life_ends_by_a_power_cut_and_the_next_goes_on() {
    let house = house();
    let id = house.crash(async |life| {
        let id = life.start("once", Stock { wrong: Wrong::Nothing }).await.expect("it starts");
        life.pass(Duration::from_hours(24)).await;
        id
    });
    house.jump(3 * 24 * 60 * 60 * 1000);
    assert_eq!(house.rest(id).state, State::Done);
    assert_eq!(seen(house.world()), r#"{"four": 1, "one": 1, "three": 1, "two": 1}"#);
    house.check();
}

#[test]
fn a_part_is_run_as_its_parent_asks_and_struck_as_any() {
    let house = house();
    house.strike("2", Fate::world("the shelf is full").after_it_acted());
    let row = house.run("once", Shop);
    assert_eq!(output::<u64>(&row), 1);
    assert_eq!(seen(house.world()), r#"{"four": 1, "one": 1, "three": 1, "two": 1}"#);
}

#[test]
fn of_several_waits_the_shortest_wins_and_the_time_is_that_of_its_end() {
    for _ in 0..20 {
        let row = house().run("once", Waits);
        assert_eq!(output::<(u64, i64)>(&row), (1, 60 * 60 * 1000));
    }
}
