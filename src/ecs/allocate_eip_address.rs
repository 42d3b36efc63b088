//! `AllocateEipAddress`: a public address, or what stands for one: nothing here carries a packet.

use domain::network::Is;
use service::ItemQuery;
use wire::{Fault, Object};

use crate::ask::{Ask, Outcome};

/// Mbit/s where nobody says, and at most, as the API documents.
const BANDWIDTH: u32 = 5;
const BANDWIDTH_MAX: u32 = 200;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let params = &ask.params;
    let by_traffic = match params.text("InternetChargeType") {
        None | Some("PayByBandwidth") => false,
        Some("PayByTraffic") => true,
        Some(other) => {
            let why = format!("The specified InternetChargeType is not valid: `{}`.", other.escape_debug());
            return Err(Fault::new(400, "InvalidInternetChargeType.ValueNotSupported", why));
        }
    };
    let bandwidth = params.number("Bandwidth")?.map_or(Some(BANDWIDTH), |said| u32::try_from(said).ok());
    let Some(bandwidth) = bandwidth.filter(|bandwidth| (1..=BANDWIDTH_MAX).contains(bandwidth)) else {
        let why = format!("The specified Bandwidth is not valid: use 1 to {BANDWIDTH_MAX}.");
        return Err(Fault::new(400, "InvalidParameter.Bandwidth", why));
    };
    let is = Is::Address { address: String::new(), bandwidth, by_traffic };
    let called = ask.called("Name", "Description");
    let id = ask.create_item(called, Some(region), is).await?;
    let query = ItemQuery { ids: Some(vec![id.clone()]), ..ItemQuery::of(domain::network::Kind::Address) };
    let made = ask.items(query).await?.items.pop();
    let (address, group) = made.map_or_else(Default::default, |made| match made.is {
        Is::Address { address, .. } => (address, made.group_id),
        _ => (String::new(), made.group_id),
    });
    Ok(Object::new()
        .put("AllocationId", id)
        .put("EipAddress", address)
        .put_some("ResourceGroupId", ask.is_vpc().then_some(group)))
}
