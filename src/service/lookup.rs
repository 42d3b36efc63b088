//! Finding what a person named: an image by id or name, a region, a family; and when it is not
//! there, what they may have meant.

use domain::image::{BUCKETS, IMAGES, Image, NAMES, PLACES, REGIONS, Region, house, scope};
use domain::port::{BucketAt, Location};
use domain::{AccountId, ImageId, RegionId, rules};
use event::{Actor, Refusal, Rows, Scope};

use crate::Trouble;
use crate::lookup_family::{family_reference, seen};
use crate::request::{FileAt, ImageAt};
use crate::service::DEFAULT_REGION;

/// Changes of a letter that still count as a slip of the hand.
const SLIPS_MAX: usize = 3;

/// Names and ids that what was typed is compared with: a millisecond's work, and all that people
/// who type names have.
const KNOWN_MAX: usize = 4000;

/// The account somebody acts as.
pub(crate) fn account(actor: &Actor) -> AccountId {
    AccountId::from(actor.account.as_str())
}

/// The region named, or the default one.
pub(crate) fn region(rows: &dyn Rows, wanted: Option<&RegionId>) -> Result<Region, Trouble> {
    let wanted = wanted.cloned().unwrap_or_else(|| RegionId::from(DEFAULT_REGION));
    rules::known_region(&region_ids(rows), &wanted)?;
    let region = REGIONS.get(rows, &house(), &[wanted.as_str()]).filter(|region| region.ready);
    region.ok_or_else(|| {
        Refusal::new("InvalidRegionId.NotReady", format!("the region `{wanted}` is being made")).into()
    })
}

/// The regions in question: the one named, or all.
pub(crate) fn regions(rows: &dyn Rows, wanted: Option<&RegionId>) -> Result<Vec<RegionId>, Trouble> {
    let all = region_ids(rows);
    let Some(wanted) = wanted else { return Ok(all) };
    rules::known_region(&all, wanted)?;
    Ok(vec![wanted.clone()])
}

fn region_ids(rows: &dyn Rows) -> Vec<RegionId> {
    REGIONS.list(rows, &house(), &[]).into_iter().map(|region| region.id).collect()
}

/// A file on this computer as it is, an object in one of the account's buckets in the region.
pub(crate) fn location(
    rows: &dyn Rows,
    actor: &Actor,
    region: &RegionId,
    at: FileAt,
) -> Result<Location, Trouble> {
    let Some(name) = at.bucket else { return Ok(Location::file(at.path)) };
    let bucket = bucket(rows, actor, &name)?;
    if bucket.region != *region {
        let why = format!("the bucket `{name}` is in `{}`, not in `{region}`", bucket.region);
        return Err(Refusal::new("InvalidOSSBucket.NotMatched", why)
            .advise("use a bucket in the image's region")
            .into());
    }
    domain::name::object_key(&at.path)?;
    Ok(Location::object(bucket, at.path))
}

/// The account's bucket of that name, where it is.
pub(crate) fn bucket(rows: &dyn Rows, actor: &Actor, name: &str) -> Result<BucketAt, Trouble> {
    domain::name::bucket(name)?;
    let found = rules::own_bucket(BUCKETS.get(rows, &house(), &[name]), name, &account(actor))?;
    let region = region(rows, Some(&found.region))?;
    Ok(BucketAt { region: region.id, store: region.store, name: found.name })
}

/// The account's image of that id or name.
pub(crate) fn image(rows: &dyn Rows, actor: &Actor, at: &ImageAt) -> Result<Image, Trouble> {
    let regions = regions(rows, at.region.as_ref())?;
    if let Some((owner, _)) = family_reference(&at.image) {
        let own = owner.as_str() == actor.account;
        return if own {
            stands_for(rows, actor, at, &regions, 0)
        } else {
            Err(absent(rows, actor, at, &regions))
        };
    }
    match own_by_id(rows, actor, &regions, &at.image) {
        Some(image) => Ok(image),
        None => by_name(rows, actor, at, &regions, &|scope, name| named(rows, scope, name)),
    }
}

