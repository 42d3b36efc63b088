//! Resume a schedule that is paused.

use async_trait::async_trait;
use domain::schedule::ScheduleId;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the end of a pause is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeSchedule {
    /// Whose it is.
    pub account: AccountId,
    /// The schedule.
    pub schedule: ScheduleId,
    /// When, by the clock: it ticks for what comes after that.
    pub now_ms: i64,
}

#[async_trait]
impl Workflow for ResumeSchedule {
    type Ports = Ports;
    type Output = ScheduleId;
    const NAME: &'static str = "resume_schedule";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("resume the schedule `{}`", self.schedule)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.schedule.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ScheduleId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::resume_schedule(view, &it.account, &it.schedule, it.now_ms)         // ScheduleResumed
            }))
            .point_of_no_return("it is one event; pausing is an operation of its own").await?;
        Ok(self.schedule)
    }
}
