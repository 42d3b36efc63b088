//! `DescribeImageSupportInstanceTypes`: the types that an image starts on.

use domain::machine::Architecture;
use service::{ImageView, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::types::{self, InstanceType};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    ask.check_action_type()?;
    let at = ask.image_at(&region)?;
    let image: ImageView = ask.look(Request::ImageShow(at)).await?;
    let architecture = Architecture::parse(&image.architecture).map_err(|refusal| ask.refused(refusal))?;
    let shape = |known: InstanceType| {
        Object::new()
            .put("InstanceTypeId", &known.id)
            .put("InstanceTypeFamily", known.family)
            .put("CpuCoreCount", known.cores)
            .put("MemorySize", known.memory_gib())
    };
    let types = types::all().filter(|known| known.starts(architecture)).map(shape);
    Ok(Object::new().put("ImageId", &image.image_id).put("RegionId", region.as_str()).list(
        "InstanceTypes",
        "InstanceType",
        types,
    ))
}
