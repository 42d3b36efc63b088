//! The nouns, their events, rules and projections, all pure; and the ports that others fill.
//!
//! An operation asks a rule ([`rules`]) at the head of the log, the rule says yes with an event
//! ([`events`]), the fold ([`Projections`]) turns events into rows ([`image`]), and the next rule
//! reads those. Nothing here does I/O or knows the time.

pub mod access;
pub mod batch;
mod details;
pub mod distribution;
pub mod due;
pub mod events;
mod events_access;
mod events_batch;
pub mod events_network;
pub mod events_schedule;
pub mod events_upkeep;
mod family;
mod fold;
mod fold_access;
mod fold_batch;
mod fold_disks;
mod fold_network;
mod fold_schedule;
mod fold_shares;
mod fold_upkeep;
pub mod group;
mod id;
pub mod image;
mod listed;
mod live;
pub mod machine;
pub mod name;
pub mod network;
mod place;
pub mod policy;
mod policy_condition;
mod policy_read;
mod policy_system;
pub mod port;
pub mod port_compute;
pub mod port_objects;
pub mod retention;
pub mod rules;
mod rules_access;
mod rules_batch;
mod rules_disk;
mod rules_house;
mod rules_network;
mod rules_ram;
mod rules_schedule;
mod rules_share;
mod rules_upkeep;
pub mod schedule;
#[cfg(test)]
mod test_family;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_access;
#[cfg(test)]
mod tests_batch;
#[cfg(test)]
mod tests_disk;
#[cfg(test)]
mod tests_kit;
#[cfg(test)]
mod tests_limits;
#[cfg(test)]
mod tests_names;
#[cfg(test)]
mod tests_network;
#[cfg(test)]
mod tests_policy;
#[cfg(test)]
mod tests_ram;
#[cfg(test)]
mod tests_random;
#[cfg(test)]
mod tests_schedule;
#[cfg(test)]
mod tests_share;
#[cfg(test)]
mod tests_status;
#[cfg(test)]
mod tests_upkeep;
mod time;
mod told;
pub mod upkeep;

pub use fold::Projections;
pub use id::{
    AccountId, ContentRoot, Digest, DiskId, ImageId, ManifestId, NotADigest, RegionId, SnapshotId, StoreId,
    TaskId,
};
pub use listed::{LISTED, Listed};
