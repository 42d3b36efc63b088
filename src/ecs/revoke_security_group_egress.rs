//! `RevokeSecurityGroupEgress`: rules for what goes out are taken off.

use domain::network::Direction;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.change_rules(Direction::Egress, false).await
}
