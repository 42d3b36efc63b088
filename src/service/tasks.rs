//! Use cases on tasks. A task is a row that says what it is about, and an operation that says how
//! far it has come; the words for both are those of the ECS API.
//!
//! | operation | task |
//! |---|---|
//! | goes on, or goes back | `Processing`; `Waiting` while its image waits |
//! | is parked | `Paused` |
//! | has ended well | `Finished` |
//! | was cancelled, and is undone | `Deleted` |
//! | is undone for another reason, or given up | `Failed` |
//!
//! An import has its row only once its disks were looked at. Until then it is known by its operation,
//! whose story mints the task's id second.

use domain::image::{IMAGES, PLACES, Status, TASKS, Task, TaskAction, house, parts_of, scope};
use domain::{ImageId, TaskId};
use engine::{FlowRow, Snapshot, State, Turn, Workflow as _};
use event::{Actor, FlowId, Refusal, Scope};
use workflows::{ExportImage, ImportImage};

use crate::asked::Asked;
use crate::lookup::{self, account};
use crate::page::page_of;
use crate::request::Reply;
use crate::request_task::{TaskQuery, TaskRequest};
use crate::service::made_by;
use crate::view::{format_word, time_text};
use crate::view_task::{RelatedItem, TaskView, Tasks};
use crate::{Service, Trouble};

/// Ids or images asked for at once, as the API documents.
const IDS_MAX: usize = 100;
/// Actions the API knows; only the first two are ever tasks here.
const ACTIONS: [&str; 5] =
    ["ImportImage", "ExportImage", "RedeployInstance", "ModifyDiskSpec", "ArchiveSnapshot"];
const STATUSES: [&str; 6] = ["Waiting", "Processing", "Finished", "Failed", "Deleted", "Paused"];

impl Service {
    pub(crate) async fn tasks(
        &self,
        actor: Actor,
        asked: &Asked,
        request: TaskRequest,
    ) -> Result<Reply, Trouble> {
        Ok(match request {
            TaskRequest::List(query) => self.task_list(&actor, &query)?.into(),
            TaskRequest::Show { task } => self.task(&actor, &task)?.into(),
            TaskRequest::Cancel { task, reason } => {
                self.cancel_task(&actor, asked, &task, &reason).await?.into()
            }
        })
    }

    fn task_list(&self, actor: &Actor, query: &TaskQuery) -> Result<Tasks, Trouble> {
        check(query)?;
        let snapshot = self.engine.snapshot()?;
        let mut found = Vec::new();
        for region in lookup::regions(&snapshot, query.region.as_ref())? {
            let scope = scope(&account(actor), &region);
            found.extend(TASKS.list(&snapshot, &scope, &[]).into_iter().map(|task| (scope.clone(), task)));
        }
        for flow in snapshot.open_flows() {
            let in_region = query
                .region
                .as_ref()
                .is_none_or(|region| parts_of(&flow.scope).is_some_and(|(_, place)| place == *region));
            if flow.actor.account == actor.account
                && in_region
                && let Some(task) = not_yet_told(&flow)
                && !found.iter().any(|(_, other)| other.id == task.id)
            {
                found.push((flow.scope.clone(), task));
            }
        }
        found.retain(|(_, task)| {
            query.action.as_ref().is_none_or(|action| action == task.action.word())
                && (query.ids.is_empty() || query.ids.contains(&task.id.0))
                && (query.images.is_empty() || query.images.contains(&task.image.0))
                && query.from_ms.is_none_or(|from_ms| task.created_ms >= from_ms)
                && query.until_ms.is_none_or(|until_ms| task.created_ms <= until_ms)
        });
        found.sort_by(|(_, a), (_, b)| (b.created_ms, &b.id).cmp(&(a.created_ms, &a.id)));
        let views = found.iter().filter_map(|(scope, task)| self.task_view(&snapshot, scope, task));
        let mut views: Vec<TaskView> = views.collect();
        if let Some(status) = query.status.as_deref() {
            let words: Vec<&str> = status.split(',').map(str::trim).collect();
            views.retain(|view| words.contains(&view.task_status.as_str()));
        }
        let page = page_of(views, query.page);
        Ok(Tasks {
            tasks: page.items,
            total_count: page.total,
            page_number: page.number,
            page_size: page.size,
        })
    }

