//! The rules of what machines stand in, one by one.

use event::Refusal;

use crate::events_network::{GroupCreated, ItemCreated, ItemModified};
use crate::group::GROUPED;
use crate::image::{self, PLACES};
use crate::network::{Direction, ITEMS, Is, Item, ItemId, Permission, key};
use crate::rules::{self, RuleChange, Tagging};
use crate::tests_kit::{ACCOUNT, REGION, World, code, scope};

fn new(id: &str, name: &str, is: Is) -> ItemCreated {
    ItemCreated {
        item: id.into(),
        name: name.to_owned(),
        description: String::new(),
        tags: std::collections::BTreeMap::new(),
        account: ACCOUNT.into(),
        region: REGION.into(),
        group: None,
        is,
    }
}

fn vpc(cidr: &str) -> Is {
    Is::Vpc { cidr: cidr.to_owned() }
}

fn vswitch(vpc: &str, zone: &str, cidr: &str) -> Is {
    Is::VSwitch { vpc: vpc.into(), zone: zone.to_owned(), cidr: cidr.to_owned() }
}

fn group(vpc: Option<&str>) -> Is {
    Is::SecurityGroup { vpc: vpc.map(Into::into), enterprise: false, isolated: false, rules: Vec::new() }
}

fn key_pair() -> Is {
    Is::KeyPair { fingerprint: "00:11".to_owned(), public_key: "ssh-rsa AAAA".to_owned() }
}

fn address() -> Is {
    Is::Address { address: String::new(), bandwidth: 5, by_traffic: true }
}

fn create(world: &mut World, wanted: ItemCreated) -> Result<(), Refusal> {
    let event = world.ask(&scope(), |view| rules::create_item(view, wanted))?;
    world.tell(&scope(), event);
    Ok(())
}

fn delete(world: &mut World, ids: &[&str]) -> Result<(), Refusal> {
    let ids: Vec<ItemId> = ids.iter().map(|id| (*id).into()).collect();
    let event = world.ask(&scope(), |view| rules::delete_items(view, &ids))?;
    world.tell(&scope(), event);
    Ok(())
}

fn there(world: &World, id: &str) -> Option<Item> {
    ITEMS.get(&world.rows, &scope(), &key(&id.into()))
}

fn with_vpc() -> World {
    let mut world = World::new();
    create(&mut world, new("vpc-1", "net", vpc("192.168.0.0/16"))).unwrap();
    world
}

fn with_group() -> World {
    let mut world = with_vpc();
    create(&mut world, new("sg-1", "web", group(Some("vpc-1")))).unwrap();
    world
}

fn ssh() -> Permission {
    Permission {
        protocol: "TCP".to_owned(),
        ports: "22/22".to_owned(),
        source_cidr: "0.0.0.0/0".to_owned(),
        priority: 1,
        ..Permission::default()
    }
}

fn change(world: &mut World, id: &str, add: &[Permission], remove: &[Permission]) -> Result<usize, Refusal> {
    let add = add.iter().enumerate().map(|(number, says)| (format!("sgr-{number}"), says)).collect();
    let change = RuleChange { direction: Direction::Ingress, add, remove, remove_ids: &[] };
    let event = world.ask(&scope(), |view| rules::change_rules(view, &id.into(), change))?;
    world.tell(&scope(), event);
    Ok(rules_of(world, id))
}

fn rules_of(world: &World, id: &str) -> usize {
    match there(world, id).unwrap().is {
        Is::SecurityGroup { rules, .. } => rules.len(),
        _ => 0,
    }
}

#[test]
fn a_vpc_has_private_addresses() {
    for cidr in ["10.0.0.0/8", "10.1.0.0/16", "172.16.0.0/12", "192.168.0.0/28"] {
        assert_eq!(create(&mut World::new(), new("vpc-1", "", vpc(cidr))), Ok(()), "{cidr}");
    }
    for cidr in ["", "10.0.0.0", "10.0.0.1/8", "8.8.8.0/24", "172.0.0.0/8", "192.168.0.0/29", "10.0.0.0/7"] {
        let no = create(&mut World::new(), new("vpc-1", "", vpc(cidr)));
        assert_eq!(code(no), "InvalidCidrBlock.Malformed", "{cidr}");
    }
}

