//! Two accounts, and a user who may do next to nothing, try every action there is on what is not theirs. The cases
//! are made from the list of actions: each is asked with a stranger's own things, and each parameter that names one
//! with another account's and with one that nobody has. Both are told the same.

use std::collections::{BTreeMap, BTreeSet};

use service::{AccessRequest, Context, Grantee, KeyCreated, KeyRequest, Request};
use wire::Params;

use crate::actions::{Action, ECS, RAM, RESOURCE_MANAGER, STS, VPC, all};
use crate::tests_contract_unserved::UNSERVED;
use crate::tests_exceptions::IGNORED;
use crate::tests_kit::{Answered, BUCKET, DATA, HERE, OWNER, STRANGER, SYSTEM, World};
use crate::tests_tree::samples;

/// Parameters that name a thing, what they name, and how several are written in one.
const NAMES: &[(&str, &str)] = &[
    ("AllocationId", "address"),
    ("DestGroupId", "group"),
    ("DiskDeviceMapping.1.OSSBucket", "bucket"),
    ("DiskDeviceMapping.1.SnapshotId", "snapshot"),
    ("DiskId", "disk"),
    ("DiskIds", "disk"),
    ("DiskIds.1", "disk"),
    ("ImageFamily", "family"),
    ("ImageId", "image"),
    ("KeyPairName", "pair"),
    ("KeyPairNames", "pair"),
    ("OSSBucket", "bucket"),
    ("ResourceGroupId", "heap"),
    ("ResourceId", "image"),
    ("ResourceId.1", "image"),
    ("ResourceIds.1", "image"),
    ("RoleName", "role"),
    ("RouteTableId", "table"),
    ("RouterId", "router"),
    ("SecurityGroupId", "group"),
    ("SecurityGroupIds", "group"),
    ("SecurityGroupIds.1", "group"),
    ("SnapshotId", "snapshot"),
    ("SnapshotIds", "snapshot"),
    ("SourceGroupId", "group"),
    ("TaskId", "task"),
    ("TaskIds", "task"),
    ("UserName", "user"),
    ("VSwitchId", "vswitch"),
    ("VpcId", "vpc"),
];

/// Names of what is about to be: they are nobody's before.
const NEW: &[(&str, &str)] = &[
    ("CreateKeyPair", "KeyPairName"),
    ("ImportKeyPair", "KeyPairName"),
    ("CreateRole", "RoleName"),
    ("CreateUser", "UserName"),
];

/// What counts before a parameter, and has to be left out for it to be looked at.
const BEFORE: &[(&str, &str, &str)] = &[
    ("AuthorizeSecurityGroup", "SourceGroupId", "Permissions."),
    ("AuthorizeSecurityGroupEgress", "DestGroupId", "Permissions."),
    ("CreateImage", "SnapshotId", "DiskDeviceMapping."),
    ("DescribeSecurityGroups", "SecurityGroupIds", "SecurityGroupId"),
    ("DescribeTags", "ResourceId", "Tag."),
];

/// Actions that change nothing of what is not there, and say so with a success.
const NOT_MISSED: &[&str] = &["DeleteDisk"];

/// Kinds of which there is nothing to try: no machine runs, and policies of the system are everybody's.
const NOBODYS: &[&str] = &["command", "instance", "policy"];

