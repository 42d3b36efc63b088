//! `DeleteKeyPairs`: key pairs go, by their names. One that is not there is not missed, unless none of them is.

use domain::network::Kind;
use service::{ItemQuery, NetworkRequest, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

/// Key pairs that a request names, as the API documents.
const NAMES_MAX: usize = 100;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    ask.params.need("KeyPairNames")?;
    let names = ask.params.several("KeyPairNames")?.unwrap_or_default();
    if names.is_empty() || names.len() > NAMES_MAX || names.iter().any(|name| name.contains('*')) {
        let why = format!("The specified KeyPairNames are not valid: name 1 to {NAMES_MAX}.");
        return Err(ask.refuse("InvalidKeyPairNames.ValueNotSupported", why));
    }
    let first = names.first().cloned().unwrap_or_default();
    let query = ItemQuery { region: Some(region), names: Some(names), ..ItemQuery::of(Kind::KeyPair) };
    let items: Vec<String> = ask.items(query).await?.items.into_iter().map(|item| item.item_id).collect();
    if items.is_empty() {
        return Err(ask.no_item(Kind::KeyPair, &first));
    }
    ask.finish(Request::Network(NetworkRequest::Delete { items, region: None })).await?;
    Ok(Object::new())
}
