//! What actions about VPCs, vSwitches, security groups, addresses and key pairs read and ask alike.
//!
//! The VPC product speaks of some of the same things under a version of its own, with more fields and a few codes
//! spelt otherwise; an action of one name serves both.

use domain::RegionId;
use domain::network::{Direction, Is, Kind, Permission};
use service::{Called, ItemQuery, ItemView, Items, NetworkRequest, Page, Request, WorkflowView};
use wire::{Fault, Object, Params};

use crate::actions::VPC;
use crate::ask::{Ask, Outcome};

/// Entries of a page of VPCs and their like at most, as the API documents.
pub(crate) const PAGE_MAX: u32 = 50;

impl Ask {
    /// Whether it is the VPC product that is asked.
    pub(crate) fn is_vpc(&self) -> bool {
        self.version == VPC
    }

    /// The region, where it need not be named.
    pub(crate) async fn region_if_named(&self) -> Result<Option<RegionId>, Fault> {
        match self.params.text("RegionId") {
            Some(named) => self.known_region(named).await.map(Some),
            None => Ok(None),
        }
    }

    /// Creates an item, and tells its id.
    pub(crate) async fn create_item(
        &self,
        called: Called,
        region: Option<RegionId>,
        is: Is,
    ) -> Result<String, Fault> {
        let create =
            NetworkRequest::Create { called, region, group: self.params.string("ResourceGroupId"), is };
        let made: WorkflowView = self.finish(Request::Network(create)).await?;
        Ok(made.output)
    }

    /// Those of a kind that are meant.
    pub(crate) async fn items(&self, query: ItemQuery) -> Result<Items, Fault> {
        self.look(Request::Network(NetworkRequest::List(query))).await
    }

    /// The one of an id, or the fault that there is none.
    pub(crate) async fn item(&self, kind: Kind, parameter: &str) -> Result<ItemView, Fault> {
        let named = self.params.need(parameter)?;
        let query = ItemQuery { ids: Some(vec![named.to_owned()]), ..ItemQuery::of(kind) };
        let found = self.items(query).await?.items.pop();
        found.ok_or_else(|| self.no_item(kind, named))
    }

    /// There is no such item.
    pub(crate) fn no_item(&self, kind: Kind, named: &str) -> Fault {
        let refusal = domain::rules::none_of_kind(kind, &named.into());
        let why = format!("The specified {} does not exist: `{}`.", kind.word(), named.escape_debug());
        self.refuse(&refusal.code, why)
    }

    /// Deletes the item that is named.
    pub(crate) async fn delete_item(&self, kind: Kind, parameter: &str) -> Outcome {
        let named = self.params.need(parameter)?;
        if Kind::of(named) != Some(kind) {
            return Err(self.no_item(kind, named));
        }
        let (items, region) = (vec![named.to_owned()], self.region_if_named().await?);
        self.finish(Request::Network(NetworkRequest::Delete { items, region })).await?;
        Ok(Object::new())
    }

    /// What is asked of items in general: ids with commas between them, tags and a page.
    pub(crate) fn item_query(
        &self,
        kind: Kind,
        region: Option<RegionId>,
        ids: &str,
        page: Page,
    ) -> Result<ItemQuery, Fault> {
        let ids = self.params.several(ids)?;
        Ok(ItemQuery {
            region,
            ids,
            group: self.params.string("ResourceGroupId"),
            tags: self.wanted_tags()?,
            page: Some(page),
            ..ItemQuery::of(kind)
        })
    }

    /// Changes rules of a security group as the action's name says.
    pub(crate) async fn change_rules(&self, direction: Direction, is_added: bool) -> Outcome {
        let group = self.params.need("SecurityGroupId")?.to_owned();
        if Kind::of(&group) != Some(Kind::SecurityGroup) {
            return Err(self.no_item(Kind::SecurityGroup, &group));
        }
        let said = self.permissions(direction)?;
        let (add, remove) = if is_added { (said, Vec::new()) } else { (Vec::new(), said) };
        let remove_ids = if is_added { Vec::new() } else { self.params.list("SecurityGroupRuleId") };
        if add.is_empty() && remove.is_empty() && remove_ids.is_empty() {
            return Err(missing("IpProtocol"));
        }
        let region = self.region_if_named().await?;
        let change = NetworkRequest::Rules { item: group, region, direction, add, remove, remove_ids };
        self.finish(Request::Network(change)).await?;
        Ok(Object::new())
    }

