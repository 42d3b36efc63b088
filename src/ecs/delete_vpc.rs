//! `DeleteVpc`: a private network goes, if nothing is in it any more.

use domain::network::Kind;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.delete_item(Kind::Vpc, "VpcId").await
}
