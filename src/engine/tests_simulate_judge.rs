//! Whether the log, the world, the rows and all that was told agree, when a run is over.
//!
//! A script is walked beside its flow's records: each call of the story has its record or is the last it came to,
//! what was undone is what began, what a flow yields is what its records say.

use std::collections::{BTreeMap, BTreeSet};

use event::{Cause, FlowId, Record, Rows, Seq};

use crate::kinds::{Failed, Gathered, Outcome, Refused, SignalTaken, TimerFired, TimerSet};
use crate::tests_simulate_toy::*;
use crate::tests_simulate_truth::{Told, Truth};
use crate::tests_simulate_world::{Call, Came};
use crate::{FlowRow, Snapshot, State, Superseded};

/// A call of a story.
#[derive(Clone, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) number: u32,
    pub(crate) what: What<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What<'a> {
    Op(&'a Op),
    /// What a story says of a no that it handles.
    OfNo,
}

/// The calls that a story comes to by its records, with the first that has none; and what it yields if all have one.
pub(crate) fn walk(told: &Told) -> (Vec<Line<'_>>, Option<Vec<String>>) {
    let mut walk = Walk { told, lines: Vec::new(), words: Vec::new() };
    let whole = walk.ops(&told.script.ops);
    (walk.lines, whole.then_some(walk.words))
}

struct Walk<'a> {
    told: &'a Told,
    lines: Vec<Line<'a>>,
    words: Vec<String>,
}

impl<'a> Walk<'a> {
    /// Says no at the first call that the story has not come past.
    fn ops(&mut self, ops: &'a [Op]) -> bool {
        ops.iter().all(|op| match op {
            Op::Hold { ops, .. } => self.ops(ops),
            Op::BadStory => false,
            op => self.op(op),
        })
    }

    fn op(&mut self, op: &'a Op) -> bool {
        let Some(record) = self.line(What::Op(op)) else { return false };
        if let Op::Sleep(_) = op {
            self.words.push("slept".to_owned());
            return self.told.at(&format!("{}+", record.path)).is_some();
        }
        if let Op::Hear { .. } = op {
            let end = format!("{}+", self.lines.len());
            let heard = self.told.heard.get(&end).map(|(_, text)| text.as_str());
            let heard = heard.or_else(|| self.told.at(&end).map(|_| NOTHING));
            self.words.extend(heard.map(str::to_owned));
            return heard.is_some();
        }
        if !Told::is_no(record) {
            self.words.push(word(record, op, self.told));
            return true;
        }
        let tries = matches!(op, Op::Reserve { tries: true, .. } | Op::Act(Act { tries: true, .. }));
        tries && {
            let Some(said) = self.line(What::OfNo) else { return false };
            self.words.push(said.get::<Said>().map(|said| said.text).unwrap_or_default());
            !Told::is_no(said)
        }
    }

    fn line(&mut self, what: What<'a>) -> Option<&'a Record> {
        let number = u32::try_from(self.lines.len()).expect("a story is short") + 1;
        self.lines.push(Line { number, what });
        self.told.call(number)
    }
}

/// What the story yields for a call, by its record.
fn word(record: &Record, op: &Op, told: &Told) -> String {
    if let Ok(counted) = record.get::<Counted>() {
        return (counted.before + counted.add).to_string();
    }
    if let Ok(said) = record.get::<Said>() {
        return said.text;
    }
    match op {
        Op::Reserve { name, .. } | Op::Steal { name, .. } => name.clone(),
        Op::Act(act) => act.key.clone(),
        Op::Shut { .. } => "shut".to_owned(),
        _ => format!("{:?} of {}", record.kind, told.first),
    }
}

/// What there is to judge.
pub(crate) struct Case<'a> {
    pub(crate) truth: &'a Truth,
    pub(crate) calls: &'a [Call],
    pub(crate) things: &'a BTreeMap<String, FlowId>,
    /// The moment at which each record was first seen in a view, by its place.
    pub(crate) seen: &'a [u64],
    /// The clock was turned.
    pub(crate) jumped: bool,
    pub(crate) problems: Vec<String>,
}

