//! `DescribeImages`: images in pages, filtered. What is not there is an empty page, never an error.

use domain::machine::Architecture;
use service::{ImageQuery, Images, Request};
use wire::{Fault, Object, parse_time};

use crate::ask::{Ask, Outcome};
use crate::shape_image;
use crate::types;

/// What is shown where nobody says.
const STATUS: &str = "Available";

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let params = &ask.params;
    let filters = Filters::of(&ask)?;
    let owner = params.string("ImageOwnerAlias");
    let usable = params.flag("Usable")?;
    if usable.is_some() {
        params.need("Status")?;
    }
    ask.check_action_type()?;
    let (architecture, is_started) = architecture(&ask)?;
    let page = ask.page()?;
    let io_optimized = params.flag("IsSupportIoOptimized")?.unwrap_or(true);
    let query = ImageQuery {
        region: Some(region.clone()),
        owner,
        owner_id: params.number("ImageOwnerId")?.map(|id| id.to_string()),
        public: params.flag("IsPublic")?.unwrap_or(false),
        status: Some(params.text("Status").unwrap_or(STATUS).to_owned()),
        ids: params.several("ImageId")?.unwrap_or_default(),
        name: params.string("ImageName"),
        family: params.string("ImageFamily"),
        snapshot: params.string("SnapshotId"),
        architecture,
        os_type: params.string("OSType"),
        tags: ask.wanted_tags()?,
        group: params.string("ResourceGroupId"),
        usage: params.string("Usage"),
        from_ms: filters.from_ms,
        until_ms: filters.until_ms,
        usable,
        cloud_init: params.flag("IsSupportCloudinit")?,
        newest_first: true,
        without_heads: true,
        page: Some(page),
    };
    let mut images: Images = ask.look(Request::ImageList(query)).await?;
    if filters.is_of_none || !io_optimized || !is_started {
        // What every image here is or is not is not what was asked for.
        images = Images { images: Vec::new(), total_count: 0, ..images };
    }
    let shown = images.images.into_iter().map(shape_image::image);
    let answer = Object::new()
        .list("Images", "Image", shown)
        .put("PageNumber", images.page_number)
        .put("PageSize", images.page_size)
        .put("TotalCount", images.total_count)
        .put("RegionId", region.as_str());
    ask.read_only(answer)
}

/// What `Filter.N` says.
#[derive(Default)]
struct Filters {
    from_ms: Option<i64>,
    until_ms: Option<i64>,
    /// Whether something is asked for that no image here can.
    is_of_none: bool,
}

impl Filters {
    fn of(ask: &Ask) -> Result<Self, Fault> {
        let mut filters = Self::default();
        for filter in ask.params.objects("Filter") {
            let (Some(key), Some(value)) = (filter.text("Key"), filter.text("Value")) else { continue };
            let wrong = |code: &str| {
                let (key, value) = (key.escape_debug(), value.escape_debug());
                ask.refuse(code, format!("The specified filter `{key}` is not valid: `{value}`."))
            };
            let time = || parse_time(value).map(Some).ok_or_else(|| wrong("InvalidFilterValue"));
            match key {
                "CreationStartTime" => filters.from_ms = time()?,
                "CreationEndTime" => filters.until_ms = time()?,
                // Every image here goes into either.
                "NetworkType" if ["vpc", "classic"].contains(&value) => {}
                "NetworkType" => return Err(wrong("InvalidFilterValue.NetworkType")),
                "CpuOnlineUpgrade"
                | "CpuOnlineDowngrade"
                | "MemoryOnlineUpgrade"
                | "MemoryOnlineDowngrade" => match value {
                    "supported" => filters.is_of_none = true,
                    shape_image::UNSUPPORTED => {}
                    _ => return Err(wrong("InvalidFilterValue")),
                },
                _ => return Err(wrong("InvalidFilterKey.NotFound")),
            }
        }
        Ok(filters)
    }
}

/// The processor that is asked for, by itself or by a type of instance, and whether that type starts it. One that
/// starts two of them, as small ones do, leaves open which.
fn architecture(ask: &Ask) -> Result<(Option<String>, bool), Fault> {
    let said = ask.params.string("Architecture");
    let Some(id) = ask.params.text("InstanceType") else { return Ok((said, true)) };
    let Some(machine) = types::named(id) else {
        let why = format!("The specified InstanceType does not exist: `{}`.", id.escape_debug());
        return Err(ask.refuse("InvalidInstanceType.ValueNotSupported", why));
    };
    let all = [Architecture::I386, Architecture::X8664, Architecture::Arm64];
    let started: Vec<&str> = all
        .into_iter()
        .filter(|each| machine.starts(*each))
        .map(domain::machine::Architecture::word)
        .collect();
    Ok(match (said, &started[..]) {
        // What is no processor is refused in the words of that.
        (Some(said), _) => {
            let is_started = Architecture::parse(&said).map_or(true, |each| started.contains(&each.word()));
            (Some(said), is_started)
        }
        (None, [only]) => (Some((*only).to_owned()), true),
        (None, _) => (None, true),
    })
}
