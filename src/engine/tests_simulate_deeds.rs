//! What came to pass in a run of the simulation, counted by the log it left: so that a test can say that all of what
//! scripts are made of is really in the seeds.

use std::collections::BTreeMap;

use event::Cause;

use crate::tests_simulate_judge::Stories;
use crate::tests_simulate_truth::{Told, Truth};
use crate::tests_simulate_walk::{Fork, Story};
use crate::{Superseded, TakesUp, child::PARENT_ENDED};

/// Something that may come to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deed {
    /// Several lines of a join had records that came one between the others.
    Joined,
    /// A race was won.
    Raced,
    /// A loser had begun something that was undone.
    LoserUndone,
    /// A loser came to the end of its step when another had won.
    LoserLate,
    /// A fork stood in a line of another.
    ForkInFork,
    /// A segment went into the archive.
    Archived,
    /// A row of what had ended went into the second file.
    RowsMoved,
    /// A flow was taken up whose beginning was in the archive.
    TakenUpFromArchive,
    /// A flow went on anew.
    Continued,
    /// One did that had been told something which it had not taken.
    HandedOn,
    /// A child went on beside its parent, and was waited for.
    Awaited,
    /// One was cancelled because its parent had ended, and was undone.
    CancelledAtEnd,
    /// One was cancelled because its parent turned.
    Settled,
    /// One was past its point of no return then, and the flow that it went on as was cancelled.
    CancelledAnew,
    /// A step began as soon as its pace let it, and not before.
    Paced,
    /// A flow went the new way where its story was changed.
    Patched,
    /// One kept to the old way, as it may have gone past.
    KeptOld,
    /// A story that showed something was asked.
    Queried,
    /// A flow was begun anew, and took over what another had done.
    Reset,
    /// One was that had been begun anew before.
    ResetAgain,
    /// One was that a race had been decided in, which it took over.
    ResetAfterRace,
    /// One was cancelled while what it had done was undone.
    ResetCancelled,
    /// One was that belonged to another, which had not ended.
    ResetChild,
}

impl Deed {
    pub(crate) const ALL: [Self; 23] = [
        Self::Joined,
        Self::Raced,
        Self::LoserUndone,
        Self::LoserLate,
        Self::ForkInFork,
        Self::Archived,
        Self::RowsMoved,
        Self::TakenUpFromArchive,
        Self::Continued,
        Self::HandedOn,
        Self::Awaited,
        Self::CancelledAtEnd,
        Self::Settled,
        Self::CancelledAnew,
        Self::Paced,
        Self::Patched,
        Self::KeptOld,
        Self::Queried,
        Self::Reset,
        Self::ResetAgain,
        Self::ResetAfterRace,
        Self::ResetCancelled,
        Self::ResetChild,
    ];
}

/// How often each of them came to pass.
pub(crate) type Deeds = BTreeMap<Deed, usize>;

/// Counts what came to pass so many times, if it did.
pub(crate) fn count(deeds: &mut Deeds, deed: Deed, times: usize) {
    if times > 0 {
        *deeds.entry(deed).or_default() += times;
    }
}

pub(crate) fn of(truth: &Truth, stories: &Stories<'_>) -> Deeds {
    let mut deeds = Deeds::new();
    let mut did = |deed: Deed, times: usize| count(&mut deeds, deed, times);
    for (id, told) in &truth.flows {
        let story = &stories[id];
        forks(told, story, &mut did);
        if let Some(TakesUp::Continues(before)) = told.takes_up {
            did(Deed::Continued, 1);
            let before = truth.flows.get(&before);
            did(Deed::HandedOn, usize::from(before.is_some_and(|before| !before.signals.is_empty())));
            did(Deed::CancelledAnew, usize::from(before.is_some_and(|before| before.cancel.is_some())));
        }
        if let Some(TakesUp::Resets { flow, .. }) = told.takes_up {
            let old = &truth.flows[&flow];
            did(Deed::Reset, usize::from(told.steps.iter().any(|record| record.flow != *id)));
            did(Deed::ResetAgain, usize::from(told.resets > 1));
            did(Deed::ResetAfterRace, usize::from(told.races.values().any(|race| race.seq < told.first)));
            did(Deed::ResetCancelled, usize::from(old.cancel.is_some()));
            let parent = match truth.flows[&told.work].cause {
                Cause::Parent(parent) => truth.flows.get(&parent),
                Cause::Request(_) => None,
            };
            did(Deed::ResetChild, usize::from(parent.is_some_and(|parent| !parent.is_over_at(told.first))));
        }
        did(Deed::Patched, story.patched.len());
        did(Deed::Awaited, story.awaited.len());
        let of_child = |record: &&event::Record| {
            record.get::<Superseded>().is_ok_and(|superseded| superseded.what.starts_with("its child"))
        };
        did(Deed::Settled, told.steps.iter().filter(of_child).count());
        did(
            Deed::CancelledAtEnd,
            usize::from(told.cancel.as_deref() == Some(PARENT_ENDED) && told.turn.is_some()),
        );
    }
    deeds
}

fn forks(told: &Told, story: &Story<'_>, did: &mut impl FnMut(Deed, usize)) {
    let joins = story.forks.iter().filter(|(_, fork)| *fork == Fork::Join);
    did(Deed::Joined, joins.filter(|(path, _)| is_mixed(told, path)).count());
    did(Deed::Raced, told.races.len());
    let undone = told.steps.iter().filter(|record| record.path.as_str().ends_with('~'));
    let lost = |path: &str| told.lost_in(crate::tests_simulate_walk::call_of(path));
    did(Deed::LoserUndone, undone.filter(|record| lost(record.path.as_str()).is_some()).count());
    let forward = told.steps.iter().filter(|record| !record.path.as_str().ends_with('~'));
    let late =
        forward.filter(|record| lost(record.path.as_str()).is_some_and(|(_, race)| record.seq > race.seq));
    did(Deed::LoserLate, late.count());
    did(Deed::ForkInFork, story.forks.iter().filter(|(path, _)| path.contains('.')).count());
}

/// Whether a line had a record between two of another.
fn is_mixed(told: &Told, path: &str) -> bool {
    let begin = format!("{path}.");
    let inside = told.steps.iter().filter_map(|record| record.path.as_str().strip_prefix(&begin));
    let mut lines: Vec<&str> = inside.filter_map(|rest| rest.split('/').next()).collect();
    lines.dedup();
    let turns = lines.len();
    lines.sort_unstable();
    lines.dedup();
    turns > lines.len()
}
