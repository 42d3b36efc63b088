//! `ImportKeyPair`: the public half of a key that somebody has already.

use service::{KeyPairStarted, NetworkRequest, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let name = ask.params.need("KeyPairName")?.to_owned();
    let public_key = Some(ask.params.need("PublicKeyBody")?.to_owned());
    let group = ask.params.string("ResourceGroupId");
    let called = ask.called("KeyPairName", "");
    let import = NetworkRequest::CreateKeyPair { called, region: Some(region), group, public_key };
    let made: KeyPairStarted = ask.act(Request::Network(import)).await?;
    ask.finished(made.started.workflow_id).await?;
    Ok(Object::new().put("KeyPairName", name).put("KeyPairFingerPrint", made.fingerprint))
}
