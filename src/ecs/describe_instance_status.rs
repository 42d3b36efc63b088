//! `DescribeInstanceStatus`: how instances are, of which there are none before there is a compute driver.

use wire::Object;

use crate::ask::{Ask, Outcome};

/// Entries of a page at most, as the API documents.
const PAGE_MAX: u32 = 50;

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.region().await?;
    let page = ask.checked_page(PAGE_MAX)?;
    Ok(Object::new()
        .list("InstanceStatuses", "InstanceStatus", Vec::<Object>::new())
        .put("TotalCount", 0)
        .put("PageNumber", page.number)
        .put("PageSize", page.size))
}
