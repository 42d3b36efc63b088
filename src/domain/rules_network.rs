//! Rules of what machines stand in: VPCs, vSwitches, security groups, addresses and key pairs.
//!
//! Codes are those of the ECS API. Where the VPC product says the same otherwise, that is the wire's to spell.

use std::collections::BTreeSet;

use event::{Refusal, View};

use crate::events::ResourceId;
use crate::events_network::{
    GroupCreated, ItemCreated, ItemModified, ItemsDeleted, ResourceGrouped, RulesChanged,
};
use crate::group::{GROUPS, GroupId};
use crate::network::{Cidr, Direction, ITEMS, Is, Item, ItemId, Kind, Permission, Rule, key, zones};
use crate::rules::{check_tags, tags_of};
use crate::{RegionId, name};

/// VPCs of an account in a region. The cloud begins with 10 and raises that when asked; here nothing is spent on one.
pub const VPCS_MAX: usize = 100;
/// vSwitches in a VPC, as the cloud has it.
pub const VSWITCHES_MAX: usize = 150;
/// Security groups of an account in a region, as the cloud has it.
pub const SECURITY_GROUPS_MAX: usize = 500;
/// Rules of a security group, as the cloud has it.
pub const RULES_MAX: usize = 200;
/// Elastic addresses of an account in a region, as the cloud has it for a new account.
pub const ADDRESSES_MAX: usize = 20;
/// Key pairs of an account in a region, as the cloud has it.
pub const KEY_PAIRS_MAX: usize = 500;
/// Resource groups an account may make, as the cloud has it.
pub const GROUPS_MAX: usize = 30;
/// Characters of the name of a resource group, and of what it is shown under, as the API documents.
const GROUP_NAME_CHARS: std::ops::RangeInclusive<usize> = 3..=50;
/// The name of the resource group that an account has from the beginning.
pub const DEFAULT_GROUP: &str = "default";
/// Rules, and items, that one request names, as the API documents.
pub const NAMED_MAX: usize = 100;
/// The addresses a VPC may have: those that RFC 1918 leaves to private networks.
const PRIVATE: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
/// Bits a VPC's addresses have in common, as the API documents.
const VPC_BITS: std::ops::RangeInclusive<u32> = 8..=28;
/// Bits a vSwitch's addresses have in common, as the API documents.
const VSWITCH_BITS: std::ops::RangeInclusive<u32> = 16..=29;

/// Makes an item, if its name will do, what it stands in is there, and there is room for one more.
pub fn create_item(view: &View<'_>, mut wanted: ItemCreated) -> Result<ItemCreated, Refusal> {
    let kind = wanted.is.kind();
    check_name(kind, &wanted.name)?;
    check_description(kind, &wanted.description)?;
    check_tags(&wanted.tags)?;
    let others = view.list(&ITEMS, &[kind.prefix()]);
    match &mut wanted.is {
        Is::Vpc { cidr } => {
            check_vpc_cidr(cidr)?;
            room(kind, "QuotaExceeded.Vpc", others.len(), VPCS_MAX)?;
        }
        Is::VSwitch { vpc, zone, cidr } => check_vswitch(view, &others, &wanted.region, (vpc, zone, cidr))?,
        Is::SecurityGroup { vpc, .. } => {
            if let Some(vpc) = vpc {
                addresses_of(view, vpc)?;
            }
            room(kind, "QuotaExceed.SecurityGroup", others.len(), SECURITY_GROUPS_MAX)?;
        }
        Is::Address { address, .. } => {
            room(kind, "QuotaExceeded.Eip", others.len(), ADDRESSES_MAX)?;
            *address = free_address(&others, &wanted.item);
        }
        Is::KeyPair { .. } => {
            if others.iter().any(|other| other.name == wanted.name) {
                let why = format!("there is a key pair `{}` already", wanted.name);
                return Err(Refusal::new("KeyPair.AlreadyExist", why).advise("choose another name"));
            }
            room(kind, "QuotaExceed.KeyPair", others.len(), KEY_PAIRS_MAX)?;
        }
    }
    Ok(wanted)
}

fn room(kind: Kind, code: &str, has: usize, most: usize) -> Result<(), Refusal> {
    if has < most {
        return Ok(());
    }
    let why = format!("the account has {has} of the kind {} in this region", kind.word());
    Err(Refusal::new(code, why).advise(format!("there may be {most}: delete what is no longer needed")))
}

