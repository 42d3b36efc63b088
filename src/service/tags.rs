//! Use cases on tags of images, snapshots and disks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::LISTED;
use domain::events::ResourceId;
use domain::image::{DISKS, SNAPSHOTS, scope};
use domain::network::ITEMS;
use domain::{RegionId, rules};
use event::{Actor, Refusal, View};
use workflows::TagResources;

use crate::asked::Asked;
use crate::lookup::{self, account};
use crate::lookup_things::{self, check_wanted, has_all, resource_type};
use crate::request::Reply;
use crate::request_things::TagRequest;
use crate::view::Started;
use crate::view_things::{TagRow, Tags};
use crate::{Service, Trouble};

/// Words of a change of tags.
struct Change {
    set: Vec<(String, String)>,
    remove: Vec<String>,
    all: bool,
}

impl Service {
    pub(crate) async fn tag(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        request: TagRequest,
    ) -> Result<Reply, Trouble> {
        Ok(match request {
            TagRequest::Change { resources, region, set, remove, all } => {
                let change = Change { set, remove, all };
                self.change_tags(actor, asked, &resources, region.as_ref(), change).await?.into()
            }
            TagRequest::List { resources, region, tags } => {
                self.tags(&actor, &resources, region.as_ref(), &tags)?.into()
            }
        })
    }

    async fn change_tags(
        &self,
        actor: Actor,
        asked: &Asked,
        named: &[String],
        region: Option<&RegionId>,
        change: Change,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        check_count(named)?;
        let rows = self.engine.snapshot()?;
        let mut resources = Vec::with_capacity(named.len());
        let mut regions = BTreeSet::new();
        for named in named {
            let (id, region) = lookup_things::resource(&rows, &actor, named, region)?;
            resources.push(id);
            regions.insert(region);
        }
        let mut regions = regions.into_iter();
        let (first, second) = (regions.next(), regions.next());
        if let (Some(first), Some(second)) = (&first, second) {
            let why = format!("the resources are in `{first}` and in `{second}`");
            return Err(Refusal::new("InvalidResourceId.NotFound", why)
                .advise("name resources of one region at a time")
                .into());
        }
        let region = lookup::region(&rows, first.as_ref())?;
        let flow = TagResources {
            account: account(&actor),
            region: region.id,
            resources,
            set: lookup_things::tags(change.set)?,
            remove: change.remove,
            all: change.all,
        };
        let scope = scope(&flow.account, &flow.region);
        rules::tag(&View::new(&rows, &scope, self.clock.now_ms()), &flow.resources, flow.tagging())?;
        let first = flow.resources.first().map(|id| id.0.clone()).unwrap_or_default();
        self.begin(actor, asked, flow, first).await
    }

    fn tags(
        &self,
        actor: &Actor,
        named: &[String],
        region: Option<&RegionId>,
        wanted: &[(String, Option<String>)],
    ) -> Result<Tags, Trouble> {
        check_count(named)?;
        check_wanted(wanted, "NumberExceed.Tags")?;
        let rows = self.engine.snapshot()?;
        let mut ids = BTreeSet::new();
        for named in named {
            ids.insert(lookup_things::resource(&rows, actor, named, region)?.0);
        }
        let mut tag_resources = Vec::new();
        let mut add = |id: &str, tags: &BTreeMap<String, String>| {
            let asked_for = ids.is_empty() || ids.contains(&ResourceId::from(id));
            if !asked_for || !has_all(tags, wanted) {
                return;
            }
            let shown = |key: &String| wanted.is_empty() || wanted.iter().any(|(wanted, _)| wanted == key);
            tag_resources.extend(tags.iter().filter(|(key, _)| shown(key)).map(|(key, value)| TagRow {
                resource_type: resource_type(id).to_owned(),
                resource_id: id.to_owned(),
                tag_key: key.clone(),
                tag_value: value.clone(),
            }));
        };
        for region in lookup::regions(&rows, region)? {
            let scope = scope(&account(actor), &region);
            for image in LISTED.list(&rows, &scope, &[]) {
                add(image.id.as_str(), &image.tags);
            }
            for snapshot in SNAPSHOTS.list(&rows, &scope, &[]) {
                add(snapshot.id.as_str(), &snapshot.tags);
            }
            for disk in DISKS.list(&rows, &scope, &[]) {
                add(disk.id.as_str(), &disk.tags);
            }
            for item in ITEMS.list(&rows, &scope, &[]) {
                add(item.id.as_str(), &item.tags);
            }
        }
        Ok(Tags { tag_resources })
    }
}

/// Refuses more resources than a request may name, before each of them is looked for.
fn check_count(named: &[String]) -> Result<(), Refusal> {
    if named.len() <= rules::TAGGED_MAX {
        return Ok(());
    }
    let why = format!("{} resources; a request names at most {}", named.len(), rules::TAGGED_MAX);
    Err(Refusal::new("NumberExceed.ResourceIds", why).advise("make several requests of it"))
}
