//! Make up for a time of a schedule that has passed.

use async_trait::async_trait;
use domain::events_schedule::ScheduleBackfilled;
use domain::schedule::ScheduleId;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a backfill is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillSchedule {
    /// Whose it is.
    pub account: AccountId,
    /// The schedule.
    pub schedule: ScheduleId,
    /// The first millisecond of the time, since 1970 UTC.
    pub first_ms: i64,
    /// The last.
    pub last_ms: i64,
    /// The ticks of it that have not run.
    pub ticks: Vec<i64>,
}

#[async_trait]
impl Workflow for BackfillSchedule {
    type Ports = Ports;
    type Output = ScheduleId;
    const NAME: &'static str = "backfill_schedule";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("make up for {} ticks of the schedule `{}`", self.ticks.len(), self.schedule)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.schedule.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ScheduleId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::backfill_schedule(view, &it.account.clone(), it.wanted())           // ScheduleBackfilled
            }))
            .point_of_no_return("it is one event; what it begins are operations of their own").await?;
        Ok(self.schedule)
    }
}

impl BackfillSchedule {
    /// What is asked of the rule.
    pub fn wanted(self) -> ScheduleBackfilled {
        let Self { schedule, first_ms, last_ms, ticks, .. } = self;
        ScheduleBackfilled { schedule, first_ms, last_ms, ticks }
    }
}