/// What an item may be called: each kind has a code of its own for a name that will not do.
fn check_name(kind: Kind, name: &str) -> Result<(), Refusal> {
    match kind {
        Kind::Vpc => name::network_name(kind.word(), "InvalidVpcName.Malformed", name),
        Kind::VSwitch => name::network_name(kind.word(), "InvalidVSwitchName.Malformed", name),
        Kind::Address => name::network_name(kind.word(), "InvalidName.Malformed", name),
        Kind::SecurityGroup if name.is_empty() => Ok(()),
        Kind::SecurityGroup => name::lettered_name(kind.word(), "InvalidSecurityGroupName.Malformed", name),
        Kind::KeyPair => name::lettered_name(kind.word(), "InvalidKeyPairName.Malformed", name),
    }
}

fn check_description(kind: Kind, description: &str) -> Result<(), Refusal> {
    let code = match kind {
        Kind::Vpc => "InvalidVpcDiscription.Malformed",
        Kind::VSwitch => "InvalidVSwitchDiscription.Malformed",
        // So spelt by the API, which the clients go by.
        Kind::SecurityGroup => "InvalidSecurityGroupDiscription.Malformed",
        Kind::Address | Kind::KeyPair => return name::description(description),
    };
    name::description(description).map_err(|refusal| Refusal { code: code.to_owned(), ..refusal })
}

fn check_vpc_cidr(cidr: &str) -> Result<(), Refusal> {
    let private = PRIVATE.iter().filter_map(|range| Cidr::parse(range));
    let fits = Cidr::parse(cidr).is_some_and(|cidr| {
        VPC_BITS.contains(&cidr.bits()) && private.into_iter().any(|private| private.holds(cidr))
    });
    if fits {
        return Ok(());
    }
    Err(malformed(cidr)
        .advise("a VPC has 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or a part of one, down to /28"))
}

fn malformed(cidr: &str) -> Refusal {
    let why = format!("`{}` is no range of addresses that will do", cidr.escape_debug());
    Refusal::new("InvalidCidrBlock.Malformed", why)
}

fn check_vswitch(
    view: &View<'_>,
    others: &[Item],
    region: &RegionId,
    (vpc, zone, cidr): (&ItemId, &str, &str),
) -> Result<(), Refusal> {
    let all = addresses_of(view, vpc)?;
    if !zones(region).iter().any(|known| known == zone) {
        let why = format!("there is no zone `{}` in `{region}`", zone.escape_debug());
        return Err(Refusal::new("InvalidZoneId.NotFound", why)
            .advise(format!("the zones are `{}`", zones(region).join("` and `"))));
    }
    let fits = |wanted: &Cidr| {
        VSWITCH_BITS.contains(&wanted.bits()) && Cidr::parse(&all).is_some_and(|all| all.holds(*wanted))
    };
    let wanted = Cidr::parse(cidr).filter(fits).ok_or_else(|| {
        malformed(cidr).advise(format!("a vSwitch has a part of its VPC's `{all}`, of 16 to 29 bits"))
    })?;
    let beside = others.iter().filter(|other| other.is.vpc() == Some(vpc));
    let mut count = 0;
    for other in beside {
        count += 1;
        if let Is::VSwitch { cidr: taken, .. } = &other.is
            && Cidr::parse(taken).is_some_and(|taken| taken.meets(wanted))
        {
            let why =
                format!("`{cidr}` and `{taken}` of the vSwitch `{}` have addresses in common", other.id);
            return Err(Refusal::new("InvalidCidrBlock.Overlapped", why)
                .advise("choose addresses that no vSwitch of the VPC has"));
        }
    }
    room(Kind::VSwitch, "QuotaExceeded.VSwitch", count, VSWITCHES_MAX)
}

/// The addresses of a VPC.
fn addresses_of(view: &View<'_>, vpc: &ItemId) -> Result<String, Refusal> {
    match view.get(&ITEMS, &key(vpc)).map(|item| item.is) {
        Some(Is::Vpc { cidr }) => Ok(cidr),
        _ => Err(none_of_kind(Kind::Vpc, vpc)),
    }
}

