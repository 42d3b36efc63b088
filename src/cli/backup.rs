//! `kiln backup` and `restore`: the whole house into a directory while it is in use, and out of it as of a moment.

use std::path::PathBuf;

use clap::Args;
use service::{BackupAsked, BackupMade, Request, RestoreAsked, RestoreMade, When, Wiring, bytes_text};

use crate::at::absolute;
use crate::exit::Stop;
use crate::screen::{self, Screen};
use crate::session::Session;
use crate::table::facts;

/// What to write, and where to.
#[derive(Debug, Args)]
#[command(
    after_help = "The backup is the log, the seal, and what is stored in every region: images, disks, snapshots
and the objects in buckets. Everything goes on meanwhile. It is read back before it has its name;
one that was cut short has `.partial` behind it and is no backup. The key that signs heads is not
in it. Secrets in it are sealed, and the seal is in it: keep it as you keep the data directory.

Examples:
  kiln backup /backups/monday
  kiln backup /backups/tuesday --reuse /backups/monday     # what is the same takes no room twice
  kiln backup /backups/log --log-only"
)]
pub(crate) struct Backup {
    /// The directory to make
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// A backup of before, in the same file system: what has not changed is not copied
    #[arg(long, value_name = "DIR")]
    reuse: Option<PathBuf>,
    /// Only the log and the seal, not what is stored in regions
    #[arg(long)]
    log_only: bool,
}

/// What to restore, and where to.
#[derive(Debug, Args)]
#[command(
    after_help = "Restores into a directory that is empty or not there. The log begins with what it was, up to the
moment, and goes on with an event that says so: `kiln audit verify` tells of it, and knows a head
of what was given up. Operations that had not ended at the moment are parked: look at each, then
`kiln workflow resume` or `unwind` it. What images of that moment need and the backup does not
have, as it had been collected by then, is named.

Examples:
  kiln restore /backups/monday --to /srv/kiln
  kiln restore /backups/monday --to /srv/kiln --at 2026-03-03T10:00:00Z
  kiln restore /backups/monday --to /tmp/look --at 1200"
)]
pub(crate) struct Restore {
    /// The backup
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// The data directory to make
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// As of when: a time, or the number of an event [default: all that is in the backup]
    #[arg(long, value_name = "TIME|EVENT")]
    at: Option<When>,
}

impl Backup {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        session.house()?;
        let asked = BackupAsked {
            to: absolute(&self.to)?,
            reuse: self.reuse.as_deref().map(absolute).transpose()?,
            log_only: self.log_only,
        };
        let made: BackupMade = session.ask(Request::Backup(asked)).await?;
        session.screen.give(&made, |made| {
            let regions = if made.regions.is_empty() {
                "none: the log only".to_owned()
            } else {
                made.regions.join(", ")
            };
            let mut rows = vec![
                ("Backup", made.path.clone()),
                ("Log", format!("up to event {}, {}", made.event, made.time)),
                ("Regions", regions),
                ("Size", format!("{} in {} files", bytes_text(made.bytes), made.files)),
            ];
            if made.reused_bytes > 0 {
                rows.push(("Reused", bytes_text(made.reused_bytes)));
            }
            facts(&session.screen, &rows)
        });
        Ok(())
    }
}

impl Restore {
    pub(crate) async fn run(self, wiring: &Wiring, screen: &Screen) -> Result<(), Stop> {
        let asked = RestoreAsked {
            backup: PathBuf::from(absolute(&self.backup)?),
            to: PathBuf::from(absolute(&self.to)?),
            at: self.at.unwrap_or_default(),
        };
        let made: RestoreMade = service::restore(wiring, asked).await?;
        screen.give(&made, |made| {
            let time = if made.time.is_empty() { "before the first" } else { &made.time };
            let mut rows = vec![
                ("Data", made.path.clone()),
                ("Kept", format!("up to event {}, {time}", made.event)),
                ("Given up", format!("{} events of the backup", made.given_up)),
                ("Log", format!("goes on from event {} {}", made.head, made.hash)),
                ("Parked", format!("{} operations", made.parked.len())),
            ];
            let regions = if made.regions.is_empty() {
                "none: the log only".to_owned()
            } else {
                made.regions.join(", ")
            };
            rows.push(("Regions", regions));
            facts(screen, &rows)
        });
        if !made.parked.is_empty() {
            screen.say(
                "what had not ended is parked: `kiln workflow list --open`, then `resume` or `unwind` each",
            );
        }
        screen.say(
            "nothing starts by itself in it, no schedule, batch or check: `kiln workflow resume --background` lets it",
        );
        for missing in &made.missing {
            screen::tell(&format!("missing: {missing}"));
        }
        if !made.missing.is_empty() {
            screen.say(
                "the backup does not have that: what was collected before it was made, an earlier one has",
            );
        }
        Ok(())
    }
}
