//! `ModifySecurityGroupAttribute`: another name or description of a security group.

use domain::network::Kind;
use service::{NetworkRequest, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let item = ask.item(Kind::SecurityGroup, "SecurityGroupId").await?.item_id;
    let (name, description) = (ask.params.string("SecurityGroupName"), ask.params.string("Description"));
    let modify = NetworkRequest::Modify { item, name, description, isolated: None };
    ask.finish(Request::Network(modify)).await?;
    Ok(Object::new())
}
