//! `CopyImage`: an image in another region, or one of somebody else's in this. It answers when the copy is reserved.

use domain::RegionId;
use service::{CopiesStarted, ImageCopy, Request, ShareRequest};
use wire::{Fault, Object};

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let source = RegionId::from(ask.params.need("RegionId")?);
    let at = ask.image_at(&source)?;
    let params = &ask.params;
    if params.flag("Encrypted")?.unwrap_or(false) || params.text("KMSKeyId").is_some() {
        let why = "Copies are not encrypted here: leave Encrypted and KMSKeyId out.";
        return Err(Fault::new(403, "InvalidRegion.NotSupport", why));
    }
    let copy = ImageCopy {
        at,
        to: params.text("DestinationRegionId").map(RegionId::from).into_iter().collect(),
        name: params.string("DestinationImageName"),
        description: params.string("DestinationDescription").unwrap_or_default(),
        tags: ask.new_tags("Duplicate.TagKey")?,
        bytes_per_second: None,
    };
    let started: CopiesStarted = ask.act(Request::Share(ShareRequest::Copy(copy))).await?;
    let Some(copy) = started.copies.first() else { return Err(ask.no_image("")) };
    ask.begun(copy.workflow_id).await?;
    Ok(Object::new().put("ImageId", &copy.image_id))
}
