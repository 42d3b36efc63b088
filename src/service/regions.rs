//! Use cases on regions: which there are, collecting, and looking through a store.

use std::sync::{Arc, LazyLock};

use domain::image::{IMAGES, REGIONS, house, scope};
use domain::port::LiveManifests;
use domain::{AccountId, ManifestId, RegionId};
use engine::Snapshot;
use event::{Actor, Failure, FlowId, Rows};
use workflows::CollectChunks;

use crate::asked::Asked;
use crate::lookup::{self, account};
use crate::view::{Checked, RegionView, Regions, Started};
use crate::{Service, Trouble};

impl Service {
    pub(crate) fn regions(&self, actor: &Actor) -> Result<Regions, Trouble> {
        let rows = self.engine.snapshot()?;
        Ok(Regions { regions: views(&rows, &account(actor)) })
    }

    /// Whether there is a region of that name. Every request of the wire asks this.
    pub fn has_region(&self, region: &str) -> Result<bool, Trouble> {
        static ALL: LazyLock<Vec<u8>> = LazyLock::new(|| REGIONS.key(&house(), &[""]));
        let read = |rows: &Snapshot| {
            let is_plain = !region.contains('\0');
            Ok::<_, Trouble>((is_plain && REGIONS.get(rows, &house(), &[region]).is_some()).then_some(()))
        };
        Ok(self.kept_regions.now(&self.engine, &ALL, region, read)?.is_some())
    }

    /// The regions in question: the one named, or all.
    pub(crate) fn regions_asked(
        &self,
        rows: &Snapshot,
        wanted: Option<&RegionId>,
    ) -> Result<Vec<RegionId>, Trouble> {
        match wanted {
            Some(region) if self.has_region(region.as_str())? => Ok(vec![region.clone()]),
            wanted => lookup::regions(rows, wanted),
        }
    }

    pub(crate) async fn collect(
        &self,
        actor: Actor,
        asked: &Asked,
        region: Option<RegionId>,
        after: Option<FlowId>,
    ) -> Result<Started, Trouble> {
        let region = lookup::region(&self.engine.snapshot()?, region.as_ref())?;
        // One collection follows a deletion, whoever asks for it.
        let request = after.map_or_else(|| asked.id.clone(), |deletion| format!("collect-after/{deletion}"));
        asked.go_on()?;
        // Whoever waits for a deletion asks for its collection at the same moment as the deletion's end.
        let _one = self.starting.lock().await;
        let collection = CollectChunks { region: region.id, store: region.store };
        let workflow_id = self.engine.start_as(actor, &request, asked.class, collection).await?;
        Ok(Started { workflow_id, joined: false, image_id: String::new() })
    }

    pub(crate) async fn check_region(
        self: &Arc<Self>,
        region: Option<RegionId>,
        deep: bool,
    ) -> Result<Checked, Trouble> {
        let region = lookup::region(&self.engine.snapshot()?, region.as_ref())?;
        let live = Arc::new(Live { service: self.clone(), region: region.id.clone() });
        let report = self.data.examine(&region.id, &region.store, live, deep).await?;
        Ok(Checked {
            region_id: region.id.0,
            deep,
            chunks: report.chunks,
            packs: report.packs,
            pack_bytes: report.pack_bytes,
            missing: report.missing,
            orphaned_chunks: report.orphaned_chunks,
            stray_files: report.stray_files,
        })
    }
}

/// The manifests of all snapshots and disks in a region, read from the log at every call.
/// The regions there are, with what an account has in each.
pub(crate) fn views(rows: &dyn Rows, account: &AccountId) -> Vec<RegionView> {
    let regions = REGIONS.list(rows, &house(), &[]).into_iter().map(|region| {
        let images = IMAGES.list(rows, &scope(account, &region.id), &[]);
        RegionView {
            region_id: region.id.0,
            store_id: region.store.0,
            ready: region.ready,
            images: images.len() as u64,
            stored_bytes: images.iter().flat_map(|image| &image.disks).map(|disk| disk.stored_bytes).sum(),
        }
    });
    regions.collect()
}

struct Live {
    service: Arc<Service>,
    region: RegionId,
}

impl LiveManifests for Live {
    fn manifests(&self) -> Result<Vec<(AccountId, ManifestId)>, Failure> {
        let rows = self.service.engine.snapshot().map_err(|error| Failure::Ours(error.to_string()))?;
        Ok(domain::image::live_manifests(&rows, &self.region))
    }
}