/// Tells which image of an account and region has a name.
type Names<'a> = dyn Fn(&Scope, &str) -> Option<ImageId> + 'a;

/// Which image of an account and region has a name, as its row says.
pub(crate) fn named(rows: &dyn Rows, scope: &Scope, name: &str) -> Option<ImageId> {
    // A name may be anything a person types; keys hold no control characters.
    (!name.contains('\0')).then(|| NAMES.get(rows, scope, &[name]))?
}

/// The account's image of that name.
fn by_name(
    rows: &dyn Rows,
    actor: &Actor,
    at: &ImageAt,
    regions: &[RegionId],
    names: &Names<'_>,
) -> Result<Image, Trouble> {
    let of = |region: &RegionId| {
        let scope = scope(&account(actor), region);
        let id = names(&scope, &at.image)?;
        IMAGES.get(rows, &scope, &[id.as_str()])
    };
    let mut found: Vec<Image> = regions.iter().filter_map(of).collect();
    match found.len() {
        0 => Err(absent(rows, actor, at, regions)),
        1 => Ok(found.remove(0)),
        _ => Err(several(&format!("there are images named `{}`", at.image), &found)),
    }
}

/// An image the account may see and use at that time, and whether it is its own. Its own are known
/// by id or name; those shared with it and those that are everybody's by id alone, for a name is
/// unique in one account only.
pub(crate) fn visible_image(
    rows: &dyn Rows,
    actor: &Actor,
    at: &ImageAt,
    now_ms: i64,
) -> Result<(Image, bool), Trouble> {
    visible_image_by(rows, actor, at, now_ms, &|scope, name| named(rows, scope, name))
}

/// The same, of a caller that knows another way from names to images than to read the row of the name.
pub(crate) fn visible_image_by(
    rows: &dyn Rows,
    actor: &Actor,
    at: &ImageAt,
    now_ms: i64,
    names: &Names<'_>,
) -> Result<(Image, bool), Trouble> {
    let account = account(actor);
    let regions = regions(rows, at.region.as_ref())?;
    if family_reference(&at.image).is_some() {
        let image = stands_for(rows, actor, at, &regions, now_ms)?;
        let own = image.account == account;
        return Ok((image, own));
    }
    let visible = |image: &Image| {
        image.account == account || !image.status.is_being_made() && image.is_visible_to(&account, now_ms)
    };
    let found = by_id(rows, actor, &regions, &at.image);
    match found.filter(|image| regions.contains(&image.region) && visible(image)) {
        Some(image) => {
            let own = image.account == account;
            Ok((image, own))
        }
        None => Ok((by_name(rows, actor, at, &regions, names)?, true)),
    }
}

/// The image that the family `acs:OWNER:FAMILY` stands for, as far as the account may see it.
fn stands_for(
    rows: &dyn Rows,
    actor: &Actor,
    at: &ImageAt,
    regions: &[RegionId],
    now_ms: i64,
) -> Result<Image, Trouble> {
    let by = account(actor);
    let Some((owner, family)) = family_reference(&at.image) else {
        return Err(absent(rows, actor, at, regions));
    };
    let head = |region| seen(rows, &by, &owner, region, family, now_ms).head;
    let mut found: Vec<Image> = regions.iter().filter_map(head).collect();
    match found.len() {
        0 => Err(absent(rows, actor, at, regions)),
        1 => Ok(found.remove(0)),
        _ => Err(several(&format!("the family `{}` stands for images", at.image), &found)),
    }
}

fn several(what: &str, found: &[Image]) -> Trouble {
    let places: Vec<_> = found.iter().map(|image| format!("`{}`", image.region)).collect();
    let refusal = Refusal::new("InvalidImageName.Ambiguous", format!("{what} in {}", places.join(" and ")));
    refusal.advise("say which with `--region`, or give its id").into()
}

