//! Views of retention policies and distribution lists, of what they would do, and of what they did.

use domain::distribution::{Copy, Spot};
use domain::retention::{Fate, Member};
use domain::upkeep::{Distribution, Goal, NotDone, Ran, Report, Retention, Upkeep};
use event::FlowId;
use serde::{Deserialize, Serialize};

use crate::view::{time_text, views};

views! {
    /// A retention policy or a distribution list.
    UpkeepView {
        /// Its id.
        upkeep_id: String,
        /// Its name.
        upkeep_name: String,
        /// `retention` or `distribution`.
        kind: String,
        /// Whose it is.
        account_id: String,
        /// The family.
        image_family: String,
        /// Where that is; empty for every region.
        region_id: String,
        /// What a retention policy says; nothing of a distribution list.
        retention: Option<RetentionView>,
        /// What a distribution list says; nothing of a retention policy.
        distribution: Option<DistributionView>,
        /// The run that goes on.
        running: Option<FlowId>,
        /// Regions where copying and sharing goes on.
        underway: Vec<RegionRun>,
        /// What the last run came to.
        last: Option<RunReport>,
        /// What the last work in each region came to.
        regions: Vec<RegionReport>,
        /// When it was created.
        creation_time: String,
    }
    /// Several of them.
    Upkeeps {
        /// By name.
        upkeeps: Vec<UpkeepView>,
    }
    /// What a retention policy says.
    RetentionView {
        /// The newest so many stay.
        keep: Option<u32>,
        /// Those that are younger stay, seconds.
        younger_than_seconds: Option<i64>,
        /// How long one is deprecated before it is deleted, seconds.
        grace_seconds: i64,
        /// Whether those that something stands on go as well.
        in_use: bool,
        /// Whether those that are shared go as well.
        shared: bool,
    }
    /// What a distribution list says.
    DistributionView {
        /// How many of the newest images.
        newest: u32,
        /// The regions they are copied to.
        to_regions: Vec<String>,
        /// The accounts they are shared with.
        share_with: Vec<String>,
    }
    /// An operation at work in a region.
    RegionRun {
        /// The region.
        region_id: String,
        /// The operation.
        workflow_id: FlowId,
        /// `Running`, or `Parked` when it waits for a person.
        state: String,
    }
    /// What the last work in a region came to.
    RegionReport {
        /// The region.
        region_id: String,
        /// What it came to.
        report: RunReport,
    }
    /// What a run came to.
    RunReport {
        /// The operation.
        workflow_id: FlowId,
        /// When it had ended.
        end_time: String,
        /// Images that were deprecated.
        deprecated: Vec<String>,
        /// Images that were deleted.
        deleted: Vec<String>,
        /// Copies that were made.
        copied: Vec<String>,
        /// Images that were shared.
        shared: Vec<String>,
        /// Operations that were begun, by region.
        begun: Vec<RegionRun>,
        /// What was refused or failed.
        refused: Vec<RefusedView>,
        /// Regions that were not there, and what was said of them.
        away: Vec<AwayView>,
    }
    /// Something that was to be done and was not.
    RefusedView {
        /// The image.
        image_id: String,
        /// Where it is, or was to be.
        region_id: String,
        /// What: `Deprecate`, `Delete`, `Copy` or `Share`.
        does: String,
        /// The code of why not.
        error_code: String,
        /// Why not.
        error_message: String,
    }
    /// A region that was not there.
    AwayView {
        /// The region.
        region_id: String,
        /// What its store says.
        because: String,
    }
    /// What a retention policy or a distribution list would do now.
    UpkeepPlanView {
        /// Its name.
        upkeep_name: String,
        /// `retention` or `distribution`.
        kind: String,
        /// The family.
        image_family: String,
        /// By which time.
        time: String,
        /// Image by image, the newest first, region by region.
        images: Vec<PlanRow>,
    }
    /// What becomes of an image.
    PlanRow {
        /// The image; of a distribution list the one in its home.
        image_id: String,
        /// Its name.
        image_name: String,
        /// The region.
        region_id: String,
        /// Where it stands.
        status: String,
        /// `Stays`, `Deprecate`, `Waits` or `Delete`; of a list `There`, `Share`, `Copy`, `Underway`, `Waits` or
        /// `Left`.
        does: String,
        /// When it is deleted, if that is known; empty if it is not.
        delete_time: String,
        /// The copy, of a list, if there is one.
        copy_id: String,
        /// Accounts it is still to be shared with.
        share_with: Vec<String>,
        /// Why.
        because: String,
    }
}

impl From<&Retention> for RetentionView {
    fn from(retention: &Retention) -> Self {
        Self {
            keep: retention.keep,
            younger_than_seconds: retention.younger_ms.map(|ms| ms / 1000),
            grace_seconds: retention.grace_ms / 1000,
            in_use: retention.in_use,
            shared: retention.shared,
        }
    }
}

impl From<&Distribution> for DistributionView {
    fn from(list: &Distribution) -> Self {
        Self {
            newest: list.newest,
            to_regions: list.to.iter().map(|region| region.0.clone()).collect(),
            share_with: list.share_with.iter().map(|account| account.0.clone()).collect(),
        }
    }
}

