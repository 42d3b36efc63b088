//! `TagResources`: puts tags on resources, on all of them or on none.

use service::{Request, TagRequest};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.tagged_region().await?;
    let resources = ask.resources()?;
    let set = ask.tags_to_set()?;
    let change = TagRequest::Change { resources, region: Some(region), set, remove: Vec::new(), all: false };
    ask.finish(Request::Tag(change)).await?;
    Ok(Object::new())
}