/// Why an account may not do with an image what only its owner may, if it may see it.
pub(crate) fn anothers(rows: &dyn Rows, actor: &Actor, at: &ImageAt, now_ms: i64) -> Option<Trouble> {
    let (image, own) = visible_image(rows, actor, at, now_ms).ok()?;
    let why = format!("the image `{}` is another account's", image.id);
    let refusal = Refusal::new("InvalidImageId.NotFound", why);
    (!own).then(|| {
        refusal.advise("only its owner may do that; a copy would be yours: `kiln image copy`").into()
    })
}

/// The account's own image of that id. Nobody else's rows are looked at, so that it takes as long to find out that
/// an image is another's as that there is none. Most images are in the default region: that is looked at first.
fn own_by_id(rows: &dyn Rows, actor: &Actor, regions: &[RegionId], id: &str) -> Option<Image> {
    if !ImageId::may_be(id) || id.contains('\0') {
        return None;
    }
    let of = |region| IMAGES.get(rows, &scope(&account(actor), region), &[id]);
    let (usual, other): (Vec<_>, Vec<_>) =
        regions.iter().partition(|region| region.as_str() == DEFAULT_REGION);
    usual.into_iter().chain(other).find_map(of)
}

/// The image of that id, whosesoever it is. Most that are asked for are the asker's own, and are looked for first:
/// the row that says where an image is, one of as many as there are images, need not be read for them.
///
/// Where there is none, some other image is read and thrown away: how long it takes must not tell one that the
/// asker may not see from one that is not there.
fn by_id(rows: &dyn Rows, actor: &Actor, regions: &[RegionId], id: &str) -> Option<Image> {
    if let Some(own) = own_by_id(rows, actor, regions, id) {
        return Some(own);
    }
    if !ImageId::may_be(id) || id.contains('\0') {
        return None;
    }
    let (found, other) = (PLACES.get(rows, &house(), &[id]), some_place(rows)?);
    let is_there = found.is_some();
    let (id, place) = found.map_or(other, |place| (id.to_owned(), place));
    IMAGES.get(rows, &place, &[&id]).filter(|_| is_there)
}

/// Some image's id, and where it is.
fn some_place(rows: &dyn Rows) -> Option<(String, Scope)> {
    let (all, images) = (PLACES.key(&house(), &[""]), PLACES.key(&house(), &["m-"]));
    let mut some = None;
    rows.scan(&images, &mut |key, place| {
        some = Some((String::from_utf8_lossy(&key[all.len()..]).into_owned(), PLACES.read(place)));
        false
    });
    some
}

fn absent(rows: &dyn Rows, actor: &Actor, at: &ImageAt, regions: &[RegionId]) -> Trouble {
    let refusal = rules::not_found(&ImageId::from(at.image.as_str()));
    let mut known = Vec::new();
    for region in regions {
        let names = NAMES.key(&scope(&account(actor), region), &[""]);
        rows.scan(&names, &mut |key, id| {
            known.push(String::from_utf8_lossy(&key[names.len()..]).into_owned());
            known.push(NAMES.read(id).0);
            known.len() < KNOWN_MAX
        });
    }
    match nearest(&at.image, known.iter().map(String::as_str)) {
        Some(meant) => refusal.advise(format!("did you mean `{meant}`? `kiln image list` shows all")).into(),
        None => refusal.into(),
    }
}

/// What somebody may have meant.
pub(crate) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let close = known.map(|word| (slips(typed, word), word));
    let best = close.min_by_key(|(slips, _)| *slips)?;
    (best.0 <= SLIPS_MAX.min(typed.chars().count() / 3)).then_some(best.1)
}

/// Letters to change, add or leave out to come from one word to the other.
pub fn slips(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (place, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_told_from_another_word() {
        let known = ["debian-12", "web-1", "web-2"];
        assert_eq!(nearest("debain-12", known.into_iter()), Some("debian-12"));
        assert_eq!(nearest("wbe-2", known.into_iter()), None);
        assert_eq!(nearest("web-22", known.into_iter()), Some("web-2"));
        assert_eq!(nearest("fedora", known.into_iter()), None);
    }
}
