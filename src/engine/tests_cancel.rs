//! Cancelling: decided at the head, heard at checkpoints and before each step, never forgotten.

use crate::tests_kit::*;
use crate::{Denial, Error, State};

#[test]
fn a_cancel_is_heard_at_the_next_checkpoint_and_everything_is_undone() {
    let house = House::new();
    house.world.plan("b", [Plan::UntilCancelled("ended")]);
    house.world.open_gate("ended");
    let row = house.live(async |engine| {
        let script = Script(vec![take_op("n"), make("a"), make("b"), make("c")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("b").await;
        engine.cancel(actor(), id, "enough").await.unwrap();
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Undone);
    assert_eq!(row.refusal().unwrap().message, "it was cancelled: enough");
    assert!(house.world.is_clean());
    assert_eq!(house.world.calls_of("c").len(), 0);
    house.check();
}

#[test]
fn a_cancel_is_heard_before_the_next_step_by_a_step_that_never_looks() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("go")]);
    let row = house.live(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![make("a"), make("b")])).await.unwrap();
        house.world.until_at_work("a").await;
        engine.cancel(actor(), id, "").await.unwrap();
        house.world.open_gate("go");
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Undone);
    assert!(house.world.is_clean());
    assert_eq!(house.world.calls_of("b").len(), 0);
}

#[test]
fn a_cancel_accepted_during_the_last_step_is_kept() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("go")]);
    let row = house.live(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![make("a")])).await.unwrap();
        house.world.until_at_work("a").await;
        engine.cancel(actor(), id, "").await.unwrap();
        house.world.open_gate("go");
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Undone);
    assert!(house.world.is_clean());
}

#[test]
fn an_undo_begins_only_after_the_attempts_own_work_has_ended() {
    let house = House::new();
    house.world.plan("a", [Plan::UntilCancelled("slow end")]);
    house.live(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![make("a")])).await.unwrap();
        house.world.until_at_work("a").await;
        engine.cancel(actor(), id, "").await.unwrap();
        // The step has learnt of it and is still putting its things away.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(house.world.call_names(), ["a"]);
        house.world.open_gate("slow end");
        engine.wait(id).await.unwrap();
    });
    assert_eq!(house.world.call_names(), ["a", "a ends", "~a", "~a ends"]);
}

