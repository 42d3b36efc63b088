//! `TagResources`: puts tags on resources, on all of them or on none.

use service::{Request, TagRequest};
use wire::{Fault, Object};

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let resources = ask.resources()?;
    let set: Vec<(String, String)> =
        ask.params.tags("Tag").into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect();
    if set.is_empty() {
        return Err(Fault::new(404, "MissingParameter.Tags", "The parameter Tag.N is missing."));
    }
    let change = TagRequest::Change { resources, region: Some(region), set, remove: Vec::new(), all: false };
    ask.finish(Request::Tag(change)).await?;
    Ok(Object::new())
}
