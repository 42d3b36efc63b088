//! `AuthorizeSecurityGroup`: rules for what comes in are added.

use domain::network::Direction;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.change_rules(Direction::Ingress, true).await
}
