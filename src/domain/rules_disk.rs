//! Rules of snapshots and of disks that no instance has.

use event::{Refusal, View};

use crate::events::{
    DiskDeleted, DiskModified, DiskReleased, DiskReserved, DiskSealed, SnapshotCopyBegun, SnapshotCopyEnded,
    SnapshotDeleted, SnapshotModified, SnapshotReleased, SnapshotReserved, SnapshotSealed,
};
use crate::image::{DISKS, Disk, SNAPSHOTS, Snapshot, Status, in_view};
use crate::rules::{DISK_SIZE_MAX, check_tags, not_found, ready_snapshot};
use crate::rules_house::Limit;
use crate::{DiskId, RegionId, SnapshotId, name};

/// The smallest disk, as the API documents.
pub const DISK_SIZE_MIN: u64 = 1 << 30;
/// What a disk's size is a multiple of: guests read and write sectors.
pub const SECTOR_BYTES: u64 = 512;
/// Milliseconds in a day, as snapshots are kept.
pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Snapshots a disk may have that were asked for, as the API documents.
pub const DISK_SNAPSHOTS_MAX: u32 = 256;
/// Days a snapshot may be kept for, as the API documents.
pub const RETENTION_DAYS: std::ops::RangeInclusive<u32> = 1..=65536;

/// Takes a snapshot's id. One of a disk takes what the disk holds; one that is a copy gets that later.
pub fn reserve_snapshot(view: &View<'_>, wanted: SnapshotReserved) -> Result<SnapshotReserved, Refusal> {
    name::snapshot_name(&wanted.name)?;
    name::description(&wanted.description)?;
    check_tags(&wanted.tags)?;
    wanted.retention_days.map_or(Ok(()), check_retention)?;
    Limit::of(view).snapshots(1)?;
    let Some(id) = &wanted.of_disk else { return Ok(wanted) };
    let disk = ready_disk(view, id)?;
    if disk.snapshotting > 0 {
        let why = format!("another snapshot of the disk `{id}` is being made");
        return Err(Refusal::new("IncorrectDiskStatus.CreatingSnapshot", why)
            .advise("wait until that is accomplished"));
    }
    if disk.snapshots >= DISK_SNAPSHOTS_MAX {
        let why = format!("the disk `{id}` has {} snapshots", disk.snapshots);
        return Err(
            Refusal::new("QuotaExceed.Snapshot", why).advise("delete snapshots of it that are not needed")
        );
    }
    Ok(SnapshotReserved { size_bytes: disk.size_bytes, kind: disk.kind, disk: disk.disk, ..wanted })
}

fn check_retention(days: u32) -> Result<(), Refusal> {
    if RETENTION_DAYS.contains(&days) {
        return Ok(());
    }
    let why = format!("a snapshot is kept for 1 to 65536 days, not {days}");
    Err(Refusal::new("InvalidRetentionDays.Malformed", why).advise("leave it out to keep it for ever"))
}

/// Gives a snapshot's id back.
pub fn release_snapshot(_view: &View<'_>, id: &SnapshotId) -> SnapshotReleased {
    // The fold drops only one that is still being made.
    SnapshotReleased { snapshot: id.clone() }
}

/// Makes a snapshot accomplished, if its disk is in the store and was read back whole.
pub fn seal_snapshot(view: &View<'_>, id: &SnapshotId) -> Result<SnapshotSealed, Refusal> {
    let snapshot = view.get(&SNAPSHOTS, &[id.as_str()]).ok_or_else(|| snapshot_not_found(id))?;
    if snapshot.ready || snapshot.disk.is_none() || !snapshot.verified {
        let why = format!("the snapshot `{id}` has not been stored and verified");
        return Err(Refusal::new("IncorrectSnapshotStatus", why));
    }
    Ok(SnapshotSealed { snapshot: id.clone() })
}

/// Changes name, description and retention of a snapshot. Days are counted from its creation, and 0
/// keeps it for ever.
pub fn modify_snapshot(
    view: &View<'_>,
    id: &SnapshotId,
    name: Option<&str>,
    description: Option<&str>,
    retention_days: Option<u32>,
) -> Result<SnapshotModified, Refusal> {
    let snapshot = view.get(&SNAPSHOTS, &[id.as_str()]).ok_or_else(|| snapshot_not_found(id))?;
    name.map_or(Ok(()), name::snapshot_name)?;
    description.map_or(Ok(()), name::description)?;
    if let Some(days @ 1..) = retention_days {
        check_retention(days)?;
        if until_ms(snapshot.created_ms, days) <= view.now_ms() {
            let why = format!("the snapshot `{id}` is older than {days} days already");
            return Err(Refusal::new("InvalidRetentionDays.Malformed", why)
                .advise("days are counted from its creation; to be rid of it now, delete it"));
        }
    }
    let (name, description) = (name.map(str::to_owned), description.map(str::to_owned));
    Ok(SnapshotModified { snapshot: id.clone(), name, description, retention_days })
}

