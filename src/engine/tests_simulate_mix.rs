//! What a seed plays: how many lives, how much of which trouble, and the scripts.
//!
//! Each seed leaves most kinds of trouble out and has much of the others, so that what one kind hides in some seeds is
//! seen in others. A few have no trouble at all.

use std::io::ErrorKind;

use sim::{Chance, SimFiles};

use crate::ParentEnd;
use crate::tests_simulate_script::{Act, Op, Script, Word};
use crate::tests_simulate_world::Trouble;

/// Lives of a house before the last, quiet one.
const LIVES_MAX: usize = 5;
/// Operations that are asked for in one life.
const ASKED_MAX: usize = 6;

/// What a seed has much of.
#[derive(Clone, Debug)]
pub(crate) struct Mix {
    pub(crate) lives: usize,
    pub(crate) asked: usize,
    pub(crate) trouble: Trouble,
    /// Turns that a life has at most.
    pub(crate) turns: usize,
    /// How often, in a thousand turns, each of these happens.
    pub(crate) cancel: usize,
    pub(crate) operate: usize,
    pub(crate) jump: usize,
    pub(crate) over: usize,
    pub(crate) pass: usize,
    /// How often somebody is told something, and made to stand still.
    pub(crate) tell: usize,
    pub(crate) stand: usize,
    /// How often what is parked is begun anew from an earlier event.
    pub(crate) reset: usize,
    /// How often a piece of the log is archived.
    pub(crate) archive: usize,
    /// How the disk and the process fare.
    pub(crate) cuts: bool,
    pub(crate) kills: bool,
    pub(crate) fails: bool,
    /// Names and counters there are.
    names: usize,
    lines: usize,
    /// How many of a thousand scripts go on anew.
    anew: usize,
    /// How many of a thousand steps keep a pace.
    rate: usize,
    /// After how many of a thousand lines a story shows something, and how often in a thousand looks somebody asks.
    shows: usize,
    pub(crate) query: usize,
    /// How many of a thousand lines of a script were changed, and in which life.
    patched: usize,
    pub(crate) changed_in: usize,
}

/// How a life ends, if nothing else ends it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In order.
    Close,
    /// The process is killed; what it wrote is there.
    Kill,
    /// The power goes.
    Cut,
}

impl Mix {
    pub(crate) fn of(chance: &mut Chance) -> Self {
        let quiet = chance.in_thousand(60);
        let mut some = |often: usize, much: usize| {
            if chance.in_thousand(often) && !quiet { 1 + chance.below(much) } else { 0 }
        };
        let mut trouble = Trouble {
            world: some(500, 450),
            caller: some(400, 150),
            ours: some(250, 80),
            panic: some(200, 60),
            slow: some(600, 500),
            keeps: some(400, 400),
        };
        let (cancel, mut operate) = (some(500, 40), 20 + some(500, 60));
        let (jump, over, pass) = (some(250, 20), some(400, 60), some(500, 100));
        let (tell, stand, archive) = (some(500, 60), some(300, 30), some(400, 60));
        let reset = some(400, 400);
        if reset > 0 {
            // Only what is parked can be begun anew.
            trouble.ours += 60;
            operate /= 4;
        }
        let (cuts, kills, fails) = (some(700, 1) > 0, some(500, 1) > 0, some(300, 1) > 0);
        let lives = if quiet { 1 } else { 1 + chance.below(LIVES_MAX) };
        Self {
            lives,
            asked: 1 + chance.below(ASKED_MAX),
            trouble,
            turns: 20 + chance.below(400),
            cancel,
            operate,
            jump,
            over,
            pass,
            tell,
            stand,
            reset,
            archive,
            cuts,
            kills,
            fails,
            names: 1 + chance.below(3),
            lines: 1 + chance.below(7),
            anew: chance.below(2) * 400,
            rate: chance.below(2) * 400,
            shows: chance.below(2) * 600,
            query: chance.below(2) * 1000,
            patched: chance.below(2) * 150,
            // The last one, which comes after these, is no longer than it has to be.
            changed_in: chance.below(lives + 1),
        }
    }

    pub(crate) fn end(&self, chance: &mut Chance) -> End {
        let mut ends = vec![End::Close];
        ends.extend(self.kills.then_some(End::Kill));
        ends.extend(self.cuts.then_some(End::Cut));
        *chance.pick(&ends)
    }

