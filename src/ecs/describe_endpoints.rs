//! `DescribeEndpoints` of the location service: where a product is. It is here, under the name by which the client
//! came.

use service::{Regions, Request};
use wire::{Fault, Object, Value};

use crate::ask::{Ask, Outcome};

/// The products that are here, as clients call them.
const PRODUCTS: [&str; 9] = ["ecs", "ims", "location", "oos", "oss", "ram", "resourcemanager", "sts", "vpc"];
/// The kind of endpoint that is meant where nobody says.
const TYPE: &str = "openAPI";

pub(crate) async fn run(ask: Ask) -> Outcome {
    let (region, product) = (ask.params.need("Id")?, ask.params.need("ServiceCode")?);
    let kind = ask.params.text("Type").unwrap_or(TYPE);
    if !PRODUCTS.iter().any(|known| known.eq_ignore_ascii_case(product)) {
        // Clients compare this word for word, and then look no further.
        return Err(Fault::new(400, "Illegal Parameter", "Please check the parameters"));
    }
    let regions: Regions = ask.look(Request::RegionList).await?;
    if !regions.regions.iter().any(|known| known.region_id == region) {
        return Err(Fault::new(404, "InvalidRegionId", "The specified region does not exist."));
    }
    let protocols = ["HTTP", "HTTPS"].map(Value::from).to_vec();
    let endpoint = Object::new()
        .put("Protocols", Object::new().put("Protocols", Value::List(protocols)))
        .put("Type", kind)
        .put("Namespace", "26842")
        .put("Id", region)
        // So spelt by the service.
        .put("SerivceCode", product)
        .put("Endpoint", &ask.caller.host);
    Ok(Object::new().list("Endpoints", "Endpoint", [endpoint]).put("Success", true))
}
