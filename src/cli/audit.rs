//! `kiln audit …`: the proof that the log is as it was written. What is asked of it has its own files.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use service::{Family, Fault, Rebuilt, Request, Restoration, Trouble, Verified};

use crate::audit_archive::Archive;
use crate::audit_could::{Could, WhoCould};
use crate::audit_export::Export;
use crate::audit_head::{Head, Key, public_keys, read_heads};
use crate::audit_log::Log;
use crate::audit_past::{Diff, Replay, Tale};
use crate::exit::Stop;
use crate::screen;
use crate::session::Session;

/// The damage of what keeps a directory from opening whose log is sound.
const UNOPENED: &str = "unopened";

/// What may be asked of the log.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Print events of the log
    Log(Log),
    /// Write events of the log as JSON lines, to a file that can be gone on with
    Export(Export),
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
    /// Print where the log ends, signed: keep it elsewhere, to catch a rollback later
    Head(Head),
    /// Print the public key by which heads are signed
    Key(Key),
    /// Check the log from its first event: order, hash chain, head
    Verify(Verify),
    /// Fold the log anew and compare everything made of it, bit for bit
    Rebuild,
    /// Show what of the log is archived, and move what is old
    Archive(Archive),
}

/// What to check against.
#[derive(Debug, Args)]
#[command(
    after_help = "Exits with 5 and names every fault if the log is not as it was written: the event, what was
done to it, and where it lies. A log that does not open is looked at all the same, and not changed.

Examples:
  kiln audit head >> /safe/place/kiln.heads
  kiln audit verify --head /safe/place/kiln.heads
  kiln audit verify --head kiln.heads --key kiln.pem --signature-only    # needs no data directory
  kiln audit verify --projections --output json"
)]
pub(crate) struct Verify {
    /// What `kiln audit head` printed at earlier times, one or many
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
    /// The public key by which the heads have to be signed, as `kiln audit key` printed it
    #[arg(long, value_name = "PEM", requires = "head")]
    key: Option<PathBuf>,
    /// Check the signatures, and not the log
    #[arg(long, requires = "key", conflicts_with = "projections")]
    signature_only: bool,
    /// Fold the log anew as well, and compare everything made of it
    #[arg(long)]
    projections: bool,
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
            Self::Export(export) => export.run(session).await,
            Self::Head(head) => head.run(session).await,
            Self::Key(key) => key.run(session).await,
            Self::Verify(verify) => verify.run(session).await,
            Self::Rebuild => rebuild(session).await,
            Self::Archive(archive) => archive.run(session).await,
        }
    }
}

impl Verify {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let heads = self.head.as_deref().map(read_heads).transpose()?.unwrap_or_default();
        let keys = match &self.key {
            Some(key) => Some(public_keys(key)?),
            // Heads without a signature are from before there were any.
            None if heads.iter().all(|head| head.signature.is_empty()) => None,
            None => house_keys(session).await?,
        };
        for head in heads.iter().filter(|head| self.key.is_some() || !head.signature.is_empty()) {
            if let Some(keys) = &keys {
                service::check_signature(head, keys)?;
            }
        }
        if self.signature_only {
            session.screen.say(&format!("{} heads, each signed as it stands there", heads.len()));
            return Ok(());
        }
        let kept: Vec<_> = heads.iter().map(crate::audit_head::kept).collect();
        let found: Verified = match session.ask(Request::AuditVerify { heads: kept.clone() }).await {
            // Where it does not open, it is looked at as it lies there.
            Err(Stop::Trouble(trouble)) if trouble.family == Family::Damaged && session.house().is_ok() => {
                let found = session.house()?.examine(&kept, &trouble);
                let found = found.map_err(|worse| unreadable(&trouble, &worse))?;
                session.screen.say(&format!("it does not open: {}", trouble.message));
                found
            }
            found => found?,
        };
        let rebuilt: Option<Rebuilt> = if self.projections && found.fault.is_none() {
            Some(session.ask(Request::AuditRebuild).await?)
        } else {
            None
        };
        let mut found = found;
        if let Some(rebuilt) = &rebuilt {
            found.damaged += rebuilt.differing;
            found.faults.extend(rebuilt.faults.iter().cloned());
            found.fault = found.faults.first().cloned();
        }
        session.screen.give(&found, |found| match &found.fault {
            Some(_) => String::new(),
            None => whole(found, rebuilt.as_ref()),
        });
        if found.fault.is_none() {
            return Ok(());
        }
        tell_faults(session, &found);
        Err(Stop::Found)
    }
}

