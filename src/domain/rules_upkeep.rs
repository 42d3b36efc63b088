//! Rules of retention policies and distribution lists, and of what is done for them.
//!
//! Whatever a policy has planned, what happens to an image is decided here once more, by its rows at the head of the
//! log and by the time of the plan: an image that somebody began to use, to share or to stand for stays.

use std::collections::BTreeSet;

use event::{FlowId, Refusal, View};

use crate::distribution::is_copy_of;
use crate::events::{ImageDeleted, ImageDeprecated, ImageReserved};
use crate::events_upkeep::{
    LaneBegun, LaneEnded, UpkeepBegun, UpkeepChanged, UpkeepCreated, UpkeepDeleted, UpkeepEnded,
};
use crate::image::{ACCOUNTS, FAMILIES, IMAGES, Image, Making, REGIONS};
use crate::retention::{Fate, judge, members};
use crate::rules::{Deletion, FAMILY_IMAGES_MAX, IMAGE_SHARES_MAX, delete, deprecate, not_found};
use crate::upkeep::{
    Distribution, ForList, Goal, Keeping, Report, Retention, UPKEEP_LANES, UPKEEP_NAMES, UPKEEPS, Upkeep,
    UpkeepId,
};
use crate::{AccountId, ImageId, RegionId, name, time};

/// Upkeeps of an account: a person has to find their way among them.
pub const UPKEEPS_MAX: usize = 1000;
/// Regions of a list: more than any cloud has, and each is an operation of its own.
pub const LIST_REGIONS_MAX: usize = 50;
/// Newest images that a list brings everywhere: who wants more of a family copies it by a batch.
pub const LIST_NEWEST_MAX: u32 = 10;
/// The longest time of a policy: ten years.
pub const RETENTION_MS_MAX: i64 = 10 * 366 * 24 * 60 * 60 * 1000;
/// How long an image is deprecated before it is deleted if nobody says: a week, in which somebody notices.
pub const GRACE_MS_DEFAULT: i64 = 7 * 24 * 60 * 60 * 1000;
/// Characters of a name.
const NAME_CHARS_MAX: usize = 64;

/// Makes a retention policy or a distribution list.
pub fn create_upkeep(view: &View<'_>, wanted: UpkeepCreated) -> Result<UpkeepCreated, Refusal> {
    check_name(&wanted.name)?;
    name::family(&wanted.family)?;
    if let Some(region) = &wanted.region {
        known_region(view, region)?;
    }
    let goal = check_goal(view, &wanted.account, wanted.region.as_ref(), wanted.goal.clone())?;
    let account = wanted.account.as_str();
    if let Some(id) = view.get(&UPKEEP_NAMES, &[account, &wanted.name]) {
        let there = view.get(&UPKEEPS, &[account, id.as_str()]);
        let called = there.map_or("one", |there| there.goal.kind().called());
        let why = format!("there is a {called} `{}` already", wanted.name);
        return Err(Refusal::new("InvalidUpkeepName.Duplicated", why)
            .advise("choose another name, or change or delete that one"));
    }
    let there = view.list(&UPKEEP_NAMES, &[account]).len();
    if there >= UPKEEPS_MAX {
        let why = format!(
            "the account has {there} retention policies and distribution lists, and {UPKEEPS_MAX} are the most"
        );
        return Err(Refusal::new("QuotaExceed.Upkeep", why).advise("delete those that are not needed"));
    }
    Ok(UpkeepCreated { goal, ..wanted })
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && name.chars().all(plain) && name.len() <= NAME_CHARS_MAX && !name.starts_with("up-") {
        return Ok(());
    }
    let why = format!("`{}` is no name of a retention policy or a distribution list", name.escape_debug());
    Err(Refusal::new("InvalidUpkeepName.Malformed", why).advise(format!(
        "it has 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_` and `.`, begins with a letter or a digit, and not with \
         `up-`"
    )))
}

