//! `DescribeKeyPairs`: key pairs in pages.

use domain::network::Kind;
use service::ItemQuery;
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::network::PAGE_MAX;
use crate::shape_network::key_pair;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let params = &ask.params;
    let page = ask.checked_page(PAGE_MAX)?;
    let with_public_key = params.flag("IncludePublicKey")?.unwrap_or(false);
    let query = ItemQuery {
        names: params.string("KeyPairName").map(|name| vec![name]),
        mark: params.string("KeyPairFingerPrint"),
        ..ask.item_query(Kind::KeyPair, Some(region), "KeyPairId", page)?
    };
    let found = ask.items(query).await?;
    ask.read_only(
        Object::new()
            .list("KeyPairs", "KeyPair", found.items.iter().map(|item| key_pair(item, with_public_key)))
            .put("TotalCount", found.total_count)
            .put("PageNumber", page.number)
            .put("PageSize", page.size),
    )
}
