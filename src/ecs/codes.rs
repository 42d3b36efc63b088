//! From the service's troubles to the faults of the API: statuses, and the codes in which actions differ.

use service::{Family, Trouble};
use wire::Fault;

/// Codes that are answered with another status than their family has. An action of `*` is any.
/// The source is the reference of the API, action by action.
const STATUSES: &[(&str, &str, u16)] = &[
    ("*", "InvalidArchitecture", 404),
    ("*", "InvalidOSType", 404),
    ("*", "InvalidAccount.Forbbiden", 404),
    ("*", "InvalidUsage", 404),
    ("*", "InvalidStatus.NotFound", 404),
    ("*", "InvalidSnapshotType.NotFound", 404),
    ("*", "InvalidSourceDiskType", 404),
    ("*", "InvalidFilterKey.NotFound", 404),
    ("*", "InvalidFilterValue", 404),
    ("ImportImage", "InvalidRegionId.NotFound", 400),
    ("ExportImage", "InvalidRegionId.NotFound", 400),
    ("DescribeTasks", "InvalidRegionId.NotFound", 400),
    ("DescribeTaskAttribute", "InvalidRegionId.NotFound", 400),
    ("CancelTask", "InvalidRegionId.NotFound", 400),
    ("*", "SourceRegion.NotFound", 400),
    ("*", "DestinationRegion.NotFound", 400),
    ("*", "InvalidTaskId.NotFound", 400),
    ("*", "InvalidOSSBucket.NotFound", 400),
    ("*", "InvalidOSSObject.NotFound", 400),
    ("CopyImage", "InvalidSnapshotId.NotFound", 400),
    ("*", "EntityAlreadyExists.ResourceGroup", 409),
    ("*", "InvalidOperation.Conflict", 409),
    ("*", "OperationConflict", 409),
];

/// Codes without a telling shape that are 403; most others of the caller's are 400.
const FORBIDDEN: &[&str] = &[
    "ImageNotSupportInstanceType",
    "IncorrectEipStatus",
    "AuthorizationLimitExceed",
    "CancelTaskFailed",
    "DiskStillAttached",
    "DiskCreatingSnapshot",
    "ExportImageFailed",
    "ForbiddenOperation",
    "IdempotentParameterMismatch",
    "IdempotentProcessing",
    "Image.NotPublic",
    "Image.Public",
    "ImageIsExporting",
    "ImageIsImporting",
    "ImageIsPublic",
    "ImageStatus.NotAvailable",
    "ImageStatus.NotDeprecated",
    "ImageUseShared",
    "ImageUsingByInstance",
    "ImportImageFailed",
    "IncorrectDestinationRegion",
    "InvalidArchitecture.PlatformUnsupported",
    "InvalidImageCategory.NotSupported",
    "InvalidImageLicense.NotSupported",
    "InvalidParameter.IsPublic",
    "InvalidResourceId.NotSupported",
    "InvalidSnapshotId.NotReady",
    "InvalidSnapshotIds.Malformed",
    "InvalidStatus.ImageIsCreating",
    "InvalidTaskId.IncorrectTaskStatus",
    "InvalidTaskId.TaskActionNotSupport",
    "InvalidVHDImage.IncorrectSize",
    "LastTokenProcessing",
    "MissingParameter.DiskDeviceMapping",
    "NoPermission",
    "NoPermission.Tag",
    "RegionNotSupportCopy",
    "SnapshotCreatedDisk",
    "SnapshotCreatedImage",
    "SnapshotNotReady",
    "TagKey.Duplication",
];

/// Beginnings of codes that are 403 whatever follows.
const FORBIDDEN_KINDS: &[&str] = &[
    "ConcurrentQuotaExceed.",
    "DependencyViolation",
    "Forbidden",
    "IncorrectDiskStatus",
    "InvalidOperation.",
    "OperationDenied.",
    "OperationDeined.",
    "QuotaExceed.",
    "QuotaExceeded.",
    "SizeExceed.",
    "WeeklyQuotaExceed.",
];

/// Codes that this action spells otherwise than the service, which speaks for all of them.
const SPELLINGS: &[(&str, &str, &str)] = &[
    ("ImportImage", "InvalidBootMode.NotSupport", "InvalidBootMode.Malformed"),
    ("ModifyImageAttribute", "ImageQuotaExceed.ImageFamily", "ImageQuotaFull.ImageFamily"),
    ("ModifyImageAttribute", "ImageFamilyQuotaExceed", "ImageFamilyQuotaFull"),
    ("ImportImage", "DryRunOperation", "DRYRUN.SUCCESS"),
    ("StartInstances", "DryRunOperation", "DRYRUN.SUCCESS"),
    ("StopInstances", "DryRunOperation", "DRYRUN.SUCCESS"),
    ("RebootInstances", "DryRunOperation", "DRYRUN.SUCCESS"),
];

/// The fault of a trouble, as an action tells it.
pub(crate) fn fault(action: &str, trouble: Trouble) -> Fault {
    let status = status(action, &trouble);
    let known = SPELLINGS.iter().find(|(of, code, _)| *of == action && *code == trouble.code);
    let code = known.map_or(trouble.code.as_str(), |(_, _, spelling)| spelling).to_owned();
    if trouble.family == Family::Ours || trouble.family == Family::Damaged {
        // What went wrong inside is for the operator's eyes; the log has it.
        return Fault::new(
            status,
            "InternalError",
            "The request processing has failed due to some unknown error.",
        );
    }
    let advice = if trouble.advice.is_empty() { String::new() } else { format!(" ({})", trouble.advice) };
    Fault::new(status, code, format!("{}{advice}", trouble.message))
}

fn status(action: &str, trouble: &Trouble) -> u16 {
    let code = trouble.code.as_str();
    let said = STATUSES.iter().find(|(of, known, _)| (*of == action || *of == "*") && *known == code);
    if let Some((_, _, status)) = said {
        return *status;
    }
    match trouble.family {
        Family::Ours | Family::Damaged => 500,
        Family::World => 503,
        Family::Parked | Family::Ended => 409,
        Family::Refused if FORBIDDEN.contains(&code) => 403,
        Family::Refused if FORBIDDEN_KINDS.iter().any(|kind| code.starts_with(kind)) => 403,
        Family::Refused if code.ends_with(".NotFound") => 404,
        Family::Refused => 400,
    }
}
