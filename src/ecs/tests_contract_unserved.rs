//! The contract of what needs a running machine: asked with everything it declares, it looks at exactly what is
//! listed here, and then says that there is nothing to do it with. What it looks at is not all ignored in silence:
//! mistakes in it are told first.

use std::collections::BTreeSet;

use crate::tests_calls::PUBLIC_KEY;
use crate::tests_kit::{HERE, OWNER, World};
use crate::tests_once::quiet;
use crate::tests_tree::{leaves, paths, samples};

/// An action that nothing serves before there is a compute driver.
pub(crate) struct Unserved {
    pub(crate) action: &'static str,
    /// How it ends where nothing is wrong with the request: refused with this code, or answered with nothing in this
    /// list.
    ends: Ends,
    /// The parameters that are looked at.
    pub(crate) looks_at: &'static [&'static str],
    /// Values that are valid beyond their type.
    pub(crate) params: &'static [(&'static str, &'static str)],
}

enum Ends {
    No(u16, &'static str),
    Nothing(&'static str),
}

const NO_INSTANCE: Ends = Ends::No(404, "InvalidInstanceId.NotFound");
const NO_STOCK: Ends = Ends::No(403, "OperationDenied.NoStock");
const NO_TARGET: Ends = Ends::No(404, "InvalidInstance.NotFound");
const NO_COMMAND: Ends = Ends::No(404, "InvalidCmdId.NotFound");
const ONE: &[&str] = &["InstanceId"];
const SEVERAL: &[&str] = &["InstanceId.N", "RegionId"];
const PAGES: &[&str] = &["MaxResults", "NextToken", "PageNumber", "PageSize", "RegionId"];
const LAUNCH: &[(&str, &str)] = &[
    ("InstanceType", "ecs.g6.large"),
    ("ImageId", "{image}"),
    ("ImageFamily", "-"),
    ("InstanceName", "web-1"),
    ("HostName", "web-1"),
    ("Password", "Secret-12"),
    ("UserData", "bHM="),
    ("SystemDisk.Size", "40"),
    ("VSwitchId", "{vswitch}"),
    ("ZoneId", "cn-hangzhou-a"),
    ("SecurityGroupId", "{group}"),
    ("SecurityGroupIds.1", "{group}"),
    ("KeyPairName", "laptop"),
];

const fn unserved(action: &'static str, ends: Ends, looks_at: &'static [&'static str]) -> Unserved {
    Unserved { action, ends, looks_at, params: &[] }
}

/// All of them.
pub(crate) const UNSERVED: &[Unserved] = &[
    unserved("AllocatePublicIpAddress", NO_INSTANCE, ONE),
    Unserved {
        params: &[("DiskId", "{disk}")],
        ..unserved("AttachDisk", NO_INSTANCE, &["DiskId", "InstanceId"])
    },
    Unserved {
        params: &[("KeyPairName", "laptop")],
        ..unserved("AttachKeyPair", NO_INSTANCE, &["InstanceIds", "KeyPairName", "RegionId"])
    },
    Unserved {
        params: &[("Type", "RunShellScript")],
        ..unserved("CreateCommand", NO_STOCK, &["CommandContent", "Description", "Name", "RegionId", "Type"])
    },
    Unserved {
        params: LAUNCH,
        ..unserved(
            "CreateInstance",
            NO_STOCK,
            &[
                "DryRun",
                "HostName",
                "HttpTokens",
                "ImageFamily",
                "ImageId",
                "InstanceName",
                "InstanceType",
                "KeyPairName",
                "Password",
                "RegionId",
                "SecurityGroupId",
                "SystemDisk.Size",
                "UserData",
                "VSwitchId",
                "ZoneId",
            ],
        )
    },
    unserved("DeleteCommand", NO_COMMAND, &["CommandId", "RegionId"]),
    unserved("DeleteInstance", NO_INSTANCE, ONE),
    unserved("DeleteInstances", NO_INSTANCE, SEVERAL),
    unserved(
        "DescribeCloudAssistantStatus",
        Ends::Nothing("InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus"),
        PAGES,
    ),
    unserved("DescribeCommands", Ends::Nothing("Commands.Command"), PAGES),
    unserved("DescribeInstanceAttribute", NO_INSTANCE, ONE),
    unserved(
        "DescribeInstanceStatus",
        Ends::Nothing("InstanceStatuses.InstanceStatus"),
        &["PageNumber", "PageSize", "RegionId"],
    ),
    unserved(
        "DescribeInstances",
        Ends::Nothing("Instances.Instance"),
        &["DryRun", "InstanceIds", "MaxResults", "NextToken", "PageNumber", "PageSize", "RegionId"],
    ),
    unserved(
        "DescribeInvocationResults",
        Ends::Nothing("Invocation.InvocationResults.InvocationResult"),
        PAGES,
    ),
    unserved("DescribeInvocations", Ends::Nothing("Invocations.Invocation"), PAGES),
    unserved("DescribeSendFileResults", Ends::Nothing("Invocations.Invocation"), PAGES),
    unserved("DescribeUserData", NO_INSTANCE, &["InstanceId", "RegionId"]),
    Unserved {
        params: &[("DiskId", "{disk}")],
        ..unserved("DetachDisk", NO_INSTANCE, &["DiskId", "InstanceId"])
    },
    unserved("InstallCloudAssistant", NO_INSTANCE, SEVERAL),
    unserved("InvokeCommand", NO_COMMAND, &["CommandId", "RegionId"]),
    unserved("ModifyInstanceAttribute", NO_INSTANCE, ONE),
    Unserved {
        params: &[("DiskId", "{disk}")],
        ..unserved("ReInitDisk", Ends::No(403, "IncorrectDiskStatus"), &["DiskId"])
    },
    unserved("RebootInstance", NO_INSTANCE, ONE),
    unserved("RebootInstances", NO_INSTANCE, SEVERAL),
    unserved("ReplaceSystemDisk", NO_INSTANCE, ONE),
    Unserved {
        params: &[("Type", "RunShellScript")],
        ..unserved(
            "RunCommand",
            NO_TARGET,
            &["CommandContent", "Description", "InstanceId.N", "Name", "RegionId", "Type", "Username"],
        )
    },
    Unserved {
        params: LAUNCH,
        ..unserved(
            "RunInstances",
            NO_STOCK,
            &[
                "Amount",
                "DryRun",
                "HostName",
                "HttpTokens",
                "ImageFamily",
                "ImageId",
                "InstanceName",
                "InstanceType",
                "KeyPairName",
                "Password",
                "RegionId",
                "SecurityGroupId",
                "SecurityGroupIds.N",
                "SystemDisk.Size",
                "UserData",
                "VSwitchId",
                "ZoneId",
            ],
        )
    },
    unserved("SendFile", NO_TARGET, &["Content", "InstanceId.N", "Name", "RegionId", "TargetDir"]),
    unserved("StartInstance", NO_INSTANCE, ONE),
    unserved("StartInstances", NO_INSTANCE, SEVERAL),
    unserved("StopInstance", NO_INSTANCE, ONE),
    unserved("StopInstances", NO_INSTANCE, SEVERAL),
    unserved("StopInvocation", Ends::No(404, "InvalidInvokeId.NotFound"), &["InvokeId", "RegionId"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_serves_looks_at_what_it_is_said_to_and_ends_as_it_is_said_to() {
    let world = quiet().await;
    for (action, field, name) in [
        ("CreateVpc", "VpcId", "vpc"),
        ("CreateVSwitch", "VSwitchId", "vswitch"),
        ("CreateSecurityGroup", "SecurityGroupId", "group"),
    ] {
        let made = world.ask_whole(action, &[]).await.unwrap();
        world.call_it(name, &made[field]);
    }
    world
        .ask_whole("ImportKeyPair", &[("KeyPairName", "laptop"), ("PublicKeyBody", PUBLIC_KEY)])
        .await
        .unwrap();
    let before = world.head().await;
    for unserved in UNSERVED {
        check(&world, unserved).await;
    }
    assert_eq!(world.head().await, before, "something left a trace in the log");
}

async fn check(world: &World, unserved: &Unserved) {
    let Unserved { action, ends, looks_at, params: valid } = unserved;
    let contract = &world.contracts[action];
    let mut whole: Vec<(String, String)> = Vec::new();
    for (name, sample) in samples(&contract.request) {
        let own = valid.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let usual = if name == "RegionId" { HERE } else { sample };
        whole.push((name, world.filled(own.unwrap_or(usual))));
    }
    let left_out: Vec<String> =
        whole.iter().filter(|(_, value)| value == "-").map(|(name, _)| name.clone()).collect();
    whole.retain(|(_, value)| value != "-");
    // A token leads to a page, where there are any; one made up leads nowhere, and without one pages have numbers.
    let has_token = |list: &[(String, String)]| list.iter().any(|(name, _)| name == "NextToken");
    if looks_at.contains(&"NextToken") && has_token(&whole) {
        let told = world.answer(OWNER, action, whole.clone().into_iter().collect()).await.unwrap_err();
        assert_eq!((told.status, told.code.as_str()), (403, "Invalid.NextToken"), "{action}");
        whole.retain(|(name, _)| name != "NextToken");
        world.answer(OWNER, action, whole.clone().into_iter().collect()).await.unwrap();
        whole.retain(|(name, _)| name != "MaxResults");
    }
    let answer = world.answer(OWNER, action, whole.clone().into_iter().collect()).await;
    match (ends, answer) {
        (Ends::No(status, code), Err(told)) => {
            assert_eq!((told.status, told.code.as_str()), (*status, *code), "{action}: {}", told.message);
        }
        (Ends::Nothing(list), Ok(_)) => nothing(world, action, list),
        (_, answer) => panic!("{action}: {answer:?}"),
    }
    for name in left_out {
        // One that excludes another takes its place.
        let other = whole.iter().map(|(known, value)| match known.as_str() {
            "ImageId" => (name.clone(), value.clone()),
            _ => (known.clone(), value.clone()),
        });
        let told = world.answer(OWNER, action, other.collect()).await.unwrap_err();
        assert_eq!(told.code, "InvalidImageId.NotFound", "{action}: an id is no {name}");
    }
    let (reads, given) = (world.reads.lock().unwrap(), world.given.lock().unwrap());
    let declared: BTreeSet<String> = leaves(&contract.request, "N").into_iter().collect();
    let read: Vec<&String> = reads[*action].intersection(&declared).collect();
    assert_eq!(read, *looks_at, "{action} looks at");
    assert!(declared.is_subset(&given[*action]), "{action} was never asked with all it declares");
}

/// All fields of the answer are told but what is in the list.
fn nothing(world: &World, action: &str, list: &str) {
    let told = world.told.lock().unwrap();
    for path in paths(&world.contracts[action].response) {
        let has_value = told[action].get(&path).copied();
        match path.strip_prefix(list) {
            Some("") => assert_eq!(has_value, Some(false), "{action} has something in {path}"),
            Some(_) => assert_eq!(has_value, None, "{action} tells {path}"),
            // The last page has no next one.
            None if path.ends_with("NextToken") => assert_eq!(has_value, Some(false), "{action} {path}"),
            None => assert_eq!(has_value, Some(true), "{action} does not tell {path}"),
        }
    }
}
