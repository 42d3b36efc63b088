//! Asking twice, and asking only whether it could be: client tokens make a request happen once, and a trial changes
//! nothing and is never a success.

use serde_json::Value as Json;

use crate::tests_contract::SCOPE;
use crate::tests_kit::{Answered, FRIEND, HERE, THERE, World, code};
use crate::tests_tree::leaves;

/// A house with an image, a disk and a snapshot, in which nothing goes on any more.
pub(crate) async fn quiet() -> World {
    let world = World::new().await;
    let image = world.import("web-1").await;
    world.call_it("image", &image.into());
    let shown = world.ask("DescribeImages", &[("RegionId", HERE)]).await.unwrap();
    let mapping = &shown["Images"]["Image"][0]["DiskDeviceMappings"]["DiskDeviceMapping"][0];
    world.call_it("image-snapshot", &mapping["SnapshotId"]);
    let disk =
        world.ask("CreateDisk", &[("RegionId", HERE), ("SnapshotId", "{image-snapshot}")]).await.unwrap();
    world.call_it("disk", &disk["DiskId"]);
    let is_there = |answer: &Json| answer["TotalCount"] == 1;
    world.until("DescribeDisks", &[("RegionId", HERE), ("Status", "Available")], is_there).await;
    let snapshot =
        world.ask("CreateSnapshot", &[("DiskId", "{disk}"), ("SnapshotName", "first")]).await.unwrap();
    world.call_it("snapshot", &snapshot["SnapshotId"]);
    let taken = [("RegionId", HERE), ("SnapshotName", "first"), ("Status", "accomplished")];
    world.until("DescribeSnapshots", &taken, is_there).await;
    world
}

