//! `ModifySecurityGroupPolicy`: whether machines in a security group may speak with each other.

use domain::network::Kind;
use service::{NetworkRequest, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let item = ask.item(Kind::SecurityGroup, "SecurityGroupId").await?.item_id;
    let said = ask.params.need("InnerAccessPolicy")?;
    let isolated = match () {
        () if said.eq_ignore_ascii_case("accept") => false,
        () if said.eq_ignore_ascii_case("drop") => true,
        () => {
            let why = format!("The specified InnerAccessPolicy is not valid: `{}`.", said.escape_debug());
            return Err(ask.refuse("InvalidPolicy.Malformed", why));
        }
    };
    let modify = NetworkRequest::Modify { item, name: None, description: None, isolated: Some(isolated) };
    ask.finish(Request::Network(modify)).await?;
    Ok(Object::new())
}
