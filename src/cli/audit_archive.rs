//! `kiln audit archive`: what of the log is in the archive, how large everything is, and moving what is old by hand.

use clap::Args;
use service::{ArchiveAsked, ArchiveView, Request, bytes_text};

use crate::exit::Stop;
use crate::session::Session;
use crate::table::facts;

/// What to move.
#[derive(Debug, Args)]
#[command(
    after_help = "The oldest part of the log lies in compressed segments in DATA/archive. Everything that reads
the log reads them: history, replay, verify, rebuild, export, backup. What is older than 30 days goes
there by itself while `kiln serve` runs (`--archive-after DAYS` says otherwise), and younger events
when the log has more than 32 MiB. A segment that is gone or not as it was is named by
`kiln audit verify`.

Examples:
  kiln audit archive
  kiln audit archive --now --older-than 7
  kiln audit archive --output json"
)]
pub(crate) struct Archive {
    /// Move what is old enough now
    #[arg(long)]
    now: bool,
    /// What is older than so many days is old enough; 0 is all but the last events [default: what the house has]
    #[arg(long, value_name = "DAYS", requires = "now")]
    older_than: Option<u32>,
}

impl Archive {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let asked = ArchiveAsked { now: self.now, older_than_days: self.older_than };
        let view: ArchiveView = session.ask(Request::AuditArchive(asked)).await?;
        session.screen.give(&view, |view| {
            let archived = if view.segments == 0 {
                "none".to_owned()
            } else {
                format!(
                    "events 1 to {}, until {}, in {} segments",
                    view.archived_events, view.archived_until, view.segments
                )
            };
            let mut rows = vec![("Archived", archived)];
            if view.segments > 0 {
                let percent = view.archive_bytes * 100 / view.raw_bytes.max(1);
                let raw = bytes_text(view.raw_bytes);
                rows.push(("Size", format!("{}, {percent} % of {raw}", bytes_text(view.archive_bytes))));
            }
            rows.push(("In the database", format!("{} events", view.live_events)));
            rows.push(("Database", bytes_text(view.database_bytes)));
            rows.push((
                "Ended operations",
                format!("{} rows, {}", view.ended_rows, bytes_text(view.ended_bytes)),
            ));
            if self.now {
                let moved =
                    format!("{} segments, {} rows of ended operations", view.segments_now, view.rows_now);
                rows.push(("Moved now", moved));
            }
            facts(&session.screen, &rows)
        });
        Ok(())
    }
}
