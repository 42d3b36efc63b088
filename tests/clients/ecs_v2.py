"""The newer official client, unmodified: the life of an image, and every error on the way."""

import json
import os

from alibabacloud_ecs20140526 import models as M
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.exceptions import DaraException

import oss2
from kiln_clients import ENDPOINT, FIRST, OTHER_REGION, REGION, SECOND, check, fresh, show, slow_copy, until


def client(account, **more):
    """A client of an account."""
    return Client(
        Config(
            access_key_id=account.key,
            access_key_secret=account.secret,
            region_id=REGION,
            endpoint=ENDPOINT,
            protocol="http",
            **more,
        )
    )


def refused(code, status, ask, *arguments):
    """Fails unless a request is refused with a code and a status."""
    try:
        answer = ask(*arguments)
    except DaraException as error:
        check((error.code, error.status_code), (code, status), str(error))
        return error
    raise AssertionError(f"{code} was expected, and there was an answer: {answer.body}")


def images(ecs, **wanted):
    """The images of a page."""
    return ecs.describe_images(M.DescribeImagesRequest(region_id=REGION, **wanted)).body.images.image


def image(ecs, image_id, region=REGION, status="ALL"):
    """One image, wherever it stands."""
    request = M.DescribeImagesRequest(region_id=region, image_id=image_id, status=status)
    found = ecs.describe_images(request).body.images.image
    return found[0] if found else None


first, second = client(FIRST), client(SECOND)
old_style = client(FIRST, signature_algorithm="v2")

# Who asks.
for ecs in (first, old_style):
    regions = ecs.describe_regions(M.DescribeRegionsRequest()).body.regions.region
    check(sorted(region.region_id for region in regions), [OTHER_REGION, REGION], "regions")
show("both signature styles are understood")
wrong = Client(Config(access_key_id=FIRST.key, access_key_secret="wrong", endpoint=ENDPOINT, protocol="http", region_id=REGION))
refused("SignatureDoesNotMatch", 400, wrong.describe_regions, M.DescribeRegionsRequest())
nobody = Client(Config(access_key_id="LTAInobody", access_key_secret="x", endpoint=ENDPOINT, protocol="http", region_id=REGION))
refused("InvalidAccessKeyId.NotFound", 404, nobody.describe_regions, M.DescribeRegionsRequest())
show("a wrong secret and an unknown key are refused")

# Nothing is there yet.
check(images(first, image_name=fresh("none")), [], "an empty page")
body = first.describe_images(M.DescribeImagesRequest(region_id=REGION, image_id="m-doesnotexist")).body
check((body.total_count, body.page_number, body.page_size), (0, 1, 10), "an empty page")
refused("InvalidRegionId.NotFound", 404, first.describe_images, M.DescribeImagesRequest(region_id="nowhere"))
refused("MissingParameter", 400, first.describe_images, M.DescribeImagesRequest())

# A disk goes into a bucket.
disk = bytes(range(256)) * 4096 + bytes(3 << 20)
bucket_name = fresh("uploads")
bucket = oss2.Bucket(oss2.Auth(FIRST.key, FIRST.secret), f"http://{ENDPOINT}", bucket_name)
bucket.create_bucket()
bucket.put_object("disk.raw", disk)
show("a disk is uploaded")

# Import.
mapping = M.ImportImageRequestDiskDeviceMapping(ossbucket=bucket_name, ossobject="disk.raw", format="RAW")
name = fresh("web")


def import_request(**more):
    """An import of the disk."""
    return M.ImportImageRequest(region_id=REGION, disk_device_mapping=[mapping], **more)


refused("MissingParameter.DiskDeviceMapping", 403, first.import_image, M.ImportImageRequest(region_id=REGION, image_name=name))
refused("InvalidImageName.Malformed", 400, first.import_image, import_request(image_name="1"))
absent = M.ImportImageRequestDiskDeviceMapping(ossbucket=bucket_name, ossobject="absent.raw")
request = M.ImportImageRequest(region_id=REGION, image_name=name, disk_device_mapping=[absent])
refused("InvalidOSSObject.NotFound", 400, first.import_image, request)
refused("InvalidArchitecture.Malformed", 400, first.import_image, import_request(image_name=name, architecture="mips"))
refused("DRYRUN.SUCCESS", 400, first.import_image, import_request(image_name=name, dry_run=True))
token = fresh("token")
imported = first.import_image(import_request(image_name=name, platform="Debian", description="a web server", client_token=token,
                                             tag=[M.ImportImageRequestTag(key="team", value="web")])).body