/// The public keys that have signed here; none where the directory does not open.
async fn house_keys(session: &Session) -> Result<Option<Vec<service::PublicKey>>, Stop> {
    let keys: service::SigningKeys = match session.ask(Request::AuditKeys).await {
        Err(Stop::Trouble(trouble)) if trouble.code == "Log.Damaged" => {
            session.screen.say("the signatures are not checked: name the public key with `--key`");
            return Ok(None);
        }
        keys => keys?,
    };
    let all = keys.earlier.concat() + &keys.pem;
    service::PublicKey::read_all(&all).map(Some).map_err(|why| {
        Stop::usage(
            format!("the public keys that have signed here do not read: {why}"),
            "name the key that you kept with `--key`; `kiln.signers` in the data directory has the others",
        )
    })
}

/// What is told where the log can be neither opened nor looked at.
fn unreadable(opening: &Trouble, looking: &Trouble) -> Stop {
    let message = format!("{}; looking at it as it lies there: {}", opening.message, looking.message);
    Trouble::new(Family::Damaged, "Log.Damaged", message).advise(opening.advice.clone()).into()
}

fn whole(found: &Verified, rebuilt: Option<&Rebuilt>) -> String {
    let Verified { events, head, heads, lineage, .. } = found;
    let mut lines = vec![format!("the log is whole: {events} events, head {} {}", head.event, head.hash)];
    match heads {
        0 => {}
        1 => lines.push("the head that was kept is in it".to_owned()),
        heads => lines.push(format!("all {heads} heads are in it")),
    }
    lines.extend(rebuilt.map(|rebuilt| format!("it comes to {} rows, all as they are kept", rebuilt.rows)));
    lines
        .extend(lineage.iter().map(|Restoration { time, at, backup_event, backup_time, parked, .. }| {
        format!(
            "it was restored on {time} as of event {at}, from a backup of {backup_time} whose head was event \
             {backup_event}; {parked} operations were parked"
        )
    }));
    lines.join("\n") + "\n"
}

fn tell_faults(session: &Session, found: &Verified) {
    let (of_log, of_heads): (Vec<&Fault>, Vec<&Fault>) =
        found.faults.iter().partition(|fault| !is_of_head(fault));
    for fault in &found.faults {
        let Fault { place, what, .. } = fault;
        session.screen.error(&match fault.damage.as_str() {
            UNOPENED => format!("the log is whole, and the data directory is damaged: {what}"),
            _ => format!("the log is not as it was written: {place}: {what}"),
        });
        let mut known = Vec::new();
        known.extend(fault.log_row.map(|row| format!("row {row} of the log")));
        known.extend(
            fault.first_byte.zip(fault.end_byte).map(|(first, end)| format!("bytes {first} to {}", end - 1)),
        );
        known.extend(fault.workflow_id.map(|id| format!("workflow {id}")));
        known.extend((!fault.kind.is_empty()).then(|| format!("kind {}", fault.kind)));
        if !known.is_empty() {
            screen::tell(&format!("  where: {}", known.join(", ")));
        }
    }
    let named = found.faults.len() as u64;
    if found.damaged > named {
        screen::tell(&format!("  and {} more", found.damaged - named));
    }
    screen::tell("  code: Log.Damaged");
    let advice = match (of_log.first(), of_heads.first()) {
        (Some(fault), _) if fault.damage == UNOPENED => {
            "restore the data directory from a copy, or from the last backup, and compare its log with this one"
        }
        (Some(_), _) => {
            "restore the data directory from a copy that verifies; what lies before the first of them is sound"
        }
        (None, Some(head)) if head.damage == "given-up" => {
            "compare with a head that is not later than what was restored; the lineage is in `--output json`"
        }
        (None, Some(head)) if head.damage == "other-log" => "name the head that was kept of this log",
        _ => "restore the data directory from a copy in which the head is found",
    };
    screen::tell(&format!("  try: {advice}"));
}

fn is_of_head(fault: &Fault) -> bool {
    ["rolled-back", "forked", "given-up", "other-log"].contains(&fault.damage.as_str())
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