impl Case<'_> {
    fn demand(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(what());
        }
    }

    fn seen_at(&self, seq: Seq) -> u64 {
        usize::try_from(seq.0 - 1).ok().and_then(|place| self.seen.get(place)).copied().unwrap_or(u64::MAX)
    }

    pub(crate) fn judge(&mut self) {
        for (id, told) in &self.truth.flows {
            self.story(*id, told);
        }
        for call in self.calls {
            self.call(call);
        }
        self.attempts();
        self.things();
    }

    fn story(&mut self, id: FlowId, told: &Told) {
        let (lines, yielded) = walk(told);
        let mut paths = BTreeSet::new();
        let mut last = Seq(0);
        for Line { number, what } in &lines {
            let Some(record) = told.call(*number) else { continue };
            let fits = match what {
                What::OfNo => record.get::<Said>().is_ok(),
                What::Op(op) => fits(record, op),
            };
            self.demand(fits, || format!("{id} {number}: {} is not what {what:?} comes to", record.kind));
            self.demand(record.seq > last, || format!("{id} {number}: recorded before what comes before it"));
            self.demand(
                !matches!(what, What::Op(Op::Say { word: Word::Now, .. })) || says_now(told, record),
                || format!("{id} {number}: says another time than that of its flow"),
            );
            if let What::Op(Op::Hear { name, .. }) = what {
                let heard = told.heard.get(&format!("{number}+"));
                self.demand(heard.is_none_or(|(said, _)| *said == word_name(*name)), || {
                    format!("{id} {number}: heard {heard:?}, but listens for {name}")
                });
            }
            last = record.seq;
            paths.insert(record.path.0.clone());
            if let Some(fired) = told.at(&format!("{number}+")).filter(|_| record.get::<TimerSet>().is_ok()) {
                paths.insert(fired.path.0.clone());
            }
        }
        let ids =
            lines.iter().filter(|line| matches!(line.what, What::Op(Op::Say { word: Word::NewId, .. })));
        for (count, line) in ids.enumerate() {
            let said = told.call(line.number).and_then(|record| record.get::<Said>().ok());
            let wanted = id.mint(&(count + 1).to_string());
            self.demand(said.is_none_or(|said| said.text == wanted), || {
                format!("{id}: another id than {wanted}")
            });
        }
        for record in told.steps.iter().filter(|record| !record.path.as_str().ends_with('~')) {
            let what = || format!("{id}: step {} is none of its story's", record.path);
            self.demand(paths.contains(record.path.as_str()), what);
        }
        self.undos(id, told, &lines);
        for line in &lines {
            if let What::Op(Op::Each { parts, limit, .. }) = line.what {
                self.parts(id, told, line.number, parts, *limit);
            }
        }
        if let Some((Outcome::Done(output), _)) = &told.outcome {
            let output: Vec<String> = rmp_serde::from_slice(output).expect("the toy's output");
            let words = |words: &[String]| -> Vec<String> {
                // What became of parts is looked at where they are.
                let parts =
                    |word: &String| word.is_empty() || word.contains(" of ") || word.contains([':', '!']);
                words.iter().filter(|word| !parts(word)).cloned().collect()
            };
            let yielded = yielded.as_deref().map(words);
            self.demand(yielded.as_deref() == Some(&words(&output)), || {
                format!("{id}: yields {output:?}, but its records {yielded:?}")
            });
        }
    }

    /// What began is undone, newest first, and nothing else.
    fn undos(&mut self, id: FlowId, told: &Told, lines: &[Line<'_>]) {
        let undone: Vec<&Record> =
            told.steps.iter().filter(|record| record.path.as_str().ends_with('~')).collect();
        let numbers: Vec<u32> = undone
            .iter()
            .map(|record| crate::tests_simulate_truth::number_of(record.path.as_str()))
            .collect();
        let falls = numbers.windows(2).all(|pair| pair[0] > pair[1]);
        self.demand(falls, || format!("{id}: undone in the order {numbers:?}"));
        let called = |number: u32| {
            self.calls.iter().any(|call| call.flow == id && call.number == number && !call.undo)
        };
        let children = |number: u32, parts: &[(String, Vec<Op>)]| {
            parts.iter().any(|(key, _)| self.child(id, number, key).is_some())
        };
        let mut problems = Vec::new();
        for line in lines {
            let record = told.call(line.number);
            let What::Op(op) = line.what else { continue };
            let (may, must) = match op {
                Op::Count { .. } | Op::Reserve { .. } | Op::Steal { .. } => {
                    let decided = record.is_some_and(|record| !Told::is_no(record));
                    (decided, decided)
                }
                Op::Act(act) if act.undone => (true, record.is_some() || called(line.number)),
                Op::Each { parts, undone: true, .. } => {
                    (true, record.is_some() || children(line.number, parts))
                }
                _ => (false, false),
            };
            let undo = undone.iter().find(|record| record.path.0 == format!("{}~", line.number));
            if undo.is_some() && !may {
                problems.push(format!("{id}: {op:?} at {} was undone, but is not to be", line.number));
            }
            if told.state == State::Undone && must && undo.is_none() {
                problems.push(format!("{id}: {op:?} at {} began and was not undone", line.number));
            }
            if undo.is_some_and(|undo| !undoes(undo, op)) {
                problems.push(format!("{id}: {op:?} at {} was undone by something else", line.number));
            }
        }
        let known = |number: &u32| lines.iter().any(|line| line.number == *number);
        if !numbers.iter().all(known) {
            problems.push(format!("{id}: undone was {numbers:?}, not all of which there are"));
        }
        self.problems.extend(problems);
    }

    fn child(&self, parent: FlowId, number: u32, key: &str) -> Option<(FlowId, &Told)> {
        let mut seed = parent.0.to_vec();
        seed.extend_from_slice(format!("{number}\0{key}").as_bytes());
        let mut time = [0; 8];
        time[2..].copy_from_slice(&parent.0[..6]);
        let id = FlowId::derive(i64::from_be_bytes(time), &seed);
        self.truth.flows.get(&id).map(|told| (id, told))
    }

    /// Parts of a fan-out: never more at once than may be, all over before the parent goes on or undoes.
    fn parts(&mut self, id: FlowId, told: &Told, number: u32, parts: &[(String, Vec<Op>)], limit: usize) {
        let children: Vec<_> = parts.iter().map(|(key, _)| self.child(id, number, key)).collect();
        let begun: Vec<_> = children.iter().flatten().map(|(id, told)| (*id, (*told).clone())).collect();
        for (child, child_told) in &begun {
            let parent = child_told.cause == Cause::Parent(id) && child_told.actor == told.actor;
            self.demand(parent, || format!("{child}: it has another parent or actor than {id}"));
        }
        let over =
            |seq: Seq| begun.iter().all(|(_, told)| told.outcome.as_ref().is_some_and(|(_, end)| *end < seq));
        if let Some(record) = told.call(number) {
            let done = begun.iter().filter(|(_, told)| told.state == State::Done).count() as u64;
            let all = parts.len() as u64;
            let gathered = record.get::<Gathered>().ok();
            let right = gathered == Some(Gathered { done, failed: all - done }) && begun.len() == parts.len();
            let text = || format!("{id} {number}: gathered {gathered:?}, but {done} of {all} parts are done");
            self.demand(right && over(record.seq), text);
        }
        let undone = told.steps.iter().filter(|record| record.path.as_str().ends_with('~'));
        let mut earlier =
            undone.filter(|record| crate::tests_simulate_truth::number_of(record.path.as_str()) <= number);
        if let Some(first) = earlier.next() {
            let text = || format!("{id} {number}: undone before its parts were over");
            self.demand(over(first.seq), text);
        }
        if begun.iter().all(|(_, told)| told.parks == 0) {
            let at_once = |seq: Seq| {
                let open = begun.iter().filter(|(_, told)| {
                    told.first <= seq && told.outcome.as_ref().is_none_or(|(_, end)| *end > seq)
                });
                open.count()
            };
            let most = begun.iter().map(|(_, told)| at_once(told.first)).max().unwrap_or(0);
            self.demand(most <= limit, || format!("{id} {number}: {most} parts at once, {limit} may be"));
        }
    }

    /// A call came when it might, and not once more when it was known how it had ended.
    fn call(&mut self, call: &Call) {
        let (id, path) = (call.flow, call.path());
        let Some(told) = self.truth.flows.get(&id) else {
            self.problems.push(format!("{id} came to {path}, but the log knows no such flow"));
            return;
        };
        let before =
            if call.undo { told.turn.is_some() } else { (1..call.number).all(|n| told.call(n).is_some()) };
        self.demand(before, || format!("{id} came to {path} before what comes before it was on disk"));
        let recorded: Vec<&Record> = told.steps.iter().filter(|record| record.path.0 == path).collect();
        if let [record] = recorded[..] {
            let text = || format!("{id} came to {path} again when it was recorded");
            self.demand(call.moment <= self.seen_at(record.seq), text);
        }
        let turned = told.turn.as_ref().map_or(u64::MAX, |(_, seq)| self.seen_at(*seq));
        let text = || format!("{id} came to {path} when it had turned");
        self.demand(call.undo || call.moment <= turned, text);
        let ended = told.outcome.as_ref().map_or(u64::MAX, |(_, seq)| self.seen_at(*seq));
        self.demand(call.moment <= ended, || format!("{id} came to {path} when it had ended"));
    }

    /// How often steps were tried, and how long they waited between.
    fn attempts(&mut self) {
        let mut by_step: BTreeMap<(FlowId, u32, bool), Vec<&Call>> = BTreeMap::new();
        for call in self.calls {
            by_step.entry((call.flow, call.number, call.undo)).or_default().push(call);
        }
        for ((id, number, undo), calls) in by_step {
            let Some(told) = self.truth.flows.get(&id).filter(|told| told.parks == 0) else { continue };
            let (lines, _) = walk(told);
            let op = lines.iter().find(|line| line.number == number).map(|line| line.what);
            let Some(What::Op(Op::Act(act))) = op else { continue };
            let came = |call: &Call| call.ended.map(|(came, _)| came);
            let failed = calls.iter().filter(|call| came(call) == Some(Came::World)).count();
            let in_lives: BTreeSet<usize> = calls.iter().map(|call| call.life).collect();
            let most = if undo { 12 } else { act.attempts_max as usize };
            let text =
                || format!("{id} {number} undo {undo}: failed {failed} times of {most} in {in_lives:?}");
            self.demand(failed < most + in_lives.len(), text);
            let failure = told.call(number).and_then(|record| record.get::<Failed>().ok());
            let given_up = failure.is_some_and(|failed| failed.refusal.code == "ServiceUnavailable");
            let text = || format!("{id} {number}: given up after {failed} failures of {most}");
            self.demand(undo || !given_up || failed >= most, text);
            for pair in calls.windows(2) {
                let (Some((Came::World, ended)), true) = (pair[0].ended, pair[0].life == pair[1].life) else {
                    continue;
                };
                let nth = pair[0].attempt.number.min(8);
                let least = if undo { 100 } else { act.backoff_ms * (1 << (nth - 1)).min(4) / 2 };
                let waited =
                    u64::try_from(pair[1].began.saturating_sub(ended).as_millis()).expect("not for ages");
                let text = || format!("{id} {number}: tried again after {waited} ms, not {least}");
                self.demand(self.jumped || waited + 1 >= least / 2, text);
            }
        }
    }

    /// Every effect of a flow that is done is there, none of one that is undone.
    fn things(&mut self) {
        // By parents that undid them: some for certain, others by an undo that did not come to its end.
        let (mut taken, mut perhaps) = (BTreeSet::new(), BTreeSet::new());
        for (id, told) in &self.truth.flows {
            for Line { number, what } in walk(told).0 {
                let What::Op(Op::Each { parts, .. }) = what else { continue };
                let children = parts.iter().filter_map(|(key, _)| self.child(*id, number, key));
                let children = children.map(|(child, _)| child);
                if told.at(&format!("{number}~")).is_some() {
                    taken.extend(children);
                } else if self.calls.iter().any(|call| call.undo && (call.flow, call.number) == (*id, number))
                {
                    perhaps.extend(children);
                }
            }
        }
        let mut problems = Vec::new();
        for (id, told) in &self.truth.flows {
            for Line { number, what } in walk(told).0 {
                let What::Op(Op::Act(act)) = what else { continue };
                let there = self.things.get(&act.key) == Some(id);
                let acted = told.call(number).is_some_and(|record| !Told::is_no(record));
                let wanted = match told.state {
                    State::Done if acted && !perhaps.contains(id) => Some(!taken.contains(id)),
                    State::Undone if act.undone => Some(false),
                    _ => None,
                };
                if wanted.is_some_and(|wanted| wanted != there) {
                    problems
                        .push(format!("{id} is {:?}, and the thing of {number} there: {there}", told.state));
                }
            }
        }
        let strays = self.things.values().filter(|id| !self.truth.flows.contains_key(id));
        problems.extend(strays.map(|id| format!("a thing of {id}, which the log does not know")));
        self.problems.extend(problems);
    }

    /// The rows say what the log says.
    pub(crate) fn rows(&mut self, snapshot: &Snapshot, records: &[Record]) {
        let truth = self.truth;
        for (id, told) in &truth.flows {
            let row = snapshot.flow(*id);
            self.demand(row.as_ref().is_some_and(|row| is_row_of(row, told)), || {
                format!("{id}: its row is {row:?}, but the log says {told:?}")
            });
        }
        let all = snapshot.flows(usize::MAX, |_| true).expect("the log reads").len();
        self.demand(all == truth.flows.len(), || format!("{all} flows have rows of {}", truth.flows.len()));
        let open: Vec<FlowId> = snapshot.open_flows().iter().map(|row| row.id).collect();
        let wanted = truth.flows.iter().filter(|(_, told)| !told.state.has_ended());
        self.demand(open == wanted.map(|(id, _)| *id).collect::<Vec<_>>(), || format!("open are {open:?}"));
        for (request, id) in &truth.requests {
            let found = snapshot.started_by(request);
            self.demand(found == Some(*id), || format!("`{request}` began {id}, its row says {found:?}"));
        }
        let counters: Vec<Counter> = COUNTERS.list_all(snapshot);
        self.demand(counters == truth.counters.values().cloned().collect::<Vec<_>>(), || {
            format!("counters are {counters:?}, not {:?}", truth.counters)
        });
        let held: Vec<Held> = HELD.list_all(snapshot);
        self.demand(held == truth.held.values().cloned().collect::<Vec<_>>(), || {
            format!("held are {held:?}, not {:?}", truth.held)
        });
        let timers: Vec<String> = truth.flows.values().flat_map(|told| told.timers.clone()).collect();
        let mut rows = 0;
        snapshot.scan(b"timer\0", &mut |_, _| {
            rows += 1;
            true
        });
        self.demand(rows == timers.len(), || format!("{rows} timers have rows of {timers:?}"));
        let mut subjects = BTreeMap::<&str, Vec<Seq>>::new();
        for record in records {
            for subject in &record.subjects {
                subjects.entry(subject.as_str()).or_default().push(record.seq);
            }
        }
        for (subject, wanted) in subjects {
            let found = snapshot.history(subject).expect("the log reads");
            let found: Vec<Seq> = found.iter().map(|record| record.seq).collect();
            self.demand(found == wanted, || format!("the history of {subject} is {found:?}, not {wanted:?}"));
        }
    }
}

