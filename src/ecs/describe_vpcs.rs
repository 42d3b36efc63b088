//! `DescribeVpcs`: private networks in pages.

use domain::network::Kind;
use service::ItemQuery;
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::network::PAGE_MAX;
use crate::shape_network::{vpc, wide_vpc};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let page = ask.checked_page(PAGE_MAX)?;
    let query = ask.item_query(Kind::Vpc, Some(region), "VpcId", page)?;
    let names = ask.params.string("VpcName").map(|name| vec![name]);
    // None is the one that comes with an account.
    let none = ask.params.flag("IsDefault")?.unwrap_or(false);
    let ids = if none { Some(vec![String::new()]) } else { query.ids.clone() };
    let found = ask.items(ItemQuery { names, ids, ..query }).await?;
    let shape = if ask.is_vpc() { wide_vpc } else { vpc };
    ask.read_only(
        Object::new()
            .list("Vpcs", "Vpc", found.items.iter().map(shape))
            .put("TotalCount", found.total_count)
            .put("PageNumber", page.number)
            .put("PageSize", page.size),
    )
}
