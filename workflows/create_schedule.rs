//! Create a schedule.

use async_trait::async_trait;
use domain::events_schedule::ScheduleCreated;
use domain::schedule::{Overlap, Plan, Planned, ScheduleId};
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::Scope;
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the creation of a schedule is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateSchedule {
    /// Whose it is.
    pub account: AccountId,
    /// The key it is asked for with; empty for a person at the machine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Its name.
    pub name: String,
    /// When it ticks.
    pub plan: Plan,
    /// What it starts.
    pub planned: Planned,
    /// What a tick is made of that comes while a run goes on.
    pub overlap: Overlap,
    /// How late a tick may come, milliseconds.
    pub catch_up_ms: i64,
    /// Failures in a row after which it is paused; never for 0.
    pub failures_max: u32,
    /// When it is asked for by the clock: its first tick comes after that.
    pub now_ms: i64,
}

#[async_trait]
impl Workflow for CreateSchedule {
    type Ports = Ports;
    type Output = ScheduleId;
    const NAME: &'static str = "create_schedule";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("create the schedule `{}`", self.name)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ScheduleId, Halt> {
        let schedule = ScheduleId(format!("sch-{}", flow.new_id()));
        let creation = (self, schedule);
        flow.decide(creation.0.scope(), of(&creation, |view, (it, schedule)| {
                let now_ms = it.now_ms;
                rules::create_schedule(view, it.creation(&schedule), now_ms)               // ScheduleCreated
            }))
            .point_of_no_return("it is one event; a schedule that is not wanted is deleted").await?;
        Ok(creation.1)
    }
}

impl CreateSchedule {
    /// What will be there.
    pub fn creation(self, schedule: &ScheduleId) -> ScheduleCreated {
        let Self { account, key, name, plan, planned, overlap, catch_up_ms, failures_max, .. } = self;
        let (schedule, next) = (schedule.clone(), None);
        ScheduleCreated {
            schedule,
            account,
            key,
            name,
            plan,
            planned,
            overlap,
            catch_up_ms,
            failures_max,
            next,
        }
    }
}
