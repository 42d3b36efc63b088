//! What the domain asks of whoever runs instances: what an image made of one would consist of.
//!
//! It deliberately asks for no more than that: starting and stopping instances has rules of its own.

use async_trait::async_trait;
use event::Refusal;

use crate::image::DiskKind;
use crate::machine::Machine;
use crate::{AccountId, RegionId, SnapshotId};

/// A disk of an instance, as a snapshot has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedDisk {
    /// Where the instance has it.
    pub device: String,
    /// Which place it has.
    pub kind: DiskKind,
    /// The snapshot of it, in the account and region of the instance.
    pub snapshot: SnapshotId,
}

/// Whoever runs instances.
#[async_trait]
pub trait Compute: Send + Sync + 'static {
    /// The machine of an account's instance, as the image it was started from has it; changes
    /// nothing. Refuses with `InvalidInstanceId.NotFound` where the account has no such instance in
    /// the region, and with `IncorrectInstanceStatus` where it is neither running nor stopped.
    async fn machine(
        &self,
        account: &AccountId,
        region: &RegionId,
        instance: &str,
    ) -> Result<Machine, Refusal>;

    /// Takes a snapshot of each of its disks, all of one moment. Refuses as `machine` does.
    async fn capture(
        &self,
        account: &AccountId,
        region: &RegionId,
        instance: &str,
    ) -> Result<Vec<CapturedDisk>, Refusal>;
}
