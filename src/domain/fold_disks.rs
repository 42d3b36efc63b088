//! How events of snapshots, of disks and of their data become rows.

use event::{Event, Record, RowsMut, Scope};

use crate::events::{
    DataTransferred, DataVerified, DiskDeleted, DiskModified, DiskReleased, DiskReserved, DiskSealed,
    ResourceId, ResourcesTagged, SnapshotCopyBegun, SnapshotCopyEnded, SnapshotDeleted, SnapshotModified,
    SnapshotReleased, SnapshotReserved, SnapshotSealed,
};
use crate::fold::{change_usage, with};
use crate::group::GROUPED;
use crate::image::{DISKS, Disk, Due, IMAGES, Image, ImageDisk, PLACES, SNAPSHOTS, Snapshot, house};
use crate::name::SYSTEM_TAGS;
use crate::network::{ITEMS, ItemId, key};
use crate::port::StoredDisk;
use crate::rules::until_ms;
use crate::{DiskId, ImageId, SnapshotId};

/// Folds the record, if it is one of these; says whether it was.
pub(crate) fn apply(rows: &mut dyn RowsMut, record: &Record) -> bool {
    let scope = &record.scope;
    match record.kind.as_str() {
        DataTransferred::KIND => with(record, |event| transferred(rows, scope, &event)),
        DataVerified::KIND => with(record, |event| verified(rows, scope, &event)),
        SnapshotReserved::KIND => with(record, |event| snapshot_reserved(rows, record, event)),
        SnapshotReleased::KIND => with(record, |event: SnapshotReleased| {
            let found = SNAPSHOTS.get(rows, scope, &[event.snapshot.as_str()]);
            if found.is_some_and(|snapshot| !snapshot.ready) {
                drop_snapshot(rows, scope, &event.snapshot);
            }
        }),
        SnapshotSealed::KIND => with(record, |event: SnapshotSealed| snapshot_sealed(rows, scope, &event)),
        SnapshotModified::KIND => with(record, |event: SnapshotModified| {
            snapshot_modified(rows, scope, event);
        }),
        SnapshotDeleted::KIND => with(record, |event: SnapshotDeleted| {
            drop_snapshot(rows, scope, &event.snapshot);
        }),
        SnapshotCopyBegun::KIND => with(record, |event: SnapshotCopyBegun| {
            change_source_disk(rows, scope, &event.snapshot, |disk| {
                disk.copies.insert(event.to.clone(), event.snapshot.clone());
            });
            change_snapshot(rows, scope, &event.snapshot, |snapshot| {
                snapshot.copies.insert(event.to, event.target);
            });
        }),
        SnapshotCopyEnded::KIND => with(record, |event| copy_ended(rows, scope, &event)),
        DiskReserved::KIND => with(record, |event| disk_reserved(rows, record, event)),
        DiskReleased::KIND => with(record, |event: DiskReleased| {
            let found = DISKS.get(rows, scope, &[event.disk.as_str()]);
            if found.is_some_and(|disk| !disk.ready) {
                drop_disk(rows, scope, &event.disk);
            }
        }),
        DiskModified::KIND => with(record, |event: DiskModified| {
            change_disk(rows, scope, &event.disk, |disk| {
                disk.name = event.name.unwrap_or_else(|| std::mem::take(&mut disk.name));
                disk.description = event.description.unwrap_or_else(|| std::mem::take(&mut disk.description));
                disk.size_bytes = event.size_bytes.unwrap_or(disk.size_bytes);
            });
        }),
        DiskSealed::KIND => with(record, |event: DiskSealed| {
            let found = DISKS.get(rows, scope, &[event.disk.as_str()]).filter(|disk| !disk.ready);
            if let Some(snapshot) = found.and_then(|disk| disk.of_snapshot) {
                change_snapshot(rows, scope, &snapshot, |snapshot| {
                    snapshot.making = snapshot.making.saturating_sub(1);
                });
            }
            change_disk(rows, scope, &event.disk, |disk| disk.ready = true);
        }),
        DiskDeleted::KIND => with(record, |event: DiskDeleted| drop_disk(rows, scope, &event.disk)),
        ResourcesTagged::KIND => with(record, |event: ResourcesTagged| tagged(rows, record, &event)),
        _ => false,
    }
}

