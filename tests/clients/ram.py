"""Access management over the wire: a user is made, given a key and a policy, acts as a role, and is undone."""

import json

from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

import oss2
from kiln_clients import ENDPOINT, FIRST, REGION, SECOND, check, fresh, show

ECS, RAM, STS = "2014-05-26", "2015-05-01", "2015-04-01"


def by(key, secret, token=None):
    """A client of a key, or of a session."""
    if token is None:
        return AcsClient(key, secret, REGION)
    return AcsClient(region_id=REGION, credential=StsTokenCredential(key, secret, token))


def ask(client, version, action, **params):
    """What an action is answered."""
    request = CommonRequest(domain=ENDPOINT, version=version, action_name=action)
    for name, value in params.items():
        request.add_query_param(name, value)
    return json.loads(client.do_action_with_exception(request))


def refused(code, status, client, version, action, **params):
    """Fails unless an action is refused with a code and a status."""
    try:
        answer = ask(client, version, action, **params)
    except ServerException as error:
        check((error.error_code, error.http_status), (code, status), str(error))
        return str(error)
    raise AssertionError(f"{code} was expected, and there was an answer: {answer}")


root = by(FIRST.key, FIRST.secret)
name = fresh("alice")

check(ask(root, STS, "GetCallerIdentity")["Arn"], f"acs:ram::{FIRST.id}:root", "the account itself")
refused("EntityNotExist.User", 404, root, RAM, "GetUser", UserName=name)
made = ask(root, RAM, "CreateUser", UserName=name, DisplayName="Alice", Comments="builds images")["User"]
check((made["UserName"], made["DisplayName"], made["Comments"]), (name, "Alice", "builds images"), "the user")
check(ask(root, RAM, "GetUser", UserName=name)["User"], made, "the user, looked at")
assert made in ask(root, RAM, "ListUsers")["Users"]["User"]
refused("EntityAlreadyExists.User", 409, root, RAM, "CreateUser", UserName=name)
refused("MissingParameter", 400, root, RAM, "CreateUser")
show("a user is made once, and found")

key = ask(root, RAM, "CreateAccessKey", UserName=name)["AccessKey"]
check(key["Status"], "Active", "a new key")
listed = ask(root, RAM, "ListAccessKeys", UserName=name)["AccessKeys"]["AccessKey"]
check(listed, [{field: key[field] for field in ("AccessKeyId", "Status", "CreateDate")}], "keys, without secrets")
alice = by(key["AccessKeyId"], key["AccessKeySecret"])
identity = ask(alice, STS, "GetCallerIdentity")
check((identity["IdentityType"], identity["Arn"], identity["UserId"]),
      ("RAMUser", f"acs:ram::{FIRST.id}:user/{name}", made["UserId"]), "who alice is")
missing = refused("Forbidden.RAM", 403, alice, ECS, "DescribeImages", RegionId=REGION)
assert "ecs:DescribeImages" in missing, missing
refused("Forbidden.RAM", 403, alice, RAM, "CreateUser", UserName="mallory")
show("a key of a user speaks for it, and may do nothing yet")

policy = fresh("look")
document = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "ecs:Describe*", "Resource": "*"}]}
refused("MalformedPolicyDocument", 400, root, RAM, "CreatePolicy", PolicyName=policy, PolicyDocument="{")
created = ask(root, RAM, "CreatePolicy", PolicyName=policy, PolicyDocument=json.dumps(document), Description="looks")["Policy"]
check((created["PolicyType"], created["DefaultVersion"]), ("Custom", "v1"), "the policy")
shown = ask(root, RAM, "GetPolicy", PolicyName=policy, PolicyType="Custom")
check(json.loads(shown["DefaultPolicyVersion"]["PolicyDocument"]), document, "what the policy says")
ask(root, RAM, "AttachPolicyToUser", PolicyType="Custom", PolicyName=policy, UserName=name)
refused("EntityAlreadyExists.User.Policy", 409, root, RAM, "AttachPolicyToUser",
        PolicyType="Custom", PolicyName=policy, UserName=name)
had = ask(root, RAM, "ListPoliciesForUser", UserName=name)["Policies"]["Policy"]
check([(one["PolicyName"], one["PolicyType"]) for one in had], [(policy, "Custom")], "the user's policies")
counted = {one["PolicyName"]: one["AttachmentCount"] for one in ask(root, RAM, "ListPolicies", PolicyType="Custom")["Policies"]["Policy"]}
check(counted[policy], 1, "how many have it")
check(ask(alice, ECS, "DescribeImages", RegionId=REGION)["PageNumber"], 1, "what alice may see now")
refused("Forbidden.RAM", 403, alice, ECS, "CreateVpc", RegionId=REGION)
show("a policy lets a user do what it says, and nothing else")