    /// Plans what strikes the disk in a life; says whether anything may.
    pub(crate) fn strikes(&self, chance: &mut Chance, disk: &SimFiles) -> bool {
        if self.cuts && chance.in_thousand(600) {
            let call = 1 + chance.below(250) as u64;
            if chance.coin() {
                disk.cut_after(call);
            } else {
                disk.tear_after(call);
            }
            return true;
        }
        if self.fails && chance.in_thousand(500) {
            let after = 1 + chance.below(120) as u64;
            match chance.below(4) {
                0 => disk.fail_sync(1 + after / 4, ErrorKind::Other),
                1 => disk.fail_after(after, ErrorKind::StorageFull),
                2 => disk.fail_read(after, ErrorKind::Other),
                _ => disk.fail_after(after, ErrorKind::Other),
            }
            return true;
        }
        false
    }

    /// Something to ask for.
    pub(crate) fn script(&self, chance: &mut Chance, request: usize) -> Script {
        let mut keys = Keys { request, used: 0, shown: 0 };
        let script = self.one(chance, &mut keys);
        if chance.in_thousand(self.anew) { self.anew(chance, &mut keys, script, 0) } else { script }
    }

    /// The same script, that goes on as others.
    fn anew(&self, chance: &mut Chance, keys: &mut Keys, mut script: Script, depth: usize) -> Script {
        for _ in 0..=chance.below(2) {
            let before = self.child(chance, keys, depth);
            script = Script { next: Some(Box::new(script)), ..before };
            // Nothing may be left to undo, or it parks.
            match chance.below(10) {
                0..=6 => script.ops.retain(|op| !leaves(op)),
                7..=8 => script.ops.insert(chance.below(script.ops.len() + 1), Op::Shut { at: script.at }),
                _ => {}
            }
        }
        script
    }

    /// A short script.
    fn child(&self, chance: &mut Chance, keys: &mut Keys, depth: usize) -> Script {
        let at = 1 + u8::from(chance.in_thousand(300));
        let lines = chance.below(4);
        let ops = (0..lines).map(|_| self.op(chance, keys, depth, None)).collect();
        Script { at, ops, next: None }
    }

    fn one(&self, chance: &mut Chance, keys: &mut Keys) -> Script {
        let at = 1 + u8::from(chance.in_thousand(300));
        let lines = 1 + chance.below(self.lines);
        let mut ops = Vec::new();
        for _ in 0..lines {
            ops.push(self.op(chance, keys, 0, None));
            if chance.in_thousand(self.shows) {
                keys.shown += 1;
                ops.push(Op::Show(keys.shown));
            }
        }
        if self.reset > 0 && chance.coin() {
            // Something to go on from, and something to stop at.
            let now = Op::Say { at, word: Word::Now };
            let race = Op::Race(self.branches(chance, keys, 0));
            let both = Op::Join(vec![vec![now.clone()], vec![now]]);
            ops = [vec![both], ops, vec![race, Op::BadRule { at }]].concat();
        } else if chance.in_thousand(300) {
            let joins = ops
                .iter_mut()
                .filter_map(|op| if let Op::Join(lines) = op { lines.last_mut() } else { None });
            // One way back is enough for all of them: what another line does then is not undone either.
            match joins.last().filter(|_| chance.coin()) {
                Some(line) => line.insert(0, Op::Shut { at }),
                None => ops.insert(chance.below(ops.len() + 1), Op::Shut { at }),
            }
        }
        Script { at, ops, next: None }
    }

    /// Lines of a story that are told at once; one may be empty.
    fn branches(&self, chance: &mut Chance, keys: &mut Keys, depth: usize) -> Vec<Vec<Op>> {
        let mut line = |chance: &mut Chance| -> Vec<Op> {
            let lines = if chance.in_thousand(100) { 0 } else { 1 + chance.below(2) };
            (0..lines).map(|_| self.op(chance, keys, depth + 1, None)).collect()
        };
        let count = 1 + chance.below(3);
        (0..count).map(|_| line(chance)).collect()
    }

