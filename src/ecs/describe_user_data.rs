//! `DescribeUserData`: what an instance is given when it starts; there are none before there is a compute driver.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.region().await?;
    ask.on_instance()
}
