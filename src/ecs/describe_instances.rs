//! `DescribeInstances`: instances in pages, of which there are none before there is a compute driver.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.params.several("InstanceIds")?;
    ask.nothing("Instances", "Instance").await
}
