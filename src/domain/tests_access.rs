//! What holds of access keys.

use event::Refusal;

use crate::AccountId;
use crate::access::{ACCESS_KEYS, AccessKey, KEYS_OF};
use crate::events::{AccessKeyCreated, AccountCreated};
use crate::image::house;
use crate::rules::{self, ACCOUNT_KEYS_MAX};
use crate::tests_kit::{ACCOUNT, World};

/// A house with two accounts.
fn world() -> World {
    let mut world = World::new();
    for account in [ACCOUNT, "200000"] {
        world.tell(&house(), AccountCreated { account: account.into(), name: "an account".to_owned() });
    }
    world
}

/// The id of a key: a number in twenty digits.
fn id(number: usize) -> String {
    format!("LTAI{number:020}")
}

fn wanted(account: &str, key: &str) -> AccessKeyCreated {
    AccessKeyCreated { key: key.into(), account: account.into(), user: None, sealed: vec![1, 2, 3] }
}

fn create(world: &mut World, account: &str, key: &str) -> Result<AccessKeyCreated, Refusal> {
    world.decide(&house(), |view| rules::create_access_key(view, wanted(account, key)))
}

fn key(world: &World, id: &str) -> Option<AccessKey> {
    ACCESS_KEYS.get(&world.rows, &house(), &[id])
}

fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> String {
    answer.expect_err("it is refused").code
}

#[test]
fn an_account_has_a_few_keys_and_a_place_is_free_again_when_one_goes() {
    let mut world = world();
    for number in 0..ACCOUNT_KEYS_MAX {
        create(&mut world, ACCOUNT, &id(number)).expect("there is room");
    }
    assert_eq!(code(create(&mut world, ACCOUNT, &id(10))), "LimitExceeded.User.AccessKey");
    create(&mut world, "200000", &id(20)).expect("another account has room of its own");
    let by = AccountId::from(ACCOUNT);
    world
        .decide(&house(), |view| rules::delete_access_key(view, &id(0).as_str().into(), &by))
        .expect("it is there");
    assert_eq!(key(&world, &id(0)), None);
    create(&mut world, ACCOUNT, &id(10)).expect("there is room again");
    assert_eq!(KEYS_OF.list(&world.rows, &house(), &[ACCOUNT, ""]).len(), ACCOUNT_KEYS_MAX);
}

#[test]
fn a_key_is_for_an_account_that_is_there_and_its_id_is_shaped_and_new() {
    let mut world = world();
    create(&mut world, ACCOUNT, &id(1)).expect("it is new");
    assert_eq!(code(create(&mut world, "300000", &id(2))), "InvalidAccount.NotFound");
    for bad in [&*id(1), "", "LTAI", "LTAI0000000000000000000-", "m-00000000000000000000"] {
        assert_eq!(code(create(&mut world, ACCOUNT, bad)), "InvalidAccessKeyId.Malformed", "{bad}");
    }
}

#[test]
fn a_key_is_switched_off_and_on_and_removed_by_its_account_alone() {
    let mut world = world();
    let (mine, other) = (AccountId::from(ACCOUNT), AccountId::from("200000"));
    create(&mut world, ACCOUNT, &id(1)).expect("it is new");
    let key_id = id(1).as_str().into();
    let is_active = |world: &World| key(world, &id(1)).expect("it is there").active;
    assert!(is_active(&world));
    world.decide(&house(), |view| rules::disable_access_key(view, &key_id, &mine)).expect("it is mine");
    assert!(!is_active(&world));
    world.decide(&house(), |view| rules::enable_access_key(view, &key_id, &mine)).expect("it is mine");
    assert!(is_active(&world));
    let gone = "EntityNotExist.User.AccessKey";
    assert_eq!(code(world.ask(&house(), |view| rules::disable_access_key(view, &key_id, &other))), gone);
    assert_eq!(code(world.ask(&house(), |view| rules::enable_access_key(view, &key_id, &other))), gone);
    assert_eq!(code(world.ask(&house(), |view| rules::delete_access_key(view, &key_id, &other))), gone);
    assert_eq!(code(world.ask(&house(), |view| rules::delete_access_key(view, &"a\0b".into(), &mine))), gone);
}
