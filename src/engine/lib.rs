//! Durable execution, ignorant of images.
//!
//! An operation is a [`Workflow`]: an ordinary `async fn` whose steps each establish one event in
//! the log. The record of a step is the memo that makes the operation resumable, the event that
//! projections fold and the line an auditor reads. [`Engine`] opens the log, starts and drives
//! flows, cancels, parks and releases them, and shows what is in the log.
//!
//! ```text
//!  story ──decide/step──▶ queue ──▶ committer (one thread) ──▶ redb: log + projections, one commit
//!    ▲                                   │ answer, before the disk
//!    └───────────────────────────────────┘ an effect and an outside answer wait for the disk
//! ```
//!
//! It deliberately knows no noun of Kiln, reaches the disk only through [`files::Files`] and the
//! time only through [`Clock`].

mod act;
mod advice;
mod again;
mod archive;
mod archiving;
mod aside;
mod at;
mod attempt;
mod audit;
mod branch;
mod chain;
mod child;
mod commit;
mod committer;
mod decide;
mod each;
mod ended;
mod error;
mod examine;
mod find;
mod flow;
mod fold;
mod fresh;
mod hold;
mod index;
mod journal;
mod keyed;
mod kinds;
mod lineage;
mod live;
mod look;
mod marks;
mod measure;
mod open;
mod operator;
mod order;
mod pace;
mod past;
mod patch;
mod pause;
mod places;
#[cfg(test)]
mod planted;
mod queue;
mod rate;
mod refold;
mod reset;
mod restore;
mod retell;
mod runtime;
mod seal;
mod segment;
mod settled;
mod shared;
mod signal;
mod snapshot;
mod spans;
mod step;
mod store;
mod tables;
mod tamper;
mod tamper_archive;
#[cfg(test)]
mod tests_archive;
#[cfg(test)]
mod tests_archive_cut;
#[cfg(test)]
mod tests_archive_tamper;
#[cfg(test)]
mod tests_attempt;
#[cfg(test)]
mod tests_branch;
#[cfg(test)]
mod tests_cancel;
#[cfg(test)]
mod tests_child;
#[cfg(test)]
mod tests_compile;
#[cfg(test)]
mod tests_damage;
#[cfg(test)]
mod tests_each;
#[cfg(test)]
mod tests_faults;
#[cfg(test)]
mod tests_find;
#[cfg(test)]
mod tests_hold;
#[cfg(test)]
mod tests_journal;
#[cfg(test)]
mod tests_kit;
#[cfg(test)]
mod tests_kit_more;
#[cfg(test)]
mod tests_log;
#[cfg(test)]
mod tests_look;
#[cfg(test)]
mod tests_measure;
#[cfg(test)]
mod tests_operator;
#[cfg(test)]
mod tests_order;
#[cfg(test)]
mod tests_past;
#[cfg(test)]
mod tests_places;
#[cfg(test)]
mod tests_policy;
#[cfg(test)]
mod tests_recover;
#[cfg(test)]
mod tests_reset;
#[cfg(test)]
mod tests_restore;
#[cfg(test)]
mod tests_retell;
#[cfg(test)]
mod tests_signal;
#[cfg(test)]
mod tests_simulate;
#[cfg(test)]
mod tests_simulate_children;
#[cfg(test)]
mod tests_simulate_deeds;
#[cfg(test)]
mod tests_simulate_judge;
#[cfg(test)]
mod tests_simulate_ledger;
#[cfg(test)]
mod tests_simulate_life;
#[cfg(test)]
mod tests_simulate_mix;
#[cfg(test)]
mod tests_simulate_query;
#[cfg(test)]
mod tests_simulate_reset;
#[cfg(test)]
mod tests_simulate_run;
#[cfg(test)]
mod tests_simulate_script;
#[cfg(test)]
mod tests_simulate_toy;
#[cfg(test)]
mod tests_simulate_truth;
#[cfg(test)]
mod tests_simulate_walk;
#[cfg(test)]
mod tests_simulate_world;
#[cfg(test)]
mod tests_story;
#[cfg(test)]
mod tests_tamper;
#[cfg(test)]
mod tests_writer;
mod timer;
mod unwind;
mod witness;
mod workflow;
mod writer;

pub use again::Next;
pub use archive::ARCHIVE;
pub use archiving::{ARCHIVE_AFTER_MS, Archived, Chore, Keep, LIVE_BYTES_MAX, Stretch};
pub use at::At;
pub use audit::{Rebuilt, Verified};
pub use branch::{BRANCHES_MAX, Branching, branch};
pub use decide::Decide;
pub use each::{CHILDREN_MAX, Each, Ends};
pub use ended::ENDED;
pub use error::{Denial, Error};
pub use examine::{Examined, examine};
pub use find::{FOUND_MAX, Filter, Found, READS_MAX, VALUES_MAX};
pub use flow::Flow;
pub use fold::{FlowRow, State};
pub use hold::Hold;
pub use journal::JOURNAL;
pub use kinds::{
    CancelRequested, ChildEnded, ChildStarted, Class, Ended, Failed, Gathered, Outcome, ParentEnd, Parked,
    Patched, Paused, Raced, Refused, Released, Resumed, SignalTaken, Signalled, Started, Superseded, TakesUp,
    TimerFired, TimerSet, Turn, Turned, Which,
};
pub use lineage::{Lineage, Restored};
pub use live::Watch;
pub use look::Page;
pub use measure::{Histogram, Measured};
pub use past::{Moment, Past, Replay};
pub use restore::{RestoredLog, Restoring, chain_of, restore};
pub use runtime::{Clock, Engine, Options, SystemClock};
pub use signal::{SIGNAL_BYTES_MAX, SIGNALS_MAX};
pub use snapshot::Snapshot;
pub use step::{Policy, Step};
pub use store::{DATABASE, WITNESS};
pub use tamper::{Damage, Fault};
pub use workflow::{Book, Halt, Workflow};