#[test]
fn a_vswitch_has_a_part_of_its_vpc_that_no_other_has() {
    let mut world = with_vpc();
    let mut add = |id: &str, vpc: &str, zone: &str, cidr: &str| {
        create(&mut world, new(id, "", vswitch(vpc, zone, cidr))).map_err(|refusal| refusal.code)
    };
    let no = |code: &str| Err(code.to_owned());
    assert_eq!(add("vsw-1", "vpc-1", "cn-a-a", "192.168.1.0/24"), Ok(()));
    assert_eq!(add("vsw-2", "vpc-1", "cn-a-b", "192.168.2.0/24"), Ok(()));
    for cidr in ["192.168.1.0/24", "192.168.0.0/16", "192.168.2.128/25"] {
        assert_eq!(add("vsw-3", "vpc-1", "cn-a-a", cidr), no("InvalidCidrBlock.Overlapped"), "{cidr}");
    }
    for cidr in ["10.0.0.0/24", "192.168.3.0/30", "192.168.0.0/15", "192.168.3.1/24", "x"] {
        assert_eq!(add("vsw-3", "vpc-1", "cn-a-a", cidr), no("InvalidCidrBlock.Malformed"), "{cidr}");
    }
    assert_eq!(add("vsw-3", "vpc-2", "cn-a-a", "192.168.3.0/24"), no("InvalidVpcId.NotFound"));
    assert_eq!(add("vsw-3", "vsw-1", "cn-a-a", "192.168.3.0/24"), no("InvalidVpcId.NotFound"));
    assert_eq!(add("vsw-3", "vpc-1", "cn-b-a", "192.168.3.0/24"), no("InvalidZoneId.NotFound"));
}

#[test]
fn a_vpc_stays_while_anything_is_in_it() {
    let mut world = with_group();
    create(&mut world, new("vsw-1", "", vswitch("vpc-1", "cn-a-a", "192.168.1.0/24"))).unwrap();
    assert_eq!(PLACES.get(&world.rows, &image::house(), &["vpc-1"]), Some(scope()));
    assert_eq!(code(delete(&mut world, &["vpc-1"])), "DependencyViolation.VSwitch");
    delete(&mut world, &["vsw-1"]).unwrap();
    assert_eq!(code(delete(&mut world, &["vpc-1"])), "DependencyViolation.SecurityGroup");
    delete(&mut world, &["sg-1"]).unwrap();
    delete(&mut world, &["vpc-1"]).unwrap();
    assert_eq!(there(&world, "vpc-1"), None);
    assert_eq!(PLACES.get(&world.rows, &image::house(), &["vpc-1"]), None);
    assert_eq!(code(delete(&mut world, &["vpc-1"])), "InvalidVpcId.NotFound");
    assert_eq!(code(delete(&mut world, &["vsw-1"])), "InvalidVSwitchId.NotFound");
    assert_eq!(code(delete(&mut world, &["sg-1"])), "InvalidSecurityGroupId.NotFound");
    assert_eq!(code(delete(&mut world, &["eip-1"])), "InvalidAllocationId.NotFound");
    assert_eq!(code(delete(&mut world, &["ssh-1"])), "InvalidKeyPair.NotFound");
    assert_eq!(code(delete(&mut world, &[])), "NumberExceed.ResourceIds");
}

#[test]
fn a_rule_is_there_once_and_not_missed_when_it_is_not() {
    let mut world = with_group();
    assert_eq!(change(&mut world, "sg-1", &[ssh()], &[]), Ok(1));
    let again = Permission { description: "again".to_owned(), policy: "Accept".to_owned(), ..ssh() };
    assert_eq!(change(&mut world, "sg-1", &[again], &[]), Ok(1));
    let other = Permission { priority: 2, ..ssh() };
    assert_eq!(change(&mut world, "sg-1", &[], std::slice::from_ref(&other)), Ok(1));
    assert_eq!(change(&mut world, "sg-1", &[], &[ssh()]), Ok(0));
    assert_eq!(change(&mut world, "sg-1", &[], &[ssh()]), Ok(0));
    assert_eq!(code(change(&mut world, "sg-2", &[ssh()], &[])), "InvalidSecurityGroupId.NotFound");
    assert_eq!(code(change(&mut world, "sg-1", &[], &[])), "InvalidPermissions.LimitExceeded");
    assert_eq!(code(change(&mut world, "sg-1", &vec![ssh(); 101], &[])), "InvalidPermissions.LimitExceeded");
    let many = |from: u32| -> Vec<Permission> {
        (from..from + 100).map(|port| Permission { ports: format!("{port}/{port}"), ..ssh() }).collect()
    };
    for from in [1000, 2000] {
        let add = many(from);
        let add =
            add.iter().enumerate().map(|(number, says)| (format!("sgr-{from}-{number}"), says)).collect();
        let all = RuleChange { direction: Direction::Ingress, add, remove: &[], remove_ids: &[] };
        let event = world.ask(&scope(), |view| rules::change_rules(view, &"sg-1".into(), all)).unwrap();
        world.tell(&scope(), event);
    }
    assert_eq!(rules_of(&world, "sg-1"), rules::RULES_MAX);
    assert_eq!(code(change(&mut world, "sg-1", &[ssh()], &[])), "AuthorizationLimitExceed");
}

