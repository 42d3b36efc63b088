//! A disk on its way into a store: what imports, copies and blank disks have in common.
//!
//! Its bytes are transferred, read back, and, when what they belong to is sealed, settled. Until
//! then undoing it is discarding what was stored.

use domain::SnapshotId;
use domain::events::{DataDiscarded, DataSettled, DataTransferred, DataVerified, ResourceId};
use domain::port::{Job, Pace, Place, Source, StoredDisk, Transferred};
use engine::{Halt, Policy};
use event::Failure;

use crate::{At, Flow, on};

/// Transfers of an account in one region at once; the others wait their turn. Two keep two
/// processors busy, more would only thin each other out.
const TRANSFERS_AT_ONCE: usize = 2;

/// A disk on its way into a store.
#[derive(Clone)]
pub(crate) struct Arrival {
    /// What it belongs to.
    pub(crate) of: ResourceId,
    /// The snapshot it will be, if it belongs to an image.
    pub(crate) snapshot: Option<SnapshotId>,
    /// Where it goes.
    pub(crate) place: Place,
    /// The key of the work.
    pub(crate) job: Job,
    /// Where it comes from.
    pub(crate) from: From,
}

/// Where a disk comes from.
#[derive(Clone)]
pub(crate) enum From {
    /// A disk file.
    File(Source),
    /// Nowhere: it is all zeros.
    Zeros(u64),
    /// Another store, or another account.
    Store { place: Place, disk: StoredDisk, pace: Pace },
}

impl Arrival {
    fn disk_bytes(&self) -> u64 {
        match &self.from {
            From::File(source) => source.disk_bytes,
            From::Zeros(disk_bytes) => *disk_bytes,
            From::Store { disk, .. } => disk.disk_bytes,
        }
    }

    /// How patiently it is tried. A region that is not there is waited for as long as it takes: the
    /// copy says so, and a person who does not want to wait cancels it.
    fn policy(&self) -> Policy {
        match self.from {
            From::Store { .. } => Policy { attempts_max: u32::MAX, ..Policy::default() },
            _ => Policy::default(),
        }
    }

    /// Brings it in and reads it back.
    #[rustfmt::skip]
    pub(crate) async fn arrive(&self, flow: &Flow) -> Result<(), Halt> {
        let queue = format!("transfers of {} in {}", self.place.account, self.place.region);
        let data = flow.step(on(self, transfer))                            // DataTransferred
            .limit(queue, TRANSFERS_AT_ONCE)
            .policy(self.policy())
            .undo(on(self, discard)).await?.data;                           // DataDiscarded

        flow.step(on(&(self.clone(), data), verify))                        // DataVerified
            .policy(self.policy())
            .nothing_to_undo("reading back changes nothing").await?;
        Ok(())
    }

    /// Lets its chunks serve the whole account; what it belongs to is sealed.
    pub(crate) async fn settle(&self, flow: &Flow) -> Result<(), Halt> {
        let settled = flow.step(on(self, settle)).policy(self.policy()); // DataSettled
        settled.nothing_to_undo("it is past the point of no return").await?;
        Ok(())
    }
}

async fn transfer(at: At, it: Arrival) -> Result<DataTransferred, Failure> {
    let (data, work, disk_bytes) = (&at.ports().data, at.work(), it.disk_bytes());
    let stored = match &it.from {
        From::File(source) => data.transfer(work, &it.place, &it.job, source).await?,
        From::Zeros(disk_bytes) => data.blank(work, &it.place, &it.job, *disk_bytes).await?,
        From::Store { place, disk, pace } => {
            data.copy(work, place, disk, &it.place, &it.job, pace.clone()).await?
        }
    };
    Ok(DataTransferred { of: it.of, snapshot: it.snapshot, disk_bytes, data: stored })
}

async fn discard(at: At, it: Arrival) -> Result<DataDiscarded, Failure> {
    at.ports().data.discard(at.work(), &it.place, &it.job).await?;
    Ok(DataDiscarded { of: it.of, snapshot: it.snapshot })
}

async fn verify(at: At, (it, data): (Arrival, Transferred)) -> Result<DataVerified, Failure> {
    let disk = StoredDisk { manifest: data.manifest, disk_bytes: it.disk_bytes(), root: data.root };
    let found = at.ports().data.verify(at.work(), &it.place, &it.job, &disk).await?;
    Ok(DataVerified { of: it.of, snapshot: it.snapshot, root: found.root, chunks: found.chunks })
}

async fn settle(at: At, it: Arrival) -> Result<DataSettled, Failure> {
    at.ports().data.settle(at.work(), &it.place, &it.job).await?;
    Ok(DataSettled { of: it.of, snapshot: it.snapshot })
}
