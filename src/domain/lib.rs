//! The nouns, their events, rules and projections, all pure; and the ports that others fill.

mod id;
pub mod port;

pub use id::{
    AccountId, ContentRoot, Digest, ImageId, ManifestId, NotADigest, RegionId, SnapshotId, StoreId,
};