#[test]
fn a_rule_says_what_the_api_knows() {
    let mut world = with_group();
    let mut no = |says: Permission| change(&mut world, "sg-1", &[says], &[]).unwrap_err().code;
    let said = |text: &str| text.to_owned();
    assert_eq!(no(Permission { protocol: said("sctp"), ..ssh() }), "InvalidIpProtocol.ValueNotSupported");
    for ports in ["", "22", "22/21", "0/22", "22/65536", "-1/22"] {
        assert_eq!(no(Permission { ports: said(ports), ..ssh() }), "InvalidPortRange.Malformed", "{ports}");
    }
    assert_eq!(no(Permission { protocol: said("icmp"), ..ssh() }), "InvalidPortRange.Malformed");
    assert_eq!(no(Permission { policy: said("maybe"), ..ssh() }), "InvalidPolicy.Malformed");
    assert_eq!(no(Permission { nic_type: said("wifi"), ..ssh() }), "InvalidNicType.ValueNotSupported");
    assert_eq!(no(Permission { priority: 0, ..ssh() }), "InvalidPriority.ValueNotSupported");
    assert_eq!(no(Permission { priority: 101, ..ssh() }), "InvalidPriority.ValueNotSupported");
    assert_eq!(no(Permission { source_cidr: said("10.0.0.0/33"), ..ssh() }), "InvalidSourceCidrIp.Malformed");
    assert_eq!(no(Permission { dest_cidr: said("x"), ..ssh() }), "InvalidDestCidrIp.Malformed");
    assert_eq!(no(Permission { source_cidr: said(""), ..ssh() }), "MissingParameter.Source");
    assert_eq!(no(Permission { group: said("sg-9"), ..ssh() }), "InvalidSourceGroupId.NotFound");
    assert_eq!(no(Permission { group: said("vpc-1"), ..ssh() }), "InvalidSourceGroupId.NotFound");
    let long = Permission { description: "x".repeat(513), ..ssh() };
    assert_eq!(no(long), "InvalidSecurityGroupRuleDescription.Malformed");
    assert_eq!(code(ssh().checked(Direction::Egress)), "MissingParameter.Dest");
    for says in [
        Permission { protocol: said("ICMP"), ports: said("-1/-1"), ..ssh() },
        Permission {
            protocol: said("all"),
            ports: said("-1/-1"),
            source_cidr: said(""),
            source_cidr6: said("::/0"),
            ..ssh()
        },
        Permission { ports: said("1/65535"), source_cidr: said("10.0.0.9"), policy: said("Drop"), ..ssh() },
        Permission { group: said("sg-1"), ..ssh() },
    ] {
        assert!(says.clone().checked(Direction::Ingress).is_ok(), "{says:?}");
    }
}

#[test]
fn a_security_group_stays_while_a_rule_of_another_names_it() {
    let mut world = with_group();
    create(&mut world, new("sg-2", "db", group(None))).unwrap();
    let from_web = Permission { group: "sg-1".to_owned(), source_cidr: String::new(), ..ssh() };
    change(&mut world, "sg-2", std::slice::from_ref(&from_web), &[]).unwrap();
    change(&mut world, "sg-1", std::slice::from_ref(&from_web), &[]).unwrap();
    assert_eq!(code(delete(&mut world, &["sg-1"])), "DependencyViolation");
    change(&mut world, "sg-2", &[], &[from_web]).unwrap();
    assert_eq!(delete(&mut world, &["sg-1"]), Ok(()), "its own rule does not hold it");
    assert_eq!(code(create(&mut world, new("sg-3", "", group(Some("vpc-2"))))), "InvalidVpcId.NotFound");
}

