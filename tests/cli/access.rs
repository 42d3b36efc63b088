//! Who may ask: access keys, users, policies and roles.

use serde_json::Value;

use crate::kit::Place;

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

#[test]
fn an_account_is_created_with_its_first_key_in_the_four_fields_that_tools_read() {
    let place = Place::new();
    let created = place.json(&["account", "create", "builders"]);
    let fields: Vec<&str> = created.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields.len(), 4);
    for field in ["AccountId", "AccountName", "AccessKeyId", "AccessKeySecret"] {
        assert!(fields.contains(&field), "{fields:?}");
    }
    assert_eq!(text(&created, "AccountName"), "builders");
    let list = place.json(&["account", "list"]);
    let ids: Vec<_> = list["Accounts"].as_array().unwrap().iter().map(|one| text(one, "AccountId")).collect();
    assert!(ids.contains(&text(&created, "AccountId")), "{ids:?}");
    let keys = place.json(&["--account", text(&created, "AccountId"), "key", "list"]);
    assert_eq!(text(&keys["AccessKeys"][0], "AccessKeyId"), text(&created, "AccessKeyId"));
    assert!(!keys.to_string().contains(text(&created, "AccessKeySecret")));
}

#[test]
fn a_key_is_made_rotated_and_removed() {
    let place = Place::new();
    assert_eq!(place.json(&["key", "list"])["AccessKeys"].as_array().unwrap().len(), 0, "none until asked");
    let first = place.json(&["key", "create"]);
    let told = place.run(&["key", "create"]);
    assert!(told.out.starts_with("access key  LTAI") && told.err.contains("not told again"), "{}", told.out);
    let id = text(&first, "AccessKeyId");
    place.done(&["key", "disable", id]);
    let status = |place: &Place| {
        let keys = place.json(&["key", "list"]);
        let keys = keys["AccessKeys"].as_array().unwrap().clone();
        let key = keys.iter().find(|key| text(key, "AccessKeyId") == id);
        key.map(|key| text(key, "Status").to_owned())
    };
    assert_eq!(status(&place).as_deref(), Some("Inactive"));
    place.done(&["key", "enable", id]);
    assert_eq!(status(&place).as_deref(), Some("Active"));
    assert_eq!(place.run(&["key", "delete", id]).code, 2, "nobody is there to be asked");
    place.done(&["key", "delete", id, "--yes"]);
    assert_eq!(status(&place), None);
    let gone = place.run(&["key", "enable", id]);
    assert_eq!((gone.code, gone.err.contains("EntityNotExist.User.AccessKey")), (3, true), "{}", gone.err);
    let log = place.done(&["audit", "log", "--subject", id, "--output", "json"]);
    assert!(log.contains("access-key.deleted/1") && !log.contains(text(&first, "AccessKeySecret")), "{log}");
}

#[test]
fn a_user_gets_a_policy_and_a_key_and_is_deleted_when_both_are_gone() {
    let place = Place::new();
    let alice = place.json(&["user", "create", "alice", "--comments", "the build machine"]);
    let account = "100000";
    assert_eq!(text(&alice, "Arn"), format!("acs:ram::{account}:user/alice"));
    place.write(
        "look.json",
        br#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"ecs:Describe*","Resource":"*"}]}"#,
    );
    place.done(&["policy", "create", "look", "--document", "look.json"]);
    assert_eq!(
        place.done(&["policy", "attach", "look", "--user", "alice"]),
        "attached `look` to `user/alice`\n"
    );
    place.done(&["policy", "attach", "AliyunOSSReadOnlyAccess", "--user", "alice"]);
    let key = place.json(&["key", "create", "--user", "alice"]);
    let id = text(&key, "AccessKeyId");
    assert_eq!(text(&key, "UserName"), "alice");
    let shown = place.json(&["user", "show", "alice"]);
    let names: Vec<_> =
        shown["Policies"].as_array().unwrap().iter().map(|one| text(one, "PolicyName")).collect();
    assert_eq!(names, ["AliyunOSSReadOnlyAccess", "look"]);
    assert!(place.done(&["user", "show", "alice"]).contains(id));
    assert!(place.done(&["user", "list"]).contains("alice"));
    let policy = place.done(&["policy", "show", "look"]);
    assert!(policy.contains("user/alice") && policy.contains("ecs:Describe*"), "{policy}");
    assert!(place.done(&["policy", "list"]).contains("AdministratorAccess"));
    let keys = place.json(&["key", "list", "--user", "alice"]);
    assert_eq!(keys["AccessKeys"].as_array().map(Vec::len), Some(1));

    let refused = |words: &[&str], code: &str| {
        let run = place.run(words);
        assert_eq!((run.code, run.err.contains(code)), (3, true), "{words:?}: {}", run.err);
    };
    refused(&["user", "delete", "alice", "--yes"], "DeleteConflict.User.AccessKey");
    place.done(&["key", "delete", id, "--yes"]);
    refused(&["user", "delete", "alice", "--yes"], "DeleteConflict.User.Policy");
    refused(&["policy", "delete", "look", "--yes"], "DeleteConflict.Policy");
    place.done(&["policy", "detach", "look", "--user", "alice"]);
    place.done(&["policy", "detach", "AliyunOSSReadOnlyAccess", "--user", "alice"]);
    place.done(&["user", "delete", "alice", "--yes"]);
    place.done(&["policy", "delete", "look", "--yes"]);
    refused(&["user", "show", "alice"], "EntityNotExist.User");
    refused(
        &["--account", "100000", "policy", "delete", "AdministratorAccess", "--yes"],
        "EntityNotExist.Policy",
    );
    place.done(&["audit", "rebuild"]);
}

#[test]
fn a_role_trusts_the_users_of_its_account_unless_a_document_says_otherwise() {
    let place = Place::new();
    let role = place.json(&["role", "create", "importer"]);
    assert!(text(&role, "AssumeRolePolicyDocument").contains("acs:ram::100000:root"), "{role}");
    place.done(&["policy", "attach", "AliyunECSImageImportRolePolicy", "--role", "importer"]);
    assert!(place.done(&["role", "show", "importer"]).contains("AliyunECSImageImportRolePolicy"));
    place.write("bad.json", br#"{"Version":"1","Statement":[]}"#);
    let bad = place.run(&["role", "create", "bad", "--trust", "bad.json"]);
    assert!(bad.code == 3 && bad.err.contains("MalformedPolicyDocument"), "{}", bad.err);
    assert_eq!(place.run(&["role", "create", "bad", "--trust", "none.json"]).code, 2);
    place.done(&["policy", "detach", "AliyunECSImageImportRolePolicy", "--role", "importer"]);
    place.done(&["role", "delete", "importer", "--yes"]);
    assert_eq!(place.json(&["role", "list"])["Roles"].as_array().map(Vec::len), Some(0));
}
