"""What the scripts about strangers share: things of the first account, every action that names one of them, and the signature
of the older style, made here so that a request can be sent again as it is, or timed without its signing."""

import base64
import hashlib
import hmac
import os
import time
import urllib.parse
import uuid

from alibabacloud_ecs20140526 import models as M
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.exceptions import DaraException

import oss2
from kiln_clients import ENDPOINT, FIRST, OTHER_REGION, REGION, SECOND, fresh, until


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


def signed(params, key=FIRST.key, secret=FIRST.secret, age_s=0):
    """A request as a URL, signed."""
    params = {
        **params, "Version": "2014-05-26", "Format": "JSON", "AccessKeyId": key,
        "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0", "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age_s)),
    }
    encode = lambda text: urllib.parse.quote(text, safe="-_.~")
    canonical = "&".join(f"{encode(name)}={encode(params[name])}" for name in sorted(params))
    digest = hmac.new(f"{secret}&".encode(), f"GET&%2F&{encode(canonical)}".encode(), hashlib.sha1).digest()
    return f"http://{ENDPOINT}/?{canonical}&Signature={encode(base64.b64encode(digest).decode())}"