#[test]
fn a_cancel_before_the_seal_keeps_it_from_being_sealed() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("go")]);
    let row = house.live(async |engine| {
        let script = Script(vec![make("a"), Op::Seal("s".to_owned()), make("b")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("a").await;
        engine.cancel(actor(), id, "").await.unwrap();
        house.world.open_gate("go");
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Undone);
    assert!(house.world.is_clean());
    assert!(!house.story(row.id).iter().any(|line| line.contains("thing.sealed")));
}

#[test]
fn a_cancel_after_the_seal_is_refused_and_the_flow_goes_on_to_its_end() {
    let house = House::new();
    house.world.plan("b", [Plan::Gate("go")]);
    let row = house.live(async |engine| {
        let script = Script(vec![make("a"), Op::Seal("s".to_owned()), make("b")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("b").await;
        let denied = engine.cancel(actor(), id, "too late").await.unwrap_err();
        assert!(denied.to_string().contains("past its point of no return"), "{denied}");
        house.world.open_gate("go");
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Done);
    assert_eq!(row.cancel, None);
}

/// Cancel and seal meet in one commit, in either order: exactly one of them is accepted.
#[test]
fn a_cancel_and_a_seal_exclude_each_other_in_both_orders() {
    for cancel_first in [true, false] {
        let house = House::new();
        house.world.plan("a", [Plan::Gate("go")]);
        let (accepted, row) = house.live(async |engine| {
            let script = Script(vec![make("a"), Op::Seal("s".to_owned())]);
            let id = engine.start(actor(), "r", script).await.unwrap();
            house.world.until_at_work("a").await;
            // The committer is held, so that both wait for it together.
            let hold = hold_committer(engine).await;
            let cancel = engine.cancel(actor(), id, "");
            tokio::pin!(cancel);
            if cancel_first {
                assert!(futures_poll_once(cancel.as_mut()).await.is_none());
            }
            house.world.open_gate("go");
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            if !cancel_first {
                assert!(futures_poll_once(cancel.as_mut()).await.is_none());
            }
            assert!(engine.shared.queue.waiting() >= 2, "both wait");
            drop(hold);
            let accepted = cancel.await;
            (accepted, engine.wait(id).await.unwrap())
        });
        let sealed = house.story(row.id).iter().any(|line| line.contains("thing.sealed"));
        assert_eq!(sealed, !cancel_first);
        assert_eq!(accepted.is_ok(), cancel_first);
        assert_eq!(row.state, if cancel_first { State::Undone } else { State::Done });
        assert_eq!(house.world.is_clean(), cancel_first);
    }
}

#[test]
fn a_denied_caller_can_tell_the_ended_from_those_past_return_and_those_half_undone() {
    let house = House::new();
    let denial = |error: Error| match error {
        Error::Denied { denial, .. } => denial,
        other => panic!("{other}"),
    };
    house.world.plan("~a", [Plan::Ours]);
    house.world.plan("b", [Plan::Caller]);
    let done = house.run("done", [make("x")]).id;
    let half = house.run("half", [make("a"), make("b")]).id;
    house.world.plan("y", [Plan::Gate("go")]);
    house.live(async |engine| {
        let script = Script(vec![Op::Seal("s".to_owned()), make("y"), make("z")]);
        let sealed = engine.start(actor(), "sealed", script).await.unwrap();
        house.world.until_at_work("y").await;
        for (id, expected) in [(done, Denial::Ended), (half, Denial::Turned), (sealed, Denial::NoReturn)] {
            assert_eq!(denial(engine.cancel(actor(), id, "").await.unwrap_err()), expected);
        }
        assert_eq!(denial(engine.retry(actor(), done, "").await.unwrap_err()), Denial::Ended);
        assert_eq!(denial(engine.retry(actor(), sealed, "").await.unwrap_err()), Denial::NotParked);
        assert_eq!(denial(engine.unwind(actor(), half, "").await.unwrap_err()), Denial::Turned);
        house.world.open_gate("go");
        engine.wait(sealed).await.unwrap();

        house.world.plan("w", [Plan::Gate("end")]);
        let twice = engine.start(actor(), "twice", Script(vec![make("w")])).await.unwrap();
        house.world.until_at_work("w").await;
        engine.cancel(actor(), twice, "first").await.unwrap();
        engine.cancel(actor(), twice, "second").await.unwrap();
        house.world.open_gate("end");
        assert_eq!(engine.wait(twice).await.unwrap().cancel.as_deref(), Some("first"));
    });
}

async fn futures_poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
            std::task::Poll::Ready(done) => Some(done),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn a_cancel_of_a_parked_flow_undoes_it() {
    let house = House::new();
    house.world.plan("b", [Plan::Ours]);
    let row = house.run("r", [take_op("n"), make("a"), make("b")]);
    assert_eq!(row.state, State::Parked);
    let row = house.live(async |engine| {
        engine.cancel(actor(), row.id, "never mind").await.unwrap();
        engine.wait(row.id).await.unwrap()
    });
    assert_eq!(row.state, State::Undone);
    assert!(house.world.is_clean());
    house.check();
}

#[test]
fn a_cancel_of_an_ended_flow_is_refused_and_one_accepted_survives_a_crash() {
    let house = House::new();
    let row = house.run("r", [make("a")]);
    let denied = house.live(async |engine| engine.cancel(actor(), row.id, "").await.unwrap_err());
    assert!(matches!(denied, Error::Denied { .. }), "{denied}");
    assert!(denied.to_string().contains("has ended already"));

    house.world.plan("b", [Plan::Gate("never"), Plan::Succeed]);
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "s", Script(vec![make("b"), make("c")])).await.unwrap();
        house.world.until_at_work("b").await;
        engine.cancel(actor(), id, "").await.unwrap();
        id
    });
    assert_eq!(house.rest(id).state, State::Undone);
    assert_eq!(house.world.calls_of("c").len(), 0);
}

#[test]
fn a_retry_right_after_the_parking_is_not_lost() {
    let house = House::new();
    house.world.plan("a", std::iter::repeat_n(Plan::Ours, 20));
    house.live(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![make("a")])).await.unwrap();
        let mut released = 0;
        while released < 20 {
            // Without waiting for it to come to rest: as soon as the log says that it is parked.
            match engine.retry(actor(), id, "again").await {
                Ok(()) => released += 1,
                Err(_) => tokio::task::yield_now().await,
            }
        }
        assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
    });
    assert_eq!(house.world.calls_of("a").len(), 21);
}
