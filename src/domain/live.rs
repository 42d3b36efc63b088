//! What has to stay in the store of a region: the data of everything there is.

use event::Rows;

use crate::image::{DISKS, SNAPSHOTS};
use crate::{AccountId, ManifestId, RegionId};

/// The manifests that have to stay in the store of a region: those of all snapshots and disks, of every account.
/// What is still on its way belongs to its job and not to these.
pub fn live_manifests(rows: &dyn Rows, region: &RegionId) -> Vec<(AccountId, ManifestId)> {
    let snapshots = SNAPSHOTS.list_all(rows).into_iter().filter(|snapshot| snapshot.region == *region);
    let snapshots = snapshots
        .filter(|snapshot| snapshot.ready || snapshot.copy_of.is_none())
        .filter_map(|snapshot| Some((snapshot.account, snapshot.disk?.manifest)));
    let disks = DISKS.list_all(rows).into_iter().filter(|disk| disk.region == *region);
    let disks = disks
        .filter(|disk| disk.ready || disk.of_snapshot.is_some() || disk.of_image.is_some())
        .filter_map(|disk| Some((disk.account, disk.disk?.manifest)));
    snapshots.chain(disks).collect()
}
