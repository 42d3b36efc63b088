//! `DescribeResourceByTags`: the resources that have all of some tags; older clients ask for it.

use std::collections::BTreeSet;

use service::{Request, TagRequest, Tags};
use wire::Object;

use crate::ask::{Ask, Outcome};

/// Entries of a page at most, as the API documents.
const PAGE_MAX: u32 = 100;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.tagged_region().await?;
    let page = ask.checked_page(PAGE_MAX)?;
    let kind = ask.any_resource_type()?;
    let list =
        TagRequest::List { resources: Vec::new(), region: Some(region.clone()), tags: ask.wanted_tags()? };
    let found: Tags = ask.look(Request::Tag(list)).await?;
    let rows = found.tag_resources.into_iter();
    let fits = rows.filter(|row| kind.as_ref().is_none_or(|kind| *kind == row.resource_type));
    let resources: BTreeSet<(String, String)> =
        fits.map(|row| (row.resource_type, row.resource_id)).collect();
    let resource = |(kind, id): &(String, String)| {
        Object::new().put("ResourceType", kind).put("ResourceId", id).put("RegionId", region.as_str())
    };
    let shown = resources.iter().skip(page.before()).take(page.size as usize).map(resource);
    let answer = Object::new()
        .list("Resources", "Resource", shown)
        .put("TotalCount", resources.len())
        .put("PageNumber", page.number)
        .put("PageSize", page.size);
    ask.read_only(answer)
}
