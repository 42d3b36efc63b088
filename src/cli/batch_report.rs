//! `kiln batch report`: what became of each line, and what failed as a manifest for another try.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use service::{BatchLines, BatchRequest, BatchView, Form, LineView, Request, Trouble, csv_row, form_of};

use crate::batch::progress;
use crate::exit::Stop;
use crate::session::Session;
use crate::table::{Column, draw};

/// Lines that are asked for at once.
const STRETCH: u32 = 1000;
/// Lines that are shown on a screen.
const SHOWN_MAX: usize = 50;
/// Columns of a results file, in CSV.
const RESULTS: [&str; 7] =
    ["line", "key", "operation", "workflow_id", "state", "error_code", "error_message"];

/// What to write.
#[derive(Debug, Args)]
#[command(
    after_help = "Files are CSV, or JSON lines if their names end in .jsonl. The failures file is a manifest: lines
that failed or were refused, and, of a batch that was cancelled, those that were never started. Why they
failed stands in columns that begin with `#`, which are not read.

Examples:
  kiln batch report nightly
  kiln batch report nightly --results results.csv --failures again.csv
  kiln batch report nightly --failures again.jsonl && kiln batch run again.jsonl"
)]
pub(crate) struct Report {
    /// Its name or id
    batch: String,
    /// Where to write what became of each line
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Where to write what failed, as a manifest
    #[arg(long, value_name = "FILE")]
    failures: Option<PathBuf>,
}

/// What a report came to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reported {
    #[serde(flatten)]
    batch: BatchView,
    results: Option<PathBuf>,
    failures: Option<PathBuf>,
    failures_lines: u64,
    /// Lines that did not go well, the first of them.
    bad: Vec<LineView>,
}

impl Report {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let show = BatchRequest::Show { batch: self.batch.clone() };
        let view: BatchView = session.ask(Request::Batch(show)).await?;
        let mut reported = Reported {
            batch: view,
            results: self.results,
            failures: self.failures,
            failures_lines: 0,
            bad: Vec::new(),
        };
        if let Some(path) = &reported.results {
            results(session, &reported.batch.batch_id, path).await?;
        }
        if let Some(path) = &reported.failures {
            reported.failures_lines = failures(session, &reported.batch, path).await?;
        }
        if reported.results.is_none() && reported.failures.is_none() {
            let bad = &mut reported.bad;
            each(session, &reported.batch.batch_id, true, |line| {
                if line.state != "Waiting" && bad.len() < SHOWN_MAX {
                    bad.push(line);
                }
                Ok(())
            })
            .await?;
        }
        session.screen.give(&reported, |reported| text(session, reported));
        Ok(())
    }
}

fn text(session: &Session, reported: &Reported) -> String {
    let mut text = String::new();
    if !reported.bad.is_empty() {
        let columns =
            [Column::Number("LINE"), Column::Text("OPERATION"), Column::State("STATE"), Column::Text("WHY")];
        let row = |line: &LineView| {
            let (what, why) = (line.operation.label(), line.error_message.clone());
            vec![line.line.to_string(), what, line.state.clone(), why]
        };
        text.push_str(&draw(&session.screen, &columns, &reported.bad.iter().map(row).collect::<Vec<_>>()));
    }
    let mut lines = vec![format!("`{}`: {}\n", reported.batch.batch_name, progress(&reported.batch))];
    if let Some(path) = &reported.results {
        lines.push(format!("what became of each line is in `{}`\n", path.display()));
    }
    if let Some(path) = &reported.failures {
        let (count, path) = (reported.failures_lines, path.display());
        lines.push(format!("{count} lines for another try are in `{path}`\n"));
    }
    text.extend(lines);
    text
}

/// Every line of a batch, or those that did not go well.
async fn each(
    session: &Session,
    batch: &str,
    bad: bool,
    mut visit: impl FnMut(LineView) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut from = Some(0);
    while let Some(at) = from {
        let request = BatchRequest::Lines { batch: batch.to_owned(), from: at, count: STRETCH, bad };
        let lines: BatchLines = session.ask(Request::Batch(request)).await?;
        lines.lines.into_iter().try_for_each(&mut visit)?;
        from = lines.next;
    }
    Ok(())
}

/// A file that is being written; it has its name only when it is whole.
struct Out<'a> {
    path: &'a Path,
    part: PathBuf,
    file: BufWriter<File>,
    form: Form,
}

