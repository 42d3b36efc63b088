//! Delete a schedule. What it began goes on.

use async_trait::async_trait;
use domain::schedule::ScheduleId;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the deletion of a schedule is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteSchedule {
    /// Whose it is.
    pub account: AccountId,
    /// The schedule.
    pub schedule: ScheduleId,
}

#[async_trait]
impl Workflow for DeleteSchedule {
    type Ports = Ports;
    type Output = ScheduleId;
    const NAME: &'static str = "delete_schedule";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("delete the schedule `{}`", self.schedule)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.schedule.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ScheduleId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::delete_schedule(view, &it.account, &it.schedule)                    // ScheduleDeleted
            }))
            .point_of_no_return("it is one event; the log keeps what was").await?;
        Ok(self.schedule)
    }
}
