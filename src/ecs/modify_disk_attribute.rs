//! `ModifyDiskAttribute`: name and description of a disk, or of several; what is empty stays as it is. What else may
//! be set is about an instance that has the disk, and none has.

use service::{DiskRequest, DiskView, Request, ThingAt};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::words::is_id;

/// Disks changed in one request, as the API documents.
const DISKS_MAX: usize = 100;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let params = &ask.params;
    let mut named = params.list("DiskIds");
    match params.string("DiskId") {
        Some(disk) => named = vec![disk],
        None if named.is_empty() => return Err(wire::Fault::missing("DiskId")),
        None => {}
    }
    if named.len() > DISKS_MAX {
        let why = format!("{} disks are named: at most {DISKS_MAX} are changed at once.", named.len());
        return Err(ask.refuse("InvalidParameter", why));
    }
    let mut disks = Vec::with_capacity(named.len());
    // That all are there is known before the first is changed.
    for thing in named {
        if !is_id(&thing, "d-") {
            let why = format!("The specified DiskId does not exist: `{}`.", thing.escape_debug());
            return Err(ask.refuse("InvalidDiskId.NotFound", why));
        }
        let at = ThingAt { thing, region: None };
        let _: DiskView = ask.look(Request::Disk(DiskRequest::Show(at.clone()))).await?;
        disks.push(at);
    }
    let (name, description) = (params.string("DiskName"), params.string("Description"));
    if name.is_none() && description.is_none() {
        return ask.read_only(Object::new());
    }
    for at in disks {
        let (name, description) = (name.clone(), description.clone());
        let change = DiskRequest::Modify { at, name, description, size_bytes: None };
        ask.finish(Request::Disk(change)).await?;
    }
    Ok(Object::new())
}
