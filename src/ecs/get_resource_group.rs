//! `GetResourceGroup` of the resource manager: one group, and that it is in every region.

use service::{Regions, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::groups::group;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let found = ask.group(ask.params.need("ResourceGroupId")?).await?;
    let regions: Regions = ask.look(Request::RegionList).await?;
    let status =
        |region: service::RegionView| Object::new().put("RegionId", region.region_id).put("Status", "OK");
    let shape = group(&found).list("RegionStatuses", "RegionStatus", regions.regions.into_iter().map(status));
    Ok(Object::new().put("ResourceGroup", shape))
}
