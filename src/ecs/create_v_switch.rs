//! `CreateVSwitch`: a part of a private network in a zone.

use domain::network::{Is, ItemId};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region_if_named().await?;
    let (params, word) = (&ask.params, |name: &str| ask.params.need(name).map(str::to_owned));
    let is = Is::VSwitch {
        vpc: ItemId::from(params.need("VpcId")?),
        zone: word("ZoneId")?,
        cidr: word("CidrBlock")?,
    };
    let vswitch = ask.create_item(ask.called("VSwitchName", "Description"), region, is).await?;
    Ok(Object::new().put("VSwitchId", vswitch))
}
