//! `kiln audit export`: the log as JSON lines, page by page, to a file that can be gone on with.
//!
//! A line is what `kiln audit log --output json` has of an event; docs/events.md names the fields. Nothing of it
//! is in memory but one page. A file that was cut off in the middle of a line loses that line and goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use event::FlowId;
use serde_json::Value;
use service::{AuditRequest, Family, LogAsked, LogPage, Request, Time, Trouble};

use crate::audit_log::{Line, PAGE, line};
use crate::exit::Stop;
use crate::screen::print;
use crate::session::Session;

/// The longest line that is looked for at the end of a file: no event is longer.
const LINE_BYTES_MAX: u64 = 256 << 20;
/// Bytes looked through at once, from the end.
const LOOK_BYTES: u64 = 64 << 10;

/// Which events, and where to.
#[derive(Debug, Args)]
#[command(
    after_help = "One event is one line of JSON, oldest first; docs/events.md names its fields. Secrets are in no
line. The number of the last line goes to standard error: `--after` goes on from there, and
`--resume` finds it in the file itself, whatever cut it off; give the same filters again.

Examples:
  kiln audit export --to events.jsonl
  kiln audit export --to events.jsonl --resume
  kiln audit export --after 12000 --kind 'image.*' | gzip > images.jsonl.gz
  kiln --endpoint https://images.example audit export --owner 100000 --since 2026-01-01"
)]
pub(crate) struct Export {
    /// The file; standard output if none is named
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Go on behind the last whole line of the file
    #[arg(long, requires = "to", conflicts_with = "after")]
    resume: bool,
    /// Only what comes after this event
    #[arg(long, value_name = "EVENT")]
    after: Option<u64>,
    /// Only up to this event
    #[arg(long, value_name = "EVENT")]
    through: Option<u64>,
    /// Only from this time on
    #[arg(long, value_name = "TIME")]
    since: Option<Time>,
    /// Only up to the end of this time
    #[arg(long, value_name = "TIME")]
    until: Option<Time>,
    /// Only what concerns this: an id, or the name of an image
    #[arg(long, value_name = "ID|NAME")]
    subject: Option<String>,
    /// Only events of these kinds; `*` stands for any letters
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only what this operation did
    #[arg(long, value_name = "ID")]
    workflow: Option<FlowId>,
    /// Only what this account asked for
    #[arg(long, value_name = "ACCOUNT")]
    by: Option<String>,
    /// Only what was decided among what this account has; `--region` leaves one region
    #[arg(long, value_name = "ACCOUNT")]
    owner: Option<String>,
}

impl Export {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let mut out = match &self.to {
            Some(path) if self.resume => Some(Out::resume(path)?),
            Some(path) => Some(Out::begin(path)?),
            None => None,
        };
        let after = out.as_ref().map_or(self.after.unwrap_or(0), |out| out.last.max(self.after.unwrap_or(0)));
        if let Some(out) = &mut out {
            if let Some(line) = &out.line {
                check_history(session, out, line).await?;
            }
            out.cut()?;
        }
        let mut asked = LogAsked {
            from: Some(after.saturating_add(1)),
            count: PAGE,
            subject: self.subject,
            region: session.region.clone(),
            by: self.by,
            since: self.since,
            until: self.until,
            kind: self.kind,
            workflow: self.workflow,
            reverse: false,
            through: self.through,
            owner: self.owner,
            in_region: session.region.clone(),
        };
        let (mut lines, mut last) = (0_u64, after);
        let head = loop {
            let page: LogPage = session.ask(Request::Audit(AuditRequest::Log(asked.clone()))).await?;
            let mut text = String::new();
            for one in page.log {
                last = one.event;
                lines += 1;
                let one: Line = line(one);
                text += &serde_json::to_string(&one).unwrap_or_default();
                text.push('\n');
            }
            match &mut out {
                Some(out) => out.write(&text)?,
                None => print(&text),
            }
            match page.next {
                Some(next) => asked.from = Some(next),
                None => break page.head,
            }
        };
        if let Some(out) = out {
            out.end()?;
        }
        // All up to the head was looked through, whatever was wanted of it.
        let seen = self.through.unwrap_or(head).min(head).max(last);
        session.screen.say(&format!("{lines} events, up to event {seen}; go on with `--after {seen}`"));
        Ok(())
    }
}

