//! `CreateDisk`: an empty disk, or one of a snapshot.

use service::{DiskRequest, Request, Started};
use wire::{Fault, Object};

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let params = &ask.params;
    let is_keyed =
        ["KMSKeyId", "EncryptAlgorithm"].iter().filter(|name| params.text(name).is_some()).count() > 0;
    if params.flag("Encrypted")?.unwrap_or(false) || is_keyed {
        let why = "Disks are not encrypted here: leave Encrypted, KMSKeyId and EncryptAlgorithm out.";
        return Err(ask.refuse("InvalidRegion.NotSupport", why));
    }
    if let Some(instance) = params.text("InstanceId") {
        let why = format!("The specified InstanceId does not exist: `{}`.", instance.escape_debug());
        return Err(ask.refuse("InvalidInstanceId.NotFound", why));
    }
    let (size_bytes, snapshot) = (ask.size(params, "Size")?, params.string("SnapshotId"));
    if size_bytes.is_none() && snapshot.is_none() {
        return Err(Fault::new(400, "MissingParameter", "One of Size and SnapshotId has to be given."));
    }
    let create = DiskRequest::Create {
        called: ask.called("DiskName", "Description"),
        region: Some(region),
        size_bytes: size_bytes.unwrap_or(0),
        snapshot,
        image: None,
    };
    let started: Started = ask.begin(Request::Disk(create)).await?;
    Ok(Object::new().put("DiskId", ask.made(&started, "d-").await?))
}
