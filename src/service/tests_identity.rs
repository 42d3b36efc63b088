//! Who asks, and whether they may: keys, users and sessions of roles as the wire meets them.

use std::sync::Arc;
use std::time::Duration;

use domain::policy::Context;

use crate::tests::{ask, finished, open};
use crate::{
    AccessRequest, Assumed, AuditRequest, Grantee, Identity, KeyCreated, KeyRequest, LogAsked, LogPage,
    Principal, Request, RoleAsk, RoleView, Service, Started, Trouble, local_actor,
};

const IMAGE: &str = "acs:ecs:cn-hangzhou:100000:image/m-1";
const ROLE: &str = "acs:ram::100000:role/importer";

/// A house with a user `alice`, who has a key, and a role that trusts the users of the account.
struct Office {
    service: Arc<Service>,
    _place: tempfile::TempDir,
}

impl Office {
    async fn open() -> Self {
        let place = tempfile::tempdir().unwrap();
        let office = Self { service: open(&place).await, _place: place };
        let (name, display_name, comments) = ("alice".to_owned(), String::new(), String::new());
        office.done(AccessRequest::UserCreate { name, display_name, comments }).await.unwrap();
        office.role().await;
        office
    }

    async fn role(&self) {
        let (name, description) = ("importer".to_owned(), String::new());
        let create = AccessRequest::RoleCreate { name, description, trust: None, session_s_max: None };
        self.done(create).await.unwrap();
    }

    async fn done(&self, request: AccessRequest) -> Result<(), Trouble> {
        let id = format!("{request:?}{:?}", std::time::Instant::now());
        let started: Started = ask(&self.service, &local_actor(), &id, Request::Access(request)).await?;
        assert_eq!(finished(&self.service, &local_actor(), &started).await.state, "Done");
        Ok(())
    }

