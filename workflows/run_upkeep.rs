//! Run a retention policy or a distribution list: find out what is to be done for it by now, and have it done.
//!
//! ```text
//!  begun ─▶ planned ─┬─▶ deprecate, deprecate …  each an operation of its own, asked of the policy once more
//!                    ├─▶ delete, delete …
//!                    └─▶ a region, a region …    left to themselves: one that goes away holds up no other
//!                                                          └─▶ ended, with what was done and what was not
//! ```
//!
//! What was refused or failed is not tried again here: it is missing still when the next run looks.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::events_upkeep::{UpkeepBegun, UpkeepPlanned};
use domain::image::{REGIONS, house};
use domain::upkeep::{
    At as Place, Doing, Goal, Keeping, NotDone, REFUSED_MAX, Report, Retention, Tasks, UpkeepId,
};
use domain::{AccountId, ImageId, RegionId, due, image, rules};
use engine::{Ends, Halt, ParentEnd, Workflow};
use event::{Failure, FlowId, Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{At, DeleteImage, DeprecateImage, DistributeImages, Flow, Ports, of, on};

/// Images deprecated or deleted at once: each is one event, and many share a commit.
const AT_ONCE: usize = 16;

/// What a run is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunUpkeep {
    /// Whose it is.
    pub account: AccountId,
    /// Which.
    pub upkeep: UpkeepId,
    /// Its name, for people.
    pub name: String,
    /// When it was asked for by the clock, milliseconds since 1970 UTC: what is old is old by then.
    pub now_ms: i64,
    /// Operations for it that a person has given up, and that therefore never say that they have ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<FlowId>,
}

#[async_trait]
impl Workflow for RunUpkeep {
    type Ports = Ports;
    type Output = Report;
    const NAME: &'static str = "run_upkeep";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("run `{}`", self.name)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.upkeep.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<Report, Halt> {
        let begun = flow.decide(house(), of(&self, |view, it| {
                rules::begin_upkeep(view, &it.account, &it.upkeep, &it.over)                     // UpkeepBegun
            }))
            .point_of_no_return("what is done for it is done; it stops by itself").await?;
        let tasks = flow.step(on(&(begun.clone(), self.clone()), plan))                   // UpkeepPlanned
            .nothing_to_undo("looking changes nothing").await?.tasks;

        let mut report = Report { away: tasks.away.clone(), ..Report::default() };
        if let Goal::Retention(retention) = begun.goal.clone() {
            let by = self.keeping(begun, retention);
            let ends = flow.each(deprecations(&self.account, &tasks.deprecate, &by), AT_ONCE)
                .nothing_to_undo("what is deprecated is restored by hand").await?;
            report.deprecated = told(&mut report.refused, Doing::Deprecate, &tasks.deprecate, ends);
            let ends = flow.each(deletions(&self.account, &tasks.delete, &by), AT_ONCE)
                .nothing_to_undo("what is deleted is not brought back").await?;
            report.deleted = told(&mut report.refused, Doing::Delete, &tasks.delete, ends);
        } else if let Goal::Distribution(list) = begun.goal.clone() {
            for lane in tasks.lanes {
                let region = lane.to.region.clone();
                let by = flow.begin(DistributeImages::of(&begun, &list, lane, &self.over), ParentEnd::Leave).await?;
                report.begun.push((region, by));
            }
        }
        let ended = (self, report);
        flow.decide(house(), of(&ended, |view, (it, report)| {
                rules::end_upkeep(view, &it.account, &it.upkeep, report)                   // UpkeepEnded
            }))
            .nothing_to_undo("it is past the point of no return").await?;
        Ok(ended.1)
    }
}

impl RunUpkeep {
    fn keeping(&self, begun: UpkeepBegun, retention: Retention) -> Keeping {
        let UpkeepBegun { upkeep, name, family, .. } = begun;
        Keeping { upkeep, name, family, retention, now_ms: self.now_ms }
    }
}

/// Works out what is to be done, by the rows as they are and by which regions are there.
async fn plan(at: At, (begun, asked): (UpkeepBegun, RunUpkeep)) -> Result<UpkeepPlanned, Failure> {
    let UpkeepBegun { upkeep, account, family, region, goal, .. } = begun;
    let regions = due::regions(region.as_ref(), &goal);
    let stores: Vec<_> = {
        let rows = at.rows()?;
        regions.iter().filter_map(|region| REGIONS.get(&*rows, &house(), &[region.as_str()])).collect()
    };
    let mut away: BTreeMap<RegionId, String> = BTreeMap::new();
    for found in stores {
        if let Err(failure) = at.ports().data.reach(&found.id, &found.store).await {
            away.insert(found.id, failure.to_string());
        }
    }
    let (region, over) = (region.as_ref(), asked.over.as_slice());
    let of = due::Of { id: &upkeep, account: &account, family: &family, region, goal: &goal, over };
    let tasks: Tasks = due::tasks(&*at.rows()?, &of, &away, asked.now_ms);
    Ok(UpkeepPlanned { upkeep, tasks })
}

fn key(at: &Place) -> String {
    format!("{}/{}", at.region, at.image)
}

fn deprecations(account: &AccountId, all: &[Place], by: &Keeping) -> Vec<(String, DeprecateImage)> {
    let one = |at: &Place| {
        let (account, by) = (account.clone(), Some(by.clone()));
        (key(at), DeprecateImage { account, region: at.region.clone(), image: at.image.clone(), by })
    };
    all.iter().map(one).collect()
}

fn deletions(account: &AccountId, all: &[Place], by: &Keeping) -> Vec<(String, DeleteImage)> {
    let one = |at: &Place| {
        let (account, region, image) = (account.clone(), at.region.clone(), at.image.clone());
        let by = Some(by.clone());
        (key(at), DeleteImage { account, region, image, force: false, keep_snapshots: false, by })
    };
    all.iter().map(one).collect()
}

/// What was done of what was to be, and why the rest was not.
pub(crate) fn told(
    refused: &mut Vec<NotDone>,
    what: Doing,
    all: &[Place],
    mut ends: Ends<ImageId>,
) -> Vec<Place> {
    let mut done = Vec::new();
    for at in all {
        match ends.remove(&key(at)) {
            Some(Ok(_)) => done.push(at.clone()),
            Some(Err(why)) if refused.len() < REFUSED_MAX => {
                refused.push(NotDone { at: at.clone(), what, why });
            }
            _ => {}
        }
    }
    done
}
