//! `CreateSecurityGroup`: who may speak with machines that are in it. Without rules nobody may from outside.

use domain::network::{Is, ItemId};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let enterprise = match ask.params.text("SecurityGroupType") {
        None | Some("normal") => false,
        Some("enterprise") => true,
        Some(other) => {
            let why = format!("The specified SecurityGroupType is not valid: `{}`.", other.escape_debug());
            return Err(ask.refuse("InvalidSecurityGroupType.ValueNotSupported", why));
        }
    };
    let vpc = ask.params.text("VpcId").map(ItemId::from);
    let is = Is::SecurityGroup { vpc, enterprise, isolated: enterprise, rules: Vec::new() };
    let group = ask.create_item(ask.called("SecurityGroupName", "Description"), Some(region), is).await?;
    Ok(Object::new().put("SecurityGroupId", group))
}
