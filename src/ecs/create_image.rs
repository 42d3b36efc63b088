//! `CreateImage`: an image from snapshots, or from an instance. What names more than one source is taken by the
//! first of
//! instance, disks, snapshot, as the API documents.

use domain::image::DiskKind;
use service::{CreateDisk, ImageCreate, ImageRequest, Request, Started};
use wire::{Fault, Object, Params};

use crate::ask::{Ask, Outcome};

/// Disks that are looked at; those beyond are one too many for every rule.
const DISKS_MAX: usize = 32;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let params = &ask.params;
    let (instance, snapshot) = (params.string("InstanceId"), params.string("SnapshotId"));
    // What does not count is not looked at either.
    let disks = if instance.is_some() { Vec::new() } else { params.objects("DiskDeviceMapping") };
    let disks =
        disks.iter().take(DISKS_MAX).map(|disk| read_disk(&ask, disk)).collect::<Result<Vec<_>, _>>()?;
    if instance.is_none() && snapshot.is_none() && disks.is_empty() {
        return Err(Fault::new(
            400,
            "MissingParameter",
            "One of InstanceId, SnapshotId and DiskDeviceMapping has to be given.",
        ));
    }
    let create = ImageCreate {
        instance,
        disks,
        snapshot,
        name: params.string("ImageName").unwrap_or_default(),
        description: params.string("Description").unwrap_or_default(),
        family: params.string("ImageFamily"),
        tags: ask.new_tags("Duplicate.TagKey")?,
        region: Some(region),
        machine: ask.machine()?,
        check: ask.wants_check()?,
    };
    let group = ask.group_of_new().await?;
    let of_disks = !create.disks.is_empty();
    let started: Result<Started, Fault> = ask.begin(Request::Image(ImageRequest::Create(create))).await;
    // One code, and two statuses: disks that make no image are wrong, a snapshot that may not make one is not.
    let started = started.map_err(|fault| match fault.code.as_str() {
        "OperationDenied" if of_disks => Fault { status: 400, ..fault },
        _ => fault,
    })?;
    ask.put_in_group(&started.image_id, group).await?;
    Ok(Object::new().put("ImageId", started.image_id))
}

fn read_disk(ask: &Ask, disk: &Params) -> Result<CreateDisk, Fault> {
    let kind = match disk.text("DiskType") {
        None => None,
        Some(word) if word.eq_ignore_ascii_case("system") => Some(DiskKind::System),
        Some(word) if word.eq_ignore_ascii_case("data") => Some(DiskKind::Data),
        Some(word) => {
            let why = format!(
                "The specified DiskType `{}` is not valid: use `system` or `data`.",
                word.escape_debug()
            );
            return Err(ask.refuse("InvalidDiskType.ValueNotSupported", why));
        }
    };
    Ok(CreateDisk {
        snapshot: disk.string("SnapshotId"),
        size_bytes: ask.size(disk, "Size")?,
        device: disk.string("Device"),
        kind,
    })
}
