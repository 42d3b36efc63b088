//! Rules of what several accounts, regions or images are in: sharing, publishing, copying, families, tags.

use std::collections::{BTreeMap, BTreeSet};

use event::{FlowId, Refusal, Scope, View};

use crate::events::{
    Copied, CopiedDisk, CopyBegun, CopyEnded, CopyWithdrawn, FamilyHeadReturned, FamilyHeadSet,
    ImagePublished, ImageUnpublished, ResourceId, ResourcesTagged, ShareEnded, SharesChanged,
};
use crate::image::{DISKS, FAMILY_HEADS, IMAGES, SNAPSHOTS, Status, in_view, parts_of};
use crate::network::ItemId;
use crate::rules::{finished, item, not_found};
use crate::rules_house::{IMAGE_SHARES_MAX, Limit};
use crate::{AccountId, ImageId, name};

/// Resources tagged in one request, as the API documents.
pub const TAGGED_MAX: usize = 50;

/// Shares an image with accounts and ends its shares with others, all or nothing. Adding one that
/// is there only changes until when; removing one that is not there changes nothing.
pub fn change_shares(
    view: &View<'_>,
    id: &ImageId,
    add: &[AccountId],
    until_ms: Option<i64>,
    remove: &[AccountId],
) -> Result<SharesChanged, Refusal> {
    let image = finished(view, id, "InvalidStatus.ImageIsCreating")?;
    let now_ms = view.now_ms();
    if let Some(both) = add.iter().find(|account| remove.contains(account)) {
        let why = format!("the account `{both}` is to be added and removed at once");
        return Err(Refusal::new("InvalidParameter", why));
    }
    if let Some(own) = add.iter().find(|account| **account == image.account) {
        let why = format!("the image `{id}` is `{own}`'s own");
        return Err(Refusal::new("InvalidAccount.Forbbiden", why).advise("name another account"));
    }
    if !add.is_empty() && image.status == Status::Deprecated {
        let why = format!("the image `{id}` is Deprecated");
        return Err(Refusal::new("OperationDenied.InvalidImageStatus", why).advise("restore it first"));
    }
    if !add.is_empty() && image.public {
        let why = format!("the image `{id}` is everybody's");
        return Err(
            Refusal::new("Image.Public", why).advise("unpublish it first, to share it with some only")
        );
    }
    if until_ms.is_some_and(|until_ms| until_ms <= now_ms) {
        let why = "the share would have ended before it began";
        return Err(Refusal::new("InvalidParameter.ShareUntil", why).advise("give a time that is to come"));
    }
    let before: Vec<_> =
        image.shares.iter().filter(|(_, share)| share.holds(now_ms)).map(|(account, _)| account).collect();
    let stay = before.iter().filter(|account| !remove.contains(account)).count();
    let mut added = add.to_vec();
    added.sort();
    added.dedup();
    let new = added.iter().filter(|account| !before.contains(account)).count();
    let limit = Limit::of(view);
    let most = limit.quotas.image_shares.unwrap_or(IMAGE_SHARES_MAX) as usize;
    if new > 0 && stay + new > most {
        let why = format!("the image `{id}` would be shared with {} accounts", stay + new);
        let advice = format!("an image is shared with at most {most} accounts; unshare it with others first");
        return Err(Refusal::new("QuotaExceed.ShareImageUser", why).advise(advice));
    }
    limit.shares(u32::try_from(new).unwrap_or(u32::MAX))?;
    let removed = remove.iter().filter(|account| image.shares.contains_key(account)).cloned().collect();
    Ok(SharesChanged { image: id.clone(), added, until_ms, removed })
}

/// Ends a share whose time has come; if it was ended or prolonged meanwhile, nothing is to be done.
pub fn end_share(
    view: &View<'_>,
    id: &ImageId,
    account: &AccountId,
    until_ms: i64,
) -> Result<ShareEnded, Refusal> {
    let image = in_view(view, id).ok_or_else(|| not_found(id))?;
    let due = image.shares.get(account).is_some_and(|share| share.until_ms == Some(until_ms));
    if !due || view.now_ms() < until_ms {
        let why = format!("the share of `{id}` with `{account}` does not end now");
        return Err(Refusal::new("IncorrectShareStatus", why));
    }
    Ok(ShareEnded { image: id.clone(), account: account.clone() })
}

