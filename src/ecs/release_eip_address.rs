//! `ReleaseEipAddress`: a public address is given back.

use domain::network::Kind;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.delete_item(Kind::Address, "AllocationId").await
}
