//! The rules, decided at the head of the log: each reads one scope's rows and says yes with an
//! event or no with a code. Where two operations compete, the log's order decides, here.
//!
//! This file has the life of an image; sharing, copying and families, snapshots and disks, and the
//! house have theirs beside it. The codes are those of the ECS API, spelt as it spells them.

use std::collections::{BTreeMap, BTreeSet};

use event::{Refusal, View};

use crate::events::{
    Attributes, CheckAsked, CheckDropped, DiskPlan, ExportBegun, ExportDisk, ExportEnded, ExportWithdrawn,
    ImageBegun, ImageChecked, ImageDeleted, ImageDeprecated, ImageModified, ImageReleased, ImageReserved,
    ImageRestored, ImageSealed,
};
use crate::image::{
    DiskKind, FAMILY_ROWS, IMAGES, Image, Making, NAMES, QUOTAS, SNAPSHOTS, Snapshot, Status, USAGE, Usage,
    in_view,
};
use crate::machine::{BootMode, LicenseType, OsType, check_boot_mode, check_imds, check_secure_boot};
use crate::port::{CheckItem, Target};
use crate::{ImageId, SnapshotId, TaskId, name};

pub use crate::rules_access::*;
pub use crate::rules_batch::*;
pub use crate::rules_disk::*;
pub use crate::rules_house::*;
pub use crate::rules_network::*;
pub use crate::rules_ram::*;
pub use crate::rules_schedule::*;
pub use crate::rules_share::*;
pub use crate::rules_upkeep::*;

/// Disks of an image: one system disk and sixteen data disks, as the API documents.
pub const IMAGE_DISKS_MAX: usize = 17;
/// The largest disk an image may have, as the API documents for imports.
pub const DISK_SIZE_MAX: u64 = 2048 << 30;
/// Data disks an export takes, as the API documents.
pub const EXPORT_DATA_DISKS_MAX: usize = 4;
/// The largest disk an export takes, as the API documents.
pub const EXPORT_DISK_MAX: u64 = 500 << 30;

/// Takes an image's id, name and place in its family, and holds on to the snapshots it stands on.
pub fn reserve(view: &View<'_>, wanted: ImageReserved) -> Result<ImageReserved, Refusal> {
    check_attributes(&wanted.name, &wanted.description, wanted.family.as_deref())?;
    check_tags(&wanted.tags)?;
    if wanted.making == Making::Import {
        check_imported(&wanted)?;
    }
    check_disks(&wanted.disks)?;
    if let Some(list) = &wanted.for_list {
        reserve_for_list(view, &wanted, list)?;
    }
    name_is_free(view, &wanted.name)?;
    let limit = Limit::of(view);
    limit.images(1)?;
    if let Some(family) = &wanted.family {
        family_has_room(view, family, "ImageQuotaExceed.ImageFamily", "ImageFamilyQuotaExceed")?;
    }
    let made = wanted.disks.iter().filter(|disk| disk.own).count();
    limit.snapshots(u32::try_from(made).unwrap_or(u32::MAX))?;
    let mut disks = Vec::with_capacity(wanted.disks.len());
    for disk in wanted.disks {
        disks.push(if disk.own { disk } else { on_snapshot(view, disk)? });
    }
    Ok(ImageReserved { disks, ..wanted })
}

/// What the API asks of imports beside: they boot in one way, and no two keys of their tags are alike.
fn check_imported(wanted: &ImageReserved) -> Result<(), Refusal> {
    if wanted.machine.boot_mode == BootMode::UefiPreferred {
        return Err(Refusal::new("InvalidBootMode.NotSupport", "an import boots by BIOS or by UEFI")
            .advise("name the one it boots by; it can be set to `UEFI-Preferred` afterwards"));
    }
    let mut seen = BTreeSet::new();
    match wanted.tags.keys().find(|key| !seen.insert(key.to_lowercase())) {
        Some(key) => {
            let why = format!("the tag `{key}` differs from another only in the case of its letters");
            Err(Refusal::new("TagKey.Duplication", why).advise("name each key once"))
        }
        None => Ok(()),
    }
}

