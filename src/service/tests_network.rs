//! What machines stand in, through the door: made, found, changed and taken down, by nobody else.

use std::sync::Arc;

use domain::network::{Direction, Is, Kind, Permission};
use domain::{AccountId, RegionId};
use event::Actor;
use workflows::CreateAccount;

use crate::tests::{ask, finished, open};
use crate::{
    Call, Called, GroupQuery, Groups, ItemQuery, Items, KeyPairStarted, Manner, NetworkRequest, PROTOCOL,
    Request, Service, Started, Story, TagRequest, Tags, Trouble, dispatch, local_actor,
};

fn called(name: &str) -> Called {
    let tags = vec![("env".to_owned(), "test".to_owned())];
    Called { name: name.to_owned(), description: "a text".to_owned(), tags }
}

fn create(name: &str, is: Is) -> NetworkRequest {
    NetworkRequest::Create { called: called(name), region: None, group: None, is }
}

fn vpc() -> Is {
    Is::Vpc { cidr: "10.0.0.0/8".to_owned() }
}

/// Asks as an account, and waits for the end; what the operation yields.
async fn done(
    service: &Arc<Service>,
    actor: &Actor,
    id: &str,
    request: NetworkRequest,
) -> Result<String, Trouble> {
    let started: Started = ask(service, actor, id, Request::Network(request)).await?;
    let view = finished(service, actor, &started).await;
    view.trouble().map_or(Ok(view.output), Err)
}

