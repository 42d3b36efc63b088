//! `DescribeSecurityGroupAttribute`: one security group and its rules, all of them or a page by token.

use std::collections::BTreeMap;

use domain::network::{Is, Kind, Rule};
use service::ItemQuery;
use wire::{Fault, Object, Value};

use crate::ask::{Ask, Outcome};
use crate::shape_network::permission;

/// Rules of a page at most, as the API documents.
const RESULTS_MAX: i64 = 1_000;
/// What tokens begin with.
const TOKEN: &str = "kiln-rule-";

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let (before, most) = page(&ask)?;
    let group = ask.item(Kind::SecurityGroup, "SecurityGroupId").await?;
    if group.region_id != region.as_str() {
        return Err(ask.no_item(Kind::SecurityGroup, &group.item_id));
    }
    let Is::SecurityGroup { vpc, isolated, rules, .. } = &group.is else { return Ok(Object::new()) };
    let (direction, nic_type) = (ask.params.text("Direction"), ask.params.text("NicType"));
    let is_meant = |rule: &&Rule| {
        direction.is_none_or(|wanted| {
            wanted.eq_ignore_ascii_case("all") || wanted.eq_ignore_ascii_case(rule.direction.word())
        }) && nic_type.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&rule.says.nic_type))
    };
    let others = ask.items(ItemQuery { region: Some(region), ..ItemQuery::of(Kind::SecurityGroup) }).await?;
    let names: BTreeMap<String, String> =
        others.items.into_iter().map(|other| (other.item_id, other.item_name)).collect();
    let name = |rule: &Rule| names.get(&rule.says.group).cloned().unwrap_or_default();
    let meant: Vec<&Rule> = rules.iter().filter(is_meant).collect();
    let next = if meant.len() > before + most { format!("{TOKEN}{}", before + most) } else { String::new() };
    let shown = meant.into_iter().skip(before).take(most);
    let permissions = shown.map(|rule| permission(rule, ask.account(), &name(rule)));
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
            .put("NextToken", next),
    )
}

/// Rules that come before the page, and how many it has at most.
fn page(ask: &Ask) -> Result<(usize, usize), Fault> {
    let most = ask.params.number("MaxResults")?.unwrap_or(RESULTS_MAX).clamp(1, RESULTS_MAX);
    let before = match ask.params.text("NextToken") {
        None => 0,
        Some(token) => {
            token.strip_prefix(TOKEN).and_then(|number| number.parse::<usize>().ok()).ok_or_else(|| {
                let why = format!("The specified NextToken is not valid: `{}`.", token.escape_debug());
                Fault::new(403, "Invalid.NextToken", why)
            })?
        }
    };
    Ok((before, usize::try_from(most).unwrap_or(1)))
}
