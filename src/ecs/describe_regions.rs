//! `DescribeRegions`: which regions there are. Tools follow `RegionEndpoint`, so it is where they are now.

use service::{Regions, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

/// Languages a region's name may be asked for in, as the API documents.
const LANGUAGES: [&str; 7] = ["zh-CN", "zh-TW", "en-US", "ja", "fr", "de", "ko"];

pub(crate) async fn run(ask: Ask) -> Outcome {
    if let Some(language) = ask.params.text("AcceptLanguage").filter(|language| !LANGUAGES.contains(language))
    {
        let why = format!("The specified AcceptLanguage is not found: `{}`.", language.escape_debug());
        return Err(wire::Fault::new(404, "InvalidAcceptLanguage.NotFound", why));
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
