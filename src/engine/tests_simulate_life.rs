//! One life of a house, step by step: at each turn somebody asks for something, or meddles, and one thing goes on.

use std::sync::Arc;
use std::time::Duration;

use event::{FlowId, Until};
use sim::Director;
use tokio::task::JoinSet;

use crate::kinds::Started;
use crate::queue::lock;
use crate::tests_simulate_deeds::{self as deeds, Deed};
use crate::tests_simulate_judge::{Case, early};
use crate::tests_simulate_ledger::{Answer, Release};
use crate::tests_simulate_mix::End;
use crate::tests_simulate_run::{Ended, Run};
use crate::tests_simulate_script::word_name;
use crate::tests_simulate_truth::Truth;
use crate::tests_simulate_world::{Call, World};
use crate::{Chore, Clock, Engine, Error, FlowRow, Keep, State, Stretch, TakesUp, Which};

/// How often everything runnable is let run until nothing moves: longer than any chain of tasks that wake each other.
const STILL: usize = 48;
/// Turns of the last life in which nothing comes further, after which it is said to stand still.
const STUCK_TURNS: usize = 400;
/// Turns of the last life in all.
const LAST_TURNS: usize = 60_000;
/// Longer than anything sleeps, whatever has become of the clock.
const LONG: Duration = Duration::from_hours(24);
/// Turns in which a house that has stopped has told everybody.
const STOP_TURNS: usize = 40;

/// What a flow is told and has not taken, about at most, while there are more lives to come.
const TOLD_MAX: u32 = 3;

/// Closes the house in order.
pub(crate) async fn close(
    run: &mut Run,
    engine: Arc<Engine<World>>,
    director: &Arc<Director>,
    clients: &mut JoinSet<Answer>,
) {
    clients.shutdown().await;
    let Ok(engine) = Arc::try_unwrap(engine) else { panic!("only clients have it as well") };
    lock(&run.world.state).closing = true;
    let closing = tokio::spawn(engine.close());
    let mut looked = 0;
    loop {
        for _ in 0..STILL {
            tokio::task::yield_now().await;
        }
        let hands = director.hands();
        if hands.is_empty() {
            break;
        }
        looked += 1;
        assert!(looked < 10_000, "the log's threads do not end: {hands:?}");
        if let Some(ready) = hands.iter().find(|paused| paused.ready) {
            run.clock.now_ms();
            director.step(ready.hand, false);
        }
    }
    closing.await.expect("closing does not panic");
}

/// A life under way.
pub(crate) struct Life<'a> {
    pub(crate) run: &'a mut Run,
    pub(crate) engine: Arc<Engine<World>>,
    pub(crate) director: &'a Arc<Director>,
    pub(crate) clients: &'a mut JoinSet<Answer>,
    pub(crate) last: bool,
    /// Something strikes the disk in it, or may have.
    pub(crate) strikes: bool,
    /// A piece is being archived.
    pub(crate) archiving: bool,
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        // What is found by a panic is told, and nobody waits for threads that nobody steps.
        if std::thread::panicking() {
            self.run.disk.power_cut();
            self.director.free();
        }
    }
}

