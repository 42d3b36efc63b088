//! Finding flows: whatever is asked of a mixed crowd, page by page, is what a look at every flow finds.

use async_trait::async_trait;
use event::{Actor, FlowId, Scope, Seq, Subject};
use serde::{Deserialize, Serialize};

use crate::find::{Filter, Found, READS_MAX};
use crate::tests_kit::*;
use crate::{Book, Engine, Flow, FlowRow, Halt, Options, Snapshot, State, Workflow};

/// A story that a test gives a name, a place and a label.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Errand<const N: u8> {
    place: String,
    label: String,
    subject: String,
    end: String,
}

#[async_trait]
impl<const N: u8> Workflow for Errand<N> {
    type Ports = World;
    type Output = String;
    const NAME: &'static str = if N == 0 { "run-errand" } else { "walk-errand" };
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        Scope::from(&*self.place)
    }

    fn label(&self) -> String {
        self.label.clone()
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.subject.clone())]
    }

    async fn run(self, flow: &Flow<World>) -> Result<String, Halt> {
        let Self { place, end, .. } = self;
        match end.as_str() {
            "done" => Ok(end),
            "parked" => Err(Halt::Park("a person is wanted".to_owned())),
            // A record that names a subject the story was not started with.
            "named" => {
                let taken =
                    move |_: &event::View<'_>| Ok(Taken { name: "late".to_owned(), by: FlowId([1; 16]) });
                flow.decide(Scope(place), taken).nothing_to_undo("a test").await.map(|taken| taken.name)
            }
            code => Err(Halt::Failed(event::Refusal::new(code, "no"))),
        }
    }
}

fn options(house: &House) -> Options<World> {
    let book = Book::default().with::<Script>().with::<Errand<0>>().with::<Errand<1>>();
    Options { book, ..house.options() }
}

fn live<T>(house: &House, doing: impl AsyncFnOnce(&Engine<World>) -> T) -> T {
    let engine = Engine::open(options(house)).expect("the log opens");
    runtime().block_on(async {
        engine.drive().await.expect("the log takes a job");
        let done = doing(&engine).await;
        engine.close().await;
        done
    })
}

fn account(number: usize) -> Actor {
    Actor { account: format!("10000{number}"), key: String::new() }
}

const ENDS: [&str; 7] = ["done", "done", "named", "done", "parked", "Broken", "TooSmall"];

/// Flows of two stories, three accounts, three places and all ends, of which most lie apart in time.
async fn crowd(house: &House, engine: &Engine<World>) {
    for number in 0..180_usize {
        house.clock.pass([0, 1, 1000][number % 3]);
        let place = ["100000/cn-a", "100001/cn-b", "kiln"][number / 2 % 3].to_owned();
        let label = format!("an errand for `Web-{}`", number % 20);
        let (subject, end) = (format!("thing-{}", number % 11), ENDS[number * 5 / 3 % 7].to_owned());
        let (actor, request) = (account(number % 3), format!("request {number}"));
        let id = if number % 2 == 0 {
            engine.start(actor.clone(), &request, Errand::<0> { place, label, subject, end }).await
        } else {
            engine.start(actor.clone(), &request, Errand::<1> { place, label, subject, end }).await
        };
        let row = engine.wait(id.unwrap()).await.unwrap();
        if row.state == State::Parked {
            // Some go on and park again, some are given up, some are undone.
            match number % 4 {
                0 => engine.retry(actor, row.id, "again").await.unwrap(),
                1 => engine.abandon(actor, row.id, "enough").await.unwrap(),
                2 => engine.unwind(actor, row.id, "back").await.unwrap(),
                _ => {}
            }
            engine.wait(row.id).await.unwrap();
        }
    }
}

