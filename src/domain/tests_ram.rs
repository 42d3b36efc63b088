//! What holds of users, policies and roles.

use event::Refusal;

use crate::AccountId;
use crate::access::{Arn, KEYS_OF, POLICIES, ROLES, USERS};
use crate::events::{AccessKeyCreated, AccountCreated, PolicyCreated, RoleAssumed, RoleCreated, UserCreated};
use crate::image::house;
use crate::policy::Context;
use crate::rules::{self, ATTACHED_MAX, Assuming, USER_KEYS_MAX};
use crate::tests_kit::{ACCOUNT, World};

const OTHER: &str = "200000";
const ALL: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const OURS: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
    "Principal":{"RAM":["acs:ram::100000:root"]}}]}"#;

fn mine() -> AccountId {
    AccountId::from(ACCOUNT)
}

/// A house with two accounts, and in the first a user, a policy and a role.
fn world() -> World {
    let mut world = World::new();
    for account in [ACCOUNT, OTHER] {
        world.tell(&house(), AccountCreated { account: account.into(), name: "an account".to_owned() });
    }
    user(&mut world, "alice").expect("it is new");
    policy(&mut world, "all", ALL).expect("it is new");
    role(&mut world, "importer", OURS, 3600).expect("it is new");
    world
}

fn user(world: &mut World, name: &str) -> Result<UserCreated, Refusal> {
    let wanted = UserCreated {
        user: Arn::user(&mine(), name),
        account: mine(),
        display_name: String::new(),
        comments: String::new(),
    };
    world.decide(&house(), |view| rules::create_user(view, wanted))
}

fn policy(world: &mut World, name: &str, document: &str) -> Result<PolicyCreated, Refusal> {
    let wanted = PolicyCreated {
        policy: Arn::policy(&mine(), name),
        account: mine(),
        description: String::new(),
        document: document.to_owned(),
    };
    world.decide(&house(), |view| rules::create_policy(view, wanted))
}

fn role(world: &mut World, name: &str, trust: &str, session_s_max: u32) -> Result<RoleCreated, Refusal> {
    let wanted = RoleCreated {
        role: Arn::role(&mine(), name),
        account: mine(),
        description: String::new(),
        trust: trust.to_owned(),
        session_s_max,
    };
    world.decide(&house(), |view| rules::create_role(view, wanted))
}

fn attach(world: &mut World, policy: &Arn, to: &Arn, by: &str) -> Result<(), Refusal> {
    let by = AccountId::from(by);
    world.decide(&house(), |view| rules::attach_policy(view, policy, to, &by)).map(drop)
}

fn detach(world: &mut World, policy: &Arn, from: &Arn) -> Result<(), Refusal> {
    world.decide(&house(), |view| rules::detach_policy(view, policy, from, &mine())).map(drop)
}

fn key(world: &mut World, number: usize) -> Result<(), Refusal> {
    let wanted = AccessKeyCreated {
        key: format!("LTAI{number:020}").as_str().into(),
        account: mine(),
        user: Some("alice".to_owned()),
        sealed: vec![1],
    };
    world.decide(&house(), |view| rules::create_access_key(view, wanted)).map(drop)
}

fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> String {
    answer.expect_err("it is refused").code
}

#[test]
fn names_are_of_the_letters_of_the_api_and_each_is_there_once() {
    let mut world = world();
    assert_eq!(code(user(&mut world, "alice")), "EntityAlreadyExists.User");
    assert_eq!(code(role(&mut world, "importer", OURS, 3600)), "EntityAlreadyExists.Role");
    assert_eq!(code(policy(&mut world, "all", ALL)), "EntityAlreadyExists.Policy");
    assert_eq!(code(policy(&mut world, "AliyunOSSFullAccess", ALL)), "EntityAlreadyExists.Policy");
    for (name, user_says, role_says, policy_says) in [
        ("", Some("Length"), Some("Length"), Some("Length")),
        ("a.b-c_d", None, None, Some("InvalidChars")),
        ("a/b", Some("InvalidChars"), Some("InvalidChars"), Some("InvalidChars")),
        ("a:b", Some("InvalidChars"), Some("InvalidChars"), Some("InvalidChars")),
        ("a\0b", Some("InvalidChars"), Some("InvalidChars"), Some("InvalidChars")),
        ("名", Some("InvalidChars"), Some("InvalidChars"), Some("InvalidChars")),
        (&*"x".repeat(65), Some("Length"), Some("Length"), None),
        (&*"x".repeat(129), Some("Length"), Some("Length"), Some("Length")),
    ] {
        let no = |what: &str, why: Option<&str>| why.map(|why| format!("InvalidParameter.{what}Name.{why}"));
        assert_eq!(user(&mut world, name).err().map(|no| no.code), no("User", user_says), "{name:?}");
        let made = role(&mut world, name, OURS, 3600);
        assert_eq!(made.err().map(|no| no.code), no("Role", role_says), "{name:?}");
        assert_eq!(
            policy(&mut world, name, ALL).err().map(|no| no.code),
            no("Policy", policy_says),
            "{name:?}"
        );
    }
}

