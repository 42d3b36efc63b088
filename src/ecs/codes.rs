//! From the service's troubles to the faults of the API: statuses, and the codes in which actions differ.

use service::{Family, Trouble};
use wire::Fault;

/// Codes that are answered with another status than their shape has. An action of `*` is any.
/// The source is the reference of the API, action by action: `statuses.txt`.
const STATUSES: &[(&str, &str, u16)] = &[
    ("CreateSnapshot", "InvalidDescription.Malformed", 404),
    ("*", "InvalidArchitecture", 404),
    ("*", "InvalidOSType", 404),
    ("*", "InvalidAccount.Forbbiden", 404),
    ("*", "InvalidUsage", 404),
    ("*", "InvalidSourceDiskType", 404),
    ("*", "InvalidFilterValue", 404),
    ("*", "MissingParameter.RegionId", 404),
    ("*", "MissingParameter.ResourceType", 404),
    ("*", "MissingParameter.Tags", 404),
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
    ("*", "InvalidStorageLocation.NotFound", 403),
    ("CopyImage", "InvalidRegion.NotSupport", 403),
    ("CopySnapshot", "InvalidRegion.NotSupport", 403),
    ("CreateDisk", "InvalidRegion.NotSupport", 403),
    ("CopyImage", "InvalidOperation.Conflict", 409),
    ("*", "DeleteConflict.Policy", 409),
    ("*", "DeleteConflict.User.AccessKey", 409),
    ("*", "DeleteConflict.User.Policy", 409),
    ("*", "EntityAlreadyExists.Policy", 409),
    ("*", "EntityAlreadyExists.User", 409),
    ("*", "EntityAlreadyExists.User.Policy", 409),
    ("*", "EntityNotExist.User", 404),
    ("*", "EntityNotExist.User.AccessKey", 404),
    ("*", "EntityNotExist.User.Policy", 404),
    ("*", "LimitExceeded.Policy", 409),
    ("*", "LimitExceeded.Role", 409),
    ("*", "LimitExceeded.Role.Policy", 409),
    ("*", "LimitExceeded.User", 409),
    ("*", "LimitExceeded.User.AccessKey", 409),
    ("*", "LimitExceeded.User.Policy", 409),
    ("*", "DeleteConflict.Role.Policy", 409),
    ("*", "EntityAlreadyExists.ResourceGroup", 409),
    ("*", "EntityAlreadyExists.Role", 409),
    ("*", "EntityAlreadyExists.Role.Policy", 409),
    ("*", "EntityNotExist.Policy", 404),
    ("*", "EntityNotExist.Role", 404),
    ("*", "EntityNotExist.Role.Policy", 404),
    ("*", "InvalidOperation.Conflict", 409),
    ("*", "OperationConflict", 409),
    ("*", "InvalidAliUid.IsNull", 401),
    ("CreateImage", "InstanceLockedForSecurity", 400),
    ("CreateImage", "InvalidOperation.DiskCategoryUnsupported", 400),
    ("CreateSnapshot", "IdempotentParameterMismatch", 403),
    ("CopyImage", "OperationDenied.CommunityImage", 400),
    ("CopyImage", "OperationDenied.ImageCopyConflict", 400),
    ("CopyImage", "OperationDenied", 403),
    ("DescribeImages", "InvalidOperation.ImageOwnerIdUnsupported", 400),
    ("TagResources", "OperationDenied.QuotaExceed", 400),
    // Both stand in its table; a snapshot that may not be one is nothing wrong with the request.
    ("CreateImage", "OperationDenied", 403),
];