/// Actions that the reference has no tree of, with a stranger's own things.
const BARE: &[(&str, &str, &str)] = &[
    (ECS, "AssociateEipAddress", "RegionId=cn-hangzhou&AllocationId={address}&InstanceId=i-1"),
    (ECS, "DescribeEipAddresses", "RegionId=cn-hangzhou&AllocationId={address}"),
    (ECS, "DetachKeyPair", "RegionId=cn-hangzhou&KeyPairName={pair}&InstanceIds=['i-1']"),
    (ECS, "ModifySecurityGroupAttribute", "RegionId=cn-hangzhou&SecurityGroupId={group}&Description=mine"),
    (ECS, "ModifySecurityGroupPolicy", "RegionId=cn-hangzhou&SecurityGroupId={group}&InnerAccessPolicy=Drop"),
    (ECS, "ReleaseEipAddress", "RegionId=cn-hangzhou&AllocationId={address}"),
    (
        ECS,
        "RevokeSecurityGroupEgress",
        "RegionId=cn-hangzhou&SecurityGroupId={group}&IpProtocol=tcp&PortRange=1/1&DestCidrIp=10.0.0.0/8",
    ),
    (ECS, "UnassociateEipAddress", "RegionId=cn-hangzhou&AllocationId={address}&InstanceId=i-1"),
    (VPC, "AllocateEipAddress", "RegionId=cn-hangzhou&ResourceGroupId={heap}"),
    (VPC, "AssociateEipAddress", "RegionId=cn-hangzhou&AllocationId={address}&InstanceId=i-1"),
    (VPC, "CreateVSwitch", "RegionId=cn-hangzhou&VpcId={vpc}&ZoneId=cn-hangzhou-a&CidrBlock=10.9.0.0/16"),
    (VPC, "CreateVpc", "RegionId=cn-hangzhou&ResourceGroupId={heap}"),
    (VPC, "DeleteVSwitch", "RegionId=cn-hangzhou&VSwitchId={vswitch}"),
    (VPC, "DeleteVpc", "RegionId=cn-hangzhou&VpcId={vpc}"),
    (VPC, "DescribeEipAddresses", "RegionId=cn-hangzhou&AllocationId={address}"),
    (VPC, "DescribeRouteTableList", "RegionId=cn-hangzhou&VpcId={vpc}"),
    (VPC, "DescribeRouteTableList", "RegionId=cn-hangzhou&RouterId={router}"),
    (VPC, "DescribeRouteTableList", "RegionId=cn-hangzhou&RouteTableId={table}"),
    (VPC, "DescribeVSwitchAttributes", "RegionId=cn-hangzhou&VSwitchId={vswitch}"),
    (VPC, "DescribeVSwitches", "RegionId=cn-hangzhou&VSwitchId={vswitch}&VpcId={vpc}"),
    (VPC, "DescribeVpcAttribute", "RegionId=cn-hangzhou&VpcId={vpc}"),
    (VPC, "DescribeVpcs", "RegionId=cn-hangzhou&VpcId={vpc}&ResourceGroupId={heap}"),
    (VPC, "ModifyVSwitchAttribute", "RegionId=cn-hangzhou&VSwitchId={vswitch}&Description=mine"),
    (VPC, "ModifyVpcAttribute", "RegionId=cn-hangzhou&VpcId={vpc}&Description=mine"),
    (VPC, "ReleaseEipAddress", "RegionId=cn-hangzhou&AllocationId={address}"),
    (VPC, "UnassociateEipAddress", "RegionId=cn-hangzhou&AllocationId={address}&InstanceId=i-1"),
    (RESOURCE_MANAGER, "GetResourceGroup", "ResourceGroupId={heap}"),
    (RAM, "AttachPolicyToRole", "RoleName={role}&PolicyType=System&PolicyName=AliyunECSFullAccess"),
    (RAM, "AttachPolicyToUser", "UserName={user}&PolicyType=System&PolicyName=AliyunECSFullAccess"),
    (RAM, "CreateAccessKey", "UserName={user}"),
    (RAM, "DeleteAccessKey", "UserName={user}&UserAccessKeyId=LTAInobody"),
    (RAM, "DeleteRole", "RoleName={role}"),
    (RAM, "DeleteUser", "UserName={user}"),
    (RAM, "DetachPolicyFromUser", "UserName={user}&PolicyType=System&PolicyName=AliyunECSFullAccess"),
    (RAM, "GetUser", "UserName={user}"),
    (RAM, "ListAccessKeys", "UserName={user}"),
    (RAM, "ListPoliciesForUser", "UserName={user}"),
    (RAM, "ListUsers", "UserName={user}"),
    (RAM, "UpdateAccessKey", "UserName={user}&UserAccessKeyId=LTAInobody&Status=Active"),
    (RAM, "DetachPolicyFromRole", "RoleName={role}&PolicyType=System&PolicyName=AliyunECSFullAccess"),
    (RAM, "GetRole", "RoleName={role}"),
    (RAM, "ListPoliciesForRole", "RoleName={role}"),
    (RAM, "ListRoles", "RoleName={role}"),
];

/// One of everything, by what it is.
type Things = BTreeMap<&'static str, String>;

/// What nobody has.
fn absent() -> Things {
    [
        ("address", "eip-00000000000000000000"),
        ("bucket", "nobodys-bucket"),
        ("disk", "d-00000000000000000000"),
        ("family", "acs:100000:nobodys"),
        ("group", "sg-00000000000000000000"),
        ("heap", "rg-99999999999999999999"),
        ("image", "m-00000000000000000000"),
        ("pair", "nobodys-pair"),
        ("role", "nobodys-role"),
        ("router", "vrt-00000000000000000000"),
        ("snapshot", "s-00000000000000000000"),
        ("table", "vtb-00000000000000000000"),
        ("task", "t-00000000000000000000"),
        ("user", "nobodys-user"),
        ("vpc", "vpc-00000000000000000000"),
        ("vswitch", "vsw-00000000000000000000"),
    ]
    .into_iter()
    .map(|(what, id)| (what, id.to_owned()))
    .collect()
}

