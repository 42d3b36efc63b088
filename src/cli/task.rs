//! `kiln task …`: imports and exports, as the ECS API tells of them.

use clap::{Args, Subcommand};
use service::{Because, Page, Request, Started, TaskQuery, TaskRequest, TaskView, Tasks, time_ms};

use crate::exit::Stop;
use crate::follow;
use crate::session::Session;
use crate::table::{Column, draw, facts};

/// Tasks on a page when only its number is given.
const PAGE_SIZE: u32 = 10;

/// What may be done with tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// List tasks, newest first
    List(List),
    /// Show one task
    Show(One),
    /// Cancel a task that is in progress, and undo what it began
    Cancel(Cancel),
}

/// Which tasks.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln task list
  kiln task list --status Processing,Paused
  kiln task list --action ExportImage --since 2026-03-01T00:00:00Z
  kiln task list --output json | jq -r '.Tasks[] | select(.TaskStatus==\"Failed\").ErrorCode'")]
pub(crate) struct List {
    /// Only these; may be given several times
    #[arg(value_name = "TASK")]
    ids: Vec<String>,
    /// Only those that do this: ImportImage or ExportImage
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only those that stand there: Waiting, Processing, Finished, Failed, Deleted or Paused, with commas
    #[arg(long, value_name = "WORDS")]
    status: Option<String>,
    /// Only those about this image, by its id; may be given again
    #[arg(long = "image", value_name = "IMAGE")]
    images: Vec<String>,
    /// Only those created then or later: 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those created then or earlier
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Which page, from 1 [default: everything at once]
    #[arg(long, value_name = "NUMBER")]
    page: Option<u32>,
    /// How many a page has: 1 to 100 [default: 10]
    #[arg(long, value_name = "COUNT")]
    page_size: Option<u32>,
}

/// A task.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln task show t-bp67acfmxazb4p0a2b3c
  kiln task show w-06dszv2c8jv5v61bgm3kb9y9m4    # the task of an operation")]
pub(crate) struct One {
    /// Its id, or that of its operation
    task: String,
}

/// A task to cancel.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln task cancel t-bp67acfmxazb4p0a2b3c --reason 'the wrong disk'")]
pub(crate) struct Cancel {
    /// Its id, or that of its operation
    task: String,
    /// Why; it stands in the log
    #[arg(long, default_value = "")]
    reason: String,
    /// Say it and return, without waiting for what is undone
    #[arg(long)]
    no_wait: bool,
}

impl TaskCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::Cancel(cancel) if !cancel.no_wait => Because::Waits,
            _ => Because::Looks,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::List(list) => list.run(session).await,
            Self::Show(one) => show(session, one.task).await,
            Self::Cancel(cancel) => cancel.run(session).await,
        }
    }
}

impl List {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let time = |text: Option<String>| text.map(|text| time_ms(&text)).transpose();
        let page = (self.page.is_some() || self.page_size.is_some())
            .then(|| Page { number: self.page.unwrap_or(1), size: self.page_size.unwrap_or(PAGE_SIZE) });
        let query = TaskQuery {
            region: session.region.clone(),
            action: self.action,
            status: self.status,
            ids: self.ids,
            images: self.images,
            from_ms: time(self.since)?,
            until_ms: time(self.until)?,
            page,
        };
        let tasks: Tasks = session.ask(Request::Task(TaskRequest::List(query))).await?;
        session.screen.give(&tasks, |tasks| list_text(session, tasks));
        let shown = tasks.tasks.len() as u64;
        if shown < tasks.total_count {
            let number = tasks.page_number;
            session.screen.say(&format!("page {number}: {shown} of {} tasks", tasks.total_count));
        } else if shown == 0 {
            session.screen.say("no tasks");
        }
        Ok(())
    }
}

fn list_text(session: &Session, tasks: &Tasks) -> String {
    if tasks.tasks.is_empty() {
        return String::new();
    }
    let columns = [
        Column::Whole("ID"),
        Column::Text("ACTION"),
        Column::State("STATUS"),
        Column::Number("DONE"),
        Column::Whole("IMAGE"),
        Column::Spare("CREATED"),
        Column::Text("CODE"),
    ];
    let row = |task: &TaskView| {
        vec![
            task.task_id.clone(),
            task.task_action.clone(),
            task.task_status.clone(),
            task.task_process.clone(),
            task.resource_id.clone(),
            task.creation_time.replace('T', " ").trim_end_matches('Z').to_owned(),
            task.error_code.clone(),
        ]
    };
    draw(&session.screen, &columns, &tasks.tasks.iter().map(row).collect::<Vec<_>>())
}

async fn show(session: &Session, task: String) -> Result<(), Stop> {
    let view: TaskView = session.ask(Request::Task(TaskRequest::Show { task })).await?;
    session.screen.give(&view, |view| view_text(session, view));
    Ok(())
}

fn view_text(session: &Session, view: &TaskView) -> String {
    let mut lines = vec![
        ("Task", view.task_id.clone()),
        ("Does", view.task_action.clone()),
        ("Status", view.task_status.clone()),
        ("Done", view.task_process.clone()),
        ("Image", view.resource_id.clone()),
        ("Region", view.region_id.clone()),
        ("Created", view.creation_time.clone()),
        ("Ended", view.finished_time.clone()),
        ("Can cancel", if view.support_cancel { "yes".to_owned() } else { String::new() }),
        ("Workflow", view.workflow_id.to_string()),
    ];
    lines.extend(view.related_items.iter().map(|item| (item.name.as_str(), item.value.clone())));
    lines.extend([("Code", view.error_code.clone()), ("Why", view.error_msg.clone())]);
    facts(&session.screen, &lines)
}

impl Cancel {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let request = TaskRequest::Cancel { task: self.task, reason: self.reason };
        let mut view: TaskView = session.ask(Request::Task(request)).await?;
        if !self.no_wait {
            let (workflow_id, image_id) = (view.workflow_id, view.resource_id.clone());
            let ended = follow::to_rest(session, &Started { workflow_id, joined: true, image_id }).await?;
            // Undone is what was asked for; anything else has to be told.
            if let Some(trouble) = ended.trouble().filter(|_| ended.state != "Undone") {
                return Err(trouble.into());
            }
            // By its operation: an import that had not looked at its disks yet has no other trace.
            view = session.ask(Request::Task(TaskRequest::Show { task: workflow_id.to_string() })).await?;
        }
        session.screen.give(&view, |view| format!("task {}: {}\n", view.task_id, view.task_status));
        Ok(())
    }
}
