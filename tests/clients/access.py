"""Another account, and a user who may only look, try every action on what is not theirs: nothing is done, and nothing leaks."""

import base64
import hashlib
import hmac
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

from alibabacloud_ecs20140526 import models as M
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.exceptions import DaraException

import oss2
from kiln_clients import ENDPOINT, FIRST, OTHER_REGION, REGION, SECOND, check, fresh, show, until


def client(key, secret):
    """A client by its key."""
    return Client(Config(access_key_id=key, access_key_secret=secret, region_id=REGION, endpoint=ENDPOINT, protocol="http"))


def refused(ask, request):
    """What a request is refused with."""
    try:
        answer = ask(request)
    except DaraException as error:
        return error
    raise AssertionError(f"{request} was answered: {answer.body}")


first, second = client(FIRST.key, FIRST.secret), client(SECOND.key, SECOND.secret)
reader = client(os.environ["OSS_READER_KEY_ID"], os.environ["OSS_READER_KEY_SECRET"])

bucket_name = fresh("own")
bucket = oss2.Bucket(oss2.Auth(FIRST.key, FIRST.secret), f"http://{ENDPOINT}", bucket_name)
bucket.create_bucket()
bucket.put_object("disk.raw", b"kiln" * (1 << 18))
mapping = M.ImportImageRequestDiskDeviceMapping(ossbucket=bucket_name, ossobject="disk.raw", format="RAW")
imported = first.import_image(M.ImportImageRequest(region_id=REGION, disk_device_mapping=[mapping], image_name=fresh("own"))).body
image_id, task_id = imported.image_id, imported.task_id
found = until("the import", lambda: first.describe_images(M.DescribeImagesRequest(region_id=REGION, image_id=image_id)).body.images.image)
snapshot_id = found[0].disk_device_mappings.disk_device_mapping[0].snapshot_id
disk_id = first.create_disk(M.CreateDiskRequest(region_id=REGION, size=20, disk_name="own", zone_id=f"{REGION}-a")).body.disk_id
tag = M.TagResourcesRequestTag(key="a", value="b")

ABSENT = {"m-": "m-aaaaaaaaaaaaaaaaaaaa", "s-": "s-aaaaaaaaaaaaaaaaaaaa", "d-": "d-aaaaaaaaaaaaaaaaaaaa", "t-": "t-aaaaaaaaaaaaaaaaaaaa"}


def attempts(ecs, image, snapshot, disk, task, bucket):
    """Every action that names something, on these things."""
    return {
        "ModifyImageAttribute": (ecs.modify_image_attribute, M.ModifyImageAttributeRequest(region_id=REGION, image_id=image, description="mine")),
        "ModifyImageSharePermission": (ecs.modify_image_share_permission, M.ModifyImageSharePermissionRequest(
            region_id=REGION, image_id=image, add_account=[SECOND.id])),
        "DescribeImageSharePermission": (ecs.describe_image_share_permission, M.DescribeImageSharePermissionRequest(
            region_id=REGION, image_id=image)),
        "CopyImage": (ecs.copy_image, M.CopyImageRequest(
            region_id=REGION, image_id=image, destination_region_id=OTHER_REGION, destination_image_name="stolen")),
        "CancelCopyImage": (ecs.cancel_copy_image, M.CancelCopyImageRequest(region_id=REGION, image_id=image)),
        "ExportImage": (ecs.export_image, M.ExportImageRequest(region_id=REGION, image_id=image, ossbucket=bucket)),
        "DeleteImage": (ecs.delete_image, M.DeleteImageRequest(region_id=REGION, image_id=image, force=True)),
        "CreateImage": (ecs.create_image, M.CreateImageRequest(region_id=REGION, snapshot_id=snapshot, image_name="stolen")),
        "ImportImage": (ecs.import_image, M.ImportImageRequest(region_id=REGION, image_name="stolen", disk_device_mapping=[
            M.ImportImageRequestDiskDeviceMapping(ossbucket=bucket, ossobject="disk.raw")])),
        "DeleteSnapshot": (ecs.delete_snapshot, M.DeleteSnapshotRequest(snapshot_id=snapshot, force=True)),
        "CreateSnapshot": (ecs.create_snapshot, M.CreateSnapshotRequest(disk_id=disk)),
        "ModifySnapshotAttribute": (ecs.modify_snapshot_attribute, M.ModifySnapshotAttributeRequest(
            snapshot_id=snapshot, snapshot_name="stolen")),
        "CreateDisk": (ecs.create_disk, M.CreateDiskRequest(region_id=REGION, snapshot_id=snapshot, zone_id=f"{REGION}-a")),
        "CancelTask": (ecs.cancel_task, M.CancelTaskRequest(region_id=REGION, task_id=task)),
        "TagResources": (ecs.tag_resources, M.TagResourcesRequest(
            region_id=REGION, resource_type="image", resource_id=[image], tag=[tag])),
        "UntagResources": (ecs.untag_resources, M.UntagResourcesRequest(
            region_id=REGION, resource_type="image", resource_id=[image], tag_key=["a"])),
    }


