//! `DescribeTasks`: imports and exports, in pages.

use service::{Request, TaskQuery, TaskRequest, Tasks};
use wire::{Fault, Object, parse_time};

use crate::ask::{Ask, Outcome};
use crate::shape_task;

/// States that have an effect as a filter, as the API documents; with any other it is as if it were not there.
const FILTERS: [&str; 3] = ["Finished", "Processing", "Failed"];

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let params = &ask.params;
    let time = |name: &str| {
        let Some(text) = params.text(name) else { return Ok(None) };
        let why = || {
            Fault::new(
                400,
                "InvalidParameter",
                format!("The specified {name} is not valid: `{}`.", text.escape_debug()),
            )
        };
        parse_time(text).map(Some).ok_or_else(why)
    };
    let query = TaskQuery {
        region: Some(region.clone()),
        action: params.string("TaskAction"),
        status: params.string("TaskStatus").filter(|status| FILTERS.contains(&status.as_str())),
        ids: params.several("TaskIds")?.unwrap_or_default(),
        images: params.list("ResourceIds"),
        from_ms: time("StartTime")?,
        until_ms: time("EndTime")?,
        page: Some(ask.page()?),
    };
    let mut tasks: Tasks = ask.look(Request::Task(TaskRequest::List(query))).await?;
    if params.text("TaskGroupId").is_some() {
        // It stands above all else, and no task here is of a group.
        tasks = Tasks { tasks: Vec::new(), total_count: 0, ..tasks };
    }
    Ok(Object::new()
        .list("TaskSet", "Task", tasks.tasks.iter().map(shape_task::listed))
        .put("TotalCount", tasks.total_count)
        .put("PageNumber", tasks.page_number)
        .put("PageSize", tasks.page_size)
        .put("RegionId", region.as_str()))
}
