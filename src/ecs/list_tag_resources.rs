//! `ListTagResources`: a row for each resource and tag.

use service::{Request, TagRequest, TagRow, Tags};
use wire::{Fault, Object};

use crate::ask::{Ask, Outcome};

/// Rows of an answer; what is more comes with the next token, as the API documents.
const ROWS_MAX: usize = 50;
/// What tokens begin with.
const TOKEN: &str = "kiln-row-";

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.tagged_region().await?;
    let kind = ask.resource_type()?;
    let (resources, tags) = (ask.params.list("ResourceId"), ask.params.tags("Tag"));
    let filters = ask.params.objects("TagFilter");
    if resources.is_empty() && tags.is_empty() && filters.is_empty() {
        return Err(ask.no_tags("One of ResourceId.N and Tag.N has to be given."));
    }
    let resources = ask.of_kind(&kind, resources)?;
    let before = match ask.params.text("NextToken") {
        None => 0,
        Some(token) => {
            token.strip_prefix(TOKEN).and_then(|number| number.parse::<usize>().ok()).ok_or_else(|| {
                Fault::new(
                    403,
                    "Invalid.NextToken",
                    format!("The specified NextToken is not valid: `{}`.", token.escape_debug()),
                )
            })?
        }
    };
    let list = TagRequest::List { resources, region: Some(region), tags };
    let found: Tags = ask.look(Request::Tag(list)).await?;
    let mut rows = found.tag_resources;
    rows.retain(|row| row.resource_type == kind && filters.iter().all(|filter| fits(filter, row)));
    let next =
        if rows.len() > before + ROWS_MAX { format!("{TOKEN}{}", before + ROWS_MAX) } else { String::new() };
    let shown = rows.iter().skip(before).take(ROWS_MAX).map(row);
    Ok(Object::new().list("TagResources", "TagResource", shown).put("NextToken", next))
}

fn row(row: &TagRow) -> Object {
    Object::new()
        .put("ResourceType", &row.resource_type)
        .put("ResourceId", &row.resource_id)
        .put("TagKey", &row.tag_key)
        .put("TagValue", &row.tag_value)
}

/// Whether a tag is one that a filter means: `env`, `env*` or `*env*`, and one of its values if it names any.
fn fits(filter: &wire::Params, row: &TagRow) -> bool {
    let key = filter.text("TagKey").unwrap_or_default();
    let values = filter.list("TagValues");
    is_like(key, &row.tag_key)
        && (values.is_empty() || values.iter().any(|value| is_like(value, &row.tag_value)))
}

fn is_like(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) => text.contains(pattern.trim_matches('*')),
        (None, Some(start)) => text.starts_with(start),
        (Some(end), None) => text.ends_with(end),
        (None, None) => text == pattern,
    }
}
