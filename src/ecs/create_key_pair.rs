//! `CreateKeyPair`: a key to log in with. The private one is in this answer, and nowhere else ever after.

use service::{KeyPairStarted, NetworkRequest, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let name = ask.params.need("KeyPairName")?.to_owned();
    let group = ask.params.string("ResourceGroupId");
    let called = ask.called("KeyPairName", "");
    let create = NetworkRequest::CreateKeyPair { called, region: Some(region), group, public_key: None };
    let made: KeyPairStarted = ask.act(Request::Network(create)).await?;
    let id = ask.finished(made.started.workflow_id).await?.output;
    Ok(Object::new()
        .put("KeyPairId", id)
        .put("KeyPairName", name)
        .put("KeyPairFingerPrint", made.fingerprint)
        .put("PrivateKeyBody", made.private_key))
}