/// When a snapshot that is kept for so many days is removed.
pub(crate) fn until_ms(created_ms: i64, days: u32) -> i64 {
    created_ms.saturating_add(i64::from(days) * DAY_MS)
}

/// Deletes a snapshot that no image stands on. `force` is for disks made from it; `expired` says
/// that nobody asked, and then only one whose time has come goes.
pub fn delete_snapshot(
    view: &View<'_>,
    id: &SnapshotId,
    force: bool,
    expired: bool,
) -> Result<SnapshotDeleted, Refusal> {
    let snapshot = view.get(&SNAPSHOTS, &[id.as_str()]).ok_or_else(|| snapshot_not_found(id))?;
    if !snapshot.ready {
        let why = format!("the snapshot `{id}` is still being made");
        return Err(Refusal::new("IncorrectSnapshotStatus", why)
            .advise("cancel that instead: `kiln workflow list` names it"));
    }
    if snapshot.images > 0 {
        let why = format!("{} images stand on the snapshot `{id}`", snapshot.images);
        return Err(Refusal::new("SnapshotCreatedImage", why).advise("delete those images first"));
    }
    if snapshot.disks > 0 && !force {
        let why = format!("{} disks were made from the snapshot `{id}`", snapshot.disks);
        return Err(Refusal::new("SnapshotCreatedDisk", why).advise("delete it all the same with `--force`"));
    }
    if let Some((region, copy)) = snapshot.copies.first_key_value() {
        let why = format!("the snapshot `{id}` is being copied to `{copy}` in `{region}`");
        return Err(Refusal::new("Operation.Conflict", why).advise("wait for the copy, or cancel it"));
    }
    if expired && snapshot.until_ms.is_none_or(|until_ms| view.now_ms() < until_ms) {
        let why = format!("the snapshot `{id}` has not been kept long enough yet");
        return Err(Refusal::new("IncorrectSnapshotStatus", why));
    }
    Ok(SnapshotDeleted { snapshot: id.clone(), force, expired })
}

/// Begins a copy of a snapshot to another region; it may not be deleted until that is over.
pub fn begin_snapshot_copy(
    view: &View<'_>,
    id: &SnapshotId,
    target: &SnapshotId,
    to: &RegionId,
) -> Result<SnapshotCopyBegun, Refusal> {
    let snapshot = ready_snapshot(view, id)?;
    if snapshot.region == *to {
        let why = format!("the snapshot `{id}` is in `{to}` already");
        return Err(Refusal::new("InvalidOperation.NotSupportCopyInSameRegion", why)
            .advise("name another region to copy it to"));
    }
    let disk = snapshot.of_disk.as_ref().and_then(|disk| view.get(&DISKS, &[disk.as_str()]));
    let of_disk = disk.as_ref().and_then(|disk| disk.copies.get(to));
    if let Some(other) = of_disk.filter(|other| *other != id) {
        let why = format!("the snapshot `{other}` of the same disk is being copied to `{to}`");
        return Err(Refusal::new("InvalidOperation.DiskHasUnfinishedSnapshotCopy", why)
            .advise("wait for that copy, or cancel it"));
    }
    if let Some(other) = snapshot.copies.get(to) {
        let why = format!("the snapshot `{id}` is being copied there already, to `{other}`");
        return Err(Refusal::new("InvalidOperation.DiskHasUnfinishedSnapshotCopy", why)
            .advise("wait for that copy, or cancel it"));
    }
    let Snapshot { size_bytes, kind, .. } = snapshot;
    let disk = snapshot.disk.ok_or_else(|| snapshot_not_found(id))?;
    let (snapshot, target, to) = (id.clone(), target.clone(), to.clone());
    Ok(SnapshotCopyBegun { snapshot, target, to, disk, size_bytes, kind })
}

/// Ends a copy of a snapshot, however it went.
pub fn end_snapshot_copy(
    _view: &View<'_>,
    id: &SnapshotId,
    target: &SnapshotId,
    to: &RegionId,
) -> SnapshotCopyEnded {
    SnapshotCopyEnded { snapshot: id.clone(), target: target.clone(), to: to.clone() }
}

