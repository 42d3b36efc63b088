//! Use cases on what machines stand in: VPCs, vSwitches, security groups, addresses and key pairs.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::events_network::ItemModified;
use domain::group::GroupId;
use domain::image::scope;
use domain::network::{ITEMS, Is, Item, ItemId, Kind};
use domain::{RegionId, rules};
use event::{Actor, Refusal, Rows, View};
use workflows::{ChangeRules, CreateItem, DeleteItems, ModifyItem};

use crate::asked::Asked;
use crate::key_pairs::{self, PublicKey};
use crate::lookup::{self, account};
use crate::lookup_things::{self, check_wanted, has_all, wanted_ids};
use crate::page::page_of;
use crate::request::Reply;
use crate::request_image::Page;
use crate::request_network::{ItemQuery, NetworkRequest};
use crate::request_things::Called;
use crate::service::blocking;
use crate::view::Started;
use crate::view_network::{ItemView, Items, KeyPairStarted};
use crate::{Service, Trouble, groups};

/// What something new is called, where it will be, and in which resource group.
type New = (Called, Option<RegionId>, Option<String>);

impl Service {
    pub(crate) async fn network(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        request: NetworkRequest,
    ) -> Result<Reply, Trouble> {
        Ok(match request {
            NetworkRequest::Create { called, region, group, is } => {
                self.create_item(actor, asked, (called, region, group), is).await?.into()
            }
            NetworkRequest::CreateKeyPair { called, region, group, public_key } => {
                self.create_key_pair(actor, asked, (called, region, group), public_key).await?.into()
            }
            NetworkRequest::GroupList(query) => self.groups(&actor, &query)?.into(),
            NetworkRequest::GroupCreate { name, display_name } => {
                self.create_group(actor, asked, name, display_name).await?.into()
            }
            NetworkRequest::GroupJoin { resource, group } => {
                self.join_group(actor, asked, &resource, &group).await?.into()
            }
            NetworkRequest::List(query) => self.items(&actor, &query)?.into(),
            NetworkRequest::Modify { item, name, description, isolated } => {
                let (item, region) = self.item_at(&actor, &item)?;
                let to = ItemModified { item, name, description, isolated };
                let flow = ModifyItem { account: account(&actor), region, to };
                let about = flow.to.item.0.clone();
                self.begin_ruled(actor, asked, flow, about, |view, flow| {
                    rules::modify_item(view, flow.to.clone()).map(drop)
                })
                .await?
                .into()
            }
            NetworkRequest::Rules { item, region, direction, add, remove, remove_ids } => {
                let (item, region) = self.item_in(&actor, &item, region.as_ref())?;
                let account = account(&actor);
                let flow = ChangeRules { account, region, item, direction, add, remove, remove_ids };
                let about = flow.item.0.clone();
                self.begin_ruled(actor, asked, flow, about, |view, flow| {
                    rules::change_rules(view, &flow.item, flow.change("")).map(drop)
                })
                .await?
                .into()
            }
            NetworkRequest::Delete { items, region } => {
                self.delete_items(actor, asked, &items, region.as_ref()).await?.into()
            }
        })
    }

    async fn create_item(
        &self,
        actor: Actor,
        asked: &Asked,
        (called, region, group): New,
        is: Is,
    ) -> Result<Started, Trouble> {
        let region = match is.vpc() {
            Some(vpc) if region.is_none() => Some(self.item_at(&actor, vpc.as_str())?.1),
            _ => region,
        };
        let (region, group) = {
            let rows = self.engine.snapshot()?;
            let group = group.map(|group| groups::known(&rows, &account(&actor), &group)).transpose()?;
            (lookup::region(&rows, region.as_ref())?.id, group)
        };
        let tags = lookup_things::tags(called.tags)?;
        let (name, description) = (called.name, called.description);
        let flow = CreateItem { account: account(&actor), region, name, description, tags, group, is };
        self.begin_ruled(actor, asked, flow, String::new(), |view, flow| {
            rules::create_item(view, flow.clone().creation(&ItemId::default())).map(drop)
        })
        .await
    }

    async fn create_key_pair(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        new: New,
        public_key: Option<String>,
    ) -> Result<KeyPairStarted, Trouble> {
        let made = public_key.is_none();
        if made && self.known(asked)?.is_some() {
            let why = format!("this request has made the key pair `{}` already", new.0.name);
            return Err(Refusal::new("KeyPair.AlreadyExist", why)
                .advise("its private key was told then, and is kept nowhere: delete it and make another")
                .into());
        }
        let (public, private_key) = match public_key {
            Some(text) => (PublicKey::read(&text)?, String::new()),
            None => blocking(self, |_| key_pairs::make()).await?,
        };
        let fingerprint = public.fingerprint.clone();
        let is = Is::KeyPair { fingerprint: public.fingerprint, public_key: public.text };
        let started = self.create_item(actor, asked, new, is).await?;
        Ok(KeyPairStarted { started, fingerprint, private_key })
    }

    async fn delete_items(
        &self,
        actor: Actor,
        asked: &Asked,
        named: &[String],
        region: Option<&RegionId>,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let mut items = Vec::with_capacity(named.len());
        let mut regions = BTreeSet::new();
        for named in named {
            let (item, region) = self.item_in(&actor, named, region)?;
            items.push(item);
            regions.insert(region);
        }
        let Some(region) = regions.pop_first().filter(|_| regions.is_empty()) else {
            let why = "what is deleted at once lies in one region";
            return Err(Refusal::new("InvalidResourceId.NotFound", why).into());
        };
        let flow = DeleteItems { account: account(&actor), region, items };
        let about = flow.items.first().map(|id| id.0.clone()).unwrap_or_default();
        self.begin_ruled(actor, asked, flow, about, |view, flow| {
            rules::delete_items(view, &flow.items).map(drop)
        })
        .await
    }