impl<'a> Out<'a> {
    fn begin(path: &'a Path) -> Result<Self, Stop> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let form = path.to_str().and_then(form_of).unwrap_or(Form::Csv);
        let file = File::create(&part).map_err(|error| world(path, error))?;
        Ok(Self { path, part, file: BufWriter::new(file), form })
    }

    fn write(&mut self, text: &str) -> Result<(), Stop> {
        Ok(self.file.write_all(text.as_bytes()).map_err(|error| world(self.path, error))?)
    }

    fn end(self) -> Result<(), Stop> {
        let done = self.file.into_inner().map_err(std::io::IntoInnerError::into_error);
        let done =
            done.and_then(|file| file.sync_all()).and_then(|()| std::fs::rename(&self.part, self.path));
        Ok(done.map_err(|error| world(self.path, error))?)
    }
}

fn world(path: &Path, error: std::io::Error) -> Trouble {
    Trouble::world(format_args!("writing `{}`", path.display()), error)
}

async fn results(session: &Session, batch: &str, path: &Path) -> Result<(), Stop> {
    let mut out = Out::begin(path)?;
    if out.form == Form::Csv {
        out.write(&csv_row(RESULTS))?;
    }
    each(session, batch, false, |line| {
        let number = line.line.to_string();
        let flow = line.workflow_id.map(|flow| flow.to_string()).unwrap_or_default();
        let fields = [
            &*number,
            &line.key,
            &line.operation.operation,
            &flow,
            &line.state,
            &line.error_code,
            &line.error_message,
        ];
        let text = match out.form {
            Form::Csv => csv_row(fields),
            Form::Json => {
                let named =
                    RESULTS.into_iter().zip(fields).map(|(name, field)| (name.to_owned(), field.into()));
                let mut object: serde_json::Map<String, serde_json::Value> = named.collect();
                object.insert(RESULTS[0].to_owned(), line.line.into());
                format!("{}\n", serde_json::Value::Object(object))
            }
        };
        out.write(&text)
    })
    .await?;
    out.end()
}

/// Whether a line is for another try: what waits for a person is let go on instead.
fn is_for_another(batch: &BatchView, line: &LineView) -> bool {
    match line.state.as_str() {
        "Failed" | "Refused" => true,
        "Waiting" => batch.state == "Cancelled",
        _ => false,
    }
}

async fn failures(session: &Session, batch: &BatchView, path: &Path) -> Result<u64, Stop> {
    let mut out = Out::begin(path)?;
    let mut columns = BTreeSet::new();
    let has_keys = std::cell::Cell::new(false);
    if out.form == Form::Csv {
        each(session, &batch.batch_id, true, |line| {
            if is_for_another(batch, &line) {
                has_keys.set(has_keys.get() || !line.key.is_empty());
                if let Some((name, _)) = line.operation.parameters.iter().find(|(_, value)| value.is_empty())
                {
                    let why = format!(
                        "line {} empties `{name}`, which CSV cannot say: end the file's name in .jsonl",
                        line.line
                    );
                    return Err(Stop::Usage(why));
                }
                columns.extend(line.operation.parameters.into_keys());
            }
            Ok(())
        })
        .await?;
        let key = has_keys.get().then_some("key");
        let head = ["#line", "#error"].into_iter().chain(key).chain(["operation"]);
        out.write(&csv_row(head.chain(columns.iter().map(String::as_str))))?;
    }
    let mut lines = 0;
    each(session, &batch.batch_id, true, |line| {
        if !is_for_another(batch, &line) {
            return Ok(());
        }
        lines += 1;
        let number = line.line.to_string();
        let text = match out.form {
            Form::Csv => {
                let said = |name: &String| line.operation.parameters.get(name).map_or("", String::as_str);
                let key = has_keys.get().then_some(line.key.as_str());
                let first = [&*number, &line.error_code].into_iter().chain(key);
                csv_row(first.chain([&*line.operation.operation]).chain(columns.iter().map(said)))
            }
            Form::Json => {
                let mut object = serde_json::to_value(&line.operation).unwrap_or_default();
                object["#line"] = line.line.into();
                object["#error"] = line.error_code.clone().into();
                if !line.key.is_empty() {
                    object["key"] = line.key.clone().into();
                }
                format!("{object}\n")
            }
        };
        out.write(&text)
    })
    .await?;
    out.end()?;
    Ok(lines)
}
