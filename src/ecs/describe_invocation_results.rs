//! `DescribeInvocationResults`: what commands said, of which none ran before there is a compute driver. The page is
//! told inside.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.nothing_inside("Invocation", "InvocationResults", "InvocationResult").await
}
