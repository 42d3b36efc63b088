//! What the events of the domain say in plain words.

use std::collections::BTreeMap;

use domain::events as told;
use domain::events::Attributes;
use domain::events_network::{
    GroupCreated, ItemCreated, ItemModified, ItemsDeleted, ResourceGrouped, RulesChanged,
};
use domain::port::{Location, Target};
use event::{Event, Record};

use crate::story::bytes_text;
use crate::view::{format_word, time_text};
use crate::{story_access, story_schedule, story_upkeep};

/// The event in plain words, if it is one of the domain's.
pub(crate) fn text(record: &Record) -> Option<String> {
    image_text(record)
        .or_else(|| shared_text(record))
        .or_else(|| disk_text(record))
        .or_else(|| network_text(record))
        .or_else(|| bucket_text(record))
        .or_else(|| story_access::text(record))
        .or_else(|| story_schedule::text(record))
        .or_else(|| story_upkeep::text(record))
        .or_else(|| plain_text(record).map(str::to_owned))
}

pub(crate) fn read<E: Event>(record: &Record) -> Option<E> {
    E::reads(&record.kind).then(|| record.get().ok()).flatten()
}

fn image_text(record: &Record) -> Option<String> {
    if let Some(event) = read::<told::SourcesInspected>(record) {
        let looked = event.sources.iter().map(|source| {
            let (format, size) = (format_word(source.format), bytes_text(source.disk_bytes));
            format!("`{}`: a {format} disk of {size}", source.at)
        });
        return Some(format!("looked at {}", looked.collect::<Vec<_>>().join(", ")));
    }
    if let Some(event) = read::<told::ImageReserved>(record) {
        let family = event.family.map(|family| format!(" in the family `{family}`")).unwrap_or_default();
        let waits = if event.waits { ", and waits for its turn" } else { "" };
        return Some(format!("took the name `{}`{family} in `{}`{waits}", event.name, event.region));
    }
    if let Some(event) = read::<told::DataTransferred>(record) {
        let data = event.data;
        let (data_bytes, stored) = (bytes_text(data.data_bytes), bytes_text(data.stored_bytes));
        return Some(format!(
            "read the disk: {data_bytes} of data in {} chunks, {stored} new in the store",
            data.chunks
        ));
    }
    if let Some(event) = read::<told::DataVerified>(record) {
        let root = event.root.to_string();
        return Some(format!("read all {} chunks back: the content is `{}…`", event.chunks, &root[..16]));
    }
    if let Some(event) = read::<told::ImageModified>(record) {
        return Some(format!("changed {}", changes(&event.from, &event.to)));
    }
    if let Some(event) = read::<told::ExportBegun>(record) {
        let targets: Vec<_> = event.disks.iter().map(|disk| target_text(&disk.target)).collect();
        return Some(format!("began to export to {}", targets.join(", ")));
    }
    if let Some(event) = read::<told::ExportWritten>(record) {
        return Some(format!("wrote `{}`, a disk of {}", event.at, bytes_text(event.disk_bytes)));
    }
    if let Some(event) = read::<told::ImageChecked>(record) {
        let risks = event.items.iter().filter(|item| item.risk.is_some()).count();
        return Some(format!("was checked: {} things looked at, {risks} of them at risk", event.items.len()));
    }
    let event = read::<told::ChunksCollected>(record)?;
    let freed = bytes_text(event.collected.freed_bytes);
    Some(format!("collected in `{}`: {freed} given back", event.region))
}

