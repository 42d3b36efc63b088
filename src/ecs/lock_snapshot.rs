//! `LockSnapshot`: refused, for a lock that does not hold is worse than none. The snapshot is looked for first, so
//! that what is not there is told before what cannot be.

use service::{Request, SnapshotRequest, SnapshotView};

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let at = ask.thing_in(&region, "SnapshotId", "s-", "InvalidSnapshotId.NotFound")?;
    let mode = ask.params.need("LockMode")?;
    if !mode.eq_ignore_ascii_case("compliance") {
        let why = format!("The specified LockMode `{}` is not valid.", mode.escape_debug());
        return Err(ask.refuse("InvalidParameter.LockMode", why));
    }
    for name in ["CoolOffPeriod", "LockDuration"] {
        ask.params.need(name)?;
        ask.params.number(name)?;
    }
    let _: SnapshotView = ask.look(Request::Snapshot(SnapshotRequest::Show(at))).await?;
    Err(ask.refuse(
        "InvalidOperation.SnapshotLockUnsupported",
        "Snapshots cannot be locked here: keep one from being deleted by who may delete it.",
    ))
}
