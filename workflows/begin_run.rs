//! Write down which operations a run of a schedule has begun.

use async_trait::async_trait;
use domain::schedule::ScheduleId;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{FlowId, Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginRun {
    /// Whose it is.
    pub account: AccountId,
    /// The schedule.
    pub schedule: ScheduleId,
    /// The run.
    pub run: String,
    /// The operations.
    pub flows: Vec<FlowId>,
}

#[async_trait]
impl Workflow for BeginRun {
    type Ports = Ports;
    type Output = ScheduleId;
    const NAME: &'static str = "begin_run";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("begin the run `{}` of `{}`", self.run, self.schedule)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.schedule.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ScheduleId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::begin_run(view, &it.account, &it.schedule, &it.run, it.flows)       // RunBegan
            }))
            .point_of_no_return("it is so").await?;
        Ok(self.schedule)
    }
}
