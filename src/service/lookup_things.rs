//! Finding the disk, snapshot or other resource that a person named, by its id or by its name; and
//! what tags and queries over them have in common.

use std::collections::{BTreeMap, BTreeSet};

use domain::events::ResourceId;
use domain::image::{DISKS, Disk, PLACES, SNAPSHOTS, Snapshot, house, parts_of, scope};
use domain::network::Kind;
use domain::{RegionId, name, rules};
use event::{Actor, Refusal, Rows};

use crate::Trouble;
use crate::lookup::{self, account, nearest};
use crate::request::ImageAt;
use crate::request_things::ThingAt;

/// Ids that a query may name, as the API documents.
const IDS_MAX: usize = 100;

/// The account's disk of that id or name.
pub(crate) fn disk(rows: &dyn Rows, actor: &Actor, at: &ThingAt) -> Result<Disk, Trouble> {
    let regions = lookup::regions(rows, at.region.as_ref())?;
    let all = || regions.iter().flat_map(|region| DISKS.list(rows, &scope(&account(actor), region), &[]));
    if let Some(region) = place(rows, actor, &at.thing).filter(|region| regions.contains(region))
        && let Some(disk) = DISKS.get(rows, &scope(&account(actor), &region), &[&at.thing])
    {
        return Ok(disk);
    }
    let mut found: Vec<Disk> = all().filter(|disk| !disk.name.is_empty() && disk.name == at.thing).collect();
    if found.len() > 1 {
        let ids = found.iter().map(|disk| disk.id.as_str());
        return Err(ambiguous("InvalidDiskName.Ambiguous", "disks", &at.thing, ids));
    }
    found.pop().ok_or_else(|| {
        let known: Vec<String> = all().flat_map(|disk| [disk.name, disk.id.0]).collect();
        meant(rules::disk_not_found(&at.thing.as_str().into()), &at.thing, &known)
    })
}

/// The account's snapshot of that id or name.
pub(crate) fn snapshot(rows: &dyn Rows, actor: &Actor, at: &ThingAt) -> Result<Snapshot, Trouble> {
    let regions = lookup::regions(rows, at.region.as_ref())?;
    let all = || regions.iter().flat_map(|region| SNAPSHOTS.list(rows, &scope(&account(actor), region), &[]));
    if let Some(region) = place(rows, actor, &at.thing).filter(|region| regions.contains(region))
        && let Some(snapshot) = SNAPSHOTS.get(rows, &scope(&account(actor), &region), &[&at.thing])
    {
        return Ok(snapshot);
    }
    let named = |snapshot: &Snapshot| !snapshot.name.is_empty() && snapshot.name == at.thing;
    let mut found: Vec<Snapshot> = all().filter(named).collect();
    if found.len() > 1 {
        let ids = found.iter().map(|snapshot| snapshot.id.as_str());
        return Err(ambiguous("InvalidSnapshotName.Ambiguous", "snapshots", &at.thing, ids));
    }
    found.pop().ok_or_else(|| {
        let known: Vec<String> = all().flat_map(|snapshot| [snapshot.name, snapshot.id.0]).collect();
        meant(rules::snapshot_not_found(&at.thing.as_str().into()), &at.thing, &known)
    })
}

/// The id and region of a resource of the account: an image by id or name, a snapshot or a disk by id.
pub(crate) fn resource(
    rows: &dyn Rows,
    actor: &Actor,
    named: &str,
    region: Option<&RegionId>,
) -> Result<(ResourceId, RegionId), Trouble> {
    let here = |there: &RegionId| region.is_none_or(|region| region == there);
    if is_resource(named)
        && let Some(there) = place(rows, actor, named).filter(here)
    {
        return Ok((ResourceId::from(named), there));
    }
    let at = ImageAt { image: named.to_owned(), region: region.cloned() };
    match lookup::image(rows, actor, &at) {
        Ok(image) if image.account == account(actor) => Ok((image.id.into(), image.region)),
        Err(trouble) if trouble.code != "InvalidImageId.NotFound" => Err(trouble),
        _ => Err(rules::resource_not_found(&named.into()).into()),
    }
}

/// What an id is of, in the API's words.
pub(crate) fn resource_type(id: &str) -> &'static str {
    match id.split_once('-').map(|(kind, _)| kind) {
        Some("s") => "snapshot",
        Some("d") => "disk",
        Some("sg") => "securitygroup",
        Some("ssh") => "keypair",
        Some("vpc") => "vpc",
        Some("vsw") => "vswitch",
        Some("eip") => "eip",
        _ => "image",
    }
}

