//! Whether the log, the world, the rows and all that was told agree, when a run is over: each call of a story has its
//! record or is the last that its line came to, what was undone is what began, what a flow yields is what its records
//! say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use event::{FlowId, Record, Rows, Seq};

use crate::attempt::RESET_NUMBERS;
use crate::kinds::{
    ChildEnded, ChildStarted, Failed, Gathered, Outcome, Refused, SignalTaken, TimerFired, TimerSet,
};
use crate::tests_simulate_script::{Act, Op, Script, Word, word_name};
use crate::tests_simulate_toy::*;
use crate::tests_simulate_truth::{Told, Truth};
use crate::tests_simulate_walk::{self as walked, Fork, Line, Story, What, before, call_of, walk};
use crate::tests_simulate_world::{Call, Came};
use crate::{FlowRow, ParentEnd, Snapshot, State, Superseded};

/// What there is to judge.
pub(crate) struct Case<'a> {
    pub(crate) truth: &'a Truth,
    pub(crate) calls: &'a [Call],
    pub(crate) things: &'a BTreeSet<(String, FlowId)>,
    /// The moment at which each record was first seen in a view, by its place.
    pub(crate) seen: &'a [u64],
    /// The clock was turned.
    pub(crate) jumped: bool,
    /// How many calls had to wait for the pace of their key.
    pub(crate) paced: usize,
    pub(crate) problems: Vec<String>,
}

/// What every flow's story came to.
pub(crate) type Stories<'a> = BTreeMap<FlowId, Story<'a>>;

