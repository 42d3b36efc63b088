//! How events become rows. Total: whatever the log holds folds, an event about something that is
//! not there changes nothing.

use event::{Event, Fold, Record, RowsMut};

use crate::events::{
    AccountCreated, DataTransferred, DataVerified, ExportBegun, ExportEnded, ExportWithdrawn, ImageDeleted,
    ImageDeprecated, ImageModified, ImageReleased, ImageReserved, ImageRestored, ImageSealed, KINDS,
    RegionAdded, StoreMade,
};
use crate::image::{
    ACCOUNTS, Account, FAMILIES, IMAGES, Image, NAMES, PLACES, REGIONS, Region, SNAPSHOTS, Snapshot, Status,
    USAGE, birth, house,
};
use crate::port::StoredDisk;
use crate::{ImageId, SnapshotId};

/// The domain's projections.
#[derive(Clone, Copy, Debug, Default)]
pub struct Projections;

impl Fold for Projections {
    fn version(&self) -> u32 {
        1
    }

    fn knows(&self, kind: &str) -> bool {
        KINDS.contains(&kind)
    }

    fn apply(&self, rows: &mut dyn RowsMut, record: &Record) {
        // One arm an event: a reader finds what an event does by its name.
        match record.kind.as_str() {
            ImageReserved::KIND => with(record, |event| reserved(rows, record, event)),
            ImageReleased::KIND => with(record, |event: ImageReleased| released(rows, record, &event.image)),
            DataTransferred::KIND => with(record, |event| transferred(rows, record, &event)),
            DataVerified::KIND => with(record, |event: DataVerified| {
                change(rows, record, &event.image, |image| {
                    image.verified = image.disk.as_ref().is_some_and(|disk| disk.root == event.root);
                });
            }),
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
                    drop_snapshot(rows, record, snapshot);
                }
            }),
            ExportBegun::KIND => with(record, |event: ExportBegun| {
                change(rows, record, &event.image, |image| image.exports += 1);
            }),
            ExportWithdrawn::KIND => with(record, |event: ExportWithdrawn| {
                change(rows, record, &event.image, |image| image.exports = image.exports.saturating_sub(1));
            }),
            ExportEnded::KIND => with(record, |event: ExportEnded| {
                change(rows, record, &event.image, |image| image.exports = image.exports.saturating_sub(1));
            }),
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
            // The others are told for the reader's sake and change no row.
            _ => {}
        }
    }
}

/// Hands the event on; one whose payload does not decode changes nothing, and `audit verify` tells.
fn with<E: Event>(record: &Record, then: impl FnOnce(E)) {
    if let Ok(event) = record.get::<E>() {
        then(event);
    }
}

fn change(rows: &mut dyn RowsMut, record: &Record, image: &ImageId, change: impl FnOnce(&mut Image)) {
    IMAGES.change(rows, &record.scope, &[image.as_str()], change);
}

fn reserved(rows: &mut dyn RowsMut, record: &Record, event: ImageReserved) {
    let scope = &record.scope;
    let image = Image {
        id: event.image,
        name: event.name,
        description: event.description,
        family: event.family,
        tags: event.tags,
        status: Status::Creating,
        account: event.account,
        region: event.region,
        snapshot: event.snapshot,
        disk_bytes: event.source.disk_bytes,
        format: event.source.format,
        source: event.source.at.to_string(),
        disk: None,
        verified: false,
        data_bytes: 0,
        stored_bytes: 0,
        created_ms: record.time_ms,
        born: record.seq,
        exports: 0,
    };
    NAMES.put(rows, scope, &[&image.name], &image.id);
    PLACES.put(rows, &house(), &[image.id.as_str()], scope);
    if let Some(family) = &image.family {
        FAMILIES.put(rows, scope, &[family, &birth(image.born)], &image.id);
    }
    let mut usage = USAGE.get(rows, scope, &[]).unwrap_or_default();
    usage.images += 1;
    USAGE.put(rows, scope, &[], &usage);
    IMAGES.put(rows, scope, &[image.id.as_str()], &image);
}

fn released(rows: &mut dyn RowsMut, record: &Record, id: &ImageId) {
    let image = IMAGES.get(rows, &record.scope, &[id.as_str()]);
    if image.is_some_and(|image| image.status == Status::Creating) {
        drop_image(rows, record, id);
    }
}

fn transferred(rows: &mut dyn RowsMut, record: &Record, event: &DataTransferred) {
    change(rows, record, &event.image, |image| {
        let (manifest, root) = (event.data.manifest, event.data.root);
        image.disk = Some(StoredDisk { manifest, root, disk_bytes: image.disk_bytes });
        image.data_bytes = event.data.data_bytes;
        image.stored_bytes = event.data.stored_bytes;
    });
}

fn sealed(rows: &mut dyn RowsMut, record: &Record, id: &ImageId) {
    change(rows, record, id, |image| image.status = Status::Available);
    let Some(image) = IMAGES.get(rows, &record.scope, &[id.as_str()]) else { return };
    let Some(disk) = image.disk else { return };
    let snapshot = Snapshot { id: image.snapshot, account: image.account, region: image.region, disk };
    SNAPSHOTS.put(rows, &record.scope, &[snapshot.id.as_str()], &snapshot);
}

fn modified(rows: &mut dyn RowsMut, record: &Record, event: ImageModified) {
    let scope = &record.scope;
    let Some(mut image) = IMAGES.get(rows, scope, &[event.image.as_str()]) else { return };
    if let Some(name) = event.to.name {
        NAMES.remove(rows, scope, &[&image.name]);
        NAMES.put(rows, scope, &[&name], &image.id);
        image.name = name;
    }
    if let Some(description) = event.to.description {
        image.description = description;
    }
    if let Some(family) = event.to.family {
        let born = birth(image.born);
        if let Some(old) = &image.family {
            FAMILIES.remove(rows, scope, &[old, &born]);
        }
        FAMILIES.put(rows, scope, &[&family, &born], &image.id);
        image.family = Some(family);
    }
    for (key, value) in event.to.tags {
        match value {
            Some(value) => _ = image.tags.insert(key, value),
            None => _ = image.tags.remove(&key),
        }
    }
    IMAGES.put(rows, scope, &[event.image.as_str()], &image);
}

fn drop_image(rows: &mut dyn RowsMut, record: &Record, id: &ImageId) {
    let scope = &record.scope;
    let Some(image) = IMAGES.get(rows, scope, &[id.as_str()]) else { return };
    IMAGES.remove(rows, scope, &[id.as_str()]);
    NAMES.remove(rows, scope, &[&image.name]);
    PLACES.remove(rows, &house(), &[id.as_str()]);
    if let Some(family) = &image.family {
        FAMILIES.remove(rows, scope, &[family, &birth(image.born)]);
    }
    let mut usage = USAGE.get(rows, scope, &[]).unwrap_or_default();
    usage.images = usage.images.saturating_sub(1);
    if usage.images == 0 {
        USAGE.remove(rows, scope, &[]);
    } else {
        USAGE.put(rows, scope, &[], &usage);
    }
}

fn drop_snapshot(rows: &mut dyn RowsMut, record: &Record, id: &SnapshotId) {
    SNAPSHOTS.remove(rows, &record.scope, &[id.as_str()]);
}
