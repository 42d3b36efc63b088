//! `kiln audit …`: the proof that the log is as it was written. What is asked of it has its own files.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use service::{Head, Rebuilt, Request, Verified};

use crate::audit_could::{Could, WhoCould};
use crate::audit_log::Log;
use crate::audit_past::{Diff, Replay, Tale};
use crate::exit::Stop;
use crate::screen;
use crate::session::Session;

/// A kept head is one short line; a larger file is something else.
const HEAD_BYTES_MAX: u64 = 4096;

/// What may be asked of the log.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Print events of the log
    Log(Log),
    /// Show what there was at a moment
    Replay(Replay),
    /// Show what changed between two moments
    Diff(Diff),
    /// Tell who could do something with an image, then or now, and why
    WhoCould(WhoCould),
    /// Tell what an account could do with an image, then or now, and why
    Could(Could),
    /// Tell what happened to an image, a snapshot, a disk, an account or a family, in plain words
    Story(Tale),
    /// Print where the log ends: keep it elsewhere, to catch a rollback later
    Head,
    /// Check the log from its first event: order, hash chain, head
    Verify(Verify),
    /// Fold the log anew and compare everything made of it, bit for bit
    Rebuild,
}

/// What to check against.
#[derive(Debug, Args)]
#[command(after_help = "Exits with 5 and names the first fault if the log is not as it was written.

Examples:
  kiln audit head > /safe/place/kiln.head
  kiln audit verify --head /safe/place/kiln.head")]
pub(crate) struct Verify {
    /// What `kiln audit head` printed at an earlier time
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
}

impl Audit {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Log(log) => log.run(session).await,
            Self::Replay(replay) => replay.run(session).await,
            Self::Diff(diff) => diff.run(session).await,
            Self::WhoCould(who) => who.run(session).await,
            Self::Could(could) => could.run(session).await,
            Self::Story(tale) => tale.run(session).await,
            Self::Head => {
                let head: Head = session.ask(Request::AuditHead).await?;
                session.screen.give(&head, |head| format!("{} {}\n", head.event, head.hash));
                Ok(())
            }
            Self::Verify(verify) => verify.run(session).await,
            Self::Rebuild => rebuild(session).await,
        }
    }
}

impl Verify {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let head = self.head.as_deref().map(read_head).transpose()?;
        let found: Verified = session.ask(Request::AuditVerify { head }).await?;
        session.screen.give(&found, |found| match &found.fault {
            Some(_) => String::new(),
            None => format!(
                "the log is whole: {} events, head {} {}\n",
                found.events, found.head.event, found.head.hash
            ),
        });
        match found.fault {
            None => Ok(()),
            Some(fault) => {
                session
                    .screen
                    .error(&format!("the log is not as it was written: {}: {}", fault.place, fault.what));
                screen::tell("  code: Log.Damaged");
                screen::tell(
                    "  try: restore the data directory from a copy that verifies; what lies before that event is sound",
                );
                Err(Stop::Found)
            }
        }
    }
}

/// A head as `kiln audit head` printed it, in either form.
fn read_head(path: &Path) -> Result<(u64, String), Stop> {
    let usage = |why: String| Stop::Usage(format!("`{}` {why}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| usage(format!("cannot be read: {error}")))?.len();
    if size > HEAD_BYTES_MAX {
        return Err(usage(format!("has {size} bytes, so it is not what `kiln audit head` printed")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| usage(format!("cannot be read: {error}")))?;
    if let Ok(head) = serde_json::from_str::<Head>(&text) {
        return Ok((head.event, head.hash));
    }
    let mut words = text.split_whitespace();
    let head = words.next().and_then(|event| event.parse().ok()).zip(words.next().map(str::to_owned));
    head.ok_or_else(|| usage("is not what `kiln audit head` printed".to_owned()))
}

async fn rebuild(session: &Session) -> Result<(), Stop> {
    let found: Rebuilt = session.ask(Request::AuditRebuild).await?;
    session.screen.give(&found, |found| match found.differing {
        0 => format!("{} events come to {} rows, all as they are kept\n", found.events, found.rows),
        _ => String::new(),
    });
    if found.differing == 0 {
        return Ok(());
    }
    session.screen.error(&format!("{} rows are not what the log comes to", found.differing));
    for fault in &found.faults {
        screen::tell(&format!("  {}: {}", fault.place, fault.what));
    }
    screen::tell("  code: Projections.Damaged");
    screen::tell(
        "  try: restore the data directory from a copy; the log itself is checked by `kiln audit verify`",
    );
    Err(Stop::Found)
}