#[test]
fn documents_and_lengths_of_sessions_are_checked_when_they_are_given() {
    let mut world = world();
    assert_eq!(code(policy(&mut world, "bad", "{}")), "MalformedPolicyDocument");
    assert_eq!(code(role(&mut world, "bad", ALL, 3600)), "MalformedPolicyDocument");
    for seconds in [0, 3599, 43_201] {
        assert_eq!(code(role(&mut world, "bad", OURS, seconds)), "InvalidParameter.MaxSessionDuration");
    }
    let long = UserCreated {
        user: Arn::user(&mine(), "bob"),
        account: mine(),
        display_name: String::new(),
        comments: "x".repeat(1025),
    };
    let no = world.ask(&house(), |view| rules::create_user(view, long.clone()));
    assert_eq!(code(no), "InvalidParameter.Comments.Length");
    let long = UserCreated { display_name: "x".repeat(1025), comments: String::new(), ..long };
    let no = world.ask(&house(), |view| rules::create_user(view, long));
    assert_eq!(code(no), "InvalidParameter.DisplayName.Length");
    let long = PolicyCreated {
        policy: Arn::policy(&mine(), "long"),
        account: mine(),
        description: "x".repeat(1025),
        document: ALL.to_owned(),
    };
    let no = world.ask(&house(), |view| rules::create_policy(view, long));
    assert_eq!(code(no), "InvalidParameter.Description.Length");
}

#[test]
fn policies_are_attached_once_and_counted_and_what_has_some_is_not_deleted() {
    let mut world = world();
    let (alice, importer) = (Arn::user(&mine(), "alice"), Arn::role(&mine(), "importer"));
    let (all, system) = (Arn::policy(&mine(), "all"), Arn::system_policy("AliyunECSFullAccess"));
    for policy in [&all, &system] {
        attach(&mut world, policy, &alice, ACCOUNT).expect("it has none yet");
        attach(&mut world, policy, &importer, ACCOUNT).expect("it has none yet");
    }
    assert_eq!(code(attach(&mut world, &all, &alice, ACCOUNT)), "EntityAlreadyExists.User.Policy");
    assert_eq!(code(attach(&mut world, &system, &importer, ACCOUNT)), "EntityAlreadyExists.Role.Policy");
    let attached =
        |world: &World| POLICIES.get(&world.rows, &house(), &[ACCOUNT, "all"]).map(|it| it.attached);
    assert_eq!(attached(&world), Some(2));
    assert_eq!(rules::documents_of(&world.rows, &house(), ACCOUNT, "user/alice").len(), 2);

    assert_eq!(
        code(world.ask(&house(), |view| rules::delete_policy(view, &all, &mine()))),
        "DeleteConflict.Policy"
    );
    let no = world.ask(&house(), |view| rules::delete_user(view, &alice, &mine()));
    assert_eq!(code(no), "DeleteConflict.User.Policy");
    let no = world.ask(&house(), |view| rules::delete_role(view, &importer, &mine()));
    assert_eq!(code(no), "DeleteConflict.Role.Policy");
    for policy in [&all, &system] {
        detach(&mut world, policy, &alice).expect("it has it");
        detach(&mut world, policy, &importer).expect("it has it");
    }
    assert_eq!(code(detach(&mut world, &all, &alice)), "EntityNotExist.User.Policy");
    assert_eq!(code(detach(&mut world, &all, &importer)), "EntityNotExist.Role.Policy");
    assert_eq!(attached(&world), Some(0));
    world.decide(&house(), |view| rules::delete_policy(view, &all, &mine())).expect("nobody has it");
    world.decide(&house(), |view| rules::delete_role(view, &importer, &mine())).expect("it has none");
    world.decide(&house(), |view| rules::delete_user(view, &alice, &mine())).expect("it has none");
    assert!(USERS.list(&world.rows, &house(), &[ACCOUNT]).is_empty());
    assert!(ROLES.list(&world.rows, &house(), &[ACCOUNT]).is_empty());
}