/// Takes a disk's id. One made from a snapshot or an image takes what that holds, and at least its size.
pub fn reserve_disk(view: &View<'_>, wanted: DiskReserved) -> Result<DiskReserved, Refusal> {
    name::disk_name(&wanted.name)?;
    name::description(&wanted.description)?;
    check_tags(&wanted.tags)?;
    if wanted.of_snapshot.is_some() && wanted.of_image.is_some() {
        let why = "a disk is made from a snapshot or from an image, not from both";
        return Err(Refusal::new("InvalidParameter.Conflict", why).advise("name only one of them"));
    }
    Limit::of(view).disks(1)?;
    let (content, least_bytes) = match (&wanted.of_snapshot, &wanted.of_image) {
        (Some(id), _) => {
            let snapshot = ready_snapshot(view, id)?;
            (snapshot.disk, snapshot.size_bytes)
        }
        (None, Some(id)) => {
            let image = in_view(view, id).ok_or_else(|| not_found(id))?;
            if !matches!(image.status, Status::Available | Status::Deprecated) {
                let why = format!("the image `{id}` is {}", image.status.word());
                return Err(Refusal::new("IncorrectImageStatus", why).advise("wait until it is Available"));
            }
            (image.system().disk, image.system().size_bytes)
        }
        (None, None) => (None, 0),
    };
    // As the API documents it: a disk is never smaller than what it is made from.
    let size_bytes = wanted.size_bytes.max(least_bytes);
    let smallest = if content.is_some() { least_bytes } else { DISK_SIZE_MIN };
    let whole = size_bytes == least_bytes || size_bytes.is_multiple_of(SECTOR_BYTES);
    if size_bytes < smallest || size_bytes > DISK_SIZE_MAX || !whole {
        let why = match wanted.size_bytes {
            0 => "no size was given for the disk".to_owned(),
            bytes => format!("a disk cannot have {bytes} bytes"),
        };
        return Err(Refusal::new("InvalidDiskSize.NotSupported", why)
            .advise("give a size from 1 to 2048 GiB, in whole sectors of 512 bytes"));
    }
    Ok(DiskReserved { size_bytes, content, ..wanted })
}

/// Gives a disk's id back.
pub fn release_disk(_view: &View<'_>, id: &DiskId) -> DiskReleased {
    // The fold drops only one that is still being made.
    DiskReleased { disk: id.clone() }
}

/// Lets a disk be used, if its content is in the store and was read back whole.
pub fn seal_disk(view: &View<'_>, id: &DiskId) -> Result<DiskSealed, Refusal> {
    let disk = view.get(&DISKS, &[id.as_str()]).ok_or_else(|| disk_not_found(id))?;
    if disk.ready || disk.disk.is_none() || !disk.verified {
        let why = format!("the disk `{id}` has not been stored and verified");
        return Err(Refusal::new("IncorrectDiskStatus", why));
    }
    Ok(DiskSealed { disk: id.clone() })
}

/// Changes name, description and size of a disk. It only grows, and what is new of it reads zero.
pub fn modify_disk(
    view: &View<'_>,
    id: &DiskId,
    name: Option<&str>,
    description: Option<&str>,
    size_bytes: Option<u64>,
) -> Result<DiskModified, Refusal> {
    let disk = ready_disk(view, id)?;
    name.map_or(Ok(()), name::disk_name)?;
    description.map_or(Ok(()), name::description)?;
    if let Some(bytes) = size_bytes {
        if bytes < disk.size_bytes {
            let why = format!("the disk `{id}` has {} bytes, more than {bytes}", disk.size_bytes);
            return Err(Refusal::new("InvalidDiskSize.TooSmall", why)
                .advise("a disk only grows; make a new one if it has to be smaller"));
        }
        if bytes > DISK_SIZE_MAX || !bytes.is_multiple_of(SECTOR_BYTES) {
            let why = format!("a disk cannot have {bytes} bytes");
            return Err(Refusal::new("InvalidDiskSize.NotSupported", why)
                .advise("give a size up to 2048 GiB, in whole sectors of 512 bytes"));
        }
    }
    let (name, description) = (name.map(str::to_owned), description.map(str::to_owned));
    Ok(DiskModified { disk: id.clone(), name, description, size_bytes })
}

/// Deletes a disk.
pub fn delete_disk(view: &View<'_>, id: &DiskId) -> Result<DiskDeleted, Refusal> {
    let disk = ready_disk(view, id)?;
    if disk.snapshotting > 0 {
        let why = format!("a snapshot of the disk `{id}` is being made");
        return Err(Refusal::new("DiskCreatingSnapshot", why).advise("wait until it is accomplished"));
    }
    Ok(DiskDeleted { disk: id.clone() })
}

fn ready_disk(view: &View<'_>, id: &DiskId) -> Result<Disk, Refusal> {
    let disk = view.get(&DISKS, &[id.as_str()]).ok_or_else(|| disk_not_found(id))?;
    if !disk.ready {
        let why = format!("the disk `{id}` is still being made");
        return Err(Refusal::new("IncorrectDiskStatus", why).advise("wait until it is Available"));
    }
    Ok(disk)
}

/// The answer for a snapshot that is not there, or not to be seen.
pub fn snapshot_not_found(id: &SnapshotId) -> Refusal {
    Refusal::new("InvalidSnapshotId.NotFound", format!("there is no snapshot `{id}`"))
        .advise("`kiln snapshot list` shows those there are")
}

/// The answer for a disk that is not there, or not to be seen.
pub fn disk_not_found(id: &DiskId) -> Refusal {
    Refusal::new("InvalidDiskId.NotFound", format!("there is no disk `{id}`"))
        .advise("`kiln disk list` shows those there are")
}
