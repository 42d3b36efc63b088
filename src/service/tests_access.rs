//! Access keys through the door: what is told, to whom, and what is not.

use std::sync::Arc;

use domain::AccountId;
use domain::access::{KEY_CHARS, KEY_PREFIX, SECRET_CHARS};
use event::Actor;

use crate::seal::{MISMATCH, MISSING};
use crate::tests::{ask, close, finished, open};
use crate::{
    AuditRequest, KeyCreated, KeyRequest, Keys, LogAsked, LogPage, Request, SEAL, Service, ShareRequest,
    Started, Trouble, local_actor,
};

const OTHER: &str = "200000";

fn other() -> Actor {
    Actor { account: OTHER.to_owned(), key: String::new() }
}

async fn with_other(service: &Arc<Service>) {
    let (name, account) = ("other".to_owned(), Some(AccountId::from(OTHER)));
    let create = Request::Share(ShareRequest::AccountCreate { name, account });
    let started: Started = ask(service, &local_actor(), "account", create).await.unwrap();
    assert_eq!(finished(service, &local_actor(), &started).await.state, "Done");
}

async fn create(
    service: &Arc<Service>,
    actor: &Actor,
    id: &str,
    of: Option<&str>,
) -> Result<KeyCreated, Trouble> {
    let create = KeyRequest::Create { account: of.map(AccountId::from), user: None };
    ask(service, actor, id, Request::Key(create)).await
}

async fn done(service: &Arc<Service>, actor: &Actor, id: &str, request: KeyRequest) -> Result<(), Trouble> {
    let started: Started = ask(service, actor, id, Request::Key(request)).await?;
    assert_eq!(finished(service, actor, &started).await.state, "Done");
    Ok(())
}

fn is_letters(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_tells_its_secret_to_who_made_it_and_to_who_verifies_with_it_and_to_nobody_else() {
    let place = tempfile::tempdir().unwrap();
    let (service, actor) = (open(&place).await, local_actor());
    let made = create(&service, &actor, "one", None).await.unwrap();
    assert!(is_letters(made.access_key_id.strip_prefix(KEY_PREFIX).unwrap(), KEY_CHARS), "{made:?}");
    let secret = made.access_key_secret.0.clone();
    assert!(is_letters(&secret, SECRET_CHARS));
    let again = create(&service, &actor, "one", None).await.unwrap();
    assert_eq!(again, made, "the same request has the same answer");
    let key = service.access_key(&made.access_key_id).unwrap().unwrap();
    assert_eq!((key.secret.as_str(), key.account.as_str(), key.active), (&*secret, &*actor.account, true));
    assert!(service.access_key("LTAI00000000000000000000").unwrap().is_none());
    assert!(service.access_key("a\0b").unwrap().is_none());

    let keys: Keys = ask(&service, &actor, "", Request::Key(KeyRequest::List { account: None, user: None }))
        .await
        .unwrap();
    let log = LogAsked { count: 1000, ..LogAsked::default() };
    let log: LogPage = ask(&service, &actor, "", Request::Audit(AuditRequest::Log(log))).await.unwrap();
    assert!(log.log.iter().any(|line| line.kind == "access-key.created/1"));
    for told in [format!("{keys:?}"), format!("{log:?}"), format!("{made:?}"), format!("{key:?}")] {
        assert!(told.contains(&made.access_key_id) && !told.contains(&secret), "{told}");
    }
    // Not as it is, and not as the bytes of it: the log's file holds it sealed alone.
    let log = ["data/kiln.redb", "data/kiln.journal"]
        .map(|name| std::fs::read(place.path().join(name)).unwrap())
        .concat();
    let id = made.access_key_id.as_bytes();
    assert!(log.windows(id.len()).any(|window| window == id), "the log is there");
    assert!(!log.windows(secret.len()).any(|window| window == secret.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_disabled_says_so_and_one_that_is_deleted_is_gone() {
    let place = tempfile::tempdir().unwrap();
    let (service, actor) = (open(&place).await, local_actor());
    let id = create(&service, &actor, "one", None).await.unwrap().access_key_id;
    let is_active = || service.access_key(&id).unwrap().map(|key| key.active);
    done(&service, &actor, "two", KeyRequest::Disable(id.as_str().into())).await.unwrap();
    assert_eq!(is_active(), Some(false));
    done(&service, &actor, "three", KeyRequest::Enable(id.as_str().into())).await.unwrap();
    assert_eq!(is_active(), Some(true));
    done(&service, &actor, "four", KeyRequest::Delete(id.as_str().into())).await.unwrap();
    assert_eq!(is_active(), None);
    let late = create(&service, &actor, "one", None).await.unwrap_err();
    assert_eq!(late.code, "EntityNotExist.User.AccessKey", "a deleted key is not told again");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_and_changed_by_their_account_or_by_the_operator_at_the_machine() {
    let place = tempfile::tempdir().unwrap();
    let service = open(&place).await;
    with_other(&service).await;
    let operator = local_actor();
    let theirs = create(&service, &operator, "one", Some(OTHER)).await.unwrap();
    assert_eq!(theirs.account_id, OTHER);
    let own = create(&service, &operator, "two", None).await.unwrap().access_key_id;
    let far = Actor { key: own.clone(), ..local_actor() };
    for (actor, id) in [(&far, "three"), (&other(), "four")] {
        let of = if actor.account == OTHER { &operator.account } else { OTHER };
        let no = create(&service, actor, id, Some(of)).await.unwrap_err();
        assert_eq!(no.code, "Forbidden.Operator");
    }
    let disable = |id: &str| KeyRequest::Disable(id.into());
    let no = done(&service, &other(), "five", disable(&own)).await.unwrap_err();
    assert_eq!(no.code, "EntityNotExist.User.AccessKey");
    let no = done(&service, &far, "six", disable(&theirs.access_key_id)).await.unwrap_err();
    assert_eq!(no.code, "EntityNotExist.User.AccessKey");
    done(&service, &operator, "seven", disable(&theirs.access_key_id)).await.unwrap();
    // What was done to its keys an account finds in its log, whoever did it.
    let log = LogAsked { count: 1000, ..LogAsked::default() };
    let log: LogPage = ask(&service, &other(), "", Request::Audit(AuditRequest::Log(log))).await.unwrap();
    let kinds: Vec<_> = log.log.iter().map(|line| line.kind.as_str()).collect();
    assert!(kinds.contains(&"access-key.created/1") && kinds.contains(&"access-key.disabled/1"), "{kinds:?}");
    assert!(!log.log.iter().any(|line| line.subjects.contains(&own)), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_seal_a_data_directory_says_what_is_missing_and_makes_none_anew() {
    let place = tempfile::tempdir().unwrap();
    let actor = local_actor();
    let seal = place.path().join("data").join(SEAL);
    let service = open(&place).await;
    assert!(!seal.exists(), "no secret, no seal");
    let id = create(&service, &actor, "one", None).await.unwrap().access_key_id;
    let kept = std::fs::read(&seal).unwrap();
    close(service).await;

    for (what, code) in [(None, MISSING), (Some(vec![9; 32]), MISMATCH)] {
        match what {
            None => std::fs::remove_file(&seal).unwrap(),
            Some(bytes) => std::fs::write(&seal, bytes).unwrap(),
        }
        let service = open(&place).await;
        assert_eq!(service.access_key(&id).unwrap_err().code, code);
        assert_eq!(create(&service, &actor, code, None).await.unwrap_err().code, code);
        close(service).await;
    }
    std::fs::write(&seal, kept).unwrap();
    assert!(open(&place).await.access_key(&id).unwrap().is_some(), "put back, it is as it was");
}
