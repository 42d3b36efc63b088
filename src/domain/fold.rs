//! How events become rows. Total: whatever the log holds folds, an event about something that is
//! not there changes nothing. Images and the house are here; snapshots, disks and their data in
//! `fold_disks.rs`, what several accounts have to do with an image in `fold_shares.rs`, access in `fold_access.rs`,
//! schedules in `fold_schedule.rs`.

use event::{Event, Fold, Record, RowsMut, Scope};

use crate::events::{
    AccountCreated, BucketClosed, BucketMade, BucketRemoved, BucketReopened, BucketReserved, CheckAsked,
    CheckDropped, ExportBegun, ExportEnded, ExportWithdrawn, ImageBegun, ImageChecked, ImageDeleted,
    ImageDeprecated, ImageModified, ImageReleased, ImageReserved, ImageRestored, ImageSealed, KINDS,
    QuotaSet, RegionAdded, StoreMade,
};
use crate::group::GROUPED;
use crate::image::{
    ACCOUNTS, Account, BUCKETS, Bucket, Detection, Due, FAMILIES, FAMILY_AVAILABLE, FAMILY_ROWS, FamilyRow,
    IMAGES, Image, ImageDisk, NAMES, PLACES, QUOTAS, REGIONS, Region, Status, TASKS, Task, TaskAction, USAGE,
    Usage, birth, house, youth,
};
use crate::port::CheckItem;
use crate::{
    ImageId, Listed, events_access, events_batch, events_network, events_schedule, fold_access, fold_batch,
    fold_disks, fold_network, fold_schedule, fold_shares, listed,
};

/// The system's own tags, set when an image check has ended.
const SYSTEM_TAGS: [(&str, &str); 2] = [
    ("GUESTOS.OSVersion", "acs:ecs:image:osVersion"),
    ("GUESTOS.KernelVersion", "acs:ecs:image:kernelVersion"),
];

/// The domain's projections.
#[derive(Clone, Copy, Debug, Default)]
pub struct Projections;

impl Fold for Projections {
    fn version(&self) -> u32 {
        13
    }

    fn knows(&self, kind: &str) -> bool {
        let here = [KINDS, events_access::KINDS, events_batch::KINDS, events_network::KINDS];
        here.iter().chain([&events_schedule::KINDS]).any(|kinds| kinds.contains(&kind))
    }

    fn apply(&self, rows: &mut dyn RowsMut, record: &Record) {
        let known = house_event(rows, record)
            || image_event(rows, record)
            || fold_shares::apply(rows, record)
            || fold_disks::apply(rows, record)
            || fold_access::apply(rows, record)
            || fold_network::apply(rows, record)
            || fold_batch::apply(rows, record)
            || fold_schedule::apply(rows, record);
        // The others are told for the reader's sake and change no row.
        let _ = known;
    }
}

/// Hands the event on; one whose payload does not decode changes nothing, and `audit verify` tells.
pub(crate) fn with<E: Event>(record: &Record, then: impl FnOnce(E)) -> bool {
    if let Ok(event) = record.get::<E>() {
        then(event);
    }
    true
}

fn house_event(rows: &mut dyn RowsMut, record: &Record) -> bool {
    match record.kind.as_str() {
        RegionAdded::KIND => with(record, |event: RegionAdded| {
            let row = Region { id: event.region, store: event.store, ready: false };
            REGIONS.put(rows, &house(), &[row.id.as_str()], &row);
        }),
        StoreMade::KIND => with(record, |event: StoreMade| {
            REGIONS.change(rows, &house(), &[event.region.as_str()], |region| region.ready = true);
        }),
        AccountCreated::KIND => with(record, |event: AccountCreated| {
            let row = Account { id: event.account, name: event.name };
            ACCOUNTS.put(rows, &house(), &[row.id.as_str()], &row);
        }),
        QuotaSet::KIND => with(record, |event: QuotaSet| QUOTAS.put(rows, &record.scope, &[], &event.quotas)),
        BucketReserved::KIND => with(record, |event: BucketReserved| {
            let row = Bucket {
                name: event.bucket,
                account: event.account,
                region: event.region,
                ready: false,
                created_ms: record.time_ms,
            };
            BUCKETS.put(rows, &house(), &[&row.name], &row);
        }),
        BucketMade::KIND => with(record, |event: BucketMade| {
            BUCKETS.change(rows, &house(), &[&event.bucket], |bucket| bucket.ready = true);
        }),
        BucketClosed::KIND => with(record, |event: BucketClosed| {
            BUCKETS.change(rows, &house(), &[&event.bucket], |bucket| bucket.ready = false);
        }),
        BucketReopened::KIND => with(record, |event: BucketReopened| {
            BUCKETS.change(rows, &house(), &[&event.bucket], |bucket| bucket.ready = true);
        }),
        BucketRemoved::KIND => with(record, |event: BucketRemoved| {
            BUCKETS.remove(rows, &house(), &[&event.bucket]);
        }),
        _ => false,
    }
}

