"""Every error that the reference gives an action, provoked by the newer official client, with its code and status.

The table of what there is stands in `src/ecs/statuses.txt`: an action, a status and its codes. Each of them is either in
ROWS, and is provoked here, or in UNPROVOKED with the reason why no client can; a code in neither fails the script, and so
does one in both.
"""

import os
import pathlib
import re

from alibabacloud_ecs20140526 import models as M
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.exceptions import DaraException

import oss2
from kiln_clients import ENDPOINT, FIRST, OTHER_REGION, REGION, SECOND, check, fresh, show, slow_copy, until

ACTIONS = (
    "CreateImage", "ImportImage", "CopyImage", "CancelCopyImage", "ExportImage", "ModifyImageAttribute", "ModifyImageSharePermission",
    "ModifyImageShareGroupPermission", "DescribeImages", "DescribeImageFromFamily", "DeleteImage", "DescribeTasks",
    "DescribeTaskAttribute", "CancelTask", "TagResources", "UntagResources", "ListTagResources", "DescribeRegions", "CreateSnapshot",
    "DescribeSnapshots", "CopySnapshot", "DeleteSnapshot", "ModifySnapshotAttribute", "CreateDisk", "DeleteDisk",
)

INSTANCES = "no instance has a disk before there is a compute driver"
KEYS = "nothing is encrypted here, and whatever asks for it is refused by one code: InvalidRegion.NotSupport or its kin"
MARKET = "nobody sells images or anything else here, and nothing is owed"
CLOUD = "rules of the cloud as a place of business: white lists, agreements, cloud boxes, words that are not wanted"
STORAGE = "buckets are in the same house: no role is taken, nothing is archived, encrypted or throttled in them"
RACES = "it is told while something short goes on, which a client does not surely meet; tests of src/domain and src/ecs have it"
LARGE = "it takes more data or more things than a test should make; tests of src/domain and src/data have it"
TWIN = "the reference gives another code for the same, and that is told"
DONE = "the reference says both that it is refused and that nothing is to be done, and the latter is so"
NEVER = "nothing here can come to that state"

