//! `DeleteCommand`: a command goes, of which there are none before there is a compute driver.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.region().await?;
    let named = ask.params.need("CommandId")?;
    let why = format!("The specified CommandId does not exist: `{}`.", named.escape_debug());
    Err(ask.refuse("InvalidCmdId.NotFound", why))
}
