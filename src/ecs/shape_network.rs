//! VPCs, vSwitches, security groups, addresses and key pairs as the APIs show them: the older one of ECS, and that of
//! the VPC product with its further fields.

use domain::network::{Cidr, Is, Rule};
use service::ItemView;
use wire::{Object, Value};

use crate::shape_image::tags;
use crate::shape_task::to_minute;

/// Addresses of a vSwitch that are kept back: the first, and the last three, as the API documents.
const KEPT_BACK: u64 = 4;

/// The router of a VPC, which it has without anybody asking.
pub(crate) fn router_of(vpc: &str) -> String {
    format!("vrt-{}", vpc.trim_start_matches("vpc-"))
}

/// The table of routes of that.
pub(crate) fn route_table_of(vpc: &str) -> String {
    format!("vtb-{}", vpc.trim_start_matches("vpc-"))
}

fn texts<T: Into<Value>>(texts: impl IntoIterator<Item = T>) -> Value {
    Value::List(texts.into_iter().map(Into::into).collect())
}

fn none() -> Value {
    Value::List(Vec::new())
}

fn cidr_of(item: &ItemView) -> &str {
    match &item.is {
        Is::Vpc { cidr } | Is::VSwitch { cidr, .. } => cidr,
        _ => "",
    }
}

fn vpc_of(item: &ItemView) -> &str {
    item.is.vpc().map_or("", |vpc| vpc.as_str())
}

/// A VPC as ECS has it.
pub(crate) fn vpc(item: &ItemView) -> Object {
    Object::new()
        .put("VpcId", &item.item_id)
        .put("VpcName", &item.item_name)
        .put("Description", &item.description)
        .put("RegionId", &item.region_id)
        .put("Status", "Available")
        .put("CidrBlock", cidr_of(item))
        .put("VRouterId", router_of(&item.item_id))
        .put("IsDefault", false)
        .put("CreationTime", &item.creation_time)
        .put("VSwitchIds", Object::new().put("VSwitchId", texts(&item.vswitch_ids)))
        .put("UserCidrs", Object::new().put("UserCidr", none()))
}

/// The same with what the VPC product tells beside it in lists.
pub(crate) fn wide_vpc(item: &ItemView) -> Object {
    vpc(item)
        .put("ResourceGroupId", &item.group_id)
        .put("OwnerId", owner(item))
        .put("Ipv6CidrBlock", "")
        .put("NetworkAclNum", "0")
        .put("CenStatus", "Detached")
        .put("NatGatewayIds", Object::new().put("NatGatewayIds", none()))
        .put("RouterTableIds", Object::new().put("RouterTableIds", texts([route_table_of(&item.item_id)])))
        .put("SecondaryCidrBlocks", Object::new().put("SecondaryCidrBlock", none()))
        .put("Tags", keyed_tags(item))
}

/// A VPC by itself, as the VPC product tells it.
pub(crate) fn vpc_attribute(item: &ItemView) -> Object {
    let vswitches = Object::new().put("ResourceType", "VSwitch").put("ResourceCount", item.vswitch_ids.len());
    vpc(item)
        .put("ResourceGroupId", &item.group_id)
        .put("OwnerId", owner(item))
        .put("Ipv6CidrBlock", "")
        .put("ClassicLinkEnabled", false)
        .put("SecondaryCidrBlocks", Object::new().put("SecondaryCidrBlock", none()))
        .put("AssociatedCens", Object::new().put("AssociatedCen", none()))
        .list("CloudResources", "CloudResourceSetType", [vswitches])
        .put("Tags", keyed_tags(item))
}

/// A vSwitch as ECS has it.
pub(crate) fn vswitch(item: &ItemView) -> Object {
    let zone = match &item.is {
        Is::VSwitch { zone, .. } => zone,
        _ => "",
    };
    let addresses = Cidr::parse(cidr_of(item)).map_or(0, Cidr::addresses);
    Object::new()
        .put("VSwitchId", &item.item_id)
        .put("VSwitchName", &item.item_name)
        .put("Description", &item.description)
        .put("VpcId", vpc_of(item))
        .put("ZoneId", zone)
        .put("Status", "Available")
        .put("CidrBlock", cidr_of(item))
        .put("AvailableIpAddressCount", addresses.saturating_sub(KEPT_BACK))
        .put("IsDefault", false)
        .put("ResourceGroupId", &item.group_id)
        .put("CreationTime", &item.creation_time)
}

/// The same with what the VPC product tells beside it.
pub(crate) fn wide_vswitch(item: &ItemView) -> Object {
    let table =
        Object::new().put("RouteTableId", route_table_of(vpc_of(item))).put("RouteTableType", "System");
    vswitch(item)
        .put("OwnerId", owner(item))
        .put("Ipv6CidrBlock", "")
        .put("NetworkAclId", "")
        .put("RouteTable", table)
        .put("Tags", keyed_tags(item))
}

