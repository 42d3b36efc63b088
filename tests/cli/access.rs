//! Who may ask: access keys.

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
