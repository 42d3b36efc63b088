//! `StopInvocation`: a command that runs is stopped, of which there are none before there is a compute driver.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.region().await?;
    let named = ask.params.need("InvokeId")?;
    let why = format!("The specified InvokeId does not exist: `{}`.", named.escape_debug());
    Err(ask.refuse("InvalidInvokeId.NotFound", why))
}
