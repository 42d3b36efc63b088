//! `DeleteSecurityGroup`: a security group goes, unless a rule of another one names it.

use domain::network::Kind;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.delete_item(Kind::SecurityGroup, "SecurityGroupId").await
}