/// Asks an account's own, which has to be answered.
async fn made(world: &World, version: &str, account: &str, action: &str, query: &str) -> serde_json::Value {
    let answer = world.answer_of(version, account, action, params(world, query)).await;
    answer.unwrap_or_else(|fault| panic!("{account} {action} {query}: {fault:?}"))
}

fn params(world: &World, query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), world.filled(value))).collect()
}

/// Makes one of everything for an account, each called so that it is known again where it should not be.
async fn things(world: &World, account: &str, called: &str) -> Things {
    let bucket = if account == OWNER { BUCKET.to_owned() } else { format!("{called}-bucket") };
    if account != OWNER {
        world.bucket_of(account, HERE, &bucket, [SYSTEM, DATA]).await;
    }
    let here = format!("RegionId={HERE}");
    let at = format!("DiskDeviceMapping.1.OSSBucket={bucket}&DiskDeviceMapping.1.OSSObject={SYSTEM}");
    let import = format!("{here}&{at}&ImageName={called}-image&Description={called}");
    let import = made(world, ECS, account, "ImportImage", &import).await;
    let (image, task) = (text(&import, "ImageId"), text(&import, "TaskId"));
    let seen = async |query: String, list: [&str; 2]| loop {
        let answer = made(world, ECS, account, &format!("Describe{}", list[0]), &query).await;
        if let Some(first) = answer[list[0]][list[1]].get(0) {
            return first.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    let shown = seen(format!("{here}&ImageId={image}"), ["Images", "Image"]).await;
    let family = format!("{here}&ImageId={image}&ImageFamily={called}-family");
    made(world, ECS, account, "ModifyImageAttribute", &family).await;
    let snapshot = text(&shown["DiskDeviceMappings"]["DiskDeviceMapping"][0], "SnapshotId");
    let disk = format!("{here}&Size=20&DiskName={called}-disk");
    let disk = text(&made(world, ECS, account, "CreateDisk", &disk).await, "DiskId");
    seen(format!("{here}&DiskIds=['{disk}']&Status=Available"), ["Disks", "Disk"]).await;
    let vpc = format!("{here}&CidrBlock=10.0.0.0/8&VpcName={called}-net");
    let vpc = text(&made(world, ECS, account, "CreateVpc", &vpc).await, "VpcId");
    let part = format!("{here}&VpcId={vpc}&ZoneId={HERE}-a&CidrBlock=10.1.0.0/16&VSwitchName={called}-part");
    let vswitch = text(&made(world, ECS, account, "CreateVSwitch", &part).await, "VSwitchId");
    let group = format!("{here}&VpcId={vpc}&SecurityGroupName={called}-group");
    let group = text(&made(world, ECS, account, "CreateSecurityGroup", &group).await, "SecurityGroupId");
    let pair = format!("{called}-pair");
    let import =
        [("RegionId", HERE), ("KeyPairName", &*pair), ("PublicKeyBody", crate::tests_calls::PUBLIC_KEY)];
    world.ask_as(account, "ImportKeyPair", &import).await.unwrap();
    let address = made(world, ECS, account, "AllocateEipAddress", &here).await;
    let heap = format!("Name={called}-heap&DisplayName={called}");
    let heap = made(world, RESOURCE_MANAGER, account, "CreateResourceGroup", &heap).await;
    let role = format!("{called}-role");
    let trust = r#"{"Version":"1","Statement":[
        {"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":["ecs.aliyuncs.com"]}}]}"#;
    let wanted = [("RoleName", &*role), ("AssumeRolePolicyDocument", trust)];
    let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    world.answer_of(RAM, account, "CreateRole", wanted).await.unwrap();
    let user = format!("{called}-user");
    made(world, RAM, account, "CreateUser", &format!("UserName={user}&DisplayName={called}")).await;
    Things::from([
        ("address", text(&address, "AllocationId")),
        ("bucket", bucket),
        ("disk", disk),
        ("family", format!("acs:{account}:{called}-family")),
        ("group", group),
        ("heap", text(&heap["ResourceGroup"], "Id")),
        ("image", image),
        ("pair", pair),
        ("role", role),
        ("router", vpc.replace("vpc-", "vrt-")),
        ("snapshot", snapshot),
        ("table", vpc.replace("vpc-", "vtb-")),
        ("task", task),
        ("user", user),
        ("vpc", vpc),
        ("vswitch", vswitch),
    ])
}

