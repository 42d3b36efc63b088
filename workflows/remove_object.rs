//! Remove an object from its bucket.

use async_trait::async_trait;
use domain::events::ObjectRemoved;
use domain::port::Location;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Failure, Scope};
use serde::{Deserialize, Serialize};

use crate::{At, Flow, Ports, of, on};

/// What a removal is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveObject {
    /// Who owns the bucket.
    pub account: AccountId,
    /// Where it is.
    pub at: Location,
}

#[async_trait]
impl Workflow for RemoveObject {
    type Ports = Ports;
    type Output = String;
    const NAME: &'static str = "remove_object";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        let region = self.at.bucket.as_ref().map(|bucket| &bucket.region);
        region.map_or_else(image::house, |region| image::scope(&self.account, region))
    }

    fn label(&self) -> String {
        format!("remove `{}`", self.at)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<String, Halt> {
        flow.decide(image::house(), of(&self, |view, it| rules::condemn_object(view, &it.at, &it.account)))
            .point_of_no_return("what is removed is not brought back").await?;  // ObjectCondemned

        flow.step(on(&self, remove))                                            // ObjectRemoved
            .nothing_to_undo("it is past the point of no return").await?;
        Ok(self.at.to_string())
    }
}

async fn remove(at: At, it: RemoveObject) -> Result<ObjectRemoved, Failure> {
    // A bucket that is gone, or another's by now, took the object along when it was removed; one that
    // is only being removed still holds it.
    let name = it.at.bucket.as_ref().map_or("", |bucket| &bucket.name);
    let bucket = image::BUCKETS.get(&*at.rows()?, &image::house(), &[name]);
    if bucket.is_some_and(|bucket| bucket.account == it.account) {
        at.ports().data.remove_object(&it.at).await?;
    }
    Ok(ObjectRemoved { at: it.at })
}
