//! What is asked about instances, types and zones, as long as nothing runs instances: mistakes are told, and then
//! that.

use domain::machine::Architecture;

use crate::actions::VPC;
use crate::tests_door::{Door, at, count, text};

const HERE: &str = "RegionId=cn-hangzhou";

fn no(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_is_refused_for_its_mistakes_before_it_is_for_want_of_a_driver() {
    let door = Door::open().await;
    let image = door.image("web", Architecture::X8664).await;
    let arm = door.image("arm", Architecture::Arm64).await;
    let old = door.image("old", Architecture::I386).await;
    let vpc = text(&door.ask("CreateVpc", HERE).await, "VpcId");
    let other = text(&door.ask("CreateVpc", HERE).await, "VpcId");
    let part = format!("VpcId={vpc}&ZoneId=cn-hangzhou-a&CidrBlock=172.16.0.0/24");
    let vswitch = text(&door.ask("CreateVSwitch", &part).await, "VSwitchId");
    let group =
        text(&door.ask("CreateSecurityGroup", &format!("{HERE}&VpcId={vpc}")).await, "SecurityGroupId");
    let astray =
        text(&door.ask("CreateSecurityGroup", &format!("{HERE}&VpcId={other}")).await, "SecurityGroupId");
    let stands = format!("VSwitchId={vswitch}&SecurityGroupId={group}");
    let good = format!("{HERE}&ImageId={image}&InstanceType=ecs.g7.large&{stands}&SystemDisk.Size=40");
    for action in ["RunInstances", "CreateInstance"] {
        assert_eq!(door.refused(action, &good).await, no(403, "OperationDenied.NoStock"));
        let dry = format!("{good}&DryRun=True");
        assert_eq!(door.refused(action, &dry).await, no(400, "DryRunOperation"));
    }
    let by_family = good.replace(&format!("ImageId={image}"), "ImageFamily=web");
    for (query, status, code) in [
        (good.replace("cn-hangzhou&", "mars-1&"), 404, "InvalidRegionId.NotFound"),
        (good.replace(&image, "m-00000000000000000000"), 404, "InvalidImageId.NotFound"),
        (good.replace(&image, "web"), 404, "InvalidImageId.NotFound"),
        (good.replace(&image, &arm), 403, "ImageNotSupportInstanceType"),
        (good.replace(&image, &old), 403, "ImageNotSupportInstanceType"),
        (good.replace("g7.large", "g8y.large"), 403, "ImageNotSupportInstanceType"),
        (good.replace("g7.large", "huge"), 400, "InvalidInstanceType.ValueNotSupported"),
        (format!("{good}&ImageFamily=web"), 400, "InvalidParameter.Conflict"),
        (by_family.replace("=web", "=none"), 404, "InvalidImageId.NotFound"),
        (good.replace(&vswitch, "vsw-none"), 404, "InvalidVSwitchId.NotFound"),
        (good.replace(&group, "sg-none"), 404, "InvalidSecurityGroupId.NotFound"),
        (good.replace(&group, &astray), 400, "InvalidSecurityGroupId.VPCMismatch"),
        (good.replace("SecurityGroupId", "Nothing"), 400, "MissingParameter"),
        (format!("{good}&ZoneId=cn-hangzhou-b"), 400, "InvalidVSwitchId.ZoneMismatch"),
        (format!("{good}&ZoneId=cn-hangzhou-z"), 404, "InvalidZoneId.NotFound"),
        (format!("{good}&KeyPairName=none"), 404, "InvalidKeyPairName.NotFound"),
        (format!("{good}&Amount=101"), 400, "InvalidParameter.Amount"),
        (format!("{good}&Password=short"), 400, "InvalidPassword.Malformed"),
        (format!("{good}&InstanceName=1"), 400, "InvalidInstanceName.Malformed"),
        (format!("{good}&HostName=-x-"), 400, "InvalidHostName.Malformed"),
        (format!("{good}&UserData=!"), 400, "InvalidUserData.Base64FormatInvalid"),
        (format!("{good}&UserData={}", "AAAA".repeat(11_000)), 400, "InvalidUserData.SizeExceeded"),
        (format!("{good}&HttpTokens=required"), 400, "InvalidHttpTokens.NotSupported"),
        (good.replace("Size=40", "Size=10"), 404, "InvalidSystemDiskSize.LessThanMinSize"),
        (good.replace("Size=40", "Size=0"), 404, "InvalidSystemDiskSize.LessThanImageSize"),
        (by_family.replace("ecs.g7.large", "ecs.t5-lc1m1.small"), 403, "OperationDenied.NoStock"),
        (
            good.replace(&image, &old).replace("ecs.g7.large", "ecs.t6-c1m1.large"),
            403,
            "OperationDenied.NoStock",
        ),
    ] {
        assert_eq!(door.refused("RunInstances", &query).await, no(status, code), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_none_and_every_question_about_them_is_answered_so() {
    let door = Door::open().await;
    for (action, list) in [
        ("DescribeInstances", "Instances.Instance"),
        ("DescribeInstanceStatus", "InstanceStatuses.InstanceStatus"),
        ("DescribeCommands", "Commands.Command"),
        ("DescribeInvocations", "Invocations.Invocation"),
        ("DescribeSendFileResults", "Invocations.Invocation"),
        ("DescribeInvocationResults", "Invocation.InvocationResults.InvocationResult"),
        ("DescribeCloudAssistantStatus", "InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus"),
    ] {
        let answer = door.ask(action, &format!("{HERE}&PageSize=20")).await;
        let prefix = if action == "DescribeInvocationResults" { "Invocation." } else { "" };
        assert_eq!(
            (count(&answer, list), text(&answer, &format!("{prefix}PageSize")).as_str()),
            (0, "20"),
            "{action}"
        );
        assert_eq!(text(&answer, &format!("{prefix}TotalCount")), "0");
    }
    let gone = no(404, "InvalidInstanceId.NotFound");
    for action in [
        "StartInstance",
        "StopInstance",
        "RebootInstance",
        "DeleteInstance",
        "ModifyInstanceAttribute",
        "AllocatePublicIpAddress",
        "DescribeInstanceAttribute",
        "ReplaceSystemDisk",
        "DescribeUserData",
    ] {
        assert_eq!(door.refused(action, &format!("{HERE}&InstanceId=i-1")).await, gone, "{action}");
        assert_eq!(door.refused(action, HERE).await, no(400, "MissingParameter"), "{action}");
    }
    for action in
        ["StartInstances", "StopInstances", "RebootInstances", "DeleteInstances", "InstallCloudAssistant"]
    {
        assert_eq!(door.refused(action, &format!("{HERE}&InstanceId.1=i-1")).await, gone, "{action}");
        assert_eq!(door.refused(action, HERE).await, no(400, "MissingParameter"), "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disks_and_commands_for_instances_are_checked_and_refused() {
    let door = Door::open().await;
    let disk = text(&door.ask("CreateDisk", &format!("{HERE}&ZoneId=cn-hangzhou-a&Size=1")).await, "DiskId");
    let attach = format!("DiskId={disk}&InstanceId=i-1");
    for action in ["AttachDisk", "DetachDisk"] {
        assert_eq!(door.refused(action, &attach).await, no(404, "InvalidInstanceId.NotFound"));
        let absent = attach.replace(&disk, "d-00000000000000000000");
        assert_eq!(door.refused(action, &absent).await, no(404, "InvalidDiskId.NotFound"));
    }
    assert_eq!(door.refused("ReInitDisk", &attach).await, no(403, "IncorrectDiskStatus"));
    let run = format!("{HERE}&Type=RunShellScript&CommandContent=ls&InstanceId.1=i-1");
    for (query, status, code) in [
        (run.clone(), 404, "InvalidInstance.NotFound"),
        (run.replace("RunShellScript", "RunBasic"), 403, "InvalidCmdType.NotFound"),
        (run.replace("CommandContent=ls", ""), 400, "MissingParameter"),
        (run.replace("=ls", &format!("={}", "x".repeat(25_000))), 403, "CmdContent.ExceedLimit"),
        (format!("{run}&Name={}", "x".repeat(129)), 403, "CmdName.ExceedLimit"),
        (format!("{run}&Description={}", "x".repeat(513)), 403, "CmdDesc.ExceedLimit"),
    ] {
        assert_eq!(door.refused("RunCommand", &query).await, no(status, code), "{query}");
    }
    let create = format!("{HERE}&Name=list&Type=RunShellScript&CommandContent=bHM=");
    assert_eq!(door.refused("CreateCommand", &create).await, no(403, "OperationDenied.NoStock"));
    for action in ["InvokeCommand", "DeleteCommand"] {
        assert_eq!(
            door.refused(action, &format!("{HERE}&CommandId=c-1")).await,
            no(404, "InvalidCmdId.NotFound")
        );
    }
    let stop = door.refused("StopInvocation", &format!("{HERE}&InvokeId=t-1")).await;
    assert_eq!(stop, no(404, "InvalidInvokeId.NotFound"));
    let send = format!("{HERE}&Name=a&TargetDir=/tmp&Content=x&InstanceId.1=i-1");
    assert_eq!(door.refused("SendFile", &send).await, no(404, "InvalidInstance.NotFound"));
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_and_types_are_told_as_tools_look_for_them() {
    let door = Door::open().await;
    let zones = door.ask("DescribeZones", HERE).await;
    assert_eq!(text(&zones, "Zones.Zone.0.ZoneId"), "cn-hangzhou-a");
    assert_eq!(text(&zones, "Zones.Zone.1.ZoneId"), "cn-hangzhou-b");
    assert!(
        count(&zones, "Zones.Zone.0.AvailableResources.ResourcesInfo.0.InstanceTypes.supportedInstanceType")
            > 36
    );
    let types = door.ask("DescribeInstanceTypes", "InstanceTypeFamily=ecs.g7&MinimumCpuCoreCount=8").await;
    assert_eq!(count(&types, "InstanceTypes.InstanceType"), 2);
    assert_eq!(text(&types, "InstanceTypes.InstanceType.0.InstanceTypeId"), "ecs.g7.2xlarge");
    let types =
        door.ask("DescribeInstanceTypes", "InstanceTypes.1=ecs.c7.large&InstanceTypes.2=ecs.none").await;
    assert_eq!(count(&types, "InstanceTypes.InstanceType"), 1);
    let types = door.ask("DescribeInstanceTypes", "CpuArchitecture=ARM").await;
    assert_eq!(count(&types, "InstanceTypes.InstanceType"), 12);
    let families = door.ask("DescribeInstanceTypeFamilies", &format!("{HERE}&Generation=ecs-g7")).await;
    assert_eq!(text(&families, "InstanceTypeFamilies.InstanceTypeFamily.0.InstanceTypeFamilyId"), "ecs.g7");
    let wanted = format!("{HERE}&DestinationResource=InstanceType&Cores=2&Memory=4&ZoneId=cn-hangzhou-b");
    let found = door.ask("DescribeAvailableResource", &wanted).await;
    let in_zone = concat!(
        "AvailableZones.AvailableZone.0.AvailableResources.AvailableResource.0",
        ".SupportedResources.SupportedResource"
    );
    assert_eq!((count(&found, "AvailableZones.AvailableZone"), count(&found, in_zone)), (1, 5));
    let disks =
        door.ask("DescribeAvailableResource", &format!("{HERE}&DestinationResource=SystemDisk")).await;
    assert_eq!(text(&disks, &format!("{in_zone}.0.Value")), "cloud_essd");
    let wrong = door.refused("DescribeAvailableResource", &format!("{HERE}&DestinationResource=Moon")).await;
    assert_eq!(wrong, no(400, "InvalidDestinationResource.ValueNotSupported"));
    let arm = door.image("arm", Architecture::Arm64).await;
    let fits = door.ask("DescribeImageSupportInstanceTypes", &format!("{HERE}&ImageId={arm}")).await;
    assert_eq!(count(&fits, "InstanceTypes.InstanceType"), 12);
    for (wanted, images) in [
        ("InstanceType=ecs.g8y.large", 1),
        ("InstanceType=ecs.g6.large", 0),
        ("InstanceType=ecs.t6-c1m1.large&Architecture=arm64", 0),
        ("InstanceType=ecs.g8y.large&Architecture=arm64&ActionType=ChangeOS", 1),
    ] {
        let found = door.ask("DescribeImages", &format!("{HERE}&{wanted}")).await;
        assert_eq!(count(&found, "Images.Image"), images, "{wanted}");
    }
    for (wanted, code) in [
        ("InstanceType=huge", "InvalidInstanceType.ValueNotSupported"),
        ("ActionType=Dance", "InvalidParamter"),
    ] {
        assert_eq!(door.refused("DescribeImages", &format!("{HERE}&{wanted}")).await, no(400, code));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn public_addresses_are_allocated_and_released() {
    let door = Door::open().await;
    let made =
        door.ask("AllocateEipAddress", &format!("{HERE}&Bandwidth=10&InternetChargeType=PayByTraffic")).await;
    let (id, address) = (text(&made, "AllocationId"), text(&made, "EipAddress"));
    assert!(address.starts_with("198.1"), "{address}");
    let found = door.ask("DescribeEipAddresses", &format!("{HERE}&AllocationId={id}")).await;
    assert_eq!(text(&found, "EipAddresses.EipAddress.0.IpAddress"), address);
    assert_eq!(at(&found, "EipAddresses.EipAddress.0.ISP"), None);
    let found = door.ask_vpc("DescribeEipAddresses", &format!("{HERE}&EipAddress={address}")).await;
    assert_eq!(text(&found, "EipAddresses.EipAddress.0.ISP"), "BGP");
    let give = format!("AllocationId={id}&InstanceId=i-1");
    assert_eq!(
        door.refused_of(VPC, "AssociateEipAddress", &give).await,
        no(404, "InvalidInstanceId.NotFound")
    );
    assert_eq!(door.refused("UnassociateEipAddress", &give).await, no(403, "IncorrectEipStatus"));
    door.ask_vpc("ReleaseEipAddress", &format!("AllocationId={id}")).await;
    assert_eq!(door.refused("ReleaseEipAddress", &give).await, no(404, "InvalidAllocationId.NotFound"));
    let wrong = door.refused("AllocateEipAddress", &format!("{HERE}&Bandwidth=0")).await;
    assert_eq!(wrong, no(400, "InvalidParameter.Bandwidth"));
}
