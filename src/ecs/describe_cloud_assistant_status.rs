//! `DescribeCloudAssistantStatus`: the agents of the Cloud Assistant on instances, of which there are none before
//! there is a compute driver.

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.nothing("InstanceCloudAssistantStatusSet", "InstanceCloudAssistantStatus").await
}
