//! What is to be done for a retention policy or a distribution list by now: a pure question to the rows of all regions
//! it is about, to which of those are there, and to the time.

use std::collections::BTreeMap;

use event::{FlowId, Rows, View};

use crate::image::{REGIONS, house, scope};
use crate::retention::{Fate, Member, judge, members};
use crate::upkeep::{At, Goal, Retention, TASKS_MAX, Tasks, UPKEEP_LANES, Upkeep, UpkeepId};
use crate::{AccountId, RegionId, distribution};

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// Its id.
    pub id: &'a UpkeepId,
    /// Whose it is.
    pub account: &'a AccountId,
    /// The family.
    pub family: &'a str,
    /// Where that is.
    pub region: Option<&'a RegionId>,
    /// What it is for.
    pub goal: &'a Goal,
    /// Operations that a person has given up: what they were at is nobody's any more.
    pub over: &'a [FlowId],
}

impl<'a> Of<'a> {
    /// An upkeep, and operations of it that were given up.
    pub fn upkeep(upkeep: &'a Upkeep, over: &'a [FlowId]) -> Self {
        let Upkeep { id, account, family, region, goal, .. } = upkeep;
        Self { id, account, family, region: region.as_ref(), goal, over }
    }

    /// The operation that is at work for a list in a region.
    pub(crate) fn lane(&self, rows: &dyn Rows, region: &RegionId) -> Option<FlowId> {
        let key = [self.account.as_str(), self.id.as_str(), region.as_str()];
        UPKEEP_LANES.get(rows, &house(), &key).filter(|flow| !self.over.contains(flow))
    }
}

/// The regions of which it has to be known whether they are there: those that something is copied from or to.
pub fn regions(home: Option<&RegionId>, goal: &Goal) -> Vec<RegionId> {
    match goal {
        Goal::Retention(_) => Vec::new(),
        Goal::Distribution(list) => home.into_iter().chain(&list.to).cloned().collect(),
    }
}

/// An image and what becomes of it, region by region, in each the newest first.
pub fn fates(rows: &dyn Rows, of: &Of<'_>, retention: &Retention, now_ms: i64) -> Vec<(Member, Fate)> {
    let regions = match of.region {
        Some(region) => vec![region.clone()],
        None => REGIONS.list(rows, &house(), &[]).into_iter().map(|region| region.id).collect(),
    };
    let mut found = Vec::new();
    for region in regions {
        let scope = scope(of.account, &region);
        let members = members(&View::new(rows, &scope, now_ms), of.family);
        let fates = judge(retention, &members, now_ms);
        found.extend(members.into_iter().zip(fates));
    }
    found
}

/// What is to be done.
pub fn tasks(rows: &dyn Rows, of: &Of<'_>, away: &BTreeMap<RegionId, String>, now_ms: i64) -> Tasks {
    let retention = match of.goal {
        Goal::Retention(retention) => retention,
        Goal::Distribution(list) => return distribution::tasks(rows, of, list, away, now_ms),
    };
    let mut tasks = Tasks::default();
    for (member, fate) in fates(rows, of, retention, now_ms) {
        let at = At { region: member.image.region, image: member.image.id };
        match fate {
            Fate::Deprecate(_) => tasks.deprecate.push(at),
            Fate::Delete(_) => tasks.delete.push(at),
            Fate::Stays(_) | Fate::Waits(..) => {}
        }
    }
    tasks.deprecate.truncate(TASKS_MAX);
    tasks.delete.truncate(TASKS_MAX);
    tasks
}