fn known_region(view: &View<'_>, region: &RegionId) -> Result<(), Refusal> {
    if view.get(&REGIONS, &[region.as_str()]).is_some() {
        return Ok(());
    }
    let why = format!("there is no region `{}`", region.as_str().escape_debug());
    Err(Refusal::new("InvalidRegionId.NotFound", why).advise("`kiln region list` shows those there are"))
}

fn check_goal(
    view: &View<'_>,
    account: &AccountId,
    home: Option<&RegionId>,
    goal: Goal,
) -> Result<Goal, Refusal> {
    match goal {
        Goal::Retention(retention) => {
            check_retention(&retention)?;
            Ok(Goal::Retention(retention))
        }
        Goal::Distribution(list) => Ok(Goal::Distribution(check_list(view, account, home, list)?)),
    }
}

fn check_retention(retention: &Retention) -> Result<(), Refusal> {
    let no = |why: String, advice: &str| Err(Refusal::new("InvalidParameter.Retention", why).advise(advice));
    if retention.keep.is_none() && retention.younger_ms.is_none() {
        return no(
            "nothing says which images stay".to_owned(),
            "give `--keep 5` for the newest five, `--younger-than 30d` for those of the last 30 days, or both",
        );
    }
    if let Some(keep) = retention.keep.filter(|keep| !(1..=FAMILY_IMAGES_MAX).contains(keep)) {
        let why = format!("{keep} newest images are not between 1 and {FAMILY_IMAGES_MAX}");
        return no(why, "the newest Available image of a family always stays");
    }
    let spans = [("an age", retention.younger_ms, 1), ("a grace time", Some(retention.grace_ms), 0)];
    for (what, ms, min_ms) in spans {
        if let Some(ms) = ms.filter(|ms| !(min_ms..=RETENTION_MS_MAX).contains(ms)) {
            let why = format!("{what} of {} seconds is not between 0 and ten years", ms / 1000);
            return no(why, "give a length of time such as `12h` or `30d`");
        }
    }
    Ok(())
}

fn check_list(
    view: &View<'_>,
    account: &AccountId,
    home: Option<&RegionId>,
    list: Distribution,
) -> Result<Distribution, Refusal> {
    let no =
        |why: String, advice: &str| Err(Refusal::new("InvalidParameter.Distribution", why).advise(advice));
    if list.to.is_empty() && list.share_with.is_empty() {
        return no(
            "the list names no region and no account".to_owned(),
            "give `--to-region` for each region and `--share-with` for each account",
        );
    }
    if !(1..=LIST_NEWEST_MAX).contains(&list.newest) {
        let why = format!("{} newest images are not between 1 and {LIST_NEWEST_MAX}", list.newest);
        return no(why, "copy more of a family by a batch: `kiln batch plan --help`");
    }
    let to: Vec<RegionId> = unique(list.to);
    let share_with: Vec<AccountId> = unique(list.share_with);
    if to.len() > LIST_REGIONS_MAX {
        let why = format!("{} regions are more than {LIST_REGIONS_MAX}", to.len());
        return no(why, "make two lists of it");
    }
    if share_with.len() > IMAGE_SHARES_MAX as usize {
        let why = format!("{} accounts are more than {IMAGE_SHARES_MAX}", share_with.len());
        return no(why, "an image is shared with no more; publish it instead, or share it with fewer");
    }
    for region in &to {
        known_region(view, region)?;
        if Some(region) == home {
            let why = format!("`{region}` is where the images come from");
            return no(why, "name other regions");
        }
    }
    for with in &share_with {
        if with == account {
            let why = format!("the images are `{with}`'s own");
            return no(why, "name other accounts");
        }
        if view.get(&ACCOUNTS, &[with.as_str()]).is_none() {
            let why = format!("there is no account `{}`", with.as_str().escape_debug());
            return Err(Refusal::new("InvalidAccount.NotFound", why)
                .advise("`kiln account list` shows those there are"));
        }
    }
    Ok(Distribution { to, share_with, ..list })
}

