//! `RunCommand`: a command is run on instances, of which there are none before there is a compute driver.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.region().await?;
    ask.check_command()?;
    ask.on_targets()
}
