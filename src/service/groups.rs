//! Use cases on resource groups.

use std::convert::Infallible;

use domain::group::{GROUPED, GROUPS, Group, GroupId, default_group};
use domain::image::{house, scope};
use domain::{AccountId, RegionId, rules};
use engine::Snapshot;
use event::{Actor, Rows};
use workflows::{CreateGroup, JoinGroup};

use crate::asked::Asked;
use crate::lookup::account;
use crate::lookup_things;
use crate::page::page_of;
use crate::request_image::Page;
use crate::request_network::GroupQuery;
use crate::view::Started;
use crate::view_network::{GroupView, Groups};
use crate::{Service, Trouble};

impl Service {
    pub(crate) fn groups(&self, actor: &Actor, query: &GroupQuery) -> Result<Groups, Trouble> {
        query.page.map_or(Ok(()), Page::check)?;
        let rows = self.engine.snapshot()?;
        let mut found = all(&rows, &account(actor));
        found.retain(|group| {
            query.id.as_ref().is_none_or(|id| *id == group.id.0)
                && query.name.as_ref().is_none_or(|name| *name == group.name)
        });
        let page = page_of(found, query.page);
        Ok(Groups {
            groups: page.items.into_iter().map(GroupView::of).collect(),
            total_count: page.total,
            page_number: page.number,
            page_size: page.size,
        })
    }

    pub(crate) async fn create_group(
        &self,
        actor: Actor,
        asked: &Asked,
        name: String,
        display_name: String,
    ) -> Result<Started, Trouble> {
        let flow = CreateGroup { account: account(&actor), name, display_name };
        self.begin_ruled(actor, asked, flow, String::new(), |view, flow| {
            rules::create_group(view, flow.clone().creation(&GroupId::default())).map(drop)
        })
        .await
    }

    pub(crate) async fn join_group(
        &self,
        actor: Actor,
        asked: &Asked,
        resource: &str,
        group: &str,
    ) -> Result<Started, Trouble> {
        let (resource, region, group) = {
            let rows = self.engine.snapshot()?;
            let (resource, region) = lookup_things::resource(&rows, &actor, resource, None)?;
            (resource, region, known(&rows, &account(&actor), group)?)
        };
        let flow = JoinGroup { account: account(&actor), region, resource, group };
        let about = flow.resource.0.clone();
        self.begin_ruled(actor, asked, flow, about, |view, flow| {
            rules::join_group(view, &flow.resource, &flow.group).map(drop)
        })
        .await
    }
}

/// The groups of an account, that which everything is in first.
fn all(rows: &dyn Rows, account: &AccountId) -> Vec<Group> {
    let first = Group {
        id: default_group(account),
        account: account.clone(),
        name: rules::DEFAULT_GROUP.to_owned(),
        display_name: "Default Resource Group".to_owned(),
        created_ms: 0,
    };
    let mut all = vec![first];
    all.extend(GROUPS.list(rows, &house(), &[account.as_str()]));
    all
}

/// The account's group of that id.
pub(crate) fn known(rows: &dyn Rows, account: &AccountId, id: &str) -> Result<GroupId, Trouble> {
    let found = all(rows, account).into_iter().find(|group| group.id.as_str() == id);
    Ok(found.ok_or_else(|| rules::group_not_found(id))?.id)
}

/// The group that something is in.
pub(crate) fn group_of(rows: &dyn Rows, account: &AccountId, region: &RegionId, id: &str) -> GroupId {
    let put = GROUPED.get(rows, &scope(account, region), &[id]);
    put.unwrap_or_else(|| default_group(account))
}

impl Service {
    /// The group that something was put in; empty if it is where everything is.
    pub(crate) fn put_in(&self, rows: &Snapshot, account: &AccountId, region: &RegionId, id: &str) -> String {
        let scope = scope(account, region);
        let all = GROUPED.key(&scope, &[""]);
        let any = self.kept_grouped.get(rows, &all, scope.as_str(), || {
            let mut any = false;
            rows.scan(&all, &mut |_, _| {
                any = true;
                false
            });
            Ok::<_, Infallible>(Some(any))
        });
        let Ok(Some(true)) = any else { return String::new() };
        let put = GROUPED.get(rows, &scope, &[id]);
        put.map(|group| group.0).unwrap_or_default()
    }
}