fn image_event(rows: &mut dyn RowsMut, record: &Record) -> bool {
    // One arm an event: a reader finds what an event does by its name.
    match record.kind.as_str() {
        ImageReserved::KIND => with(record, |event| reserved(rows, record, event)),
        ImageBegun::KIND => with(record, |event: ImageBegun| {
            change(rows, record, &event.image, |image| image.status = Status::Creating);
        }),
        ImageReleased::KIND => with(record, |event: ImageReleased| released(rows, record, &event.image)),
        ImageSealed::KIND => with(record, |event: ImageSealed| sealed(rows, record, &event.image)),
        ImageModified::KIND => with(record, |event| modified(rows, record, event)),
        ImageDeprecated::KIND => with(record, |event: ImageDeprecated| {
            change(rows, record, &event.image, |image| image.status = Status::Deprecated);
        }),
        ImageRestored::KIND => with(record, |event: ImageRestored| {
            change(rows, record, &event.image, |image| image.status = Status::Available);
        }),
        ImageDeleted::KIND => with(record, |event: ImageDeleted| {
            drop_image(rows, record, &event.image);
            for snapshot in &event.snapshots {
                fold_disks::drop_snapshot(rows, &record.scope, snapshot);
            }
        }),
        ExportBegun::KIND => with(record, |event| export_begun(rows, record, event)),
        ExportWithdrawn::KIND => with(record, |event: ExportWithdrawn| {
            export_over(rows, record, &event.image);
        }),
        ExportEnded::KIND => with(record, |event: ExportEnded| export_over(rows, record, &event.image)),
        CheckAsked::KIND => with(record, |event: CheckAsked| {
            change(rows, record, &event.image, |image| {
                let none = Detection { asked: true, finished_ms: None, items: Vec::new() };
                image.detection.get_or_insert(none).asked = true;
            });
        }),
        ImageChecked::KIND => with(record, |event| checked(rows, record, event)),
        CheckDropped::KIND => with(record, |event: CheckDropped| {
            not_due(rows, &record.scope, &event.image);
            change(rows, record, &event.image, |image| {
                // What an earlier check found stays.
                let before = image.detection.take().filter(|before| before.finished_ms.is_some());
                image.detection = before.map(|before| Detection { asked: false, ..before });
            });
        }),
        _ => false,
    }
}

/// Changes an image of the record's scope, if it is there.
pub(crate) fn change(
    rows: &mut dyn RowsMut,
    record: &Record,
    image: &ImageId,
    change: impl FnOnce(&mut Image),
) {
    let scope = &record.scope;
    let Some(mut row) = IMAGES.get(rows, scope, &[image.as_str()]) else { return };
    let before = Listed::from(&row);
    change(&mut row);
    if row.status != before.status {
        stand(rows, scope, &row);
    }
    listed::put(rows, scope, Some(&before), &row);
}

/// Has the image among those its family may stand for, or no more.
fn stand(rows: &mut dyn RowsMut, scope: &Scope, image: &Image) {
    let Some(family) = &image.family else { return };
    let key = [family.as_str(), &youth(image.born)];
    if image.status == Status::Available {
        FAMILY_AVAILABLE.put(rows, scope, &key, &image.id);
    } else {
        FAMILY_AVAILABLE.remove(rows, scope, &key);
    }
    let newest = newest(rows, scope, family);
    FAMILY_ROWS.change(rows, scope, &[family], |row| row.newest = newest);
}

/// The newest Available image of a family.
fn newest(rows: &dyn RowsMut, scope: &Scope, family: &str) -> Option<ImageId> {
    let mut newest = None;
    rows.scan(&FAMILY_AVAILABLE.key(scope, &[family, ""]), &mut |_, id| {
        newest = Some(FAMILY_AVAILABLE.read(id));
        false
    });
    newest
}

/// Changes what an account uses in a region; a row of zeros is none.
pub(crate) fn change_usage(rows: &mut dyn RowsMut, scope: &Scope, change: impl FnOnce(&mut Usage)) {
    let mut usage = USAGE.get(rows, scope, &[]).unwrap_or_default();
    change(&mut usage);
    if usage == Usage::default() {
        USAGE.remove(rows, scope, &[]);
    } else {
        USAGE.put(rows, scope, &[], &usage);
    }
}

