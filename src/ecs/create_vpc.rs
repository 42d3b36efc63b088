//! `CreateVpc`: a private network. It is Available at once, though clients wait for that.

use domain::AccountId;
use domain::group::default_group;
use domain::network::Is;
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_network::{route_table_of, router_of};

/// The addresses of a VPC where nobody says, as the API documents.
const CIDR: &str = "172.16.0.0/12";

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let is = Is::Vpc { cidr: ask.params.string("CidrBlock").unwrap_or_else(|| CIDR.to_owned()) };
    let vpc = ask.create_item(ask.called("VpcName", "Description"), Some(region), is).await?;
    let account = AccountId::from(ask.account());
    let group = ask.params.string("ResourceGroupId").unwrap_or_else(|| default_group(&account).0);
    let group = ask.is_vpc().then_some(group);
    Ok(Object::new()
        .put("VpcId", &vpc)
        .put("VRouterId", router_of(&vpc))
        .put("RouteTableId", route_table_of(&vpc))
        .put_some("ResourceGroupId", group))
}
