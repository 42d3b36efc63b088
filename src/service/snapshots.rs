//! Use cases on snapshots.

use std::sync::Arc;

use domain::events::SnapshotCopyBegun;
use domain::image::{SNAPSHOTS, Snapshot, scope};
use domain::port::{Pace, Place};
use domain::{RegionId, SnapshotId, rules};
use event::{Actor, View};
use workflows::{CopySnapshot, CreateSnapshot, DeleteSnapshot, ModifySnapshot};

use crate::asked::Asked;
use crate::batch_line::shared_pace;
use crate::lookup::{self, account};
use crate::lookup_things::{self, check_wanted, has_all, wanted_ids, wanted_word};
use crate::making::remaining_seconds;
use crate::page::page_of;
use crate::request::Reply;
use crate::request_image::Page;
use crate::request_things::{Called, SnapshotQuery, SnapshotRequest, ThingAt};
use crate::unfinished::join;
use crate::view::Started;
use crate::view_things::{SnapshotView, Snapshots, snapshot_status, snapshot_usage};
use crate::{Service, Trouble};

/// What a copy asks for beside its source and name.
struct Copying {
    to: RegionId,
    retention_days: Option<u32>,
    bytes_per_second: Option<u64>,
}

impl Service {
    pub(crate) async fn snapshot(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        request: SnapshotRequest,
    ) -> Result<Reply, Trouble> {
        Ok(match request {
            SnapshotRequest::Create { disk, called, retention_days } => {
                self.create_snapshot(actor, asked, &disk, called, retention_days).await?.into()
            }
            SnapshotRequest::List(query) => self.snapshots(&actor, &query)?.into(),
            SnapshotRequest::Show(at) => {
                self.snapshot_view(&lookup_things::snapshot(&self.engine.snapshot()?, &actor, &at)?).into()
            }
            SnapshotRequest::Modify { at, name, description, retention_days } => {
                // Asked again, it may have given the snapshot another name.
                if let Some(known) = self.known(asked)? {
                    return Ok(known.into());
                }
                let rows = self.engine.snapshot()?;
                let snapshot = lookup_things::snapshot(&rows, &actor, &at)?;
                let flow = ModifySnapshot {
                    account: snapshot.account,
                    region: snapshot.region,
                    snapshot: snapshot.id,
                    name,
                    description,
                    retention_days,
                };
                self.modify_snapshot(actor, asked, flow).await?.into()
            }
            SnapshotRequest::Copy { at, to, called, retention_days, bytes_per_second } => {
                let copying = Copying { to, retention_days, bytes_per_second };
                self.copy_snapshot(actor, asked, &at, called, copying).await?.into()
            }
            SnapshotRequest::Delete { at, force } => {
                self.delete_snapshot(actor, asked, &at, force).await?.into()
            }
        })
    }

    async fn create_snapshot(
        &self,
        actor: Actor,
        asked: &Asked,
        disk: &ThingAt,
        called: Called,
        retention_days: Option<u32>,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let rows = self.engine.snapshot()?;
        let disk = lookup_things::disk(&rows, &actor, disk)?;
        let scope = scope(&disk.account, &disk.region);
        let creation = CreateSnapshot {
            account: disk.account,
            region: disk.region,
            disk: disk.id,
            name: called.name,
            description: called.description,
            tags: lookup_things::tags(called.tags)?,
            retention_days,
        };
        let wanted = creation.clone().reservation(&SnapshotId::default());
        rules::reserve_snapshot(&View::new(&rows, &scope, self.clock.now_ms()), wanted)?;
        self.begin_making(actor, asked, creation).await
    }

    fn snapshots(&self, actor: &Actor, query: &SnapshotQuery) -> Result<Snapshots, Trouble> {
        query.page.map_or(Ok(()), Page::check)?;
        check_wanted(&query.tags, "InvalidTagCount")?;
        let ids = wanted_ids(query.ids.as_deref(), "InvalidSnapshotIds.Malformed")?;
        let (status, usage) = (query.status.as_deref(), query.usage.as_deref());
        let statuses = ["progressing", "accomplished", "failed"];
        let status = wanted_word(status, &statuses, Some("all"), "InvalidStatus.NotFound")?;
        let usage = wanted_word(usage, &["image", "disk", "image_disk", "none"], None, "InvalidUsage")?;
        let kind = query.source_disk_type.as_deref();
        let kind = wanted_word(kind, &["system", "data"], None, "InvalidSourceDiskType")?;
        let made = query.snapshot_type.as_deref();
        let made = wanted_word(made, &["auto", "user"], Some("all"), "InvalidSnapshotType.NotFound")?;
        let rows = self.engine.snapshot()?;
        let wanted = |snapshot: &Snapshot| {
            let of_disk = snapshot.of_disk.as_ref().map(domain::DiskId::as_str);
            ids.as_ref().is_none_or(|ids| ids.contains(snapshot.id.as_str()))
                && query.disk.as_deref().is_none_or(|disk| of_disk == Some(disk))
                && query.name.as_ref().is_none_or(|name| *name == snapshot.name)
                && status.is_none_or(|status| status == snapshot_status(snapshot))
                && usage.is_none_or(|usage| usage == snapshot_usage(snapshot))
                && kind.is_none_or(|kind| kind == snapshot.kind.word())
                // Nothing here takes snapshots by a schedule: all are a user's.
                && made != Some("auto")
                && query.from_ms.is_none_or(|from_ms| snapshot.created_ms >= from_ms)
                && query.until_ms.is_none_or(|until_ms| snapshot.created_ms <= until_ms)
                && has_all(&snapshot.tags, &query.tags)
        };
        let mut found = Vec::new();
        for region in lookup::regions(&rows, query.region.as_ref())? {
            let all = SNAPSHOTS.list(&rows, &scope(&account(actor), &region), &[]);
            found.extend(all.into_iter().filter(&wanted));
        }
        let page = page_of(found, query.page);
        let snapshots = page.items.iter().map(|snapshot| self.snapshot_view(snapshot)).collect();
        Ok(Snapshots { snapshots, total_count: page.total, page_number: page.number, page_size: page.size })
    }