    fn task(&self, actor: &Actor, named: &str) -> Result<TaskView, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let (scope, task) = find(&snapshot, actor, named)?;
        Ok(self.task_view(&snapshot, &scope, &task).ok_or_else(|| not_found(named))?)
    }

    async fn cancel_task(
        &self,
        actor: &Actor,
        asked: &Asked,
        named: &str,
        reason: &str,
    ) -> Result<TaskView, Trouble> {
        let view = self.task(actor, named)?;
        let id = &view.task_id;
        if !view.support_cancel {
            let past = self.flow(actor, view.workflow_id)?.committed && view.finished_time.is_empty();
            let (code, why) = if past {
                ("CancelTaskFailed", "it is past the point of no return".to_owned())
            } else {
                ("InvalidTaskId.IncorrectTaskStatus", format!("it is {}", view.task_status))
            };
            return Err(Refusal::new(code, format!("the task `{id}` cannot be cancelled: {why}"))
                .advise(format!("see it with `kiln task show {id}`"))
                .into());
        }
        asked.go_on()?;
        if let Err(error) = self.engine.cancel(actor.clone(), view.workflow_id, reason).await {
            // It was faster, or another was.
            if !matches!(error, engine::Error::Denied { .. }) {
                return Err(error.into());
            }
            let why = format!("the task `{id}` cannot be cancelled any more");
            return Err(Refusal::new("CancelTaskFailed", why)
                .advise(format!("see it with `kiln task show {id}`"))
                .into());
        }
        // By its operation: one that is cancelled before it has told of its task has none in the rows.
        self.task(actor, &view.workflow_id.to_string())
    }

    /// The task as its account sees it; none if its operation is not to be found.
    fn task_view(&self, snapshot: &Snapshot, scope: &Scope, task: &Task) -> Option<TaskView> {
        let flow = snapshot.flow(task.flow)?;
        let image = IMAGES.get(snapshot, scope, &[task.image.as_str()]);
        let waits = image.as_ref().is_some_and(|image| image.status == Status::Waiting);
        let status = status(&flow, waits);
        let done = status == "Finished";
        let (disks, dealt_with, steps, steps_done) = match task.action {
            TaskAction::ImportImage => {
                let of = image.as_ref().filter(|image| image.flow == task.flow);
                let disks = of.map_or(1, |image| image.disks.len());
                let count = |is: fn(&domain::image::ImageDisk) -> bool| {
                    of.map_or(0, |image| image.disks.iter().filter(|disk| is(disk)).count())
                };
                let verified = count(|disk| disk.verified);
                (disks, verified, 2 * disks, count(|disk| disk.disk.is_some()) + verified)
            }
            TaskAction::ExportImage => {
                // The start and the decision to export come before what is written.
                let written = usize::try_from(flow.records).unwrap_or_default().saturating_sub(2);
                let disks = task.targets.len().max(1);
                (disks, written.min(disks), disks, written.min(disks))
            }
        };
        let progress = self.engine.watch(flow.id).map(|watch| watch.progress.borrow().clone());
        let part = progress.filter(|progress| progress.total_bytes > 0).map_or(0, |progress| {
            u128::from(progress.done_bytes.min(progress.total_bytes)) * 100 / u128::from(progress.total_bytes)
        });
        let open = matches!(status, "Processing" | "Waiting" | "Paused") && flow.turn.is_none();
        let percent = match (done, open) {
            (true, _) => 100,
            // What is undone is nothing done.
            (false, false) => 0,
            (false, true) => ((steps_done as u128 * 100 + part) / steps.max(1) as u128).min(99),
        };
        let dealt_with = if done { disks } else { dealt_with };
        let failed = if flow.state.has_ended() && !done { disks } else { 0 };
        let trouble = flow.trouble();
        Some(TaskView {
            task_id: task.id.0.clone(),
            task_action: task.action.word().to_owned(),
            task_status: status.to_owned(),
            task_process: format!("{percent}%"),
            resource_id: task.image.0.clone(),
            region_id: parts_of(scope).map(|(_, region)| region.0).unwrap_or_default(),
            support_cancel: can_cancel(&flow),
            creation_time: time_text(task.created_ms),
            finished_time: flow.ended_ms.map(time_text).unwrap_or_default(),
            total_count: count(disks),
            success_count: if failed > 0 { 0 } else { count(dealt_with) },
            failed_count: count(failed),
            error_code: trouble.as_ref().map(|trouble| trouble.code.clone()).unwrap_or_default(),
            error_msg: trouble.map(|trouble| trouble.message).unwrap_or_default(),
            related_items: related(snapshot, &flow, task),
            workflow_id: flow.id,
        })
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn status(flow: &FlowRow, waits: bool) -> &'static str {
    match flow.state {
        _ if flow.parked.is_some() => "Paused",
        State::Done => "Finished",
        State::Undone if matches!(flow.turn, Some(Turn::Cancelled(_))) => "Deleted",
        State::Undone | State::Abandoned => "Failed",
        _ if waits => "Waiting",
        _ => "Processing",
    }
}

/// Whether a cancel would be heard.
fn can_cancel(flow: &FlowRow) -> bool {
    flow.state == State::Running && !flow.committed && flow.cancel.is_none() && flow.turn.is_none()
}

