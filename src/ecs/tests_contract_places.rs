//! The contract of what machines stand in: networks, security groups, key pairs, zones and types.

use crate::tests_kit::{HERE, THERE, World, code};
use crate::tests_tree::leaves;

/// They are made, found, changed and taken down, each with all it may be asked with.
pub(crate) async fn places(world: &World) {
    zones_and_types(world).await;
    networks(world).await;
    groups(world).await;
    rules(world).await;
    keys(world).await;
    for (action, other) in [
        ("DeleteSecurityGroup", ("SecurityGroupId", "{group}")),
        ("DeleteVSwitch", ("VSwitchId", "{vswitch}")),
        ("DeleteVpc", ("VpcId", "{vpc}")),
    ] {
        assert!(code(world.ask_whole(action, &[("RegionId", THERE)]).await).ends_with(".NotFound"));
        world.ask_whole(action, &[other]).await.unwrap();
        assert!(code(world.ask_whole(action, &[other]).await).ends_with(".NotFound"), "{action} twice");
    }
}

/// How many stand in a list of an answer.
fn count(list: &serde_json::Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}

async fn zones_and_types(world: &World) {
    let zones = world.ask_whole("DescribeZones", &[]).await.unwrap();
    assert_eq!(zones["Zones"]["Zone"][1]["ZoneId"], "cn-hangzhou-b");
    let brief = world.ask_whole("DescribeZones", &[("Verbose", "False")]).await.unwrap();
    assert_eq!(brief["Zones"]["Zone"][0].as_object().unwrap().len(), 3, "{brief}");
    let wrong = world.ask_whole("DescribeZones", &[("AcceptLanguage", "tlh")]).await;
    assert_eq!(code(wrong), "InvalidAcceptLanguage.NotFound");

    let found = world.ask_whole("DescribeAvailableResource", &[]).await.unwrap();
    let resource = &found["AvailableZones"]["AvailableZone"][0]["AvailableResources"]["AvailableResource"][0];
    assert_eq!(resource["SupportedResources"]["SupportedResource"][0]["Value"], "ecs.g6.large");
    for (name, value) in [
        ("DedicatedHostId", "dh-1"),
        ("ResourceType", "ddh"),
        ("SystemDiskCategory", "cloud_ssd"),
        ("DataDiskCategory", "cloud"),
        ("NetworkCategory", "classic"),
        ("IoOptimized", "none"),
    ] {
        let none = world.ask_whole("DescribeAvailableResource", &[(name, value)]).await.unwrap();
        let zone = &none["AvailableZones"]["AvailableZone"][0];
        let resource = &zone["AvailableResources"]["AvailableResource"][0];
        assert_eq!(count(&resource["SupportedResources"]["SupportedResource"]), 0, "{name}");
    }
    world.ask_whole("DescribeAvailableResource", &[("DestinationResource", "SystemDisk")]).await.unwrap();
    let fits = world.ask_whole("DescribeImageSupportInstanceTypes", &[]).await.unwrap();
    assert_eq!(fits["RegionId"], HERE);

    let types = world.ask_whole("DescribeInstanceTypes", &[]).await.unwrap();
    assert_eq!(count(&types["InstanceTypes"]["InstanceType"]), 1, "{types}");
    for (name, value) in [
        ("CpuArchitecture", "ARM"),
        ("CpuArchitectures.1", "ARM"),
        ("GPUSpec", "NVIDIA T4"),
        ("GpuSpecs.1", "NVIDIA T4"),
        ("InstanceCategories.1", "Shared"),
        ("LocalStorageCategories.1", "local_ssd_pro"),
        ("LocalStorageCategory", "local_ssd_pro"),
        ("MinimumDiskQuantity", "18"),
        ("MinimumEniQuantity", "2"),
        ("MinimumInstanceBandwidthRx", "1"),
        ("NvmeSupport", "required"),
        ("PhysicalProcessorModel", "Kunpeng"),
        ("PhysicalProcessorModels.1", "Kunpeng"),
    ] {
        let none = world.ask_whole("DescribeInstanceTypes", &[(name, value)]).await.unwrap();
        assert_eq!(count(&none["InstanceTypes"]["InstanceType"]), 0, "{name}");
    }
    let two = [("InstanceTypes.1", "-"), ("MaximumCpuCoreCount", "4"), ("MaxResults", "1")];
    let first = world.ask_whole("DescribeInstanceTypes", &two).await.unwrap();
    let token = first["NextToken"].as_str().unwrap();
    let rest = [&two[..], &[("NextToken", token)]].concat();
    let rest = world.ask_whole("DescribeInstanceTypes", &rest).await.unwrap();
    let id =
        |answer: &serde_json::Value| answer["InstanceTypes"]["InstanceType"][0]["InstanceTypeId"].clone();
    assert_eq!((id(&first), id(&rest)), ("ecs.g6.large".into(), "ecs.g6.xlarge".into()));
    assert_eq!(rest["NextToken"], "");
    world.ask("DescribeInstanceTypes", &[]).await.unwrap();
}

