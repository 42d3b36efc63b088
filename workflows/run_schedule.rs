//! Run what a schedule starts, now.

use async_trait::async_trait;
use domain::schedule::{ScheduleId, hand_name};
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a run is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSchedule {
    /// Whose it is.
    pub account: AccountId,
    /// The schedule.
    pub schedule: ScheduleId,
    /// When, by the clock: the time it stands for.
    pub now_ms: i64,
}

#[async_trait]
impl Workflow for RunSchedule {
    type Ports = Ports;
    type Output = String;
    const NAME: &'static str = "run_schedule";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("run the schedule `{}` now", self.schedule)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.schedule.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<String, Halt> {
        let run = hand_name(&flow.new_id());
        let asked = (self, run);
        flow.decide(asked.0.scope(), of(&asked, |view, (it, run)| {
                rules::run_schedule(view, &it.account, &it.schedule, run, it.now_ms)       // RunAsked
            }))
            .point_of_no_return("it is one event; what it begins is an operation of its own").await?;
        Ok(asked.1)
    }
}
