//! Faults that a test plants in the engine, to show that the simulation finds them.
//!
//! They exist in tests only, one at a time, for the thread that plants one and the log's threads begun from it.

use std::cell::Cell;

/// A way to break the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// A commit is not synced.
    NoSync,
    /// What waits for the disk does not wait.
    NoWait,
    /// Jobs are decided in another order than they came in.
    Reorder,
    /// A commit that follows another is decided without it.
    StaleView,
    /// A record is folded twice.
    FoldTwice,
    /// A decide does not ask whether its flow was cancelled.
    NoCancelCheck,
    /// A flow ends although it was cancelled.
    NoCancelAtEnd,
    /// The first undo is left out.
    NoUndo,
    /// A flow undoes before it has turned.
    NoTurn,
    /// A request that is made again starts anew.
    StartTwice,
    /// Attempts have one number.
    OneNumber,
    /// A failed attempt is not remembered.
    NoMemo,
    /// An effect does not wait for what comes before it.
    EarlyEffect,
    /// A timer that was set before a restart fires at once.
    EarlyTimer,
    /// A timer that was set before a restart never fires.
    NoTimer,
    /// Nobody is told that what they wait for is on disk.
    NoWaking,
    /// A fan-out knows no limit.
    NoLimit,
    /// A place is had by as many as want it.
    NoPlaces,
    /// What was taken of what a flow was told can be taken again.
    TakenTwice,
    /// What a flow was told before a restart is forgotten.
    Forgets,
    /// What is to stand still goes on.
    NoStanding,
    /// The losers of a race are not undone.
    LosersStay,
    /// The losers of a race that was decided before a restart go on.
    LosersGoOn,
    /// Who won a race is not looked up after a restart.
    RaceAnew,
    /// The journal is written from its beginning before the database is on disk.
    JournalOver,
    /// What the journal has is not told to the database at an opening.
    JournalUntold,
    /// A half of the journal is written over before the database is on disk with what it has.
    JournalEarly,
    /// A segment is not synced before its rows are forgotten.
    LooseSegment,
    /// What was moved into the second file is not looked for there until a restart.
    StaleSecond,
    /// At a flow's end nothing becomes of the children beside it.
    ChildrenStay,
    /// What a flow was told and has not taken is not handed on to the one it goes on as.
    NotHandedOn,
    /// A flow goes on anew as if nobody had asked to cancel it.
    AnewUncancelled,
    /// A step waits for no pace.
    NoPace,
    /// A flow goes the new way at a change that it may have gone past.
    PatchAnew,
    /// What a story shows stays what it showed first.
    FirstShown,
    /// A flow that is begun anew undoes also what the one that takes it up has taken over.
    ResetWhole,
    /// A flow is begun anew from within a race that was decided later.
    ResetInRace,
    /// What lost in a race that was decided before is undone once more.
    ResetLosers,
    /// A flow begins anew as if nobody had asked to cancel the one before.
    ResetUncancelled,
    /// Whoever waits for a flow does not wait for the one that was begun anew from it.
    ResetAlone,
    /// A flow that takes steps over tells them from a time of its own.
    ResetLater,
}

thread_local! {
    static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) };
}

/// Plants a fault in whatever engine this thread opens and drives from now on.
pub(crate) fn plant(fault: Option<Planted>) {
    PLANTED.set(fault);
}

/// What is planted here.
pub(crate) fn planted() -> Option<Planted> {
    PLANTED.get()
}

/// Whether it is this one.
pub(crate) fn is(fault: Planted) -> bool {
    PLANTED.get() == Some(fault)
}