/// An address that the account has not: out of 198.18.0.0/15, which is nobody's on the internet, and where nobody is
/// misled by it. It is where the id says, or the next that is free.
fn free_address(others: &[Item], id: &ItemId) -> String {
    let taken: BTreeSet<&str> = others
        .iter()
        .filter_map(|other| match &other.is {
            Is::Address { address, .. } => Some(address.as_str()),
            _ => None,
        })
        .collect();
    let begin = id.as_str().bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let addresses = (0..1 << 17).map(|next| {
        let low = begin.wrapping_add(next) & 0x1_ffff;
        std::net::Ipv4Addr::from_bits(0xc612_0000 | low).to_string()
    });
    let mut free = addresses.filter(|address| !taken.contains(address.as_str()));
    free.next().expect("an account has fewer addresses than there are")
}

/// Changes an item's name, description, or whether the machines of a security group may speak with each other.
pub fn modify_item(view: &View<'_>, wanted: ItemModified) -> Result<ItemModified, Refusal> {
    let kind = item(view, &wanted.item)?.is.kind();
    wanted.name.as_deref().map_or(Ok(()), |name| check_name(kind, name))?;
    wanted.description.as_deref().map_or(Ok(()), |description| check_description(kind, description))?;
    Ok(wanted)
}

/// Deletes items that nothing stands in.
pub fn delete_items(view: &View<'_>, items: &[ItemId]) -> Result<ItemsDeleted, Refusal> {
    if items.is_empty() || items.len() > NAMED_MAX {
        let why = format!("{} items were named; a request deletes 1 to {NAMED_MAX}", items.len());
        return Err(Refusal::new("NumberExceed.ResourceIds", why));
    }
    for id in items {
        let found = item(view, id)?;
        match found.is.kind() {
            Kind::Vpc => {
                for (inside, code) in [
                    (Kind::VSwitch, "DependencyViolation.VSwitch"),
                    (Kind::SecurityGroup, "DependencyViolation.SecurityGroup"),
                ] {
                    let there = view.list(&ITEMS, &[inside.prefix()]);
                    if let Some(other) = there.iter().find(|other| other.is.vpc() == Some(id)) {
                        let why = format!("the {} `{}` is in the VPC `{id}`", inside.word(), other.id);
                        return Err(Refusal::new(code, why).advise("delete that first"));
                    }
                }
            }
            Kind::SecurityGroup => check_unnamed(view, id)?,
            Kind::VSwitch | Kind::Address | Kind::KeyPair => {}
        }
    }
    let unique: BTreeSet<&ItemId> = items.iter().collect();
    Ok(ItemsDeleted { items: unique.into_iter().cloned().collect() })
}

/// Refuses a security group that a rule of another one names.
fn check_unnamed(view: &View<'_>, id: &ItemId) -> Result<(), Refusal> {
    let names = |other: &Item| match &other.is {
        Is::SecurityGroup { rules, .. } => {
            other.id != *id && rules.iter().any(|rule| rule.says.group == id.as_str())
        }
        _ => false,
    };
    let groups = view.list(&ITEMS, &[Kind::SecurityGroup.prefix()]);
    let Some(other) = groups.iter().find(|other| names(other)) else { return Ok(()) };
    let why = format!("a rule of the security group `{}` names `{id}`", other.id);
    Err(Refusal::new("DependencyViolation", why).advise("revoke that rule first"))
}

/// A change of a security group's rules, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleChange<'a> {
    /// The way they look.
    pub direction: Direction,
    /// What rules say that are added, each with the id it gets.
    pub add: Vec<(String, &'a Permission)>,
    /// What rules say that are taken off.
    pub remove: &'a [Permission],
    /// Ids of rules that are taken off.
    pub remove_ids: &'a [String],
}