image_id = imported.image_id
again = first.import_image(import_request(image_name=name, platform="Debian", description="a web server", client_token=token,
                                          tag=[M.ImportImageRequestTag(key="team", value="web")])).body
check((again.image_id, again.task_id), (image_id, imported.task_id), "the same token")
refused("IdempotentParameterMismatch", 400, first.import_image, import_request(image_name=fresh("x"), client_token=token))
found = image(first, image_id)
assert found.status in ("Creating", "Waiting", "Available"), found.status
task = until("the import", lambda: (t := first.describe_task_attribute(
    M.DescribeTaskAttributeRequest(region_id=REGION, task_id=imported.task_id)).body).task_status == "Finished" and t)
check((task.task_action, task.task_process, task.support_cancel), ("ImportImage", "100%", "false"), "the task")
found = image(first, image_id, status=None)
check((found.status, found.image_name, found.platform, found.size, found.progress), ("Available", name, "Debian", 1, "100%"), "the image")
check([(tag.tag_key, tag.tag_value) for tag in found.tags.tag], [("team", "web")], "its tags")
mappings = found.disk_device_mappings.disk_device_mapping
check([(m.type, m.device, m.size, m.format, m.import_ossbucket, m.import_ossobject) for m in mappings],
      [("system", "/dev/xvda", "1", "RAW", bucket_name, "disk.raw")], "its disks")
refused("InvalidImageName.Duplicated", 400, first.import_image, import_request(image_name=name))
show("an image is imported, once for its token")

# Describe, in every filter.
for wanted in (
    {"image_name": name}, {"image_name": f"*{name[5:]}"}, {"image_id": image_id}, {"status": "Available,Creating"},
    {"image_owner_alias": "self"}, {"architecture": "x86_64", "image_name": name}, {"ostype": "linux", "image_name": name},
    {"tag": [M.DescribeImagesRequestTag(key="team", value="web")]}, {"tag": [M.DescribeImagesRequestTag(key="team")]},
    {"snapshot_id": mappings[0].snapshot_id}, {"usage": "none", "image_name": name},
    {"filter": [M.DescribeImagesRequestFilter(key="CreationStartTime", value="2020-01-01T00:00Z")]},
):
    assert image_id in [found.image_id for found in images(first, page_size=100, **wanted)], wanted
for wanted in (
    {"image_name": fresh("no")}, {"status": "Deprecated"}, {"image_owner_alias": "system"}, {"architecture": "arm64"},
    {"tag": [M.DescribeImagesRequestTag(key="team", value="db")]}, {"usage": "instance"},
    {"filter": [M.DescribeImagesRequestFilter(key="CreationEndTime", value="2020-01-01T00:00Z")]},
):
    assert image_id not in [found.image_id for found in images(first, page_size=100, **wanted)], wanted
refused("InvalidArchitecture", 404, first.describe_images, M.DescribeImagesRequest(region_id=REGION, architecture="mips"))
refused("InvalidFilterKey.NotFound", 404, first.describe_images, M.DescribeImagesRequest(
    region_id=REGION, filter=[M.DescribeImagesRequestFilter(key="Color", value="red")]))
refused("InvalidImageOwnerAlias.ValueNotSupported", 400, first.describe_images,
        M.DescribeImagesRequest(region_id=REGION, image_owner_alias="mine"))
own_group = found.resource_group_id
assert own_group.startswith("rg-"), own_group
for wanted in (
    {"instance_type": "ecs.g6.large"}, {"action_type": "CreateEcs"}, {"is_support_io_optimized": True}, {"is_support_cloudinit": False},
    {"status": "ALL"}, {"usable": True, "status": "Available"}, {"show_expired": True}, {"is_public": False},
    {"filter": [M.DescribeImagesRequestFilter(key="NetworkType", value="vpc")]},
    {"filter": [M.DescribeImagesRequestFilter(key="CreationEndTime", value="2999-01-01T00:00Z")]},
):
    assert image_id in [found.image_id for found in images(first, page_size=100, **wanted)], wanted
for wanted in (
    {"instance_type": "ecs.g8y.large"}, {"is_support_io_optimized": False}, {"image_family": fresh("none")},
    {"usable": False, "status": "Available"}, {"is_public": True, "image_owner_alias": "others"}, {"resource_group_id": "rg-none"},
    {"image_owner_alias": "others", "image_owner_id": 1}, {"snapshot_id": "s-aaaaaaaaaaaaaaaaaaaa"},
):
    assert image_id not in [found.image_id for found in images(first, page_size=100, **wanted)], wanted
show("images are found by every filter, and by nothing else")