    /// The rules that are meant: those in a list, or the one that the request itself says.
    fn permissions(&self, direction: Direction) -> Result<Vec<Permission>, Fault> {
        let listed = self.params.objects("Permissions");
        let said = if listed.is_empty() && self.params.has("IpProtocol") {
            vec![self.params.clone()]
        } else {
            listed
        };
        said.iter().map(|params| permission(params, direction, self.account())).collect()
    }
}

fn permission(params: &Params, direction: Direction, account: &str) -> Result<Permission, Fault> {
    let text = |name: &str| params.string(name).unwrap_or_default();
    for name in ["SourcePrefixListId", "DestPrefixListId", "PortRangeListId"] {
        if let Some(named) = params.text(name) {
            let why = format!("The specified {name} does not exist: `{}`.", named.escape_debug());
            return Err(Fault::new(404, "InvalidPrefixListId.NotFound", why));
        }
    }
    let (group, owner) = match direction {
        Direction::Ingress => ("SourceGroupId", "SourceGroupOwnerId"),
        Direction::Egress => ("DestGroupId", "DestGroupOwnerId"),
    };
    // A rule names groups of its own account: one of another's is as one that is not there.
    if let (Some(named), Some(_)) = (params.text(group), params.text(owner).filter(|owner| *owner != account))
    {
        let why = format!("The specified {group} does not exist: `{}`.", named.escape_debug());
        return Err(Fault::new(404, "InvalidSourceGroupId.NotFound", why));
    }
    let group = text(group);
    // What is no number is refused as any priority is that cannot be.
    let priority = params.text("Priority").map_or(1, |priority| priority.parse().unwrap_or(0));
    Ok(Permission {
        protocol: params.need("IpProtocol")?.to_owned(),
        ports: params.need("PortRange")?.to_owned(),
        source_ports: text("SourcePortRange"),
        source_cidr: text("SourceCidrIp"),
        source_cidr6: text("Ipv6SourceCidrIp"),
        dest_cidr: text("DestCidrIp"),
        dest_cidr6: text("Ipv6DestCidrIp"),
        group,
        policy: text("Policy"),
        priority,
        nic_type: text("NicType"),
        description: text("Description"),
    })
}

/// A parameter is missing.
pub(crate) fn missing(name: &str) -> Fault {
    let why = format!(
        "The input parameter \"{name}\" that is mandatory for processing this request is not supplied."
    );
    Fault::new(400, "MissingParameter", why)
}

impl Ask {
    /// Ends an action that puts a key pair on instances: none is there that it could be put on.
    pub(crate) async fn key_pair_of_instances(&self) -> Outcome {
        let region = self.region().await?;
        let name = self.params.need("KeyPairName")?.to_owned();
        self.params.need("InstanceIds")?;
        let instances = self.params.several("InstanceIds")?.unwrap_or_default();
        let names = Some(vec![name.clone()]);
        let query = ItemQuery { region: Some(region), names, ..ItemQuery::of(Kind::KeyPair) };
        if self.items(query).await?.items.is_empty() {
            return Err(self.no_item(Kind::KeyPair, &name));
        }
        Err(self.no_instance(instances.first().map_or("", String::as_str)))
    }

    /// There is no such instance.
    pub(crate) fn no_instance(&self, named: &str) -> Fault {
        let why = format!(
            "The specified InstanceId does not exist: `{}`. There is no compute driver here yet, and so no instance.",
            named.escape_debug()
        );
        self.refuse("InvalidInstanceId.NotFound", why)
    }
}
