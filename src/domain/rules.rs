//! The rules, decided at the head of the log: each reads one scope's rows and says yes with an
//! event or no with a code. Where two operations compete, the log's order decides, here.

use std::collections::{BTreeMap, BTreeSet};

use event::{Refusal, View};

use crate::events::{
    AccountCreated, Attributes, ExportBegun, ExportEnded, ExportWithdrawn, ImageDeleted, ImageDeprecated,
    ImageModified, ImageReleased, ImageReserved, ImageRestored, ImageSealed, RegionAdded,
};
use crate::image::{ACCOUNTS, FAMILIES, IMAGES, Image, NAMES, REGIONS, Status, USAGE, in_view};
use crate::port::Target;
use crate::{AccountId, ImageId, RegionId, name};

/// Images an account may have in a region. The cloud publishes no number; this keeps one account
/// from filling the tables of all.
pub const IMAGES_MAX: u32 = 10_000;
/// Images in a family, as the API documents.
pub const FAMILY_IMAGES_MAX: usize = 100;
/// Families of an account in a region, as the API documents.
pub const FAMILIES_MAX: usize = 100;

/// Takes an image's id, name and place in its family.
pub fn reserve(view: &View<'_>, wanted: ImageReserved) -> Result<ImageReserved, Refusal> {
    check_attributes(&wanted.name, &wanted.description, wanted.family.as_deref())?;
    check_tags(&wanted.tags)?;
    name_is_free(view, &wanted.name)?;
    let usage = view.get(&USAGE, &[]).unwrap_or_default();
    if usage.images >= IMAGES_MAX {
        let why = format!("the account has {} images in `{}`", usage.images, wanted.region);
        return Err(Refusal::new("QuotaExceed.Image", why).advise("delete images that are no longer needed"));
    }
    if let Some(family) = &wanted.family {
        family_has_room(view, family)?;
    }
    Ok(wanted)
}

/// Gives an image's id and name back.
pub fn release(_view: &View<'_>, image: &ImageId) -> ImageReleased {
    // The fold drops only an image that is still being made, so this is compare-and-release.
    ImageReleased { image: image.clone() }
}

/// Makes an image Available, if its disk is in the store and was read back whole.
pub fn seal(view: &View<'_>, id: &ImageId) -> Result<ImageSealed, Refusal> {
    let image = in_view(view, id).ok_or_else(|| not_found(id))?;
    if image.status != Status::Creating || image.disk.is_none() || !image.verified {
        let why = format!("the image `{id}` has not been stored and verified");
        return Err(Refusal::new("IncorrectImageStatus", why));
    }
    Ok(ImageSealed { image: id.clone() })
}

/// Changes attributes of an image, all of them or none.
pub fn modify(view: &View<'_>, id: &ImageId, to: &Attributes) -> Result<ImageModified, Refusal> {
    let image = finished(view, id, "InvalidStatus.ImageIsCreating")?;
    let to = differing(&image, to);
    if let Some(name) = &to.name {
        name::image_name(name)?;
        name_is_free(view, name)?;
    }
    if let Some(description) = &to.description {
        name::description(description)?;
    }
    if let Some(family) = &to.family {
        name::family(family)?;
        family_has_room(view, family)?;
    }
    let mut tags = image.tags.clone();
    for (key, value) in &to.tags {
        match value {
            Some(value) => _ = tags.insert(key.clone(), value.clone()),
            None => _ = tags.remove(key),
        }
    }
    check_tags(&tags)?;
    let from = Attributes {
        name: to.name.is_some().then(|| image.name.clone()),
        description: to.description.is_some().then(|| image.description.clone()),
        family: to.family.is_some().then(|| image.family.clone().unwrap_or_default()),
        tags: to.tags.keys().map(|key| (key.clone(), image.tags.get(key).cloned())).collect(),
    };
    Ok(ImageModified { image: id.clone(), to, from })
}

/// What of the wanted attributes is not so already: setting a name to itself is no collision.
fn differing(image: &Image, to: &Attributes) -> Attributes {
    Attributes {
        name: to.name.clone().filter(|name| *name != image.name),
        description: to.description.clone().filter(|text| *text != image.description),
        family: to.family.clone().filter(|family| Some(family) != image.family.as_ref()),
        tags: to
            .tags
            .iter()
            .filter(|(key, value)| image.tags.get(*key) != value.as_ref())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    }
}

/// Deprecates an image.
pub fn deprecate(view: &View<'_>, id: &ImageId) -> Result<ImageDeprecated, Refusal> {
    let image = in_view(view, id).ok_or_else(|| not_found(id))?;
    if image.status != Status::Available {
        let why = format!("the image `{id}` is {}, not Available", image.status.word());
        return Err(Refusal::new("ImageStatus.NotAvailable", why));
    }
    Ok(ImageDeprecated { image: id.clone() })
}

/// Restores a deprecated image.
pub fn restore(view: &View<'_>, id: &ImageId) -> Result<ImageRestored, Refusal> {
    let image = in_view(view, id).ok_or_else(|| not_found(id))?;
    if image.status != Status::Deprecated {
        let why = format!("the image `{id}` is {}, not Deprecated", image.status.word());
        return Err(Refusal::new("ImageStatus.NotDeprecated", why));
    }
    Ok(ImageRestored { image: id.clone() })
}

/// Deletes an image that nothing is busy with.
pub fn delete(view: &View<'_>, id: &ImageId) -> Result<ImageDeleted, Refusal> {
    let image = in_view(view, id).ok_or_else(|| not_found(id))?;
    if image.status == Status::Creating {
        let why = format!("the image `{id}` is being imported");
        let advice =
            "cancel its import instead: `kiln workflow list` names it, `kiln workflow cancel` stops it";
        return Err(Refusal::new("OperationDenied.ImageIsImporting", why).advise(advice));
    }
    if image.exports > 0 {
        let why = format!("the image `{id}` is being exported");
        return Err(
            Refusal::new("OperationDenied.ImageIsExporting", why).advise("wait for the export, or cancel it")
        );
    }
    Ok(ImageDeleted { image: id.clone(), name: image.name, snapshots: vec![image.snapshot] })
}

