//! `JoinResourceGroup`: an image, a snapshot, a disk, a security group or a key pair is put in another resource
//! group.

use domain::network::Kind;
use service::{ItemQuery, NetworkRequest, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let kind = ask.resource_type()?;
    let (named, group) = (ask.params.need("ResourceId")?, ask.params.need("ResourceGroupId")?);
    // A key pair goes by its name.
    let resource = if kind == "keypair" && Kind::of(named).is_none() {
        let region = Some(ask.region().await?);
        let called = Some(vec![named.to_owned()]);
        let query = ItemQuery { region, names: called, ..ItemQuery::of(Kind::KeyPair) };
        let found = ask.items(query).await?.items.pop();
        found.ok_or_else(|| ask.no_item(Kind::KeyPair, named))?.item_id
    } else {
        named.to_owned()
    };
    let join = NetworkRequest::GroupJoin { resource, group: group.to_owned() };
    ask.finish(Request::Network(join)).await?;
    Ok(Object::new())
}