#[test]
fn each_kind_is_named_by_the_rules_of_the_api() {
    for (id, is, wrong) in [
        ("vpc-9", vpc("10.0.0.0/8"), "InvalidVpcName.Malformed"),
        ("sg-9", group(None), "InvalidSecurityGroupName.Malformed"),
        ("eip-9", address(), "InvalidName.Malformed"),
        ("ssh-9", key_pair(), "InvalidKeyPairName.Malformed"),
    ] {
        for name in ["http://x", "x", &"x".repeat(129)] {
            assert_eq!(code(create(&mut World::new(), new(id, name, is.clone()))), wrong, "{name}");
        }
        assert_eq!(create(&mut World::new(), new(id, "web 1.(2)", is)), Ok(()));
    }
    let mut world = with_vpc();
    let no = create(&mut world, new("vsw-9", "https://x", vswitch("vpc-1", "cn-a-a", "192.168.1.0/24")));
    assert_eq!(code(no), "InvalidVSwitchName.Malformed");
    for (id, is, code) in [
        ("vpc-9", vpc("10.0.0.0/8"), "InvalidVpcDiscription.Malformed"),
        ("vsw-9", vswitch("vpc-1", "cn-a-a", "192.168.1.0/24"), "InvalidVSwitchDiscription.Malformed"),
        ("sg-9", group(None), "InvalidSecurityGroupDiscription.Malformed"),
        ("eip-9", address(), "InvalidDescription.Malformed"),
    ] {
        let wanted = ItemCreated { description: "http://x".to_owned(), ..new(id, "", is) };
        assert_eq!(create(&mut world, wanted).unwrap_err().code, code);
    }
}

#[test]
fn a_key_pair_has_a_name_of_its_own() {
    let mut world = World::new();
    create(&mut world, new("ssh-1", "laptop", key_pair())).unwrap();
    assert_eq!(code(create(&mut world, new("ssh-2", "laptop", key_pair()))), "KeyPair.AlreadyExist");
    assert_eq!(code(create(&mut world, new("ssh-2", "", key_pair()))), "InvalidKeyPairName.Malformed");
    assert_eq!(code(create(&mut world, new("ssh-2", "1st", key_pair()))), "InvalidKeyPairName.Malformed");
    create(&mut world, new("ssh-2", "phone", key_pair())).unwrap();
    delete(&mut world, &["ssh-1", "ssh-2", "ssh-1"]).unwrap();
    create(&mut world, new("ssh-3", "laptop", key_pair())).unwrap();
}

#[test]
fn addresses_of_an_account_are_its_own_and_of_no_one_on_the_internet() {
    let mut world = World::new();
    for number in 0..rules::ADDRESSES_MAX {
        create(&mut world, new(&format!("eip-{number}"), "", address())).unwrap();
    }
    let all = ITEMS.list(&world.rows, &scope(), &["eip"]);
    let addresses: std::collections::BTreeSet<String> = all
        .into_iter()
        .filter_map(|item| match item.is {
            Is::Address { address, .. } => Some(address),
            _ => None,
        })
        .collect();
    assert_eq!(addresses.len(), rules::ADDRESSES_MAX);
    assert!(addresses.iter().all(|address| address.starts_with("198.18.") || address.starts_with("198.19.")));
    assert_eq!(code(create(&mut world, new("eip-x", "", address()))), "QuotaExceeded.Eip");
}

#[test]
fn an_account_has_so_many_of_each_and_no_more() {
    let mut world = World::new();
    for number in 0..rules::VPCS_MAX {
        create(&mut world, new(&format!("vpc-{number}"), "", vpc("192.168.0.0/16"))).unwrap();
    }
    assert_eq!(code(create(&mut world, new("vpc-x", "", vpc("10.0.0.0/8")))), "QuotaExceeded.Vpc");
    for number in 0..rules::VSWITCHES_MAX {
        let part = vswitch("vpc-1", "cn-a-a", &format!("192.168.{number}.0/24"));
        create(&mut world, new(&format!("vsw-{number}"), "", part)).unwrap();
    }
    let one_more = vswitch("vpc-1", "cn-a-a", "192.168.255.0/24");
    assert_eq!(code(create(&mut world, new("vsw-x", "", one_more))), "QuotaExceeded.VSwitch");
    let beside = vswitch("vpc-2", "cn-a-a", "192.168.1.0/24");
    assert_eq!(create(&mut world, new("vsw-x", "", beside)), Ok(()), "another VPC has its own addresses");
    for number in 0..rules::SECURITY_GROUPS_MAX {
        create(&mut world, new(&format!("sg-{number}"), "", group(None))).unwrap();
        create(&mut world, new(&format!("ssh-{number}"), &format!("key-{number}"), key_pair())).unwrap();
    }
    assert_eq!(code(create(&mut world, new("sg-x", "", group(None)))), "QuotaExceed.SecurityGroup");
    assert_eq!(code(create(&mut world, new("ssh-x", "key", key_pair()))), "QuotaExceed.KeyPair");
}

