//! What an opening of the log counts: that it is what has happened, and that it agrees with itself.

use crate::tests_kit::*;
use crate::{Measured, State};

fn of(measured: &Measured, state: State) -> u64 {
    let flows = measured.flows.iter().filter(|(name, at, _)| name == "script" && *at == state);
    flows.map(|(_, _, count)| count).sum()
}

#[test]
fn what_is_counted_is_what_has_happened_since_the_log_was_opened() {
    let house = House::new();
    house.world.plan("bad", [Plan::Ours]);
    house.world.plan("shaky", [Plan::World, Plan::World]);
    house.world.plan("gated", [Plan::Gate("never")]);
    let (parked, gated) = house.crash(async |engine| {
        let before = engine.measured();
        assert_eq!((before.batches.count, before.parks, before.recoveries), (0, 0, 0));
        engine.run(actor(), "one", Script(vec![note_op("x"), make("k")])).await.unwrap();
        engine.run(actor(), "two", Script(vec![make("shaky")])).await.unwrap();
        engine.run(actor(), "three", Script(vec![Op::Refuse])).await.unwrap();
        let parked = engine.run(actor(), "four", Script(vec![make("bad")])).await.unwrap();
        let gated = engine.start(actor(), "five", Script(vec![make("gated")])).await.unwrap();
        house.world.until_at_work("gated").await;
        let measured = engine.measured();
        let head = engine.snapshot().unwrap().head().unwrap().0;
        assert_eq!(measured.batches.sum, head, "every event is in a batch");
        assert_eq!(measured.batches.count, measured.commit_us.count);
        assert!(measured.sync_us.count >= measured.batches.count, "each batch is synced: {measured:?}");
        assert!(measured.batches.buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
        assert_eq!(measured.batches.buckets.last().map(|(_, count)| *count), Some(measured.batches.count));
        assert_eq!((measured.failed_attempts, measured.parks, measured.recoveries), (3, 1, 0));
        let states = State::ALL.map(|state| of(&measured, state));
        assert_eq!(states, [1, 0, 1, 2, 1, 0], "running, unwinding, parked, done, undone, abandoned");
        (parked.id, gated)
    });
    house.live(async |engine| {
        let measured = engine.measured();
        assert_eq!((measured.recoveries, measured.parks), (1, 0));
        assert_eq!(
            State::ALL.map(|state| of(&measured, state)),
            [1, 0, 1, 0, 0, 0],
            "what has not ended is known"
        );
        engine.abandon(actor(), parked, "enough").await.unwrap();
        engine.wait(gated).await.unwrap();
        assert_eq!(State::ALL.map(|state| of(&engine.measured(), state)), [0, 0, 0, 1, 0, 1]);
    });
}
