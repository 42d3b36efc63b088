//! Use cases on access keys, and the one question the wire asks for every request: whose key is this.

use std::fmt;
use std::sync::{Arc, LazyLock};

use domain::access::{
    ACCESS_KEYS, AccessKey as Row, AccessKeyId, Arn, KEY_CHARS, KEY_PREFIX, KEYS_OF, SECRET_CHARS,
};
use domain::image::house;
use domain::{AccountId, rules};
use engine::Snapshot;
use event::{Actor, Refusal, Rows, View};
use workflows::{ChangeAccessKey, CreateAccessKey, DeleteAccessKey};

use crate::asked::Asked;
use crate::lookup::account;
use crate::operator::{is_at_the_machine, operator};
use crate::request::Reply;
use crate::request_access::KeyRequest;
use crate::seal::letters;
use crate::service::settled;
use crate::share::known_account;
use crate::view::{Started, time_text};
use crate::view_access::{KeyCreated, KeyView, Keys, Secret};
use crate::{Service, Trouble};

/// An access key with its secret, for who verifies signatures. It is shown without the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Whose it is.
    pub account: AccountId,
    /// The user it speaks for, if it is not the account's own.
    pub user: Option<String>,
    /// Whether requests may be signed with it.
    pub active: bool,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AccessKey");
        shown.field("id", &self.id).field("account", &self.account).field("user", &self.user);
        shown.field("active", &self.active).finish_non_exhaustive()
    }
}

impl Service {
    /// The key of that id, with its secret; none if there is no such key.
    pub fn access_key(&self, id: &str) -> Result<Option<AccessKey>, Trouble> {
        static ALL: LazyLock<Vec<u8>> = LazyLock::new(|| ACCESS_KEYS.key(&house(), &[""]));
        let read = |rows: &Snapshot| key_row(rows, id).map(|row| self.opened(row)).transpose();
        self.kept_keys.now(&self.engine, &ALL, id, read)
    }

    fn opened(&self, row: Row) -> Result<AccessKey, Trouble> {
        let secret = self.seal.open(row.account.as_str(), row.id.as_str(), &row.sealed)?;
        Ok(AccessKey { id: row.id.0, secret, account: row.account, user: row.user, active: row.active })
    }

    pub(crate) async fn key(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        request: KeyRequest,
    ) -> Result<Reply, Trouble> {
        Ok(match request {
            KeyRequest::Create { account, user } => {
                self.create_key(actor, asked, account, user).await?.into()
            }
            KeyRequest::List { account, user } => self.keys(&actor, account, user.as_deref())?.into(),
            KeyRequest::Enable(key) => self.change_key(actor, asked, key, true).await?.into(),
            KeyRequest::Disable(key) => self.change_key(actor, asked, key, false).await?.into(),
            KeyRequest::Delete(key) => self.delete_key(actor, asked, key).await?.into(),
        })
    }

