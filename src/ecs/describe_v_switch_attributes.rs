//! `DescribeVSwitchAttributes`: one part of a private network.

use domain::network::Kind;
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_network::wide_vswitch;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let item = ask.item(Kind::VSwitch, "VSwitchId").await?;
    let nothing = Vec::<Object>::new();
    ask.read_only(wide_vswitch(&item).list("CloudResources", "CloudResourceSetType", nothing))
}