# And in every page: each image is on one of them, newest first, and past the last there is nothing.
few = [first.import_image(import_request(tag=[M.ImportImageRequestTag(key="pages", value=name)])).body.image_id for _ in range(5)]
mine = [M.DescribeImagesRequestTag(key="pages", value=name)]
until("five images", lambda: len(images(first, tag=mine)) == 5)
for size in (1, 2, 5, 100):
    paged, number = [], 1
    while True:
        body = first.describe_images(M.DescribeImagesRequest(region_id=REGION, tag=mine, page_size=size, page_number=number)).body
        check((body.total_count, body.page_number, body.page_size), (5, number, size), "a page")
        if not body.images.image:
            break
        assert len(body.images.image) <= size, body
        paged += [found.image_id for found in body.images.image]
        number += 1
    check(paged, few[::-1], f"pages of {size}")
for each in few:
    first.delete_image(M.DeleteImageRequest(region_id=REGION, image_id=each))
show("images are found on every page")

# Modify, families.
family = fresh("fam")
first.modify_image_attribute(M.ModifyImageAttributeRequest(region_id=REGION, image_id=image_id, image_family=family, description="better"))
found = image(first, image_id)
check((found.image_family, found.description), (family, "better"), "what was changed")
newest = first.describe_image_from_family(M.DescribeImageFromFamilyRequest(region_id=REGION, image_family=family)).body.image
check(newest.image_id, image_id, "the family's image")
body = first.describe_image_from_family(M.DescribeImageFromFamilyRequest(region_id=REGION, image_family=fresh("none"))).body
assert body.image is None or not body.image.image_id, body
first.modify_image_attribute(M.ModifyImageAttributeRequest(region_id=REGION, image_id=image_id, status="Deprecated"))
body = first.describe_image_from_family(M.DescribeImageFromFamilyRequest(region_id=REGION, image_family=family)).body
assert body.image is None or not body.image.image_id, body
refused("ImageStatus.NotAvailable", 403, first.modify_image_attribute,
        M.ModifyImageAttributeRequest(region_id=REGION, image_id=image_id, status="Deprecated"))
share = M.ModifyImageSharePermissionRequest(region_id=REGION, image_id=image_id, add_account=[SECOND.id])
refused("OperationDenied.InvalidImageStatus", 403, first.modify_image_share_permission, share)
first.modify_image_attribute(M.ModifyImageAttributeRequest(region_id=REGION, image_id=image_id, status="Available"))
show("an image is changed, deprecated and restored, and its family follows")

# Share.
for ask, request in (
    (second.modify_image_attribute, M.ModifyImageAttributeRequest(region_id=REGION, image_id=image_id, description="mine")),
    (second.delete_image, M.DeleteImageRequest(region_id=REGION, image_id=image_id)),
    (second.modify_image_share_permission, M.ModifyImageSharePermissionRequest(region_id=REGION, image_id=image_id, add_account=[SECOND.id])),
    (second.export_image, M.ExportImageRequest(region_id=REGION, image_id=image_id, ossbucket="x")),
    (second.describe_image_share_permission, M.DescribeImageSharePermissionRequest(region_id=REGION, image_id=image_id)),
):
    refused("InvalidImageId.NotFound", 404, ask, request)
check(image(second, image_id), None, "an image that is not shared")
first.modify_image_share_permission(share)
refused("InvalidAccount.Forbbiden", 404, first.modify_image_share_permission,
        M.ModifyImageSharePermissionRequest(region_id=REGION, image_id=image_id, add_account=[FIRST.id]))
accounts = first.describe_image_share_permission(M.DescribeImageSharePermissionRequest(region_id=REGION, image_id=image_id)).body
check([account.aliyun_id for account in accounts.accounts.account], [SECOND.id], "who may use it")
found = image(second, image_id)
check((found.image_owner_alias, found.image_family), ("others", f"acs:{FIRST.id}:{family}"), "as the other sees it")
refused("ImageUseShared", 403, first.delete_image, M.DeleteImageRequest(region_id=REGION, image_id=image_id))
refused("OperationDenied.SameRegionOnly", 403, second.copy_image, M.CopyImageRequest(
    region_id=REGION, image_id=image_id, destination_region_id=OTHER_REGION, destination_image_name=fresh("copy")))
taken = second.copy_image(M.CopyImageRequest(region_id=REGION, image_id=image_id, destination_image_name=fresh("taken"))).body.image_id
until("the copy", lambda: image(second, taken, status=None))
first.modify_image_share_permission(M.ModifyImageSharePermissionRequest(region_id=REGION, image_id=image_id, remove_account=[SECOND.id]))
check(image(second, image_id), None, "an image that is no more shared")
show("an image is shared, copied by whom it is shared with, and unshared")