fn shared_text(record: &Record) -> Option<String> {
    let list = |accounts: &[domain::AccountId]| {
        accounts.iter().map(|account| format!("`{account}`")).collect::<Vec<_>>().join(", ")
    };
    if let Some(event) = read::<told::SharesChanged>(record) {
        let until = event.until_ms.map(|ms| format!(" until {}", time_text(ms))).unwrap_or_default();
        let mut parts = Vec::new();
        if !event.added.is_empty() {
            parts.push(format!("shared with {}{until}", list(&event.added)));
        }
        if !event.removed.is_empty() {
            parts.push(format!("shared no more with {}", list(&event.removed)));
        }
        return Some(if parts.is_empty() {
            "its shares stayed as they were".to_owned()
        } else {
            parts.join(", ")
        });
    }
    if let Some(event) = read::<told::ShareEnded>(record) {
        return Some(format!("its share with `{}` came to its end", event.account));
    }
    if let Some(event) = read::<told::CopyBegun>(record) {
        let by = &record.actor.account;
        return Some(format!("account `{by}` began to copy it to `{}` as `{}`", event.to, event.target));
    }
    if let Some(event) = read::<told::CopyEnded>(record) {
        return Some(format!("its copy `{}` stands", event.target));
    }
    if let Some(event) = read::<told::FamilyHeadSet>(record) {
        let what = event.image.map_or_else(|| "its newest image again".to_owned(), |id| format!("`{id}`"));
        return Some(format!("told the family `{}` to stand for {what}", event.family));
    }
    if let Some(event) = read::<told::FamilyHeadReturned>(record) {
        return Some(format!("let the family `{}` stand for what it had before", event.family));
    }
    if let Some(event) = read::<told::ResourcesTagged>(record) {
        let set: Vec<_> = event.set.iter().map(|(key, value)| format!("`{key}` to `{value}`")).collect();
        let removed: Vec<_> = event.removed.iter().map(|key| format!("`{key}` off")).collect();
        let all = event.all.then(|| "all others off".to_owned()).into_iter().collect();
        return Some(format!("set tags: {}", [set, removed, all].concat().join(", ")));
    }
    let event = read::<told::AccountCreated>(record)?;
    Some(format!("the account `{}` was created, called `{}`", event.account, event.name))
}

fn network_text(record: &Record) -> Option<String> {
    if let Some(event) = read::<GroupCreated>(record) {
        return Some(format!("the resource group `{}` was created", event.name));
    }
    if let Some(event) = read::<ResourceGrouped>(record) {
        return Some(format!("was put in the resource group `{}`", event.group));
    }
    let event = read::<ItemCreated>(record)?;
    let word = event.is.kind().word();
    Some(if event.name.is_empty() {
        format!("the {word} was created")
    } else {
        format!("the {word} `{}` was created", event.name)
    })
}

fn disk_text(record: &Record) -> Option<String> {
    if let Some(event) = read::<told::SnapshotReserved>(record) {
        let of = event.of_disk.map(|disk| format!(" of the disk `{disk}`")).unwrap_or_default();
        let kept = event.retention_days.map(|days| format!(", kept for {days} days")).unwrap_or_default();
        return Some(format!("the snapshot `{}`{of} is being made{kept}", event.snapshot));
    }
    if let Some(event) = read::<told::SnapshotDeleted>(record) {
        return Some(if event.expired {
            "had been kept long enough, and was removed".to_owned()
        } else {
            "the snapshot was deleted".to_owned()
        });
    }
    if let Some(event) = read::<told::SnapshotCopyBegun>(record) {
        return Some(format!("began to be copied to `{}` as `{}`", event.to, event.target));
    }
    let event = read::<told::DiskReserved>(record)?;
    let size = bytes_text(event.size_bytes);
    Some(format!("the disk `{}` of {size} is being made", event.disk))
}

fn bucket_text(record: &Record) -> Option<String> {
    let at = |at: &Location| format!("`{at}`");
    if let Some(event) = read::<told::BucketReserved>(record) {
        return Some(format!("took the name of the bucket `{}` in `{}`", event.bucket, event.region));
    }
    if let Some(event) = read::<told::ObjectPut>(record) {
        return Some(format!("put {}, {}", at(&event.at), bytes_text(event.bytes)));
    }
    if let Some(event) = read::<told::ObjectFetched>(record) {
        return Some(format!("copied {} to `{}`", at(&event.at), event.path));
    }
    let event = read::<told::ObjectRemoved>(record)?;
    Some(format!("removed {}", at(&event.at)))
}