/// A disk of an image that stands on a snapshot, with what the snapshot says of it.
fn on_snapshot(view: &View<'_>, plan: DiskPlan) -> Result<DiskPlan, Refusal> {
    let snapshot = ready_snapshot(view, &plan.snapshot)?;
    let size_bytes = if plan.size_bytes == 0 { snapshot.size_bytes } else { plan.size_bytes };
    if size_bytes < snapshot.size_bytes {
        let why = format!(
            "`{}` is to have {size_bytes} bytes, the snapshot `{}` has {}",
            plan.device, snapshot.id, snapshot.size_bytes
        );
        return Err(Refusal::new("InvalidSize.ValueNotSupported", why).advise("a disk never gets smaller"));
    }
    let disk_bytes = snapshot.disk.map_or(0, |disk| disk.disk_bytes);
    Ok(DiskPlan { size_bytes, disk_bytes, disk: snapshot.disk, data_bytes: snapshot.data_bytes, ..plan })
}

/// A snapshot of the scope that may be used.
pub(crate) fn ready_snapshot(view: &View<'_>, id: &SnapshotId) -> Result<Snapshot, Refusal> {
    let snapshot = view.get(&SNAPSHOTS, &[id.as_str()]).ok_or_else(|| snapshot_not_found(id))?;
    if !snapshot.ready {
        let why = format!("the snapshot `{id}` is still being made");
        return Err(Refusal::new("InvalidSnapshotId.NotReady", why).advise("wait until it is accomplished"));
    }
    Ok(snapshot)
}

/// Checks which disks an image is to have: one system disk, first; each device once.
pub fn check_disks(disks: &[DiskPlan]) -> Result<(), Refusal> {
    if disks.len() > IMAGE_DISKS_MAX {
        let why = format!("{} disks; an image has one system disk and up to 16 data disks", disks.len());
        return Err(Refusal::new("InvalidDiskCount.ValueNotSupported", why));
    }
    let systems = disks.iter().filter(|disk| disk.kind == DiskKind::System).count();
    if systems != 1 || disks[0].kind != DiskKind::System {
        let why = format!("{systems} of the disks are system disks");
        return Err(Refusal::new("OperationDenied", why)
            .advise("an image has exactly one system disk: say which with the type `system`"));
    }
    for (place, disk) in disks.iter().enumerate() {
        name::device(&disk.device, disk.kind)?;
        if disks[..place].iter().any(|other| other.device == disk.device) {
            let why = format!("two disks are to be `{}`", disk.device);
            return Err(Refusal::new("InvalidDevice.InUse", why).advise("give each disk a device of its own"));
        }
        let code = match disk.kind {
            DiskKind::System => "InvalidImageSize",
            DiskKind::Data => "InvalidDataDiskSize",
        };
        if disk.size_bytes > DISK_SIZE_MAX || disk.disk_bytes > DISK_SIZE_MAX {
            let why = format!("`{}` would have more than 2048 GiB", disk.device);
            return Err(Refusal::new(code, why));
        }
        if disk.size_bytes < disk.disk_bytes {
            let why = format!(
                "`{}` is to have {} bytes, but its disk has {}",
                disk.device, disk.size_bytes, disk.disk_bytes
            );
            return Err(Refusal::new(code, why).advise("leave the size out, or give one that holds the disk"));
        }
    }
    Ok(())
}

/// Lets an image that waited be made.
pub fn begin_image(view: &View<'_>, id: &ImageId) -> Result<ImageBegun, Refusal> {
    in_view(view, id).ok_or_else(|| not_found(id))?;
    Ok(ImageBegun { image: id.clone() })
}

/// Gives an image's id and name back.
pub fn release(_view: &View<'_>, image: &ImageId) -> ImageReleased {
    // The fold drops only an image that is still being made, so this is compare-and-release.
    ImageReleased { image: image.clone() }
}

/// Makes an image Available, if its disks are in the store and were read back whole.
pub fn seal(view: &View<'_>, id: &ImageId) -> Result<ImageSealed, Refusal> {
    let image = in_view(view, id).ok_or_else(|| not_found(id))?;
    let whole = image.disks.iter().all(|disk| disk.disk.is_some() && disk.verified);
    if image.status != Status::Creating || !whole {
        let why = format!("the image `{id}` has not been stored and verified");
        return Err(Refusal::new("IncorrectImageStatus", why));
    }
    Ok(ImageSealed { image: id.clone() })
}

