//! Write down how a run of a schedule has ended, and pause the schedule if that was one failure too many.

use async_trait::async_trait;
use domain::schedule::{Ending, ScheduleId};
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndRun {
    /// Whose it is.
    pub account: AccountId,
    /// The schedule.
    pub schedule: ScheduleId,
    /// The run.
    pub run: String,
    /// How.
    pub ending: Ending,
}

#[async_trait]
impl Workflow for EndRun {
    type Ports = Ports;
    type Output = ScheduleId;
    const NAME: &'static str = "end_run";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("end the run `{}` of `{}`", self.run, self.schedule)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.schedule.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ScheduleId, Halt> {
        let ended = flow.decide(self.scope(), of(&self, |view, it| {
                rules::end_run(view, &it.account, &it.schedule, &it.run, it.ending)        // RunEnded
            }))
            .nothing_to_undo("it is so").await?;
        if ended.pauses {
            flow.decide(self.scope(), of(&self, |view, it| {
                    rules::pause_failing(view, &it.account, &it.schedule, &it.ending)      // SchedulePaused
                }))
                .nothing_to_undo("resuming is an operation of its own").await?;
        }
        Ok(self.schedule)
    }
}
