//! `DescribeAvailableResource`: what may be had in the zones of a region: types, kinds of disks, networks.

use domain::network::zones;
use wire::{Fault, Object};

use crate::ask::{Ask, Outcome};
use crate::describe_zones::DISK_CATEGORIES;
use crate::types;

/// GiB of a disk: the smallest and the largest.
const DISK_GIB: (u32, u32) = (1, 2_048);

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    ask.check_charge_type()?;
    let params = &ask.params;
    let wanted = params.need("DestinationResource")?;
    let Some(kind) = KINDS.iter().find(|kind| kind.eq_ignore_ascii_case(wanted)) else {
        let why = format!("The specified DestinationResource is not valid: `{}`.", wanted.escape_debug());
        return Err(Fault::new(400, "InvalidDestinationResource.ValueNotSupported", why));
    };
    if let Some(zone) = params.text("ZoneId")
        && !zones(&region).iter().any(|known| known == zone)
    {
        let why = format!("The specified ZoneId does not exist: `{}`.", zone.escape_debug());
        return Err(Fault::new(404, "InvalidZoneId.NotFound", why));
    }
    if let Some(id) = params.text("InstanceType")
        && types::named(id).is_none()
    {
        let why = format!("The specified InstanceType does not exist: `{}`.", id.escape_debug());
        return Err(Fault::new(400, "InvalidInstanceType.ValueNotSupported", why));
    }
    let is_offered = ask.asks_for_what_is(&[
        ("DataDiskCategory", DISK_CATEGORIES[0]),
        ("IoOptimized", "optimized"),
        ("NetworkCategory", "vpc"),
        ("SystemDiskCategory", DISK_CATEGORIES[0]),
    ]);
    // Hosts of one's own and reservations there are none, and so nothing on them.
    let of_kind = params.text("ResourceType").unwrap_or("instance");
    let is_offered = is_offered
        && ["instance", "disk"].iter().any(|known| of_kind.eq_ignore_ascii_case(known))
        && params.text("DedicatedHostId").is_none();
    let supported = if is_offered { supported(&ask, kind)? } else { Vec::new() };
    let zone = |zone: String| {
        let resource = Object::new().put("Type", *kind).list(
            "SupportedResources",
            "SupportedResource",
            supported.clone(),
        );
        Object::new()
            .put("RegionId", region.as_str())
            .put("ZoneId", zone)
            .put("Status", "Available")
            .put("StatusCategory", "WithStock")
            .list("AvailableResources", "AvailableResource", [resource])
    };
    let wanted = params.text("ZoneId");
    let zones = zones(&region).into_iter().filter(|zone| wanted.is_none_or(|wanted| wanted == zone));
    Ok(Object::new().list("AvailableZones", "AvailableZone", zones.map(zone)))
}

/// What may be asked for.
const KINDS: [&str; 7] = ["Zone", "IoOptimized", "InstanceType", "Network", "SystemDisk", "DataDisk", "ddh"];

fn supported(ask: &Ask, kind: &str) -> Result<Vec<Object>, Fault> {
    let params = &ask.params;
    let plain = |value: &str| {
        Object::new().put("Value", value).put("Status", "Available").put("StatusCategory", "WithStock")
    };
    Ok(match kind {
        "InstanceType" => {
            let (cores, id) = (params.number("Cores")?, params.text("InstanceType"));
            let memory = params.text("Memory").and_then(|memory| memory.parse::<f64>().ok());
            types::all()
                .filter(|known| {
                    id.is_none_or(|id| id == known.id)
                        && cores.is_none_or(|cores| cores == i64::from(known.cores))
                        && memory.is_none_or(|memory| (memory - known.memory_gib()).abs() < f64::EPSILON)
                })
                .map(|known| plain(&known.id))
                .collect()
        }
        "SystemDisk" | "DataDisk" => {
            let sizes = |disk: Object| disk.put("Min", DISK_GIB.0).put("Max", DISK_GIB.1).put("Unit", "GiB");
            DISK_CATEGORIES.iter().map(|category| sizes(plain(category))).collect()
        }
        "Network" => vec![plain("vpc")],
        "IoOptimized" => vec![plain("optimized")],
        // Zones are the answer themselves, and hosts of one's own there are none.
        _ => Vec::new(),
    })
}
