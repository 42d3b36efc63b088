//! The keeper: starts what is to happen by itself when its time has come.
//!
//! An image that is to be checked, a share that ends, a snapshot that was kept long enough stand in the
//! table of what is due. While a process drives operations, the keeper looks at it: when an operation has
//! come to rest, and when the next time has come, at the latest after [`PAUSE_MAX`].
//!
//! ```text
//!  an operation rests ──┐
//!                       ├──▶ what is due? ──▶ would its rule have it? ──▶ start it, under `due/NAME`
//!  its time has come ───┘                           └─ no: look again after AGAIN_MS, or when opened anew
//! ```
//!
//! Each is started once, for its request is made of its name. What its rule refuses (a snapshot in use)
//! is not started at all, so that it leaves no trace in the log however often it is looked at.
//!
//! Schedules are kept beside it, see `ticker.rs`; and now and then what was sent for a batch that never began is
//! removed.
//!
//! It deliberately decides nothing: that a share has ended is true by the clock, whether or not anything
//! runs, and the rule at the head of the log stays the judge of the rest.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use domain::image::{DUE, Due, REGIONS, house, parts_of};
use domain::{AccountId, RegionId, rules};
use engine::{Class, Snapshot};
use event::{Actor, FlowId, Rows, Scope, View};
use workflows::{CheckImage, DeleteSnapshot, EndShare};

use crate::service::blocking;
use crate::ticker::Tried;
use crate::{Service, Trouble};

/// The longest sleep: the clock of a machine may be set, or stand still while it is suspended.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// When what is due but could not be is looked at again: a snapshot in use will mostly stay so for days.
const AGAIN_MS: i64 = 60 * 60 * 1000;
/// How often manifests are looked through: what nothing came of is kept for a day.
const SWEEP_MS: i64 = 60 * 60 * 1000;
/// Started at a look; the others follow at once, so that a closing process does not wait for thousands.
const STARTED_MAX: usize = 100;

/// When this process last looked at what is due, by name.
#[derive(Debug, Default)]
pub(crate) struct Looked(HashMap<String, i64>);

/// What a look came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// How many were started.
    pub(crate) started: usize,
    /// When the next is due, milliseconds since 1970 UTC; none if nothing is.
    pub(crate) next_ms: Option<i64>,
}

/// Something that is to be started.
enum Start {
    Check(CheckImage),
    ShareEnd(EndShare),
    SnapshotEnd(DeleteSnapshot),
}

impl Service {
    /// Begins to keep. Ends with what follows operations here.
    pub(crate) fn keep(self: &Arc<Self>) {
        // A keeper does not hold the house open.
        let (house, departures) = (Arc::downgrade(self), self.engine.departures());
        let keeper = async move {
            let (mut looked, mut tried, mut swept_ms) = (Looked::default(), Tried::default(), None);
            loop {
                let Some(service) = house.upgrade() else { return };
                service.sweep_again(&mut swept_ms).await;
                let look = service.start_due(&mut looked).await;
                let ticked = service.keep_schedules(&mut tried).await;
                let now_ms = service.clock.now_ms();
                drop(service);
                // What cannot be read or started now may be later.
                let (look, ticked) = (look.unwrap_or_default(), ticked.unwrap_or_default());
                if look.started >= STARTED_MAX || ticked.started > 0 {
                    continue;
                }
                let next_ms = look.next_ms.into_iter().chain(ticked.next_ms).min();
                // At a rest, or at the next time, whichever comes first.
                let _ = tokio::time::timeout(pause(next_ms, now_ms), departures.notified()).await;
            }
        };
        self.following.lock().unwrap_or_else(PoisonError::into_inner).spawn(keeper);
    }

    /// Looks through the manifests, unless that was done lately.
    async fn sweep_again(self: &Arc<Self>, swept_ms: &mut Option<i64>) {
        let now_ms = self.clock.now_ms();
        // A clock that was set back is no reason to wait.
        if swept_ms.is_some_and(|last_ms| (0..SWEEP_MS).contains(&(now_ms - last_ms))) {
            return;
        }
        *swept_ms = Some(now_ms);
        let swept = blocking(self, |service| {
            service.sweep_manifests();
            Ok(())
        });
        let _ = swept.await;
    }

    /// Starts what is due by now, and was not looked at lately.
    pub(crate) async fn start_due(&self, looked: &mut Looked) -> Result<Look, Trouble> {
        if self.engine.background_stands_still().is_some() {
            return Ok(Look::default());
        }
        let now_ms = self.clock.now_ms();
        let (due, next_ms) = {
            let rows = self.engine.snapshot()?;
            let (due, next_ms) = due(&rows, now_ms, looked);
            let starts = due.iter().filter_map(|due| to_start(&rows, due, now_ms));
            (starts.collect::<Vec<_>>(), next_ms)
        };
        let started = due.len();
        for (request, actor, start) in due {
            match start {
                Start::Check(flow) => self.engine.start_as(actor, &request, Class::Background, flow).await?,
                Start::ShareEnd(flow) => {
                    self.engine.start_as(actor, &request, Class::Background, flow).await?
                }
                Start::SnapshotEnd(flow) => {
                    self.engine.start_as(actor, &request, Class::Background, flow).await?
                }
            };
        }
        Ok(Look { started, next_ms })
    }
}