/// Changes a snapshot, if it is there.
pub(crate) fn change_snapshot(
    rows: &mut dyn RowsMut,
    scope: &Scope,
    id: &SnapshotId,
    change: impl FnOnce(&mut Snapshot),
) {
    SNAPSHOTS.change(rows, scope, &[id.as_str()], change);
}

/// Changes the disk that a snapshot is of, if both are there.
fn change_source_disk(
    rows: &mut dyn RowsMut,
    scope: &Scope,
    id: &SnapshotId,
    change: impl FnOnce(&mut Disk),
) {
    let snapshot = SNAPSHOTS.get(rows, scope, &[id.as_str()]);
    if let Some(disk) = snapshot.and_then(|snapshot| snapshot.of_disk) {
        change_disk(rows, scope, &disk, change);
    }
}

fn copy_ended(rows: &mut dyn RowsMut, scope: &Scope, event: &SnapshotCopyEnded) {
    let snapshot = SNAPSHOTS.get(rows, scope, &[event.snapshot.as_str()]);
    // Another copy to that region may have begun since: its entry stays.
    if snapshot.is_none_or(|snapshot| snapshot.copies.get(&event.to) != Some(&event.target)) {
        return;
    }
    change_source_disk(rows, scope, &event.snapshot, |disk| _ = disk.copies.remove(&event.to));
    change_snapshot(rows, scope, &event.snapshot, |snapshot| _ = snapshot.copies.remove(&event.to));
}

fn snapshot_modified(rows: &mut dyn RowsMut, scope: &Scope, event: SnapshotModified) {
    let Some(mut snapshot) = SNAPSHOTS.get(rows, scope, &[event.snapshot.as_str()]) else { return };
    if let Some(name) = event.name {
        snapshot.name = name;
    }
    if let Some(description) = event.description {
        snapshot.description = description;
    }
    if let Some(days) = event.retention_days {
        if let Some(end) = end_of(&snapshot, scope) {
            end.remove(rows);
        }
        snapshot.until_ms = (days > 0).then(|| until_ms(snapshot.created_ms, days));
        // Until it is accomplished nothing is due; sealing it sees to that.
        if let Some(end) = end_of(&snapshot, scope).filter(|_| snapshot.ready) {
            end.put(rows);
        }
    }
    SNAPSHOTS.put(rows, scope, &[event.snapshot.as_str()], &snapshot);
}

/// The removal that is due, if the snapshot is not kept for ever.
fn end_of(snapshot: &Snapshot, scope: &Scope) -> Option<Due> {
    let until_ms = snapshot.until_ms?;
    Some(Due::SnapshotEnd { snapshot: snapshot.id.clone(), scope: scope.clone(), until_ms })
}

fn change_disk(rows: &mut dyn RowsMut, scope: &Scope, id: &DiskId, change: impl FnOnce(&mut Disk)) {
    DISKS.change(rows, scope, &[id.as_str()], change);
}

/// A small count as rows have it.
pub(crate) fn count(things: usize) -> u32 {
    u32::try_from(things).unwrap_or(u32::MAX)
}

fn transferred(rows: &mut dyn RowsMut, scope: &Scope, event: &DataTransferred) {
    let (data, disk_bytes) = (&event.data, event.disk_bytes);
    let stored = StoredDisk { manifest: data.manifest, root: data.root, disk_bytes };
    let key = [event.of.as_str()];
    if let Some(snapshot) = &event.snapshot {
        IMAGES.change(rows, scope, &key, |image| {
            for disk in image.disks.iter_mut().filter(|disk| disk.snapshot == *snapshot) {
                disk.disk = Some(stored);
                disk.data_bytes = data.data_bytes;
                disk.stored_bytes = data.stored_bytes;
            }
        });
        return;
    }
    SNAPSHOTS.change(rows, scope, &key, |snapshot| {
        snapshot.disk = Some(stored);
        snapshot.data_bytes = data.data_bytes;
        snapshot.stored_bytes = data.stored_bytes;
    });
    DISKS.change(rows, scope, &key, |disk| {
        disk.disk = Some(stored);
        disk.data_bytes = data.data_bytes;
    });
}