/// Begins an export: the image may not be deleted until it is over.
pub fn begin_export(view: &View<'_>, id: &ImageId, target: Target) -> Result<ExportBegun, Refusal> {
    let image = in_view(view, id).ok_or_else(|| not_found(id))?;
    match (image.status, image.disk) {
        (Status::Available | Status::Deprecated, Some(disk)) => {
            Ok(ExportBegun { image: id.clone(), disk, target })
        }
        (status, _) => {
            let why = format!("the image `{id}` is {}, so there is nothing whole to export", status.word());
            Err(Refusal::new("IncorrectImageStatus", why).advise("wait until it is Available"))
        }
    }
}

/// Lets go of an image whose export did not come to its end.
pub fn withdraw_export(_view: &View<'_>, id: &ImageId) -> ExportWithdrawn {
    ExportWithdrawn { image: id.clone() }
}

/// Ends an export.
pub fn end_export(_view: &View<'_>, id: &ImageId) -> Result<ExportEnded, Refusal> {
    Ok(ExportEnded { image: id.clone() })
}

/// Adds an account, once.
pub fn create_account(view: &View<'_>, account: &AccountId, name: &str) -> Result<AccountCreated, Refusal> {
    if view.get(&ACCOUNTS, &[account.as_str()]).is_some() {
        return Err(Refusal::new(
            "InvalidAccount.Duplicated",
            format!("the account `{account}` is there already"),
        ));
    }
    Ok(AccountCreated { account: account.clone(), name: name.to_owned() })
}

/// Adds a region, once.
pub fn add_region(view: &View<'_>, wanted: RegionAdded) -> Result<RegionAdded, Refusal> {
    let id = &wanted.region;
    let shaped = !id.as_str().is_empty()
        && id.as_str().len() <= 32
        && id.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && id.as_str().starts_with(|c: char| c.is_ascii_lowercase());
    if !shaped {
        let why = format!("`{id}` is no region id");
        let advice =
            "a region id has up to 32 lower-case letters, digits and hyphens, beginning with a letter";
        return Err(Refusal::new("InvalidRegionId.Malformed", why).advise(advice));
    }
    if view.get(&REGIONS, &[id.as_str()]).is_some() {
        return Err(Refusal::new(
            "InvalidRegionId.Duplicated",
            format!("the region `{id}` is there already"),
        ));
    }
    Ok(wanted)
}

/// Checks what can be checked of an image before anything is begun.
pub fn check_attributes(name: &str, description: &str, family: Option<&str>) -> Result<(), Refusal> {
    name::image_name(name)?;
    name::description(description)?;
    family.map_or(Ok(()), name::family)
}

/// Checks the tags an image is to have.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if tags.len() > name::TAGS_MAX {
        let why = format!("{} tags; an image has at most {}", tags.len(), name::TAGS_MAX);
        return Err(Refusal::new("InvalidTagCount", why));
    }
    for (key, value) in tags {
        name::tag_key(key)?;
        name::tag_value(value)?;
    }
    Ok(())
}

/// The answer for an image that is not there, or not to be seen.
pub fn not_found(id: &ImageId) -> Refusal {
    Refusal::new("InvalidImageId.NotFound", format!("there is no image `{id}`"))
        .advise("`kiln image list` shows those there are")
}

fn finished(view: &View<'_>, id: &ImageId, code: &str) -> Result<Image, Refusal> {
    let image = view.get(&IMAGES, &[id.as_str()]).ok_or_else(|| not_found(id))?;
    if image.status == Status::Creating {
        let why = format!("the image `{id}` is still being made");
        return Err(Refusal::new(code, why).advise("wait until it is Available"));
    }
    Ok(image)
}

fn name_is_free(view: &View<'_>, name: &str) -> Result<(), Refusal> {
    let Some(holder) = view.get(&NAMES, &[name]) else { return Ok(()) };
    let why = format!("the name `{name}` is taken by the image `{holder}`");
    Err(Refusal::new("InvalidImageName.Duplicated", why)
        .advise("choose another name, or rename or delete that image"))
}

fn family_has_room(view: &View<'_>, family: &str) -> Result<(), Refusal> {
    let members = view.list(&FAMILIES, &[family]).len();
    if members >= FAMILY_IMAGES_MAX {
        let why = format!("the family `{family}` has {members} images");
        let advice = "delete images of the family that are no longer needed";
        return Err(Refusal::new("ImageQuotaFull.ImageFamily", why).advise(advice));
    }
    if members > 0 {
        return Ok(());
    }
    let ids = view.list(&FAMILIES, &[]);
    let families: BTreeSet<_> = ids.iter().filter_map(|id| in_view(view, id)?.family).collect();
    if families.len() >= FAMILIES_MAX {
        let why = format!("the account has {} families in this region", families.len());
        return Err(Refusal::new("ImageFamilyQuotaFull", why).advise("use a family that is there"));
    }
    Ok(())
}

/// The region a request names.
pub fn known_region(regions: &[RegionId], wanted: &RegionId) -> Result<(), Refusal> {
    if regions.contains(wanted) {
        return Ok(());
    }
    let known: Vec<_> = regions.iter().map(|region| format!("`{region}`")).collect();
    Err(Refusal::new("InvalidRegionId.NotFound", format!("there is no region `{wanted}`"))
        .advise(format!("the regions are {}", known.join(", "))))
}
