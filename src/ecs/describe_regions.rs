//! `DescribeRegions`: which regions there are. Tools follow `RegionEndpoint`, so it is where they are now.

use service::{Regions, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

/// Resources a region may be asked to offer; each here offers what there is.
const RESOURCES: [&str; 4] = ["instance", "disk", "reservedinstance", "elasticityassurance"];

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.check_language()?;
    let kind = ask.params.text("ResourceType");
    if let Some(kind) = kind.filter(|kind| !RESOURCES.iter().any(|known| known.eq_ignore_ascii_case(kind))) {
        let why = format!("The specified ResourceType is not found: `{}`.", kind.escape_debug());
        return Err(ask.refuse("InvalidResourceType.NotFound", why));
    }
    let regions: Regions = ask.look(Request::RegionList).await?;
    let region = |region: service::RegionView| {
        Object::new()
            .put("RegionId", &region.region_id)
            .put("LocalName", &region.region_id)
            .put("RegionEndpoint", &ask.caller.host)
            .put("Status", "available")
    };
    Ok(Object::new().list("Regions", "Region", regions.regions.into_iter().map(region)))
}
