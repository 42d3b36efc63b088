//! `DescribeInstanceTypes`: the types a machine may have, all of them or a page by token.

use domain::machine::Architecture;
use wire::{Fault, Object, Value};

use crate::ask::{Ask, Outcome};
use crate::types::{self, InstanceType, Level};

/// Types of a page by token where nobody says, and at most: all there are, and what the API allows.
const RESULTS_MAX: i64 = 1_600;
/// Disks that a machine has at most: the system disk and 16 more.
const DISKS_MAX: u32 = 17;

/// What tokens begin with.
const TOKEN: &str = "kiln-type-";
/// What may be asked for at least, and how much of it there is of any type: what is not told is none.
const LEAST: &[(&str, u32)] = &[
    ("MinimumBaselineCredit", 0),
    ("MinimumCpuSpeedFrequency", 0),
    ("MinimumCpuTurboFrequency", 0),
    ("MinimumDiskQuantity", DISKS_MAX),
    ("MinimumEniIpv6AddressQuantity", 0),
    ("MinimumEniPrivateIpAddressQuantity", 1),
    ("MinimumEniQuantity", 1),
    ("MinimumEriQuantity", 0),
    ("MinimumGPUAmount", 0),
    ("MinimumInitialCredit", 0),
    ("MinimumInstanceBandwidthRx", 0),
    ("MinimumInstanceBandwidthTx", 0),
    ("MinimumInstancePpsRx", 0),
    ("MinimumInstancePpsTx", 0),
    ("MinimumLocalStorageAmount", 0),
    ("MinimumLocalStorageCapacity", 0),
    ("MinimumPrimaryEniQueueNumber", 1),
    ("MinimumQueuePairNumber", 0),
    ("MinimumSecondaryEniQueueNumber", 0),
];
/// Words for what no type has: one that is asked for by any of them is not there.
const OF_NONE: &[&str] = &["GPUSpec", "LocalStorageCategory", "PhysicalProcessorModel"];
/// The same, where several may be named.
const OF_NONE_LISTED: &[&str] = &["GpuSpecs", "LocalStorageCategories", "PhysicalProcessorModels"];

pub(crate) async fn run(ask: Ask) -> Outcome {
    let params = &ask.params;
    let most = params.number("MaxResults")?.unwrap_or(RESULTS_MAX).clamp(1, RESULTS_MAX);
    let most = usize::try_from(most).unwrap_or(1);
    let before = match params.text("NextToken") {
        None => 0,
        Some(token) => {
            token.strip_prefix(TOKEN).and_then(|number| number.parse::<usize>().ok()).ok_or_else(|| {
                let why = format!("The specified NextToken is not valid: `{}`.", token.escape_debug());
                Fault::new(403, "Invalid.NextToken", why)
            })?
        }
    };
    let ids = params.list("InstanceTypes");
    let words = |single: &str, several: &str| (params.string(single), params.list(several));
    let families = words("InstanceTypeFamily", "InstanceTypeFamilies");
    let processors = words("CpuArchitecture", "CpuArchitectures");
    let categories = words("InstanceCategory", "InstanceCategories");
    let level = params.text("InstanceFamilyLevel");
    let cores = (amount(&ask, "MinimumCpuCoreCount")?, amount(&ask, "MaximumCpuCoreCount")?);
    let memory = (amount(&ask, "MinimumMemorySize")?, amount(&ask, "MaximumMemorySize")?);
    let is_between = |is: f64, (least, most): (Option<f64>, Option<f64>)| {
        least.is_none_or(|least| is >= least) && most.is_none_or(|most| is <= most)
    };
    let wants_more = wants_more(&ask)?;
    let is_one_of = |(single, several): &(Option<String>, Vec<String>), is: &str| {
        single.as_ref().is_none_or(|word| word.eq_ignore_ascii_case(is))
            && (several.is_empty() || several.iter().any(|word| word.eq_ignore_ascii_case(is)))
    };
    let is_meant = |known: &InstanceType| {
        !wants_more
            && (ids.is_empty() || ids.contains(&known.id))
            && is_one_of(&families, known.family)
            && is_one_of(&processors, processor_of(known))
            && is_one_of(&categories, known.category)
            && is_between(f64::from(known.cores), cores)
            && is_between(known.memory_gib(), memory)
            && level.is_none_or(|level| level.eq_ignore_ascii_case(known.level.word()))
    };
    let found: Vec<InstanceType> = types::all().filter(is_meant).collect();
    let next = if found.len() > before + most { format!("{TOKEN}{}", before + most) } else { String::new() };
    let shown = found.iter().skip(before).take(most).map(shape);
    Ok(Object::new().list("InstanceTypes", "InstanceType", shown).put("NextToken", next))
}

/// Whether something is asked for that no type has.
fn wants_more(ask: &Ask) -> Result<bool, Fault> {
    let mut wants_more = false;
    for (name, is) in LEAST {
        wants_more |= amount(ask, name)?.is_some_and(|least| least > f64::from(*is));
    }
    for name in ["MaximumCpuSpeedFrequency", "MaximumCpuTurboFrequency", "MaximumGPUAmount"] {
        wants_more |= amount(ask, name)?.is_some_and(|most| most < 0.0);
    }
    for name in OF_NONE {
        wants_more |= ask.params.text(name).is_some();
    }
    for name in OF_NONE_LISTED {
        wants_more |= !ask.params.list(name).is_empty();
    }
    Ok(wants_more || !ask.asks_for_what_is(&[("NvmeSupport", "unsupported")]))
}

/// How much of something is asked for.
fn amount(ask: &Ask, name: &str) -> Result<Option<f64>, Fault> {
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
