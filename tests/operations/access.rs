//! The operations on who may ask: access keys, users, policies and roles.

use domain::access::{AccessKeyId, Arn, ROLES};
use domain::policy::Context;
use workflows::{
    AssumeRole, AttachPolicy, ChangeAccessKey, CreateAccessKey, CreatePolicy, CreateRole, CreateUser,
    DeleteAccessKey, DeletePolicy, DeleteRole, DeleteUser, DetachPolicy,
};

use crate::cases::{Before, Case, Start, account, nothing, run, start};
use crate::world::{House, START_MS};

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "create_access_key",
            acts: false,
            before: nothing,
            start: |house| Box::pin(start(house, create_key())),
        },
        Case {
            name: "change_access_key",
            acts: false,
            before: with_key,
            start: |house| {
                let change = ChangeAccessKey { account: account(), key: key(), active: false };
                Box::pin(start(house, change))
            },
        },
        Case {
            name: "change_access_key_to_active",
            acts: false,
            before: with_key,
            start: |house| {
                let change = ChangeAccessKey { account: account(), key: key(), active: true };
                Box::pin(start(house, change))
            },
        },
        Case {
            name: "delete_access_key",
            acts: false,
            before: with_key,
            start: |house| Box::pin(start(house, DeleteAccessKey { account: account(), key: key() })),
        },
        decided("create_user", nothing, |house| Box::pin(start(house, create_user()))),
        decided("delete_user", with_access, |house| {
            Box::pin(start(house, DeleteUser { account: account(), user: Arn::user(&account(), "bob") }))
        }),
        decided("create_policy", nothing, |house| Box::pin(start(house, create_policy()))),
        decided("delete_policy", with_access, |house| {
            let policy = Arn::policy(&account(), "look");
            Box::pin(start(house, DeletePolicy { account: account(), policy }))
        }),
        decided("create_role", nothing, |house| Box::pin(start(house, create_role()))),
        decided("delete_role", with_access, |house| {
            Box::pin(start(house, DeleteRole { account: account(), role: Arn::role(&account(), "importer") }))
        }),
        decided("attach_policy", with_access, |house| {
            let (policy, to) = (Arn::policy(&account(), "look"), Arn::role(&account(), "importer"));
            Box::pin(start(house, AttachPolicy { account: account(), policy, to }))
        }),
        decided("detach_policy", with_access, |house| {
            let (policy, from) = (system(), Arn::user(&account(), "alice"));
            Box::pin(start(house, DetachPolicy { account: account(), policy, from }))
        }),
        decided("assume_role", with_access, |house| Box::pin(start(house, assume(house)))),
    ]
}

/// An operation that is one decide.
fn decided(name: &'static str, before: Before, start: Start) -> Case {
    Case { name, acts: false, before, start }
}

fn create_user() -> CreateUser {
    let (display_name, comments) = ("Alice".to_owned(), String::new());
    CreateUser { account: account(), name: "alice".to_owned(), display_name, comments }
}

fn create_policy() -> CreatePolicy {
    let document =
        r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"ecs:Describe*","Resource":"*"}]}"#;
    CreatePolicy {
        account: account(),
        name: "look".to_owned(),
        description: String::new(),
        document: document.to_owned(),
    }
}

fn create_role() -> CreateRole {
    let trust = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
        "Principal":{"RAM":"acs:ram::100000:root"}}]}"#;
    CreateRole {
        account: account(),
        name: "importer".to_owned(),
        description: String::new(),
        trust: trust.to_owned(),
        session_s_max: 3600,
    }
}

fn system() -> Arn {
    Arn::system_policy("AliyunECSReadOnlyAccess")
}

/// Two users, one of which has a policy; a policy that nobody has, and a role.
fn with_access(house: &House) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(async {
        run(house, "alice", create_user()).await;
        run(house, "bob", CreateUser { name: "bob".to_owned(), ..create_user() }).await;
        run(house, "policy", create_policy()).await;
        run(house, "role", create_role()).await;
        let (policy, to) = (system(), Arn::user(&account(), "alice"));
        run(house, "attach", AttachPolicy { account: account(), policy, to }).await;
    })
}

fn assume(house: &House) -> AssumeRole {
    let rows = house.engine.snapshot().unwrap();
    let role = ROLES.get(&rows, &domain::image::house(), &[account().as_str(), "importer"]);
    AssumeRole {
        role: Arn::role(&account(), "importer"),
        role_id: role.map(|role| role.id).unwrap_or_default(),
        session: "ci".to_owned(),
        key: AccessKeyId::from("STS.0000000000000000000000001"),
        by: Arn::user(&account(), "alice"),
        until_ms: START_MS + 900_000,
        context: Context { source_ip: None, now_ms: START_MS, secure: true },
    }
}

fn key() -> AccessKeyId {
    AccessKeyId::from("LTAI00000000000000000001")
}

/// A key whose secret was sealed by nobody: no story opens one.
fn create_key() -> CreateAccessKey {
    CreateAccessKey { account: account(), user: None, key: key(), sealed: vec![7; 71] }
}

fn with_key(house: &House) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(run(house, "key", create_key()))
}
