//! `DescribeImageSharePermission`: with whom an image is shared, in pages.

use service::{Request, ShareRequest, ShareView, Shares};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let at = ask.image_at(&region)?;
    let page = ask.checked_page(100)?;
    let shares: Shares = ask.look(Request::Share(ShareRequest::Shares(at))).await?;
    let account = |share: &ShareView| {
        Object::new().put("AliyunId", &share.account_id).put("SharedTime", &share.shared_time)
    };
    let shown = shares.accounts.iter().skip(page.before()).take(page.size as usize).map(account);
    let groups = shares.is_public.then(|| Object::new().put("Group", "all"));
    Ok(Object::new()
        .put("ImageId", &shares.image_id)
        .put("RegionId", &shares.region_id)
        .put("PageNumber", page.number)
        .put("PageSize", page.size)
        .put("TotalCount", shares.accounts.len())
        .list("Accounts", "Account", shown)
        .list("ShareGroups", "ShareGroup", groups))
}