/// Each once, in the order they were said in.
fn unique<T: Ord + Clone>(mut all: Vec<T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    all.retain(|one| seen.insert(one.clone()));
    all
}

/// The account's upkeep of that id.
pub fn own_upkeep(view: &View<'_>, account: &AccountId, id: &UpkeepId) -> Result<Upkeep, Refusal> {
    view.get(&UPKEEPS, &[account.as_str(), id.as_str()])
        .ok_or_else(|| no_upkeep("retention policy or distribution list", id.as_str()))
}

/// There is none.
pub fn no_upkeep(called: &str, named: &str) -> Refusal {
    let why = format!("there is no {called} `{}`", named.escape_debug());
    Refusal::new("InvalidUpkeep.NotFound", why)
        .advise("`kiln retention list` and `kiln distribution list` show those there are")
}

/// Has an upkeep say something else. It stays of the kind it is.
pub fn change_upkeep(
    view: &View<'_>,
    account: &AccountId,
    id: &UpkeepId,
    goal: Goal,
) -> Result<UpkeepChanged, Refusal> {
    let upkeep = own_upkeep(view, account, id)?;
    if upkeep.goal.kind() != goal.kind() {
        return Err(no_upkeep(goal.kind().called(), &upkeep.name));
    }
    let goal = check_goal(view, account, upkeep.region.as_ref(), goal)?;
    Ok(UpkeepChanged { upkeep: upkeep.id, account: account.clone(), goal, before: upkeep.goal })
}

/// Removes an upkeep.
pub fn delete_upkeep(view: &View<'_>, account: &AccountId, id: &UpkeepId) -> Result<UpkeepDeleted, Refusal> {
    let upkeep = own_upkeep(view, account, id)?;
    Ok(UpkeepDeleted { upkeep: upkeep.id, account: account.clone() })
}

/// Begins a run, of which one goes on at a time. One that a person has given up never says that it has ended: who
/// knows of such names them.
pub fn begin_upkeep(
    view: &View<'_>,
    account: &AccountId,
    id: &UpkeepId,
    over: &[FlowId],
) -> Result<UpkeepBegun, Refusal> {
    let Upkeep { id, name, family, region, goal, running, .. } = own_upkeep(view, account, id)?;
    if let Some(flow) = running.filter(|flow| !over.contains(flow)) {
        let why = format!("the {} `{name}` is being run by the workflow `{flow}`", goal.kind().called());
        return Err(Refusal::new("IncorrectUpkeepStatus", why)
            .advise(format!("wait until that has ended: `kiln workflow watch {flow}`")));
    }
    Ok(UpkeepBegun { upkeep: id, account: account.clone(), name, family, region, goal })
}

/// Ends a run, whatever has become of the upkeep meanwhile.
pub fn end_upkeep(
    _view: &View<'_>,
    account: &AccountId,
    id: &UpkeepId,
    report: Report,
) -> Result<UpkeepEnded, Refusal> {
    Ok(UpkeepEnded { upkeep: id.clone(), account: account.clone(), report })
}

/// Begins to copy and share for a list in a region, which one operation does at a time.
pub fn begin_lane(
    view: &View<'_>,
    account: &AccountId,
    id: &UpkeepId,
    region: &RegionId,
    (by, over): (FlowId, &[FlowId]),
) -> Result<LaneBegun, Refusal> {
    let upkeep = own_upkeep(view, account, id)?;
    let other = view.get(&UPKEEP_LANES, &[account.as_str(), id.as_str(), region.as_str()]);
    if let Some(other) = other.filter(|other| !over.contains(other)) {
        let why = format!(
            "the workflow `{other}` copies to `{region}` for the distribution list `{}`",
            upkeep.name
        );
        return Err(Refusal::new("IncorrectUpkeepStatus", why)
            .advise(format!("wait until that has ended: `kiln workflow watch {other}`")));
    }
    Ok(LaneBegun { upkeep: upkeep.id, account: account.clone(), region: region.clone(), by })
}