UNPROVOKED = {
    INSTANCES: """
        CreateImage IncorrectInstanceStatus InstanceLockedForSecurity InvalidInstance.NotFoundSystemDisk IncorrectDiskStatus
            IncorrectDiskStatus.NeverAttached IncorrectDiskStatus.Invalid IncorrectDiskStatus.Transferring
            IncorrectDiskStatus.CreatingSnapshot IncorrectInstanceStatus.NeedRestart HibernationConfigured.InstanceOperationForbidden
        ModifyImageAttribute OperationDeined.ImageUsingByInstance
        DeleteImage ImageUsingByInstance
        CreateSnapshot IncorrectInstanceStatus InvalidInstanceId.NotFound InstanceLockedForSecurity IncorrectVolumeStatus
            IncorrectDiskStatus.NeverAttached IncorrectDiskStatus.NeverUsed IncorrectDiskStatus.Invalid IncorrectDiskStatus.Transferring
            DiskCategory.OperationNotSupported DiskId.ValueNotSupported
        DeleteDisk DiskStillAttached
    """,
    KEYS: """
        CreateImage InvalidParameter.KMSKeyId.CMKUnauthorized InvalidParameter.KMSKeyId.CMKNotEnabled
            InvalidParameter.KMSKeyId.KMSUnauthorized
        CopyImage InvalidParameter.EncryptedIllegal InvalidEncrypted.NotMatchEncryptAlgorithm InvalidEncryptAlgorithm
            InvalidParameter.KmsNotEnabled OperationDeined.EncryptedSnapshot OperationDenied.EncryptSnapshotAcrossRegion
            InvalidEncrypted.NotMatchDiskDefaultEncryption InvalidParameter.KMSKeyId.KMSUnauthorized
            InvalidParameter.KMSKeyId.CMKNotEnabled InvalidParameter.KMSKeyId.CMKUnauthorized
            InvalidParameter.DataEncryptedKeyCreateFailed OperationDenied.KmsServiceUnauthorized InvalidParameter.KMSKeyId.NotFound
        ModifyImageSharePermission OperationDeined.EncryptedSnapshot InvalidOperation.ServiceKeyEncryptedImageUnsupported
            InvalidParameter.KMSKeyId.CMKUnauthorized InvalidParameter.KMSKeyId.CMKNotEnabled
    """,
    MARKET: """
        CreateImage InvalidImageVersion.Malformed AccountForbidden.CreateOrder InvalidAccountStatus.NotEnoughBalance
            InvalidAccountStatus.SnapshotServiceUnavailable
        ImportImage Account.Arrearage
        CopyImage OperationDenied.NotPublished OperationDenied.NotAuthorized
        ExportImage ImageNotSupported InvalidImageLicense.NotSupported WeeklyQuotaExceed.ExportImage
        CreateSnapshot DiskInArrears
    """,
    CLOUD: """
        CreateImage UserNotInTheWhiteList InvalidOperation.SnapshotStorageLocationUnsupported InvalidSnapshot.TooOld
            OperationDenied.InvalidSnapshotCategory InvalidSnapshotCategory.NotSupportImageCreation InvalidDiskCategory.CreateImage
            InvalidOperation.DiskCategoryUnsupported
        ImportImage UserNotInTheWhiteList InvalidOperation.CloudBoxImageImportRoleRequired
            InvalidOperation.CloudBoxImageImportUnsupported ImageCheckUnsupported.WindowsImage InvalidRegion.NotSupport
        CopyImage UserNotInTheWhiteList RegionNotSupportCopy OperationDenied.NonCompliantDestinationRegion InvalidSnapshot.TooOld
            InvalidOperation.VhdImageUnsupported InvalidOperation.CloudBoxImageCopyUnsupported Forbbiden InvalidAliUid.IsNull
        ExportImage UserNotInTheWhiteList InvalidRegion.NotSupport
        ModifyImageSharePermission AssumeRoleError OperationDeined.FullImage CurrentRegion.NotSupportPublicImage
            PublicImageAgreement.NotSigned ImageName.ContainsSensitiveWords ImageDescription.ContainsSensitiveWords
            InvalidImageId.BidMismatch UnnecessaryParameter.LaunchPermission InvalidParameter.LaunchPermission
        DescribeImages CurrentAccount.NotSupportPublicImage InvalidImageOwnerAlias.PublicImageUnsupported
        DescribeImageFromFamily InvalidUser.Unauthorized
        DescribeRegions Unauthorized.EmptyRegion
        TagResources NoPermission.Tag InvalidResourceId.NotSupported OperationDenied.QuotaExceed
        UntagResources NoPermission.Tag InvalidResourceId.NotSupported
    """,
    STORAGE: """
        ImportImage InvalidOSSObject.NeedRestore InvalidOSSBucket.FlowLimit NoSetRoletoECSServiceAcount InvalidOSS.NotAuthorized
            InvalidOSSBucket.EncryptUnsupported InvalidAccountStatus.OSSDisabled
        ExportImage InvalidOSSObject.NeedRestore NoSetRoletoECSServiceAcount InvalidOSS.NotAuthorized InvalidOSSBucket.EncryptUnsupported
    """,
    RACES: """
        CopyImage InvalidOperation.Conflict
        CreateSnapshot IdempotentProcessing IncorrectDiskStatus.CreatingSnapshot
        DeleteSnapshot Operation.Conflict
        DeleteDisk DiskCreatingSnapshot IncorrectDiskStatus
        CancelTask CancelTaskFailed
        ImportImage ImageIsImporting
        CreateImage InvalidSnapshotId.NotReady SnapshotNotReady
        ExportImage ImageIsExporting
        DeleteImage ImageIsExporting ImageIsImporting
    """,
    LARGE: """
        CreateImage QuotaExceed.Image QuotaExceed.Snapshot QuotaExceed.ConcurrentSnapshotQuota TooManySnapshot.Unfinished
            ImageQuotaExceed.ImageFamily ImageFamilyQuotaExceed
        ImportImage QuotaExceed.Image InvalidVHDImage.IncorrectSize InvalidBlockSize.NotSupport
        CopyImage QuotaExceed.Image QuotaExceed.Snapshot SizeExceed.Image
        ExportImage ConcurrentQuotaExceed.ExportImage InvalidImage.DiskAmountOrSize
        ModifyImageAttribute ImageQuotaFull.ImageFamily ImageFamilyQuotaFull
        ModifyImageSharePermission QuotaExceed.ShareImage QuotaExceed.ShareImageUser
        CreateSnapshot QuotaExceed.Snapshot CreateSnapshot.Failed
    """,
    TWIN: """
        CreateImage InvalidParameter.AllEmpty InvalidParamter.Conflict InvalidParameter.DiskType InvalidSystemSnapshot.Missing
        ImportImage UnsupportedSuffix.OSSObject InvalidLicenseType.BYOLOnly InvalidBootMode.NotSupport ImportImageFailed
            InvalidParameter.Malformed
        CopyImage OperationDenied OperationDenied.ImageCopying
        ExportImage ExportImageFailed OperationDenied InvalidImageName.Malformed
        CancelCopyImage CancelNotSupported
        ModifyImageSharePermission InvalidGroup.Malformed
        DescribeTasks InvalidTaskId.NotFound
        TagResources InvalidTag.Mismatch InvalidTagCount
        ListTagResources InvalidTag.Mismatch InvalidTagCount
        UntagResources InvalidTagKey.Malformed
        DescribeImages InvalidFilterValue.NetworkType
        CreateSnapshot IncorrectDiskStatus
    """,
    DONE: """
        ModifyImageSharePermission Image.NotPublic
    """,
    NEVER: """
        CopyImage InvalidSnapshotId.NotFound
        CancelTask InvalidTaskId.TaskActionNotSupport
        CopySnapshot InvalidOperation.DiskHasUnfinishedSnapshotCopy
    """,
}


def client(account):
    """A client of an account."""
    return Client(Config(access_key_id=account.key, access_key_secret=account.secret, region_id=REGION, endpoint=ENDPOINT, protocol="http"))


first, second = client(FIRST), client(SECOND)


def ask(action, params, ecs=first):
    """What an action answers, asked as its name and the names of the wire say."""
    method = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
    return getattr(ecs, method)(getattr(M, f"{action}Request")().from_map(params)).body


