//! `DescribeTaskAttribute`: how far a task is, and what it made.

use service::{Request, TaskRequest, TaskView};

use crate::ask::{Ask, Outcome};
use crate::shape_task;

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.region().await?;
    let task = ask.params.need("TaskId")?.to_owned();
    let task: TaskView = ask.look(Request::Task(TaskRequest::Show { task })).await?;
    Ok(shape_task::whole(&task))
}