async fn items(service: &Arc<Service>, actor: &Actor, query: ItemQuery) -> Items {
    ask(service, actor, "", Request::Network(NetworkRequest::List(query))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_built_from_the_outside_in_and_taken_down_from_the_inside_out() {
    let place = tempfile::tempdir().unwrap();
    let (service, owner) = (open(&place).await, local_actor());
    let net = done(&service, &owner, "1", create("net", vpc())).await.unwrap();
    let part = |cidr: &str| Is::VSwitch {
        vpc: net.as_str().into(),
        zone: "cn-hangzhou-a".to_owned(),
        cidr: cidr.to_owned(),
    };
    let vswitch = done(&service, &owner, "2", create("part", part("10.1.0.0/16"))).await.unwrap();
    let group = Is::SecurityGroup {
        vpc: Some(net.as_str().into()),
        enterprise: false,
        isolated: false,
        rules: Vec::new(),
    };
    let group = done(&service, &owner, "3", create("web", group)).await.unwrap();
    for (id, kind) in [(&net, Kind::Vpc), (&vswitch, Kind::VSwitch), (&group, Kind::SecurityGroup)] {
        let found =
            items(&service, &owner, ItemQuery { ids: Some(vec![id.clone()]), ..ItemQuery::of(kind) }).await;
        assert_eq!((found.total_count, &found.items[0].item_id), (1, id));
    }
    let found =
        items(&service, &owner, ItemQuery { vpc: Some(net.clone()), ..ItemQuery::of(Kind::VSwitch) }).await;
    assert_eq!(found.items[0].item_name, "part");
    let found =
        items(&service, &owner, ItemQuery { zone: Some("x".to_owned()), ..ItemQuery::of(Kind::VSwitch) })
            .await;
    assert_eq!(found.total_count, 0);
    let found = items(&service, &owner, ItemQuery::of(Kind::Vpc)).await;
    assert_eq!(found.items[0].vswitch_ids, std::slice::from_ref(&vswitch));
    let says = Permission {
        protocol: "tcp".to_owned(),
        ports: "22/22".to_owned(),
        source_cidr: "0.0.0.0/0".to_owned(),
        priority: 1,
        ..Permission::default()
    };
    let rules = NetworkRequest::Rules {
        item: group.clone(),
        region: None,
        direction: Direction::Ingress,
        add: vec![says],
        remove: Vec::new(),
        remove_ids: Vec::new(),
    };
    done(&service, &owner, "4", rules.clone()).await.unwrap();
    done(&service, &owner, "4", rules).await.unwrap();
    let found = items(&service, &owner, ItemQuery::of(Kind::SecurityGroup)).await;
    let Is::SecurityGroup { rules, .. } = &found.items[0].is else { panic!("it is a security group") };
    assert_eq!(rules.len(), 1);
    assert!(rules[0].id.starts_with("sgr-") && rules[0].id.len() == 24, "{}", rules[0].id);
    let delete = |id: &str| NetworkRequest::Delete { items: vec![id.to_owned()], region: None };
    let no = done(&service, &owner, "5", delete(&net)).await.unwrap_err();
    assert_eq!(no.code, "DependencyViolation.VSwitch");
    for id in [&vswitch, &group, &net] {
        done(&service, &owner, &format!("delete {id}"), delete(id)).await.unwrap();
    }
    assert_eq!(items(&service, &owner, ItemQuery::of(Kind::Vpc)).await.total_count, 0);
    let no = done(&service, &owner, "6", delete(&net)).await.unwrap_err();
    assert_eq!(no.code, "InvalidVpcId.NotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_finds_what_another_account_stands_in() {
    let place = tempfile::tempdir().unwrap();
    let (service, owner) = (open(&place).await, local_actor());
    let stranger = Actor { account: "200000".to_owned(), key: String::new() };
    let account = CreateAccount { account: AccountId::from("200000"), name: "stranger".to_owned() };
    service.engine.run(owner.clone(), "stranger", account).await.unwrap();
    let net = done(&service, &owner, "1", create("net", vpc())).await.unwrap();
    assert_eq!(items(&service, &stranger, ItemQuery::of(Kind::Vpc)).await.total_count, 0);
    let modify = NetworkRequest::Modify {
        item: net.clone(),
        name: Some("mine".to_owned()),
        description: None,
        isolated: None,
    };
    let inside = Is::VSwitch {
        vpc: net.as_str().into(),
        zone: "cn-hangzhou-a".to_owned(),
        cidr: "10.1.0.0/16".to_owned(),
    };
    for request in [
        NetworkRequest::Delete { items: vec![net.clone()], region: None },
        modify.clone(),
        create("", inside),
    ] {
        let no = done(&service, &stranger, "2", request).await.unwrap_err();
        assert_eq!(no.code, "InvalidVpcId.NotFound");
    }
    done(&service, &owner, "3", modify).await.unwrap();
    let tags = TagRequest::List { resources: vec![net.clone()], region: None, tags: Vec::new() };
    let tags: Tags = ask(&service, &owner, "", Request::Tag(tags)).await.unwrap();
    assert_eq!((tags.tag_resources.len(), tags.tag_resources[0].resource_type.as_str()), (1, "vpc"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_key_is_told_once_and_kept_nowhere() {
    let place = tempfile::tempdir().unwrap();
    let (service, owner) = (open(&place).await, local_actor());
    let create = |name: &str, public_key: Option<String>| {
        Request::Network(NetworkRequest::CreateKeyPair {
            called: called(name),
            region: None,
            group: None,
            public_key,
        })
    };
    let made: KeyPairStarted = ask(&service, &owner, "1", create("laptop", None)).await.unwrap();
    assert_eq!(finished(&service, &owner, &made.started).await.state, "Done");
    assert!(made.private_key.contains("BEGIN RSA PRIVATE KEY"));
    let again = ask::<KeyPairStarted>(&service, &owner, "1", create("laptop", None)).await.unwrap_err();
    assert_eq!(again.code, "KeyPair.AlreadyExist");
    let again = ask::<KeyPairStarted>(&service, &owner, "2", create("laptop", None)).await.unwrap_err();
    assert_eq!(again.code, "KeyPair.AlreadyExist");
    let named = ItemQuery { names: Some(vec!["lap*".to_owned()]), ..ItemQuery::of(Kind::KeyPair) };
    let found = items(&service, &owner, named).await;
    let Is::KeyPair { fingerprint, public_key } = &found.items[0].is else { panic!("it is a key pair") };
    assert_eq!(*fingerprint, made.fingerprint);
    let imported: KeyPairStarted =
        ask(&service, &owner, "3", create("phone", Some(public_key.clone()))).await.unwrap();
    assert_eq!((&imported.fingerprint, &*imported.private_key), (&made.fingerprint, ""));
    let no = ask::<KeyPairStarted>(&service, &owner, "4", create("x1", Some("no key".to_owned())))
        .await
        .unwrap_err();
    assert_eq!(no.code, "InvalidPublicKeyBody.Malformed");
    let secret = made.private_key.lines().nth(3).unwrap();
    let log = ["data/kiln.redb", "data/kiln.journal"]
        .map(|name| std::fs::read(place.path().join(name)).unwrap())
        .concat();
    assert!(log.windows(made.fingerprint.len()).any(|window| window == made.fingerprint.as_bytes()));
    assert!(!log.windows(secret.len()).any(|window| window == secret.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_makes_a_network_once_and_a_dry_run_makes_none() {
    let place = tempfile::tempdir().unwrap();
    let (service, owner) = (open(&place).await, local_actor());
    let call = |id: &str, manner: Manner| Call {
        protocol: PROTOCOL,
        drive: true,
        actor: owner.clone(),
        id: id.to_owned(),
        manner,
        request: Request::Network(create("net", vpc())),
    };
    let dry = Manner { dry_run: true, token: None, ..Manner::default() };
    assert_eq!(dispatch(&service, call("1", dry)).await.unwrap_err().code, "DryRunOperation");
    let token = Manner { dry_run: false, token: Some("t".to_owned()), ..Manner::default() };
    let first = Started::try_from(dispatch(&service, call("2", token.clone())).await.unwrap()).unwrap();
    let second = Started::try_from(dispatch(&service, call("3", token)).await.unwrap()).unwrap();
    assert_eq!(first.workflow_id, second.workflow_id);
    let made = finished(&service, &owner, &first).await.output;
    let found = items(
        &service,
        &owner,
        ItemQuery { region: Some(RegionId::from("cn-hangzhou")), ..ItemQuery::of(Kind::Vpc) },
    )
    .await;
    assert_eq!((found.total_count, &found.items[0].item_id), (1, &made));
    let other = ItemQuery { region: Some(RegionId::from("cn-beijing")), ..ItemQuery::of(Kind::Vpc) };
    assert_eq!(items(&service, &owner, other).await.total_count, 0);
    let story: Result<Story, Trouble> =
        ask(&service, &owner, "", Request::WorkflowHistory(first.workflow_id)).await;
    assert!(story.unwrap().history.iter().any(|line| line.text.contains("VPC `net` was created")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_names_a_hundred_ids_at_most() {
    let place = tempfile::tempdir().unwrap();
    let (service, owner) = (open(&place).await, local_actor());
    for (count, many) in [(1, false), (100, false), (101, true), (0, true)] {
        let query = ItemQuery { ids: Some(vec!["vpc-1".to_owned(); count]), ..ItemQuery::of(Kind::Vpc) };
        let request = Request::Network(NetworkRequest::List(query));
        let answer = ask::<Items>(&service, &owner, "", request).await.map_err(|trouble| trouble.code);
        assert_eq!(answer.is_err_and(|code| code == "InvalidParameter.TooManyIds"), many, "{count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn things_are_put_in_resource_groups_and_found_there() {
    let place = tempfile::tempdir().unwrap();
    let (service, owner) = (open(&place).await, local_actor());
    let make = NetworkRequest::GroupCreate { name: "team".to_owned(), display_name: "The team".to_owned() };
    let team = done(&service, &owner, "1", make).await.unwrap();
    let groups = |query: GroupQuery| Request::Network(NetworkRequest::GroupList(query));
    let all: Groups = ask(&service, &owner, "", groups(GroupQuery::default())).await.unwrap();
    let names: Vec<&str> = all.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!((names, all.total_count), (vec!["default", "team"], 2));
    let wanted = GroupQuery { name: Some("team".to_owned()), ..GroupQuery::default() };
    let found: Groups = ask(&service, &owner, "", groups(wanted)).await.unwrap();
    assert_eq!(found.groups[0].group_id, team);
    let net = done(&service, &owner, "2", create("net", vpc())).await.unwrap();
    let inside = |group: &str| ItemQuery { group: Some(group.to_owned()), ..ItemQuery::of(Kind::Vpc) };
    let first = all.groups[0].group_id.clone();
    assert_eq!(items(&service, &owner, inside(&first)).await.total_count, 1);
    let join = |group: &str| NetworkRequest::GroupJoin { resource: net.clone(), group: group.to_owned() };
    done(&service, &owner, "3", join(&team)).await.unwrap();
    assert_eq!(items(&service, &owner, inside(&first)).await.total_count, 0);
    assert_eq!(items(&service, &owner, inside(&team)).await.items[0].group_id, team);
    assert_eq!(
        done(&service, &owner, "4", join("rg-none")).await.unwrap_err().code,
        "InvalidResourceGroup.NotFound"
    );
    let is = vpc();
    let astray =
        NetworkRequest::Create { called: called("x1"), region: None, group: Some("rg-none".to_owned()), is };
    assert_eq!(done(&service, &owner, "5", astray).await.unwrap_err().code, "InvalidResourceGroup.NotFound");
}