def available(image_id, region=REGION):
    """Waits for an image."""
    until("an image", lambda: ask("DescribeImages", {"RegionId": region, "ImageId": image_id}).images.image)
    return image_id


# One of everything that errors are about.
here = {"RegionId": REGION}
bucket_name = fresh("errors")
auth = oss2.Auth(FIRST.key, FIRST.secret)
bucket = oss2.Bucket(auth, f"http://{ENDPOINT}", bucket_name)
bucket.create_bucket()
bucket.put_object("disk.raw", b"kiln" * (1 << 18))
bucket.put_object("empty.raw", b"")
# Bytes that the other region does not have: a copy of those that it has is over at once.
bucket.put_object("slow.raw", os.urandom(1 << 20))
import_at = {**here, "DiskDeviceMapping": [{"OSSBucket": bucket_name, "OSSObject": "disk.raw"}]}
name = fresh("errors")
task_id = (made := ask("ImportImage", {**import_at, "ImageName": name, "ClientToken": "import"})).task_id
image_id = available(made.image_id)
arm = available(ask("ImportImage", {**import_at, "Architecture": "arm64"}).image_id)
shared = available(ask("ImportImage", import_at).image_id)
ask("ModifyImageSharePermission", {**here, "ImageId": shared, "AddAccount": [SECOND.id]})
old = available(ask("ImportImage", import_at).image_id)
ask("ModifyImageAttribute", {**here, "ImageId": old, "Status": "Deprecated"})
public = available(ask("ImportImage", import_at).image_id)
ask("ModifyImageSharePermission", {**here, "ImageId": public, "IsPublic": True})
strict = available(ask("ImportImage", {**import_at, "Features": {"ImdsSupport": "v2"}}).image_id)
found = ask("DescribeImages", {**here, "ImageId": image_id}).images.image[0]
snapshot_id = found.disk_device_mappings.disk_device_mapping[0].snapshot_id
disk_id = ask("CreateDisk", {**here, "Size": 20, "DiskName": "errors", "ClientToken": "disk"}).disk_id
until("a disk", lambda: ask("DescribeDisks", {**here, "DiskIds": f'["{disk_id}"]', "Status": "Available"}).disks.disk)
data_snapshot = ask("CreateSnapshot", {"DiskId": disk_id, "SnapshotName": "errors", "ClientToken": "snapshot"}).snapshot_id
until("a snapshot", lambda: ask("DescribeSnapshots", {**here, "SnapshotIds": f'["{data_snapshot}"]', "Status": "accomplished"}).snapshots.snapshot)
used = ask("CreateDisk", {**here, "SnapshotId": data_snapshot}).disk_id
until("a disk", lambda: ask("DescribeDisks", {**here, "DiskIds": f'["{used}"]', "Status": "Available"}).disks.disk)
ask("CreateImage", {**here, "SnapshotId": snapshot_id, "ImageName": fresh("made"), "ClientToken": "image"})
copying = available(ask("ImportImage", {**here, "DiskDeviceMapping": [{"OSSBucket": bucket_name, "OSSObject": "slow.raw"}]}).image_id)
creating = slow_copy(copying)
copied = ask("CopyImage", {**here, "ImageId": image_id, "DestinationRegionId": OTHER_REGION, "ClientToken": "copy"}).image_id
available(copied, OTHER_REGION)
ask("TagResources", {**here, "ResourceType": "image", "ResourceId": [strict], "Tag": [{"Key": f"k{number}", "Value": ""} for number in range(20)]})
ask("CopySnapshot", {**here, "SnapshotId": data_snapshot, "DestinationRegionId": OTHER_REGION, "DestinationSnapshotName": "copy",
                     "DestinationSnapshotDescription": "a copy", "ClientToken": "copy"})

there = {"RegionId": OTHER_REGION}
nowhere = {"RegionId": "nowhere"}
no_image, no_snapshot, no_disk = "m-aaaaaaaaaaaaaaaaaaaa", "s-aaaaaaaaaaaaaaaaaaaa", "d-aaaaaaaaaaaaaaaaaaaa"
create = {**here, "SnapshotId": snapshot_id}
copy = {**here, "ImageId": image_id, "DestinationRegionId": OTHER_REGION}
export = {**here, "ImageId": image_id, "OSSBucket": bucket_name}
modify = {**here, "ImageId": image_id}
tags = {**here, "ResourceType": "image", "ResourceId": [image_id]}
tag = {"Tag": [{"Key": "a", "Value": "b"}]}
many = [{"Key": f"k{number}", "Value": "v"} for number in range(21)]
far = {**here, "SnapshotId": data_snapshot, "DestinationRegionId": OTHER_REGION, "DestinationSnapshotName": "far",
       "DestinationSnapshotDescription": "far away"}
twice = [{"Key": "a", "Value": "b"}, {"Key": "a", "Value": "c"}]


def disks(*mappings):
    """An image of these disks."""
    return {**here, "DiskDeviceMapping": list(mappings)}


def imported(**more):
    """An import of the disk with another mapping."""
    return {**here, "DiskDeviceMapping": [{"OSSBucket": bucket_name, "OSSObject": "disk.raw", **more}]}


