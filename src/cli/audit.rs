//! `kiln audit …`: the log as it is, and the proof that it is as it was written.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use event::FlowId;
use serde::Serialize;
use serde_json::Value;
use service::{Head, LogLine, LogPage, Rebuilt, Request, Verified};

use crate::exit::Stop;
use crate::screen;
use crate::session::Session;
use crate::table::{Column, draw};

/// Lines asked for at once; the service gives no more.
const PAGE: u32 = 1000;
/// A kept head is one short line; a larger file is something else.
const HEAD_BYTES_MAX: u64 = 4096;

/// What may be asked of the log.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Print events of the log
    Log(Log),
    /// Print where the log ends: keep it elsewhere, to catch a rollback later
    Head,
    /// Check the log from its first event: order, hash chain, head
    Verify(Verify),
    /// Fold the log anew and compare everything made of it, bit for bit
    Rebuild,
}

/// Which events.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln audit log
  kiln audit log --from 1 --count 1000 --output json
  kiln audit log --subject m-bp67acfmxazb4p0a2b3c")]
pub(crate) struct Log {
    /// The first event; else the last ones are printed
    #[arg(long, value_name = "EVENT")]
    from: Option<u64>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    count: u32,
    /// Only what concerns this image
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Only what this operation did
    #[arg(long, value_name = "ID")]
    workflow: Option<FlowId>,
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

/// A line with its event as JSON, not as text of it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Line {
    #[serde(flatten)]
    line: LogLine,
    payload: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Lines {
    log: Vec<Line>,
    head: u64,
}

impl Log {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        // The last ones, if nothing else is said.
        let mut from = self.from.map_or(0, |from| from.max(1));
        let mut lines = Lines { log: Vec::new(), head: 0 };
        let mut left = self.count;
        while left > 0 {
            let (subject, workflow) = (self.subject.clone(), self.workflow);
            let request = Request::AuditLog {
                from,
                count: if from == 0 { left } else { left.min(PAGE) },
                subject,
                workflow,
            };
            let page: LogPage = session.ask(request).await?;
            lines.head = page.head;
            let Some(last) = page.log.last().map(|line| line.event) else { break };
            from = last + 1;
            left = left.saturating_sub(u32::try_from(page.log.len()).unwrap_or(left));
            lines.log.extend(page.log.into_iter().map(|mut line| {
                let payload = serde_json::from_str(&std::mem::take(&mut line.payload)).unwrap_or(Value::Null);
                Line { line, payload }
            }));
        }
        session.screen.give(&lines, |lines| {
            let columns = [
                Column::Number("EVENT"),
                Column::Whole("TIME"),
                Column::Whole("KIND"),
                Column::Text("SUBJECT"),
                Column::Spare("WORKFLOW"),
                Column::Spare("STEP"),
            ];
            let row = |Line { line, .. }: &Line| {
                let time = line.time.replace('T', " ").trim_end_matches('Z').to_owned();
                let (kind, subjects) = (line.kind.clone(), line.subjects.join(" "));
                vec![
                    line.event.to_string(),
                    time,
                    kind,
                    subjects,
                    line.workflow_id.to_string(),
                    line.path.clone(),
                ]
            };
            draw(&session.screen, &columns, &lines.log.iter().map(row).collect::<Vec<_>>())
        });
        Ok(())
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
