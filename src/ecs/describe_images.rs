//! `DescribeImages`: images in pages, filtered. What is not there is an empty page, never an error.

use service::{ImageQuery, ImageView, Images, Request};
use wire::{Fault, Object, parse_time};

use crate::ask::{Ask, Outcome};
use crate::shape_image;

/// What is shown where nobody says.
const STATUS: &str = "Available";

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let params = &ask.params;
    let (from_ms, until_ms) = created(&ask)?;
    let owner = params.string("ImageOwnerAlias");
    let usable = params.flag("Usable")?;
    if usable.is_some() && params.text("Status").is_none() {
        params.need("Status")?;
    }
    let query = ImageQuery {
        region: Some(region.clone()),
        owner,
        owner_id: params.string("ImageOwnerId"),
        public: params.flag("IsPublic")?.unwrap_or(false),
        status: Some(params.text("Status").unwrap_or(STATUS).to_owned()),
        ids: params.several("ImageId")?.unwrap_or_default(),
        name: params.string("ImageName"),
        family: params.string("ImageFamily"),
        snapshot: params.string("SnapshotId"),
        architecture: params.string("Architecture"),
        os_type: params.string("OSType"),
        tags: ask.wanted_tags()?,
        group: params.string("ResourceGroupId"),
        usage: params.string("Usage"),
        from_ms,
        until_ms,
        newest_first: true,
        page: Some(ask.page()?),
    };
    let images: Images = ask.look(Request::ImageList(query)).await?;
    let fits = |image: &ImageView| usable.is_none_or(|usable| image.usable() == usable);
    let shown = images.images.iter().filter(|image| fits(image)).map(shape_image::image);
    let answer = Object::new()
        .list("Images", "Image", shown)
        .put("PageNumber", images.page_number)
        .put("PageSize", images.page_size)
        .put("TotalCount", images.total_count)
        .put("RegionId", region.as_str());
    ask.read_only(answer)
}

/// Between which times an image was created, from `Filter.N`. Other filters are about what
/// every image here can do, and are checked for their words only.
fn created(ask: &Ask) -> Result<(Option<i64>, Option<i64>), Fault> {
    let (mut from_ms, mut until_ms) = (None, None);
    for filter in ask.params.objects("Filter") {
        let (Some(key), Some(value)) = (filter.text("Key"), filter.text("Value")) else { continue };
        let wrong = |code: &str| {
            Fault::new(
                404,
                code,
                format!(
                    "The specified filter `{}` is not valid: `{}`.",
                    key.escape_debug(),
                    value.escape_debug()
                ),
            )
        };
        match key {
            "CreationStartTime" => {
                from_ms = Some(parse_time(value).ok_or_else(|| wrong("InvalidFilterValue"))?)
            }
            "CreationEndTime" => {
                until_ms = Some(parse_time(value).ok_or_else(|| wrong("InvalidFilterValue"))?)
            }
            "NetworkType" if !["vpc", "classic"].contains(&value) => {
                return Err(Fault { status: 400, ..wrong("InvalidFilterValue.NetworkType") });
            }
            "CpuOnlineUpgrade" | "CpuOnlineDowngrade" | "MemoryOnlineUpgrade" | "MemoryOnlineDowngrade"
                if !["supported", "unsupported"].contains(&value) =>
            {
                return Err(wrong("InvalidFilterValue"));
            }
            "NetworkType"
            | "CpuOnlineUpgrade"
            | "CpuOnlineDowngrade"
            | "MemoryOnlineUpgrade"
            | "MemoryOnlineDowngrade" => {}
            _ => return Err(wrong("InvalidFilterKey.NotFound")),
        }
    }
    Ok((from_ms, until_ms))
}
