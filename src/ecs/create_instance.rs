//! `CreateInstance`: an instance of an image is made; everything about it is checked before it is said that nothing
//! runs it.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.launch("IncorrectImageStatus").await
}
