//! Use cases on disks that no instance has.

use std::sync::Arc;

use domain::image::{DISKS, Disk, scope};
use domain::{DiskId, rules};
use event::{Actor, View};
use workflows::{CreateDisk, DeleteDisk, ModifyDisk};

use crate::asked::Asked;
use crate::lookup::{self, account};
use crate::lookup_things::{self, check_wanted, has_all, wanted_ids, wanted_word};
use crate::page::page_of;
use crate::request::{ImageAt, Reply};
use crate::request_image::Page;
use crate::request_things::{Called, DiskQuery, DiskRequest, ThingAt};
use crate::view::Started;
use crate::view_things::{DiskView, Disks, disk_status};
use crate::{Service, Trouble};

/// What a creation asks for beside its name.
struct Making {
    region: Option<domain::RegionId>,
    size_bytes: u64,
    snapshot: Option<String>,
    image: Option<String>,
}

impl Service {
    pub(crate) async fn disk(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        request: DiskRequest,
    ) -> Result<Reply, Trouble> {
        Ok(match request {
            DiskRequest::Create { called, region, size_bytes, snapshot, image } => {
                let making = Making { region, size_bytes, snapshot, image };
                self.create_disk(actor, asked, called, making).await?.into()
            }
            DiskRequest::List(query) => self.disks(&actor, &query)?.into(),
            DiskRequest::Show(at) => {
                DiskView::of(&lookup_things::disk(&self.engine.snapshot()?, &actor, &at)?).into()
            }
            DiskRequest::Modify { at, name, description, size_bytes } => {
                // Asked again, it may have given the disk another name.
                if let Some(known) = self.known(asked)? {
                    return Ok(known.into());
                }
                let disk = lookup_things::disk(&self.engine.snapshot()?, &actor, &at)?;
                let (account, region, disk) = (disk.account, disk.region, disk.id);
                let flow = ModifyDisk { account, region, disk, name, description, size_bytes };
                self.modify_disk(actor, asked, flow).await?.into()
            }
            DiskRequest::Delete(at) => self.delete_disk(actor, asked, &at).await?.into(),
        })
    }

    async fn create_disk(
        &self,
        actor: Actor,
        asked: &Asked,
        called: Called,
        making: Making,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let rows = self.engine.snapshot()?;
        let region = making.region;
        let snapshot = making
            .snapshot
            .map(|thing| lookup_things::snapshot(&rows, &actor, &ThingAt { thing, region: region.clone() }));
        let snapshot = snapshot.transpose()?;
        let image = making
            .image
            .map(|image| lookup::image(&rows, &actor, &ImageAt { image, region: region.clone() }));
        let image = image.transpose()?;
        let of = snapshot.as_ref().map(|snapshot| &snapshot.region);
        let of = of.or(image.as_ref().map(|image| &image.region)).or(region.as_ref());
        let region = lookup::region(&rows, of)?;
        let creation = CreateDisk {
            account: account(&actor),
            region: region.id,
            store: region.store,
            name: called.name,
            description: called.description,
            tags: lookup_things::tags(called.tags)?,
            size_bytes: making.size_bytes,
            snapshot: snapshot.map(|snapshot| snapshot.id),
            image: image.map(|image| image.id),
        };
        let scope = scope(&creation.account, &creation.region);
        let wanted = creation.clone().reservation(&DiskId::default());
        rules::reserve_disk(&View::new(&rows, &scope, self.clock.now_ms()), wanted)?;
        self.begin_making(actor, asked, creation).await
    }

    fn disks(&self, actor: &Actor, query: &DiskQuery) -> Result<Disks, Trouble> {
        query.page.map_or(Ok(()), Page::check)?;
        check_wanted(&query.tags, "InvalidTagCount")?;
        let ids = wanted_ids(query.ids.as_deref(), "InvalidDiskIds.Malformed")?;
        let status = query.status.as_deref();
        let statuses = ["Creating", "Available", "In_use", "Attaching", "Detaching", "ReIniting"];
        let status = wanted_word(status, &statuses, Some("All"), "InvalidStatus.NotFound")?;
        let kind = query.disk_type.as_deref();
        let kind = wanted_word(kind, &["system", "data"], Some("all"), "InvalidDiskType.ValueNotSupported")?;
        let rows = self.engine.snapshot()?;
        let wanted = |disk: &Disk| {
            ids.as_ref().is_none_or(|ids| ids.contains(disk.id.as_str()))
                && query.name.as_ref().is_none_or(|name| *name == disk.name)
                && status.is_none_or(|status| status == disk_status(disk))
                && kind.is_none_or(|kind| kind == disk.kind.word())
                && query.snapshot.as_deref().is_none_or(|id| {
                    disk.of_snapshot.as_ref().is_some_and(|snapshot| snapshot.as_str() == id)
                })
                && query.from_ms.is_none_or(|from_ms| disk.created_ms >= from_ms)
                && query.until_ms.is_none_or(|until_ms| disk.created_ms <= until_ms)
                && has_all(&disk.tags, &query.tags)
        };
        let mut found = Vec::new();
        for region in lookup::regions(&rows, query.region.as_ref())? {
            let all = DISKS.list(&rows, &scope(&account(actor), &region), &[]);
            found.extend(all.into_iter().filter(&wanted));
        }
        let page = page_of(found, query.page);
        Ok(Disks {
            disks: page.items.iter().map(DiskView::of).collect(),
            total_count: page.total,
            page_number: page.number,
            page_size: page.size,
        })
    }

    async fn modify_disk(&self, actor: Actor, asked: &Asked, flow: ModifyDisk) -> Result<Started, Trouble> {
        let (rows, scope) = (self.engine.snapshot()?, scope(&flow.account, &flow.region));
        flow.rule(&View::new(&rows, &scope, self.clock.now_ms()))?;
        let id = flow.disk.0.clone();
        self.begin(actor, asked, flow, id).await
    }

    async fn delete_disk(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        at: &ThingAt,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let rows = self.engine.snapshot()?;
        let disk = lookup_things::disk(&rows, &actor, at)?;
        if !disk.ready {
            return self.stop_making(actor, asked, disk.flow, disk.id.0).await;
        }
        let scope = scope(&disk.account, &disk.region);
        rules::delete_disk(&View::new(&rows, &scope, self.clock.now_ms()), &disk.id)?;
        let flow = DeleteDisk { account: disk.account, region: disk.region, disk: disk.id.clone() };
        let started = self.begin(actor, asked, flow, disk.id.0).await?;
        self.collect_behind(&started)?;
        Ok(started)
    }

    /// Deletes what is still being made: its making is cancelled, and undone by itself.
    pub(crate) async fn stop_making(
        &self,
        actor: Actor,
        asked: &Asked,
        making: event::FlowId,
        id: String,
    ) -> Result<Started, Trouble> {
        asked.go_on()?;
        self.engine.cancel(actor, making, "what it makes is to be deleted").await?;
        Ok(Started { workflow_id: making, joined: true, image_id: id })
    }

    /// Sees to it that a collection follows a deletion that was begun, if anything is driven here.
    pub(crate) fn collect_behind(self: &Arc<Self>, deletion: &Started) -> Result<(), Trouble> {
        if self.engine.is_driving()
            && let Some(flow) = self.engine.snapshot()?.flow(deletion.workflow_id)
        {
            self.collect_after(flow);
        }
        Ok(())
    }
}