/// Lets everybody in the region use an image.
pub fn publish(view: &View<'_>, id: &ImageId) -> Result<ImagePublished, Refusal> {
    let image = finished(view, id, "InvalidStatus.ImageIsCreating")?;
    if image.public {
        return Err(Refusal::new("Image.Public", format!("the image `{id}` is everybody's already")));
    }
    if image.status != Status::Available {
        let why = format!("the image `{id}` is {}", image.status.word());
        return Err(Refusal::new("OperationDenied.InvalidImageStatus", why).advise("restore it first"));
    }
    Ok(ImagePublished { image: id.clone() })
}

/// Makes an image its owner's again.
pub fn unpublish(view: &View<'_>, id: &ImageId) -> Result<ImageUnpublished, Refusal> {
    let image = in_view(view, id).ok_or_else(|| not_found(id))?;
    if !image.public {
        let why = format!("the image `{id}` is not everybody's");
        return Err(Refusal::new("Image.NotPublic", why));
    }
    Ok(ImageUnpublished { image: id.clone() })
}

/// Begins a copy, in the scope of the image's owner: it may not be deleted until that is over.
///
/// The owner copies to other regions; one it is shared with copies it within the region, which
/// makes it theirs.
pub fn begin_copy(
    view: &View<'_>,
    id: &ImageId,
    by: &AccountId,
    target: &ImageId,
    to: &Scope,
) -> Result<CopyBegun, Refusal> {
    let image = in_view(view, id).ok_or_else(|| not_found(id))?;
    if !image.is_visible_to(by, view.now_ms()) {
        return Err(not_found(id));
    }
    let own = image.account == *by;
    let same_region = parts_of(to).is_some_and(|(_, region)| region == image.region);
    if image.public {
        let why = format!("the image `{id}` is everybody's; those are not copied");
        let advice = if own { "unpublish it first" } else { "ask its owner to share it instead" };
        return Err(Refusal::new("OperationDenied.CommunityImage", why).advise(advice));
    }
    if image.status != Status::Available {
        let why = format!("the image `{id}` is {}, not Available", image.status.word());
        return Err(Refusal::new("IncorrectImageStatus", why));
    }
    if own && same_region {
        let why = format!("the image `{id}` is in `{}` already", image.region);
        return Err(
            Refusal::new("IncorrectDestinationRegion", why).advise("name another region to copy it to")
        );
    }
    if !own && !same_region {
        let why =
            format!("the image `{id}` is another account's, so it is copied within `{}` only", image.region);
        let advice = "copy it within the region first; that copy is yours and can be copied on";
        return Err(Refusal::new("OperationDenied.SameRegionOnly", why).advise(advice));
    }
    if let Some((other, _)) = image.copies.iter().find(|(_, other)| *other == to) {
        let why = format!("the image `{id}` is being copied there already, to `{other}`");
        return Err(
            Refusal::new("OperationDenied.ImageCopyConflict", why).advise("wait for that copy, or cancel it")
        );
    }
    let disks: Option<Vec<CopiedDisk>> = image
        .disks
        .into_iter()
        .map(|disk| {
            let (device, kind, size_bytes) = (disk.device, disk.kind, disk.size_bytes);
            Some(CopiedDisk { device, kind, size_bytes, disk: disk.disk? })
        })
        .collect();
    let disks = disks.ok_or_else(|| not_found(id))?;
    let copied = Copied { machine: image.machine, disks };
    Ok(CopyBegun { image: id.clone(), target: target.clone(), to: to.clone(), copied })
}

/// Lets go of an image whose copy did not come to its end.
pub fn withdraw_copy(_view: &View<'_>, id: &ImageId, target: &ImageId) -> CopyWithdrawn {
    CopyWithdrawn { image: id.clone(), target: target.clone() }
}

/// Ends a copy.
pub fn end_copy(_view: &View<'_>, id: &ImageId, target: &ImageId) -> Result<CopyEnded, Refusal> {
    Ok(CopyEnded { image: id.clone(), target: target.clone() })
}

/// Tells a family which image to stand for, or, with none, to stand for its newest again. Any
/// Available image of the account in the region will do: a copy stands in no family of its own.
pub fn set_family_head(
    view: &View<'_>,
    family: &str,
    image: Option<&ImageId>,
) -> Result<FamilyHeadSet, Refusal> {
    name::family(family)?;
    if let Some(id) = image {
        let found = in_view(view, id).ok_or_else(|| not_found(id))?;
        if found.status != Status::Available {
            let why = format!("the image `{id}` is {}, not Available", found.status.word());
            return Err(Refusal::new("IncorrectImageStatus", why).advise("restore it first"));
        }
    }
    let before = view.get(&FAMILY_HEADS, &[family]).and_then(|told| told.image);
    Ok(FamilyHeadSet { family: family.to_owned(), image: image.cloned(), before })
}

