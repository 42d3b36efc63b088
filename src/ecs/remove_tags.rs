//! `RemoveTags`: takes tags off one resource, as older clients ask for it. A tag that is named with a value goes
//! only if it has that value.

use service::{Request, TagRequest, Tags};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.tagged_region().await?;
    let resources = ask.resource()?;
    let named = ask.wanted_tags()?;
    if named.is_empty() {
        return Err(ask.no_tags("The parameter Tag.N is missing."));
    }
    let list =
        TagRequest::List { resources: resources.clone(), region: Some(region.clone()), tags: Vec::new() };
    let has: Tags = ask.look(Request::Tag(list)).await?;
    let is_meant = |key: &str, value: &Option<String>| {
        value.is_none()
            || has
                .tag_resources
                .iter()
                .any(|row| row.tag_key == key && Some(&row.tag_value) == value.as_ref())
    };
    let meant = named.into_iter().filter(|(key, value)| is_meant(key, value));
    let remove: Vec<String> = meant.map(|(key, _)| key).collect();
    if remove.is_empty() {
        return ask.read_only(Object::new());
    }
    let change = TagRequest::Change { resources, region: Some(region), set: Vec::new(), remove, all: false };
    ask.finish(Request::Tag(change)).await?;
    Ok(Object::new())
}