/// Codes without a telling shape that are 403; most others of the caller's are 400.
const FORBIDDEN: &[&str] = &[
    "AssumeRoleError",
    "ImageNotSupportInstanceType",
    "IncorrectEipStatus",
    "AuthorizationLimitExceed",
    "CancelTaskFailed",
    "CreateSnapshot.Failed",
    "DiskCreatingSnapshot",
    "DiskId.ValueNotSupported",
    "DiskInArrears",
    "DiskStillAttached",
    "ExportImageFailed",
    "IdempotentProcessing",
    "Image.NotPublic",
    "Image.Public",
    "ImageCheckUnsupported.WindowsImage",
    "ImageDescription.ContainsSensitiveWords",
    "ImageIsExporting",
    "ImageIsImporting",
    "ImageIsPublic",
    "ImageName.ContainsSensitiveWords",
    "ImageStatus.NotAvailable",
    "ImageStatus.NotDeprecated",
    "ImageUseShared",
    "ImageUsingByInstance",
    "ImportImageFailed",
    "IncorrectDestinationRegion",
    "IncorrectInstanceStatus.NeedRestart",
    "IncorrectVolumeStatus",
    "InstanceLockedForSecurity",
    "Invalid.NextToken",
    "InvalidArchitecture.PlatformUnsupported",
    "InvalidBlockSize.NotSupport",
    "InvalidEncrypted.NotMatchDiskDefaultEncryption",
    "InvalidImageCategory.NotSupported",
    "InvalidImageId.BidMismatch",
    "InvalidImageLicense.NotSupported",
    "InvalidOSS.NotAuthorized",
    "InvalidOSSBucket.EncryptUnsupported",
    "InvalidParameter.DataEncryptedKeyCreateFailed",
    "InvalidParameter.IsPublic",
    "InvalidParameter.Malformed",
    "InvalidParamter.Conflict",
    "InvalidRegionId.NotSupportEncryptAlgorithm",
    "InvalidResourceId.NotSupported",
    "InvalidSnapshot.TooOld",
    "InvalidSnapshotCategory.NotSupportImageCreation",
    "InvalidSnapshotId.NotReady",
    "InvalidSnapshotIds.Malformed",
    "InvalidStatus.ImageIsCreating",
    "InvalidSystemSnapshot.Missing",
    "InvalidTaskId.IncorrectTaskStatus",
    "InvalidTaskId.TaskActionNotSupport",
    "InvalidUser.Unauthorized",
    "InvalidVHDImage.IncorrectSize",
    "LastTokenProcessing",
    "MissingParameter.DiskDeviceMapping",
    "NoSetRoletoECSServiceAcount",
    "Operation.Conflict",
    "PublicImageAgreement.NotSigned",
    "RegionNotSupportCopy",
    "SnapshotCreatedDisk",
    "SnapshotCreatedImage",
    "SnapshotNotReady",
    "TagKey.Duplication",
    "TooManySnapshot.Unfinished",
    "Unauthorized.EmptyRegion",
    "UserNotInTheWhiteList",
];

/// Beginnings of codes that are 403 whatever follows.
const FORBIDDEN_KINDS: &[&str] = &[
    "ConcurrentQuotaExceed.",
    "CurrentAccount.",
    "CurrentRegion.",
    "Forbbiden",
    "DependencyViolation",
    "Forbidden",
    "HibernationConfigured.",
    "IncorrectDiskStatus",
    "InvalidAccountStatus.",
    "InvalidOperation.",
    "InvalidParameter.KMSKeyId.C",
    "InvalidParameter.KMSKeyId.KMS",
    "NoPermission",
    "OperationDeined.",
    "OperationDenied.",
    "QuotaExceed.",
    "QuotaExceeded.",
    "SizeExceed.",
    "WeeklyQuotaExceed.",
];

/// Beginnings that look forbidden and are an identifier's or a parameter's matter.
const PLAIN_KINDS: &[&str] = &["ForbiddenParameter."];