    fn op(&self, chance: &mut Chance, keys: &mut Keys, depth: usize, within: Option<u8>) -> Op {
        let at = 1 + u8::from(chance.in_thousand(200));
        let name = format!("n{}", chance.below(self.names));
        if depth < 2 && chance.in_thousand(self.patched) {
            let mut way = |chance: &mut Chance, most: usize| -> Vec<Op> {
                let lines = chance.below(most);
                (0..lines).map(|_| self.op(chance, keys, depth + 1, within)).collect()
            };
            let (new, old) = (way(chance, 3), way(chance, 3));
            return Op::Patched { name: keys.next(), new, old, again: chance.coin() };
        }
        match chance.below(100) {
            0..=17 => Op::Count { at, name, add: [1, -1, 2, 5][chance.below(4)] },
            18..=31 => Op::Reserve { at, name, tries: chance.coin() },
            32..=35 => Op::Steal { at, name },
            36..=44 => {
                let word = match chance.below(3) {
                    0 => Word::NewId,
                    1 => Word::Now,
                    _ => Word::Given(name),
                };
                Op::Say { at, word }
            }
            45..=49 => Op::Sleep(chance.below(3000) as u64),
            50..=57 if within.is_none() => {
                let place = 1 + place(chance, 2);
                let lines = 1 + chance.below(3);
                let ops = (0..lines).map(|_| self.op(chance, keys, 2, Some(place))).collect();
                Op::Hold { place, ops }
            }
            58..=66 if depth < 2 => {
                let count = chance.below(5);
                let undone = chance.coin();
                let parts = (0..count).map(|n| {
                    let part = self.child(chance, keys, depth + 1);
                    // Whoever takes parts back knows them by their own ids.
                    let anew = !undone && chance.in_thousand(self.anew);
                    let part = if anew { self.anew(chance, keys, part, depth + 1) } else { part };
                    (format!("p{n}"), part)
                });
                let parts = parts.collect();
                Op::Each { parts, limit: 1 + chance.below(3), undone }
            }
            67 if self.trouble.ours > 0 => Op::BadRule { at },
            68 if self.trouble.panic > 0 => Op::BadStory,
            69..=74 if self.tell > 0 => {
                let within_ms = chance.coin().then(|| chance.below(3000) as u64);
                Op::Hear { name: u8::from(chance.coin()), within_ms }
            }
            75..=79 if depth < 2 && within.is_none() => {
                let child = self.child(chance, keys, depth + 1);
                let anew = chance.in_thousand(self.anew);
                let mut child = if anew { self.anew(chance, keys, child, depth + 1) } else { child };
                if anew && chance.coin() {
                    // For a while it is past its return, and goes on all the same.
                    child.ops.insert(0, Op::Shut { at });
                    child.ops.push(Op::Sleep(chance.below(9000) as u64));
                }
                let lines = chance.below(3);
                Op::Beside {
                    child: Box::new(child),
                    end: *chance.pick(&[ParentEnd::Leave, ParentEnd::Cancel, ParentEnd::Wait]),
                    ops: (0..lines).map(|_| self.op(chance, keys, depth + 1, None)).collect(),
                    awaited: chance.coin(),
                }
            }
            80..=82 if depth < 2 && within.is_none() => Op::Join(self.branches(chance, keys, depth)),
            83..=86 if depth < 2 && within.is_none() => Op::Race(self.branches(chance, keys, depth)),
            _ => Op::Act(Act {
                key: keys.next(),
                attempts_max: 1 + u32::try_from(chance.below(4)).expect("small"),
                backoff_ms: 20 + chance.below(600) as u64,
                // Within a place only the first one, which is for steps alone: two stories that keep one and
                // want the other's might wait for each other.
                place: chance.in_thousand(250).then(|| if within.is_some() { 0 } else { place(chance, 3) }),
                within,
                rate: chance.in_thousand(self.rate).then(|| u8::from(chance.coin())),
                undone: chance.in_thousand(850),
                tries: chance.in_thousand(300),
            }),
        }
    }
}

fn place(chance: &mut Chance, below: usize) -> u8 {
    u8::try_from(chance.below(below)).expect("there are few places")
}

/// Whether a line may leave something to undo behind.
fn leaves(op: &Op) -> bool {
    match op {
        Op::Count { .. } | Op::Reserve { .. } | Op::Steal { .. } => true,
        Op::Act(act) => act.undone,
        Op::Each { undone, .. } => *undone,
        Op::Beside { end, ops, .. } => *end != ParentEnd::Leave || ops.iter().any(leaves),
        Op::Hold { ops, .. } => ops.iter().any(leaves),
        Op::Patched { new, old, .. } => new.iter().chain(old).any(leaves),
        Op::Join(lines) | Op::Race(lines) => lines.iter().flatten().any(leaves),
        _ => false,
    }
}

/// Keys of things, each for one step.
struct Keys {
    request: usize,
    used: usize,
    shown: u32,
}

impl Keys {
    fn next(&mut self) -> String {
        self.used += 1;
        format!("r{}-{}", self.request, self.used)
    }
}