fn plain_text(record: &Record) -> Option<&'static str> {
    Some(match record.kind.as_str() {
        RulesChanged::KIND => "the rules of the security group were changed",
        ItemModified::KIND => "its name, description or attributes were changed",
        ItemsDeleted::KIND => "was deleted",
        told::ImageBegun::KIND => "its turn came",
        told::ImageReleased::KIND => "gave its name back; the image never came to be",
        told::DataDiscarded::KIND => "gave back the space it had taken",
        told::ImageSealed::KIND => "became Available",
        told::DataSettled::KIND => "its chunks serve the whole account from now on",
        told::ImageDeprecated::KIND => "was deprecated",
        told::ImageRestored::KIND => "was restored, and is Available again",
        told::ImageDeleted::KIND => "was deleted",
        told::ImagePublished::KIND => "was published to everybody in its region",
        told::ImageUnpublished::KIND => "is its owner's again",
        told::CopyWithdrawn::KIND => "let go of the copy that did not come to its end",
        told::ExportWithdrawn::KIND => "let go of the export that did not come to its end",
        told::ExportDiscarded::KIND => "removed what the export had written",
        told::ExportEnded::KIND => "finished the export",
        told::CheckAsked::KIND => "is to be checked",
        told::CheckDropped::KIND => "its check was given up",
        told::SnapshotReleased::KIND => "gave its id back; the snapshot never came to be",
        told::SnapshotSealed::KIND => "the snapshot is accomplished",
        told::SnapshotModified::KIND => "the snapshot's name, description or retention was changed",
        told::SnapshotCopyEnded::KIND => "the snapshot is copied no more",
        told::DiskReleased::KIND => "gave its id back; the disk never came to be",
        told::DiskSealed::KIND => "the disk may be used",
        told::DiskModified::KIND => "the disk's name, description or size was changed",
        told::DiskDeleted::KIND => "the disk was deleted",
        told::BucketPlaced::KIND => "the bucket stands",
        told::BucketMade::KIND => "the bucket may be used",
        told::BucketCleared::KIND => "the bucket's place is empty",
        told::BucketClosed::KIND => "the bucket takes nothing in any more",
        told::BucketReopened::KIND => "the bucket takes things in again",
        told::BucketRemoved::KIND => "the bucket is gone",
        told::GuestRead::KIND => "its file systems were read",
        told::ObjectCondemned::KIND => "the object is to go",
        told::ObjectDiscarded::KIND => "removed what had been put",
        told::FetchDiscarded::KIND => "removed what had been copied",
        told::QuotaSet::KIND => "quotas were set",
        _ => return None,
    })
}

fn changes(from: &Attributes, to: &Attributes) -> String {
    let mut parts = Vec::new();
    let shown = |text: &str| if text.is_empty() { "nothing".to_owned() } else { format!("`{text}`") };
    let mut note = |what: &str, from: Option<&str>, to: Option<&str>| {
        let Some(to) = to else { return };
        parts.push(format!("the {what} from {} to {}", from.map(shown).unwrap_or_default(), shown(to)));
    };
    note("name", from.name.as_deref(), to.name.as_deref());
    note("description", from.description.as_deref(), to.description.as_deref());
    note("family", from.family.as_deref(), to.family.as_deref());
    let status = |deprecated: Option<bool>| deprecated.map(|is| if is { "Deprecated" } else { "Available" });
    note("status", status(from.deprecated), status(to.deprecated));
    note(
        "boot mode",
        from.boot_mode.map(domain::machine::BootMode::word),
        to.boot_mode.map(domain::machine::BootMode::word),
    );
    note(
        "licence",
        from.license_type.map(domain::machine::LicenseType::word),
        to.license_type.map(domain::machine::LicenseType::word),
    );
    note(
        "metadata service",
        from.imds.map(domain::machine::Imds::word),
        to.imds.map(domain::machine::Imds::word),
    );
    note(
        "NVMe support",
        from.nvme.map(domain::machine::Nvme::word),
        to.nvme.map(domain::machine::Nvme::word),
    );
    note(
        "secure boot",
        from.secure_boot.map(domain::machine::SecureBoot::word),
        to.secure_boot.map(domain::machine::SecureBoot::word),
    );
    parts.extend(tag_changes(&to.tags));
    if parts.is_empty() { "nothing: it was so already".to_owned() } else { parts.join(", ") }
}

fn tag_changes(tags: &BTreeMap<String, Option<String>>) -> impl Iterator<Item = String> {
    tags.iter().map(|(key, value)| match value {
        Some(value) => format!("the tag `{key}` to `{value}`"),
        None => format!("the tag `{key}` to nothing"),
    })
}

fn target_text(target: &Target) -> String {
    format!("`{}` as {}", target.at, format_word(target.format))
}