# Another account is told of what is there what it is told of what is not.
there = attempts(second, image_id, snapshot_id, disk_id, task_id, bucket_name)
absent = attempts(second, ABSENT["m-"], ABSENT["s-"], ABSENT["d-"], ABSENT["t-"], fresh("none"))
for action, (ask, request) in there.items():
    one, other = refused(ask, request), refused(*absent[action])
    check((one.code, one.status_code), (other.code, other.status_code), action)
    for mine in (image_id, snapshot_id, disk_id, task_id, bucket_name):
        assert str(one.data.get("Message", "")).replace(mine, "").count(FIRST.id) == 0, one
assert not second.describe_images(M.DescribeImagesRequest(region_id=REGION, image_id=image_id, status="ALL")).body.images.image
assert not second.describe_snapshots(M.DescribeSnapshotsRequest(region_id=REGION)).body.snapshots.snapshot
assert not second.describe_disks(M.DescribeDisksRequest(region_id=REGION)).body.disks.disk
assert not second.describe_tasks(M.DescribeTasksRequest(region_id=REGION)).body.task_set.task
names = [b.name for b in oss2.Service(oss2.Auth(SECOND.key, SECOND.secret), f"http://{ENDPOINT}").list_buckets().buckets]
assert bucket_name not in names, names
show("another account is told of what is there what it is told of what is not")

# A user who may look is told what it may not, and by which action and resource.
changes = attempts(reader, image_id, snapshot_id, disk_id, task_id, bucket_name)
assert reader.describe_images(M.DescribeImagesRequest(region_id=REGION, image_id=image_id)).body.images.image
for action, (ask, request) in changes.items():
    if action.startswith("Describe"):
        ask(request)
        continue
    error = refused(ask, request)
    check((error.code, error.status_code), ("Forbidden.RAM", 403), action)
    detail = error.data["AccessDeniedDetail"]
    check((detail["AuthAction"], detail["NoPermissionType"]), (f"ecs:{action}", "ImplicitDeny"), action)
    assert FIRST.id in detail["AuthResource"], detail
show("a user who may only look is told what it may not do, and with what")

# And nothing was done.
found = first.describe_images(M.DescribeImagesRequest(region_id=REGION, image_id=image_id)).body.images.image[0]
check((found.description, found.tags.tag, found.is_self_shared), ("", [], ""), "the image")
show("nothing was done")


def signed(age_s=0, secret=FIRST.secret):
    """A request of the older style, signed here, so that it can be sent again as it is."""
    params = {
        "Action": "DescribeRegions", "Version": "2014-05-26", "Format": "JSON", "AccessKeyId": FIRST.key,
        "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0", "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age_s)),
    }
    encode = lambda text: urllib.parse.quote(text, safe="-_.~")
    canonical = "&".join(f"{encode(name)}={encode(params[name])}" for name in sorted(params))
    digest = hmac.new(f"{secret}&".encode(), f"GET&%2F&{encode(canonical)}".encode(), hashlib.sha1).digest()
    return f"http://{ENDPOINT}/?{canonical}&Signature={encode(base64.b64encode(digest).decode())}"


def answered(url):
    """The status and the code of an answer; no code for a success."""
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["Code"]


url = signed()
check(answered(url), (200, None), "a request for the first time")
check(answered(url), (400, "SignatureNonceUsed"), "the same request again")
check(answered(signed(age_s=16 * 60)), (400, "InvalidTimeStamp.Expired"), "a request of long ago")
check(answered(signed(age_s=-16 * 60)), (400, "InvalidTimeStamp.Expired"), "a request of times to come")
check(answered(signed(secret="wrong")), (400, "SignatureDoesNotMatch"), "a wrong secret")
check(answered(signed().replace("DescribeRegions", "DescribeImages")), (400, "SignatureDoesNotMatch"), "another action")
show("a request is answered once, in its time, and as it was signed")
