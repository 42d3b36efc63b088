//! `ReInitDisk`: a disk of an instance is what it was in the beginning. No disk is an instance's yet.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.on_attached_disk().await
}