async fn networks(world: &World) {
    let vpc = world.ask_whole("CreateVpc", &[]).await.unwrap();
    world.call_it("vpc", &vpc["VpcId"]);
    let vswitch = world.ask_whole("CreateVSwitch", &[]).await.unwrap();
    let vswitch = world.call_it("vswitch", &vswitch["VSwitchId"]);
    let found = world.ask_whole("DescribeVpcs", &[]).await.unwrap();
    assert_eq!(found["Vpcs"]["Vpc"][0]["VSwitchIds"]["VSwitchId"][0], *vswitch);
    let found = world.ask_whole("DescribeVSwitches", &[]).await.unwrap();
    assert_eq!(found["VSwitches"]["VSwitch"][0]["VSwitchId"], *vswitch);
    for action in ["DescribeVpcs", "DescribeVSwitches"] {
        let none = world.ask_whole(action, &[("IsDefault", "true")]).await.unwrap();
        assert_eq!(none["TotalCount"], 0, "{action}");
    }
}

async fn groups(world: &World) {
    let group = world.ask_whole("CreateSecurityGroup", &[]).await.unwrap();
    let group = world.call_it("group", &group["SecurityGroupId"]);
    let plain = [("VpcId", "-"), ("SecurityGroupType", "enterprise")];
    world.ask_whole("CreateSecurityGroup", &plain).await.unwrap();
    let found = world.ask_whole("DescribeSecurityGroups", &[]).await.unwrap();
    assert_eq!(found["SecurityGroups"]["SecurityGroup"][0]["SecurityGroupId"], *group);
    for (name, value) in [
        ("NetworkType", "classic"),
        ("SecurityGroupType", "enterprise"),
        ("ServiceManaged", "true"),
        ("SecurityGroupName", "web"),
    ] {
        let none = world.ask_whole("DescribeSecurityGroups", &[(name, value)]).await.unwrap();
        assert_eq!(none["TotalCount"], 0, "{name}");
    }
    let like = [("SecurityGroupName", "web"), ("FuzzyQuery", "True")];
    assert_eq!(world.ask_whole("DescribeSecurityGroups", &like).await.unwrap()["TotalCount"], 1);
    let all = [("SecurityGroupId", "-"), ("SecurityGroupIds", "-"), ("VpcId", "-"), ("NetworkType", "-")];
    let all = [&all[..], &[("SecurityGroupType", "-"), ("MaxResults", "1")]].concat();
    let first = world.ask_whole("DescribeSecurityGroups", &all).await.unwrap();
    let token = first["NextToken"].as_str().unwrap();
    let next = [&all[..], &[("NextToken", token)]].concat();
    let next = world.ask_whole("DescribeSecurityGroups", &next).await.unwrap();
    let kind = |answer: &serde_json::Value| {
        answer["SecurityGroups"]["SecurityGroup"][0]["SecurityGroupType"].clone()
    };
    assert_eq!((kind(&first), kind(&next)), ("normal".into(), "enterprise".into()));
}

/// Every parameter of an action but those in its list of permissions: the older way to say a rule.
async fn by_itself(world: &World, action: &str, other: &[(&str, &str)]) -> crate::tests_kit::Answered {
    let names = leaves(&world.contracts[action].request, "1");
    let listed = names.iter().filter(|name| name.starts_with("Permissions."));
    let left_out: Vec<(&str, &str)> = listed.map(|name| (name.as_str(), "-")).collect();
    world.ask_whole(action, &[&left_out[..], other].concat()).await
}

