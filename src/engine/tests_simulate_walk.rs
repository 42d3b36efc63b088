//! A script walked beside its flow's records: each call of the story has its record or is the last that its line of
//! the story came to. It knows what a story yields, what no it ends with, and what the time is at each call.

use std::collections::BTreeMap;

use event::{Record, Refusal};

use crate::kinds::{Failed, Refused};
use crate::tests_simulate_script::{Act, NOTHING, Op, Word, way, won};
use crate::tests_simulate_toy::{Counted, Said};
use crate::tests_simulate_truth::Told;

/// A call of a story.
#[derive(Clone, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) path: String,
    pub(crate) what: What<'a>,
    /// The time that its line of the story has before it.
    pub(crate) now_ms: i64,
    /// What the id is minted from that it says.
    pub(crate) minted: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What<'a> {
    Op(&'a Op),
    /// What a story says of a no that it handles.
    OfNo,
    /// It waits for the child that this line began.
    Awaited,
}

/// What a story, or one line of it, comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Words(Vec<String>),
    No(Refusal),
    /// It has not come to its end.
    Open,
}

/// A story by its records.
#[derive(Debug)]
pub(crate) struct Story<'a> {
    /// The calls that it came to, with the first of each line that has no record.
    pub(crate) lines: Vec<Line<'a>>,
    pub(crate) end: Came,
    pub(crate) problems: Vec<String>,
    /// The joins and the races that it came to, by path.
    pub(crate) forks: Vec<(String, Fork)>,
    /// Where it has waited for a child, and where that was begun.
    pub(crate) awaited: BTreeMap<String, String>,
    /// What it has shown, and how many of the calls there were before.
    pub(crate) shown: Vec<(usize, u32)>,
    /// Changes at which it goes the new way, by name.
    pub(crate) patched: Vec<String>,
}

/// Where a story is told in several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fork {
    Join,
    Race,
}

impl Story<'_> {
    /// Whether it came to a call.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.lines.iter().any(|line| line.path == path)
    }

    /// Whether it came to such a fork.
    pub(crate) fn forks_at(&self, path: &str, wanted: Fork) -> bool {
        self.forks.iter().any(|(at, fork)| at == path && *fork == wanted)
    }
}

/// Walks a flow's script.
pub(crate) fn walk(told: &Told) -> Story<'_> {
    let story = Story {
        lines: Vec::new(),
        end: Came::Open,
        problems: Vec::new(),
        forks: Vec::new(),
        awaited: BTreeMap::new(),
        shown: Vec::new(),
        patched: Vec::new(),
    };
    let mut walk = Walk { told, story };
    let mut trunk = Place { prefix: String::new(), number: 0, minted: 0, now_ms: told.begun_ms };
    walk.story.end = walk.ops(&mut trunk, &told.script.ops);
    walk.story
}

struct Walk<'a> {
    told: &'a Told,
    story: Story<'a>,
}

/// How far a line of the story has come.
struct Place {
    prefix: String,
    number: u32,
    minted: u32,
    now_ms: i64,
}

impl Place {
    fn next(&mut self) -> String {
        self.number += 1;
        self.path()
    }

    /// Where its last call is.
    fn path(&self) -> String {
        format!("{}{}", self.prefix, self.number)
    }
}

impl<'a> Walk<'a> {
    fn ops(&mut self, place: &mut Place, ops: &'a [Op]) -> Came {
        let mut words = Vec::new();
        for op in ops {
            let came = match op {
                Op::Hold { ops, .. } => self.ops(place, ops),
                Op::BadStory => Came::Open,
                Op::Show(number) => {
                    self.story.shown.push((self.story.lines.len(), *number));
                    Came::Words(Vec::new())
                }
                Op::Beside { ops, awaited, .. } => self.beside(place, op, ops, *awaited),
                Op::Join(lines) => self.join(place, lines),
                Op::Race(lines) => self.race(place, lines),
                Op::Patched { name, new, old, again } => self.patched(place, name, [old, new], *again),
                op => self.op(place, op),
            };
            match came {
                Came::Words(more) => words.extend(more),
                other => return other,
            }
        }
        Came::Words(words)
    }

    fn beside(&mut self, place: &mut Place, op: &'a Op, ops: &'a [Op], awaited: bool) -> Came {
        if self.line(place, What::Op(op)).is_none() {
            return Came::Open;
        }
        let begun = place.path();
        let came = self.ops(place, ops);
        let Came::Words(mut words) = came else { return came };
        if awaited {
            let Some(_) = self.line(place, What::Awaited) else { return Came::Open };
            self.story.awaited.insert(place.path(), begun);
            words.push("beside:".to_owned());
        }
        Came::Words(words)
    }