    fn snapshot_view(&self, snapshot: &Snapshot) -> SnapshotView {
        let watch = if snapshot.ready { None } else { self.engine.watch(snapshot.flow) };
        let percent = watch.map_or(0, |watch| {
            let progress = watch.progress.borrow();
            progress.done_bytes.saturating_mul(100).checked_div(progress.total_bytes).unwrap_or(0).min(99)
        });
        let percent = u32::try_from(percent).unwrap_or_default();
        let elapsed_ms = self.clock.now_ms().saturating_sub(snapshot.created_ms);
        let remain_time = if snapshot.ready { 0 } else { remaining_seconds(elapsed_ms, percent) };
        SnapshotView { remain_time, ..SnapshotView::of(snapshot, percent) }
    }

    async fn modify_snapshot(
        &self,
        actor: Actor,
        asked: &Asked,
        flow: ModifySnapshot,
    ) -> Result<Started, Trouble> {
        let (rows, scope) = (self.engine.snapshot()?, scope(&flow.account, &flow.region));
        flow.rule(&View::new(&rows, &scope, self.clock.now_ms()))?;
        let id = flow.snapshot.0.clone();
        self.begin(actor, asked, flow, id).await
    }

    async fn copy_snapshot(
        &self,
        actor: Actor,
        asked: &Asked,
        at: &ThingAt,
        called: Called,
        copying: Copying,
    ) -> Result<Started, Trouble> {
        // One at a time, so that two of the same become one.
        let _one = self.starting.lock().await;
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let rows = self.engine.snapshot()?;
        let source = lookup_things::snapshot(&rows, &actor, at)?;
        let (from, to) =
            (lookup::region(&rows, Some(&source.region))?, lookup::region(&rows, Some(&copying.to))?);
        let account = source.account;
        let shared = shared_pace(&rows, &account, &asked.id);
        let copy = CopySnapshot {
            source: source.id,
            from: Place { region: from.id, store: from.store, account: account.clone() },
            to: Place { region: to.id, store: to.store, account },
            name: called.name,
            description: called.description,
            tags: lookup_things::tags(called.tags)?,
            retention_days: copying.retention_days,
            pace: Pace { bytes_per_second: copying.bytes_per_second, shared },
        };
        let what = format!("a copy of `{}` to `{}`", copy.source, copy.to.region);
        if let Some(joined) = join(&rows, &copy, &what, |other| *other == copy)? {
            asked.go_on()?;
            return Ok(joined);
        }
        let now_ms = self.clock.now_ms();
        let (source_scope, target_scope) =
            (scope(&copy.from.account, &copy.from.region), scope(&copy.to.account, &copy.to.region));
        let begun: SnapshotCopyBegun = rules::begin_snapshot_copy(
            &View::new(&rows, &source_scope, now_ms),
            &copy.source,
            &SnapshotId::default(),
            &copy.to.region,
        )?;
        let wanted = copy.clone().reservation(&SnapshotId::default(), &begun);
        rules::reserve_snapshot(&View::new(&rows, &target_scope, now_ms), wanted)?;
        self.begin_making(actor, asked, copy).await
    }

    async fn delete_snapshot(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        at: &ThingAt,
        force: bool,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let rows = self.engine.snapshot()?;
        let snapshot = lookup_things::snapshot(&rows, &actor, at)?;
        if !snapshot.ready {
            return self.stop_making(actor, asked, snapshot.flow, snapshot.id.0).await;
        }
        let scope = scope(&snapshot.account, &snapshot.region);
        rules::delete_snapshot(&View::new(&rows, &scope, self.clock.now_ms()), &snapshot.id, force, false)?;
        let id = snapshot.id.clone();
        let Snapshot { account, region, .. } = snapshot;
        let flow = DeleteSnapshot { account, region, snapshot: id.clone(), force, expired: false };
        let started = self.begin(actor, asked, flow, id.0).await?;
        self.collect_behind(&started)?;
        Ok(started)
    }
}
