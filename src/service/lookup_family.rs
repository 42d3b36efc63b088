//! Finding what a family stands for, as its owner and as others see it.
//!
//! A family of any account is written `acs:OWNER:FAMILY`, wherever an image is expected as well: no
//! image's name begins so. What it was told to stand for holds for others too, where they may see that.

use domain::image::{
    FAMILIES, FAMILY_HEADS, IMAGES, Image, Making, PUBLIC, SHARED, Status, family_members, public_scope,
    scope,
};
use domain::{AccountId, ImageId, RegionId};
use event::Rows;

/// What a reference to a family begins with.
const PREFIX: &str = "acs:";
/// Copies of copies that are followed to their beginning: nobody has more, and a ring would be endless.
const COPIES_MAX: usize = 16;

/// The owner and the family of `acs:OWNER:FAMILY`.
pub(crate) fn family_reference(text: &str) -> Option<(AccountId, &str)> {
    let (owner, family) = text.strip_prefix(PREFIX)?.split_once(':')?;
    // Both become parts of keys.
    let shaped = !owner.is_empty() && owner.bytes().all(|byte| byte.is_ascii_digit());
    (shaped && domain::name::family(family).is_ok()).then(|| (AccountId::from(owner), family))
}

/// A family in a region, as somebody may see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The image it stands for.
    pub(crate) head: Option<Image>,
    /// Whether it was told to stand for that one.
    pub(crate) is_told: bool,
    /// All its images, newest first, and the one it was told to stand for.
    pub(crate) members: Vec<Image>,
}

/// The family of an owner as an account may see it at that time.
pub(crate) fn seen(
    rows: &dyn Rows,
    by: &AccountId,
    owner: &AccountId,
    region: &RegionId,
    family: &str,
    now_ms: i64,
) -> Seen {
    let (mut members, told) = if by == owner {
        (family_members(rows, &scope(owner, region), family), told(rows, owner, region, family))
    } else {
        of_others(rows, by, owner, region, family)
    };
    let visible = |image: &Image| image.is_visible_to(by, now_ms);
    members.retain(visible);
    let told = told.filter(visible);
    let (standing, other): (Option<Image>, Option<Image>) = match told {
        Some(told) if told.status == Status::Available => (Some(told.clone()), Some(told)),
        told => (None, told),
    };
    if let Some(told) = other.filter(|told| members.iter().all(|member| member.id != told.id)) {
        members.push(told);
    }
    let newest = || members.iter().find(|image| is_newest_of(image, family)).cloned();
    Seen { is_told: standing.is_some(), head: standing.or_else(newest), members }
}

/// What of another's family an account was let see, newest first, and what it was told to stand for if that is
/// of it. It goes by what was shared and published and never by the family, so that one of which nothing is to be
/// seen costs what one costs that is not there.
fn of_others(
    rows: &dyn Rows,
    by: &AccountId,
    owner: &AccountId,
    region: &RegionId,
    family: &str,
) -> (Vec<Image>, Option<Image>) {
    let of = scope(owner, region);
    let mut held = SHARED.list(rows, &scope(by, region), &[]);
    held.extend(PUBLIC.list(rows, &public_scope(region), &[]));
    held.retain(|held| held.scope == of);
    held.sort_by_key(|held| std::cmp::Reverse(held.born));
    held.dedup_by(|one, other| one.image == other.image);
    let image = |id: &ImageId| IMAGES.get(rows, &of, &[id.as_str()]);
    let members = held.iter().filter(|held| held.family.as_deref() == Some(family));
    let members = members.filter_map(|held| image(&held.image));
    let members = members.filter(|image| !image.status.is_being_made()).collect();
    let told = FAMILY_HEADS.get(rows, &of, &[family]).and_then(|head| head.image);
    let told = told.filter(|told| held.iter().any(|held| held.image == *told));
    (members, told.as_ref().and_then(image))
}

/// Newest first, so the first that is Available and stands in the family is what it stands for by itself.
fn is_newest_of(image: &Image, family: &str) -> bool {
    image.status == Status::Available && image.family.as_deref() == Some(family)
}

/// The image a family was told to stand for, whatever has become of it.
pub(crate) fn told(rows: &dyn Rows, owner: &AccountId, region: &RegionId, family: &str) -> Option<Image> {
    let scope = scope(owner, region);
    let told = FAMILY_HEADS.get(rows, &scope, &[family])?.image?;
    IMAGES.get(rows, &scope, &[told.as_str()])
}

/// Whether an account has a family in a region: an image in it, or one it was told to stand for.
pub(crate) fn has_family(rows: &dyn Rows, owner: &AccountId, region: &RegionId, family: &str) -> bool {
    !FAMILIES.list(rows, &scope(owner, region), &[family]).is_empty()
        || told(rows, owner, region, family).is_some()
}

/// What an image is a copy of, at the very beginning, as far as that is there and the same account's;
/// itself if it is no copy.
pub(crate) fn origin(rows: &dyn Rows, image: &Image) -> Image {
    let mut origin = image.clone();
    for _ in 0..COPIES_MAX {
        let Making::Copy { image, account, region } = &origin.making else { break };
        if *account != origin.account {
            break;
        }
        let Some(source) = IMAGES.get(rows, &scope(account, region), &[image.as_str()]) else { break };
        origin = source;
    }
    origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_to_a_family_is_told_from_a_name() {
        let web = (AccountId::from("200000"), "web");
        assert_eq!(family_reference("acs:200000:web"), Some(web));
        assert_eq!(family_reference("acs:200000:web:x").map(|found| found.1), Some("web:x"));
        for other in ["web", "acs:web", "acs::web", "acs:20\u{0}00:web", "acs:200000:\u{0}", "acs:200000:"] {
            assert_eq!(family_reference(other), None, "{other:?}");
        }
    }
}