impl UpkeepView {
    pub(crate) fn of(upkeep: Upkeep, underway: Vec<RegionRun>) -> Self {
        let kind = upkeep.goal.kind().word().to_owned();
        let (retention, distribution) = match &upkeep.goal {
            Goal::Retention(retention) => (Some(retention.into()), None),
            Goal::Distribution(list) => (None, Some(list.into())),
        };
        let regions = upkeep.regions.iter();
        Self {
            upkeep_id: upkeep.id.0,
            upkeep_name: upkeep.name,
            kind,
            account_id: upkeep.account.0,
            image_family: upkeep.family,
            region_id: upkeep.region.map(|region| region.0).unwrap_or_default(),
            retention,
            distribution,
            running: upkeep.running,
            underway,
            last: upkeep.last.as_ref().map(RunReport::of),
            regions: regions
                .map(|(region, ran)| RegionReport { region_id: region.0.clone(), report: RunReport::of(ran) })
                .collect(),
            creation_time: time_text(upkeep.created_ms),
        }
    }
}

impl RunReport {
    fn of(ran: &Ran) -> Self {
        let Report { deprecated, deleted, copied, shared, begun, refused, away } = &ran.report;
        let ids = |all: &[domain::upkeep::At]| all.iter().map(|at| at.image.0.clone()).collect();
        Self {
            workflow_id: ran.flow,
            end_time: time_text(ran.ended_ms),
            deprecated: ids(deprecated),
            deleted: ids(deleted),
            copied: ids(copied),
            shared: ids(shared),
            begun: begun
                .iter()
                .map(|(region, flow)| RegionRun::of(&region.0, *flow, String::new()))
                .collect(),
            refused: refused.iter().map(RefusedView::of).collect(),
            away: away
                .iter()
                .map(|away| AwayView { region_id: away.region.0.clone(), because: away.why.clone() })
                .collect(),
        }
    }
}

impl RegionRun {
    pub(crate) fn of(region: &str, workflow_id: FlowId, state: String) -> Self {
        Self { region_id: region.to_owned(), workflow_id, state }
    }
}

impl RefusedView {
    fn of(not: &NotDone) -> Self {
        Self {
            image_id: not.at.image.0.clone(),
            region_id: not.at.region.0.clone(),
            does: not.what.word().to_owned(),
            error_code: not.why.code.clone(),
            error_message: not.why.message.clone(),
        }
    }
}

impl PlanRow {
    pub(crate) fn of_fate((member, fate): (Member, Fate), grace_seconds: i64) -> Self {
        let (does, at_ms, because) = match fate {
            Fate::Stays(stays) => ("Stays", None, stays.to_string()),
            Fate::Deprecate(past) => ("Deprecate", None, format!("{past}; deleted {}", later(grace_seconds))),
            Fate::Waits(until_ms, past) => ("Waits", Some(until_ms), past.to_string()),
            Fate::Delete(past) => ("Delete", None, format!("{past}, and its grace time is over")),
        };
        Self {
            image_id: member.image.id.0,
            image_name: member.image.name,
            region_id: member.image.region.0,
            status: member.image.status.word().to_owned(),
            does: does.to_owned(),
            delete_time: at_ms.map(time_text).unwrap_or_default(),
            copy_id: String::new(),
            share_with: Vec::new(),
            because,
        }
    }

    pub(crate) fn of_spot(spot: Spot) -> Self {
        let Spot { image, region, copy, shared, missing } = spot;
        let lacks_shares = !missing.is_empty();
        let there = if lacks_shares { "Share" } else { "There" };
        let told = |what: &str| match (shared.len(), missing.len()) {
            (0, 0) => what.to_owned(),
            (has, 0) => format!("{what}, and shared with {has}"),
            (0, lacks) => format!("{what}, and to be shared with {lacks}"),
            (has, lacks) => format!("{what}, shared with {has} and to be shared with {lacks} more"),
        };
        let (does, copy_id, because) = match copy {
            Copy::Home => (there, None, told("it is its home")),
            Copy::There(id) => (there, Some(id), told("a copy is there")),
            Copy::Deprecated(id) => ("Left", Some(id), "its copy was deprecated there".to_owned()),
            Copy::Underway(id) => ("Underway", id, "a copy is being made".to_owned()),
            Copy::Missing => ("Copy", None, told("it is missing")),
            Copy::PassedOver(id) => ("Left", None, format!("a newer one is there, `{id}`")),
            Copy::Public => ("Left", None, "it is everybody's, and those are not copied".to_owned()),
            Copy::Busy(flow) => ("Waits", None, format!("the workflow `{flow}` is at work there")),
            Copy::Away(why) => ("Waits", None, why),
            Copy::NoRegion => ("Left", None, "there is no such region".to_owned()),
        };
        Self {
            image_id: image.id.0,
            image_name: image.name,
            region_id: region.0,
            status: image.status.word().to_owned(),
            does: does.to_owned(),
            delete_time: String::new(),
            copy_id: copy_id.map(|id| id.0).unwrap_or_default(),
            share_with: missing.into_iter().map(|account| account.0).collect(),
            because,
        }
    }
}

/// When something is deleted that is deprecated now.
fn later(grace_seconds: i64) -> String {
    match (grace_seconds % 86_400, grace_seconds / 86_400) {
        (0, 0) => "by the next run".to_owned(),
        (0, 1) => "after a day".to_owned(),
        (0, days) => format!("after {days} days"),
        _ => format!("after {grace_seconds} seconds"),
    }
}
