//! The copy use cases: to other regions, within the region from who shares, and stopping one.

use domain::image::{Making, parts_of};
use domain::port::{Pace, Place};
use domain::{ImageId, RegionId, rules};
use engine::{FlowRow, Snapshot, Workflow as _};
use event::{Actor, FlowId, Refusal, Rows, View};
use workflows::CopyImage;

use crate::asked::Asked;
use crate::batch_line::shared_pace;
use crate::images::scope_of;
use crate::lookup::{self, account};
use crate::request::ImageAt;
use crate::request_share::ImageCopy;
use crate::view::WorkflowView;
use crate::view_share::{CopiesStarted, CopyStarted};
use crate::{Service, Trouble};

impl Service {
    /// Starts copies, one operation a region: all that were named, or none.
    pub(crate) async fn copy(
        &self,
        actor: Actor,
        asked: &Asked,
        ask: ImageCopy,
    ) -> Result<CopiesStarted, Trouble> {
        let rows = self.engine.snapshot()?;
        let mut to = ask.to.clone();
        let mut seen = std::collections::BTreeSet::new();
        to.retain(|region| seen.insert(region.clone()));
        let requests: Vec<String> = (0..to.len().max(1)).map(|number| request(asked, number)).collect();
        let known: Vec<FlowId> = requests.iter().map_while(|request| rows.started_by(request)).collect();
        if known.len() == requests.len() {
            asked.go_on()?;
            return Ok(CopiesStarted { copies: known.into_iter().map(|id| copy_of(&rows, id)).collect() });
        }
        let shared = shared_pace(&rows, &account(&actor), &asked.id);
        let pace = Pace { bytes_per_second: ask.bytes_per_second, shared };
        let copies = self.plan(&rows, &actor, to, &ask, &pace)?;
        drop(rows);
        asked.go_on()?;
        let mut started = Vec::with_capacity(copies.len());
        for (request, copy) in requests.iter().zip(copies) {
            let region_id = copy.to.region.0.clone();
            let workflow_id = self.engine.start_as(actor.clone(), request, asked.class, copy).await?;
            started.push(CopyStarted { workflow_id, image_id: target_of(workflow_id).0, region_id });
        }
        Ok(CopiesStarted { copies: started })
    }

    /// The copies, if the rules would have each of them now.
    fn plan(
        &self,
        rows: &Snapshot,
        actor: &Actor,
        mut to: Vec<RegionId>,
        ask: &ImageCopy,
        pace: &Pace,
    ) -> Result<Vec<CopyImage>, Trouble> {
        let now_ms = self.clock.now_ms();
        if let Some(source) = &ask.at.region {
            place(rows, actor, source, "SourceRegion.NotFound")?;
        }
        let (image, _) = lookup::visible_image(rows, actor, &ask.at, now_ms)?;
        if to.is_empty() {
            to.push(image.region.clone());
        }
        let from = place(rows, actor, &image.region, "SourceRegion.NotFound")?;
        let from = Place { account: image.account.clone(), ..from };
        let mut copies = Vec::with_capacity(to.len());
        for region in to {
            let copy = CopyImage {
                source: image.id.clone(),
                from: from.clone(),
                to: place(rows, actor, &region, "DestinationRegion.NotFound")?,
                name: ask.name.clone().unwrap_or_else(|| image.name.clone()),
                description: ask.description.clone(),
                tags: ask.tags.clone(),
                pace: pace.clone(),
                family: None,
                for_list: None,
            };
            let (source, target) = (scope_of(&image), copy.scope());
            let begun = rules::begin_copy(
                &View::new(rows, &source, now_ms),
                &image.id,
                &copy.to.account,
                &ImageId::default(),
                &target,
            )?;
            let reserved =
                rules::reserve(&View::new(rows, &target, now_ms), copy.foresee(begun.copied)).map(drop);
            reserved.map_err(|refusal| match (refusal.code.as_str(), &ask.name) {
                ("InvalidImageName.Duplicated", None) => {
                    refusal.advise("give the copy a name of its own with `--name`")
                }
                _ => refusal,
            })?;
            copies.push(copy);
        }
        Ok(copies)
    }

    /// Stops a copy that has not come to its end, named by the image that would come to be.
    pub(crate) async fn cancel_copy(
        &self,
        actor: Actor,
        asked: &Asked,
        at: &ImageAt,
        reason: &str,
    ) -> Result<WorkflowView, Trouble> {
        let rows = self.engine.snapshot()?;
        let image = match lookup::image(&rows, &actor, at) {
            Ok(image) => image,
            // One that has not begun has taken no name yet; its id was told all the same.
            Err(absent) => match not_begun(&rows, &actor, &at.image) {
                Some(flow) => {
                    asked.go_on()?;
                    self.engine.cancel(actor.clone(), flow, reason).await?;
                    return self.workflow(&actor, flow);
                }
                None => return Err(absent),
            },
        };
        drop(rows);
        let no = |code: &str, why: String| Trouble::from(Refusal::new(code, why));
        if !matches!(image.making, Making::Copy { .. }) {
            return Err(no("ImageCreatedNotFromCopy", format!("the image `{}` is no copy", image.id)));
        }
        let over = || {
            let why = format!("the copy `{}` is past being cancelled", image.id);
            no("IncorrectImageStatus", why).advise("delete the image instead")
        };
        if !image.status.is_being_made() {
            return Err(over());
        }
        asked.go_on()?;
        match self.engine.cancel(actor.clone(), image.flow, reason).await {
            Err(engine::Error::Denied { .. }) => Err(over()),
            done => {
                done?;
                self.workflow(&actor, image.flow)
            }
        }
    }
}

/// The request behind one of several copies. The first has the id it was asked under, by which a
/// token finds it.
fn request(asked: &Asked, number: usize) -> String {
    if number == 0 { asked.id.clone() } else { format!("copy-{number}/{}", asked.id) }
}

/// The image that a copy makes: the first id of its story.
fn target_of(flow: FlowId) -> ImageId {
    ImageId(format!("m-{}", flow.mint("1")))
}

/// The account's copy in progress that is to make the image of that id.
fn not_begun(rows: &Snapshot, actor: &Actor, image: &str) -> Option<FlowId> {
    let own = |flow: &FlowRow| flow.name == CopyImage::NAME && flow.actor.account == actor.account;
    let mut copies = rows.open_flows().into_iter().filter(own);
    copies.find(|flow| target_of(flow.id).as_str() == image).map(|flow| flow.id)
}

fn copy_of(rows: &Snapshot, id: FlowId) -> CopyStarted {
    let region = rows.flow(id).and_then(|flow| parts_of(&flow.scope)).map(|(_, region)| region);
    CopyStarted { workflow_id: id, image_id: target_of(id).0, region_id: region.unwrap_or_default().0 }
}

/// The account's place in a region.
fn place(rows: &dyn Rows, actor: &Actor, region: &RegionId, code: &str) -> Result<Place, Trouble> {
    let found = lookup::region(rows, Some(region)).map_err(|trouble| {
        let code = if trouble.code == "InvalidRegionId.NotFound" { code.to_owned() } else { trouble.code };
        Trouble { code, ..trouble }
    })?;
    Ok(Place { region: found.id, store: found.store, account: account(actor) })
}
