//! `ListAccessKeys` of RAM: the keys of a user, without their secrets.

use service::KeyView;
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_access;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let keys = shape_access::keys(&ask, shape_access::key_owner(&ask)?).await?;
    let key = |key: &KeyView| {
        Object::new()
            .put("AccessKeyId", &key.access_key_id)
            .put("Status", &key.status)
            .put("CreateDate", &key.create_date)
    };
    Ok(Object::new().list("AccessKeys", "AccessKey", keys.access_keys.iter().map(key)))
}
