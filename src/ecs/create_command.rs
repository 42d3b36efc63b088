//! `CreateCommand`: a command is kept; there is nobody to run it before there is a compute driver.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.region().await?;
    ask.params.need("Name")?;
    ask.check_command()?;
    Err(ask.no_stock())
}