pub(crate) fn is_row_of(row: &FlowRow, told: &Told) -> bool {
    let turn = told.turn.as_ref().map(|(turn, _)| turn);
    let outcome = told.outcome.as_ref().map(|(outcome, _)| outcome);
    (row.state, row.first, row.last, row.records) == (told.state, told.first, told.last, told.count)
        && (row.committed, &row.cancel, row.turn.as_ref()) == (told.committed, &told.cancel, turn)
        && (&row.parked, row.outcome.as_ref(), &row.timers) == (&told.parked, outcome, &told.timers)
        && (&row.scope, &row.actor, &row.cause) == (&told.scope, &told.actor, &told.cause)
        && (row.started_ms, row.ended_ms) == (told.started_ms, told.ended_ms)
        && (told.state.has_ended()
            || (row.signals as usize, &row.paused) == (told.signals.len(), &told.paused))
}

/// Whether a record is one that a line may come to.
fn fits(record: &Record, op: &Op) -> bool {
    let marked = record.path.as_str().ends_with('!');
    let refused = record.get::<Refused>().is_ok();
    let fits = match op {
        Op::Count { name, add, .. } => {
            record.get::<Counted>().is_ok_and(|counted| counted.name == *name && counted.add == *add)
        }
        Op::Reserve { name, .. } => {
            refused || record.get::<Reserved>().is_ok_and(|reserved| reserved.name == *name)
        }
        Op::Steal { name, .. } => record.get::<Stolen>().is_ok_and(|stolen| stolen.name == *name),
        Op::Say { word, .. } => record.get::<Said>().is_ok_and(|said| match word {
            Word::Given(text) => said.text == *text,
            _ => true,
        }),
        Op::Act(act) => {
            record.get::<Failed>().is_ok() || record.get::<Acted>().is_ok_and(|acted| acted.key == act.key)
        }
        Op::Shut { .. } => record.get::<Shut>().is_ok(),
        Op::Sleep(_) | Op::Hear { within_ms: Some(_), .. } => record.get::<TimerSet>().is_ok(),
        Op::Hear { within_ms: None, .. } => record.get::<SignalTaken>().is_ok(),
        Op::Each { .. } => record.get::<Gathered>().is_ok(),
        Op::BadRule { .. } | Op::BadStory | Op::Hold { .. } => false,
    };
    fits && marked == matches!(op, Op::Shut { .. })
}