fn text(value: &serde_json::Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}")).to_owned()
}

/// The parameters that every action is asked with, by a stranger about what is its own.
fn requests(world: &World) -> Vec<(&'static Action, BTreeMap<String, String>)> {
    let mut found = Vec::new();
    for action in all() {
        let bare =
            BARE.iter().filter(|(version, name, _)| *version == action.version && *name == action.name);
        found.extend(bare.map(|(_, _, query)| (action, params(world, query))));
        if action.version != ECS || !world.contracts.contains_key(action.name) {
            continue;
        }
        let whole = match UNSERVED.iter().find(|unserved| unserved.action == action.name) {
            None => world.whole(action.name, &[]),
            Some(unserved) => {
                let value = |(name, sample): (String, &str)| {
                    let own = unserved.params.iter().find(|(known, _)| *known == name);
                    let usual = if name == "RegionId" { HERE } else { sample };
                    (name, world.filled(own.map_or(usual, |(_, value)| value)))
                };
                let whole = samples(&world.contracts[action.name].request).into_iter().map(value);
                whole.filter(|(name, value)| value != "-" && name != "NextToken").collect()
            }
        };
        found.push((action, whole));
    }
    found
}

/// A text without what differs from one request to another: the thing it names, and ids of what was made.
fn masked(text: &str, named: &str) -> String {
    let text = text.replace(named, "<named>");
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut out = String::new();
    for part in text.split_inclusive(|c| !is_word(c)) {
        let word = part.trim_end_matches(|c| !is_word(c));
        let is_id = word.rsplit_once('-').is_some_and(|(_, rest)| rest.len() == 20);
        out.push_str(&if is_id { part.replace(word, "<id>") } else { part.to_owned() });
    }
    out
}

