//! `CancelTask`: stops an import or an export that is in progress; nothing of it stays.

use service::{Request, TaskRequest, TaskView};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.region().await?;
    let task = ask.params.need("TaskId")?.to_owned();
    let cancel = TaskRequest::Cancel { task, reason: "CancelTask".to_owned() };
    let _: TaskView = ask.act(Request::Task(cancel)).await?;
    Ok(Object::new())
}
