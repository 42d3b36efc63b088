//! `DescribeEipAddresses`: public addresses in pages.

use domain::network::Kind;
use service::ItemQuery;
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::network::PAGE_MAX;
use crate::shape_network::address;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let page = ask.checked_page(if ask.is_vpc() { 100 } else { PAGE_MAX })?;
    let params = &ask.params;
    let query = ask.item_query(Kind::Address, Some(region), "AllocationId", page)?;
    // None is any instance's, and all of them may be used.
    let none =
        ["AssociatedInstanceId", "AssociatedInstanceType"].iter().any(|name| params.text(name).is_some())
            || params.text("Status").is_some_and(|status| status != "Available");
    let query = ItemQuery {
        ids: if none { Some(vec![String::new()]) } else { query.ids },
        names: params.string("EipName").map(|name| vec![name]),
        mark: params.string("EipAddress"),
        ..query
    };
    let found = ask.items(query).await?;
    let is_wide = ask.is_vpc();
    ask.read_only(
        Object::new()
            .list("EipAddresses", "EipAddress", found.items.iter().map(|item| address(item, is_wide)))
            .put("TotalCount", found.total_count)
            .put("PageNumber", page.number)
            .put("PageSize", page.size),
    )
}
