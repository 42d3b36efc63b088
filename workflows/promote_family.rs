//! Promote an image to what its family stands for, or roll a family back to an earlier one, in several
//! regions at once: in all of them, or in none.

use async_trait::async_trait;
use domain::{AccountId, ImageId, RegionId, image, rules};
use engine::{Halt, Superseded, Workflow};
use event::{Draft, Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports};

/// Which image a family is to stand for in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The region.
    pub region: RegionId,
    /// The image; its newest again if there is none.
    pub image: Option<ImageId>,
}

/// What a promotion is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromoteFamily {
    /// Who owns the family.
    pub account: AccountId,
    /// The family.
    pub family: String,
    /// Where, and to what.
    pub moves: Vec<Move>,
}

#[async_trait]
impl Workflow for PromoteFamily {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "promote_family";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        self.moves.first().map_or_else(image::house, |to| image::scope(&self.account, &to.region))
    }

    fn label(&self) -> String {
        format!("promote `{}` in {} regions", self.family, self.moves.len())
    }

    fn subjects(&self) -> Vec<Subject> {
        self.moves.iter().filter_map(|to| Some(Subject(to.image.as_ref()?.0.clone()))).collect()
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        for Move { region, image } in self.moves {
            let (scope, id) = (image::scope(&self.account, &region), flow.id());
            let (set, returned) = (self.family.clone(), self.family.clone());
            flow.decide(scope, move |view| rules::set_family_head(view, &set, image.as_ref()))  // FamilyHeadSet
                .undo(move |view| match rules::return_family_head(view, &returned, id) {        // FamilyHeadReturned
                    Ok(event) => Draft::of(&event),
                    Err(what) => Draft::of(&Superseded { what }),
                }).await?;
        }
        Ok(())
    }
}