impl<'a> Case<'a> {
    pub(crate) fn demand(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(what());
        }
    }

    fn seen_at(&self, seq: Seq) -> u64 {
        usize::try_from(seq.0 - 1).ok().and_then(|place| self.seen.get(place)).copied().unwrap_or(u64::MAX)
    }

    pub(crate) fn judge(&mut self) -> Stories<'a> {
        let stories: Stories<'a> = self.truth.flows.iter().map(|(id, told)| (*id, walk(told))).collect();
        for (id, story) in &stories {
            self.story(*id, &self.truth.flows[id], story);
        }
        for call in self.calls {
            self.call(call, &stories);
        }
        self.attempts(&stories);
        self.paces();
        self.things(&stories);
        stories
    }

    fn story(&mut self, id: FlowId, told: &Told, story: &Story<'_>) {
        self.problems.extend(story.problems.iter().map(|problem| format!("{id} {problem}")));
        let lines = &story.lines;
        let mut paths: BTreeSet<String> = told.races.keys().cloned().collect();
        paths.extend(story.patched.iter().map(|name| walked::path_of(name)));
        self.order(id, told, story);
        for Line { path: number, what, now_ms, minted } in lines {
            let Some(record) = told.call(number) else { continue };
            let fits = match what {
                What::OfNo => record.get::<Said>().is_ok(),
                What::Awaited => record.get::<ChildEnded>().is_ok(),
                What::Op(op) => fits(record, op),
            };
            self.demand(fits, || format!("{id} {number}: {} is not what {what:?} comes to", record.kind));
            let said = record.get::<Said>().map(|said| said.text).unwrap_or_default();
            let is_now =
                !matches!(what, What::Op(Op::Say { word: Word::Now, .. })) || said == now_ms.to_string();
            self.demand(is_now, || format!("{id} {number}: says another time than that of its story"));
            let wanted = minted.as_ref().map(|minted| told.work.mint(minted));
            self.demand(wanted.as_ref().is_none_or(|wanted| said == *wanted), || {
                format!("{id} {number}: another id than {wanted:?}")
            });
            if let What::Op(Op::Hear { name, .. }) = what {
                let heard = told.heard.get(&format!("{number}+"));
                self.demand(heard.is_none_or(|(said, _)| *said == word_name(*name)), || {
                    format!("{id} {number}: heard {heard:?}, but listens for {name}")
                });
            }
            paths.insert(record.path.0.clone());
            if let Some(fired) = told.at(&format!("{number}+")).filter(|_| record.get::<TimerSet>().is_ok()) {
                paths.insert(fired.path.0.clone());
            }
        }
        for record in told.steps.iter().filter(|record| !record.path.as_str().ends_with('~')) {
            let what = || format!("{id}: step {} is none of its story's", record.path);
            self.demand(paths.contains(record.path.as_str()), what);
        }
        self.undos(id, told, lines);
        for line in lines {
            match line.what {
                What::Op(Op::Each { parts, limit, .. }) => self.parts(id, told, &line.path, parts, *limit),
                What::Op(Op::Beside { child, end, .. }) => self.beside(id, told, &line.path, child, *end),
                _ => {}
            }
        }
        for (path, begun) in &story.awaited {
            let (child, record) = (self.child(told.parent_at(id, begun), begun, ""), told.call(path));
            let child = child.map(|(child, _)| child);
            let newest = child.and_then(|child| self.truth.newest(child));
            let right = record.zip(newest).is_some_and(|(record, (child, told))| {
                record.get::<ChildEnded>().is_ok_and(|ended| ended.child == child)
                    && told.is_over_at(record.seq)
            });
            self.demand(right, || format!("{id} {path}: it waited for {newest:?}, and went on"));
        }
        if let Some((Outcome::Done(output), _)) = &told.outcome {
            let output: Vec<String> = rmp_serde::from_slice(output).expect("the toy's output");
            let words = |words: &[String]| -> Vec<String> {
                // What became of parts is looked at where they are.
                let parts =
                    |word: &String| word.is_empty() || word.contains(" of ") || word.contains([':', '!']);
                words.iter().filter(|word| !parts(word)).cloned().collect()
            };
            let walked::Came::Words(yielded) = &story.end else {
                self.problems.push(format!("{id}: it is done, but its story is {:?}", story.end));
                return;
            };
            self.demand(words(yielded) == words(&output), || {
                format!("{id}: yields {output:?}, but its records {yielded:?}")
            });
        }
    }

    /// One thing comes after another in each line, and lines come between what forks and what joins them.
    fn order(&mut self, id: FlowId, told: &Told, story: &Story<'_>) {
        let forward = || told.steps.iter().filter(|record| !record.path.as_str().ends_with('~'));
        let mut problems = Vec::new();
        for record in forward() {
            let call = call_of(record.path.as_str());
            let too_early =
                forward().find(|other| before(call_of(other.path.as_str()), call) && other.seq > record.seq);
            if let Some(other) = too_early {
                problems.push(format!("{id} {call}: recorded before {}, which comes before it", other.path));
            }
        }
        for (path, race) in &told.races {
            let line = format!("{path}.{}/", race.winner);
            let later =
                forward().find(|record| record.path.as_str().starts_with(&line) && record.seq > race.seq);
            if let Some(later) = later {
                problems.push(format!("{id} {path}: won before {} was recorded", later.path));
            }
            if !story.forks_at(path, Fork::Race) {
                problems.push(format!("{id} {path}: a race that its story never comes to"));
            }
        }
        self.problems.extend(problems);
    }

    /// What began is undone, newest first, and nothing else: of a line that lost before its story goes on, of all
    /// others when it has turned.
    fn undos(&mut self, id: FlowId, told: &Told, lines: &[Line<'_>]) {
        let (undone, forward): (Vec<&Record>, Vec<&Record>) =
            told.steps.iter().partition(|record| record.path.as_str().ends_with('~'));
        let round =
            |record: &Record| told.lost_in(call_of(record.path.as_str())).map(|(race, _)| race.to_owned());
        for (at, later) in undone.iter().enumerate() {
            let (call, now) = (call_of(later.path.as_str()), round(later));
            let wrong = undone[..at]
                .iter()
                .find(|earlier| before(call_of(earlier.path.as_str()), call) && round(earlier) == now);
            self.demand(wrong.is_none(), || {
                format!("{id}: {call} was undone after {:?}", wrong.map(|record| &record.path))
            });
        }
        let called = |call: &str| self.calls.iter().any(|it| it.flow == id && it.step == call && !it.undo);
        let children = |call: &str, parts: &[(String, Script)]| {
            parts.iter().any(|(key, _)| self.child(told.parent_at(id, call), call, key).is_some())
        };
        let mut problems = Vec::new();
        for Line { path, what, .. } in lines {
            let record = told.call(path);
            let What::Op(op) = *what else { continue };
            let (may, must) = match op {
                Op::Count { .. } | Op::Reserve { .. } | Op::Steal { .. } => {
                    let decided = record.is_some_and(|record| !Told::is_no(record));
                    (decided, decided)
                }
                Op::Act(act) if act.undone => (true, record.is_some() || called(path)),
                Op::Each { parts, undone: true, .. } => (true, record.is_some() || children(path, parts)),
                Op::Beside { end, .. } if *end != ParentEnd::Leave => {
                    (true, record.is_some() || self.child(told.parent_at(id, path), path, "").is_some())
                }
                _ => (false, false),
            };
            let undo = undone.iter().find(|record| record.path.0 == format!("{path}~"));
            // What the flow that takes this one up has taken over is that one's to undo.
            let stays = told.reset().zip(record).is_some_and(|((before, _), record)| record.seq < before);
            let may = may && (!stays || told.lost_in(path).is_some());
            if undo.is_some() && !may {
                problems.push(format!("{id}: {op:?} at {path} was undone, but is not to be"));
            }
            let is_over = told.state == State::Undone || self.truth.is_handed_on(told) && !stays;
            if is_over && must && undo.is_none() {
                problems.push(format!("{id}: {op:?} at {path} began and was not undone"));
            }
            if undo.is_some_and(|undo| !undoes(undo, op)) {
                problems.push(format!("{id}: {op:?} at {path} was undone by something else"));
            }
            let Some((race, _)) = told.lost_in(path) else { continue };
            let next = forward.iter().find(|record| before(race, call_of(record.path.as_str())));
            let goes_on = next.map(|next| next.seq).or_else(|| told.done_at());
            if let Some(goes_on) = goes_on
                && must
                && undo.is_none_or(|undo| undo.seq > goes_on)
            {
                problems.push(format!("{id}: {op:?} at {path} lost, and was not undone before it went on"));
            }
        }
        let known = |record: &&&Record| lines.iter().any(|line| line.path == call_of(record.path.as_str()));
        if let Some(stray) = undone.iter().find(|record| !known(record)) {
            problems.push(format!("{id}: undone was {}, which there is not", stray.path));
        }
        self.problems.extend(problems);
    }

    /// A call came when it might, and not once more when it was known how it had ended.
    fn call(&mut self, call: &Call, stories: &Stories<'_>) {
        let (id, path) = (call.flow, call.path());
        let Some(told) = self.truth.flows.get(&id) else {
            self.problems.push(format!("{id} came to {path}, but the log knows no such flow"));
            return;
        };
        let lost = told.lost_in(&call.step).map(|(_, race)| race.seq);
        let has_come =
            if call.undo { told.turn.is_some() || lost.is_some() } else { stories[&id].has(&call.step) };
        self.demand(has_come, || format!("{id} came to {path} before what comes before it was on disk"));
        let is_told = |act: &Act| {
            let mut lines = stories[&id].lines.iter().filter(|line| line.path == call.step);
            lines.any(|line| matches!(line.what, What::Op(Op::Act(told)) if told == act))
        };
        let text = || format!("{id} came to {path} as {:?}, which is not its story's way", call.act);
        self.demand(call.act.as_ref().is_none_or(is_told), text);
        let recorded: Vec<&Record> = told.steps.iter().filter(|record| record.path.0 == path).collect();
        // One that may ask again for what it was refused may not have come to anything else since.
        if let [record] = recorded[..]
            && !told.asks_again.contains(&call.step)
        {
            let text = || format!("{id} came to {path} again when it was recorded");
            self.demand(call.moment <= self.seen_at(record.seq), text);
        }
        let turned = told.turn.as_ref().map_or(u64::MAX, |(_, seq)| self.seen_at(*seq));
        let text = || format!("{id} came to {path} when it had turned");
        self.demand(call.undo || call.moment <= turned, text);
        let decided = lost.map_or(u64::MAX, |seq| self.seen_at(seq));
        self.demand(call.undo || call.moment <= decided, || format!("{id} came to {path} when it had lost"));
        let ended = told.outcome.as_ref().map_or(u64::MAX, |(_, seq)| self.seen_at(*seq));
        self.demand(call.moment <= ended, || format!("{id} came to {path} when it had ended"));
    }

    /// How often steps were tried, and how long they waited between.
    fn attempts(&mut self, stories: &Stories<'_>) {
        let mut by_step: BTreeMap<(FlowId, &str, bool), Vec<&Call>> = BTreeMap::new();
        for call in self.calls {
            by_step.entry((call.flow, &call.step, call.undo)).or_default().push(call);
        }
        for ((id, number, undo), calls) in by_step {
            let Some(told) = self.truth.flows.get(&id).filter(|told| told.parks == 0) else { continue };
            let op = stories[&id].lines.iter().find(|line| line.path == number).map(|line| line.what);
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
                let nth = (pair[0].attempt.number % RESET_NUMBERS).min(8);
                let least = if undo { 100 } else { act.backoff_ms * (1 << (nth - 1)).min(4) / 2 };
                let waited =
                    u64::try_from(pair[1].began.saturating_sub(ended).as_millis()).expect("not for ages");
                let text = || format!("{id} {number}: tried again after {waited} ms, not {least}");
                self.demand(self.jumped || waited + 1 >= least / 2, text);
            }
        }
    }

    /// Never more begin than the pace of their key lets, which each life begins anew: so many at once, and besides that
    /// as many as their period has room for one after another.
    fn paces(&mut self) {
        let mut begun = BTreeMap::<(usize, u8), Vec<Duration>>::new();
        for call in self.calls {
            if let Some(rate) = call.act.as_ref().and_then(|act| act.rate) {
                begun.entry((call.life, rate)).or_default().push(call.began);
            }
        }
        for ((life, rate), begun) in begun {
            let (count, period_ms) = RATES[usize::from(rate)];
            let may = |first: Duration, last: Duration| {
                let passed = last.saturating_sub(first).as_millis();
                u128::from(count) + passed * u128::from(count) / u128::from(period_ms)
            };
            for (at, last) in begun.iter().enumerate() {
                // From each before it up to this one.
                let mut firsts = begun[..=at].iter().rev().zip(1..);
                let over = firsts.clone().find(|(first, number)| *number > may(**first, *last));
                self.demand(over.is_none(), || {
                    format!("{over:?} began at pace {rate} of life {life} up to {last:?}, which is too many")
                });
                let is_full = firsts.any(|(first, number)| number > 1 && number == may(*first, *last));
                self.paced += usize::from(is_full && at >= count as usize);
            }
        }
    }

    /// Every effect of a flow that is done is there, none of one that is undone.
    fn things(&mut self, stories: &Stories<'_>) {
        // By parents that undid them: some for certain, others by an undo that did not come to its end.
        let (mut taken, mut perhaps) = (BTreeSet::new(), BTreeSet::new());
        for (id, told) in &self.truth.flows {
            for Line { path: number, what, .. } in &stories[id].lines {
                let What::Op(Op::Each { parts, .. }) = what else { continue };
                let ours = told.parent_at(*id, number);
                let children = parts.iter().filter_map(|(key, _)| self.child(ours, number, key));
                let children = children.map(|(child, _)| child);
                if told.at(&format!("{number}~")).is_some() {
                    taken.extend(children);
                } else if self.calls.iter().any(|call| call.undo && (call.flow, &call.step) == (*id, number))
                {
                    perhaps.extend(children);
                }
            }
        }
        let mut problems = Vec::new();
        for (id, told) in &self.truth.flows {
            for Line { path: number, what, .. } in &stories[id].lines {
                let What::Op(Op::Act(act)) = what else { continue };
                let there = self.things.contains(&(act.key.clone(), told.work));
                let acted = told.call(number).is_some_and(|record| !Told::is_no(record));
                let wanted = match told.state {
                    State::Done | State::Undone if act.undone && told.lost_in(number).is_some() => {
                        Some(false)
                    }
                    State::Done if acted && !perhaps.contains(&told.work) => {
                        Some(!taken.contains(&told.work))
                    }
                    State::Undone if act.undone => Some(false),
                    _ => None,
                };
                if wanted.is_some_and(|wanted| wanted != there) {
                    problems
                        .push(format!("{id} is {:?}, and the thing of {number} there: {there}", told.state));
                }
            }
        }
        let strays = self.things.iter().map(|(_, id)| id).filter(|id| !self.truth.flows.contains_key(id));
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
        && (told.state.has_ended() || (row.signals, &row.paused) == (told.own_signals, &told.paused))
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
        Op::Beside { end, .. } => record.get::<ChildStarted>().is_ok_and(|begun| begun.parent_end == *end),
        Op::BadRule { .. }
        | Op::BadStory
        | Op::Hold { .. }
        | Op::Join(_)
        | Op::Race(_)
        | Op::Patched { .. }
        | Op::Show(_) => false,
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
        Op::Beside { .. } => {
            record.get::<Superseded>().is_ok_and(|superseded| superseded.what.starts_with("its child"))
        }
        Op::Each { parts, .. } => record.get::<Taken>().is_ok_and(|taken| taken.count == parts.len() as u64),
        _ => false,
    }
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
