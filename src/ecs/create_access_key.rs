//! `CreateAccessKey` of RAM: a key of a user, whose secret is told this once.

use service::{KeyCreated, KeyRequest, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_access::{self, ACTIVE};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let user = shape_access::key_owner(&ask)?;
    let create = Request::Key(KeyRequest::Create { account: None, user: user.clone() });
    let key: KeyCreated = ask.act(create).await?;
    let keys = shape_access::keys(&ask, user).await?;
    let made = keys.access_keys.iter().find(|known| known.access_key_id == key.access_key_id);
    let shown = Object::new()
        .put("AccessKeyId", &key.access_key_id)
        .put("AccessKeySecret", &key.access_key_secret.0)
        .put("Status", ACTIVE)
        .put_some("CreateDate", made.map(|made| &made.create_date));
    Ok(Object::new().put("AccessKey", shown))
}
