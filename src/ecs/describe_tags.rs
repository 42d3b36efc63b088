//! `DescribeTags`: the tags there are, and how many resources of each kind have them; older clients ask for it.

use std::collections::BTreeMap;

use service::{Request, TagRequest, Tags};
use wire::Object;

use crate::ask::{Ask, Outcome};

/// Entries of a page at most, as the API documents.
const PAGE_MAX: u32 = 100;
/// Kinds of resources in the words of the answer. Those that have no tags here count none.
const KINDS: [(&str, &str); 12] = [
    ("ddh", "Ddh"),
    ("disk", "Disk"),
    ("eni", "Eni"),
    ("image", "Image"),
    ("instance", "Instance"),
    ("keypair", "KeyPair"),
    ("launchtemplate", "LaunchTemplate"),
    ("reservedinstance", "ReservedInstance"),
    ("securitygroup", "Securitygroup"),
    ("snapshot", "Snapshot"),
    ("snapshotpolicy", "SnapshotPolicy"),
    ("volume", "Volume"),
];

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.tagged_region().await?;
    let page = ask.checked_page(PAGE_MAX)?;
    let kind = ask.any_resource_type()?;
    let resources = match (ask.params.string("ResourceId"), &kind) {
        (Some(_), Some(_)) => ask.resource()?,
        (Some(id), None) => vec![id],
        (None, _) => Vec::new(),
    };
    let list = TagRequest::List { resources, region: Some(region), tags: ask.wanted_tags()? };
    let found: Tags = ask.look(Request::Tag(list)).await?;
    let mut counts: BTreeMap<(String, String), BTreeMap<String, u32>> = BTreeMap::new();
    for row in found.tag_resources {
        if kind.as_ref().is_none_or(|kind| *kind == row.resource_type) {
            let count = counts.entry((row.tag_key, row.tag_value)).or_default();
            *count.entry(row.resource_type).or_default() += 1;
        }
    }
    let tag = |((key, value), counts): (&(String, String), &BTreeMap<String, u32>)| {
        let count = |shape: Object, (kind, name): &(&str, &'static str)| {
            shape.put(name, counts.get(*kind).copied().unwrap_or_default())
        };
        Object::new()
            .put("TagKey", key)
            .put("TagValue", value)
            .put("ResourceTypeCount", KINDS.iter().fold(Object::new(), count))
    };
    let shown = counts.iter().skip(page.before()).take(page.size as usize).map(tag);
    let answer = Object::new()
        .list("Tags", "Tag", shown)
        .put("TotalCount", counts.len())
        .put("PageNumber", page.number)
        .put("PageSize", page.size);
    ask.read_only(answer)
}
