//! How events about retention policies and distribution lists become rows.

use event::{Event as _, Record, RowsMut};

use crate::AccountId;
use crate::events_upkeep::{
    LaneBegun, LaneEnded, UpkeepBegun, UpkeepChanged, UpkeepCreated, UpkeepDeleted, UpkeepEnded,
};
use crate::fold::with;
use crate::image::house;
use crate::upkeep::{Ran, UPKEEP_LANES, UPKEEP_NAMES, UPKEEPS, Upkeep, UpkeepId};

pub(crate) fn apply(rows: &mut dyn RowsMut, record: &Record) -> bool {
    match record.kind.as_str() {
        UpkeepCreated::KIND => with(record, |event| created(rows, record, event)),
        UpkeepChanged::KIND => with(record, |event: UpkeepChanged| {
            change(rows, &event.account, &event.upkeep, |upkeep| upkeep.goal = event.goal);
        }),
        UpkeepDeleted::KIND => with(record, |event: UpkeepDeleted| {
            let key = [event.account.as_str(), event.upkeep.as_str()];
            let Some(upkeep) = UPKEEPS.get(rows, &house(), &key) else { return };
            UPKEEP_NAMES.remove(rows, &house(), &[event.account.as_str(), &upkeep.name]);
            UPKEEPS.remove(rows, &house(), &key);
        }),
        UpkeepBegun::KIND => with(record, |event: UpkeepBegun| {
            change(rows, &event.account, &event.upkeep, |upkeep| upkeep.running = Some(record.flow));
        }),
        UpkeepEnded::KIND => with(record, |event: UpkeepEnded| {
            change(rows, &event.account, &event.upkeep, |upkeep| {
                upkeep.running = None;
                upkeep.last = Some(Ran { flow: record.flow, ended_ms: record.time_ms, report: event.report });
            });
        }),
        LaneBegun::KIND => with(record, |event: LaneBegun| {
            let key = [event.account.as_str(), event.upkeep.as_str(), event.region.as_str()];
            UPKEEP_LANES.put(rows, &house(), &key, &event.by);
        }),
        LaneEnded::KIND => with(record, |event: LaneEnded| {
            let key = [event.account.as_str(), event.upkeep.as_str(), event.region.as_str()];
            UPKEEP_LANES.remove(rows, &house(), &key);
            change(rows, &event.account, &event.upkeep, |upkeep| {
                let ran = Ran { flow: event.by, ended_ms: record.time_ms, report: event.report };
                upkeep.regions.insert(event.region, ran);
            });
        }),
        _ => false,
    }
}

fn created(rows: &mut dyn RowsMut, record: &Record, event: UpkeepCreated) {
    let row = Upkeep {
        id: event.upkeep,
        account: event.account,
        name: event.name,
        family: event.family,
        region: event.region,
        goal: event.goal,
        created_ms: record.time_ms,
        running: None,
        last: None,
        regions: std::collections::BTreeMap::new(),
    };
    UPKEEP_NAMES.put(rows, &house(), &[row.account.as_str(), &row.name], &row.id);
    UPKEEPS.put(rows, &house(), &[row.account.as_str(), row.id.as_str()], &row);
}

fn change(rows: &mut dyn RowsMut, account: &AccountId, upkeep: &UpkeepId, change: impl FnOnce(&mut Upkeep)) {
    UPKEEPS.change(rows, &house(), &[account.as_str(), upkeep.as_str()], change);
}
