//! `DescribeRouteTableList`: the tables of routes. Each private network has the one it is born with, and no other.

use domain::network::Kind;
use service::{ItemQuery, ItemView};
use wire::{Object, Value};

use crate::ask::{Ask, Outcome};
use crate::network::PAGE_MAX;
use crate::shape_network::{route_table_of, router_of};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let page = ask.checked_page(PAGE_MAX)?;
    let params = &ask.params;
    // A table and a router are called as their network is.
    let by_table = params.text("RouteTableId").map(|id| id.replacen("vtb-", "vpc-", 1));
    let by_router = params.text("RouterId").map(|id| id.replacen("vrt-", "vpc-", 1));
    let vpc = by_table.or(by_router).or(params.string("VpcId"));
    let query = ItemQuery {
        region: Some(region),
        ids: vpc.map(|vpc| vec![vpc]),
        page: Some(page),
        ..ItemQuery::of(Kind::Vpc)
    };
    let found = ask.items(query).await?;
    let table = |vpc: &ItemView| {
        let vswitches = vpc.vswitch_ids.iter().map(Value::from).collect();
        Object::new()
            .put("RouteTableId", route_table_of(&vpc.item_id))
            .put("RouteTableName", "")
            .put("RouteTableType", "System")
            .put("RouterId", router_of(&vpc.item_id))
            .put("RouterType", "VRouter")
            .put("VpcId", &vpc.item_id)
            .put("Status", "Available")
            .put("Description", "")
            .put("AssociateType", "VSwitch")
            .put("ResourceGroupId", &vpc.group_id)
            .put("CreationTime", &vpc.creation_time)
            .put("VSwitchIds", Object::new().put("VSwitchId", Value::List(vswitches)))
    };
    ask.read_only(
        Object::new()
            .list("RouterTableList", "RouterTableListType", found.items.iter().map(table))
            .put("TotalCount", found.total_count)
            .put("PageNumber", page.number)
            .put("PageSize", page.size)
            .put("Code", "200")
            .put("Message", "successful")
            .put("Success", true),
    )
}
