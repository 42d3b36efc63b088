//! Add a region, and make the store it is.

use async_trait::async_trait;
use domain::events::{RegionAdded, StoreMade};
use domain::{RegionId, StoreId, image, rules};
use engine::{Halt, Workflow};
use event::{Failure, Scope};
use serde::{Deserialize, Serialize};

use crate::{At, Flow, Ports};

/// What the addition of a region is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddRegion {
    /// The region.
    pub region: RegionId,
}

#[async_trait]
impl Workflow for AddRegion {
    type Ports = Ports;
    type Output = StoreId;
    const NAME: &'static str = "add_region";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("add region `{}`", self.region)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<StoreId, Halt> {
        let store = StoreId(format!("store-{}", flow.new_id()));
        let wanted = RegionAdded { region: self.region.clone(), store: store.clone() };
        flow.decide(self.scope(), move |view| rules::add_region(view, wanted))   // RegionAdded
            .point_of_no_return("from here on its id and its store's id belong together").await?;

        let (region, id) = (self.region, store.clone());
        flow.step(move |at| make_store(at, region.clone(), id.clone()))          // StoreMade
            .nothing_to_undo("it is past the point of no return").await?;
        Ok(store)
    }
}

async fn make_store(at: At, region: RegionId, store: StoreId) -> Result<StoreMade, Failure> {
    at.ports().data.make_store(&region, &store).await?;
    Ok(StoreMade { region })
}