    /// Begins an operation that its rule would let through now, or finds it begun.
    pub(crate) async fn begin_ruled<W: engine::Workflow<Ports = workflows::Ports>>(
        &self,
        actor: Actor,
        asked: &Asked,
        flow: W,
        about: String,
        rule: impl FnOnce(&View<'_>, &W) -> Result<(), Refusal>,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        {
            let rows = self.engine.snapshot()?;
            rule(&View::new(&rows, &flow.scope(), self.clock.now_ms()), &flow)?;
        }
        self.begin(actor, asked, flow, about).await
    }

    /// The item of that id, and where it is.
    fn item_at(&self, actor: &Actor, named: &str) -> Result<(ItemId, RegionId), Trouble> {
        let id = ItemId::from(named);
        let region = lookup_things::place(&self.engine.snapshot()?, actor, named);
        let region = region.filter(|_| Kind::of(named).is_some());
        Ok((id.clone(), region.ok_or_else(|| rules::item_not_found(&id))?))
    }

    /// The same, where it has to be in a region if one is said.
    fn item_in(
        &self,
        actor: &Actor,
        named: &str,
        wanted: Option<&RegionId>,
    ) -> Result<(ItemId, RegionId), Trouble> {
        let (id, region) = self.item_at(actor, named)?;
        if wanted.is_none_or(|wanted| *wanted == region) {
            return Ok((id, region));
        }
        Err(rules::item_not_found(&id).into())
    }

    fn items(&self, actor: &Actor, query: &ItemQuery) -> Result<Items, Trouble> {
        query.page.map_or(Ok(()), Page::check)?;
        check_wanted(&query.tags, "InvalidTagCount")?;
        let ids = wanted_ids(query.ids.as_deref(), "InvalidParameter.TooManyIds")?;
        let rows = self.engine.snapshot()?;
        let is_meant = |item: &Item| {
            ids.as_ref().is_none_or(|ids| ids.contains(item.id.as_str()))
                && query.names.as_ref().is_none_or(|names| names.iter().any(|name| is_like(name, &item.name)))
                && query.vpc.as_ref().is_none_or(|vpc| item.is.vpc().is_some_and(|is| is.as_str() == vpc))
                && query.in_vpc.is_none_or(|in_vpc| item.is.vpc().is_some() == in_vpc)
                && query.enterprise.is_none_or(|wanted| is_enterprise(&item.is) == wanted)
                && query.zone.as_ref().is_none_or(|zone| zone_of(&item.is) == Some(zone))
                && query.mark.as_ref().is_none_or(|mark| mark_of(&item.is) == Some(mark))
                && query.group.as_ref().is_none_or(|group| group_of(&rows, item).as_str() == group)
                && has_all(&item.tags, &query.tags)
        };
        let mut found = Vec::new();
        for region in lookup::regions(&rows, query.region.as_ref())? {
            let all = ITEMS.list(&rows, &scope(&account(actor), &region), &[query.kind.prefix()]);
            found.extend(all.into_iter().filter(is_meant));
        }
        let page = page_of(found, query.page);
        let views = page
            .items
            .iter()
            .map(|item| ItemView::of(item, group_of(&rows, item), vswitches_of(&rows, item)));
        Ok(Items {
            items: views.collect(),
            total_count: page.total,
            page_number: page.number,
            page_size: page.size,
        })
    }
}

/// The vSwitches in a VPC.
fn vswitches_of(rows: &dyn Rows, item: &Item) -> Vec<String> {
    if item.is.kind() != Kind::Vpc {
        return Vec::new();
    }
    let all = ITEMS.list(rows, &scope(&item.account, &item.region), &[Kind::VSwitch.prefix()]);
    all.into_iter().filter(|other| other.is.vpc() == Some(&item.id)).map(|other| other.id.0).collect()
}

fn group_of(rows: &dyn Rows, item: &Item) -> GroupId {
    groups::group_of(rows, &item.account, &item.region, item.id.as_str())
}

fn zone_of(is: &Is) -> Option<&String> {
    match is {
        Is::VSwitch { zone, .. } => Some(zone),
        _ => None,
    }
}

fn is_enterprise(is: &Is) -> bool {
    matches!(is, Is::SecurityGroup { enterprise: true, .. })
}

fn mark_of(is: &Is) -> Option<&String> {
    match is {
        Is::Address { address, .. } => Some(address),
        Is::KeyPair { fingerprint, .. } => Some(fingerprint),
        _ => None,
    }
}

/// Whether a name is like a pattern, in which `*` stands for anything.
fn is_like(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut rest) = name.strip_prefix(before) else { return false };
    let mut parts = after.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, like) in [
            ("web", "web", true),
            ("web", "web-1", false),
            ("web*", "web-1", true),
            ("*web*", "my-web-1", true),
            ("*-1", "web-1", true),
            ("w*b*1", "web-1", true),
            ("w*x*1", "web-1", false),
            ("web*web", "web", false),
            ("*", "", true),
        ] {
            assert_eq!(is_like(pattern, name), like, "{pattern} {name}");
        }
    }
}