/// Changes attributes of an image, all of them or none.
pub fn modify(view: &View<'_>, id: &ImageId, to: &Attributes) -> Result<ImageModified, Refusal> {
    let image = finished(view, id, "InvalidStatus.ImageIsCreating")?;
    match to.deprecated {
        Some(true) => may_deprecate(&image, view.now_ms())?,
        Some(false) => may_restore(&image)?,
        None => {}
    }
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
        family_has_room(view, family, "ImageQuotaFull.ImageFamily", "ImageFamilyQuotaFull")?;
    }
    let machine = &image.machine;
    if let Some(boot_mode) = to.boot_mode {
        check_boot_mode(machine.architecture, boot_mode)?;
    }
    check_secure_boot(
        to.boot_mode.unwrap_or(machine.boot_mode),
        to.secure_boot.unwrap_or(machine.secure_boot),
    )?;
    if let Some(license_type) = to.license_type
        && (license_type != LicenseType::Byol || machine.os_type != OsType::Windows)
    {
        let why = format!("`{}` cannot be set on this image", license_type.word());
        return Err(Refusal::new("InvalidLicenseType.NotSupported", why)
            .advise("only `BYOL` can be set, and only on Windows"));
    }
    if let Some(imds) = to.imds {
        check_imds(machine.imds, imds)?;
    }
    let mut tags = image.tags.clone();
    for (key, value) in &to.tags {
        match value {
            Some(value) => _ = tags.insert(key.clone(), value.clone()),
            None => _ = tags.remove(key),
        }
    }
    check_new_tags(&tags, to.tags.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))))?;
    let from = Attributes {
        name: to.name.is_some().then(|| image.name.clone()),
        description: to.description.is_some().then(|| image.description.clone()),
        family: to.family.is_some().then(|| image.family.clone().unwrap_or_default()),
        deprecated: to.deprecated.map(|deprecated| !deprecated),
        boot_mode: to.boot_mode.map(|_| machine.boot_mode),
        license_type: to.license_type.map(|_| machine.license_type),
        imds: to.imds.map(|_| machine.imds),
        nvme: to.nvme.map(|_| machine.nvme),
        secure_boot: to.secure_boot.map(|_| machine.secure_boot),
        tags: to.tags.keys().map(|key| (key.clone(), image.tags.get(key).cloned())).collect(),
    };
    Ok(ImageModified { image: id.clone(), to, from })
}

/// What of the wanted attributes is not so already: setting a name to itself is no collision.
fn differing(image: &Image, to: &Attributes) -> Attributes {
    let machine = &image.machine;
    Attributes {
        name: to.name.clone().filter(|name| *name != image.name),
        description: to.description.clone().filter(|text| *text != image.description),
        family: to.family.clone().filter(|family| Some(family) != image.family.as_ref()),
        deprecated: to.deprecated,
        boot_mode: to.boot_mode.filter(|mode| *mode != machine.boot_mode),
        license_type: to.license_type.filter(|license| *license != machine.license_type),
        imds: to.imds.filter(|imds| *imds != machine.imds),
        nvme: to.nvme.filter(|nvme| *nvme != machine.nvme),
        secure_boot: to.secure_boot.filter(|secure_boot| *secure_boot != machine.secure_boot),
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
    may_deprecate(&image, view.now_ms())?;
    Ok(ImageDeprecated::of(id.clone()))
}

fn may_deprecate(image: &Image, now_ms: i64) -> Result<(), Refusal> {
    if image.status != Status::Available {
        let why = format!("the image `{}` is {}, not Available", image.id, image.status.word());
        return Err(Refusal::new("ImageStatus.NotAvailable", why));
    }
    not_shared(image, now_ms, "deprecated")
}

/// Restores a deprecated image.
pub fn restore(view: &View<'_>, id: &ImageId) -> Result<ImageRestored, Refusal> {
    let image = in_view(view, id).ok_or_else(|| not_found(id))?;
    may_restore(&image)?;
    Ok(ImageRestored { image: id.clone() })
}

fn may_restore(image: &Image) -> Result<(), Refusal> {
    if image.status != Status::Deprecated {
        let why = format!("the image `{}` is {}, not Deprecated", image.id, image.status.word());
        return Err(Refusal::new("ImageStatus.NotDeprecated", why));
    }
    Ok(())
}

/// What a deletion is asked for beside the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    /// Even if instances use it.
    pub force: bool,
    /// The snapshots the image made stay.
    pub keep_snapshots: bool,
}

