//! `ImportImage`: an image from disk files in a bucket. It answers when the image is reserved; the task tells
//! how far it is.

use service::{FileAt, ImageImport, ImportDisk, Request, Started, import_task};
use wire::{Fault, Object, Params};

use crate::ask::{Ask, Outcome};

/// Disks of an import, as the API documents; those beyond are left out without a word.
const DISKS_MAX: u32 = 17;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let params = &ask.params;
    let mut disks = params.numbered("DiskDeviceMapping");
    disks.retain(|(number, _)| *number <= DISKS_MAX);
    ask.check_storage_location("StorageLocationArn")?;
    if disks.is_empty() {
        return Err(
            ask.refuse("MissingParameter.DiskDeviceMapping", "The parameter DiskDeviceMapping.1 is missing.")
        );
    }
    let disks: Result<Vec<_>, Fault> =
        disks.iter().map(|(number, disk)| read_disk(&ask, *number, disk)).collect();
    let import = ImageImport {
        disks: disks?,
        name: params.string("ImageName").unwrap_or_default(),
        description: params.string("Description").unwrap_or_default(),
        family: None,
        tags: ask.new_tags("TagKey.Duplication")?,
        region: Some(region.clone()),
        machine: ask.machine()?,
        check: ask.wants_check()?,
    };
    let group = ask.group_of_new().await?;
    let started: Started = ask.begin(Request::ImageImport(import)).await?;
    ask.reserved(started.workflow_id, &started.image_id).await?;
    ask.put_in_group(&started.image_id, group).await?;
    Ok(Object::new()
        .put("ImageId", started.image_id)
        .put("TaskId", import_task(started.workflow_id))
        .put("RegionId", region.as_str()))
}

fn read_disk(ask: &Ask, number: u32, disk: &Params) -> Result<ImportDisk, Fault> {
    let need = |name: &str| {
        disk.string(name).ok_or_else(|| {
            let name = format!("DiskDeviceMapping.{number}.{name}");
            wire::Fault::missing(&name)
        })
    };
    let size = if disk.text("DiskImageSize").is_some() { "DiskImageSize" } else { "DiskImSize" };
    let wrong_size = if number == 1 { "InvalidImageSize" } else { "InvalidDataDiskSize" };
    let size_bytes = ask.size(disk, size).map_err(|fault| Fault { code: wrong_size.to_owned(), ..fault })?;
    Ok(ImportDisk {
        at: FileAt { bucket: Some(need("OSSBucket")?), path: need("OSSObject")? },
        format: ask.format(disk.text("Format"))?,
        device: disk.string("Device"),
        size_bytes,
    })
}
