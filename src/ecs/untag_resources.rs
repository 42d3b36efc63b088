//! `UntagResources`: takes tags off resources, some by their keys or all.

use service::{Request, TagRequest};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.tagged_region().await?;
    let resources = ask.resources()?;
    let remove = ask.params.list("TagKey");
    // Where keys are named, they are what is meant.
    let all = remove.is_empty() && ask.params.flag("All")?.unwrap_or(false);
    if remove.is_empty() && !all {
        return Err(ask.no_tags("Neither TagKey.N nor All is given."));
    }
    let change = TagRequest::Change { resources, region: Some(region), set: Vec::new(), remove, all };
    ask.finish(Request::Tag(change)).await?;
    Ok(Object::new())
}