/// Fails unless the last line of a file is of this log: after a restore it may be of what was given up, and other
/// events have the numbers behind it.
async fn check_history(session: &Session, out: &Out, last_line: &Value) -> Result<(), Stop> {
    let asked = LogAsked { from: Some(out.last), count: 1, through: Some(out.last), ..LogAsked::default() };
    let page: LogPage = session.ask(Request::Audit(AuditRequest::Log(asked))).await?;
    let there = page.log.into_iter().next().map(|there| serde_json::to_value(line(there)));
    let there = there.transpose().unwrap_or_default().unwrap_or_default();
    if NEVER_ANOTHER.iter().all(|name| last_line.get(name) == there.get(name)) {
        return Ok(());
    }
    let (path, last) = (out.path.display(), out.last);
    let why = if page.head < last {
        format!(
            "the log ends at event {}, and `{path}` goes up to event {last}: it is of another history",
            page.head
        )
    } else {
        format!("event {last}, the last in `{path}`, is another in the log: the file is of another history")
    };
    Err(Trouble::new(Family::Refused, "InvalidExport.History", why)
        .advise("keep that file and name another; `kiln audit verify` tells as of when the log was restored")
        .into())
}

/// What of a line no version of the program says otherwise.
const NEVER_ANOTHER: [&str; 4] = ["Event", "Time", "Kind", "WorkflowId"];

/// A file of lines.
struct Out {
    path: PathBuf,
    file: File,
    /// The last event in it.
    last: u64,
    /// Its line.
    line: Option<Value>,
}

impl Out {
    fn failed(path: &Path) -> impl Fn(io::Error) -> Stop {
        let path = path.display().to_string();
        move |error| {
            let advice = "mend that, and go on with `--resume`";
            Trouble::world(format_args!("writing `{path}`"), error).advise(advice).into()
        }
    }

    fn begin(path: &Path) -> Result<Self, Stop> {
        match File::create_new(path) {
            Ok(file) => Ok(Self { path: path.to_owned(), file, last: 0, line: None }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Stop::usage(
                format!("`{}` is there already", path.display()),
                "go on with it by `--resume`, or name another file",
            )),
            Err(error) => Err(Self::failed(path)(error)),
        }
    }

    /// Finds the last whole line.
    fn resume(path: &Path) -> Result<Self, Stop> {
        let failed = Self::failed(path);
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(path).map_err(&failed)?;
        let length = file.metadata().map_err(&failed)?.len();
        let end = line_before(&mut file, length).map_err(&failed)?;
        let begin = if end == 0 { 0 } else { line_before(&mut file, end - 1).map_err(&failed)? };
        let mut text = vec![0; usize::try_from(end - begin).unwrap_or_default()];
        file.seek(SeekFrom::Start(begin)).and_then(|_| file.read_exact(&mut text)).map_err(&failed)?;
        let line: Option<Value> =
            (!text.is_empty()).then(|| serde_json::from_slice(&text).unwrap_or_default());
        let last = match line.as_ref().map(|line| line.get("Event").and_then(Value::as_u64)) {
            None => 0,
            Some(Some(last)) => last,
            Some(None) => {
                let why = format!("`{}` is not what `kiln audit export` wrote", path.display());
                return Err(Stop::usage(why, "name another file, or the one that an export began"));
            }
        };
        file.seek(SeekFrom::Start(end)).map_err(&failed)?;
        Ok(Self { path: path.to_owned(), file, last, line })
    }

    /// Cuts off what comes behind the last whole line.
    fn cut(&mut self) -> Result<(), Stop> {
        let cut = self.file.stream_position().and_then(|end| self.file.set_len(end));
        cut.map_err(Self::failed(&self.path))
    }

    fn write(&mut self, text: &str) -> Result<(), Stop> {
        self.file.write_all(text.as_bytes()).map_err(Self::failed(&self.path))
    }

    fn end(self) -> Result<(), Stop> {
        self.file.sync_all().map_err(Self::failed(&self.path))
    }
}

/// Where the line begins that a place lies in or at the end of: behind the last line feed before it.
fn line_before(file: &mut File, place: u64) -> io::Result<u64> {
    let mut end = place;
    while end > 0 && place - end < LINE_BYTES_MAX {
        let begin = end.saturating_sub(LOOK_BYTES);
        let mut bytes = vec![0; usize::try_from(end - begin).unwrap_or_default()];
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(&mut bytes)?;
        if let Some(found) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(begin + found as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}
