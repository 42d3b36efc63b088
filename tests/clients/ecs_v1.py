"""The older official client, unmodified: signatures of the RPC style, parameters in the query, and its own retries."""

import json
import os

from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from aliyunsdkecs.request.v20140526.CancelCopyImageRequest import CancelCopyImageRequest
from aliyunsdkecs.request.v20140526.CopyImageRequest import CopyImageRequest
from aliyunsdkecs.request.v20140526.CreateSnapshotRequest import CreateSnapshotRequest
from aliyunsdkecs.request.v20140526.DeleteImageRequest import DeleteImageRequest
from aliyunsdkecs.request.v20140526.DescribeImagesRequest import DescribeImagesRequest
from aliyunsdkecs.request.v20140526.DescribeRegionsRequest import DescribeRegionsRequest
from aliyunsdkecs.request.v20140526.DescribeTasksRequest import DescribeTasksRequest
from aliyunsdkecs.request.v20140526.ImportImageRequest import ImportImageRequest
from aliyunsdkecs.request.v20140526.ModifyImageAttributeRequest import ModifyImageAttributeRequest
from aliyunsdkecs.request.v20140526.TagResourcesRequest import TagResourcesRequest

import oss2
from kiln_clients import ENDPOINT, FIRST, OTHER_REGION, REGION, check, fresh, show, slow_copy, until

client = AcsClient(FIRST.key, FIRST.secret, REGION)
client.add_endpoint(REGION, "Ecs", ENDPOINT)


def ask(request, by=client):
    """What a request is answered."""
    request.set_endpoint(ENDPOINT)
    request.set_accept_format("json")
    return json.loads(by.do_action_with_exception(request))


def refused(code, status, request, by=client):
    """Fails unless a request is refused with a code and a status."""
    try:
        answer = ask(request, by)
    except ServerException as error:
        check((error.error_code, error.http_status), (code, status), str(error))
        assert error.request_id, error
        return
    raise AssertionError(f"{code} was expected, and there was an answer: {answer}")


regions = ask(DescribeRegionsRequest())["Regions"]["Region"]
assert REGION in [region["RegionId"] for region in regions], regions
check({region["RegionEndpoint"] for region in regions}, {ENDPOINT}, "where regions are")
show("regions are told, and that they are here")
# The client compares what the server signed with what it signed itself, and says that the secret is the wrong part.
refused("InvalidAccessKeySecret", 400, DescribeRegionsRequest(), AcsClient(FIRST.key, "wrong", REGION))
refused("InvalidAccessKeyId.NotFound", 404, DescribeRegionsRequest(), AcsClient("LTAInobody", "x", REGION))
show("a wrong secret and an unknown key are refused")

common = CommonRequest(domain=ENDPOINT, version="2014-05-26", action_name="DescribeImages")
common.set_method("GET")
common.add_query_param("RegionId", REGION)
common.add_query_param("Status", "ALL")
answer = json.loads(client.do_action_with_exception(common))
check((answer["PageNumber"], answer["PageSize"]), (1, 10), "a page by GET")
form = CommonRequest(domain=ENDPOINT, version="2014-05-26", action_name="DescribeImages")
form.set_method("POST")
form.add_body_params("RegionId", REGION)
form.add_body_params("ImageName", "测试 a+b*~")
check(json.loads(client.do_action_with_exception(form))["TotalCount"], 0, "a page by POST, with a form")
common = CommonRequest(domain=ENDPOINT, version="2014-05-26", action_name="DescribeNothing")
try:
    client.do_action_with_exception(common)
    raise AssertionError("an action that is not there was answered")
except ServerException as error:
    check((error.error_code, error.http_status), ("InvalidAction.NotFound", 404), str(error))
show("parameters are read from the query and from a form, by GET and POST")



def ram(action, **params):
    """What RAM answers, which is on the same port."""
    request = CommonRequest(domain=ENDPOINT, version="2015-05-01", action_name=action)
    for name, value in params.items():
        request.add_query_param(name, value)
    return json.loads(client.do_action_with_exception(request))


def ram_refused(code, status, action, **params):
    """Fails unless RAM refuses with a code and a status."""
    try:
        answer = ram(action, **params)
    except ServerException as error:
        return check((error.error_code, error.http_status), (code, status), str(error))
    raise AssertionError(f"{code} was expected, and there was an answer: {answer}")