/// How long to sleep: a due time that lies a moment ahead is not looked for again before it is there.
fn pause(next_ms: Option<i64>, now_ms: i64) -> Duration {
    let left_ms = next_ms.map(|next_ms| next_ms.saturating_sub(now_ms).max(1));
    let left = left_ms.and_then(|left_ms| u64::try_from(left_ms).ok()).map(Duration::from_millis);
    left.unwrap_or(PAUSE_MAX).min(PAUSE_MAX)
}

/// What is due, at most [`STARTED_MAX`], with what was looked at lately left out; and when the next is.
fn due(rows: &Snapshot, now_ms: i64, looked: &mut Looked) -> (Vec<Due>, Option<i64>) {
    let (mut found, mut next_ms, mut there) = (Vec::new(), None, HashMap::new());
    let mut visit = |row: Due| {
        if row.at_ms() > now_ms {
            next_ms = Some(row.at_ms());
            return false;
        }
        let name = row.name();
        match looked.0.get(&name).copied().filter(|last_ms| now_ms - last_ms < AGAIN_MS) {
            Some(last_ms) => _ = there.insert(name, last_ms),
            None if found.len() < STARTED_MAX => {
                there.insert(name, now_ms);
                found.push(row);
            }
            None => {}
        }
        true
    };
    rows.scan(&DUE.key(&house(), &[""]), &mut |_, value| visit(DUE.read(value)));
    // What is not due any more is forgotten.
    looked.0 = there;
    (found, next_ms)
}

/// What to start under which request, unless it has been started already or its rule refuses it.
fn to_start(rows: &Snapshot, due: &Due, now_ms: i64) -> Option<(String, Actor, Start)> {
    let request = request(rows, due, now_ms)?;
    let (Due::Check { scope, .. } | Due::ShareEnd { scope, .. } | Due::SnapshotEnd { scope, .. }) = due;
    let (account, region) = parts_of(scope)?;
    let actor = Actor { account: account.0.clone(), key: String::new() };
    Some((request, actor, start_of(rows, due, scope, (account, region), now_ms)?))
}

/// The request that starts it: one made of its name; if that came to nothing, one of now.
fn request(rows: &Snapshot, due: &Due, now_ms: i64) -> Option<String> {
    unused(rows, format!("due/{}", due.name()), now_ms)
}

/// A request under which nothing was started, or nothing that is of use any more: the first, or one with the time
/// behind it. None while what was started under it goes on.
pub(crate) fn unused(rows: &Snapshot, first: String, now_ms: i64) -> Option<String> {
    let Some(last) = last_started(rows, &first) else { return Some(first) };
    let has_ended = rows.flow(last).is_none_or(|flow| flow.state.has_ended());
    has_ended.then(|| format!("{first}/{now_ms:016x}"))
}

/// What was last started under a request, or under one with a time behind it.
pub(crate) fn last_started(rows: &Snapshot, first: &str) -> Option<FlowId> {
    let flow = rows.started_by(first)?;
    let later = rows.requests_under(&format!("{first}/"));
    Some(later.last().and_then(|request| rows.started_by(request)).unwrap_or(flow))
}

fn start_of(
    rows: &Snapshot,
    due: &Due,
    scope: &Scope,
    (account, region): (AccountId, RegionId),
    now_ms: i64,
) -> Option<Start> {
    let view = View::new(rows, scope, now_ms);
    Some(match due {
        Due::Check { image, .. } => {
            rules::ask_check(&view, image).ok()?;
            let store = REGIONS.get(rows, &house(), &[region.as_str()])?.store;
            Start::Check(CheckImage { account, region, store, image: image.clone() })
        }
        Due::ShareEnd { image, account: with, until_ms, .. } => {
            rules::end_share(&view, image, with, *until_ms).ok()?;
            let (image, with, until_ms) = (image.clone(), with.clone(), *until_ms);
            Start::ShareEnd(EndShare { account, region, image, with, until_ms })
        }
        Due::SnapshotEnd { snapshot, .. } => {
            rules::delete_snapshot(&view, snapshot, false, true).ok()?;
            let snapshot = snapshot.clone();
            Start::SnapshotEnd(DeleteSnapshot { account, region, snapshot, force: false, expired: true })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keeper_sleeps_until_the_next_time_and_never_longer_than_a_minute_nor_not_at_all() {
        assert_eq!(pause(None, 5), PAUSE_MAX);
        assert_eq!(pause(Some(1500), 500), Duration::from_secs(1));
        assert_eq!(pause(Some(i64::MAX), -5), PAUSE_MAX);
        assert_eq!(pause(Some(5), 9), Duration::from_millis(1));
    }
}