/// A security group in a list.
pub(crate) fn security_group(item: &ItemView) -> Object {
    let Is::SecurityGroup { enterprise, rules, .. } = &item.is else { return Object::new() };
    let to_groups = rules.iter().filter(|rule| !rule.says.group.is_empty()).count();
    Object::new()
        .put("SecurityGroupId", &item.item_id)
        .put("SecurityGroupName", &item.item_name)
        .put("Description", &item.description)
        .put("VpcId", vpc_of(item))
        .put("SecurityGroupType", if *enterprise { "enterprise" } else { "normal" })
        .put("ResourceGroupId", &item.group_id)
        .put("RuleCount", rules.len())
        .put("GroupToGroupRuleCount", to_groups)
        .put("EcsCount", 0)
        .put("AvailableInstanceAmount", INSTANCES_MAX)
        .put("ServiceManaged", false)
        .put("ServiceID", 0)
        .put("CreationTime", &item.creation_time)
        .put("Tags", tags(&item.tags))
}

/// Instances that a security group may have, as the API documents for one that is not an enterprise's.
const INSTANCES_MAX: u32 = 2_000;

/// A rule of a security group; the names of the groups that rules speak of are told by the account's own.
pub(crate) fn permission(rule: &Rule, account: &str, group_name: &str) -> Object {
    let says = &rule.says;
    let is_ingress = rule.direction == domain::network::Direction::Ingress;
    let of_group = |is_here: bool| {
        if is_here && !says.group.is_empty() {
            (says.group.as_str(), group_name, account)
        } else {
            ("", "", "")
        }
    };
    let (source, source_name, source_owner) = of_group(is_ingress);
    let (dest, dest_name, dest_owner) = of_group(!is_ingress);
    Object::new()
        .put("SecurityGroupRuleId", &rule.id)
        .put("Direction", rule.direction.word())
        .put("IpProtocol", says.protocol.to_uppercase())
        .put("PortRange", &says.ports)
        .put("SourcePortRange", &says.source_ports)
        .put("Policy", if says.policy == "drop" { "Drop" } else { "Accept" })
        .put("Priority", says.priority.to_string())
        .put("NicType", &says.nic_type)
        .put("Description", &says.description)
        .put("SourceCidrIp", &says.source_cidr)
        .put("Ipv6SourceCidrIp", &says.source_cidr6)
        .put("SourceGroupId", source)
        .put("SourceGroupName", source_name)
        .put("SourceGroupOwnerAccount", source_owner)
        .put("SourcePrefixListId", "")
        .put("SourcePrefixListName", "")
        .put("DestCidrIp", &says.dest_cidr)
        .put("Ipv6DestCidrIp", &says.dest_cidr6)
        .put("DestGroupId", dest)
        .put("DestGroupName", dest_name)
        .put("DestGroupOwnerAccount", dest_owner)
        .put("DestPrefixListId", "")
        .put("DestPrefixListName", "")
        .put("PortRangeListId", "")
        .put("PortRangeListName", "")
        .put("CreateTime", wire::seconds(rule.created_ms))
}

/// A key pair.
pub(crate) fn key_pair(item: &ItemView, with_public_key: bool) -> Object {
    let Is::KeyPair { fingerprint, public_key } = &item.is else { return Object::new() };
    Object::new()
        .put("KeyPairName", &item.item_name)
        .put("KeyPairFingerPrint", fingerprint)
        .put("ResourceGroupId", &item.group_id)
        .put("CreationTime", &item.creation_time)
        .put_some("PublicKey", with_public_key.then_some(public_key))
        .put("Tags", tags(&item.tags))
}

/// An elastic address, as both APIs have it.
pub(crate) fn address(item: &ItemView, is_wide: bool) -> Object {
    let Is::Address { address, bandwidth, by_traffic } = &item.is else { return Object::new() };
    let paid = if *by_traffic { "PayByTraffic" } else { "PayByBandwidth" };
    let shape = Object::new()
        .put("AllocationId", &item.item_id)
        .put("IpAddress", address)
        .put("Status", "Available")
        .put("InstanceId", "")
        .put("InstanceType", "")
        .put("Bandwidth", bandwidth.to_string())
        .put("InternetChargeType", paid)
        .put("ChargeType", "PostPaid")
        .put("RegionId", &item.region_id)
        .put("ExpiredTime", "")
        .put("OperationLocks", Object::new().put("LockReason", none()));
    if !is_wide {
        return shape
            .put("EipBandwidth", bandwidth.to_string())
            .put("AllocationTime", to_minute(&item.creation_time));
    }
    shape
        .put("AllocationTime", &item.creation_time)
        .put("Name", &item.item_name)
        // So spelt by the API.
        .put("Descritpion", &item.description)
        .put("ISP", "BGP")
        .put("ResourceGroupId", &item.group_id)
        .put("Tags", keyed_tags(item))
}

fn owner(item: &ItemView) -> i64 {
    item.owner_id.parse().unwrap_or_default()
}

/// Tags as the VPC product writes them.
fn keyed_tags(item: &ItemView) -> Object {
    let tag = |(key, value): (&String, &String)| Object::new().put("Key", key).put("Value", value);
    Object::new().put("Tag", texts(item.tags.iter().map(tag)))
}
