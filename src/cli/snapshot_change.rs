//! `kiln snapshot modify`, `copy` and `delete`.

use std::time::Instant;

use clap::Args;
use domain::RegionId;
use serde::Serialize;
use service::{Because, Request, SnapshotRequest, Started, bytes_text};

use crate::confirm::confirm;
use crate::exit::Stop;
use crate::session::Session;
use crate::size::size;
use crate::snapshot::{called, show};
use crate::thing::{self, End, Naming, because, by_id};
use crate::{follow, give_back};

/// What to change.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln snapshot modify before-upgrade --name kept --description 'the last good one'
  kiln snapshot modify kept --retention-days 90
  kiln snapshot modify kept --keep")]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)
    .args(["name", "description", "retention_days", "keep"])))]
pub(crate) struct Modify {
    /// Id or name of the snapshot
    snapshot: String,
    /// Its new name; empty for none
    #[arg(long)]
    name: Option<String>,
    /// Its new description; empty for none
    #[arg(long)]
    description: Option<String>,
    /// Days since its creation after which it is removed by itself
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    retention_days: Option<u32>,
    /// Keep it for ever
    #[arg(long, conflicts_with = "retention_days")]
    keep: bool,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// A copy to another region.
#[derive(Debug, Args)]
#[command(
    after_help = "Only chunks that the other region does not have are sent. Interrupted, the same command goes on
where it was; the copy stands on its own once it is accomplished.

Examples:
  kiln snapshot copy before-upgrade --to-region cn-beijing
  kiln snapshot copy before-upgrade --to-region cn-beijing --name far-away --bandwidth 20MiB"
)]
pub(crate) struct Copy {
    /// Id or name of the snapshot
    snapshot: String,
    /// Where to
    #[arg(long, value_name = "REGION")]
    to_region: String,
    #[command(flatten)]
    naming: Naming,
    /// Days after which the copy is removed by itself [default: kept for ever]
    #[arg(long, value_name = "DAYS")]
    retention_days: Option<u32>,
    /// What it may send a second: `20MiB` [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    bandwidth: Option<u64>,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// A snapshot to delete.
#[derive(Debug, Args)]
#[command(
    after_help = "Disks made from it keep what they hold. One that is still being made is stopped instead.

Examples:
  kiln snapshot delete before-upgrade
  kiln snapshot delete s-bp67acfmxazb4p0a2b3c --force --yes"
)]
pub(crate) struct Delete {
    /// Id or name of the snapshot
    snapshot: String,
    /// Even if disks were made from it
    #[arg(long)]
    force: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

impl Modify {
    pub(crate) fn because(&self) -> Because {
        because(self.no_wait)
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let request = SnapshotRequest::Modify {
            at: thing::at(session, &self.snapshot),
            name: self.name,
            description: self.description,
            retention_days: if self.keep { Some(0) } else { self.retention_days },
        };
        let started: Started = session.ask(Request::Snapshot(request)).await?;
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        follow::to_end(session, &started).await?;
        let snapshot = show(session, by_id(&started.image_id)).await?;
        session.screen.give(&snapshot, |snapshot| format!("changed the snapshot {}\n", called(snapshot)));
        Ok(())
    }
}

impl Copy {
    pub(crate) fn because(&self) -> Because {
        because(self.no_wait)
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let begun = Instant::now();
        let request = SnapshotRequest::Copy {
            at: thing::at(session, &self.snapshot),
            to: RegionId::from(self.to_region),
            called: self.naming.called(),
            retention_days: self.retention_days,
            bytes_per_second: self.bandwidth,
        };
        let started: Started = session.ask(Request::Snapshot(request)).await?;
        if started.joined {
            let id = started.workflow_id;
            session.screen.say(&format!("going on with the copy that has begun already, workflow `{id}`"));
        }
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        follow::to_end(session, &started).await?;
        let copy = show(session, by_id(&started.image_id)).await?;
        session.screen.give(&copy, |copy| {
            format!(
                "copied `{}` to {} in `{}`: {} new in the store there, in {:.1} s\n",
                copy.source_snapshot_id,
                called(copy),
                copy.region_id,
                bytes_text(copy.stored_bytes),
                begun.elapsed().as_secs_f64()
            )
        });
        Ok(())
    }
}

/// What a deletion came to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Deleted {
    snapshot_id: String,
    /// Bytes given back, if the collection that follows has ended.
    freed_bytes: Option<u64>,
}

impl Delete {
    pub(crate) fn because(&self) -> Because {
        because(self.no_wait)
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let snapshot = show(session, thing::at(session, &self.snapshot)).await?;
        confirm(session, &format!("the snapshot {} will be deleted", called(&snapshot)), self.yes)?;
        let at = by_id(&snapshot.snapshot_id);
        let request = SnapshotRequest::Delete { at, force: self.force };
        let started: Started = session.ask(Request::Snapshot(request)).await?;
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        let end = thing::deleted(session, &started).await?;
        let freed_bytes = match end {
            End::Deleted => give_back::behind(session, &started, &snapshot.region_id).await?,
            End::Stopped => None,
        };
        let deleted = Deleted { snapshot_id: started.image_id, freed_bytes };
        session.screen.give(&deleted, |deleted| match end {
            End::Deleted => {
                let space = give_back::space_text(deleted.freed_bytes);
                format!("deleted the snapshot {}; {space}\n", called(&snapshot))
            }
            End::Stopped => format!("stopped making the snapshot {}\n", called(&snapshot)),
        });
        Ok(())
    }
}
