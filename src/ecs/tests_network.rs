//! Networks and key pairs as clients make them on their way to an image: of ECS, and of the VPC product.

use crate::actions::{LOCATION, RESOURCE_MANAGER, VPC};
use crate::tests_door::{Door, at, count, text};

const HERE: &str = "RegionId=cn-hangzhou";

fn no(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_built_and_taken_down_as_tools_do_it() {
    let door = Door::open().await;
    let made = door.ask("CreateVpc", &format!("{HERE}&VpcName=net&CidrBlock=192.168.0.0/16")).await;
    let vpc = text(&made, "VpcId");
    assert_eq!(text(&made, "VRouterId"), vpc.replace("vpc-", "vrt-"));
    assert_eq!(at(&made, "ResourceGroupId"), None, "ECS does not declare it");
    let found = door.ask("DescribeVpcs", &format!("{HERE}&VpcId={vpc}")).await;
    assert_eq!(
        (text(&found, "Vpcs.Vpc.0.Status").as_str(), text(&found, "TotalCount").as_str()),
        ("Available", "1")
    );
    assert_eq!(at(&found, "Vpcs.Vpc.0.ResourceGroupId"), None);
    let part = format!("VpcId={vpc}&ZoneId=cn-hangzhou-a&CidrBlock=192.168.1.0/24");
    let vswitch = text(&door.ask("CreateVSwitch", &part).await, "VSwitchId");
    assert_eq!(door.refused("CreateVSwitch", &part).await, no(400, "InvalidCidrBlock.Overlapped"));
    let outside = part.replace("192.168.1", "10.0.1");
    assert_eq!(door.refused("CreateVSwitch", &outside).await, no(400, "InvalidCidrBlock.Malformed"));
    let elsewhere = part.replace("hangzhou-a", "hangzhou-z");
    assert_eq!(door.refused("CreateVSwitch", &elsewhere).await, no(404, "InvalidZoneId.NotFound"));
    assert_eq!(door.refused("CreateVSwitch", "VpcId=vpc-1").await, no(400, "MissingParameter"));
    let found = door.ask("DescribeVSwitches", &format!("VpcId={vpc}")).await;
    assert_eq!(text(&found, "VSwitches.VSwitch.0.VSwitchId"), vswitch);
    assert_eq!(text(&found, "VSwitches.VSwitch.0.AvailableIpAddressCount"), "252");
    let group = format!("{HERE}&VpcId={vpc}&SecurityGroupName=web&Tag.1.Key=env&Tag.1.Value=test");
    let group = text(&door.ask("CreateSecurityGroup", &group).await, "SecurityGroupId");
    let delete = format!("{HERE}&VpcId={vpc}");
    assert_eq!(door.refused("DeleteVpc", &delete).await, no(403, "DependencyViolation.VSwitch"));
    door.ask("DeleteVSwitch", &format!("VSwitchId={vswitch}")).await;
    assert_eq!(door.refused("DeleteVpc", &delete).await, no(403, "DependencyViolation.SecurityGroup"));
    door.ask("DeleteSecurityGroup", &format!("{HERE}&SecurityGroupId={group}")).await;
    door.ask("DeleteVpc", &delete).await;
    assert_eq!(door.refused("DeleteVpc", &delete).await, no(404, "InvalidVpcId.NotFound"));
    assert_eq!(door.refused("DeleteVpc", "VpcId=m-1").await, no(404, "InvalidVpcId.NotFound"));
    let found = door.ask("DescribeVpcs", &format!("{HERE}&VpcId={vpc}")).await;
    assert_eq!(count(&found, "Vpcs.Vpc"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vpc_product_tells_more_of_the_same_networks() {
    let door = Door::open().await;
    let made = door.ask_vpc("CreateVpc", &format!("{HERE}&VpcName=net&CidrBlock=10.0.0.0/8")).await;
    let vpc = text(&made, "VpcId");
    assert!(text(&made, "ResourceGroupId").starts_with("rg-"));
    let one = door.ask_vpc("DescribeVpcAttribute", &format!("{HERE}&VpcId={vpc}")).await;
    assert_eq!(
        (text(&one, "Status").as_str(), text(&one, "CidrBlock").as_str()),
        ("Available", "10.0.0.0/8")
    );
    let part = format!("{HERE}&VpcId={vpc}&ZoneId=cn-hangzhou-b&CidrBlock=10.1.0.0/16&VSwitchName=part");
    let vswitch = text(&door.ask_vpc("CreateVSwitch", &part).await, "VSwitchId");
    let one = door.ask_vpc("DescribeVSwitchAttributes", &format!("{HERE}&VSwitchId={vswitch}")).await;
    assert_eq!((text(&one, "VpcId"), text(&one, "VSwitchName")), (vpc.clone(), "part".to_owned()));
    let all = door.ask_vpc("DescribeVpcs", HERE).await;
    assert_eq!(count(&all, "Vpcs.Vpc.0.RouterTableIds.RouterTableIds"), 1);
    assert_eq!(text(&all, "Vpcs.Vpc.0.VSwitchIds.VSwitchId.0"), vswitch);
    assert_eq!(
        text(&door.ask("DescribeVpcs", HERE).await, "Vpcs.Vpc.0.VpcId"),
        vpc,
        "it is one and the same"
    );
    let routes = door.ask_vpc("DescribeRouteTableList", &format!("{HERE}&VpcId={vpc}")).await;
    assert_eq!(
        text(&routes, "RouterTableList.RouterTableListType.0.RouteTableId"),
        text(&made, "RouteTableId")
    );
    door.ask_vpc("ModifyVpcAttribute", &format!("{HERE}&VpcId={vpc}&VpcName=renamed")).await;
    door.ask_vpc("ModifyVSwitchAttribute", &format!("{HERE}&VSwitchId={vswitch}&Description=a+part")).await;
    let one = door.ask_vpc("DescribeVpcAttribute", &format!("{HERE}&VpcId={vpc}")).await;
    assert_eq!(text(&one, "VpcName"), "renamed");
    let gone = no(404, "InvalidVpcID.NotFound");
    assert_eq!(door.refused_of(VPC, "DescribeVpcAttribute", &format!("{HERE}&VpcId=vpc-none")).await, gone);
    assert_eq!(door.refused_of(VPC, "DeleteVpc", &format!("{HERE}&VpcId=vpc-none")).await, gone);
    let gone = no(404, "InvalidVswitchID.NotFound");
    assert_eq!(door.refused_of(VPC, "DescribeVSwitchAttributes", "VSwitchId=vsw-none").await, gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_authorized_and_revoked_one_by_one_or_in_a_list() {
    let door = Door::open().await;
    let create = format!("{HERE}&SecurityGroupName=web&Description=in+front");
    let group = text(&door.ask("CreateSecurityGroup", &create).await, "SecurityGroupId");
    let at_group = format!("{HERE}&SecurityGroupId={group}");
    let ssh = format!("{at_group}&IpProtocol=TCP&PortRange=22/22&SourceCidrIp=0.0.0.0/0");
    door.ask("AuthorizeSecurityGroup", &ssh).await;
    door.ask("AuthorizeSecurityGroup", &ssh).await;
    let list = format!(
        "{at_group}&Permissions.1.IpProtocol=udp&Permissions.1.PortRange=53/53&Permissions.1.SourceCidrIp=10.0.0.0/8"
    );
    let second = "Permissions.2.IpProtocol=all&Permissions.2.PortRange=-1/-1&Permissions.2.Priority=7";
    let list = format!("{list}&{second}&Permissions.2.SourceGroupId={group}");
    door.ask("AuthorizeSecurityGroup", &list).await;
    let out = format!("{at_group}&IpProtocol=tcp&PortRange=443/443&DestCidrIp=0.0.0.0/0&Policy=drop");
    door.ask("AuthorizeSecurityGroupEgress", &out).await;
    let one = door.ask("DescribeSecurityGroupAttribute", &at_group).await;
    assert_eq!(count(&one, "Permissions.Permission"), 4);
    assert_eq!(text(&one, "Permissions.Permission.0.IpProtocol"), "TCP");
    assert_eq!(text(&one, "Permissions.Permission.2.SourceGroupName"), "web");
    assert_eq!(text(&one, "Permissions.Permission.2.Priority"), "7");
    let one = door.ask("DescribeSecurityGroupAttribute", &format!("{at_group}&Direction=egress")).await;
    assert_eq!(
        (count(&one, "Permissions.Permission"), text(&one, "Permissions.Permission.0.Policy")),
        (1, "Drop".to_owned())
    );
    let rule = text(&one, "Permissions.Permission.0.SecurityGroupRuleId");
    door.ask("RevokeSecurityGroup", &ssh).await;
    door.ask("RevokeSecurityGroup", &ssh).await;
    door.ask("RevokeSecurityGroupEgress", &format!("{at_group}&SecurityGroupRuleId.1={rule}")).await;
    let all =
        door.ask("DescribeSecurityGroups", &format!("{HERE}&SecurityGroupIds=%5B%22{group}%22%5D")).await;
    assert_eq!(text(&all, "SecurityGroups.SecurityGroup.0.RuleCount"), "2");
    door.ask("ModifySecurityGroupAttribute", &format!("{at_group}&SecurityGroupName=front")).await;
    door.ask("ModifySecurityGroupPolicy", &format!("{at_group}&InnerAccessPolicy=Drop")).await;
    let one = door.ask("DescribeSecurityGroupAttribute", &at_group).await;
    assert_eq!(
        (text(&one, "SecurityGroupName"), text(&one, "InnerAccessPolicy")),
        ("front".to_owned(), "Drop".to_owned())
    );
    for (query, status, code) in [
        (ssh.replace("22/22", "22"), 400, "InvalidPortRange.Malformed"),
        (ssh.replace("TCP", "SCTP"), 400, "InvalidIpProtocol.ValueNotSupported"),
        (ssh.replace("0.0.0.0/0", "x"), 400, "InvalidSourceCidrIp.Malformed"),
        (format!("{ssh}&Priority=101"), 400, "InvalidPriority.ValueNotSupported"),
        (format!("{ssh}&Priority=high"), 400, "InvalidPriority.ValueNotSupported"),
        (format!("{ssh}&SourceGroupId=sg-none"), 404, "InvalidSourceGroupId.NotFound"),
        (ssh.replace("SourceCidrIp", "DestCidrIp"), 400, "MissingParameter.Source"),
        (ssh.replace(&group, "sg-none"), 404, "InvalidSecurityGroupId.NotFound"),
        (at_group, 400, "MissingParameter"),
    ] {
        assert_eq!(door.refused("AuthorizeSecurityGroup", &query).await, no(status, code), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_pairs_are_made_imported_found_and_deleted() {
    let door = Door::open().await;
    let made =
        door.ask("CreateKeyPair", &format!("{HERE}&KeyPairName=laptop&Tag.1.Key=env&Tag.1.Value=test")).await;
    assert!(text(&made, "PrivateKeyBody").starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    assert!(text(&made, "KeyPairId").starts_with("ssh-"));
    let found = door.ask("DescribeKeyPairs", &format!("{HERE}&KeyPairName=lap*&IncludePublicKey=True")).await;
    assert_eq!(text(&found, "KeyPairs.KeyPair.0.KeyPairFingerPrint"), text(&made, "KeyPairFingerPrint"));
    assert_eq!(text(&found, "KeyPairs.KeyPair.0.Tags.Tag.0.TagKey"), "env");
    let public_key = wire::percent(&text(&found, "KeyPairs.KeyPair.0.PublicKey"));
    let again = format!("{HERE}&KeyPairName=laptop");
    assert_eq!(door.refused("CreateKeyPair", &again).await, no(400, "KeyPair.AlreadyExist"));
    let import = format!("{HERE}&KeyPairName=phone&PublicKeyBody={public_key}");
    let imported = door.ask("ImportKeyPair", &import).await;
    assert_eq!(text(&imported, "KeyPairFingerPrint"), text(&made, "KeyPairFingerPrint"));
    let wrong = format!("{HERE}&KeyPairName=third&PublicKeyBody=ssh-rsa+x");
    assert_eq!(door.refused("ImportKeyPair", &wrong).await, no(400, "InvalidPublicKeyBody.Malformed"));
    let attach = format!("{HERE}&KeyPairName=phone&InstanceIds=%5B%22i-1%22%5D");
    assert_eq!(door.refused("AttachKeyPair", &attach).await, no(404, "InvalidInstanceId.NotFound"));
    let attach = attach.replace("phone", "none");
    assert_eq!(door.refused("AttachKeyPair", &attach).await, no(404, "InvalidKeyPair.NotFound"));
    let names = wire::percent(r#"["laptop","phone","none"]"#);
    door.ask("DeleteKeyPairs", &format!("{HERE}&KeyPairNames={names}")).await;
    let gone = door.refused("DeleteKeyPairs", &format!("{HERE}&KeyPairNames={names}")).await;
    assert_eq!(gone, no(404, "InvalidKeyPair.NotFound"));
    assert_eq!(text(&door.ask("DescribeKeyPairs", HERE).await, "TotalCount"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_tried_is_not_made_and_what_has_a_token_is_made_once() {
    let door = Door::open().await;
    let dry = format!("{HERE}&CidrBlock=10.0.0.0/8&DryRun=true");
    assert_eq!(door.refused_of(VPC, "CreateVpc", &dry).await, no(400, "DryRunOperation"));
    let once = format!("{HERE}&CidrBlock=10.0.0.0/8&ClientToken=t-1");
    let first = text(&door.ask("CreateVpc", &once).await, "VpcId");
    assert_eq!(text(&door.ask("CreateVpc", &once).await, "VpcId"), first);
    let other = door.refused("CreateVpc", &once.replace("10.0.0.0/8", "10.1.0.0/16")).await;
    assert_eq!(other.1, "IdempotentParameterMismatch");
    assert_eq!(text(&door.ask("DescribeVpcs", HERE).await, "TotalCount"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_ask_where_a_product_is_are_told_the_name_they_came_by() {
    let door = Door::open().await;
    let ask = "Id=cn-hangzhou&ServiceCode=ecs&Type=openAPI";
    let told = door.ask_of(LOCATION, "DescribeEndpoints", ask).await.unwrap();
    let endpoint = concat!(
        r#"{"Endpoints":{"Endpoint":[{"Protocols":{"Protocols":["HTTP","HTTPS"]},"Type":"openAPI","#,
        r#""Namespace":"26842","Id":"cn-hangzhou","SerivceCode":"ecs","Endpoint":"127.0.0.1:8080"}]},"Success":true}"#
    );
    assert_eq!(told.json(), endpoint);
    let nowhere =
        door.ask_of(LOCATION, "DescribeEndpoints", &ask.replace("cn-hangzhou", "mars-1")).await.unwrap_err();
    assert_eq!(
        (nowhere.code.as_str(), nowhere.message.as_str()),
        ("InvalidRegionId", "The specified region does not exist.")
    );
    let other = door.ask_of(LOCATION, "DescribeEndpoints", &ask.replace("ecs", "rds")).await.unwrap_err();
    assert_eq!(
        (other.code.as_str(), other.message.as_str()),
        ("Illegal Parameter", "Please check the parameters")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn resource_groups_are_made_listed_and_joined() {
    let door = Door::open().await;
    let all = door.ask_of(RESOURCE_MANAGER, "ListResourceGroups", "").await.unwrap();
    assert_eq!(
        (count(&all, "ResourceGroups.ResourceGroup"), text(&all, "ResourceGroups.ResourceGroup.0.Name")),
        (1, "default".to_owned())
    );
    let team_called = "Name=team&DisplayName=The+team";
    let made = door.ask_of(RESOURCE_MANAGER, "CreateResourceGroup", team_called).await.unwrap();
    let team = text(&made, "ResourceGroup.Id");
    assert_eq!(count(&made, "ResourceGroup.RegionStatuses.RegionStatus"), 2);
    let again = door.refused_of(RESOURCE_MANAGER, "CreateResourceGroup", team_called).await;
    assert_eq!(again, no(409, "EntityAlreadyExists.ResourceGroup"));
    let one =
        door.ask_of(RESOURCE_MANAGER, "GetResourceGroup", &format!("ResourceGroupId={team}")).await.unwrap();
    assert_eq!(text(&one, "ResourceGroup.DisplayName"), "The team");
    let gone = door.refused_of(RESOURCE_MANAGER, "GetResourceGroup", "ResourceGroupId=rg-none").await;
    assert_eq!(gone, no(404, "EntityNotExists.ResourceGroup"));
    let group = text(
        &door.ask("CreateSecurityGroup", &format!("{HERE}&ResourceGroupId={team}")).await,
        "SecurityGroupId",
    );
    let found = door.ask("DescribeSecurityGroups", &format!("{HERE}&ResourceGroupId={team}")).await;
    assert_eq!(text(&found, "SecurityGroups.SecurityGroup.0.SecurityGroupId"), group);
    let astray = door.refused("CreateSecurityGroup", &format!("{HERE}&ResourceGroupId=rg-none")).await;
    assert_eq!(astray, no(404, "InvalidResourceGroup.NotFound"));
    let first = text(&all, "ResourceGroups.ResourceGroup.0.Id");
    let join = format!("{HERE}&ResourceType=securitygroup&ResourceId={group}&ResourceGroupId={first}");
    door.ask("JoinResourceGroup", &join).await;
    let found = door.ask("DescribeSecurityGroups", &format!("{HERE}&ResourceGroupId={team}")).await;
    assert_eq!(count(&found, "SecurityGroups.SecurityGroup"), 0);
    let image = door.image("web", domain::machine::Architecture::X8664).await;
    let found = door.ask("DescribeImages", HERE).await;
    assert_eq!(text(&found, "Images.Image.0.ResourceGroupId"), first);
    let join = format!("{HERE}&ResourceType=image&ResourceId={image}&ResourceGroupId={team}");
    door.ask("JoinResourceGroup", &join).await;
    let found = door.ask("DescribeImages", &format!("{HERE}&ResourceGroupId={team}")).await;
    assert_eq!(text(&found, "Images.Image.0.ResourceGroupId"), team);
    let found = door.ask("DescribeImages", &format!("{HERE}&ResourceGroupId={first}")).await;
    assert_eq!(count(&found, "Images.Image"), 0);
    let snapshot = text(
        &found_of(&door, &image).await,
        "Images.Image.0.DiskDeviceMappings.DiskDeviceMapping.0.SnapshotId",
    );
    let create = format!("{HERE}&SnapshotId={snapshot}&ClientToken=once&ImageName=teams&ResourceGroupId");
    assert_eq!(
        door.refused("CreateImage", &format!("{create}=rg-none")).await,
        no(404, "InvalidResourceGroup.NotFound")
    );
    let made = text(&door.ask("CreateImage", &format!("{create}={team}")).await, "ImageId");
    assert_eq!(text(&door.ask("CreateImage", &format!("{create}={team}")).await, "ImageId"), made);
    let found = found_of(&door, &made).await;
    assert_eq!(text(&found, "Images.Image.0.ResourceGroupId"), team);
}

/// That nothing of the account is in a group is remembered when an image is shown, until the first is put in one.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_thing_that_is_put_in_a_group_is_seen_there() {
    let door = Door::open().await;
    let made = door.ask_of(RESOURCE_MANAGER, "CreateResourceGroup", "Name=team&DisplayName=The team").await;
    let team = text(&made.unwrap(), "ResourceGroup.Id");
    let image = door.image("web", domain::machine::Architecture::X8664).await;
    let group = async || text(&found_of(&door, &image).await, "Images.Image.0.ResourceGroupId");
    assert_ne!(group().await, team);
    let join = format!("{HERE}&ResourceType=image&ResourceId={image}&ResourceGroupId={team}");
    door.ask("JoinResourceGroup", &join).await;
    assert_eq!(group().await, team);
}

/// An image, whatever is going on with it.
async fn found_of(door: &Door, image: &str) -> wire::Object {
    door.ask("DescribeImages", &format!("{HERE}&Status=ALL&ImageId={image}")).await
}
