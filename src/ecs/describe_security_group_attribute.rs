//! `DescribeSecurityGroupAttribute`: one security group and its rules.

use std::collections::BTreeMap;

use domain::RegionId;
use domain::network::{Is, Kind, Rule};
use service::ItemQuery;
use wire::{Object, Value};

use crate::ask::{Ask, Outcome};
use crate::shape_network::permission;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let group = ask.item(Kind::SecurityGroup, "SecurityGroupId").await?;
    let Is::SecurityGroup { vpc, isolated, rules, .. } = &group.is else { return Ok(Object::new()) };
    let (direction, nic_type) = (ask.params.text("Direction"), ask.params.text("NicType"));
    let is_meant = |rule: &&Rule| {
        direction.is_none_or(|wanted| {
            wanted.eq_ignore_ascii_case("all") || wanted.eq_ignore_ascii_case(rule.direction.word())
        }) && nic_type.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&rule.says.nic_type))
    };
    let region = RegionId::from(group.region_id.as_str());
    let others = ask.items(ItemQuery { region: Some(region), ..ItemQuery::of(Kind::SecurityGroup) }).await?;
    let names: BTreeMap<String, String> =
        others.items.into_iter().map(|other| (other.item_id, other.item_name)).collect();
    let name = |rule: &Rule| names.get(&rule.says.group).cloned().unwrap_or_default();
    let permissions = rules.iter().filter(is_meant).map(|rule| permission(rule, ask.account(), &name(rule)));
    ask.read_only(
        Object::new()
            .put("RegionId", &group.region_id)
            .put("SecurityGroupId", &group.item_id)
            .put("SecurityGroupName", &group.item_name)
            .put("Description", &group.description)
            .put("VpcId", vpc.as_ref().map_or("", |vpc| vpc.as_str()))
            .put("InnerAccessPolicy", if *isolated { "Drop" } else { "Accept" })
            .list("Permissions", "Permission", permissions)
            .put("SnapshotPolicyIds", Object::new().put("SnapshotPolicyId", Value::List(Vec::new())))
            .put("NextToken", ""),
    )
}
