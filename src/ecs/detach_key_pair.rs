//! `DetachKeyPair`: a key pair is taken off instances, of which there are none before there is a compute driver.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.key_pair_of_instances().await
}