    /// Creates a key and tells its secret. Asked again, the same request has the same answer: whoever did not
    /// hear it may ask once more, as long as the log knows the request.
    async fn create_key(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        of: Option<AccountId>,
        user: Option<String>,
    ) -> Result<KeyCreated, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let account = whose(&snapshot, &actor, of)?;
        if let Some(known) = self.known(asked)? {
            self.drive().await?;
            return self.created_key(&account, &settled_key(&self.engine.wait(known.workflow_id).await?)?);
        }
        let key = AccessKeyId(format!("{KEY_PREFIX}{}", letters(KEY_CHARS)?));
        let mut flow = CreateAccessKey { account: account.clone(), user, key, sealed: Vec::new() };
        let wanted = flow.clone().wanted();
        rules::create_access_key(&View::new(&snapshot, &house(), self.clock.now_ms()), wanted)?;
        asked.go_on()?;
        let before = ACCESS_KEYS.first(&snapshot, &house());
        let before =
            before.as_ref().map(|row| (row.account.as_str(), row.id.as_str(), row.sealed.as_slice()));
        flow.sealed = self.seal.seal(account.as_str(), flow.key.as_str(), &letters(SECRET_CHARS)?, before)?;
        drop(snapshot);
        self.drive().await?;
        let made = self.engine.run(actor, &asked.id, flow).await?;
        self.created_key(&account, &settled_key(&made)?)
    }

    /// A key with its secret, for the answer to who asked for it.
    fn created_key(&self, account: &AccountId, key: &AccessKeyId) -> Result<KeyCreated, Trouble> {
        let row = key_row(&self.engine.snapshot()?, key.as_str()).filter(|row| row.account == *account);
        let key = self.opened(row.ok_or_else(|| no_key(key))?)?;
        Ok(KeyCreated {
            access_key_id: key.id,
            access_key_secret: Secret(key.secret),
            account_id: key.account.0,
            user_name: key.user.unwrap_or_default(),
        })
    }

    fn keys(&self, actor: &Actor, of: Option<AccountId>, user: Option<&str>) -> Result<Keys, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let account = whose(&snapshot, actor, of)?;
        if let Some(user) = user {
            let house = house();
            let view = View::new(&snapshot, &house, self.clock.now_ms());
            rules::own_user(&view, &Arn::user(&account, user), &account)?;
        }
        Ok(Keys { access_keys: key_views(&snapshot, &account, user) })
    }

    async fn change_key(
        &self,
        actor: Actor,
        asked: &Asked,
        key: AccessKeyId,
        active: bool,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let snapshot = self.engine.snapshot()?;
        let account = whose_key(&snapshot, &actor, &key);
        rules::disable_access_key(&View::new(&snapshot, &house(), self.clock.now_ms()), &key, &account)?;
        drop(snapshot);
        let id = key.0.clone();
        self.begin(actor, asked, ChangeAccessKey { account, key, active }, id).await
    }

    async fn delete_key(&self, actor: Actor, asked: &Asked, key: AccessKeyId) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let snapshot = self.engine.snapshot()?;
        let account = whose_key(&snapshot, &actor, &key);
        rules::delete_access_key(&View::new(&snapshot, &house(), self.clock.now_ms()), &key, &account)?;
        drop(snapshot);
        let id = key.0.clone();
        self.begin(actor, asked, DeleteAccessKey { account, key }, id).await
    }
}

/// Keys of an account, or of one of its users, without their secrets.
pub(crate) fn key_views(rows: &dyn Rows, account: &AccountId, user: Option<&str>) -> Vec<KeyView> {
    let parts: Vec<&str> = std::iter::once(account.as_str()).chain(user).collect();
    let ids = KEYS_OF.list(rows, &house(), &parts);
    let keys = ids.iter().filter_map(|id| ACCESS_KEYS.get(rows, &house(), &[id.as_str()]));
    let view = |row: Row| KeyView {
        access_key_id: row.id.0,
        account_id: row.account.0,
        user_name: row.user.unwrap_or_default(),
        status: if row.active { "Active" } else { "Inactive" }.to_owned(),
        create_date: time_text(row.created_ms),
    };
    keys.map(view).collect()
}

/// A key as it stands.
fn key_row(snapshot: &Snapshot, id: &str) -> Option<Row> {
    if id.contains('\0') { None } else { ACCESS_KEYS.get(snapshot, &house(), &[id]) }
}

/// The account that is meant: another one only for the operator at the machine, whose keys are no one's to lend.
pub(crate) fn whose(snapshot: &Snapshot, actor: &Actor, of: Option<AccountId>) -> Result<AccountId, Trouble> {
    let own = account(actor);
    let Some(other) = of.filter(|of| *of != own) else { return Ok(own) };
    operator(actor)?;
    if !is_at_the_machine(actor) {
        let why = format!("access of account `{other}` is changed by itself, or at the machine");
        return Err(Refusal::new("Forbidden.Operator", why)
            .advise("ask with a key of that account, or at the machine itself")
            .into());
    }
    known_account(snapshot, &other)?;
    Ok(other)
}

/// The account that a key is changed for: its own, where that may be; of others the rule says there is none.
fn whose_key(snapshot: &Snapshot, actor: &Actor, key: &AccessKeyId) -> AccountId {
    let found = key_row(snapshot, key.as_str()).filter(|_| is_at_the_machine(actor));
    found.map_or_else(|| account(actor), |row| row.account)
}

fn no_key(key: &AccessKeyId) -> Refusal {
    let why = format!("the access key `{key}` that this request had made is gone");
    Refusal::new("EntityNotExist.User.AccessKey", why).advise("make another: `kiln key create`")
}

fn settled_key(flow: &engine::FlowRow) -> Result<AccessKeyId, Trouble> {
    settled(flow)?;
    let subject = flow.subjects.first().map(|subject| subject.0.clone()).unwrap_or_default();
    Ok(AccessKeyId(subject))
}
