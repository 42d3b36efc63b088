//! `RevokeSecurityGroup`: rules for what comes in are taken off.

use domain::network::Direction;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.change_rules(Direction::Ingress, false).await
}