role = fresh("builder")
trust = json.dumps({"Version": "1", "Statement": [
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"RAM": [f"acs:ram::{FIRST.id}:root"]}}]})
arn = ask(root, RAM, "CreateRole", RoleName=role, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
ask(root, RAM, "AttachPolicyToRole", PolicyType="System", PolicyName="AliyunOSSFullAccess", RoleName=role)
wanted = {"RoleArn": arn, "RoleSessionName": "ci", "DurationSeconds": 900}
refused("NoPermission", 403, root, STS, "AssumeRole", **wanted)
refused("NoPermission", 403, alice, STS, "AssumeRole", **wanted)
ask(root, RAM, "AttachPolicyToUser", PolicyType="System", PolicyName="AliyunSTSAssumeRoleAccess", UserName=name)
refused("InvalidParameter.DurationSeconds", 400, alice, STS, "AssumeRole", **{**wanted, "DurationSeconds": 1})
refused("NoPermission", 403, alice, STS, "AssumeRole", **{**wanted, "RoleArn": arn + "x"})
assumed = ask(alice, STS, "AssumeRole", **wanted)
check(assumed["AssumedRoleUser"]["Arn"], f"{arn}/ci", "the session")
session = assumed["Credentials"]
acting = by(session["AccessKeyId"], session["AccessKeySecret"], session["SecurityToken"])
check(ask(acting, STS, "GetCallerIdentity")["Arn"], f"acs:sts::{FIRST.id}:assumed-role/{role}/ci", "who the session is")
refused("Forbidden.RAM", 403, acting, ECS, "DescribeImages", RegionId=REGION)
auth = oss2.StsAuth(session["AccessKeyId"], session["AccessKeySecret"], session["SecurityToken"])
bucket = oss2.Bucket(auth, f"http://{ENDPOINT}", fresh("session"))
bucket.create_bucket()
bucket.put_object("disk.raw", b"kiln")
check(bucket.get_object("disk.raw").read(), b"kiln", "what a session put")
second = by(SECOND.key, SECOND.secret)
refused("EntityNotExist.Role", 404, second, RAM, "GetRole", RoleName=role)
ask(root, RAM, "AttachPolicyToRole", PolicyType="System", PolicyName="AliyunRAMFullAccess", RoleName=role)
for action, params in {"CreateAccessKey": {}, "ListAccessKeys": {}, "DeleteAccessKey": {"UserAccessKeyId": FIRST.key},
                       "UpdateAccessKey": {"UserAccessKeyId": FIRST.key, "Status": "Inactive"}}.items():
    refused("MissingParameter", 400, acting, RAM, action, **params)
check(len(ask(acting, RAM, "ListAccessKeys", UserName=name)["AccessKeys"]["AccessKey"]), 1, "a user's keys, by a session")
show("a role is assumed with a token, for what the role may and nothing else, and never speaks for the account itself")

refused("InvalidParameter.Status", 400, root, RAM, "UpdateAccessKey", UserName=name, UserAccessKeyId=key["AccessKeyId"], Status="Off")
refused("EntityNotExist.User.AccessKey", 404, root, RAM, "UpdateAccessKey",
        UserName=name, UserAccessKeyId=FIRST.key, Status="Inactive")
ask(root, RAM, "UpdateAccessKey", UserName=name, UserAccessKeyId=key["AccessKeyId"], Status="Inactive")
refused("InvalidAccessKeyId.Inactive", 400, alice, STS, "GetCallerIdentity")
refused("DeleteConflict.User.AccessKey", 409, root, RAM, "DeleteUser", UserName=name)
ask(root, RAM, "DeleteAccessKey", UserName=name, UserAccessKeyId=key["AccessKeyId"])
refused("DeleteConflict.User.Policy", 409, root, RAM, "DeleteUser", UserName=name)
refused("DeleteConflict.Policy", 409, root, RAM, "DeletePolicy", PolicyName=policy)
ask(root, RAM, "DetachPolicyFromUser", PolicyType="System", PolicyName="AliyunSTSAssumeRoleAccess", UserName=name)
ask(root, RAM, "DetachPolicyFromUser", PolicyType="Custom", PolicyName=policy, UserName=name)
ask(root, RAM, "DeletePolicy", PolicyName=policy)
ask(root, RAM, "DeleteUser", UserName=name)
refused("EntityNotExist.User", 404, root, RAM, "GetUser", UserName=name)
show("what was made is undone in order, and nothing is left")