/// Changes the rules of a security group. One that says what another does already is not added, and one that is not
/// there is not missed, as the API documents.
pub fn change_rules(view: &View<'_>, id: &ItemId, change: RuleChange<'_>) -> Result<RulesChanged, Refusal> {
    let group = item(view, id)?;
    let Is::SecurityGroup { rules, .. } = &group.is else {
        return Err(none_of_kind(Kind::SecurityGroup, id));
    };
    let named = change.add.len() + change.remove.len() + change.remove_ids.len();
    if named == 0 || named > NAMED_MAX {
        let why = format!("{named} rules were named; a request changes 1 to {NAMED_MAX}");
        return Err(Refusal::new("InvalidPermissions.LimitExceeded", why));
    }
    let mut removed: Vec<String> = change.remove_ids.to_vec();
    for says in change.remove {
        let says = says.clone().checked(change.direction)?;
        let like = rules.iter().filter(|rule| rule.is_like(change.direction, &says));
        removed.extend(like.map(|rule| rule.id.clone()));
    }
    let mut added: Vec<Rule> = Vec::new();
    for (rule, says) in change.add {
        let says = says.clone().checked(change.direction)?;
        if !says.group.is_empty() {
            let other = ItemId(says.group.clone());
            if Kind::of(other.as_str()) != Some(Kind::SecurityGroup) || item(view, &other).is_err() {
                let why = format!("there is no security group `{}`", says.group.escape_debug());
                return Err(Refusal::new("InvalidSourceGroupId.NotFound", why)
                    .advise("a rule names groups of its own account and region"));
            }
        }
        if rules.iter().chain(&added).all(|rule| !rule.is_like(change.direction, &says)) {
            // When it was made is when the event was: its record says so.
            added.push(Rule { id: rule, direction: change.direction, says, created_ms: 0 });
        }
    }
    let stay = rules.iter().filter(|rule| !removed.contains(&rule.id)).count();
    if !added.is_empty() && stay + added.len() > RULES_MAX {
        let why = format!("the security group `{id}` would have {} rules", stay + added.len());
        return Err(Refusal::new("AuthorizationLimitExceed", why).advise(format!("it may have {RULES_MAX}")));
    }
    Ok(RulesChanged { item: id.clone(), added, removed })
}

/// Makes a resource group of an account, in the scope of the house.
pub fn create_group(view: &View<'_>, wanted: GroupCreated) -> Result<GroupCreated, Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let fits = GROUP_NAME_CHARS.contains(&wanted.name.chars().count()) && wanted.name.chars().all(plain);
    if !fits {
        let why = format!("`{}` is no name of a resource group", wanted.name.escape_debug());
        return Err(
            Refusal::new("InvalidParameter.Name", why).advise("it has 3 to 50 letters, digits, `-` and `_`")
        );
    }
    let display_count = wanted.display_name.chars().count();
    if display_count == 0
        || display_count > *GROUP_NAME_CHARS.end()
        || wanted.display_name.chars().any(char::is_control)
    {
        let why = "a resource group is shown under 1 to 50 characters";
        return Err(Refusal::new("InvalidParameter.DisplayName", why));
    }
    let others = view.list(&GROUPS, &[wanted.account.as_str()]);
    if wanted.name == DEFAULT_GROUP || others.iter().any(|other| other.name == wanted.name) {
        let why = format!("there is a resource group `{}` already", wanted.name);
        return Err(Refusal::new("EntityAlreadyExists.ResourceGroup", why).advise("choose another name"));
    }
    if others.len() >= GROUPS_MAX {
        let why = format!("the account has {} resource groups", others.len());
        return Err(
            Refusal::new("LimitExceeded.ResourceGroup", why).advise(format!("it may have {GROUPS_MAX}"))
        );
    }
    Ok(wanted)
}

/// Puts something that is there in a resource group, of which the caller knows that it is there: none ever goes.
pub fn join_group(
    view: &View<'_>,
    resource: &ResourceId,
    group: &GroupId,
) -> Result<ResourceGrouped, Refusal> {
    tags_of(view, resource)?;
    Ok(ResourceGrouped { resource: resource.clone(), group: group.clone() })
}

/// The answer for a resource group that is not there.
pub fn group_not_found(group: &str) -> Refusal {
    Refusal::new(
        "InvalidResourceGroup.NotFound",
        format!("there is no resource group `{}`", group.escape_debug()),
    )
    .advise("leave it out to use the one that every account has")
}

/// The item of that id.
pub(crate) fn item(view: &View<'_>, id: &ItemId) -> Result<Item, Refusal> {
    view.get(&ITEMS, &key(id)).ok_or_else(|| item_not_found(id))
}

/// The answer for an item that is not there, or not to be seen.
pub fn item_not_found(id: &ItemId) -> Refusal {
    none_of_kind(Kind::of(id.as_str()).unwrap_or(Kind::Vpc), id)
}

/// The answer for an item of a kind that is not there, or of another kind.
pub fn none_of_kind(kind: Kind, id: &ItemId) -> Refusal {
    let code = match kind {
        Kind::Vpc => "InvalidVpcId.NotFound",
        Kind::VSwitch => "InvalidVSwitchId.NotFound",
        Kind::SecurityGroup => "InvalidSecurityGroupId.NotFound",
        Kind::Address => "InvalidAllocationId.NotFound",
        Kind::KeyPair => "InvalidKeyPair.NotFound",
    };
    Refusal::new(code, format!("there is no {} `{}`", kind.word(), id.as_str().escape_debug()))
}