fn verified(rows: &mut dyn RowsMut, scope: &Scope, event: &DataVerified) {
    let same = |disk: &Option<StoredDisk>| disk.as_ref().is_some_and(|disk| disk.root == event.root);
    let key = [event.of.as_str()];
    if let Some(snapshot) = &event.snapshot {
        IMAGES.change(rows, scope, &key, |image| {
            for disk in image.disks.iter_mut().filter(|disk| disk.snapshot == *snapshot) {
                disk.verified = same(&disk.disk);
            }
        });
        return;
    }
    SNAPSHOTS.change(rows, scope, &key, |snapshot| snapshot.verified = same(&snapshot.disk));
    DISKS.change(rows, scope, &key, |disk| disk.verified = same(&disk.disk));
}

/// The snapshot that a disk of a sealed image is; it was counted when the image was reserved.
pub(crate) fn snapshot_of_image(rows: &mut dyn RowsMut, record: &Record, image: &Image, disk: &ImageDisk) {
    let snapshot = Snapshot {
        id: disk.snapshot.clone(),
        name: String::new(),
        description: String::new(),
        tags: std::collections::BTreeMap::new(),
        account: image.account.clone(),
        region: image.region.clone(),
        disk: disk.disk,
        verified: disk.verified,
        ready: true,
        size_bytes: disk.size_bytes,
        kind: disk.kind,
        of_disk: None,
        copy_of: None,
        made_by: Some(image.id.clone()),
        images: 1,
        disks: 0,
        making: 0,
        copies: std::collections::BTreeMap::new(),
        created_ms: record.time_ms,
        born: record.seq,
        flow: record.flow,
        until_ms: None,
        data_bytes: disk.data_bytes,
        stored_bytes: disk.stored_bytes,
    };
    SNAPSHOTS.put(rows, &record.scope, &[snapshot.id.as_str()], &snapshot);
    PLACES.put(rows, &house(), &[snapshot.id.as_str()], &record.scope);
}

fn snapshot_reserved(rows: &mut dyn RowsMut, record: &Record, event: SnapshotReserved) {
    let disk = event.of_disk.as_ref().and_then(|disk| DISKS.get(rows, &record.scope, &[disk.as_str()]));
    let snapshot = Snapshot {
        id: event.snapshot,
        name: event.name,
        description: event.description,
        tags: event.tags,
        account: event.account,
        region: event.region,
        verified: event.disk.is_some(),
        disk: event.disk,
        ready: false,
        size_bytes: event.size_bytes,
        kind: event.kind,
        of_disk: event.of_disk,
        copy_of: event.copy_of,
        made_by: None,
        images: 0,
        disks: 0,
        making: 0,
        copies: std::collections::BTreeMap::new(),
        created_ms: record.time_ms,
        born: record.seq,
        flow: record.flow,
        until_ms: event.retention_days.map(|days| until_ms(record.time_ms, days)),
        data_bytes: disk.map_or(0, |disk| disk.data_bytes),
        stored_bytes: 0,
    };
    if let Some(disk) = &snapshot.of_disk {
        change_disk(rows, &record.scope, disk, |disk| {
            disk.snapshots += 1;
            disk.snapshotting += 1;
        });
    }
    PLACES.put(rows, &house(), &[snapshot.id.as_str()], &record.scope);
    change_usage(rows, &record.scope, |usage| usage.snapshots += 1);
    SNAPSHOTS.put(rows, &record.scope, &[snapshot.id.as_str()], &snapshot);
}

fn snapshot_sealed(rows: &mut dyn RowsMut, scope: &Scope, event: &SnapshotSealed) {
    let Some(mut snapshot) = SNAPSHOTS.get(rows, scope, &[event.snapshot.as_str()]) else { return };
    if let (false, Some(disk)) = (snapshot.ready, &snapshot.of_disk) {
        change_disk(rows, scope, disk, |disk| disk.snapshotting = disk.snapshotting.saturating_sub(1));
    }
    snapshot.ready = true;
    if let Some(end) = end_of(&snapshot, scope) {
        end.put(rows);
    }
    SNAPSHOTS.put(rows, scope, &[event.snapshot.as_str()], &snapshot);
}