/// Takes back what [`set_family_head`] did for an operation, whatever others have told the family
/// since: that stays. Says so if there is nothing left to take back.
pub fn return_family_head(view: &View<'_>, family: &str, flow: FlowId) -> Result<FamilyHeadReturned, String> {
    let told = view.get(&FAMILY_HEADS, &[family]);
    let otherwise = || format!("the family `{family}` was told otherwise meanwhile");
    let told = told.and_then(|told| told.without(flow)).ok_or_else(otherwise)?;
    Ok(FamilyHeadReturned { family: family.to_owned(), image: told.image })
}

/// What is to become of tags.
#[derive(Clone, Copy, Debug)]
pub struct Tagging<'a> {
    /// Tags to set.
    pub set: &'a BTreeMap<String, String>,
    /// Keys of tags to take off; fine if they are not there.
    pub remove: &'a [String],
    /// Whether all are taken off first, those of the system excepted. As the API documents it, keys
    /// that are named as well stand against it: then only those go.
    pub all: bool,
}

/// Puts tags on resources of the scope and takes others off, all or nothing.
pub fn tag(
    view: &View<'_>,
    resources: &[ResourceId],
    tagging: Tagging<'_>,
) -> Result<ResourcesTagged, Refusal> {
    let Tagging { set, remove, all } = tagging;
    if resources.is_empty() {
        return Err(Refusal::new("MissingParameter.ResourceIds", "no resource was named"));
    }
    if resources.len() > TAGGED_MAX {
        let why = format!("{} resources; a request tags at most {TAGGED_MAX}", resources.len());
        return Err(Refusal::new("NumberExceed.ResourceIds", why).advise("make several requests of it"));
    }
    if set.is_empty() && remove.is_empty() && !all {
        return Err(Refusal::new("MissingParameter.Tags", "no tag was named"));
    }
    if set.len() > name::TAGS_MAX || remove.len() > name::TAGS_MAX {
        let why = format!("{} tags; a request has at most {}", set.len().max(remove.len()), name::TAGS_MAX);
        return Err(Refusal::new("NumberExceed.Tags", why).advise("make several requests of it"));
    }
    if let Some(key) = remove.iter().find(|key| key.starts_with(name::SYSTEM_TAGS)) {
        let why = format!("the tag `{key}` is the system's");
        return Err(Refusal::new("NoPermission.Tag", why).advise("only tags of your own are taken off"));
    }
    for (key, value) in set {
        name::tag_key(key)?;
        name::tag_value(value)?;
    }
    let all = all && remove.is_empty();
    let unique: BTreeSet<&ResourceId> = resources.iter().collect();
    for id in &unique {
        let mut tags = tags_of(view, id)?;
        tags.retain(|key, _| !key.starts_with(name::SYSTEM_TAGS) && !all && !remove.contains(key));
        tags.extend(set.clone());
        if tags.len() > name::TAGS_MAX {
            let why = format!("`{id}` would have {} tags; it may have {}", tags.len(), name::TAGS_MAX);
            return Err(Refusal::new("QuotaExceed.Tags", why).advise("take tags off that are not needed"));
        }
    }
    let resources = unique.into_iter().cloned().collect();
    Ok(ResourcesTagged { resources, set: set.clone(), removed: remove.to_vec(), all })
}

pub(crate) fn tags_of(view: &View<'_>, id: &ResourceId) -> Result<BTreeMap<String, String>, Refusal> {
    let key = [id.as_str()];
    let tags = match id.as_str().split_once('-').map(|(kind, _)| kind) {
        Some("m") => view.get(&IMAGES, &key).map(|image| image.tags),
        Some("s") => view.get(&SNAPSHOTS, &key).map(|snapshot| snapshot.tags),
        Some("d") => view.get(&DISKS, &key).map(|disk| disk.tags),
        _ => item(view, &ItemId(id.0.clone())).ok().map(|item| item.tags),
    };
    tags.ok_or_else(|| resource_not_found(id))
}

/// The answer for a resource that is not there, or not to be seen.
pub fn resource_not_found(id: &ResourceId) -> Refusal {
    Refusal::new("InvalidResourceId.NotFound", format!("there is no resource `{id}`"))
        .advise("name an image, a snapshot or a disk: the ids are in `kiln image list` and its cousins")
}