#[test]
fn items_are_changed_and_tagged_as_images_are() {
    let mut world = with_group();
    let wanted = ItemModified {
        item: "sg-1".into(),
        name: Some("front".to_owned()),
        description: Some("in front".to_owned()),
        isolated: Some(true),
    };
    let event = world.ask(&scope(), |view| rules::modify_item(view, wanted.clone())).unwrap();
    world.tell(&scope(), event);
    let item = there(&world, "sg-1").unwrap();
    assert_eq!((item.name.as_str(), item.description.as_str()), ("front", "in front"));
    assert!(matches!(item.is, Is::SecurityGroup { isolated: true, .. }));
    let absent = ItemModified { item: "sg-2".into(), ..wanted };
    assert_eq!(
        code(world.ask(&scope(), |view| rules::modify_item(view, absent))),
        "InvalidSecurityGroupId.NotFound"
    );
    let set = [("env".to_owned(), "prod".to_owned())].into();
    let tagging = Tagging { set: &set, remove: &[], all: false };
    let event = world.ask(&scope(), |view| rules::tag(view, &["sg-1".into()], tagging)).unwrap();
    world.tell(&scope(), event);
    assert_eq!(there(&world, "sg-1").unwrap().tags, set);
}

#[test]
fn a_resource_group_has_a_name_of_its_own_in_its_account() {
    let mut world = World::new();
    let new = |id: &str, account: &str, name: &str, display: &str| GroupCreated {
        group: id.into(),
        account: account.into(),
        name: name.to_owned(),
        display_name: display.to_owned(),
    };
    let house = image::house();
    let mut make = |wanted: GroupCreated| {
        let event =
            world.ask(&house, |view| rules::create_group(view, wanted)).map_err(|refusal| refusal.code)?;
        world.tell(&house, event);
        Ok::<_, String>(())
    };
    make(new("rg-1", ACCOUNT, "team", "The team")).unwrap();
    make(new("rg-2", "200000", "team", "Theirs")).unwrap();
    let no = |code: &str| Err(code.to_owned());
    for name in ["team", rules::DEFAULT_GROUP] {
        assert_eq!(make(new("rg-3", ACCOUNT, name, "x")), no("EntityAlreadyExists.ResourceGroup"));
    }
    for name in ["", "ab", "a b c", &"x".repeat(51)] {
        assert_eq!(make(new("rg-3", ACCOUNT, name, "x")), no("InvalidParameter.Name"), "{name}");
    }
    for display in ["", "a\u{7}", &"x".repeat(51)] {
        assert_eq!(
            make(new("rg-3", ACCOUNT, "other", display)),
            no("InvalidParameter.DisplayName"),
            "{display}"
        );
    }
    for number in 1..rules::GROUPS_MAX {
        make(new(&format!("rg-x{number}"), ACCOUNT, &format!("team-{number}"), "x")).unwrap();
    }
    assert_eq!(make(new("rg-3", ACCOUNT, "other", "x")), no("LimitExceeded.ResourceGroup"));
}

#[test]
fn what_is_put_in_a_resource_group_is_in_it_until_it_goes() {
    let mut world = with_group();
    let group = |world: &World, id: &str| GROUPED.get(&world.rows, &scope(), &[id]);
    create(&mut world, ItemCreated { group: Some("rg-1".into()), ..new("sg-2", "db", group_of_none()) })
        .unwrap();
    assert_eq!((group(&world, "sg-1"), group(&world, "sg-2")), (None, Some("rg-1".into())));
    let join = |world: &World, id: &str| {
        world.ask(&scope(), |view| rules::join_group(view, &id.into(), &"rg-2".into()))
    };
    let event = join(&world, "sg-2").unwrap();
    world.tell(&scope(), event);
    assert_eq!(group(&world, "sg-2"), Some("rg-2".into()));
    assert_eq!(code(join(&world, "sg-9")), "InvalidResourceId.NotFound");
    assert_eq!(rules::group_not_found("rg-9").code, "InvalidResourceGroup.NotFound");
    delete(&mut world, &["sg-2"]).unwrap();
    assert_eq!(group(&world, "sg-2"), None);
}

fn group_of_none() -> Is {
    group(None)
}
