//! The instance types there are: a small table of the cloud's families by their cores and memory.
//!
//! A machine here is as large as its type says; what a family is beyond that (which processor, how fast a network) is
//! nothing that anybody can promise before a compute driver runs it, and is left out or told as none.

use domain::machine::Architecture;

/// A family of types that differ in size alone.
struct Family {
    /// `ecs.g7`.
    name: &'static str,
    architecture: Architecture,
    category: &'static str,
    level: Level,
    /// What follows the family, cores and MiB of memory.
    sizes: &'static [(&'static str, u32, u32)],
}

/// For whom a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Entry,
    Credit,
    Enterprise,
}

impl Level {
    /// The API's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Entry => "EntryLevel",
            Self::Credit => "CreditEntryLevel",
            Self::Enterprise => "EnterpriseLevel",
        }
    }
}

/// An instance type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceType {
    /// `ecs.g7.large`.
    pub(crate) id: String,
    /// `ecs.g7`.
    pub(crate) family: &'static str,
    pub(crate) architecture: Architecture,
    pub(crate) category: &'static str,
    pub(crate) level: Level,
    pub(crate) cores: u32,
    pub(crate) memory_mib: u32,
}

const GIB: u32 = 1024;
/// Memory from which a 32-bit system cannot be started, as the API documents.
const MEMORY_32_BIT_MAX_MIB: u32 = 4 * GIB;

/// Sizes of a family with so many GiB for each core.
macro_rules! sizes {
    ($gib:literal) => {
        &[
            (".large", 2, 2 * $gib * GIB),
            (".xlarge", 4, 4 * $gib * GIB),
            (".2xlarge", 8, 8 * $gib * GIB),
            (".4xlarge", 16, 16 * $gib * GIB),
        ]
    };
}

const GENERAL: &str = "General-purpose";
const COMPUTE: &str = "Compute-optimized";
const MEMORY: &str = "Memory-optimized";
const SHARED: &str = "Shared";

/// The families, smallest machines first.
const FAMILIES: &[Family] = &[
    family(
        "ecs.t5",
        Architecture::X8664,
        SHARED,
        Level::Credit,
        &[("-lc2m1.nano", 1, 512), ("-lc1m1.small", 1, GIB)],
    ),
    family(
        "ecs.t6",
        Architecture::X8664,
        SHARED,
        Level::Credit,
        &[
            ("-c4m1.large", 2, 512),
            ("-c2m1.large", 2, GIB),
            ("-c1m1.large", 2, 2 * GIB),
            ("-c1m2.large", 2, 4 * GIB),
            ("-c1m4.large", 2, 8 * GIB),
        ],
    ),
    family(
        "ecs.e",
        Architecture::X8664,
        SHARED,
        Level::Entry,
        &[
            ("-c1m1.large", 2, 2 * GIB),
            ("-c1m2.large", 2, 4 * GIB),
            ("-c1m4.large", 2, 8 * GIB),
            ("-c1m2.xlarge", 4, 8 * GIB),
            ("-c1m4.xlarge", 4, 16 * GIB),
        ],
    ),
    family("ecs.c6", Architecture::X8664, COMPUTE, Level::Enterprise, sizes!(2)),
    family("ecs.g6", Architecture::X8664, GENERAL, Level::Enterprise, sizes!(4)),
    family("ecs.r6", Architecture::X8664, MEMORY, Level::Enterprise, sizes!(8)),
    family("ecs.c7", Architecture::X8664, COMPUTE, Level::Enterprise, sizes!(2)),
    family("ecs.g7", Architecture::X8664, GENERAL, Level::Enterprise, sizes!(4)),
    family("ecs.r7", Architecture::X8664, MEMORY, Level::Enterprise, sizes!(8)),
    family("ecs.c8y", Architecture::Arm64, COMPUTE, Level::Enterprise, sizes!(2)),
    family("ecs.g8y", Architecture::Arm64, GENERAL, Level::Enterprise, sizes!(4)),
    family("ecs.r8y", Architecture::Arm64, MEMORY, Level::Enterprise, sizes!(8)),
];

const fn family(
    name: &'static str,
    architecture: Architecture,
    category: &'static str,
    level: Level,
    sizes: &'static [(&'static str, u32, u32)],
) -> Family {
    Family { name, architecture, category, level, sizes }
}

impl InstanceType {
    /// GiB of memory, as the API counts it.
    pub(crate) fn memory_gib(&self) -> f64 {
        f64::from(self.memory_mib) / f64::from(GIB)
    }

    /// Whether a machine of the type starts systems of a processor: its own, and 32 bits where memory is small.
    pub(crate) fn starts(&self, architecture: Architecture) -> bool {
        match architecture {
            Architecture::I386 => {
                self.architecture == Architecture::X8664 && self.memory_mib < MEMORY_32_BIT_MAX_MIB
            }
            other => self.architecture == other,
        }
    }
}

/// All types, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = InstanceType> {
    FAMILIES.iter().flat_map(|family| {
        family.sizes.iter().map(|(size, cores, memory_mib)| InstanceType {
            id: format!("{}{size}", family.name),
            family: family.name,
            architecture: family.architecture,
            category: family.category,
            level: family.level,
            cores: *cores,
            memory_mib: *memory_mib,
        })
    })
}

/// The names of all families, with the words for whom they are.
pub(crate) fn families() -> impl Iterator<Item = (&'static str, Level)> {
    FAMILIES.iter().map(|family| (family.name, family.level))
}

/// The type of that id.
pub(crate) fn named(id: &str) -> Option<InstanceType> {
    all().find(|known| known.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_ids_of_their_own_and_start_what_their_processor_can() {
        let ids: std::collections::BTreeSet<String> = all().map(|known| known.id).collect();
        assert_eq!(ids.len(), all().count());
        assert!(ids.len() >= 36, "{}", ids.len());
        let starts = |id: &str| {
            let known = named(id).unwrap();
            [Architecture::I386, Architecture::X8664, Architecture::Arm64].map(|each| known.starts(each))
        };
        assert_eq!(starts("ecs.t6-c1m1.large"), [true, true, false]);
        assert_eq!(starts("ecs.t6-c1m2.large"), [false, true, false], "4 GiB are too much for 32 bits");
        assert_eq!(starts("ecs.g8y.large"), [false, false, true]);
        assert!((named("ecs.g7.xlarge").unwrap().memory_gib() - 16.0).abs() < f64::EPSILON);
        assert_eq!(named("ecs.g7"), None);
    }
}
