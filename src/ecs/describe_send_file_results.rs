//! `DescribeSendFileResults`: files that were sent to instances, of which there are none before there is a compute
//! driver.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.nothing("Invocations", "Invocation").await
}
