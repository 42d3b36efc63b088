//! Bring the images of a distribution list into one region, and share them there.
//!
//! One after another, the oldest first, for each is what the family stands for when it has come. A region that goes
//! away meanwhile is waited for, and nothing else waits for that. A copy that fails or is cancelled ends it: what is
//! newer does not go before it, and the next run of the list begins with it again.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::events_upkeep::UpkeepBegun;
use domain::image::house;
use domain::port::Pace;
use domain::upkeep::{
    At, Distribution, Doing, ForList, Lane, NotDone, REFUSED_MAX, Report, Sharing, UpkeepId, Wanted,
};
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{FlowId, Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{ChangeShares, CopyImage, Flow, Ports, of};

/// Images shared at once: each is one event.
const AT_ONCE: usize = 16;

/// What is missing of a list in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DistributeImages {
    /// Whose it is.
    pub account: AccountId,
    /// The list.
    pub upkeep: UpkeepId,
    /// Its name, for people.
    pub name: String,
    /// The family.
    pub family: String,
    /// What is missing, and where.
    pub lane: Lane,
    /// With whom each copy is shared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub share_with: Vec<AccountId>,
    /// Operations for the list that a person has given up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<FlowId>,
}

#[async_trait]
impl Workflow for DistributeImages {
    type Ports = Ports;
    type Output = Report;
    const NAME: &'static str = "distribute_images";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("bring `{}` to `{}`", self.name, self.lane.to.region)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.upkeep.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<Report, Halt> {
        let asked = (self, flow.id());
        let begun = flow.decide(house(), of(&asked, |view, (it, id)| {
                rules::begin_lane(view, &it.account, &it.upkeep, &it.lane.to.region, (id, &it.over))   // LaneBegun
            }))
            .point_of_no_return("a copy under way is cancelled by itself, which ends this").await?;

        let it = asked.0;
        let (mut report, mut shares) = (Report::default(), it.lane.shares.clone());
        for wanted in &it.lane.copies {
            let copy = vec![(wanted.image.0.clone(), it.copy(wanted))];
            let end = flow.each(copy, 1).nothing_to_undo("a copy that is whole stays").await?;
            match end.into_values().next() {
                Some(Ok(image)) => {
                    report.copied.push(it.at(&image));
                    shares.push(Sharing { image, with: it.share_with.clone() });
                }
                Some(Err(why)) => {
                    report.refused.push(NotDone { at: it.at(&wanted.image), what: Doing::Copy, why });
                    break;
                }
                None => {}
            }
        }
        shares.retain(|share| !share.with.is_empty());
        let changes = shares.iter().map(|share| (share.image.0.clone(), it.sharing(share))).collect();
        let mut ends = flow.each(changes, AT_ONCE).nothing_to_undo("a share is ended by hand").await?;
        for Sharing { image, .. } in &shares {
            match ends.remove(image.as_str()) {
                Some(Err(why)) if report.refused.len() < REFUSED_MAX => {
                    report.refused.push(NotDone { at: it.at(image), what: Doing::Share, why });
                }
                Some(Ok(_)) => report.shared.push(it.at(image)),
                _ => {}
            }
        }
        let ended = (begun, report);
        flow.decide(house(), of(&ended, |view, (begun, report)| rules::end_lane(view, begun, report)))
            .nothing_to_undo("it is past the point of no return").await?;                  // LaneEnded
        Ok(ended.1)
    }
}

impl DistributeImages {
    /// What a run of a list has done in a region.
    pub(crate) fn of(begun: &UpkeepBegun, list: &Distribution, lane: Lane, over: &[FlowId]) -> Self {
        let UpkeepBegun { upkeep, account, name, family, .. } = begun.clone();
        Self { account, upkeep, name, family, lane, share_with: list.share_with.clone(), over: over.to_vec() }
    }

    fn at(&self, image: &domain::ImageId) -> At {
        At { region: self.lane.to.region.clone(), image: image.clone() }
    }

    fn copy(&self, wanted: &Wanted) -> CopyImage {
        let Wanted { image, born, name, description } = wanted.clone();
        CopyImage {
            source: image,
            from: self.lane.from.clone(),
            to: self.lane.to.clone(),
            name,
            description,
            tags: BTreeMap::new(),
            pace: Pace::default(),
            family: Some(self.family.clone()),
            for_list: Some(ForList { upkeep: self.upkeep.clone(), born }),
        }
    }

    fn sharing(&self, share: &Sharing) -> ChangeShares {
        ChangeShares {
            account: self.account.clone(),
            region: self.lane.to.region.clone(),
            image: share.image.clone(),
            add: share.with.clone(),
            until_ms: None,
            remove: Vec::new(),
        }
    }
}