impl Life<'_> {
    pub(crate) async fn drive(&mut self) -> Ended {
        let opened = self.engine.snapshot().expect("what has just been opened reads");
        let moment = lock(&self.run.world.state).moment;
        self.run.ledger.opened(&opened, moment);
        drop(opened);
        let engine = self.engine.clone();
        self.clients.spawn(async move { Answer::Drives(engine.drive().await) });
        let budget = if self.last { LAST_TURNS } else { self.run.mix.turns };
        let mut asked = 0;
        let mut stuck = 0;
        for turn in 0..budget {
            let still = self.last || self.run.chance.in_thousand(300);
            let yields = if still { STILL } else { self.run.chance.below(6) };
            self.settle(yields).await;
            if let Some(ended) = self.is_over().await {
                return ended;
            }
            if still {
                self.look();
            }
            if !self.run.ledger.problems.is_empty() {
                return Ended::By(End::Kill);
            }
            if !self.last && asked < self.run.mix.asked && self.run.chance.in_thousand(60) {
                asked += 1;
                self.ask();
            }
            self.meddle();
            if self.go_on(still, stuck).await {
                stuck = 0;
            } else {
                stuck += 1;
            }
            if self.last {
                if self.is_at_rest() {
                    return Ended::AtRest;
                }
                assert!(
                    stuck < STUCK_TURNS && turn + 1 < LAST_TURNS,
                    "it stands still: {}",
                    self.open_flows()
                );
            }
        }
        Ended::By(self.run.mix.end(&mut self.run.chance))
    }

    async fn settle(&mut self, yields: usize) {
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        self.run.clock.now_ms();
        let moment = {
            let mut was = lock(&self.run.world.state);
            let stopped = std::mem::take(&mut was.stopped);
            if self.engine.shared.queue.stopped().is_none() {
                was.problems.extend(stopped);
            }
            was.moment
        };
        while let Some(answer) = self.clients.try_join_next() {
            match answer {
                Ok(Answer::Archived { keep, now_ms, told }) => {
                    self.archiving = false;
                    self.see();
                    self.archived(keep, now_ms, told);
                }
                // It reads what nobody need have read before, which a disk may refuse.
                Ok(Answer::Reset { told: Err(Error::Read { .. }), .. })
                    if self.strikes || !self.run.disk.is_powered() => {}
                Ok(answer) => {
                    let powered = self.run.disk.is_powered();
                    if powered {
                        self.see();
                    }
                    self.run.ledger.answered(answer, moment, powered);
                }
                Err(error) if error.is_panic() && self.run.disk.is_powered() => {
                    let panic = crate::committer::panic_text(&*error.into_panic());
                    if !panic.contains("the database reads") {
                        self.run.ledger.problems.push(format!("whoever asked met a panic: {panic}"));
                    }
                }
                Err(_) => {}
            }
        }
    }

    /// Whether the power has gone, or the log has stopped; then everybody who waits is told.
    async fn is_over(&mut self) -> Option<Ended> {
        if !self.run.disk.is_powered() {
            return Some(Ended::By(End::Cut));
        }
        self.engine.shared.queue.stopped()?;
        self.run.disk.clear_faults();
        // An attempt may still begin; it is not to wait for a power that nobody brings back before they are told.
        lock(&self.run.world.state).cut_in = None;
        for _ in 0..STOP_TURNS {
            self.settle(STILL).await;
            if let Some(ready) = self.director.hands().iter().find(|paused| paused.ready) {
                self.director.step(ready.hand, false);
            }
            for (flow, path) in self.director.gate() {
                self.director.let_through(flow, &path);
            }
            // A story that sleeps, or a step at work, learns of it when it wakes.
            tokio::time::sleep(LONG).await;
        }
        if !self.clients.is_empty() {
            let driven: Vec<FlowId> = lock(&self.engine.shared.live).keys().copied().collect();
            let (gate, hands) = (self.director.gate(), self.director.hands());
            let what = format!("driven are {driven:?}, at the gate {gate:?}, the threads {hands:?}");
            let error = self.engine.shared.queue.error();
            let waiting = self.clients.len();
            self.run
                .ledger
                .problems
                .push(format!("{waiting} wait for a log that has stopped ({error}): {what}"));
        }
        if self.last {
            self.run.ledger.problems.push(format!("it stopped: {}", self.engine.shared.queue.error()));
        }
        Some(Ended::Stopped)
    }

    /// Sees what is in the log by now.
    fn see(&mut self) {
        let moment = lock(&self.run.world.state).moment;
        if let Ok(snapshot) = self.engine.snapshot() {
            self.run.ledger.look(&snapshot, moment);
        }
    }

    /// Nothing moves: looks at the house as anybody might.
    fn look(&mut self) {
        self.see();
        let waits = self.director.hands();
        if let Some(paused) = waits.iter().find(|paused| paused.until == Until::Ahead && !paused.ready)
            && self.engine.shared.queue.is_ahead()
        {
            let what =
                format!("the {:?} waits for a flow that is said to be ahead, and none moves", paused.hand);
            self.run.ledger.problems.push(what);
        }
        // It reads what nobody need have read before, which a disk may refuse.
        if self.run.chance.in_thousand(100)
            && !self.strikes
            && let Ok(snapshot) = self.engine.snapshot()
        {
            self.run.ledger.compare(&self.engine, &snapshot);
        }
        if self.run.chance.in_thousand(self.run.mix.query) {
            self.query();
        }
        lock(&self.run.world.state).moment += 1;
    }

    /// Somebody asks for something: new, or again.
    fn ask(&mut self) {
        let chance = &mut self.run.chance;
        let again = !self.run.asked.is_empty() && chance.in_thousand(250);
        let number = if again { chance.below(self.run.asked.len()) } else { self.run.asked.len() };
        if !again {
            let script = self.run.mix.script(chance, number);
            self.run.asked.push(script);
        }
        let (request, script) = (format!("r{number}"), self.run.asked[number].clone());
        let waits = self.run.chance.coin();
        let twice = self.run.chance.in_thousand(80);
        for _ in 0..=usize::from(twice) {
            let (engine, request, script) = (self.engine.clone(), request.clone(), script.clone());
            self.clients.spawn(async move {
                let actor = event::Actor { account: "100001".to_owned(), key: String::new() };
                if waits {
                    let row = engine.run(actor, &request, script).await.map(Box::new);
                    return Answer::Came { request: Some(request), id: None, row };
                }
                let id = engine.start(actor, &request, script).await;
                Answer::Began { request, id }
            });
        }
    }

    /// Cancels, lets go on, and turns the clock.
    fn meddle(&mut self) {
        let mix = self.run.mix.clone();
        let chance = &mut self.run.chance;
        if !self.last && chance.in_thousand(mix.cancel) {
            self.cancel();
        }
        if self.run.chance.in_thousand(if self.last { 200 } else { mix.operate }) {
            self.operate();
        }
        if !self.last && self.run.chance.in_thousand(mix.reset) {
            self.reset();
        }
        // In the last life whoever listens is told, and whoever stands still goes on.
        if mix.tell > 0 && self.run.chance.in_thousand(if self.last { 300 } else { mix.tell }) {
            self.tell();
        }
        if mix.stand > 0 && self.run.chance.in_thousand(if self.last { 300 } else { mix.stand }) {
            self.stand();
        }
        if !self.archiving && self.run.chance.in_thousand(mix.archive) {
            self.archive();
        }
        if !self.last && self.run.chance.in_thousand(mix.jump) {
            let far = if self.run.chance.coin() { 5_000 } else { 3_600_000 };
            let by = i64::try_from(self.run.chance.below(far)).expect("small");
            self.run.clock.jump(if self.run.chance.coin() { by } else { -by });
            self.run.jumped = true;
        }
    }

    /// One more piece of the log goes into the archive, if it is its time.
    fn archive(&mut self) {
        let chance = &mut self.run.chance;
        let keep = Keep {
            for_ms: *chance.pick(&[-1_000_000, 0, 2_000, 600_000]),
            live_bytes: *chance.pick(&[0, 4_096, 20_000, u64::MAX]),
            parts: chance.in_thousand(800),
        };
        self.archiving = true;
        let (engine, now_ms) = (self.engine.clone(), self.run.clock.now_ms());
        self.clients.spawn(async move {
            let told = engine.archive(keep).await;
            Answer::Archived { keep, now_ms, told }
        });
    }

    /// A piece has been archived, or could not be.
    fn archived(&mut self, keep: Keep, asked_ms: i64, told: Result<Option<Chore>, Error>) {
        // What a disk without power says of itself is not what is on it.
        let powered = self.run.disk.is_powered();
        let ledger = &mut self.run.ledger;
        match told {
            Ok(_) if !powered => {}
            Ok(Some(Chore { segment: Some(Stretch { first, last, .. }), .. })) => {
                let youngest_ms =
                    ledger.seen.get(usize::try_from(last.0 - 1).expect("small")).map(|it| it.time_ms);
                let is_old =
                    youngest_ms.is_some_and(|time_ms| time_ms <= asked_ms.saturating_sub(keep.for_ms));
                if keep.live_bytes == u64::MAX && !is_old && !self.run.jumped {
                    ledger
                        .problems
                        .push(format!("event {last} of {youngest_ms:?} is too young for {keep:?}"));
                }
                if first != ledger.archived.next() {
                    let what = format!("{first} to {last} were archived after {}", ledger.archived);
                    ledger.problems.push(what);
                }
                ledger.archived = last;
            }
            Ok(_) | Err(Error::Stopped { .. }) => {}
            Err(_) if self.strikes || !powered => {}
            Err(error) => ledger.problems.push(format!("archiving: {error}")),
        }
    }

    /// Somebody tells a flow something, sometimes twice.
    fn tell(&mut self) {
        let Ok(snapshot) = self.engine.snapshot() else { return };
        // In the last life all that a story listens for has to come in the end, whatever else it was told.
        let most = if self.last { crate::SIGNALS_MAX } else { TOLD_MAX };
        let listens = |row: &FlowRow| row.state == State::Running && row.signals < most;
        let open: Vec<_> = snapshot.open_flows().into_iter().filter(listens).collect();
        drop(snapshot);
        let chance = &mut self.run.chance;
        if open.is_empty() {
            return;
        }
        let id = chance.pick(&open).id;
        self.run.told += 1;
        let (name, text) = (word_name(u8::from(chance.coin())), format!("told {}", self.run.told));
        let key = if chance.coin() { text.clone() } else { String::new() };
        let twice = !key.is_empty() && chance.coin();
        for _ in 0..=usize::from(twice) {
            let (engine, name, text, key) = (self.engine.clone(), name.clone(), text.clone(), key.clone());
            self.clients.spawn(async move {
                let by = event::Actor { account: "100004".to_owned(), key: String::new() };
                let told = engine.signal(by, id, &name, &text, &key).await;
                Answer::Told { id, text, told }
            });
        }
    }

    /// Somebody makes a flow stand still, or lets one go on.
    fn stand(&mut self) {
        let Ok(snapshot) = self.engine.snapshot() else { return };
        let (last, chance) = (self.last, &mut self.run.chance);
        let open: Vec<_> =
            snapshot.open_flows().into_iter().filter(|row| !last || row.paused.is_some()).collect();
        drop(snapshot);
        if open.is_empty() {
            return;
        }
        let row = chance.pick(&open);
        let (id, still) = (row.id, row.paused.is_none());
        if !still {
            let moment = lock(&self.run.world.state).moment;
            self.run.ledger.may_go_on(id, moment);
        }
        let engine = self.engine.clone();
        self.clients.spawn(async move {
            let by = event::Actor { account: "100005".to_owned(), key: String::new() };
            let told = if still {
                engine.pause(by, Which::Flow(id), "not now").await
            } else {
                engine.resume(by, Which::Flow(id), "now").await
            };
            Answer::Stood { id, still, told }
        });
    }

    fn cancel(&mut self) {
        let chance = &mut self.run.chance;
        let seen = &self.run.ledger.seen;
        if seen.is_empty() {
            return;
        }
        let id = chance.pick(seen).flow;
        let id = if chance.in_thousand(20) { FlowId([7; 16]) } else { id };
        let engine = self.engine.clone();
        self.clients.spawn(async move {
            let actor = event::Actor { account: "100002".to_owned(), key: String::new() };
            let told = engine.cancel(actor, id, "somebody thought better of it").await;
            Answer::Cancelled { id, told }
        });
    }

    /// A person looks after what is parked.
    fn operate(&mut self) {
        let Ok(snapshot) = self.engine.snapshot() else { return };
        let parked: Vec<_> =
            snapshot.open_flows().into_iter().filter(|row| row.state == State::Parked).collect();
        drop(snapshot);
        let chance = &mut self.run.chance;
        let (id, row) = if parked.is_empty() || chance.in_thousand(50) {
            if self.last || self.run.ledger.seen.is_empty() {
                return;
            }
            (chance.pick(&self.run.ledger.seen).flow, None)
        } else {
            let row = chance.pick(&parked);
            (row.id, Some(row))
        };
        // In the end something has to come of it.
        let hopeless = row.is_some_and(|row| self.last && row.records > 60);
        let how = match chance.below(10) {
            _ if hopeless => Release::Abandon,
            0..=5 => Release::Retry,
            6..=8 => Release::Unwind,
            _ => Release::Abandon,
        };
        // An undo counts anew as well.
        if how != Release::Abandon {
            self.released(id);
        }
        let engine = self.engine.clone();
        self.clients.spawn(async move {
            let by = event::Actor { account: "100003".to_owned(), key: String::new() };
            let told = match how {
                Release::Retry => engine.retry(by, id, "mended").await,
                Release::Unwind => engine.unwind(by, id, "hopeless").await,
                Release::Abandon => engine.abandon(by, id, "let it be").await,
            };
            Answer::Released { id, how, told }
        });
    }

    /// A person begins a flow anew that is parked, from one of its events, or of those that it has taken over.
    fn reset(&mut self) {
        let Ok(snapshot) = self.engine.snapshot() else { return };
        let parked: Vec<_> =
            snapshot.open_flows().into_iter().filter(|row| row.state == State::Parked).collect();
        drop(snapshot);
        let chance = &mut self.run.chance;
        if parked.is_empty() {
            return;
        }
        let row = chance.pick(&parked);
        let (id, mut ids) = (row.id, vec![row.id]);
        if let Some(TakesUp::Resets { flow, .. }) = &row.takes_up {
            ids.push(*flow);
        }
        let seen = &self.run.ledger.seen;
        let events: Vec<_> = seen.iter().filter(|it| ids.contains(&it.flow)).map(|it| it.seq).collect();
        let before = (!events.is_empty() && chance.in_thousand(900)).then(|| *chance.pick(&events));
        let request = format!("reset {}", chance.below(3));
        self.released(id);
        let engine = self.engine.clone();
        self.clients.spawn(async move {
            let by = event::Actor { account: "100006".to_owned(), key: String::new() };
            let told = engine.reset(by, id, before, "it went wrong there", &request).await;
            Answer::Reset { id, told }
        });
    }

    /// What a person lets go on, the world knows by the first flow of those that were begun anew.
    fn released(&mut self, id: FlowId) {
        // By what has been seen: the row of one that has ended need not read.
        let seen = &self.run.ledger.seen;
        let taken_up = |id: FlowId| {
            let begun = seen.iter().find(|it| it.flow == id)?.get::<Started>().ok()?;
            if let Some(TakesUp::Resets { flow, .. }) = begun.takes_up { Some(flow) } else { None }
        };
        let work = std::iter::successors(Some(id), |id| taken_up(*id)).last().unwrap_or(id);
        self.run.world.released(work);
    }

    /// Lets one thing go on: a flow, a thread of the log, or time. Says whether there was any but time.
    async fn go_on(&mut self, still: bool, stuck: usize) -> bool {
        let (gate, hands) = (self.director.gate(), self.director.hands());
        let chance = &mut self.run.chance;
        let ready: Vec<_> = hands.iter().filter(|paused| paused.ready).collect();
        let timed = hands.iter().filter(|paused| matches!(paused.until, Until::Idle | Until::Ahead));
        let timed: Vec<_> = timed.filter(|paused| !paused.ready).collect();
        if !timed.is_empty() && chance.in_thousand(self.run.mix.over) {
            let paused = chance.pick(&timed);
            self.director.step(paused.hand, true);
            return true;
        }
        let passes = chance.in_thousand(self.run.mix.pass);
        let choices = gate.len() + 2 * ready.len();
        if choices > 0 && !passes {
            let chosen = chance.below(choices);
            match gate.get(chosen) {
                Some((flow, path)) => self.director.let_through(*flow, path),
                None => self.director.step(ready[(chosen - gate.len()) / 2].hand, false),
            }
            return true;
        }
        // Time passes only when everything has come as far as it can, or now and then before.
        if still || passes {
            // A clock that was turned back makes for long sleeps.
            let far = if chance.coin() { 50 } else { 20_000 * (1 + stuck) };
            let ms = 1 + chance.below(far) as u64;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            self.run.clock.now_ms();
        }
        false
    }

    fn open_flows(&self) -> String {
        let snapshot = self.engine.snapshot().expect("the log reads");
        let open = snapshot.open_flows();
        let open: Vec<_> =
            open.iter().map(|row| format!("{} {:?} {:?}", row.id, row.state, row.parked)).collect();
        format!("{open:?}, {:?}, {:?}", self.director.gate(), self.director.hands())
    }

    /// Whether all is over in the last life; then everything is judged.
    fn is_at_rest(&mut self) -> bool {
        let Ok(snapshot) = self.engine.snapshot() else { return false };
        if !snapshot.open_flows().is_empty() || !self.clients.is_empty() {
            return false;
        }
        if !self.director.gate().is_empty() || self.director.hands().iter().any(|paused| paused.ready) {
            return false;
        }
        self.run.ledger.look(&snapshot, u64::MAX);
        let verified = self.engine.verify().expect("the log reads");
        let rebuilt = self.engine.rebuild().expect("the log folds");
        let seen = &self.run.ledger.seen;
        let truth = Truth::of(seen);
        let was = lock(&self.run.world.state);
        let calls: Vec<Call> = was.calls.iter().map(|call| truth.attributed(call)).collect();
        let mut case = Case {
            truth: &truth,
            calls: &calls,
            things: &was.things,
            seen: &self.run.ledger.moments,
            jumped: self.run.jumped,
            paced: 0,
            problems: truth.problems.clone(),
        };
        if verified.fault.is_some() || verified.events != seen.len() as u64 {
            case.problems.push(format!("the log does not verify: {verified:?}"));
        }
        if rebuilt.differing > 0 {
            case.problems.push(format!("the rows are not what the log comes to: {rebuilt:?}"));
        }
        let stories = case.judge();
        self.run.deeds = deeds::of(&truth, &stories);
        let archived = self.engine.archived().expect("the log reads");
        let across = self.run.ledger.across;
        for (deed, times) in [
            (Deed::Archived, archived.segments),
            (Deed::RowsMoved, archived.ended_rows),
            (Deed::TakenUpFromArchive, across as u64),
            (Deed::Paced, case.paced as u64),
            (Deed::KeptOld, was.kept_old as u64),
            (Deed::Queried, self.run.queried),
        ] {
            deeds::count(&mut self.run.deeds, deed, usize::try_from(times).expect("small"));
        }
        case.rows(&snapshot, seen);
        if !self.run.jumped {
            case.problems.extend(early(&truth));
        }
        let problems = case.problems;
        drop(was);
        self.run.ledger.judge(&truth, &calls);
        self.run.ledger.problems.extend(problems);
        true
    }
}