/// Deletes an image that nothing is busy with.
pub fn delete(view: &View<'_>, id: &ImageId, how: Deletion) -> Result<ImageDeleted, Refusal> {
    let image = in_view(view, id).ok_or_else(|| not_found(id))?;
    not_being_made(&image)?;
    not_busy(&image)?;
    if image.public {
        let why = format!("the image `{id}` is everybody's");
        return Err(Refusal::new("ImageIsPublic", why).advise("unpublish it first"));
    }
    not_shared(&image, view.now_ms(), "deleted")?;
    let mut snapshots = Vec::new();
    if !how.keep_snapshots {
        for disk in image.disks.iter().filter(|disk| disk.own) {
            let snapshot = view.get(&SNAPSHOTS, &[disk.snapshot.as_str()]);
            // One that something else stands on stays.
            let others = |snapshot: &Snapshot| snapshot.images.saturating_sub(1) + snapshot.disks;
            let goes = snapshot.filter(|snapshot| others(snapshot) == snapshot.making);
            if let Some(snapshot) = goes {
                may_go(&snapshot)?;
                snapshots.push(snapshot.id);
            }
        }
    }
    Ok(ImageDeleted { image: id.clone(), name: image.name, snapshots, force: how.force })
}

/// Whether a snapshot that goes with its image may go now: not while it is to be read, nor while it is open
/// whether something will stand on it. Who cannot wait keeps the snapshots.
fn may_go(snapshot: &Snapshot) -> Result<(), Refusal> {
    let doing = match snapshot.copies.first_key_value() {
        Some((region, copy)) => format!("is being copied to `{copy}` in `{region}`"),
        None if snapshot.making > 0 => "is what an image or a disk is being made from".to_owned(),
        None => return Ok(()),
    };
    let why = format!("the snapshot `{}` of the image {doing}", snapshot.id);
    Err(Refusal::new("Operation.Conflict", why).advise("wait for that, cancel it, or keep the snapshots"))
}

fn not_being_made(image: &Image) -> Result<(), Refusal> {
    if !image.status.is_being_made() {
        return Ok(());
    }
    let (code, doing) = match image.making {
        Making::Copy { .. } => ("OperationDenied.ImageCopying", "copied"),
        Making::Import => ("ImageIsImporting", "imported"),
        Making::Snapshots => ("InvalidStatus.ImageIsCreating", "made"),
    };
    let advice = "cancel that instead: `kiln workflow list` names it, `kiln workflow cancel` stops it";
    Err(Refusal::new(code, format!("the image `{}` is being {doing}", image.id)).advise(advice))
}

fn not_busy(image: &Image) -> Result<(), Refusal> {
    if image.exports > 0 {
        let why = format!("the image `{}` is being exported", image.id);
        return Err(Refusal::new("ImageIsExporting", why).advise("wait for the export, or cancel it"));
    }
    if let Some((target, scope)) = image.copies.first_key_value() {
        let why = format!("the image `{}` is being copied to `{target}` in `{scope}`", image.id);
        return Err(
            Refusal::new("OperationDenied.ImageCopying", why).advise("wait for the copy, or cancel it")
        );
    }
    Ok(())
}

fn not_shared(image: &Image, now_ms: i64, what: &str) -> Result<(), Refusal> {
    if !image.is_shared(now_ms) {
        return Ok(());
    }
    let why = format!("the image `{}` is shared, so it cannot be {what}", image.id);
    Err(Refusal::new("ImageUseShared", why).advise("unshare it first: `kiln image unshare`"))
}

/// Begins an export: the image may not be deleted until it is over.
pub fn begin_export(
    view: &View<'_>,
    id: &ImageId,
    task: &TaskId,
    targets: &[(String, Target)],
) -> Result<ExportBegun, Refusal> {
    let image = in_view(view, id).ok_or_else(|| not_found(id))?;
    check_export(&image)?;
    Limit::of(view).exports()?;
    let mut disks = Vec::with_capacity(targets.len());
    for (device, target) in targets {
        let disk = image.disks.iter().find(|disk| disk.device == *device).and_then(|disk| disk.disk);
        let disk = disk.ok_or_else(|| {
            let why = format!("the image `{id}` has no disk `{device}`");
            Refusal::new("InvalidDevice.Malformed", why).advise("`kiln image show` lists its disks")
        })?;
        disks.push(ExportDisk { device: device.clone(), disk, target: target.clone() });
    }
    Ok(ExportBegun { image: id.clone(), task: task.clone(), disks })
}

