//! The time of a schedule has come, once or, after a while of nobody being there, several times.
//!
//! All of it is one commit. What it begins is for who keeps the house.

use async_trait::async_trait;
use domain::events_schedule::TicksMissed;
use domain::schedule::ScheduleId;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickSchedule {
    /// Whose it is.
    pub account: AccountId,
    /// The schedule.
    pub schedule: ScheduleId,
    /// The times, milliseconds since 1970 UTC; the first is the schedule's next tick, each other follows.
    pub ticks: Vec<i64>,
    /// What follows them, if so many were missed that they are told as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<TicksMissed>,
    /// When that was found, by the clock.
    pub now_ms: i64,
}

#[async_trait]
impl Workflow for TickSchedule {
    type Ports = Ports;
    type Output = ScheduleId;
    const NAME: &'static str = "tick_schedule";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("let the schedule `{}` tick", self.schedule)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.schedule.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ScheduleId, Halt> {
        for at_ms in &self.ticks {
            let tick = (self.clone(), *at_ms);
            flow.decide(self.scope(), of(&tick, |view, (it, at_ms)| {
                    rules::tick(view, &it.account, &it.schedule, at_ms, it.now_ms)         // TickCame
                }))
                .nothing_to_undo("a time that has come does not go back").await?;
        }
        if let Some(missed) = &self.missed {
            let missed = (self.account.clone(), missed.clone());
            flow.decide(self.scope(), of(&missed, |view, (account, missed)| {
                    rules::miss_ticks(view, &account, &missed)                             // TicksMissed
                }))
                .nothing_to_undo("what was missed stays missed").await?;
        }
        Ok(self.schedule)
    }
}