role, policy = "AliyunECSImageImportDefaultRole", "AliyunECSImageImportRolePolicy"
trust = '{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":["ecs.aliyuncs.com"]}}],"Version":"1"}'
ram_refused("EntityNotExist.Role", 404, "GetRole", RoleName=role)
made = ram("CreateRole", RoleName=role, AssumeRolePolicyDocument=trust)["Role"]
check(ram("GetRole", RoleName=role)["Role"], made, "the role")
ram_refused("EntityAlreadyExists.Role", 409, "CreateRole", RoleName=role, AssumeRolePolicyDocument=trust)
ram("AttachPolicyToRole", PolicyType="System", PolicyName=policy, RoleName=role)
ram_refused("EntityAlreadyExists.Role.Policy", 409, "AttachPolicyToRole", PolicyType="System", PolicyName=policy, RoleName=role)
had = [p["PolicyName"] for p in ram("ListPoliciesForRole", RoleName=role)["Policies"]["Policy"]]
check(had, [policy], "the role's policies")
ram_refused("DeleteConflict.Role.Policy", 409, "DeleteRole", RoleName=role)
show("the role that an import goes by is made, and given its policy")

bucket_name = fresh("older")
bucket = oss2.Bucket(oss2.Auth(FIRST.key, FIRST.secret), f"http://{ENDPOINT}", bucket_name)
bucket.create_bucket()
bucket.put_object("disk.raw", b"kiln" * (1 << 18))
request = ImportImageRequest()
name = fresh("older")
request.set_ImageName(name)
request.set_DiskDeviceMappings([{"OSSBucket": bucket_name, "OSSObject": "disk.raw", "Format": "RAW", "DiskImageSize": 5}])
imported = ask(request)
image_id = imported["ImageId"]


def images(**wanted):
    """The images of a page."""
    request = DescribeImagesRequest()
    for field, value in wanted.items():
        getattr(request, f"set_{field}")(value)
    return ask(request)["Images"]["Image"]


found = until("the import", lambda: images(ImageId=image_id))[0]
check((found["ImageName"], found["Size"], found["IsSupportIoOptimized"]), (name, 5, True), "the image")
request = DescribeTasksRequest()
request.set_TaskIds(imported["TaskId"])
task = until("the task's end", lambda: next((t for t in ask(request)["TaskSet"]["Task"] if t["TaskStatus"] == "Finished"), None))
check((task["TaskId"], task["TaskStatus"], task["SupportCancel"]), (imported["TaskId"], "Finished", "false"), "the task")
show("an image is imported")

request = TagResourcesRequest()
request.set_ResourceType("image")
request.set_ResourceIds([image_id])
request.set_Tags([{"Key": "by", "Value": "older"}])
ask(request)
assert [image["ImageId"] for image in images(Tags=[{"Key": "by", "Value": "older"}])] == [image_id]
request = ModifyImageAttributeRequest()
request.set_ImageId(image_id)
request.set_ImageName(fresh("renamed"))
ask(request)
request = CreateSnapshotRequest()
request.set_DiskId("d-aaaaaaaaaaaaaaaaaaaa")
refused("InvalidDiskId.NotFound", 404, request)


def copied():
    """A copy to the other region, as the older client asks for one."""
    request = CopyImageRequest()
    request.set_ImageId(image_id)
    request.set_DestinationRegionId(OTHER_REGION)
    request.set_DestinationImageName(fresh("copy"))
    return ask(request)["ImageId"]


def far(copy, status="ALL"):
    """An image of the other region."""
    request = DescribeImagesRequest()
    request.add_query_param("RegionId", OTHER_REGION)
    request.set_ImageId(copy)
    request.set_Status(status)
    return ask(request)["Images"]["Image"]


def cancelled(copy):
    """Asks to cancel a copy."""
    request = CancelCopyImageRequest()
    request.add_query_param("RegionId", OTHER_REGION)
    request.set_ImageId(copy)
    return request


whole = copied()
until("a copy", lambda: far(whole, "Available"))
refused("IncorrectImageStatus", 400, cancelled(whole))
# One that is sent a byte at a time is surely met, if there is anything to send: the region has none of these bytes.
bucket.put_object("noise.raw", os.urandom(1 << 20))
request = ImportImageRequest()
request.set_DiskDeviceMappings([{"OSSBucket": bucket_name, "OSSObject": "noise.raw"}])
noise = ask(request)["ImageId"]
until("an image to copy", lambda: images(ImageId=noise))
slow = slow_copy(noise)
check(until("a copy that is made", lambda: far(slow))[0]["IsCopied"], True, "a copy")
ask(cancelled(slow))
check(far(slow), [], "a copy that was cancelled")
refused("InvalidImageId.NotFound", 404, cancelled(slow))
show("an image is copied to another region, and a copy is cancelled")
request = DeleteImageRequest()
request.set_ImageId(image_id)
ask(request)
check(images(ImageId=image_id), [], "what was deleted")
refused("InvalidImageId.NotFound", 404, request)
show("an image is tagged, renamed and deleted")