/// What the task made, or will: that is its input's to say.
fn related(snapshot: &Snapshot, flow: &FlowRow, task: &Task) -> Vec<RelatedItem> {
    let item = |name: &str, value: &str| RelatedItem { name: name.to_owned(), value: value.to_owned() };
    if task.action == TaskAction::ImportImage {
        return vec![item("ImageId", task.image.as_str())];
    }
    let input = snapshot.record(flow.first).ok().flatten();
    let input = input.and_then(|record| record.get::<engine::Started>().ok());
    let input = input.and_then(|started| rmp_serde::from_slice::<ExportImage>(&started.input).ok());
    let mut items = Vec::new();
    for disk in input.into_iter().flat_map(|input| input.disks) {
        match &disk.target.at.bucket {
            Some(bucket) => {
                items.push(item("OSSBucket", &bucket.name));
                items.push(item("OSSObject", &disk.target.at.path));
            }
            None => items.push(item("File", &disk.target.at.path)),
        }
        items.push(item("ImageFormat", format_word(disk.target.format)));
    }
    items
}

/// The account's task of that id, or of the operation of that id.
fn find(snapshot: &Snapshot, actor: &Actor, named: &str) -> Result<(Scope, Task), Refusal> {
    let own = |flow: &FlowRow| flow.actor.account == actor.account;
    if let Ok(id) = named.parse::<FlowId>() {
        let flow = snapshot.flow(id).filter(own).ok_or_else(|| not_found(named))?;
        let task = not_yet_told(&flow).ok_or_else(|| {
            let why = format!("the workflow `{id}` is no import and no export, and so no task");
            Refusal::new("InvalidTaskId.TaskActionNotSupport", why)
                .advise(format!("stop it with `kiln workflow cancel {id}`"))
        })?;
        let told = TASKS.get(snapshot, &flow.scope, &[task.id.as_str()]);
        return Ok((flow.scope, told.unwrap_or(task)));
    }
    if named.contains('\0') {
        return Err(not_found(named));
    }
    if let Some(scope) = PLACES.get(snapshot, &house(), &[named])
        && parts_of(&scope).is_some_and(|(owner, _)| owner == account(actor))
        && let Some(task) = TASKS.get(snapshot, &scope, &[named])
    {
        return Ok((scope, task));
    }
    let open = snapshot.open_flows().into_iter().filter(own);
    let mut tasks = open.filter_map(|flow| Some((flow.scope.clone(), not_yet_told(&flow)?)));
    tasks.find(|(_, task)| task.id.as_str() == named).ok_or_else(|| not_found(named))
}

/// The task an operation has or will have, from its operation alone.
fn not_yet_told(flow: &FlowRow) -> Option<Task> {
    let (action, id, image) = match flow.name.as_str() {
        ImportImage::NAME => (TaskAction::ImportImage, import_task(flow.id), made_by(&flow.name, flow.id)?),
        ExportImage::NAME => {
            (TaskAction::ExportImage, export_task(flow.id), flow.subjects.first()?.0.clone())
        }
        _ => return None,
    };
    let created_ms = flow.started_ms;
    let (id, image) = (TaskId(id), ImageId(image));
    Some(Task { id, action, image, flow: flow.id, created_ms, targets: Vec::new() })
}

/// The id of an import's task, known as soon as the import is started.
pub fn import_task(flow: FlowId) -> String {
    // Its story mints the image's id first.
    format!("t-{}", flow.mint("2"))
}

/// The id of an export's task, known as soon as the export is started.
pub fn export_task(flow: FlowId) -> String {
    format!("t-{}", flow.mint("1"))
}

fn not_found(named: &str) -> Refusal {
    Refusal::new("InvalidTaskId.NotFound", format!("there is no task `{}`", named.escape_debug()))
        .advise("`kiln task list` shows those there are")
}

fn check(query: &TaskQuery) -> Result<(), Refusal> {
    if let Some(action) = query.action.as_deref().filter(|action| !ACTIONS.contains(action)) {
        let why = format!("no task ever does `{}`", action.escape_debug());
        return Err(
            Refusal::new("InvalidParameter.TaskAction", why).advise("choose one of ImportImage, ExportImage")
        );
    }
    for word in query.status.iter().flat_map(|status| status.split(',')) {
        if !STATUSES.contains(&word.trim()) {
            let why = format!("no task is ever `{}`", word.escape_debug());
            return Err(Refusal::new("InvalidParameter.TaskStatus", why)
                .advise(format!("choose some of {}", STATUSES.join(","))));
        }
    }
    let most = query.ids.len().max(query.images.len());
    if most > IDS_MAX {
        let why = format!("{most} ids; at most {IDS_MAX} are looked for at once");
        return Err(Refusal::new("InvalidParameter", why).advise("ask in several requests"));
    }
    query.page.map_or(Ok(()), crate::request_image::Page::check)
}
