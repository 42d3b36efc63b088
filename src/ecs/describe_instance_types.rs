//! `DescribeInstanceTypes`: the types a machine may have.

use domain::machine::Architecture;
use wire::{Fault, Object, Value};

use crate::ask::{Ask, Outcome};
use crate::types::{self, InstanceType, Level};

/// Types of a page by token where nobody says, and at most: all there are, and what the API allows.
const RESULTS_MAX: i64 = 1_600;
/// Disks that a machine has at most: the system disk and 16 more.
const DISKS_MAX: u32 = 17;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let params = &ask.params;
    if let Some(token) = params.text("NextToken") {
        let why = format!("The specified NextToken is not valid: `{}`.", token.escape_debug());
        return Err(Fault::new(403, "Invalid.NextToken", why));
    }
    let most = params.number("MaxResults")?.unwrap_or(RESULTS_MAX).clamp(1, RESULTS_MAX);
    let (ids, families) = (params.list("InstanceTypes"), params.list("InstanceTypeFamilies"));
    let (family, processor) = (params.text("InstanceTypeFamily"), params.text("CpuArchitecture"));
    let number =
        |name: &str| params.number(name).map(|number| number.and_then(|number| u32::try_from(number).ok()));
    let (cores_min, cores_max) = (number("MinimumCpuCoreCount")?, number("MaximumCpuCoreCount")?);
    let (memory_min, memory_max) = (memory(&ask, "MinimumMemorySize")?, memory(&ask, "MaximumMemorySize")?);
    let (category, level) = (params.text("InstanceCategory"), params.text("InstanceFamilyLevel"));
    // What is counted here is none of anything.
    let wants_more = [
        "MinimumGPUAmount",
        "MinimumLocalStorageAmount",
        "MinimumLocalStorageCapacity",
        "MinimumEriQuantity",
    ]
    .iter()
    .any(|name| params.text(name).is_some_and(|least| least != "0"));
    let is_meant = |known: &InstanceType| {
        !wants_more
            && (ids.is_empty() || ids.contains(&known.id))
            && (families.is_empty() || families.iter().any(|family| family == known.family))
            && family.is_none_or(|family| family == known.family)
            && processor.is_none_or(|wanted| wanted.eq_ignore_ascii_case(processor_of(known)))
            && cores_min.is_none_or(|least| known.cores >= least)
            && cores_max.is_none_or(|most| known.cores <= most)
            && memory_min.is_none_or(|least| known.memory_gib() >= least)
            && memory_max.is_none_or(|most| known.memory_gib() <= most)
            && category.is_none_or(|category| category.eq_ignore_ascii_case(known.category))
            && level.is_none_or(|level| level.eq_ignore_ascii_case(known.level.word()))
    };
    let found = types::all().filter(is_meant).take(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(Object::new()
        .list("InstanceTypes", "InstanceType", found.map(|known| shape(&known)))
        .put("NextToken", ""))
}

/// GiB of memory that are asked for.
fn memory(ask: &Ask, name: &str) -> Result<Option<f64>, Fault> {
    let Some(text) = ask.params.text(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        let why = format!("The specified {name} is not valid: `{}`.", text.escape_debug());
        Fault::new(400, "InvalidParameter", why)
    })
}

fn processor_of(known: &InstanceType) -> &'static str {
    if known.architecture == Architecture::Arm64 { "ARM" } else { "X86" }
}

fn shape(known: &InstanceType) -> Object {
    let modes: &[&str] =
        if known.architecture == Architecture::Arm64 { &["UEFI"] } else { &["BIOS", "UEFI"] };
    let modes = modes.iter().map(|mode| Value::from(*mode)).collect();
    let topology = Object::new().put("SupportedTopologyType", Value::List(Vec::new()));
    let cpu = Object::new()
        .put("Core", known.cores)
        .put("CoreFactor", 1)
        .put("ThreadsPerCore", 1)
        .put("HyperThreadingAdjustable", false)
        .put("NestedVirtualizationSupport", "unsupported")
        .put("SupportedTopologyTypes", topology);
    let network = Object::new()
        .put("ExpressSupport", false)
        .put("RssSupport", false)
        .put("SriovSupport", false)
        .put("VfQueueNumberPerEni", 0);
    let card = Object::new().put("NetworkCardIndex", 0);
    let shape = Object::new()
        .put("InstanceTypeId", &known.id)
        .put("InstanceTypeFamily", known.family)
        .put("InstanceFamilyLevel", known.level.word())
        .put("InstanceCategory", known.category)
        .put("CpuArchitecture", processor_of(known))
        .put("CpuCoreCount", known.cores)
        .put("CpuOptions", cpu)
        .put("MemorySize", known.memory_gib())
        .put("DiskQuantity", DISKS_MAX)
        .put("EniQuantity", 1)
        .put("EniTotalQuantity", 1)
        .put("EniPrivateIpAddressQuantity", 1)
        .put("EniIpv6AddressQuantity", 0)
        .put("EniTrunkSupported", false)
        .put("EriQuantity", 0)
        .put("PrimaryEniQueueNumber", 1)
        .put("SecondaryEniQueueNumber", 0)
        .put("TotalEniQueueQuantity", 1)
        .put("MaximumQueueNumberPerEni", 1)
        .put("QueuePairNumber", 0)
        .put("GPUAmount", 0)
        .put("GPUMemorySize", 0.0)
        .put("GPUSpec", "")
        .put("LocalStorageAmount", 0)
        .put("LocalStorageCapacity", 0)
        .put("LocalStorageCategory", "")
        .put("NvmeSupport", "unsupported")
        .put("JumboFrameSupport", false)
        .put("NetworkEncryptionSupport", false)
        .put("NetworkCardQuantity", 1)
        .list("NetworkCards", "NetworkCardInfo", [card])
        .put("EnhancedNetwork", network)
        .put("Clock", Object::new().put("PtpSupport", "unsupported"))
        .put("SecurityOptions", Object::new().put("SecureBootSupport", "unsupported"))
        .put("SupportedBootModes", Object::new().put("SupportedBootMode", Value::List(modes)))
        .put("Attributes", Object::new().put("Attribute", Value::List(Vec::new())));
    // Types that may only use their cores for a while say so; here nobody holds them to it.
    if known.level == Level::Credit { shape.put("BaselineCredit", 0).put("InitialCredit", 0) } else { shape }
}
