//! `AssociateEipAddress`: a public address is given to an instance, of which there are none before there is a
//! compute driver.

use domain::network::Kind;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.item(Kind::Address, "AllocationId").await?;
    Err(ask.no_instance(ask.params.need("InstanceId")?))
}
