//! `DeleteVSwitch`: a part of a private network goes.

use domain::network::Kind;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.delete_item(Kind::VSwitch, "VSwitchId").await
}
