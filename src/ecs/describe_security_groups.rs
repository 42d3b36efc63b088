//! `DescribeSecurityGroups`: security groups in pages, by number or by token.

use domain::network::Kind;
use service::ItemQuery;
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::pages::Paging;
use crate::shape_network::security_group;

/// Entries of a page by token where nobody says, and at most, as the API documents.
const RESULTS: (u32, u32) = (10, 100);

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let params = &ask.params;
    let paging = Paging::of(&ask, RESULTS)?;
    let query = ask.item_query(Kind::SecurityGroup, Some(region.clone()), "SecurityGroupIds", paging.page)?;
    let fuzzy = params.flag("FuzzyQuery")?.unwrap_or(false);
    let name = |name: String| vec![if fuzzy { format!("*{name}*") } else { name }];
    let enterprise = match params.text("SecurityGroupType") {
        None => None,
        Some("normal") => Some(false),
        Some("enterprise") => Some(true),
        Some(other) => {
            let why = format!("The specified SecurityGroupType is not valid: `{}`.", other.escape_debug());
            return Err(ask.refuse("InvalidSecurityGroupType.ValueNotSupported", why));
        }
    };
    // The cloud's own services keep none here.
    let one = params.string("SecurityGroupId");
    let none = params.flag("ServiceManaged")?.unwrap_or(false);
    let query = ItemQuery {
        enterprise,
        in_vpc: params.text("NetworkType").map(|kind| kind.eq_ignore_ascii_case("vpc")),
        ids: if none { Some(vec![String::new()]) } else { one.map(|id| vec![id]).or(query.ids) },
        names: params.string("SecurityGroupName").map(name),
        vpc: params.string("VpcId"),
        ..query
    };
    let found = ask.items(query).await?;
    let answer = Object::new()
        .list("SecurityGroups", "SecurityGroup", found.items.iter().map(security_group))
        .put("RegionId", region.as_str());
    ask.read_only(paging.answer(answer, found.total_count))
}
