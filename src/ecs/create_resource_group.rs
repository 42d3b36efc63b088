//! `CreateResourceGroup` of the resource manager.

use service::{NetworkRequest, Regions, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::groups::group;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let (name, display_name) =
        (ask.params.need("Name")?.to_owned(), ask.params.need("DisplayName")?.to_owned());
    let create = NetworkRequest::GroupCreate { name, display_name };
    let made = ask.finish(Request::Network(create)).await?.output;
    let made = ask.group(&made).await?;
    let regions: Regions = ask.look(Request::RegionList).await?;
    let status =
        |region: service::RegionView| Object::new().put("RegionId", region.region_id).put("Status", "OK");
    let shape = group(&made).list("RegionStatuses", "RegionStatus", regions.regions.into_iter().map(status));
    Ok(Object::new().put("ResourceGroup", shape))
}