/// Whether an image may be exported.
pub fn check_export(image: &Image) -> Result<(), Refusal> {
    let id = &image.id;
    if !matches!(image.status, Status::Available | Status::Deprecated) {
        let why = format!("the image `{id}` is {}, so there is nothing whole to export", image.status.word());
        return Err(Refusal::new("IncorrectImageStatus", why).advise("wait until it is Available"));
    }
    if image.public {
        let why = format!("the image `{id}` is everybody's; those are not exported");
        return Err(Refusal::new("InvalidImageCategory.NotSupported", why).advise("unpublish it first"));
    }
    if image.machine.platform.starts_with("Windows Server") {
        let why = format!("the image `{id}` is of `{}`, whose licence stays here", image.machine.platform);
        return Err(Refusal::new("InvalidImageLicense.NotSupported", why));
    }
    let data = image.disks.iter().filter(|disk| disk.kind == DiskKind::Data).count();
    let largest = image.disks.iter().map(|disk| disk.size_bytes).max().unwrap_or_default();
    if data > EXPORT_DATA_DISKS_MAX || largest > EXPORT_DISK_MAX {
        let why = format!("the image `{id}` has {data} data disks, and its largest disk {largest} bytes");
        return Err(Refusal::new("InvalidImage.DiskAmountOrSize", why)
            .advise("an export takes up to 4 data disks of up to 500 GiB"));
    }
    Ok(())
}

/// Lets go of an image whose export did not come to its end.
pub fn withdraw_export(_view: &View<'_>, id: &ImageId) -> ExportWithdrawn {
    ExportWithdrawn { image: id.clone() }
}

/// Ends an export.
pub fn end_export(_view: &View<'_>, id: &ImageId) -> Result<ExportEnded, Refusal> {
    Ok(ExportEnded { image: id.clone() })
}

/// Begins an image check.
pub fn ask_check(view: &View<'_>, id: &ImageId) -> Result<CheckAsked, Refusal> {
    let image = finished(view, id, "IncorrectImageStatus")?;
    let disk = image.system().disk.ok_or_else(|| not_found(id))?;
    Ok(CheckAsked { image: id.clone(), disk })
}

/// Ends an image check with what it found. The image may be gone by now, for a check holds nothing: then
/// nothing changes, and what could not be read is no damage.
pub fn end_check(
    view: &View<'_>,
    id: &ImageId,
    found: Result<Vec<CheckItem>, Refusal>,
) -> Result<ImageChecked, Refusal> {
    match found {
        Ok(items) => Ok(ImageChecked { image: id.clone(), items }),
        Err(_) if in_view(view, id).is_none() => Err(not_found(id)),
        Err(why) => Err(why),
    }
}

/// Gives an image check up.
pub fn drop_check(_view: &View<'_>, id: &ImageId) -> CheckDropped {
    CheckDropped { image: id.clone() }
}

/// Checks what can be checked of an image before anything is begun.
pub fn check_attributes(name: &str, description: &str, family: Option<&str>) -> Result<(), Refusal> {
    name::image_name(name)?;
    name::description(description)?;
    family.map_or(Ok(()), name::family)
}

/// Checks the tags something is to have.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    check_new_tags(tags, tags.iter())
}

/// Checks the tags something will have, and those of them that are new; those of the system may stay.
pub(crate) fn check_new_tags<'a>(
    all: &BTreeMap<String, String>,
    new: impl Iterator<Item = (&'a String, &'a String)>,
) -> Result<(), Refusal> {
    let count = all.keys().filter(|key| !key.starts_with("acs:")).count();
    if count > name::TAGS_MAX {
        let why = format!("{count} tags; there may be at most {}", name::TAGS_MAX);
        return Err(Refusal::new("InvalidTagCount", why).advise("take tags off that are no longer needed"));
    }
    for (key, value) in new {
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

pub(crate) fn finished(view: &View<'_>, id: &ImageId, code: &str) -> Result<Image, Refusal> {
    let image = view.get(&IMAGES, &[id.as_str()]).ok_or_else(|| not_found(id))?;
    if image.status.is_being_made() {
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

/// Whether a family may have one more image. The API names the same limits differently where an
/// image is made and where it is modified.
fn family_has_room(
    view: &View<'_>,
    family: &str,
    full_code: &'static str,
    many_code: &'static str,
) -> Result<(), Refusal> {
    let quotas = view.get(&QUOTAS, &[]).unwrap_or_default();
    let members = view.get(&FAMILY_ROWS, &[family]).map_or(0, |row| row.images);
    if members >= quotas.family_images.unwrap_or(FAMILY_IMAGES_MAX) {
        let why = format!("the family `{family}` has {members} images");
        let advice = "delete images of the family that are no longer needed";
        return Err(Refusal::new(full_code, why).advise(advice));
    }
    let Usage { families, .. } = view.get(&USAGE, &[]).unwrap_or_default();
    if members == 0 && families >= quotas.families.unwrap_or(FAMILIES_MAX) {
        let why = format!("the account has {families} families in this region");
        return Err(Refusal::new(many_code, why).advise("use a family that is there"));
    }
    Ok(())
}
