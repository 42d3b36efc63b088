//! `kiln audit log`: the lines of the log, filtered, and where to go on.

use clap::Args;
use event::FlowId;
use serde::Serialize;
use serde_json::Value;
use service::{AuditRequest, LogAsked, LogLine, LogPage, Request, Time};

use crate::exit::Stop;
use crate::session::Session;
use crate::table::{Column, draw};

/// Lines asked for at once; the service gives no more.
pub(crate) const PAGE: u32 = 1000;

/// Which events.
#[derive(Debug, Args)]
#[command(
    after_help = "Times are in UTC unless they give an offset, and as long as they are written: a date is
that whole day. `2h` and `3d` are so long ago.

Examples:
  kiln audit log
  kiln audit log --subject debian-12 --reverse
  kiln audit log --by 100000 --since yesterday --kind 'image.*'
  kiln audit log --since 2026-03-03 --until 2026-03-03 --count 1000 --output json
  kiln audit log --from 1001 --count 1000"
)]
pub(crate) struct Log {
    /// Where to begin; else the last ones are printed, or, if only some are wanted, the first
    #[arg(long, value_name = "EVENT")]
    from: Option<u64>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    count: u32,
    /// Only what concerns this: an id, or the name of an image
    #[arg(long, value_name = "ID|NAME")]
    subject: Option<String>,
    /// Only what this account asked for
    #[arg(long, value_name = "ACCOUNT")]
    by: Option<String>,
    /// Only from this time on
    #[arg(long, value_name = "TIME")]
    since: Option<Time>,
    /// Only up to the end of this time
    #[arg(long, value_name = "TIME")]
    until: Option<Time>,
    /// Only events of these kinds; `*` stands for any letters
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only what this operation did
    #[arg(long, value_name = "ID")]
    workflow: Option<FlowId>,
    /// The newest first
    #[arg(long)]
    reverse: bool,
}

/// A line with its event as JSON, not as text of it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Line {
    #[serde(flatten)]
    line: LogLine,
    payload: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Lines {
    log: Vec<Line>,
    head: u64,
    next: Option<u64>,
}

impl Log {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let mut asked = self.asked(session).await?;
        let mut lines = Lines { log: Vec::new(), head: 0, next: asked.from };
        let mut left = self.count;
        while left > 0 {
            asked.count = left.min(PAGE);
            let page: LogPage = session.ask(Request::Audit(AuditRequest::Log(asked.clone()))).await?;
            (lines.head, lines.next) = (page.head, page.next);
            left = left.saturating_sub(u32::try_from(page.log.len()).unwrap_or(left));
            lines.log.extend(page.log.into_iter().map(line));
            // A page may be the last without having come to its count.
            if page.next.is_none() {
                break;
            }
            asked.from = page.next;
        }
        session.screen.give(&lines, |lines| table(session, lines));
        beside(
            session,
            &match lines.next {
                Some(next) => format!("there is more: go on with `--from {next}`"),
                None if lines.log.is_empty() => {
                    "the log was read to its end: nothing like that is in it".to_owned()
                }
                None if self.reverse => "the log was read to its beginning".to_owned(),
                None => format!("the log was read to its end, event {}", lines.head),
            },
        );
        Ok(())
    }

    async fn asked(&self, session: &Session) -> Result<LogAsked, Stop> {
        let some =
            self.subject.is_some() || self.workflow.is_some() || self.by.is_some() || self.kind.is_some();
        let all = !some && self.since.is_none() && self.until.is_none() && !self.reverse;
        let from = match self.from {
            Some(from) => Some(from.max(1)),
            None if all => {
                // The last ones of those that whoever asks may see.
                let last = LogAsked { count: self.count, reverse: true, ..LogAsked::default() };
                let page: LogPage = session.ask(Request::Audit(AuditRequest::Log(last))).await?;
                Some(page.log.last().map_or(1, |line| line.event))
            }
            None => None,
        };
        Ok(LogAsked {
            from,
            count: self.count,
            subject: self.subject.clone(),
            region: session.region.clone(),
            by: self.by.clone(),
            since: self.since,
            until: self.until,
            kind: self.kind.clone(),
            workflow: self.workflow,
            reverse: self.reverse,
            ..LogAsked::default()
        })
    }
}

/// A line, with its event taken out of the text.
pub(crate) fn line(mut line: LogLine) -> Line {
    let payload = serde_json::from_str(&std::mem::take(&mut line.payload)).unwrap_or(Value::Null);
    Line { line, payload }
}

fn table(session: &Session, lines: &Lines) -> String {
    let columns = [
        Column::Number("EVENT"),
        Column::Whole("TIME"),
        Column::Whole("KIND"),
        Column::Text("SUBJECT"),
        Column::Spare("BY"),
        Column::Spare("WORKFLOW"),
        Column::Spare("STEP"),
    ];
    let row = |Line { line, .. }: &Line| {
        let time = line.time.replace('T', " ").trim_end_matches('Z').to_owned();
        let (kind, subjects) = (line.kind.clone(), line.subjects.join(" "));
        let by = format!("{} {}", line.account_id, line.principal).trim_end().to_owned();
        let (workflow, step) = (line.workflow_id.to_string(), line.path.clone());
        vec![line.event.to_string(), time, kind, subjects, by, workflow, step]
    };
    draw(&session.screen, &columns, &lines.log.iter().map(row).collect::<Vec<_>>())
}

/// Says something beside a table; as JSON the same stands in the data.
pub(crate) fn beside(session: &Session, text: &str) {
    if !session.screen.json {
        session.screen.say(text);
    }
}
