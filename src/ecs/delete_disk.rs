//! `DeleteDisk`: a disk goes. One that is not there is gone already, as the API documents.

use service::{DiskRequest, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.params.need("DiskId")?;
    let Ok(at) = ask.thing("DiskId", "d-", "InvalidDiskId.NotFound") else { return Ok(Object::new()) };
    match ask.finish(Request::Disk(DiskRequest::Delete(at))).await {
        Err(fault) if fault.code == "InvalidDiskId.NotFound" => Ok(Object::new()),
        done => done.map(|_| Object::new()),
    }
}