/// A snapshot is no more.
pub(crate) fn drop_snapshot(rows: &mut dyn RowsMut, scope: &Scope, id: &SnapshotId) {
    let Some(snapshot) = SNAPSHOTS.get(rows, scope, &[id.as_str()]) else { return };
    SNAPSHOTS.remove(rows, scope, &[id.as_str()]);
    PLACES.remove(rows, &house(), &[id.as_str()]);
    GROUPED.remove(rows, scope, &[id.as_str()]);
    if let Some(end) = end_of(&snapshot, scope) {
        end.remove(rows);
    }
    if let Some(disk) = &snapshot.of_disk {
        change_disk(rows, scope, disk, |disk| {
            disk.snapshots = disk.snapshots.saturating_sub(1);
            disk.snapshotting = disk.snapshotting.saturating_sub(u32::from(!snapshot.ready));
        });
    }
    change_usage(rows, scope, |usage| usage.snapshots = usage.snapshots.saturating_sub(1));
}

fn disk_reserved(rows: &mut dyn RowsMut, record: &Record, event: DiskReserved) {
    let data_bytes = match (&event.of_snapshot, &event.of_image) {
        (Some(id), _) => {
            SNAPSHOTS.get(rows, &record.scope, &[id.as_str()]).map(|snapshot| snapshot.data_bytes)
        }
        (None, Some(id)) => {
            IMAGES.get(rows, &record.scope, &[id.as_str()]).map(|image| image.system().data_bytes)
        }
        (None, None) => None,
    };
    let disk = Disk {
        id: event.disk,
        name: event.name,
        description: event.description,
        tags: event.tags,
        account: event.account,
        region: event.region,
        verified: event.content.is_some(),
        disk: event.content,
        ready: false,
        size_bytes: event.size_bytes,
        kind: event.kind,
        of_snapshot: event.of_snapshot,
        of_image: event.of_image,
        snapshots: 0,
        snapshotting: 0,
        copies: std::collections::BTreeMap::new(),
        data_bytes: data_bytes.unwrap_or_default(),
        created_ms: record.time_ms,
        born: record.seq,
        flow: record.flow,
    };
    if let Some(snapshot) = &disk.of_snapshot {
        change_snapshot(rows, &record.scope, snapshot, |snapshot| {
            snapshot.disks += 1;
            snapshot.making += 1;
        });
    }
    PLACES.put(rows, &house(), &[disk.id.as_str()], &record.scope);
    change_usage(rows, &record.scope, |usage| usage.disks += 1);
    DISKS.put(rows, &record.scope, &[disk.id.as_str()], &disk);
}

fn drop_disk(rows: &mut dyn RowsMut, scope: &Scope, id: &DiskId) {
    let Some(disk) = DISKS.get(rows, scope, &[id.as_str()]) else { return };
    DISKS.remove(rows, scope, &[id.as_str()]);
    PLACES.remove(rows, &house(), &[id.as_str()]);
    GROUPED.remove(rows, scope, &[id.as_str()]);
    if let Some(snapshot) = &disk.of_snapshot {
        change_snapshot(rows, scope, snapshot, |snapshot| {
            snapshot.disks = snapshot.disks.saturating_sub(1);
            snapshot.making = snapshot.making.saturating_sub(u32::from(!disk.ready));
        });
    }
    change_usage(rows, scope, |usage| usage.disks = usage.disks.saturating_sub(1));
}

fn tagged(rows: &mut dyn RowsMut, record: &Record, event: &ResourcesTagged) {
    let scope = &record.scope;
    let change = |tags: &mut std::collections::BTreeMap<String, String>| {
        tags.retain(|key, _| !event.all || key.starts_with(SYSTEM_TAGS));
        event.removed.iter().for_each(|key| _ = tags.remove(key));
        tags.extend(event.set.clone());
    };
    for ResourceId(id) in &event.resources {
        crate::fold::change(rows, record, &ImageId::from(id.as_str()), |image| change(&mut image.tags));
        SNAPSHOTS.change(rows, scope, &[id], |snapshot| change(&mut snapshot.tags));
        DISKS.change(rows, scope, &[id], |disk| change(&mut disk.tags));
        ITEMS.change(rows, scope, &key(&ItemId(id.clone())), |item| change(&mut item.tags));
    }
}
