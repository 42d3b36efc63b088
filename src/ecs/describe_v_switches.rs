//! `DescribeVSwitches`: parts of private networks in pages.

use domain::network::Kind;
use service::ItemQuery;
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::network::PAGE_MAX;
use crate::shape_network::{vswitch, wide_vswitch};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region_if_named().await?;
    let page = ask.checked_page(PAGE_MAX)?;
    let params = &ask.params;
    let query = ask.item_query(Kind::VSwitch, region, "VSwitchId", page)?;
    let none = params.flag("IsDefault")?.unwrap_or(false);
    let query = ItemQuery {
        ids: if none { Some(vec![String::new()]) } else { query.ids },
        names: params.string("VSwitchName").map(|name| vec![name]),
        vpc: params.string("VpcId"),
        zone: params.string("ZoneId"),
        ..query
    };
    let found = ask.items(query).await?;
    let shape = if ask.is_vpc() { wide_vswitch } else { vswitch };
    ask.read_only(
        Object::new()
            .list("VSwitches", "VSwitch", found.items.iter().map(shape))
            .put("TotalCount", found.total_count)
            .put("PageNumber", page.number)
            .put("PageSize", page.size),
    )
}