# Copy to another region; one of two is cancelled.
copied = first.copy_image(M.CopyImageRequest(region_id=REGION, image_id=image_id, destination_region_id=OTHER_REGION,
                                             destination_image_name=fresh("copy"))).body.image_id
found = until("the copy", lambda: image(first, copied, OTHER_REGION, None))
check((found.is_copied, found.image_family or ""), (True, ""), "the copy")
refused("ImageCreatedNotFromCopy", 400, first.cancel_copy_image, M.CancelCopyImageRequest(region_id=REGION, image_id=image_id))
refused("IncorrectImageStatus", 400, first.cancel_copy_image, M.CancelCopyImageRequest(region_id=OTHER_REGION, image_id=copied))
refused("DestinationRegion.NotFound", 400, first.copy_image, M.CopyImageRequest(
    region_id=REGION, image_id=image_id, destination_region_id="nowhere", destination_image_name=fresh("copy")))
# Five copies fill the way into the region, so that the sixth waits, and is surely met.
# What the region has already need not be sent, so each is of bytes of its own.
sources = []
for number in range(6):
    bucket.put_object(f"noise-{number}.raw", os.urandom(1 << 20))
    noise = M.ImportImageRequestDiskDeviceMapping(ossbucket=bucket_name, ossobject=f"noise-{number}.raw")
    sources.append(first.import_image(M.ImportImageRequest(region_id=REGION, disk_device_mapping=[noise])).body.image_id)
until("images to copy", lambda: all(image(first, each, status=None) for each in sources))
*five, source = sources
filling = [slow_copy(each) for each in five]
until("a copy that is made", lambda: image(first, filling[0], OTHER_REGION).status == "Creating")
waiting = first.copy_image(M.CopyImageRequest(region_id=REGION, image_id=source, destination_region_id=OTHER_REGION,
                                              destination_image_name=fresh("waits"))).body.image_id
found = until("the sixth copy", lambda: image(first, waiting, OTHER_REGION))
check((found.status, found.is_copied), ("Waiting", True), "a copy that waits")
for each in (waiting, *filling):
    first.cancel_copy_image(M.CancelCopyImageRequest(region_id=OTHER_REGION, image_id=each))
    check(image(first, each, OTHER_REGION), None, "a copy that was cancelled")
refused("InvalidImageId.NotFound", 404, first.cancel_copy_image, M.CancelCopyImageRequest(region_id=OTHER_REGION, image_id=waiting))
assert image(first, image_id).status == "Available", "the source of a cancelled copy"
show("an image is copied to another region, and copies that wait or are made are cancelled")

# Snapshots, and an image from one.
snapshot_id = mappings[0].snapshot_id
snapshots = first.describe_snapshots(M.DescribeSnapshotsRequest(region_id=REGION, snapshot_ids=json.dumps([snapshot_id]))).body
check([(s.snapshot_id, s.status, s.source_disk_type) for s in snapshots.snapshots.snapshot],
      [(snapshot_id, "accomplished", "system")], "the snapshot")
made = first.create_image(M.CreateImageRequest(region_id=REGION, snapshot_id=snapshot_id, image_name=fresh("made"), image_family=family)).body.image_id
until("the image", lambda: image(first, made, status=None))
newest = first.describe_image_from_family(M.DescribeImageFromFamilyRequest(region_id=REGION, image_family=family)).body.image
check(newest.image_id, made, "the newest of the family")
refused("SnapshotCreatedImage", 403, first.delete_snapshot, M.DeleteSnapshotRequest(snapshot_id=snapshot_id, force=True))
refused("InvalidSnapshotId.NotFound", 404, first.create_image, M.CreateImageRequest(
    region_id=REGION, snapshot_id="s-aaaaaaaaaaaaaaaaaaaa", image_name=fresh("made")))
refused("DryRunOperation", 400, first.create_image, M.CreateImageRequest(
    region_id=REGION, snapshot_id=snapshot_id, image_name=fresh("made"), dry_run=True))
show("an image is created from a snapshot")

# A disk, and its snapshot.
disk_id = first.create_disk(M.CreateDiskRequest(region_id=REGION, zone_id=f"{REGION}-a", size=20, disk_category="cloud_essd", disk_name="scratch")).body.disk_id
until("the disk", lambda: first.describe_disks(M.DescribeDisksRequest(
    region_id=REGION, disk_ids=json.dumps([disk_id]), status="Available")).body.disks.disk)
