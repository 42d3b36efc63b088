//! Several lines of a story at once: in any order the same log, one winner, losers undone, no step twice.

use crate::State;
use crate::queue::lock;
use crate::tests_kit::*;

#[test]
fn lines_that_are_joined_run_at_once_and_answer_in_their_own_order() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("a")]);
    house.world.plan("b", [Plan::Gate("b")]);
    let row = house.live(async |engine| {
        let script = Script(vec![join([vec![make("a")], vec![make("b"), note_op("x")]]), note_op("end")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("a").await;
        house.world.until_at_work("b").await;
        house.world.open_gate("b");
        house.world.until(|world| world.calls_of("b ends").len() == 1).await;
        house.world.open_gate("a");
        engine.wait(id).await.unwrap()
    });
    assert_eq!(output(&row), ["a; b,x", "end"]);
    let told = house.story(row.id);
    for line in
        ["1.0/1 thing.made/1 a", "1.1/1 thing.made/1 b", "1.1/2 note.written/1 x", "2 note.written/1 end"]
    {
        assert!(told.contains(&line.to_owned()), "{told:?} lacks {line}");
    }
    house.check();
}

#[test]
fn a_line_that_is_in_the_log_is_not_done_again_after_a_crash_whichever_came_first() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("never"), Plan::Succeed]);
    let id = house.crash(async |engine| {
        let script = Script(vec![join([vec![make("a"), Op::NoteId], vec![make("b"), Op::NoteId]])]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("a").await;
        house.world.until(|world| world.calls_of("b ends").len() == 1).await;
        while engine.snapshot().unwrap().flow(id).unwrap().records < 3 {
            settle(engine).await;
        }
        id
    });
    let row = house.rest(id);
    assert_eq!(row.state, State::Done);
    assert_eq!(house.world.calls_of("a").len(), 2);
    assert_eq!(house.world.calls_of("b").len(), 1);
    let ids: Vec<_> = house.story(id).into_iter().filter(|line| line.contains("/2 note")).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0].split(' ').nth(2), ids[1].split(' ').nth(2), "each line mints ids of its own");
    house.check();
}

#[test]
fn a_no_in_one_line_lets_the_others_come_to_their_ends_and_then_all_is_undone() {
    let house = House::new();
    house.world.plan("b", [Plan::Gate("b")]);
    let row = house.live(async |engine| {
        let script = Script(vec![make("z"), join([vec![Op::Refuse], vec![make("b"), make("c")]])]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("b").await;
        house.world.open_gate("b");
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Undone);
    assert_eq!(row.refusal().unwrap().code, "No");
    assert_eq!(house.world.calls_of("c").len(), 1);
    assert!(house.world.is_clean());
    house.check();
}

#[test]
fn the_first_line_to_come_to_its_end_wins_and_what_the_others_began_is_undone() {
    let house = House::new();
    house.world.plan("slow", [Plan::UntilCancelled("stops")]);
    house.world.open_gate("stops");
    house.world.plan("a", [Plan::Gate("a")]);
    let row = house.live(async |engine| {
        let lines = [vec![take_op("n"), make("b"), make("slow"), make("never")], vec![make("a")]];
        let script = Script(vec![race(lines), note_op("end")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("slow").await;
        house.world.until_at_work("a").await;
        house.world.open_gate("a");
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Done);
    assert_eq!(output(&row), ["1: a", "end"]);
    assert_eq!(lock(&house.world.things).iter().collect::<Vec<_>>(), ["a"]);
    assert_eq!(house.world.calls_of("never").len(), 0);
    let told = house.story(row.id);
    let at = |line: &str| {
        told.iter().position(|told| told == line).unwrap_or_else(|| panic!("{told:?} lacks {line}"))
    };
    assert!(at("1 flow.raced/1") < at("1.0/2~ thing.unmade/1 b"));
    assert!(at("1.0/3~ thing.unmade/1 slow") < at("1.0/2~ thing.unmade/1 b"));
    assert!(at("1.0/2~ thing.unmade/1 b") < at("1.0/1~ name.given/1 n"));
    assert!(at("1.0/1~ name.given/1 n") < at("2 note.written/1 end"));
    house.check();
}

#[test]
fn who_won_wins_again_after_a_crash_and_losers_are_undone_once() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("a")]);
    house.world.plan("~b", [Plan::Gate("never"), Plan::Succeed]);
    let script = || Script(vec![race([vec![make("b"), signal("never")], vec![make("a")]]), note_op("end")]);
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", script()).await.unwrap();
        house.world.until(|world| world.calls_of("b ends").len() == 1).await;
        house.world.until_at_work("a").await;
        house.world.open_gate("a");
        house.world.until_at_work("~b").await;
        id
    });
    // Told again, the loser may be quicker than the winner: it stays the loser.
    let row = house.rest(id);
    assert_eq!(output(&row), ["1: a", "end"]);
    assert_eq!(house.world.calls_of("a").len(), 1);
    assert_eq!(house.world.calls_of("b").len(), 1);
    assert_eq!(lock(&house.world.things).iter().collect::<Vec<_>>(), ["a"]);
    house.check();
}