system = {"SnapshotId": snapshot_id, "DiskType": "system"}
ROWS = [
    ("CreateImage", 400, "MissingParameter", here),
    ("CreateImage", 400, "InvalidImageName.Malformed", {**create, "ImageName": "1"}),
    ("CreateImage", 400, "InvalidImageName.Duplicated", {**create, "ImageName": name}),
    ("CreateImage", 400, "InvalidDescription.Malformed", {**create, "Description": "http://a"}),
    ("CreateImage", 400, "InvalidImageFamily.Malformed", {**create, "ImageFamily": "acs:x"}),
    ("CreateImage", 400, "InvalidDevice.Malformed", disks({**system, "Device": "sda"})),
    ("CreateImage", 400, "InvalidDevice.InUse", disks(system, {"Size": 5, "Device": "/dev/xvdb"}, {"Size": 5, "Device": "/dev/xvdb"})),
    ("CreateImage", 400, "InvalidSize.ValueNotSupported", disks(system, {"Size": 40_000})),
    ("CreateImage", 400, "InvalidDiskType.ValueNotSupported", disks({**system, "DiskType": "tape"})),
    ("CreateImage", 400, "OperationDenied", disks({"Size": 5, "DiskType": "data"})),
    ("CreateImage", 403, "OperationDenied", {**here, "SnapshotId": data_snapshot}),
    ("CreateImage", 400, "InvalidArchitecture.Malformed", {**create, "Architecture": "mips"}),
    ("CreateImage", 400, "InvalidPlatform.Malformed", {**create, "Platform": "BeOS"}),
    ("CreateImage", 400, "InvalidBootMode.NotSupport", {**create, "BootMode": "OpenFirmware"}),
    ("CreateImage", 400, "InvalidParameter.FeaturesImdsSupport", {**create, "Features": {"ImdsSupport": "v3"}}),
    ("CreateImage", 400, "IdempotenceParamNotMatch", {**create, "ImageName": fresh("other"), "ClientToken": "image"}),
    ("CreateImage", 400, "InvalidClientToken.Malformed", {**create, "ClientToken": "x" * 65}),
    ("CreateImage", 400, "Duplicate.TagKey", {**create, "Tag": twice}),
    ("CreateImage", 400, "InvalidTagKey.Malformed", {**create, "Tag": [{"Key": "acs:a", "Value": ""}]}),
    ("CreateImage", 400, "InvalidTagValue.Malformed", {**create, "Tag": [{"Key": "a", "Value": "http://b"}]}),
    ("CreateImage", 403, "QuotaExceed.Tags", {**create, "Tag": many}),
    ("CreateImage", 404, "InvalidSnapshotId.NotFound", {**here, "SnapshotId": no_snapshot}),
    ("CreateImage", 404, "InvalidInstanceId.NotFound", {**here, "InstanceId": "i-aaaaaaaaaaaaaaaaaaaa"}),
    ("CreateImage", 404, "InvalidResourceGroup.NotFound", {**create, "ResourceGroupId": "rg-none"}),
    ("CreateImage", 404, "InvalidRegionId.NotFound", {**create, **nowhere}),
    ("CreateImage", 400, "DryRunOperation", {**create, "DryRun": True}),
    ("ImportImage", 400, "MissingParameter", {**here, "DiskDeviceMapping": [{"OSSBucket": bucket_name}]}),
    ("ImportImage", 403, "MissingParameter.DiskDeviceMapping", here),
    ("ImportImage", 400, "InvalidImageName.Malformed", {**import_at, "ImageName": "http://a"}),
    ("ImportImage", 400, "InvalidImageName.Duplicated", {**import_at, "ImageName": name}),
    ("ImportImage", 400, "InvalidDescription.Malformed", {**import_at, "Description": "https://a"}),
    ("ImportImage", 400, "InvalidArchitecture.Malformed", {**import_at, "Architecture": "mips"}),
    ("ImportImage", 400, "InvalidPlatform.Malformed", {**import_at, "Platform": "BeOS"}),
    ("ImportImage", 400, "InvalidOSType.Malformed", {**import_at, "OSType": "beos"}),
    ("ImportImage", 400, "InvalidOSSObject.Malformed", imported(OSSObject="http://a")),
    ("ImportImage", 400, "InvalidOSSObject.NotFound", imported(OSSObject="none.raw")),
    ("ImportImage", 400, "InvalidOSSObject.Size", imported(OSSObject="empty.raw")),
    ("ImportImage", 400, "InvalidOSSBucket.Malformed", imported(OSSBucket="-A-")),
    ("ImportImage", 400, "InvalidOSSBucket.NotFound", imported(OSSBucket=fresh("none"))),
    ("ImportImage", 400, "InvalidOSSBucket.NotMatched", {**import_at, **there}),
    ("ImportImage", 400, "InvalidImageSize", imported(DiskImageSize=-1)),
    ("ImportImage", 400, "InvalidDataDiskSize", {**here, "DiskDeviceMapping": [
        {"OSSBucket": bucket_name, "OSSObject": "disk.raw"}, {"OSSBucket": bucket_name, "OSSObject": "disk.raw", "DiskImageSize": -1}]}),
    ("ImportImage", 400, "InvalidImageFormat.Malformed", imported(Format="floppy")),
    ("ImportImage", 400, "InvalidImageFormat.RegionNotSupported", imported(Format="VMDK")),
    ("ImportImage", 400, "InvalidRegionId.NotFound", {**import_at, **nowhere}),
    ("ImportImage", 400, "InvalidLicenseType.NotSupported", {**import_at, "LicenseType": "GPL"}),
    ("ImportImage", 400, "InvalidBootMode.Malformed", {**import_at, "BootMode": "OpenFirmware"}),
    ("ImportImage", 400, "InvalidParameter.DetectionStrategy", {**import_at, "DetectionStrategy": "Deep"}),
    ("ImportImage", 400, "InvalidParameter.FeaturesImdsSupport", {**import_at, "Features": {"ImdsSupport": "v3"}}),
    ("ImportImage", 400, "InvalidClientToken.Malformed", {**import_at, "ClientToken": "x" * 65}),
    ("ImportImage", 400, "DRYRUN.SUCCESS", {**import_at, "DryRun": True}),
    ("ImportImage", 403, "InvalidArchitecture.PlatformUnsupported", {**import_at, "Architecture": "arm64", "Platform": "Windows Server 2019"}),
    ("ImportImage", 403, "InvalidStorageLocation.NotFound", {**import_at, "StorageLocationArn": "arn:acs:cloudbox:x:1:cloudbox/c"}),
    ("ImportImage", 403, "TagKey.Duplication", {**import_at, "Tag": twice}),
    ("ImportImage", 404, "InvalidResourceGroup.NotFound", {**import_at, "ResourceGroupId": "rg-none"}),
    ("CopyImage", 400, "SourceRegion.NotFound", {**copy, **nowhere}),
    ("CopyImage", 400, "DestinationRegion.NotFound", {**copy, "DestinationRegionId": "nowhere"}),
    ("CopyImage", 400, "IncorrectImageStatus", {**copy, "ImageId": old}),
    ("CopyImage", 400, "InvalidImageName.Malformed", {**copy, "ImageId": strict, "DestinationImageName": "1"}),
    ("CopyImage", 400, "InvalidImageName.Duplicated", {**copy, "ImageId": strict, "DestinationImageName": name}),
    ("CopyImage", 400, "InvalidDescription.Malformed", {**copy, "ImageId": strict, "DestinationDescription": "http://a"}),
    ("CopyImage", 400, "InvalidEncrypted.NotMatchKmsKeyId", {**copy, "Encrypted": False, "KMSKeyId": "k"}),
    ("CopyImage", 403, "InvalidRegion.NotSupport", {**copy, "Encrypted": True}),
    ("CopyImage", 403, "InvalidRegionId.NotSupportEncryptAlgorithm", {**copy, "EncryptAlgorithm": "aes-256"}),
    ("CopyImage", 400, "OperationDenied.CommunityImage", {**copy, "ImageId": public}),
    ("CopyImage", 400, "OperationDenied.ImageCopyConflict", {**copy, "ImageId": copying, "DestinationImageName": fresh("again")}),
    ("CopyImage", 400, "IdempotentParameterMismatch", {**copy, "DestinationImageName": fresh("other"), "ClientToken": "copy"}),
    ("CopyImage", 403, "OperationDenied.SameRegionOnly", {**copy, "ImageId": shared}, second),
    ("CopyImage", 403, "IncorrectDestinationRegion", {**here, "ImageId": image_id}),
    ("CopyImage", 404, "InvalidResourceGroup.NotFound", {**copy, "ImageId": strict, "ResourceGroupId": "rg-none"}),
    ("CopyImage", 404, "InvalidImageId.NotFound", {**copy, "ImageId": no_image}),
    ("CancelCopyImage", 400, "ImageCreatedNotFromCopy", modify),
    ("CancelCopyImage", 400, "IncorrectImageStatus", {**there, "ImageId": copied}),
    ("CancelCopyImage", 404, "InvalidRegionId.NotFound", {**modify, **nowhere}),
    ("CancelCopyImage", 404, "InvalidImageId.NotFound", {**here, "ImageId": no_image}),
    ("ExportImage", 400, "InvalidRegionId.NotFound", {**export, **nowhere}),
    ("ExportImage", 400, "IncorrectImageStatus", {**export, **there, "ImageId": creating}),
    ("ExportImage", 400, "InvalidImageFormat.Malformed", {**export, "ImageFormat": "floppy"}),
    ("ExportImage", 400, "InvalidImageFormat.RegionNotSupported", {**export, "ImageFormat": "vdi"}),
    ("ExportImage", 400, "InvalidOSSPrefix.Malformed", {**export, "OSSPrefix": "a/b"}),
    ("ExportImage", 400, "InvalidOSSBucket.NotFound", {**export, "OSSBucket": fresh("none")}),
    ("ExportImage", 400, "InvalidOSSBucket.NotMatched", {**export, **there, "ImageId": copied}),
    ("ExportImage", 403, "InvalidImageCategory.NotSupported", {**export, "ImageId": public}),
    ("ExportImage", 404, "InvalidImageId.NotFound", {**export, "ImageId": no_image}),
    ("ModifyImageAttribute", 400, "InvalidImageName.Malformed", {**modify, "ImageName": "1"}),
    ("ModifyImageAttribute", 400, "InvalidImageName.Duplicated", {**modify, "ImageId": arm, "ImageName": name}),
    ("ModifyImageAttribute", 400, "InvalidDescription.Malformed", {**modify, "Description": "http://a"}),
    ("ModifyImageAttribute", 400, "InvalidImageFamily.Malformed", {**modify, "ImageFamily": "acs:x"}),
    ("ModifyImageAttribute", 400, "InvalidBootMode.NotSupport", {**modify, "ImageId": arm, "BootMode": "BIOS"}),
    ("ModifyImageAttribute", 400, "InvalidLicenseType.NotSupported", {**modify, "LicenseType": "BYOL"}),
    ("ModifyImageAttribute", 400, "InvalidParameter.FeaturesImdsSupport", {**modify, "Features": {"ImdsSupport": "v3"}}),
    ("ModifyImageAttribute", 403, "ImageStatus.NotAvailable", {**modify, "ImageId": old, "Status": "Deprecated"}),
    ("ModifyImageAttribute", 403, "ImageStatus.NotDeprecated", {**modify, "Status": "Available"}),
    ("ModifyImageAttribute", 403, "ImageUseShared", {**modify, "ImageId": shared, "Status": "Deprecated"}),
    ("ModifyImageAttribute", 403, "InvalidOperation.FeaturesImdsSupportNotMatch", {**modify, "ImageId": strict, "Features": {"ImdsSupport": "v1"}}),
    ("ModifyImageAttribute", 403, "InvalidStatus.ImageIsCreating", {**there, "ImageId": creating, "Description": "too early"}),
    ("ModifyImageAttribute", 404, "InvalidImageId.NotFound", {**here, "ImageId": no_image, "Description": "none"}),
    ("ModifyImageSharePermission", 400, "ForbiddenParameter.LaunchPermission", {**modify, "LaunchPermission": "hidden"}),
    ("ModifyImageSharePermission", 403, "Image.Public", {**modify, "ImageId": public, "IsPublic": True}),
    ("ModifyImageSharePermission", 403, "InvalidParameter.IsPublic", {**modify, "IsPublic": True, "AddAccount": [SECOND.id]}),
    ("ModifyImageSharePermission", 403, "OperationDenied.InvalidImageStatus", {**modify, "ImageId": old, "AddAccount": [SECOND.id]}),
    ("ModifyImageSharePermission", 404, "InvalidAccount.NotFound", {**modify, "AddAccount": ["999999"]}),
    ("ModifyImageSharePermission", 404, "InvalidAccount.Forbbiden", {**modify, "AddAccount": [FIRST.id]}),
    ("ModifyImageSharePermission", 404, "InvalidImageId.NotFound", {**here, "ImageId": no_image, "AddAccount": [SECOND.id]}),
    ("ModifyImageShareGroupPermission", 400, "InvalidGroup.Malformed", {**modify, "AddGroup": ["some"]}),
    ("DescribeImages", 400, "InvalidImageOwnerAlias.ValueNotSupported", {**here, "ImageOwnerAlias": "mine"}),
    ("DescribeImages", 400, "InvalidOperation.ImageOwnerIdUnsupported", {**here, "ImageOwnerAlias": "self", "ImageOwnerId": 1}),
    ("DescribeImages", 400, "InvalidParamter", {**here, "ActionType": "Dance"}),
    ("DescribeImages", 400, "InvalidTag.Mismatch", {**here, "Tag": [{"Value": "a"}]}),
    ("DescribeImages", 400, "InvalidTagCount", {**here, "Tag": many}),
    ("DescribeImages", 400, "InvalidInstanceType.ValueNotSupported", {**here, "InstanceType": "huge"}),
    ("DescribeImages", 404, "InvalidFilterKey.NotFound", {**here, "Filter": [{"Key": "Color", "Value": "red"}]}),
    ("DescribeImages", 404, "InvalidFilterValue", {**here, "Filter": [{"Key": "CreationStartTime", "Value": "yesterday"}]}),
    ("DescribeImages", 404, "InvalidUsage", {**here, "Usage": "fun"}),
    ("DescribeImages", 404, "InvalidOSType", {**here, "OSType": "beos"}),
    ("DescribeImages", 404, "InvalidArchitecture", {**here, "Architecture": "mips"}),
    ("DescribeImages", 400, "InvalidParameter.PageNumber", {**here, "PageNumber": 0}),
    ("DescribeImages", 400, "InvalidParameter.PageSize", {**here, "PageSize": 101}),
    ("DescribeImageFromFamily", 404, "InvalidRegionId.NotFound", {**nowhere, "ImageFamily": "web"}),
    ("DeleteImage", 403, "ImageUseShared", {**here, "ImageId": shared, "Force": True}),
    ("DeleteImage", 403, "OperationDenied.ImageCopying", {**here, "ImageId": copying}),
    ("DeleteImage", 403, "ImageIsPublic", {**here, "ImageId": public}),
    ("DeleteImage", 404, "InvalidImageId.NotFound", {**here, "ImageId": no_image}),
    ("DescribeTasks", 400, "InvalidRegionId.NotFound", nowhere),
    ("DescribeTaskAttribute", 400, "InvalidRegionId.NotFound", {**nowhere, "TaskId": task_id}),
    ("DescribeTaskAttribute", 400, "InvalidTaskId.NotFound", {**here, "TaskId": "t-none"}),
    ("CancelTask", 400, "InvalidRegionId.NotFound", {**nowhere, "TaskId": task_id}),
    ("CancelTask", 400, "InvalidTaskId.NotFound", {**here, "TaskId": "t-none"}),
    ("CancelTask", 403, "InvalidTaskId.IncorrectTaskStatus", {**here, "TaskId": task_id}),
    ("TagResources", 400, "InvalidTagKey.Malformed", {**tags, "Tag": [{"Key": "aliyun", "Value": ""}]}),
    ("TagResources", 400, "InvalidTagValue.Malformed", {**tags, "Tag": [{"Key": "a", "Value": "https://b"}]}),
    ("TagResources", 400, "Duplicate.TagKey", {**tags, "Tag": twice}),
    ("TagResources", 400, "NumberExceed.ResourceIds", {**tags, **tag, "ResourceId": [image_id] * 51}),
    ("TagResources", 400, "NumberExceed.Tags", {**tags, "Tag": many}),
    ("TagResources", 403, "QuotaExceed.Tags", {**tags, **tag, "ResourceId": [strict]}),
    ("TagResources", 404, "InvalidResourceId.NotFound", {**tags, **tag, "ResourceId": [no_image]}),
    ("TagResources", 404, "InvalidResourceType.NotFound", {**tags, **tag, "ResourceType": "cloud"}),
    ("TagResources", 404, "InvalidRegionId.NotFound", {**tags, **tag, **nowhere}),
    ("TagResources", 404, "MissingParameter.RegionId", {**tags, **tag, "RegionId": ""}),
    ("TagResources", 404, "MissingParameter.ResourceType", {**tags, **tag, "ResourceType": ""}),
    ("TagResources", 404, "MissingParameter.Tags", tags),
    ("UntagResources", 400, "NumberExceed.ResourceIds", {**tags, "All": True, "ResourceId": [image_id] * 51}),
    ("UntagResources", 400, "NumberExceed.Tags", {**tags, "TagKey": [f"k{number}" for number in range(21)]}),
    ("UntagResources", 404, "InvalidResourceId.NotFound", {**tags, "All": True, "ResourceId": [no_image]}),
    ("UntagResources", 404, "InvalidResourceType.NotFound", {**tags, "All": True, "ResourceType": "cloud"}),
    ("UntagResources", 404, "InvalidRegionId.NotFound", {**tags, "All": True, **nowhere}),
    ("UntagResources", 404, "MissingParameter.RegionId", {**tags, "All": True, "RegionId": ""}),
    ("UntagResources", 404, "MissingParameter.ResourceType", {**tags, "All": True, "ResourceType": ""}),
    ("UntagResources", 404, "MissingParameter.Tags", tags),
    ("ListTagResources", 400, "NumberExceed.ResourceIds", {**tags, "ResourceId": [image_id] * 51}),
    ("ListTagResources", 400, "NumberExceed.Tags", {**tags, "Tag": many}),
    ("ListTagResources", 400, "InvalidParameter.TagValue", {**tags, "Tag": [{"Value": "a"}]}),
    ("ListTagResources", 403, "Invalid.NextToken", {**tags, "NextToken": "x"}),
    ("ListTagResources", 404, "InvalidResourceId.NotFound", {**tags, "ResourceId": ["m-1"]}),
    ("ListTagResources", 404, "InvalidResourceType.NotFound", {**tags, "ResourceType": "cloud"}),
    ("ListTagResources", 404, "InvalidRegionId.NotFound", {**tags, **nowhere}),
    ("ListTagResources", 404, "MissingParameter.RegionId", {**tags, "RegionId": ""}),
    ("ListTagResources", 404, "MissingParameter.ResourceType", {**tags, "ResourceType": ""}),
    ("ListTagResources", 404, "MissingParameter.Tags", {**here, "ResourceType": "image"}),
    ("DescribeRegions", 404, "InvalidAcceptLanguage.NotFound", {"AcceptLanguage": "tlh"}),
    ("DescribeRegions", 404, "InvalidResourceType.NotFound", {"ResourceType": "cloud"}),
    ("CreateSnapshot", 400, "InvalidSnapshotName.Malformed", {"DiskId": disk_id, "SnapshotName": "auto-1"}),
    ("CreateSnapshot", 404, "InvalidDescription.Malformed", {"DiskId": disk_id, "Description": "http://a"}),
    ("CreateSnapshot", 400, "Duplicate.TagKey", {"DiskId": disk_id, "Tag": twice}),
    ("CreateSnapshot", 400, "InvalidTagKey.Malformed", {"DiskId": disk_id, "Tag": [{"Key": "acs:a", "Value": ""}]}),
    ("CreateSnapshot", 400, "InvalidTagValue.Malformed", {"DiskId": disk_id, "Tag": [{"Key": "a", "Value": "http://b"}]}),
    ("CreateSnapshot", 403, "QuotaExceed.Tags", {"DiskId": disk_id, "Tag": many}),
    ("CreateSnapshot", 403, "IdempotentParameterMismatch", {"DiskId": disk_id, "SnapshotName": "another", "ClientToken": "snapshot"}),
    ("CreateSnapshot", 404, "InvalidDiskId.NotFound", {"DiskId": no_disk}),
    ("DescribeSnapshots", 400, "InvalidTag.Mismatch", {**here, "Tag": [{"Value": "a"}]}),
    ("DescribeSnapshots", 400, "InvalidTagCount", {**here, "Tag": many}),
    ("DescribeSnapshots", 403, "InvalidSnapshotIds.Malformed", {**here, "SnapshotIds": "[1,"}),
    ("DescribeSnapshots", 403, "Invalid.NextToken", {**here, "NextToken": "x"}),
    ("DescribeSnapshots", 404, "InvalidFilterKey.NotFound", {**here, "Filter": [{"Key": "Color", "Value": "red"}]}),
    ("DescribeSnapshots", 404, "InvalidStatus.NotFound", {**here, "Status": "lost"}),
    ("DescribeSnapshots", 404, "InvalidUsage", {**here, "Usage": "fun"}),
    ("DescribeSnapshots", 404, "InvalidSnapshotType.NotFound", {**here, "SnapshotType": "odd"}),
    ("DescribeSnapshots", 404, "InvalidSourceDiskType", {**here, "SourceDiskType": "tape"}),
    ("DescribeSnapshots", 404, "InvalidSnapshotLinkId.NotFound", {**here, "SnapshotLinkId": "sl-1"}),
    ("CopySnapshot", 400, "InvalidSnapshotName.Malformed", {**far, "DestinationSnapshotName": "http://a"}),
    ("CopySnapshot", 400, "InvalidDescription.Malformed", {**far, "DestinationSnapshotDescription": "http://a"}),
    ("CopySnapshot", 400, "IdempotentParameterMismatch", {**far, "ClientToken": "copy"}),
    ("CopySnapshot", 403, "InvalidOperation.NotSupportCopyInSameRegion", {**far, "DestinationRegionId": REGION}),
    ("CopySnapshot", 404, "InvalidSnapshotId.NotFound", {**far, "SnapshotId": no_snapshot}),
    ("DeleteSnapshot", 403, "SnapshotCreatedImage", {"SnapshotId": snapshot_id, "Force": True}),
    ("DeleteSnapshot", 403, "SnapshotCreatedDisk", {"SnapshotId": data_snapshot}),
    ("DeleteSnapshot", 404, "InvalidSnapshotId.NotFound", {"SnapshotId": no_snapshot}),
    ("ModifySnapshotAttribute", 400, "InvalidSnapshotName.Malformed", {"SnapshotId": data_snapshot, "SnapshotName": "http://a"}),
    ("ModifySnapshotAttribute", 400, "InvalidDescription.Malformed", {"SnapshotId": data_snapshot, "Description": "http://a"}),
    ("ModifySnapshotAttribute", 404, "InvalidSnapshotId.NotFound", {"SnapshotId": no_snapshot, "SnapshotName": "none"}),
    ("CreateDisk", 400, "IdempotentParameterMismatch", {**here, "Size": 21, "ClientToken": "disk"}),
    ("CreateDisk", 400, "InvalidDiskName.Malformed", {**here, "Size": 20, "DiskName": "http://a"}),
    ("CreateDisk", 400, "InvalidDescription.Malformed", {**here, "Size": 20, "Description": "http://a"}),
    ("CreateDisk", 404, "InvalidSnapshotId.NotFound", {**here, "SnapshotId": no_snapshot}),
]

