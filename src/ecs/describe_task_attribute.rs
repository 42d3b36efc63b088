//! `DescribeTaskAttribute`: how far a task is, and what it made.

use crate::ask::{Ask, Outcome};
use crate::shape_task;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    Ok(shape_task::whole(&ask.task_in(&region).await?))
}