/// Codes that this action spells otherwise than the service, which speaks for all of them. An action
/// of `*` is any that has no line of its own.
const SPELLINGS: &[(&str, &str, &str)] = &[
    ("ImportImage", "InvalidBootMode.NotSupport", "InvalidBootMode.Malformed"),
    ("ModifyImageAttribute", "ImageQuotaExceed.ImageFamily", "ImageQuotaFull.ImageFamily"),
    ("ModifyImageAttribute", "ImageFamilyQuotaExceed", "ImageFamilyQuotaFull"),
    ("CreateImage", "InvalidDataDiskSize", "InvalidSize.ValueNotSupported"),
    ("CreateImage", "InvalidImageSize", "InvalidSize.ValueNotSupported"),
    ("CreateImage", "InvalidTagCount", "QuotaExceed.Tags"),
    ("CreateSnapshot", "InvalidTagCount", "QuotaExceed.Tags"),
    ("ImportImage", "DryRunOperation", "DRYRUN.SUCCESS"),
    ("StartInstances", "DryRunOperation", "DRYRUN.SUCCESS"),
    ("StopInstances", "DryRunOperation", "DRYRUN.SUCCESS"),
    ("RebootInstances", "DryRunOperation", "DRYRUN.SUCCESS"),
    ("RunInstances", "InvalidClientToken.Malformed", "InvalidClientToken.ValueNotSupported"),
    ("CreateInstance", "InvalidClientToken.Malformed", "InvalidClientToken.ValueNotSupported"),
    ("CreateSnapshot", "IdempotentProcessing", "IdempotentProcessing"),
    ("*", "IdempotentProcessing", "LastTokenProcessing"),
    ("DescribeTags", "NumberExceed.Tags", "InvalidTagCount"),
    ("DescribeResourceByTags", "NumberExceed.Tags", "InvalidTagCount"),
];

/// The fault of a trouble, as an action tells it.
pub(crate) fn fault(action: &str, trouble: Trouble) -> Fault {
    let spelt = |by: &str| {
        let known = SPELLINGS.iter().find(|(of, code, _)| *of == by && *code == trouble.code);
        known.map(|(_, _, spelling)| (*spelling).to_owned())
    };
    let code = spelt(action).or_else(|| spelt("*")).unwrap_or_else(|| trouble.code.clone());
    let status = status(action, &code, trouble.family);
    if trouble.family == Family::Ours || trouble.family == Family::Damaged {
        // What went wrong inside is for the operator's eyes; the log has it.
        return Fault::new(
            status,
            "InternalError",
            "The request processing has failed due to some unknown error.",
        );
    }
    let Trouble { message, advice, .. } = trouble;
    Fault::new(status, code, if advice.is_empty() { message } else { format!("{message} ({advice})") })
}

fn status(action: &str, code: &str, family: Family) -> u16 {
    let said = |by: &str| STATUSES.iter().find(|(of, known, _)| *of == by && *known == code);
    if let Some((_, _, status)) = said(action).or_else(|| said("*")) {
        return *status;
    }
    let begins = |kinds: &[&str]| kinds.iter().any(|kind| code.starts_with(kind));
    match family {
        Family::Ours | Family::Damaged => 500,
        Family::World => 503,
        Family::Parked | Family::Ended => 409,
        Family::Refused if FORBIDDEN.contains(&code) => 403,
        Family::Refused if begins(FORBIDDEN_KINDS) && !begins(PLAIN_KINDS) => 403,
        Family::Refused if code.ends_with(".NotFound") => 404,
        Family::Refused => 400,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// What the reference says, as it was copied from there by hand.
    const TABLE: &str = include_str!("statuses.txt");

    /// The statuses of each action's codes.
    fn table() -> BTreeMap<(&'static str, &'static str), BTreeSet<u16>> {
        let mut table: BTreeMap<_, BTreeSet<u16>> = BTreeMap::new();
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let (action, status) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
            for code in words {
                table.entry((action, code)).or_default().insert(status);
            }
        }
        table
    }

    #[test]
    fn every_code_has_the_status_that_the_reference_gives_it_in_its_action() {
        let mut wrong = Vec::new();
        for ((action, code), statuses) in table() {
            let told = fault(action, Trouble::new(Family::Refused, code, ""));
            if !statuses.contains(&told.status) {
                wrong.push(format!("{action} {code}: {} and not {statuses:?}", told.status));
            }
            if told.code != code && !table().contains_key(&(action, told.code.as_str())) {
                wrong.push(format!("{action} {code} becomes {}", told.code));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn what_is_no_fault_of_the_caller_tells_nothing_of_the_inside() {
        for (family, status) in [(Family::Ours, 500), (Family::Damaged, 500)] {
            let told = fault("DeleteImage", Trouble::new(family, "Log.Damaged", "a page of redb"));
            assert_eq!((told.status, told.code.as_str()), (status, "InternalError"));
            assert!(!told.message.contains("redb"));
        }
        let busy =
            fault("DeleteImage", Trouble::new(Family::World, "ServiceUnavailable", "the disk is full"));
        assert_eq!(busy.status, 503);
    }
}
