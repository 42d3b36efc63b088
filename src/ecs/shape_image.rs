//! An image as the API shows it.

use std::collections::BTreeMap;

use domain::group::default_group;
use service::{ImageDiskView, ImageView};
use wire::{Object, Value};

/// What clients call a platform, where that is not the word they ask with.
const DISPLAYED: [(&str, &str); 2] = [("RedHat", "Red Hat"), ("Customized Linux", "Customized Linux")];

/// Fields of an image in a list.
const IMAGE_FIELDS: usize = 35;

/// What an image cannot.
pub(crate) const UNSUPPORTED: &str = "unsupported";

/// An image in a list.
pub(crate) fn image(image: ImageView) -> Object {
    let is_own = image.image_owner_alias == "self";
    let (os_name, group, usable) = (os_name(&image), group_of(&image), image.usable());
    let has_cloud_init = has_cloud_init(&image);
    let mut shape = Object::with_room(IMAGE_FIELDS)
        .put("ImageId", image.image_id)
        .put("ImageName", image.image_name)
        .put("Description", image.description)
        .put("ImageFamily", image.image_family)
        .word("ImageVersion", "")
        .put("ImageOwnerAlias", image.image_owner_alias)
        .put("ImageOwnerId", image.owner_id.parse::<i64>().unwrap_or_default())
        .put("Status", image.status)
        .put("Progress", percent(image.progress))
        .put("Size", image.size)
        .put("Architecture", image.architecture)
        .put("OSType", image.os_type)
        .put("OSName", &os_name)
        .put("OSNameEn", os_name)
        .put("Platform", displayed(&image.platform))
        .put("BootMode", image.boot_mode)
        .put("LicenseType", image.license_type)
        .put("IsCopied", image.is_copied)
        .put("IsPublic", image.is_public)
        .put("IsSubscribed", false)
        .put("IsSupportCloudinit", has_cloud_init)
        .put("IsSupportIoOptimized", true)
        .put("LoginAsNonRootSupported", false)
        .put("Usable", usable)
        .word("IsSelfShared", if image.shares.is_empty() { "" } else { "true" })
        .word("Usage", "none")
        .word("ProductCode", "")
        .word("SupplierName", "")
        .put("ResourceGroupId", group)
        .put("CreationTime", image.creation_time);
    shape = shape.put(
        "Features",
        Object::with_room(6)
            .put("NvmeSupport", image.nvme_support)
            .put("ImdsSupport", image.imds_support)
            .word("CpuOnlineUpgrade", UNSUPPORTED)
            .word("CpuOnlineDowngrade", UNSUPPORTED)
            .word("MemoryOnlineUpgrade", UNSUPPORTED)
            .word("MemoryOnlineDowngrade", UNSUPPORTED),
    );
    let secure = Object::new().put("SecureBootSupport", image.secure_boot_support);
    shape = shape.put("SecureBootOptions", secure);
    shape = shape.put("Tags", tags(&image.tags));
    shape = shape.list("DiskDeviceMappings", "DiskDeviceMapping", image.disks.iter().map(disk_mapping));
    if let Some(detection) = image.detection.filter(|_| is_own) {
        let item = |item: service::DetectionItem| {
            let told = |text: String| (!text.is_empty()).then_some(text);
            Object::new()
                .put("Name", item.name)
                .put("Value", item.value)
                .put_some("RiskLevel", told(item.risk_level))
                .put_some("RiskCode", told(item.risk_code))
        };
        let items = detection.items.into_iter().map(item);
        shape = shape.put(
            "DetectionOptions",
            Object::new().put("Status", detection.status).list("Items", "Item", items),
        );
    }
    shape
}

/// An image as the answer for a family has it: fewer fields, and a bare number of progress.
pub(crate) fn from_family(image: &ImageView) -> Object {
    Object::new()
        .put("ImageId", &image.image_id)
        .put("ImageName", &image.image_name)
        .put("Description", &image.description)
        .put("ImageFamily", &image.image_family)
        .word("ImageVersion", "")
        .put("ImageOwnerAlias", &image.image_owner_alias)
        .put("Status", &image.status)
        .word("Progress", "100")
        .put("Size", image.size)
        .put("Architecture", &image.architecture)
        .put("OSType", &image.os_type)
        .put("OSName", os_name(image))
        .put("Platform", displayed(&image.platform))
        .put("IsCopied", image.is_copied)
        .word("IsSelfShared", if image.shares.is_empty() { "" } else { "true" })
        .put("IsSubscribed", false)
        .put("IsSupportCloudinit", has_cloud_init(image))
        .put("IsSupportIoOptimized", true)
        .word("Usage", "none")
        .word("ProductCode", "")
        .put("CreationTime", &image.creation_time)
        .put("Tags", tags(&image.tags))
        .list("DiskDeviceMappings", "DiskDeviceMapping", image.disks.iter().map(disk_of))
}

/// The bucket and the key a disk was imported from; empty for none.
fn bucket_and_object(disk: &ImageDiskView) -> (&str, &str) {
    disk.source.strip_prefix("oss://").and_then(|at| at.split_once('/')).unwrap_or_default()
}

/// A disk, wherever an answer has it.
fn disk_of(disk: &ImageDiskView) -> Object {
    let (bucket, object) = bucket_and_object(disk);
    Object::new()
        .put("Type", &disk.r#type)
        .put("Device", &disk.device)
        .put("Size", disk.size.to_string())
        .put("SnapshotId", &disk.snapshot_id)
        .put("Format", disk.format.to_uppercase())
        .put("ImportOSSBucket", bucket)
        .put("ImportOSSObject", object)
}

/// A disk in a list, with how far it is.
fn disk_mapping(disk: &ImageDiskView) -> Object {
    disk_of(disk)
        .put("Progress", percent(disk.progress))
        .put("RemainTime", disk.remain_time)
        .put("Encrypted", false)
}

/// Tags of a resource, as answers have them.
pub(crate) fn tags(tags: &BTreeMap<String, String>) -> Object {
    let tag = |(key, value): (&String, &String)| Object::new().put("TagKey", key).put("TagValue", value);
    let tags = tags.iter().map(tag).map(Value::from).collect();
    Object::new().put("Tag", Value::List(tags))
}

/// The resource group it is in: an image of the account's own is in one.
fn group_of(image: &ImageView) -> String {
    match (image.group_id.is_empty(), image.image_owner_alias.as_str()) {
        (true, "self") => default_group(&image.owner_id.as_str().into()).0,
        _ => image.group_id.clone(),
    }
}

fn percent(percent: u32) -> Value {
    // Nearly every image is whole.
    if percent == 100 { Value::Word("100%") } else { format!("{percent}%").into() }
}

fn displayed(platform: &str) -> &str {
    DISPLAYED.iter().find(|(word, _)| *word == platform).map_or(platform, |(_, shown)| shown)
}

/// The system's name: what a check found, or its platform and processor.
fn os_name(image: &ImageView) -> String {
    let found = |name: &str| {
        let items = image.detection.iter().flat_map(|detection| &detection.items);
        items
            .filter(|item| item.name == name && item.risk_code.is_empty())
            .map(|item| item.value.clone())
            .next()
    };
    found("GUESTOS.OSVersion").unwrap_or_else(|| {
        let bits = if image.architecture == "i386" { "32 bit" } else { "64 bit" };
        format!("{} {bits}", displayed(&image.platform))
    })
}

fn has_cloud_init(image: &ImageView) -> bool {
    let items = image.detection.iter().flat_map(|detection| &detection.items);
    items.filter(|item| item.name == "GUESTOS.CloudInit").any(|item| item.risk_code.is_empty())
}
