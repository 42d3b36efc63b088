//! `DescribeVpcAttribute`: one private network.

use domain::network::Kind;

use crate::ask::{Ask, Outcome};
use crate::shape_network::vpc_attribute;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let item = ask.item(Kind::Vpc, "VpcId").await?;
    ask.read_only(vpc_attribute(&item))
}