wrong = []
for action, status, code, params, *by in ROWS:
    try:
        told = f"an answer: {ask(action, params, *by).to_map()}"
    except DaraException as error:
        told = f"{error.status_code} {error.code}: {error.message}"
        if (error.status_code, error.code) == (status, code):
            continue
    wrong.append(f"{action} {status} {code}: {told}")

# And nothing in the reference is forgotten.
table = set()
for line in pathlib.Path(__file__).parents[2].joinpath("src/ecs/statuses.txt").read_text().splitlines():
    action, _, *codes = line.split()
    if action in ACTIONS:
        table |= {(action, code) for code in codes}
provoked = {(action, code) for action, _, code, *_ in ROWS}
excused = set()
for words in UNPROVOKED.values():
    action = ""
    for word in words.split():
        if word in ACTIONS:
            action = word
        else:
            excused.add((action, word))
wrong += [f"{' '.join(row)} is neither provoked nor excused" for row in sorted(table - provoked - excused)]
wrong += [f"{' '.join(row)} is provoked and excused" for row in sorted(provoked & excused)]
wrong += [f"{' '.join(row)} is excused and not in the reference" for row in sorted(excused - table)]
assert not wrong, "\n" + "\n".join(wrong)
show(f"{len(ROWS)} errors are provoked, and {len(excused)} are known that no client can")
ask("CancelCopyImage", {**there, "ImageId": creating})
