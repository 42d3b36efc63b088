//! `UnassociateEipAddress`: a public address is taken from an instance; none has one.

use domain::network::Kind;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let item = ask.item(Kind::Address, "AllocationId").await?;
    let why = format!("The specified address is no instance's: `{}`.", item.item_id);
    Err(ask.refuse("IncorrectEipStatus", why))
}