#[test]
fn a_user_has_as_many_policies_and_keys_as_the_api_lets_it() {
    let mut world = world();
    let alice = Arn::user(&mine(), "alice");
    for number in 0..=ATTACHED_MAX {
        policy(&mut world, &format!("p{number}"), ALL).expect("it is new");
        let answer = attach(&mut world, &Arn::policy(&mine(), &format!("p{number}")), &alice, ACCOUNT);
        assert_eq!(answer.is_ok(), number < ATTACHED_MAX, "{number}");
    }
    let no = attach(&mut world, &Arn::system_policy("AdministratorAccess"), &alice, ACCOUNT);
    assert_eq!(code(no), "LimitExceeded.User.Policy");
    let no = attach(&mut world, &Arn::policy(&mine(), "p1"), &Arn::role(&mine(), "none"), ACCOUNT);
    assert_eq!(code(no), "EntityNotExist.Role");
    for number in 0..USER_KEYS_MAX {
        key(&mut world, number).expect("there is room");
    }
    assert_eq!(code(key(&mut world, 7)), "LimitExceeded.User.AccessKey");
    assert_eq!(KEYS_OF.list(&world.rows, &house(), &[ACCOUNT, "alice"]).len(), USER_KEYS_MAX);
    assert_eq!(
        KEYS_OF.list(&world.rows, &house(), &[ACCOUNT, ""]).len(),
        0,
        "they are not the account's own"
    );
    let no = world.ask(&house(), |view| rules::delete_user(view, &alice, &mine()));
    assert_eq!(code(no), "DeleteConflict.User.AccessKey");
}

#[test]
fn of_another_account_there_is_no_user_no_policy_and_no_role() {
    let mut world = world();
    let other = AccountId::from(OTHER);
    let (alice, importer) = (Arn::user(&mine(), "alice"), Arn::role(&mine(), "importer"));
    let all = Arn::policy(&mine(), "all");
    assert_eq!(code(attach(&mut world, &all, &alice, OTHER)), "EntityNotExist.User");
    assert_eq!(code(attach(&mut world, &all, &importer, OTHER)), "EntityNotExist.Role");
    let policy = Arn::policy(&other, "all");
    assert_eq!(code(attach(&mut world, &policy, &alice, ACCOUNT)), "EntityNotExist.Policy");
    assert_eq!(
        code(attach(&mut world, &Arn::system_policy("None"), &alice, ACCOUNT)),
        "EntityNotExist.Policy"
    );
    assert_eq!(
        code(world.ask(&house(), |view| rules::delete_user(view, &alice, &other))),
        "EntityNotExist.User"
    );
    assert_eq!(
        code(world.ask(&house(), |view| rules::delete_role(view, &importer, &other))),
        "EntityNotExist.Role"
    );
    assert_eq!(
        code(world.ask(&house(), |view| rules::delete_policy(view, &all, &other))),
        "EntityNotExist.Policy"
    );
    // A name of another kind of thing is none of this kind.
    assert_eq!(
        code(world.ask(&house(), |view| rules::delete_user(view, &importer, &mine()))),
        "EntityNotExist.User"
    );
    for odd in ["", "alice", "acs:ram::100000:user/a\0b", "acs:ram::100000:user/", "acs:ram:user/alice"] {
        let odd = Arn::from(odd);
        assert_eq!(
            code(world.ask(&house(), |view| rules::delete_user(view, &odd, &mine()))),
            "EntityNotExist.User"
        );
    }
}

#[test]
fn a_role_is_assumed_by_whom_it_trusts_for_as_long_as_it_allows_and_says_no_more_to_others() {
    let world = world();
    let role = Arn::role(&mine(), "importer");
    let id = ROLES.get(&world.rows, &house(), &[ACCOUNT, "importer"]).expect("it is there").id;
    let context = Context { source_ip: None, now_ms: world.now_ms, secure: true };
    let assume = |role: &Arn, role_id: &str, by: &Arn, session: &str, seconds: i64| {
        let wanted = Assuming {
            role,
            role_id,
            session,
            key: &"STS.1".into(),
            by,
            until_ms: world.now_ms + seconds * 1000,
            context: &context,
        };
        world.ask(&house(), |view| rules::assume_role(view, &wanted)) as Result<RoleAssumed, Refusal>
    };
    let alice = Arn::user(&mine(), "alice");
    let assumed = assume(&role, &id, &alice, "ci@build.1", 3600).expect("it is trusted");
    assert_eq!((assumed.account, assumed.by), (mine(), alice.clone()));
    let stranger = Arn::user(&OTHER.into(), "alice");
    assert_eq!(code(assume(&role, &id, &stranger, "ci", 3600)), "NoPermission");
    assert_eq!(code(assume(&Arn::role(&mine(), "none"), &id, &alice, "ci", 3600)), "NoPermission");
    assert_eq!(code(assume(&role, "another", &alice, "ci", 3600)), "NoPermission");
    assert_eq!(code(assume(&role, &id, &alice, "ci", 3601)), "InvalidParameter.DurationSeconds");
    for session in ["", "a", "a b", "名字", &"x".repeat(65)] {
        assert_eq!(code(assume(&role, &id, &alice, session, 900)), "InvalidParameter.RoleSessionName");
    }
}
