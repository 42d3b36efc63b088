//! `RebootInstances`: instances are started anew, of which there are none before there is a compute driver.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.on_instances().await
}