fn told(answer: &Answered, named: &str) -> String {
    match answer {
        Ok(answer) => masked(&answer.to_string(), named),
        Err(fault) => masked(&format!("{} {}: {}", fault.status, fault.code, fault.message), named),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_of_what_is_anothers_is_told_as_if_it_were_not_there() {
    let world = World::new().await;
    let theirs = things(&world, OWNER, "ownersown").await;
    let own = things(&world, STRANGER, "mine").await;
    for (name, id) in &own {
        world.call_it(name, &id.as_str().into());
    }
    for (name, id) in [("image-snapshot", &own["snapshot"]), ("fingerprint", &own["pair"])] {
        world.call_it(name, &id.as_str().into());
    }
    world.call_it("public-key", &crate::tests_calls::PUBLIC_KEY.into());
    let nobodys = absent();
    let before = shown(&world, &theirs).await;
    let (mut tried, mut wrong) = (BTreeSet::new(), Vec::new());
    for (action, whole) in requests(&world) {
        for (name, kind) in NAMES {
            let is_ignored = IGNORED
                .iter()
                .any(|(of, ignored, _)| *of == action.name && ignored.replace(".N", ".1") == *name);
            if !whole.contains_key(*name) || is_ignored || NEW.contains(&(action.name, *name)) {
                continue;
            }
            tried.insert((action.version, action.name, name.replace(".1.", ".N.")));
            let mut whole = whole.clone();
            for (_, _, first) in
                BEFORE.iter().filter(|(of, of_name, _)| *of == action.name && of_name == name)
            {
                whole.retain(|known, _| !known.starts_with(first) || known == name);
            }
            let ask = async |things: &Things| {
                let mut whole = whole.clone();
                // A token is of one request, and these are two.
                whole.remove("ClientToken");
                let id = &things[kind];
                let is_array = name.ends_with("Ids") || name.ends_with("Names");
                whole.insert((*name).to_owned(), if is_array { format!("['{id}']") } else { id.clone() });
                (world.answer_of(action.version, STRANGER, action.name, whole).await, id.clone())
            };
            let ((foreign, there), (missing, not_there)) = (ask(&theirs).await, ask(&nobodys).await);
            let (one, other) = (told(&foreign, &there), told(&missing, &not_there));
            let which = format!("{} {} by {name}", action.version, action.name);
            if one != other {
                wrong.push(format!("{which}:\n  another's: {one}\n  nobody's:  {other}"));
            }
            if one.contains("ownersown") {
                wrong.push(format!("{which} tells of another's: {one}"));
            }
            let declared = action.resources.iter().any(|(_, param)| param == name);
            let is_question = ["Describe", "List"].iter().any(|kind| action.name.starts_with(kind));
            if missing.is_ok() && declared && !is_question && !NOT_MISSED.contains(&action.name) {
                wrong.push(format!("{which} does something with what is not there: {other}"));
            }
        }
    }
    for action in all() {
        for (kind, param) in action.resources {
            let is_tried = tried.contains(&(action.version, action.name, (*param).to_owned()))
                || tried.contains(&(action.version, action.name, format!("{param}.1")));
            if !is_tried && !NOBODYS.contains(kind) && !NEW.contains(&(action.name, param)) {
                wrong.push(format!(
                    "{} {} was never asked for another's {param}",
                    action.version, action.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), tried.len(), wrong.join("\n"));
    assert_eq!(shown(&world, &theirs).await, before, "something of the owner's was changed");
    println!("{} ways to name what is another's", tried.len());
}

/// What the owner is told of its own.
async fn shown(world: &World, things: &Things) -> Vec<serde_json::Value> {
    let mut all = Vec::new();
    let here = format!("RegionId={HERE}");
    for (version, action, query) in [
        (ECS, "DescribeImages", format!("{here}&ImageId={}&Status=ALL", things["image"])),
        (ECS, "DescribeSnapshots", format!("{here}&SnapshotIds=['{}']", things["snapshot"])),
        (ECS, "DescribeDisks", format!("{here}&DiskIds=['{}']", things["disk"])),
        (ECS, "DescribeTaskAttribute", format!("{here}&TaskId={}", things["task"])),
        (ECS, "DescribeVSwitches", here.clone()),
        (ECS, "DescribeKeyPairs", here.clone()),
        (ECS, "DescribeSecurityGroupAttribute", format!("{here}&SecurityGroupId={}", things["group"])),
        (VPC, "DescribeVpcs", here.clone()),
        (VPC, "DescribeEipAddresses", here.clone()),
        (RESOURCE_MANAGER, "ListResourceGroups", String::new()),
        (RAM, "ListRoles", String::new()),
        (RAM, "ListUsers", String::new()),
    ] {
        all.push(made(world, version, OWNER, action, &query).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_user_is_told_of_every_action_that_and_with_what_it_may_not() {
    let world = World::new().await;
    let allowed = "m-11111111111111111111";
    let document = format!(
        r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"*","Resource":"acs:ecs:*:*:image/{allowed}"}}]}}"#
    );
    let description = String::new();
    world
        .run(Request::Access(AccessRequest::UserCreate {
            name: "narrow".into(),
            display_name: String::new(),
            comments: String::new(),
        }))
        .await;
    world
        .run(Request::Access(AccessRequest::PolicyCreate { name: "one".into(), description, document }))
        .await;
    let to = Grantee::User("narrow".into());
    world.run(Request::Access(AccessRequest::Attach { policy: "one".into(), policy_type: None, to })).await;
    let create = KeyRequest::Create { account: None, user: Some("narrow".into()) };
    let key: KeyCreated = world.direct(Request::Key(create)).await.unwrap();
    let narrow = world.service.who(&key.access_key_id, None).unwrap().unwrap();
    let context = Context { source_ip: None, now_ms: world.service.now_ms(), secure: false };
    // The token service asks itself, about a role that may be another account's.
    for action in all().iter().filter(|action| action.version != STS) {
        let named = |id: &str| -> Params {
            let names = action.resources.iter().map(|(_, param)| match param.split_once(".N.") {
                Some((list, field)) => format!("{list}.1.{field}"),
                None => (*param).to_owned(),
            });
            let kind = ("ResourceType".to_owned(), "image".to_owned());
            names.map(|name| (name, id.to_owned())).chain([kind]).collect()
        };
        // One that it may not, one that it may, and both in one request.
        for id in ["m-22222222222222222222", allowed] {
            let permission = action.permission();
            let resources = action.resources(OWNER, &named(id));
            assert!(!resources.is_empty(), "{permission} touches nothing");
            for resource in resources {
                let about_image = resource.ends_with(&format!(":image/{allowed}")) && action.version == ECS;
                let judged = world.service.may(&narrow, &permission, &resource, &context).unwrap();
                if about_image {
                    assert_eq!(judged, Ok(()), "{permission}");
                    continue;
                }
                let denied = judged.expect_err(&permission);
                assert_eq!((denied.action.as_str(), denied.resource.as_str()), (&*permission, &*resource));
                assert!(action.resources.is_empty() || resource.ends_with(id), "{permission}: {resource}");
                assert!(!denied.explicit && denied.account.as_str() == OWNER);
                let message = denied.refusal("Forbidden.RAM").message;
                assert!(message.contains(&permission) && message.contains(&resource), "{message}");
            }
        }
    }
}
