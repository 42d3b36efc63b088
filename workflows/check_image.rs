//! Check an image: read its file systems and tell what an instance of it may stumble over.
//!
//! It never changes what becomes of the image, and one that cannot be read to its end is given up.

use async_trait::async_trait;
use domain::events::GuestRead;
use domain::port::{CheckItem, Place, StoredDisk};
use domain::{AccountId, ImageId, RegionId, StoreId, image, rules};
use engine::{Halt, Workflow};
use event::{Failure, Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{At, Flow, Ports, of, on};

/// What a check is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckImage {
    /// Who owns the image.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The store of that region.
    pub store: StoreId,
    /// The image.
    pub image: ImageId,
}

#[async_trait]
impl Workflow for CheckImage {
    type Ports = Ports;
    type Output = Vec<CheckItem>;
    const NAME: &'static str = "check_image";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("check `{}`", self.image)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.image.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<Vec<CheckItem>, Halt> {
        let disk = flow.decide(self.scope(), of(&self, |view, it| rules::ask_check(view, &it.image)))   // CheckAsked
            .undo(of(&self, |view, it| rules::drop_check(view, &it.image))).await?.disk;                // CheckDropped

        let read = flow.step(on(&(self.clone(), disk), look))                                           // GuestRead
            .nothing_to_undo("reading changes nothing").await;
        let found = match read {
            Err(Halt::Failed(why)) => Err(why),
            read => Ok(read?.items),
        };

        flow.decide(self.scope(), of(&(self, found.clone()), |view, (it, found)| {
                rules::end_check(view, &it.image, found)                                                // ImageChecked
            }))
            .point_of_no_return("what was found is told").await.map(|checked| checked.items)
    }
}

async fn look(at: At, (it, disk): (CheckImage, StoredDisk)) -> Result<GuestRead, Failure> {
    let place = Place { region: it.region, store: it.store, account: it.account };
    let items = at.ports().data.check_guest(at.work(), &place, &disk).await?;
    Ok(GuestRead { image: it.image, items })
}
