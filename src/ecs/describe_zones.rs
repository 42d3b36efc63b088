//! `DescribeZones`: the zones of a region, and what may be had in them.

use domain::network::zones;
use wire::{Object, Value};

use crate::ask::{Ask, Outcome};
use crate::types;

/// Kinds of disks, of which there is one here.
pub(crate) const DISK_CATEGORIES: [&str; 1] = ["cloud_essd"];
/// What may be made in a zone. Instances are told of as well: that there is no compute driver yet, they tell
/// themselves.
const RESOURCES: [&str; 4] = ["VSwitch", "Disk", "Instance", "IoOptimized"];

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    ask.check_charge_type()?;
    ask.check_language()?;
    let verbose = ask.params.flag("Verbose")?.unwrap_or(true);
    let zone = |zone: String| {
        let brief =
            Object::new().put("ZoneId", &zone).put("LocalName", &zone).put("ZoneType", "AvailabilityZone");
        if !verbose {
            return brief;
        }
        let types: Vec<String> = types::all().map(|known| known.id).collect();
        let families: Vec<&str> = types::families().map(|(name, _)| name).collect();
        let generations: Vec<String> = families.iter().map(|name| name.replace("ecs.", "ecs-")).collect();
        let resources = Object::new()
            .put("IoOptimized", true)
            .put("InstanceTypes", listed("supportedInstanceType", types.clone()))
            .put("InstanceTypeFamilies", listed("supportedInstanceTypeFamily", families))
            .put("InstanceGenerations", listed("supportedInstanceGeneration", generations))
            .put("SystemDiskCategories", listed("supportedSystemDiskCategory", DISK_CATEGORIES))
            .put("DataDiskCategories", listed("supportedDataDiskCategory", DISK_CATEGORIES))
            .put("NetworkTypes", listed("supportedNetworkCategory", ["vpc"]));
        brief
            .put("AvailableResourceCreation", listed("ResourceTypes", RESOURCES))
            .put("AvailableInstanceTypes", listed("InstanceTypes", types))
            .put("AvailableDiskCategories", listed("DiskCategories", DISK_CATEGORIES))
            .put("AvailableVolumeCategories", listed("VolumeCategories", [""; 0]))
            .put("AvailableDedicatedHostTypes", listed("DedicatedHostType", [""; 0]))
            .put("DedicatedHostGenerations", listed("DedicatedHostGeneration", [""; 0]))
            .list("AvailableResources", "ResourcesInfo", [resources])
    };
    Ok(Object::new().list("Zones", "Zone", zones(&region).map(zone)))
}

/// An object whose one field is a list.
fn listed<T: Into<Value>>(name: &'static str, items: impl IntoIterator<Item = T>) -> Object {
    Object::new().put(name, Value::List(items.into_iter().map(Into::into).collect()))
}