fn reserved(rows: &mut dyn RowsMut, record: &Record, event: ImageReserved) {
    let scope = &record.scope;
    let disks = event.disks.into_iter().map(|plan| ImageDisk {
        device: plan.device,
        kind: plan.kind,
        snapshot: plan.snapshot,
        own: plan.own,
        size_bytes: plan.size_bytes,
        disk_bytes: plan.disk_bytes,
        format: plan.format,
        source: plan.source,
        // What a snapshot holds was verified when that was made.
        verified: plan.disk.is_some(),
        disk: plan.disk,
        data_bytes: plan.data_bytes,
        stored_bytes: 0,
    });
    let image = Image {
        id: event.image,
        name: event.name,
        description: event.description,
        family: event.family,
        tags: event.tags,
        status: if event.waits { Status::Waiting } else { Status::Creating },
        account: event.account,
        region: event.region,
        machine: event.machine,
        disks: disks.collect(),
        making: event.making,
        created_ms: record.time_ms,
        born: record.seq,
        flow: record.flow,
        task: event.task.clone(),
        exports: 0,
        copies: std::collections::BTreeMap::new(),
        shares: std::collections::BTreeMap::new(),
        public: false,
        detection: event.check.then(|| Detection { asked: true, finished_ms: None, items: Vec::new() }),
    };
    if let Some(id) = event.task {
        let task = Task {
            id,
            action: TaskAction::ImportImage,
            image: image.id.clone(),
            flow: record.flow,
            created_ms: record.time_ms,
            targets: Vec::new(),
        };
        put_task(rows, scope, &task);
    }
    NAMES.put(rows, scope, &[&image.name], &image.id);
    PLACES.put(rows, &house(), &[image.id.as_str()], scope);
    if let Some(family) = &image.family {
        join_family(rows, scope, family, &image);
    }
    let made = fold_disks::count(image.disks.iter().filter(|disk| disk.own).count());
    change_usage(rows, scope, |usage| {
        usage.images += 1;
        usage.snapshots += made;
    });
    for disk in image.disks.iter().filter(|disk| !disk.own) {
        fold_disks::change_snapshot(rows, scope, &disk.snapshot, |snapshot| {
            snapshot.images += 1;
            snapshot.making += 1;
        });
    }
    listed::put(rows, scope, None, &image);
}

fn put_task(rows: &mut dyn RowsMut, scope: &Scope, task: &Task) {
    TASKS.put(rows, scope, &[task.id.as_str()], task);
    PLACES.put(rows, &house(), &[task.id.as_str()], scope);
}

fn join_family(rows: &mut dyn RowsMut, scope: &Scope, family: &str, image: &Image) {
    FAMILIES.put(rows, scope, &[family, &birth(image.born)], &image.id);
    let none = FamilyRow { images: 0, newest: None };
    let mut row = FAMILY_ROWS.get(rows, scope, &[family]).unwrap_or(none);
    row.images += 1;
    FAMILY_ROWS.put(rows, scope, &[family], &row);
    if row.images == 1 {
        change_usage(rows, scope, |usage| usage.families += 1);
    }
}

fn leave_family(rows: &mut dyn RowsMut, scope: &Scope, family: &str, image: &Image) {
    FAMILIES.remove(rows, scope, &[family, &birth(image.born)]);
    FAMILY_AVAILABLE.remove(rows, scope, &[family, &youth(image.born)]);
    let images = FAMILY_ROWS.get(rows, scope, &[family]).map_or(0, |row| row.images.saturating_sub(1));
    if images > 0 {
        let row = FamilyRow { images, newest: newest(rows, scope, family) };
        FAMILY_ROWS.put(rows, scope, &[family], &row);
        return;
    }
    FAMILY_ROWS.remove(rows, scope, &[family]);
    change_usage(rows, scope, |usage| usage.families = usage.families.saturating_sub(1));
}

fn released(rows: &mut dyn RowsMut, record: &Record, id: &ImageId) {
    let image = IMAGES.get(rows, &record.scope, &[id.as_str()]);
    if let Some(image) = image.filter(|image| image.status.is_being_made()) {
        let made = fold_disks::count(image.disks.iter().filter(|disk| disk.own).count());
        drop_image(rows, record, id);
        // The snapshots it would have made were counted with it.
        change_usage(rows, &record.scope, |usage| usage.snapshots = usage.snapshots.saturating_sub(made));
    }
}

fn sealed(rows: &mut dyn RowsMut, record: &Record, id: &ImageId) {
    change(rows, record, id, |image| image.status = Status::Available);
    let Some(image) = IMAGES.get(rows, &record.scope, &[id.as_str()]) else { return };
    for disk in image.disks.iter().filter(|disk| !disk.own) {
        fold_disks::change_snapshot(rows, &record.scope, &disk.snapshot, |snapshot| {
            snapshot.making = snapshot.making.saturating_sub(1);
        });
    }
    for disk in image.disks.iter().filter(|disk| disk.own) {
        fold_disks::snapshot_of_image(rows, record, &image, disk);
    }
    if image.detection.is_some() {
        Due::Check { image: image.id, scope: record.scope.clone() }.put(rows);
    }
}