fn undoes(record: &Record, op: &Op) -> bool {
    match op {
        Op::Count { name, add, .. } => {
            record.get::<Uncounted>().is_ok_and(|uncounted| uncounted.name == *name && uncounted.add == *add)
        }
        Op::Reserve { name, .. } | Op::Steal { name, .. } => {
            record.get::<Freed>().is_ok_and(|freed| freed.name == *name)
                || record.get::<Superseded>().is_ok_and(|superseded| superseded.what == *name)
        }
        Op::Act(act) => record.get::<Unacted>().is_ok_and(|unacted| unacted.key == act.key),
        Op::Each { parts, .. } => record.get::<Taken>().is_ok_and(|taken| taken.count == parts.len() as u64),
        _ => false,
    }
}

/// Whether a word for the time is that of the newest record before it.
fn says_now(told: &Told, record: &Record) -> bool {
    let before = told.steps.iter().take_while(|step| step.seq < record.seq).last();
    let now_ms = before.map_or(told.started_ms, |before| before.time_ms);
    record.get::<Said>().is_ok_and(|said| said.text == now_ms.to_string())
}

/// Timers fire when they are due, if no clock was turned back.
pub(crate) fn early(truth: &Truth) -> Vec<String> {
    let fired =
        truth.flows.iter().flat_map(|(id, told)| told.steps.iter().map(move |record| (id, told, record)));
    let early = fired.filter_map(|(id, told, record)| {
        let fired: TimerFired = record.get().ok()?;
        let set: TimerSet = told.at(&fired.set_at)?.get().ok()?;
        (record.time_ms < set.due_ms)
            .then(|| format!("{id}: its timer of {} fired at {}", set.due_ms, record.time_ms))
    });
    early.collect()
}
