//! A task as the API shows it: its times to the minute, its truths as texts.

use domain::RegionId;
use service::{RelatedItem, Request, TaskRequest, TaskView};
use wire::{Fault, Object};

use crate::ask::Ask;
use crate::words::is_id;

impl Ask {
    /// The task that `TaskId` names, which has to be in the region.
    pub(crate) async fn task_in(&self, region: &RegionId) -> Result<TaskView, Fault> {
        let named = self.params.need("TaskId")?;
        let absent = || {
            let why = format!("The specified TaskId does not exist: `{}`.", named.escape_debug());
            self.refuse("InvalidTaskId.NotFound", why)
        };
        if !is_id(named, "t-") {
            return Err(absent());
        }
        let task: TaskView = self.look(Request::Task(TaskRequest::Show { task: named.to_owned() })).await?;
        if task.region_id == region.as_str() { Ok(task) } else { Err(absent()) }
    }
}

/// A task in a list.
pub(crate) fn listed(task: &TaskView) -> Object {
    Object::new()
        .put("TaskId", &task.task_id)
        .put("TaskAction", &task.task_action)
        .put("TaskStatus", &task.task_status)
        .put("ResourceId", &task.resource_id)
        .put("SupportCancel", truth(task.support_cancel))
        .put("CreationTime", to_minute(&task.creation_time))
        .put("FinishedTime", to_minute(&task.finished_time))
}

/// A task by itself.
pub(crate) fn whole(task: &TaskView) -> Object {
    let item = |item: &RelatedItem| Object::new().put("Name", &item.name).put("Value", &item.value);
    let status = match task.task_status.as_str() {
        "Finished" => "Success",
        "Failed" | "Deleted" => "Failed",
        other => other,
    };
    let progress = Object::new()
        .put("OperationStatus", status)
        .put("ErrorCode", &task.error_code)
        .put("ErrorMsg", &task.error_msg)
        .list("RelatedItemSet", "RelatedItem", task.related_items.iter().map(item));
    Object::new()
        .put("TaskId", &task.task_id)
        .put("TaskAction", &task.task_action)
        .put("TaskStatus", &task.task_status)
        .put("TaskProcess", &task.task_process)
        .put("SupportCancel", truth(task.support_cancel))
        .put("CreationTime", to_minute(&task.creation_time))
        .put("FinishedTime", to_minute(&task.finished_time))
        .put("RegionId", &task.region_id)
        .put("TotalCount", task.total_count)
        .put("SuccessCount", task.success_count)
        .put("FailedCount", task.failed_count)
        .list("OperationProgressSet", "OperationProgress", [progress])
}

fn truth(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

/// A time of the service to the minute; what is empty stays empty.
pub(crate) fn to_minute(time: &str) -> String {
    wire::parse_time(time).map(wire::minutes).unwrap_or_default()
}
