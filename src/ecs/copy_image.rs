//! `CopyImage`: an image in another region, or one of somebody else's in this. It answers when the copy is reserved.

use domain::RegionId;
use service::{CopiesStarted, ImageCopy, Request, ShareRequest};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let source = RegionId::from(ask.params.need("RegionId")?);
    let at = ask.image_at(&source)?;
    let params = &ask.params;
    let (encrypted, key) = (params.flag("Encrypted")?, params.text("KMSKeyId"));
    if encrypted == Some(false) && key.is_some() {
        let why = "KMSKeyId is given, and Encrypted is false.";
        return Err(ask.refuse("InvalidEncrypted.NotMatchKmsKeyId", why));
    }
    if encrypted == Some(true) || key.is_some() {
        let why = "Copies are not encrypted here: leave Encrypted and KMSKeyId out.";
        return Err(ask.refuse("InvalidRegion.NotSupport", why));
    }
    if params.text("EncryptAlgorithm").is_some() {
        let why = "Copies are not encrypted here: leave EncryptAlgorithm out.";
        return Err(ask.refuse("InvalidRegionId.NotSupportEncryptAlgorithm", why));
    }
    let copy = ImageCopy {
        at,
        to: params.text("DestinationRegionId").map(RegionId::from).into_iter().collect(),
        name: params.string("DestinationImageName"),
        description: params.string("DestinationDescription").unwrap_or_default(),
        tags: ask.new_tags("Duplicate.TagKey")?,
        bytes_per_second: None,
    };
    let group = ask.group_of_new().await?;
    let started: CopiesStarted = ask.act(Request::Share(ShareRequest::Copy(copy))).await?;
    let Some(copy) = started.copies.first() else { return Err(ask.no_image("")) };
    ask.begun(copy.workflow_id).await?;
    if group.is_some() {
        ask.reserved(copy.workflow_id, &copy.image_id).await?;
        ask.put_in_group(&copy.image_id, group).await?;
    }
    Ok(Object::new().put("ImageId", &copy.image_id))
}