fn modified(rows: &mut dyn RowsMut, record: &Record, event: ImageModified) {
    let scope = &record.scope;
    let Some(mut image) = IMAGES.get(rows, scope, &[event.image.as_str()]) else { return };
    let before = Listed::from(&image);
    let to = event.to;
    if let Some(name) = to.name {
        NAMES.remove(rows, scope, &[&image.name]);
        NAMES.put(rows, scope, &[&name], &image.id);
        image.name = name;
    }
    if let Some(description) = to.description {
        image.description = description;
    }
    if let Some(family) = to.family {
        if let Some(old) = image.family.take() {
            leave_family(rows, scope, &old, &image);
        }
        join_family(rows, scope, &family, &image);
        image.family = Some(family);
        fold_shares::refresh(rows, scope, &image);
    }
    if let Some(deprecated) = to.deprecated {
        image.status = if deprecated { Status::Deprecated } else { Status::Available };
    }
    let machine = &mut image.machine;
    machine.boot_mode = to.boot_mode.unwrap_or(machine.boot_mode);
    machine.license_type = to.license_type.unwrap_or(machine.license_type);
    machine.imds = to.imds.unwrap_or(machine.imds);
    machine.nvme = to.nvme.unwrap_or(machine.nvme);
    machine.secure_boot = to.secure_boot.unwrap_or(machine.secure_boot);
    for (key, value) in to.tags {
        match value {
            Some(value) => _ = image.tags.insert(key, value),
            None => _ = image.tags.remove(&key),
        }
    }
    stand(rows, scope, &image);
    listed::put(rows, scope, Some(&before), &image);
}

fn export_begun(rows: &mut dyn RowsMut, record: &Record, event: ExportBegun) {
    let targets = event.disks.into_iter().map(|disk| disk.target.at).collect();
    let task = Task {
        id: event.task,
        action: TaskAction::ExportImage,
        image: event.image.clone(),
        flow: record.flow,
        created_ms: record.time_ms,
        targets,
    };
    put_task(rows, &record.scope, &task);
    change(rows, record, &event.image, |image| image.exports += 1);
    change_usage(rows, &record.scope, |usage| usage.exports += 1);
}

fn export_over(rows: &mut dyn RowsMut, record: &Record, image: &ImageId) {
    change(rows, record, image, |image| image.exports = image.exports.saturating_sub(1));
    change_usage(rows, &record.scope, |usage| usage.exports = usage.exports.saturating_sub(1));
}

fn checked(rows: &mut dyn RowsMut, record: &Record, event: ImageChecked) {
    not_due(rows, &record.scope, &event.image);
    change(rows, record, &event.image, |image| {
        for (item, key) in SYSTEM_TAGS {
            // What is at risk is no version.
            let told = |found: &&CheckItem| found.name == item && found.risk_code.is_empty();
            if let Some(found) = event.items.iter().find(told) {
                image.tags.insert(key.to_owned(), found.value.clone());
            }
        }
        image.detection =
            Some(Detection { asked: false, finished_ms: Some(record.time_ms), items: event.items });
    });
}

fn not_due(rows: &mut dyn RowsMut, scope: &Scope, image: &ImageId) {
    Due::Check { image: image.clone(), scope: scope.clone() }.remove(rows);
}

fn drop_image(rows: &mut dyn RowsMut, record: &Record, id: &ImageId) {
    let scope = &record.scope;
    let Some(image) = IMAGES.get(rows, scope, &[id.as_str()]) else { return };
    listed::remove(rows, scope, id);
    NAMES.remove(rows, scope, &[&image.name]);
    PLACES.remove(rows, &house(), &[id.as_str()]);
    GROUPED.remove(rows, scope, &[id.as_str()]);
    not_due(rows, scope, id);
    if let Some(family) = &image.family {
        leave_family(rows, scope, family, &image);
    }
    fold_shares::forget(rows, scope, &image);
    let made = image.status.is_being_made();
    for disk in image.disks.iter().filter(|disk| !made || !disk.own) {
        fold_disks::change_snapshot(rows, scope, &disk.snapshot, |snapshot| {
            snapshot.images = snapshot.images.saturating_sub(1);
            snapshot.making = snapshot.making.saturating_sub(u32::from(made));
        });
    }
    change_usage(rows, scope, |usage| usage.images = usage.images.saturating_sub(1));
}