    /// It goes the new way if the log says so, and then nothing that comes after the question is older.
    fn patched(&mut self, place: &mut Place, name: &str, ways: [&'a [Op]; 2], again: bool) -> Came {
        let record = self.told.at(&path_of(name));
        let goes = record.is_some();
        let (asked, begun) = (record.map(|record| record.seq), self.story.lines.len());
        if let Some(record) = record {
            self.story.patched.push(name.to_owned());
            place.now_ms = record.time_ms;
        }
        let came = self.ops(place, ways[usize::from(goes)]);
        let told = self.told;
        let mut records = self.story.lines[begun..].iter().filter_map(|line| told.call(&line.path));
        if let Some(early) = records.find(|record| Some(record.seq) < asked) {
            self.story
                .problems
                .push(format!("{}: it came before the change {name} that it is part of", early.path));
        }
        let Came::Words(words) = came else { return came };
        let word = way(goes, name);
        let again = again.then(|| word.clone());
        Came::Words([word].into_iter().chain(words).chain(again).collect())
    }

    fn branches(&mut self, path: &str, now_ms: i64, lines: &'a [Vec<Op>]) -> Vec<(Came, i64)> {
        let lines = lines.iter().enumerate().map(|(at, ops)| {
            let mut line = Place { prefix: format!("{path}.{at}/"), number: 0, minted: 0, now_ms };
            (self.ops(&mut line, ops), line.now_ms)
        });
        lines.collect()
    }

    /// All of them have to come to their ends; the no of the first that has one is that of all.
    fn join(&mut self, place: &mut Place, lines: &'a [Vec<Op>]) -> Came {
        let path = place.next();
        self.story.forks.push((path.clone(), Fork::Join));
        let ends = self.branches(&path, place.now_ms, lines);
        place.now_ms = ends.iter().map(|(_, now_ms)| *now_ms).fold(place.now_ms, i64::max);
        let mut words = Vec::new();
        let mut no = None;
        for (end, _) in ends {
            match end {
                Came::Open => return Came::Open,
                Came::No(refusal) => no = no.or(Some(refusal)),
                Came::Words(more) => words.extend(more),
            }
        }
        no.map_or(Came::Words(words), Came::No)
    }

    /// One of them came to its end, which is that of all.
    fn race(&mut self, place: &mut Place, lines: &'a [Vec<Op>]) -> Came {
        let path = place.next();
        self.story.forks.push((path.clone(), Fork::Race));
        let mut ends = self.branches(&path, place.now_ms, lines);
        let Some(race) = self.told.races.get(&path) else { return Came::Open };
        place.now_ms = race.time_ms;
        if race.winner >= ends.len() || ends[race.winner].0 == Came::Open {
            let what = format!("{path}: line {} has won, but has not come to its end", race.winner);
            self.story.problems.push(what);
            return Came::Open;
        }
        match ends.swap_remove(race.winner).0 {
            Came::Words(words) => Came::Words([vec![won(race.winner)], words].concat()),
            other => other,
        }
    }

    fn op(&mut self, place: &mut Place, op: &'a Op) -> Came {
        let Some(record) = self.line(place, What::Op(op)) else { return Came::Open };
        let path = self.story.lines.last().expect("just pushed").path.clone();
        if let Op::Sleep(_) | Op::Hear { .. } = op {
            let end = format!("{path}+");
            let Some(over) = self.told.at(&end) else { return Came::Open };
            place.now_ms = over.time_ms;
            let heard = self.told.heard.get(&end).map_or(NOTHING, |(_, text)| text);
            let word = if let Op::Sleep(_) = op { "slept" } else { heard };
            return Came::Words(vec![word.to_owned()]);
        }
        let Some(refusal) = no_of(record) else { return Came::Words(vec![word(record, op, self.told)]) };
        let tries = matches!(op, Op::Reserve { tries: true, .. } | Op::Act(Act { tries: true, .. }));
        if !tries {
            return Came::No(refusal);
        }
        match self.line(place, What::OfNo) {
            None => Came::Open,
            Some(said) => match no_of(said) {
                Some(refusal) => Came::No(refusal),
                None => Came::Words(vec![said.get::<Said>().map(|said| said.text).unwrap_or_default()]),
            },
        }
    }

    fn line(&mut self, place: &mut Place, what: What<'a>) -> Option<&'a Record> {
        let path = place.next();
        let record = self.told.call(&path);
        let now_ms = place.now_ms;
        let minted = matches!(what, What::Op(Op::Say { word: Word::NewId, .. })).then(|| {
            place.minted += 1;
            format!("{}{}", place.prefix, place.minted)
        });
        self.story.lines.push(Line { path, what, now_ms, minted });
        place.now_ms = record.map_or(now_ms, |record| record.time_ms);
        record
    }
}

fn no_of(record: &Record) -> Option<Refusal> {
    let refused = record.get::<Refused>().map(|refused| refused.refusal);
    refused.or_else(|_| record.get::<Failed>().map(|failed| failed.refusal)).ok()
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

/// The call that a path belongs to.
pub(crate) fn call_of(path: &str) -> &str {
    path.trim_end_matches(['~', '+', '!'])
}

/// What the paths of a line of a story begin with.
pub(crate) fn line_of(path: &str) -> &str {
    path.rfind('/').map_or("", |end| &path[..=end])
}

/// Where the log has a change that a story went the new way at.
pub(crate) fn path_of(name: &str) -> String {
    format!("?{name}")
}

/// Whether a story comes to one call only after another, whatever else it tells at once.
pub(crate) fn before(earlier: &str, later: &str) -> bool {
    let number = |call: &str| call.split('.').next().and_then(|number| number.parse::<u32>().ok());
    let mut pairs = earlier.split('/').zip(later.split('/'));
    let numbers = pairs.find(|(a, b)| a != b).and_then(|(a, b)| number(a).zip(number(b)));
    numbers.is_some_and(|(a, b)| a < b)
}
