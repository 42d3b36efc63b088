//! `ListResourceGroups` of the resource manager: that which everything is in, and those that were made.

use service::GroupQuery;
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::groups::group;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let page = ask.checked_page(100)?;
    let params = &ask.params;
    let query =
        GroupQuery { id: params.string("ResourceGroupId"), name: params.string("Name"), page: Some(page) };
    let found = ask.groups(query).await?;
    Ok(Object::new()
        .list("ResourceGroups", "ResourceGroup", found.groups.iter().map(group))
        .put("TotalCount", found.total_count)
        .put("PageNumber", page.number)
        .put("PageSize", page.size))
}
