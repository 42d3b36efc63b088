//! `DescribeImageFromFamily`: the image a family stands for. A family that stands for none is no error: the answer
//! has none.

use service::{FamilyView, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_image;

/// What says that a family stands for no image: there is none, or none is Available.
const NONE: &[&str] =
    &["InvalidImageFamily.NotFound", "InvalidImageFamily.NoneAvailable", "InvalidImageId.NotFound"];

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let family = ask.params.need("ImageFamily")?.to_owned();
    match ask.look::<FamilyView>(Request::FamilyShow { family, region: Some(region) }).await {
        Ok(family) => Ok(Object::new().put("Image", shape_image::from_family(&family.image))),
        Err(fault) if NONE.contains(&fault.code.as_str()) => Ok(Object::new()),
        Err(fault) => Err(fault),
    }
}