async fn rules(world: &World) {
    for action in ["AuthorizeSecurityGroup", "AuthorizeSecurityGroupEgress"] {
        world.ask_whole(action, &[]).await.unwrap();
        by_itself(world, action, &[("PortRange", "443/443")]).await.unwrap();
        let side = if action.ends_with("Egress") { "Dest" } else { "Source" };
        let list = format!("{side}PrefixListId");
        assert_eq!(code(by_itself(world, action, &[(&list, "pl-1")]).await), "InvalidPrefixListId.NotFound");
        let list = format!("Permissions.1.{list}");
        assert_eq!(code(world.ask_whole(action, &[(&list, "pl-1")]).await), "InvalidPrefixListId.NotFound");
        let ports = [("Permissions.1.PortRangeListId", "prl-1")];
        assert_eq!(code(world.ask_whole(action, &ports).await), "InvalidPrefixListId.NotFound");
        let owner = format!("{side}GroupOwnerId");
        let anothers = by_itself(world, action, &[(&owner, "200000")]).await;
        assert_eq!(code(anothers), "InvalidSourceGroupId.NotFound");
        let elsewhere = world.ask_whole(action, &[("RegionId", THERE)]).await;
        assert_eq!(code(elsewhere), "InvalidSecurityGroupId.NotFound");
    }
    let egress = ("Direction", "egress");
    let shown = world.ask_whole("DescribeSecurityGroupAttribute", &[egress]).await.unwrap();
    assert_eq!(count(&shown["Permissions"]["Permission"]), 2, "{shown}");
    let first = [("Direction", "all"), ("MaxResults", "3")];
    let shown = world.ask_whole("DescribeSecurityGroupAttribute", &first).await.unwrap();
    assert_eq!(count(&shown["Permissions"]["Permission"]), 3);
    let token = shown["NextToken"].as_str().unwrap();
    let rest = [("Direction", "all"), ("NextToken", token)];
    let rest = world.ask_whole("DescribeSecurityGroupAttribute", &rest).await.unwrap();
    assert_eq!((count(&rest["Permissions"]["Permission"]), &rest["NextToken"]), (1, &"".into()));
    let elsewhere = world.ask_whole("DescribeSecurityGroupAttribute", &[("RegionId", THERE)]).await;
    assert_eq!(code(elsewhere), "InvalidSecurityGroupId.NotFound");

    let rule = shown["Permissions"]["Permission"][0]["SecurityGroupRuleId"].as_str().unwrap();
    world.ask_whole("RevokeSecurityGroup", &[("SecurityGroupRuleId.1", rule)]).await.unwrap();
    let revoke = "RevokeSecurityGroup";
    by_itself(world, revoke, &[("PortRange", "443/443")]).await.unwrap();
    let list = by_itself(world, revoke, &[("SourcePrefixListId", "pl-1")]).await;
    assert_eq!(code(list), "InvalidPrefixListId.NotFound");
    for name in ["Permissions.1.PortRangeListId", "Permissions.1.SourcePrefixListId"] {
        let list = world.ask_whole(revoke, &[(name, "pl-1")]).await;
        assert_eq!(code(list), "InvalidPrefixListId.NotFound", "{name}");
    }
    let shown = world.ask_whole("DescribeSecurityGroupAttribute", &[("Direction", "ingress")]).await.unwrap();
    assert_eq!(count(&shown["Permissions"]["Permission"]), 0, "{shown}");
}

async fn keys(world: &World) {
    let made = world.ask_whole("CreateKeyPair", &[]).await.unwrap();
    world.call_it("fingerprint", &made["KeyPairFingerPrint"]);
    let found = world.ask_whole("DescribeKeyPairs", &[]).await.unwrap();
    assert_eq!(found["KeyPairs"]["KeyPair"][0]["KeyPairName"], "laptop");
    world.call_it("public-key", &found["KeyPairs"]["KeyPair"][0]["PublicKey"]);
    let imported = world.ask_whole("ImportKeyPair", &[]).await.unwrap();
    assert_eq!(imported["KeyPairFingerPrint"], made["KeyPairFingerPrint"]);
    // Once for an image, which tells its region itself, and once for a key pair, which goes by its name.
    world.ask_whole("JoinResourceGroup", &[]).await.unwrap();
    let pair = [("ResourceType", "keypair"), ("ResourceId", "laptop")];
    world.ask_whole("JoinResourceGroup", &pair).await.unwrap();
    world.ask_whole("DeleteKeyPairs", &[]).await.unwrap();
    assert_eq!(code(world.ask_whole("DeleteKeyPairs", &[]).await), "InvalidKeyPair.NotFound");
}