fn text(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

type Question = (Filter, Box<dyn Fn(&FlowRow) -> bool>);

/// What is asked, and which flows it is: told once more, by what a flow's row says.
fn questions(begun_ms: i64) -> Vec<Question> {
    let none = Filter::default;
    let has = |subject: &'static str| move |row: &FlowRow| row.subjects.iter().any(|it| it.0 == subject);
    vec![
        (none(), Box::new(|_| true)),
        (Filter { names: text(&["run-errand"]), ..none() }, Box::new(|row| row.name == "run-errand")),
        (Filter { states: vec![State::Parked], ..none() }, Box::new(|row| row.state == State::Parked)),
        (
            Filter { states: vec![State::Undone, State::Abandoned], ..none() },
            Box::new(|row| matches!(row.state, State::Undone | State::Abandoned)),
        ),
        (Filter { states: vec![State::Running], ..none() }, Box::new(|_| false)),
        (Filter { accounts: text(&["100001"]), ..none() }, Box::new(|row| row.actor.account == "100001")),
        (Filter { places: text(&["cn-b"]), ..none() }, Box::new(|row| row.scope.as_str() == "100001/cn-b")),
        (Filter { places: text(&["kiln"]), ..none() }, Box::new(|_| false)),
        (
            Filter { codes: text(&["Broken", "OperationParked"]), ..none() },
            Box::new(|row| {
                row.trouble().is_some_and(|no| no.code == "Broken" || no.code == "OperationParked")
            }),
        ),
        (Filter { subjects: text(&["thing-7"]), ..none() }, Box::new(has("thing-7"))),
        (Filter { subjects: text(&["thing-7\0"]), ..none() }, Box::new(|_| false)),
        (Filter { text: "eB-1".to_owned(), ..none() }, Box::new(|row| row.label.contains("Web-1"))),
        (
            Filter { since_ms: Some(begun_ms + 20_000), until_ms: Some(begun_ms + 40_003), ..none() },
            Box::new(move |row| (begun_ms + 20_000..=begun_ms + 40_003).contains(&row.started_ms)),
        ),
        (
            Filter {
                names: text(&["run-errand"]),
                states: vec![State::Done, State::Undone],
                accounts: text(&["100000", "100002"]),
                places: text(&["cn-a", "cn-b"]),
                ..none()
            },
            Box::new(|row| {
                row.name == "run-errand"
                    && matches!(row.state, State::Done | State::Undone)
                    && row.actor.account != "100001"
                    && row.scope.as_str() != "kiln"
            }),
        ),
        (
            Filter { subjects: text(&["thing-3", "thing-4"]), codes: text(&["TooSmall"]), ..none() },
            Box::new(move |row| {
                row.trouble().is_some_and(|no| no.code == "TooSmall")
                    && (has("thing-3")(row) || has("thing-4")(row))
            }),
        ),
        (Filter { until_ms: Some(begun_ms - 1), ..none() }, Box::new(|_| false)),
        (Filter { since_ms: Some(i64::MAX), ..none() }, Box::new(|_| false)),
        (Filter { since_ms: Some(i64::MIN), until_ms: Some(i64::MAX), ..none() }, Box::new(|_| true)),
    ]
}

/// All pages of what a filter finds.
fn pages(snapshot: &Snapshot, filter: &Filter, count: usize) -> Vec<FlowRow> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let Found { flows, next } = snapshot.find(filter, after, count).unwrap();
        assert!(flows.len() <= count);
        assert!(next.is_none() || flows.len() == count, "so few rows are read in one go");
        found.extend(flows);
        match next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

fn check(house: &House, engine: &Engine<World>) {
    let snapshot = engine.snapshot().unwrap();
    let mut all = snapshot.flows(usize::MAX, |_| true).unwrap();
    all.sort_unstable_by_key(|row| std::cmp::Reverse(row.first));
    let begun_ms = all.last().unwrap().started_ms;
    assert!(house.clock.0.load(std::sync::atomic::Ordering::Relaxed) > begun_ms + 50_000);
    let mut sizes = std::collections::BTreeSet::new();
    for (filter, is_wanted) in questions(begun_ms) {
        let expected: Vec<_> = all.iter().filter(|row| is_wanted(row)).cloned().collect();
        sizes.insert(expected.len());
        for count in [1, 7, 1000] {
            let found = pages(&snapshot, &filter, count);
            assert_eq!(found, expected, "{filter:?}, {count} at a time");
        }
    }
    assert!(sizes.len() > 8, "the questions tell the flows apart: {sizes:?}");
}

#[test]
fn whatever_is_asked_of_a_crowd_is_what_a_look_at_each_of_it_finds_page_by_page() {
    let house = House::new();
    live(&house, async |engine| {
        crowd(&house, engine).await;
        check(&house, engine);
    });
    // Opened again, with parked flows that end now, and folded anew.
    live(&house, async |engine| {
        let parked = Filter { states: vec![State::Parked], ..Filter::default() };
        let before = engine.snapshot().unwrap().find(&parked, None, 1000).unwrap().flows;
        assert!(before.len() > 2, "{before:?}");
        for row in &before[1..] {
            engine.abandon(actor(), row.id, "enough").await.unwrap();
        }
        let after = engine.snapshot().unwrap().find(&parked, None, 1000).unwrap().flows;
        assert_eq!(after, before[..1]);
        check(&house, engine);
        assert_eq!(engine.rebuild().unwrap().faults, []);
    });
}

#[test]
fn a_flow_is_found_by_a_subject_that_it_came_to_later_and_once_only() {
    let house = House::new();
    live(&house, async |engine| {
        crowd(&house, engine).await;
        let snapshot = engine.snapshot().unwrap();
        let filter = Filter { subjects: text(&["name-late"]), ..Filter::default() };
        let found = pages(&snapshot, &filter, 7);
        let named =
            |row: &FlowRow| snapshot.records_of(row).unwrap().iter().any(|it| it.kind == "name.taken/1");
        let mut expected = snapshot.flows(usize::MAX, named).unwrap();
        expected.sort_unstable_by_key(|row| std::cmp::Reverse(row.first));
        assert!(expected.len() > 10);
        assert_eq!(found, expected);
        assert_eq!(snapshot.history("name-late").unwrap().len(), expected.len());
    });
}

#[test]
fn pages_go_on_where_they_were_while_flows_begin_and_end() {
    let house = House::new();
    live(&house, async |engine| {
        crowd(&house, engine).await;
        let filter = Filter { accounts: text(&["100000"]), ..Filter::default() };
        let expected: Vec<FlowId> =
            pages(&engine.snapshot().unwrap(), &filter, 1000).iter().map(|row| row.id).collect();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = engine.snapshot().unwrap().find(&filter, after, 4).unwrap();
            found.extend(page.flows.iter().map(|row| row.id));
            for row in page.flows.iter().filter(|row| row.state == State::Parked) {
                engine.abandon(actor(), row.id, "enough").await.unwrap();
            }
            engine.run(account(0), &format!("later {}", found.len()), Script(vec![])).await.unwrap();
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(found, expected);
    });
}

#[test]
fn a_page_that_would_read_too_much_says_where_to_go_on() {
    let house = House::new();
    house.live(async |engine| {
        let parts: Vec<_> = (0..READS_MAX + 500).map(|number| (number.to_string(), vec![])).collect();
        let size = parts.len() + 1;
        engine.run(actor(), "many", Script(vec![Op::Each(parts, 1000)])).await.unwrap();
        let snapshot = engine.snapshot().unwrap();
        let filter = Filter { text: "nobody is called so".to_owned(), ..Filter::default() };
        let first = snapshot.find(&filter, None, 10).unwrap();
        assert_eq!(first.flows, []);
        let next = first.next.expect("there is more than one page may read");
        assert!(next > Seq(1));
        assert_eq!(
            snapshot.find(&filter, Some(next), 10).unwrap(),
            Found::default(),
            "and then there is no more"
        );
        // What is found of so many in a page costs no more than a page.
        let found = snapshot.find(&Filter::default(), None, 10).unwrap();
        assert_eq!(found.flows.len(), 10);
        let mut after = None;
        let mut all = 0;
        loop {
            let page = snapshot
                .find(&Filter { text: "SCRIPT".to_owned(), ..Filter::default() }, after, 900)
                .unwrap();
            all += page.flows.len();
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(all, size, "each is on one page, wherever pages were cut");
    });
}
