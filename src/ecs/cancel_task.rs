//! `CancelTask`: stops an import or an export that is in progress; nothing of it stays.

use service::{Request, TaskRequest, TaskView};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let task = ask.task_in(&region).await?;
    let cancel = TaskRequest::Cancel { task: task.task_id, reason: "CancelTask".to_owned() };
    let _: TaskView = ask.act(Request::Task(cancel)).await?;
    ask.undone(task.workflow_id).await?;
    Ok(Object::new())
}
