//! Use cases on images: what there is, and the operations of one decide.
//!
//! Each operation is asked of its rule once before it begins, so that what cannot be is refused at
//! once and leaves no trace; the rule at the head of the log stays the judge.

use std::sync::{Arc, PoisonError};

use domain::events::Attributes;
use domain::image::{Image, is_family_head, scope};
use domain::{RegionId, rules};
use engine::FlowRow;
use event::{Actor, Refusal, Scope, View};
use workflows::{DeleteImage, DeprecateImage, ModifyImage, RestoreImage};

use crate::asked::Asked;
use crate::lookup;
use crate::request::ImageAt;
use crate::service::made_by;
use crate::view::Started;
use crate::view_image::ImageView;
use crate::{Service, Trouble};

impl Service {
    pub(crate) fn image(&self, actor: &Actor, at: &ImageAt) -> Result<ImageView, Trouble> {
        let rows = self.engine.snapshot()?;
        let now_ms = self.clock.now_ms();
        let names = |scope: &Scope, name: &str| self.kept_lists.named(&rows, scope, name);
        let (image, own) = lookup::visible_image_by(&rows, actor, at, now_ms, &names)?;
        let head = is_family_head(&rows, &image);
        Ok(if own {
            self.own_view(&image, head, now_ms)
        } else {
            ImageView::for_others(&image, head, now_ms)
        })
    }

    pub(crate) async fn modify(
        &self,
        actor: Actor,
        asked: &Asked,
        at: &ImageAt,
        to: Attributes,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let image = self.allowed(&actor, at, |view, image| rules::modify(view, &image.id, &to).map(drop))?;
        let flow = ModifyImage { account: image.account, region: image.region, image: image.id.clone(), to };
        self.begin(actor, asked, flow, image.id.0).await
    }

    pub(crate) async fn deprecate(
        &self,
        actor: Actor,
        asked: &Asked,
        at: &ImageAt,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let image = self.allowed(&actor, at, |view, image| rules::deprecate(view, &image.id).map(drop))?;
        let flow = DeprecateImage {
            account: image.account,
            region: image.region,
            image: image.id.clone(),
            by: None,
        };
        self.begin(actor, asked, flow, image.id.0).await
    }

    pub(crate) async fn restore(
        &self,
        actor: Actor,
        asked: &Asked,
        at: &ImageAt,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let image = self.allowed(&actor, at, |view, image| rules::restore(view, &image.id).map(drop))?;
        let flow = RestoreImage { account: image.account, region: image.region, image: image.id.clone() };
        self.begin(actor, asked, flow, image.id.0).await
    }

    pub(crate) async fn delete(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        at: &ImageAt,
        how: rules::Deletion,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let image = self.allowed(&actor, at, |view, image| rules::delete(view, &image.id, how).map(drop))?;
        let flow = DeleteImage {
            account: image.account,
            region: image.region,
            image: image.id.clone(),
            force: how.force,
            keep_snapshots: how.keep_snapshots,
            by: None,
        };
        let started = self.begin(actor, asked, flow, image.id.0).await?;
        if self.engine.is_driving() {
            let flow = self.engine.snapshot()?.flow(started.workflow_id);
            if let Some(flow) = flow {
                self.collect_after(flow);
            }
        }
        Ok(started)
    }

    /// When a deletion is done, what only it had needed is collected.
    pub(crate) fn collect_after(self: &Arc<Self>, deletion: FlowRow) {
        let service = self.clone();
        let follow = async move {
            let region = deletion.scope.as_str().split_once('/').map(|(_, region)| RegionId::from(region));
            let ended = service.engine.wait(deletion.id).await;
            if ended.is_ok_and(|flow| flow.trouble().is_none()) {
                // Should it fail to start, the next deletion collects as well.
                let _ = service
                    .collect(deletion.actor, &Asked::by_itself(String::new()), region, Some(deletion.id))
                    .await;
            }
        };
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        while following.try_join_next().is_some() {}
        following.spawn(follow);
    }

    /// The image, if its rule would have it now.
    pub(crate) fn allowed(
        &self,
        actor: &Actor,
        at: &ImageAt,
        rule: impl FnOnce(&View<'_>, &Image) -> Result<(), Refusal>,
    ) -> Result<Image, Trouble> {
        let rows = self.engine.snapshot()?;
        let now_ms = self.clock.now_ms();
        let image = lookup::image(&rows, actor, at)
            .map_err(|absent| lookup::anothers(&rows, actor, at, now_ms).unwrap_or(absent))?;
        let scope = scope_of(&image);
        rule(&View::new(&rows, &scope, now_ms), &image)?;
        Ok(image)
    }

    /// Starts an operation about an image.
    pub(crate) async fn begin<W: engine::Workflow<Ports = workflows::Ports>>(
        &self,
        actor: Actor,
        asked: &Asked,
        workflow: W,
        image_id: String,
    ) -> Result<Started, Trouble> {
        asked.go_on()?;
        let workflow_id = self.engine.start_as(actor, &asked.id, asked.class, workflow).await?;
        Ok(Started { workflow_id, joined: false, image_id })
    }

    /// Starts an operation that makes an image, whose id is known by then.
    pub(crate) async fn begin_making<W: engine::Workflow<Ports = workflows::Ports>>(
        &self,
        actor: Actor,
        asked: &Asked,
        workflow: W,
    ) -> Result<Started, Trouble> {
        let started = self.begin(actor, asked, workflow, String::new()).await?;
        let image_id = made_by(W::NAME, started.workflow_id).unwrap_or_default();
        Ok(Started { image_id, ..started })
    }
}

pub(crate) fn scope_of(image: &Image) -> Scope {
    scope(&image.account, &image.region)
}