fn is_resource(id: &str) -> bool {
    ["m-", "s-", "d-"].iter().any(|kind| id.starts_with(kind)) || Kind::of(id).is_some()
}

/// The region in which the account has what has that id.
pub(crate) fn place(rows: &dyn Rows, actor: &Actor, id: &str) -> Option<RegionId> {
    // A name may be anything a person types; keys hold no control characters.
    if id.contains('\0') {
        return None;
    }
    let (owner, region) = parts_of(&PLACES.get(rows, &house(), &[id])?)?;
    (owner == account(actor)).then_some(region)
}

fn ambiguous<'a>(code: &str, what: &str, name: &str, ids: impl Iterator<Item = &'a str>) -> Trouble {
    let ids: Vec<_> = ids.map(|id| format!("`{id}`")).collect();
    let why = format!("there are {} {what} named `{name}`: {}", ids.len(), ids.join(", "));
    Refusal::new(code, why).advise("give the id of the one that is meant").into()
}

fn meant(refusal: Refusal, typed: &str, known: &[String]) -> Trouble {
    let known = known.iter().map(String::as_str).filter(|word| !word.is_empty());
    match nearest(typed, known) {
        Some(meant) => {
            let advice = format!("did you mean `{meant}`? {}", refusal.advice);
            refusal.advise(advice).into()
        }
        None => refusal.into(),
    }
}

/// The tags something new is to have, as they were said; a key that comes twice is refused.
pub(crate) fn tags(said: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Refusal> {
    let mut tags = BTreeMap::new();
    for (key, value) in said {
        if tags.insert(key.clone(), value).is_some() {
            let why = format!("the tag `{key}` is named twice");
            return Err(Refusal::new("Duplicate.TagKey", why).advise("name each key once"));
        }
    }
    Ok(tags)
}

/// Checks the tags that a query asks for.
pub(crate) fn check_wanted(wanted: &[(String, Option<String>)], many_code: &str) -> Result<(), Refusal> {
    if wanted.len() > name::TAGS_MAX {
        let why = format!("{} tags; a query has at most {}", wanted.len(), name::TAGS_MAX);
        return Err(Refusal::new(many_code, why));
    }
    match wanted.iter().find(|(key, _)| key.is_empty()) {
        Some((_, value)) => {
            let why = format!("the value `{}` has no key", value.clone().unwrap_or_default());
            Err(Refusal::new("InvalidParameter.TagValue", why).advise("a tag looks like KEY or KEY=VALUE"))
        }
        None => Ok(()),
    }
}

/// Whether something has all tags that a query asks for.
pub(crate) fn has_all(tags: &BTreeMap<String, String>, wanted: &[(String, Option<String>)]) -> bool {
    wanted
        .iter()
        .all(|(key, value)| tags.get(key).is_some_and(|has| value.as_ref().is_none_or(|value| value == has)))
}

/// The ids a query asks for.
pub(crate) fn wanted_ids<'a>(
    ids: Option<&'a [String]>,
    code: &str,
) -> Result<Option<BTreeSet<&'a str>>, Refusal> {
    let Some(ids) = ids else { return Ok(None) };
    if ids.is_empty() || ids.len() > IDS_MAX {
        let why = format!("{} ids; a query has 1 to {IDS_MAX}", ids.len());
        return Err(Refusal::new(code, why));
    }
    Ok(Some(ids.iter().map(String::as_str).collect()))
}

/// One of the words that a query may have; `any` and nothing stand for all of them.
pub(crate) fn wanted_word(
    said: Option<&str>,
    words: &[&'static str],
    any: Option<&str>,
    code: &str,
) -> Result<Option<&'static str>, Refusal> {
    let Some(said) = said else { return Ok(None) };
    if any.is_some_and(|any| any.eq_ignore_ascii_case(said)) {
        return Ok(None);
    }
    let word = words.iter().find(|word| word.eq_ignore_ascii_case(said));
    let word = word.ok_or_else(|| {
        let shown: Vec<_> = words.iter().copied().chain(any).map(|word| format!("`{word}`")).collect();
        Refusal::new(code, format!("`{}` is none of the words there are", said.escape_debug()))
            .advise(format!("use one of {}", shown.join(", ")))
    })?;
    Ok(Some(word))
}
