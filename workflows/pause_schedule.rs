//! Pause a schedule.

use async_trait::async_trait;
use domain::schedule::ScheduleId;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the pause of a schedule is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseSchedule {
    /// Whose it is.
    pub account: AccountId,
    /// The schedule.
    pub schedule: ScheduleId,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

#[async_trait]
impl Workflow for PauseSchedule {
    type Ports = Ports;
    type Output = ScheduleId;
    const NAME: &'static str = "pause_schedule";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("pause the schedule `{}`", self.schedule)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.schedule.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ScheduleId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::pause_schedule(view, &it.account, &it.schedule, it.why)             // SchedulePaused
            }))
            .point_of_no_return("it is one event; resuming is an operation of its own").await?;
        Ok(self.schedule)
    }
}
