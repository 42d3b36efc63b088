//! `DeleteImage`: the image goes, the snapshots behind it stay.

use service::Request;
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let at = ask.image_at(&region)?;
    let force = ask.params.flag("Force")?.unwrap_or(false);
    ask.finish(Request::ImageDelete { at, force, keep_snapshots: true }).await?;
    Ok(Object::new())
}