/// Ends that, whatever has become of the list meanwhile.
pub fn end_lane(_view: &View<'_>, begun: LaneBegun, report: Report) -> Result<LaneEnded, Refusal> {
    let LaneBegun { upkeep, account, region, by } = begun;
    Ok(LaneEnded { upkeep, account, region, by, report })
}

/// Deprecates an image for a policy, if that still would.
pub fn retire(view: &View<'_>, id: &ImageId, by: &Keeping) -> Result<ImageDeprecated, Refusal> {
    let (image, fate) = fate(view, id, by)?;
    if !matches!(fate, Fate::Deprecate(_)) {
        return Err(retained(id, by, &fate));
    }
    let unshares = by.retention.shared && (image.public || image.is_shared(view.now_ms()));
    let event = if unshares { ImageDeprecated::of(id.clone()) } else { deprecate(view, id)? };
    Ok(ImageDeprecated { by: Some(by.upkeep.clone()), unshared: unshares, ..event })
}

/// Deletes an image for a policy, if that still would.
pub fn remove(view: &View<'_>, id: &ImageId, by: &Keeping) -> Result<ImageDeleted, Refusal> {
    match fate(view, id, by)?.1 {
        Fate::Delete(_) => delete(view, id, Deletion::default()),
        fate => Err(retained(id, by, &fate)),
    }
}

/// What becomes of an image by a policy, by its rows as they are now.
fn fate(view: &View<'_>, id: &ImageId, by: &Keeping) -> Result<(Image, Fate), Refusal> {
    let members = members(view, &by.family);
    let fates = judge(&by.retention, &members, by.now_ms);
    let found = members.into_iter().zip(fates).find(|(member, _)| member.image.id == *id);
    found.map(|(member, fate)| (member.image, fate)).ok_or_else(|| {
        if view.get(&IMAGES, &[id.as_str()]).is_none() {
            return not_found(id);
        }
        let why = format!("the image `{id}` is not in the family `{}` any more", by.family);
        Refusal::new("OperationDenied.Retained", why)
    })
}

fn retained(id: &ImageId, by: &Keeping, fate: &Fate) -> Refusal {
    let why = match fate {
        Fate::Stays(stays) => stays.to_string(),
        Fate::Deprecate(_) => "it is Available again".to_owned(),
        Fate::Waits(until_ms, _) => format!("it is deprecated, and its time is {}", time::text(*until_ms)),
        Fate::Delete(_) => "it is deprecated already".to_owned(),
    };
    let why = format!("the retention policy `{}` lets the image `{id}` stay: {why}", by.name);
    Refusal::new("OperationDenied.Retained", why)
        .advise(format!("`kiln retention plan {}` says what goes", by.name))
}

/// Whether a copy may come to be that a list wants: it is not there yet, and nothing that is newer.
pub(crate) fn reserve_for_list(
    view: &View<'_>,
    wanted: &ImageReserved,
    list: &ForList,
) -> Result<(), Refusal> {
    let (Making::Copy { image: source, region: home, .. }, Some(family)) = (&wanted.making, &wanted.family)
    else {
        return Ok(());
    };
    let ids = view.list(&FAMILIES, &[family]).into_iter();
    for there in ids.filter_map(|id| view.get(&IMAGES, &[id.as_str()])) {
        let is_newer = there.for_list.as_ref().is_some_and(|other| other.born > list.born);
        let from_home = matches!(&there.making, Making::Copy { region, .. } if region == home);
        let what = if is_copy_of(&there, source, home) {
            "a copy of it is there"
        } else if is_newer && from_home {
            "a copy of a newer image is there"
        } else {
            continue;
        };
        let why = format!("the image `{source}` is not copied for the list: {what}, `{}`", there.id);
        return Err(Refusal::new("OperationDenied.Distributed", why)
            .advise("nothing is to be done; `kiln distribution plan` says what is missing"));
    }
    Ok(())
}
