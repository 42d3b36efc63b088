//! `ModifyImageSharePermission`: with whom an image is shared, and whether it is everybody's.

use domain::AccountId;
use service::{ImageAt, Request, ShareRequest, Shares};
use wire::Object;

use crate::ask::{Ask, Outcome};

/// Accounts of each list that are looked at, as the API documents; those beyond are left out without a word.
const ACCOUNTS_MAX: usize = 10;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let at = ask.image_at(&region)?;
    let accounts = |name: &str| -> Vec<AccountId> {
        ask.params.list(name).into_iter().take(ACCOUNTS_MAX).map(AccountId).collect()
    };
    if ask.params.text("LaunchPermission").is_some() {
        // A permission that is not kept must not look as if it were.
        let why = "LaunchPermission cannot be set here: share the image with AddAccount.N.";
        return Err(ask.refuse("ForbiddenParameter.LaunchPermission", why));
    }
    let (add, remove) = (accounts("AddAccount"), accounts("RemoveAccount"));
    let is_public = ask.params.flag("IsPublic")?;
    match (is_public, add.is_empty() && remove.is_empty()) {
        (Some(true), false) => {
            let why = "IsPublic and accounts cannot be given at once: publish it in a request of its own.";
            Err(ask.refuse("InvalidParameter.IsPublic", why))
        }
        (Some(true), true) => publish(&ask, ShareRequest::Publish(at)).await,
        // Clients send `false` where nobody said anything.
        (_, false) => publish(&ask, ShareRequest::Change { at, add, remove }).await,
        (Some(false), true) => unpublish(&ask, at).await,
        (None, true) => {
            let _: Shares = ask.look(Request::Share(ShareRequest::Shares(at))).await?;
            ask.read_only(Object::new())
        }
    }
}

async fn publish(ask: &Ask, request: ShareRequest) -> Outcome {
    ask.finish(Request::Share(request)).await?;
    Ok(Object::new())
}

/// What is not everybody's stays so.
async fn unpublish(ask: &Ask, at: ImageAt) -> Outcome {
    let shares: Shares = ask.look(Request::Share(ShareRequest::Shares(at.clone()))).await?;
    if shares.is_public {
        publish(ask, ShareRequest::Unpublish(at)).await
    } else {
        ask.read_only(Object::new())
    }
}