    async fn policy(&self, name: &str, document: &str, to: Grantee) {
        let (name, description) = (name.to_owned(), String::new());
        let document = format!(r#"{{"Version":"1","Statement":[{document}]}}"#);
        let create = AccessRequest::PolicyCreate { name: name.clone(), description, document };
        self.done(create).await.unwrap();
        self.attach(&name, to).await;
    }

    async fn attach(&self, policy: &str, to: Grantee) {
        let policy = policy.to_owned();
        self.done(AccessRequest::Attach { policy, policy_type: None, to }).await.unwrap();
    }

    async fn key(&self, user: Option<&str>) -> KeyCreated {
        let create = KeyRequest::Create { account: None, user: user.map(str::to_owned) };
        let id = format!("key of {user:?}");
        ask(&self.service, &local_actor(), &id, Request::Key(create)).await.unwrap()
    }

    async fn alice(&self) -> Identity {
        let key = self.key(Some("alice")).await;
        let who = self.service.who(&key.access_key_id, None).unwrap().unwrap();
        assert_eq!((who.secret.as_str(), who.active), (key.access_key_secret.0.as_str(), true));
        who
    }

    /// Whether somebody may; explicitly not, or not at all.
    fn may(&self, who: &Identity, action: &str) -> Result<(), bool> {
        let asked = self.service.may(who, action, IMAGE, &now(&self.service)).unwrap();
        asked.map_err(|denied| denied.explicit)
    }

    async fn assume(&self, who: &Identity, id: &str, policy: Option<&str>) -> Result<Assumed, Trouble> {
        let ask = RoleAsk {
            role_arn: ROLE.to_owned(),
            session: "ci".to_owned(),
            duration_s: Some(900),
            policy: policy.map(str::to_owned),
        };
        self.service.assume_role(who, ask, id, &now(&self.service)).await
    }

    fn who(&self, key: &str, token: Option<&str>) -> Result<Option<Identity>, String> {
        self.service.who(key, token).map_err(|no| no.code)
    }
}

fn now(service: &Service) -> Context {
    Context { source_ip: "10.0.0.1".parse().ok(), now_ms: service.clock.now_ms(), secure: true }
}

fn alice() -> Grantee {
    Grantee::User("alice".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_may_do_what_a_policy_lets_it_and_a_denial_names_what_is_missing() {
    let office = Office::open().await;
    let root = office.key(None).await.access_key_id;
    let root = office.service.who(&root, None).unwrap().unwrap();
    assert_eq!((&root.principal, office.may(&root, "ecs:DeleteImage")), (&Principal::Root, Ok(())));
    let who = office.alice().await;
    assert_eq!(who.principal, Principal::User("alice".to_owned()));
    assert_eq!(office.may(&who, "ecs:DescribeImages"), Err(false), "nothing before a policy is attached");
    office.attach("AliyunECSFullAccess", alice()).await;
    assert_eq!(office.may(&who, "ecs:DeleteImage"), Ok(()));
    let deny = r#"{"Effect":"Deny","Action":"ecs:Delete*","Resource":"acs:ecs:*:*:image/*",
        "Condition":{"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}}"#;
    office.policy("keep", deny, alice()).await;
    assert_eq!(office.may(&who, "ecs:DeleteImage"), Err(true));
    assert_eq!(office.may(&who, "ecs:DescribeImages"), Ok(()));

    let denied =
        office.service.may(&who, "ecs:DeleteImage", IMAGE, &now(&office.service)).unwrap().unwrap_err();
    assert_eq!((denied.principal_type(), denied.no_permission_type()), ("SubUser", "ExplicitDeny"));
    assert_eq!((denied.account.as_str(), denied.display_name.len()), ("100000", 18));
    let told = Trouble::from(denied);
    assert_eq!(told.code, "Forbidden.RAM");
    assert!(told.message.contains("ecs:DeleteImage") && told.message.contains(IMAGE), "{}", told.message);
    assert!(!format!("{who:?}").contains(&who.secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_assumed_for_a_while_and_its_token_says_when_it_is_not_good() {
    let office = Office::open().await;
    let who = office.alice().await;
    let no = office.assume(&who, "one", None).await.unwrap_err();
    assert_eq!(no.code, "NoPermission", "the role trusts her, but no policy lets her");
    office.attach("AliyunSTSAssumeRoleAccess", alice()).await;
    let root = office.key(None).await.access_key_id;
    let root = office.service.who(&root, None).unwrap().unwrap();
    let no = office.assume(&root, "two", None).await.unwrap_err();
    assert!(no.code == "NoPermission" && no.message.contains("root accounts"), "{no:?}");

    let assumed = office.assume(&who, "three", None).await.unwrap();
    let (key, token) = (assumed.access_key_id.as_str(), assumed.security_token.0.as_str());
    assert_eq!(assumed.arn, "acs:ram::100000:role/importer/ci");
    let session = office.who(key, Some(token)).unwrap().unwrap();
    assert_eq!(session.principal, Principal::Role { name: "importer".to_owned(), session: "ci".to_owned() });
    assert_eq!((session.secret == assumed.access_key_secret.0, session.active), (true, true));
    assert_eq!(office.may(&session, "ecs:DescribeImages"), Err(false));
    office.attach("AliyunECSReadOnlyAccess", Grantee::Role("importer".to_owned())).await;
    assert_eq!(office.may(&session, "ecs:DescribeImages"), Ok(()));
    assert!(!format!("{assumed:?}").contains(&assumed.access_key_secret.0));
    assert!(!format!("{assumed:?}").contains(token));

    let code = |key: &str, token: Option<&str>| office.who(key, token).unwrap_err();
    assert_eq!(code(key, None), "MissingSecurityToken");
    assert_eq!(code(key, Some("")), "MissingSecurityToken");
    assert_eq!(code("STS.other", Some(token)), "InvalidSecurityToken.MismatchWithAccessKey");
    assert_eq!(code(&who.key, Some(token)), "InvalidSecurityToken.MismatchWithAccessKey");
    for bad in ["x", "00", "not hexadecimal", &token[2..], &token[..token.len() - 2], &token.to_uppercase()] {
        assert_eq!(code(key, Some(bad)), "InvalidSecurityToken.Malformed", "{bad}");
    }
    let flipped = if token.ends_with('0') { "1" } else { "0" };
    let changed = format!("{}{flipped}", &token[..token.len() - 1]);
    assert_eq!(code(key, Some(&changed)), "InvalidSecurityToken.Malformed");

    // The log tells who it was, by a key that no row has.
    let asked: Started = ask(&office.service, &session.actor(), "by role", bucket("by-role")).await.unwrap();
    finished(&office.service, &local_actor(), &asked).await;
    let log = LogAsked { workflow: Some(asked.workflow_id), count: 100, ..LogAsked::default() };
    let log: LogPage =
        ask(&office.service, &local_actor(), "", Request::Audit(AuditRequest::Log(log))).await.unwrap();
    assert!(log.log.iter().all(|line| line.principal == "role/importer/ci"), "{log:?}");

    // A role that goes takes its sessions with it, also if one of its name comes.
    let (policy, from) = ("AliyunECSReadOnlyAccess".to_owned(), Grantee::Role("importer".to_owned()));
    office.done(AccessRequest::Detach { policy, policy_type: None, from }).await.unwrap();
    office.done(AccessRequest::RoleDelete("importer".to_owned())).await.unwrap();
    assert!(!office.who(key, Some(token)).unwrap().unwrap().active);
    office.role().await;
    assert!(!office.who(key, Some(token)).unwrap().unwrap().active);
    let show = Request::Access(AccessRequest::RoleShow("importer".to_owned()));
    let role: RoleView = ask(&office.service, &local_actor(), "", show).await.unwrap();
    assert!(!assumed.assumed_role_id.starts_with(&role.role_id));
}

fn bucket(name: &str) -> Request {
    Request::Bucket(crate::BucketRequest::Create { bucket: name.to_owned(), region: None })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_may_do_what_its_role_and_its_own_limit_both_allow() {
    let office = Office::open().await;
    let who = office.alice().await;
    office.attach("AliyunSTSAssumeRoleAccess", alice()).await;
    office.attach("AliyunECSFullAccess", Grantee::Role("importer".to_owned())).await;
    let no = office.assume(&who, "one", Some("{}")).await.unwrap_err();
    assert_eq!(no.code, "InvalidParameter.PolicyGrammar");
    let limit = r#"{"Version":"1","Statement":[
        {"Effect":"Allow","Action":["ecs:Describe*","oss:*"],"Resource":"*"},
        {"Effect":"Deny","Action":"ecs:DescribeDisks","Resource":"*"}]}"#;
    let assumed = office.assume(&who, "two", Some(limit)).await.unwrap();
    let session = office.who(&assumed.access_key_id, Some(&assumed.security_token.0)).unwrap().unwrap();
    assert_eq!(office.may(&session, "ecs:DescribeImages"), Ok(()));
    assert_eq!(office.may(&session, "ecs:DeleteImage"), Err(false), "the limit does not allow it");
    assert_eq!(office.may(&session, "ecs:DescribeDisks"), Err(true), "the limit denies it");
    assert_eq!(office.may(&session, "oss:GetObject"), Err(false), "the role does not allow it");
    let short =
        RoleAsk { role_arn: ROLE.to_owned(), session: "ci".to_owned(), duration_s: Some(899), policy: None };
    let no = office.service.assume_role(&who, short, "three", &now(&office.service)).await.unwrap_err();
    assert_eq!(no.code, "InvalidParameter.DurationSeconds");
    let again = office.assume(&who, "two", Some(limit)).await.unwrap_err();
    assert_eq!(again.code, "IdempotentParameterMismatch", "a token is told once");
}

/// Goal: what the wire asks for every request costs little beside the signature. Not a bench: a bound that
/// only a mistake would break, such as reading twenty documents anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_judged_in_a_fraction_of_a_millisecond() {
    let office = Office::open().await;
    let who = office.alice().await;
    for number in 0..20 {
        let statements: Vec<String> = (0..20)
            .map(|one| format!(r#"{{"Effect":"Allow","Action":"ecs:Action{number}x{one}","Resource":"*"}}"#))
            .collect();
        office.policy(&format!("p{number}"), &statements.join(","), alice()).await;
    }
    let begun = std::time::Instant::now();
    for _ in 0..200 {
        let known = office.service.who(&who.key, None).unwrap().unwrap();
        assert_eq!(office.may(&known, "ecs:Action19x19"), Ok(()));
    }
    let each = begun.elapsed() / 200;
    assert!(each < Duration::from_millis(20), "{each:?}");
}