taken = first.create_snapshot(M.CreateSnapshotRequest(disk_id=disk_id, snapshot_name="before", retention_days=3)).body.snapshot_id
until("the snapshot", lambda: first.describe_snapshots(M.DescribeSnapshotsRequest(
    region_id=REGION, snapshot_ids=json.dumps([taken]), status="accomplished")).body.snapshots.snapshot)
first.modify_snapshot_attribute(M.ModifySnapshotAttributeRequest(snapshot_id=taken, snapshot_name="renamed"))
first.delete_snapshot(M.DeleteSnapshotRequest(snapshot_id=taken, force=True))
first.delete_disk(M.DeleteDiskRequest(disk_id=disk_id))
show("a disk is made, and a snapshot of it is taken")

# Tags.
tag = M.TagResourcesRequestTag(key="stage", value="test")
first.tag_resources(M.TagResourcesRequest(region_id=REGION, resource_type="image", resource_id=[image_id, made], tag=[tag]))
rows = first.list_tag_resources(M.ListTagResourcesRequest(region_id=REGION, resource_type="image", resource_id=[image_id])).body
check(sorted((r.tag_key, r.tag_value) for r in rows.tag_resources.tag_resource), [("stage", "test"), ("team", "web")], "tags")
first.untag_resources(M.UntagResourcesRequest(region_id=REGION, resource_type="image", resource_id=[image_id, made], tag_key=["stage"]))
refused("InvalidResourceId.NotFound", 404, first.tag_resources, M.TagResourcesRequest(
    region_id=REGION, resource_type="image", resource_id=["m-aaaaaaaaaaaaaaaaaaaa"], tag=[tag]))
refused("InvalidResourceType.NotFound", 404, first.tag_resources, M.TagResourcesRequest(
    region_id=REGION, resource_type="cloud", resource_id=[image_id], tag=[tag]))
show("resources are tagged and found by their tags")

# Export, and compare.
exported = first.export_image(M.ExportImageRequest(region_id=REGION, image_id=image_id, ossbucket=bucket_name, ossprefix="out", image_format="qcow2")).body
task = until("the export", lambda: (t := first.describe_task_attribute(
    M.DescribeTaskAttributeRequest(region_id=REGION, task_id=exported.task_id)).body).task_status == "Finished" and t)
items = task.operation_progress_set.operation_progress[0].related_item_set.related_item
told = {item.name: item.value for item in items}
check((told["OSSBucket"], told["ImageFormat"]), (bucket_name, "qcow2"), "where the export is")
head = bucket.get_object(told["OSSObject"]).read(4)
check(head, b"QFI\xfb", "what was exported")
exported = first.export_image(M.ExportImageRequest(region_id=REGION, image_id=image_id, ossbucket=bucket_name, ossprefix="raw")).body
task = until("the export", lambda: (t := first.describe_task_attribute(
    M.DescribeTaskAttributeRequest(region_id=REGION, task_id=exported.task_id)).body).task_status == "Finished" and t)
items = task.operation_progress_set.operation_progress[0].related_item_set.related_item
name_of = next(item.value for item in items if item.name == "OSSObject")
check(name_of, f"raw_{image_id}_system.raw.tar.gz", "the object's name")
import io, tarfile
with tarfile.open(fileobj=io.BytesIO(bucket.get_object(name_of).read()), mode="r:gz") as archive:
    member = archive.getmembers()[0]
    check(archive.extractfile(member).read(), disk, "the bytes that come back")
refused("InvalidOSSBucket.NotFound", 400, first.export_image, M.ExportImageRequest(region_id=REGION, image_id=image_id, ossbucket=fresh("no")))
refused("InvalidTaskId.NotFound", 400, first.cancel_task, M.CancelTaskRequest(region_id=REGION, task_id="t-none"))
refused("InvalidTaskId.IncorrectTaskStatus", 403, first.cancel_task, M.CancelTaskRequest(region_id=REGION, task_id=exported.task_id))
tasks = first.describe_tasks(M.DescribeTasksRequest(region_id=REGION, task_action="ExportImage", page_size=100)).body
assert exported.task_id in [task.task_id for task in tasks.task_set.task]
show("an image is exported, downloaded, and the same byte for byte")

# Delete.
first.delete_image(M.DeleteImageRequest(region_id=REGION, image_id=made))
first.delete_image(M.DeleteImageRequest(region_id=REGION, image_id=image_id, force=True))
check(image(first, image_id), None, "what was deleted")
refused("InvalidImageId.NotFound", 404, first.delete_image, M.DeleteImageRequest(region_id=REGION, image_id=image_id))
show("images are deleted")
