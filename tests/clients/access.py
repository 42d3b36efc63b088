"""Another account, and a user who may only look, try every action on what is not theirs: nothing is done, and nothing leaks."""

import json
import urllib.error
import urllib.request

from alibabacloud_ecs20140526 import models as M

import oss2
from kiln_clients import ENDPOINT, FIRST, REGION, SECOND, check, fresh, show
from strangers import (
    ABSENT, attempts, bucket_name, disk_id, first, image_id, reader, refused, second, signed, snapshot_id, task_id
)

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


def answered(url):
    """The status and the code of an answer; no code for a success."""
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["Code"]


REGIONS = {"Action": "DescribeRegions"}
url = signed(REGIONS)
check(answered(url), (200, None), "a request for the first time")
check(answered(url), (400, "SignatureNonceUsed"), "the same request again")
check(answered(signed(REGIONS, age_s=16 * 60)), (400, "InvalidTimeStamp.Expired"), "a request of long ago")
check(answered(signed(REGIONS, age_s=-16 * 60)), (400, "InvalidTimeStamp.Expired"), "a request of times to come")
check(answered(signed(REGIONS, secret="wrong")), (400, "SignatureDoesNotMatch"), "a wrong secret")
check(answered(signed(REGIONS).replace("DescribeRegions", "DescribeImages")), (400, "SignatureDoesNotMatch"), "another action")
show("a request is answered once, in its time, and as it was signed")
