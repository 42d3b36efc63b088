//! `RunInstances`: instances of an image are started; everything about them is checked before it is said that
//! nothing runs them.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.launch("OperationDenied.ImageNotValid").await
}