/// What a trial is told: of a request that could be, and of one that could not.
struct Trial {
    action: &'static str,
    /// The code where nothing stands against it.
    passes: &'static str,
    /// What makes it impossible, and the code of that.
    wrong: (&'static str, &'static str, &'static str),
}

const TRIALS: &[Trial] = &[
    Trial { action: "CopyImage", passes: "DryRunOperation", wrong: NO_IMAGE },
    Trial {
        action: "CreateImage",
        passes: "DryRunOperation",
        wrong: ("ImageName", "web-1", "InvalidImageName.Duplicated"),
    },
    Trial { action: "DeleteImage", passes: "DryRunOperation", wrong: NO_IMAGE },
    Trial {
        action: "DescribeDisks",
        passes: "DryRunOperation",
        wrong: ("Status", "Gone", "InvalidStatus.NotFound"),
    },
    Trial { action: "DescribeImages", passes: "DryRunOperation", wrong: ("Usage", "x", "InvalidUsage") },
    Trial {
        action: "DescribeSecurityGroups",
        passes: "DryRunOperation",
        wrong: ("SecurityGroupType", "x", "InvalidSecurityGroupType.ValueNotSupported"),
    },
    Trial {
        action: "DescribeSnapshots",
        passes: "DryRunOperation",
        wrong: ("Status", "Gone", "InvalidStatus.NotFound"),
    },
    Trial {
        action: "ExportImage",
        passes: "DryRunOperation",
        wrong: ("OSSBucket", "elsewhere", "InvalidOSSBucket.NotFound"),
    },
    Trial {
        action: "ImportImage",
        passes: "DRYRUN.SUCCESS",
        wrong: ("DiskDeviceMapping.1.OSSObject", "none.raw", "InvalidOSSObject.NotFound"),
    },
    Trial {
        action: "LockSnapshot",
        passes: "InvalidOperation.SnapshotLockUnsupported",
        wrong: ("SnapshotId", "s-00000000000000000000", "InvalidSnapshotId.NotFound"),
    },
    Trial {
        action: "ModifyImageAttribute",
        passes: "DryRunOperation",
        wrong: ("Status", "Available", "ImageStatus.NotDeprecated"),
    },
    Trial {
        action: "ModifyImageSharePermission",
        passes: "DryRunOperation",
        wrong: ("AddAccount.1", "100000", "InvalidAccount.Forbbiden"),
    },
    Trial {
        action: "UnlockSnapshot",
        passes: "InvalidOperation.SnapshotNotLocked",
        wrong: ("SnapshotId", "x", "InvalidSnapshotId.NotFound"),
    },
];
const NO_IMAGE: (&str, &str, &str) = ("ImageId", "m-00000000000000000000", "InvalidImageId.NotFound");

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_changes_nothing_and_is_told_what_would_have_come_of_it() {
    let world = quiet().await;
    let is_trial =
        |action: &&&str| leaves(&world.contracts[**action].request, "1").iter().any(|name| name == "DryRun");
    let declared: Vec<&str> = SCOPE.iter().filter(is_trial).copied().collect();
    assert_eq!(declared, TRIALS.iter().map(|trial| trial.action).collect::<Vec<_>>());
    let before = world.head().await;
    for Trial { action, passes, wrong: (name, value, refused) } in TRIALS {
        let dry = ("DryRun", "True");
        let told = world.ask_whole(action, &[dry]).await.unwrap_err();
        let status = if passes.starts_with("InvalidOperation") { 403 } else { 400 };
        assert_eq!((told.code.as_str(), told.status), (*passes, status), "{action}");
        assert_eq!(code(world.ask_whole(action, &[dry, (name, value)]).await), *refused, "{action}");
        assert_eq!(world.head().await, before, "{action} left a trace in the log");
    }
}

/// An action that may be asked once: what it makes, what of it can be another, and what is told then.
struct Once {
    action: &'static str,
    made: &'static str,
    params: &'static [(&'static str, &'static str)],
    other: (&'static str, &'static str),
    code: &'static str,
    status: u16,
}

const ONCE: &[Once] = &[
    Once {
        action: "CopyImage",
        made: "ImageId",
        params: &[("RegionId", HERE), ("ImageId", "{image}"), ("DestinationRegionId", THERE)],
        other: ("DestinationDescription", "another"),
        code: "IdempotentParameterMismatch",
        status: 400,
    },
    Once {
        action: "CopySnapshot",
        made: "SnapshotId",
        params: &[
            ("RegionId", HERE),
            ("SnapshotId", "{snapshot}"),
            ("DestinationRegionId", THERE),
            ("DestinationSnapshotName", "copy"),
            ("DestinationSnapshotDescription", "of a test"),
        ],
        other: ("RetentionDays", "9"),
        code: "IdempotentParameterMismatch",
        status: 400,
    },
    Once {
        action: "CreateDisk",
        made: "DiskId",
        params: &[("RegionId", HERE), ("Size", "20")],
        other: ("DiskName", "another"),
        code: "IdempotentParameterMismatch",
        status: 400,
    },
    Once {
        action: "CreateImage",
        made: "ImageId",
        params: &[("RegionId", HERE), ("SnapshotId", "{image-snapshot}"), ("ImageName", "once")],
        other: ("ImageName", "twice"),
        code: "IdempotenceParamNotMatch",
        status: 400,
    },
    Once {
        action: "CreateSnapshot",
        made: "SnapshotId",
        params: &[("DiskId", "{disk}"), ("SnapshotName", "once")],
        other: ("SnapshotName", "twice"),
        code: "IdempotentParameterMismatch",
        status: 403,
    },
    Once {
        action: "ImportImage",
        made: "ImageId",
        params: &[
            ("RegionId", HERE),
            ("DiskDeviceMapping.1.OSSBucket", "uploads"),
            ("DiskDeviceMapping.1.OSSObject", "data.raw"),
        ],
        other: ("DiskDeviceMapping.1.DiskImageSize", "9"),
        code: "IdempotentParameterMismatch",
        status: 400,
    },
];

async fn with(world: &World, once: &Once, more: &[(&str, &str)]) -> Answered {
    world.ask(once.action, &[once.params, more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_makes_a_request_happen_once_and_is_of_one_action_alone() {
    let world = quiet().await;
    // One token for all of them: each action has its own.
    let token = ("ClientToken", "Zm9v/YmFy+w==");
    for once in ONCE {
        let action = once.action;
        let first = with(&world, once, &[token]).await.unwrap();
        let again = with(&world, once, &[token]).await.unwrap();
        assert_eq!(first[once.made], again[once.made], "{action}");
        let told = with(&world, once, &[token, once.other]).await.unwrap_err();
        assert_eq!((told.code.as_str(), told.status), (once.code, once.status), "{action}");
        let dry = with(&world, once, &[token, ("DryRun", "true")]).await.unwrap_err();
        assert_eq!(dry.status, 400, "{action} answers a trial with a success");
        for wrong in ["x".repeat(65), "ä".to_owned(), "a\nb".to_owned()] {
            let told = with(&world, once, &[("ClientToken", &wrong)]).await.unwrap_err();
            assert_eq!((told.code.as_str(), told.status), ("InvalidClientToken.Malformed", 400), "{action}");
        }
        let shown = [("RegionId", HERE), ("Status", "ALL"), ("ImageName", "*")];
        world.until("DescribeImages", &shown, |answer| !answer.to_string().contains("Creating")).await;
        let unfinished = [("RegionId", HERE), ("Status", "progressing")];
        world.until("DescribeSnapshots", &unfinished, |answer| answer["TotalCount"] == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_of_one_account_and_one_region() {
    let world = World::new().await;
    let params = [("Size", "20"), ("ClientToken", "one")];
    let mut disks = Vec::new();
    for (account, region) in [("100000", HERE), ("100000", THERE), (FRIEND, HERE)] {
        let params = [&params[..], &[("RegionId", region)]].concat();
        let first = world.ask_as(account, "CreateDisk", &params).await.unwrap();
        assert_eq!(world.ask_as(account, "CreateDisk", &params).await.unwrap(), first);
        disks.push(first["DiskId"].to_string());
    }
    disks.sort();
    disks.dedup();
    assert_eq!(disks.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_requests_with_one_token_at_once_one_does_it_and_the_other_is_told_so() {
    let world = World::new().await;
    for round in 0..20 {
        let token = format!("at-once-{round}");
        let params = [("RegionId", HERE), ("Size", "20"), ("ClientToken", &*token), ("DiskName", &*token)];
        let (one, two) = tokio::join!(world.ask("CreateDisk", &params), world.ask("CreateDisk", &params));
        let mut disks = Vec::new();
        for answer in [one, two] {
            match answer {
                Ok(answer) => disks.push(answer["DiskId"].to_string()),
                Err(told) => assert_eq!((told.code.as_str(), told.status), ("LastTokenProcessing", 403)),
            }
        }
        disks.dedup();
        assert_eq!(disks.len(), 1, "both did it, or neither");
        let shown = world.ask("DescribeDisks", &[("RegionId", HERE), ("DiskName", &token)]).await.unwrap();
        assert_eq!(shown["TotalCount"], 1);
    }
}