#[test]
fn a_cancel_during_a_race_undoes_all_lines() {
    let house = House::new();
    house.world.plan("b", [Plan::UntilCancelled("stops")]);
    house.world.open_gate("stops");
    let row = house.live(async |engine| {
        let script = Script(vec![make("z"), race([vec![make("a"), signal("never")], vec![make("b")]])]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("b").await;
        house.world.until(|world| world.calls_of("a ends").len() == 1).await;
        engine.cancel(actor(), id, "enough").await.unwrap();
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Undone);
    assert!(house.world.is_clean());
    assert!(!house.story(row.id).iter().any(|line| line.contains("raced")), "nobody has won");
    house.check();
}

#[test]
fn what_may_take_so_long_at_most_is_undone_when_the_time_is_over() {
    let house = House::new();
    house.world.plan("slow", [Plan::UntilCancelled("stops")]);
    house.world.open_gate("stops");
    let within = |ms, ops| more(More::Within(ms, ops));
    let row = house.run("r", [within(50, vec![make("a"), make("slow")]), within(50, vec![note_op("quick")])]);
    assert_eq!(output(&row)[0], "too late");
    assert!(house.world.is_clean());
    house.check();
}

#[test]
fn a_point_of_no_return_in_a_race_parks_for_a_loser_could_not_be_undone() {
    let house = House::new();
    let row = house.run("r", [race([vec![Op::Seal("s".to_owned())], vec![signal("never")]])]);
    assert!(parked(&row).contains("has no way back, but stands in a race"), "{row:?}");
    assert!(!house.story(row.id).iter().any(|line| line.contains("sealed")));
}

#[test]
fn a_line_that_parks_stops_the_others_and_all_go_on_when_retried() {
    let house = House::new();
    house.world.plan("a", [Plan::Ours, Plan::Succeed]);
    let id = house.live(async |engine| {
        let script = Script(vec![join([vec![make("a")], vec![make("b"), signal("go"), make("c")]])]);
        let row = engine.run(actor(), "r", script).await.unwrap();
        assert!(parked(&row).contains("two and two are five"), "{row:?}");
        engine.retry(actor(), row.id, "mended").await.unwrap();
        engine.signal(actor(), row.id, "go", &"now", "").await.unwrap();
        let row = engine.wait(row.id).await.unwrap();
        assert_eq!(output(&row), ["a; b,now,c"]);
        row.id
    });
    assert_eq!(house.world.calls_of("b").len(), 1);
    assert_eq!(house.story(id).last().unwrap(), "flow.ended/1");
    house.check();
}

#[test]
fn lines_within_lines_have_paths_within_paths() {
    let house = House::new();
    let inner = join([vec![make("a")], vec![race([vec![make("b")], vec![signal("never")]])]]);
    let row = house.run("r", [join([vec![inner, note_op("x")], vec![make("c")]])]);
    assert_eq!(output(&row), ["a; 0: b,x; c"]);
    assert!(house.story(row.id).contains(&"1.0/1.1/1.0/1 thing.made/1 b".to_owned()));
    house.check();
}

#[test]
fn as_many_lines_as_may_be_are_told_and_one_more_parks() {
    let lines = |count: usize| (0..count).map(|n| vec![note_op(&n.to_string())]).collect::<Vec<_>>();
    let house = House::new();
    assert_eq!(house.run("r", [join(lines(crate::BRANCHES_MAX))]).state, State::Done);
    let row = house.run("s", [join(lines(crate::BRANCHES_MAX + 1))]);
    assert!(parked(&row).contains("65 lines, at most 64"), "{row:?}");
    assert!(parked(&house.run("t", [race([])])).contains("has no lines"));
    assert_eq!(output(&house.run("u", [join([])])), [""]);
}

#[test]
fn after_lines_the_time_is_that_of_the_newest_and_after_a_race_that_of_its_end() {
    let house = House::new();
    for key in ["a", "~b"] {
        house.world.plan(key, [Plan::Gate(key)]);
    }
    let begun = 1_700_000_000_000_i64;
    let row = house.live(async |engine| {
        let joined = join([vec![make("a")], vec![make("c")]]);
        let raced = race([vec![make("b"), signal("never")], vec![signal("go")]]);
        let script = Script(vec![joined, Op::NoteNow, raced, Op::NoteNow]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until(|world| world.calls_of("c ends").len() == 1).await;
        settle(engine).await;
        house.clock.pass(1_000);
        house.world.open_gate("a");
        house.world.until(|world| world.calls_of("b ends").len() == 1).await;
        engine.signal(actor(), id, "go", &"", "").await.unwrap();
        house.world.until_at_work("~b").await;
        house.clock.pass(1_000);
        house.world.open_gate("~b");
        engine.wait(id).await.unwrap()
    });
    let later = (begun + 1_000).to_string();
    let told = output(&row);
    assert_eq!((&told[1], &told[3]), (&later, &later));
    house.check();
}

#[test]
fn a_panic_in_one_line_parks_when_the_others_have_come_to_their_ends() {
    let house = House::new();
    house.world.plan("b", [Plan::Gate("b")]);
    let row = house.live(async |engine| {
        let script = Script(vec![join([vec![make("b")], vec![make("c"), Op::BadStory]])]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until(|world| world.calls_of("c ends").len() == 1).await;
        for _ in 0..30 {
            settle(engine).await;
        }
        house.world.open_gate("b");
        engine.wait(id).await.unwrap()
    });
    assert!(parked(&row).contains("a story that panics"), "{row:?}");
    assert!(house.story(row.id).contains(&"1.0/1 thing.made/1 b".to_owned()), "it is not begun twice");
}

#[test]
fn past_the_point_of_no_return_every_line_that_met_a_no_asks_again() {
    let house = House::new();
    house.world.plan("p", [Plan::Ours]);
    let other = house.run("o", [take_op("n"), take_op("m"), make("p")]).id;
    let seal = Op::Seal("s".to_owned());
    let row = house.run("r", [seal, join([vec![take_op("n")], vec![take_op("m")]])]);
    assert!(parked(&row).contains("point of no return"), "{row:?}");
    house.live(async |engine| {
        engine.cancel(actor(), other, "").await.unwrap();
        assert_eq!(engine.wait(other).await.unwrap().state, State::Undone);
        engine.retry(actor(), row.id, "both names are free").await.unwrap();
        let row = engine.wait(row.id).await.unwrap();
        assert_eq!(output(&row), ["s", "n; m"]);
    });
    house.check();
}

#[test]
fn a_line_that_takes_the_process_down_is_counted_while_another_waits() {
    let house = House::new();
    house.world.plan("bad", vec![Plan::Gate("never"); 10]);
    let id = house.crash(async |engine| {
        let script = Script(vec![join([vec![make("bad")], vec![signal("never")]])]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until(|world| world.calls_of("bad").len() == 1).await;
        id
    });
    for times in 2..=6 {
        house.crash(async |engine| {
            house.world.until(|world| world.calls_of("bad").len() == times).await;
            settle(engine).await;
        });
    }
    assert!(parked(&house.rest(id)).contains("taken up 5 times"));
}
