//! `kiln image copy` and `cancel-copy`.

use std::collections::BTreeMap;

use clap::Args;
use domain::RegionId;
use event::FlowId;
use service::{
    Because, CopiesStarted, CopyStarted, ImageAt, ImageCopy, ImageView, Images, Request, ShareRequest,
    Started, WorkflowView, bytes_text,
};

use crate::exit::Stop;
use crate::follow;
use crate::image_import::tag;
use crate::session::Session;
use crate::size::size;

/// A copy.
#[derive(Debug, Args)]
#[command(
    after_help = "A copy is whole without its source, and was read back before it is Available. Content that is
there already is not sent again. Family, tags and shares are not taken along. An image that another account
shares is copied within its region, which makes it yours.

Examples:
  kiln image copy web-3 --to-region cn-beijing
  kiln image copy web-3 --to-region cn-beijing --to-region cn-shanghai --bandwidth 20MiB
  kiln image copy m-bp67acfmxazb4p0a2b3c --name web-3-of-builders    # one that is shared with you"
)]
pub(crate) struct Copy {
    /// Id or name of the image
    image: String,
    /// Where to; may be given again
    #[arg(long = "to-region", value_name = "REGION")]
    to: Vec<String>,
    /// Name of the copy [default: that of the image]
    #[arg(long)]
    name: Option<String>,
    /// A description
    #[arg(long)]
    description: Option<String>,
    /// A tag; may be given again
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Send at most so much a second, for each copy
    #[arg(long, value_name = "SIZE", value_parser = size)]
    bandwidth: Option<u64>,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// A copy to stop.
#[derive(Debug, Args)]
#[command(
    after_help = "The image that was to be disappears, and nothing of it stays; its source is untouched.

Examples:
  kiln image cancel-copy web-3 --region cn-beijing
  kiln image cancel-copy m-bp67acfmxazb4p0a2b3c --reason 'wrong region'"
)]
pub(crate) struct CancelCopy {
    /// Id or name of the image that comes to be
    image: String,
    /// Why; it stands in the log
    #[arg(long, default_value = "")]
    reason: String,
    /// Say it and return, without waiting for what follows
    #[arg(long)]
    no_wait: bool,
}

impl Copy {
    pub(crate) fn because(&self) -> Because {
        if self.no_wait { Because::Looks } else { Because::Waits }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let ask = ImageCopy {
            at: session.at(&self.image),
            to: self.to.into_iter().map(RegionId).collect(),
            name: self.name,
            description: self.description.unwrap_or_default(),
            tags: self.tags.into_iter().collect::<BTreeMap<_, _>>(),
            bytes_per_second: self.bandwidth,
        };
        let started: CopiesStarted = session.ask(Request::Share(ShareRequest::Copy(ask))).await?;
        if self.no_wait {
            leave(session, &started);
            return Ok(());
        }
        // One alone is shown as any operation is.
        let ended = match started.copies.as_slice() {
            [only] => vec![follow::to_rest(session, &begun(only)).await?],
            several => all(session, several).await?,
        };
        let mut images = Vec::new();
        for view in ended.iter().filter(|view| view.trouble().is_none()) {
            let at = ImageAt { image: view.output.clone(), region: None };
            images.push(session.ask::<ImageView>(Request::ImageShow(at)).await?);
        }
        let count = images.len();
        let images = Images {
            images,
            total_count: count as u64,
            page_number: 1,
            page_size: u32::try_from(count).unwrap_or(u32::MAX),
        };
        session.screen.give(&images, |images| images.images.iter().map(line).collect());
        // The ends of all are told; the first bad one is the command's.
        let mut bad =
            ended.iter().zip(&started.copies).filter_map(|(view, copy)| Some((view.trouble()?, copy)));
        let Some((first, _)) = bad.next() else { return Ok(()) };
        for (trouble, copy) in bad {
            session.screen.error(&format!("the copy to `{}`: {}", copy.region_id, trouble.message));
        }
        Err(first.into())
    }
}

/// Waits for several, and has their ends in their order.
async fn all(session: &Session, copies: &[CopyStarted]) -> Result<Vec<WorkflowView>, Stop> {
    let ids: Vec<FlowId> = copies.iter().map(|copy| copy.workflow_id).collect();
    let mut ended = BTreeMap::new();
    follow::several(session, ids.clone(), |view| _ = ended.insert(view.workflow_id, view.clone())).await?;
    Ok(ids.iter().filter_map(|id| ended.remove(id)).collect())
}

fn begun(copy: &CopyStarted) -> Started {
    Started { workflow_id: copy.workflow_id, joined: false, image_id: copy.image_id.clone() }
}

fn leave(session: &Session, started: &CopiesStarted) {
    session.screen.give(started, |started| {
        let line = |copy: &CopyStarted| {
            format!("started workflow `{}`: {} in {}\n", copy.workflow_id, copy.image_id, copy.region_id)
        };
        started.copies.iter().map(line).collect()
    });
    session
        .screen
        .say("they go on under the next `kiln` that waits for something, for example `kiln workflow watch`");
}

fn line(image: &ImageView) -> String {
    format!(
        "copied to `{}` ({}) in {}: {} of data, {} new in the store\n",
        image.image_name,
        image.image_id,
        image.region_id,
        bytes_text(image.data_bytes),
        bytes_text(image.stored_bytes)
    )
}

impl CancelCopy {
    pub(crate) fn because(&self) -> Because {
        if self.no_wait { Because::Looks } else { Because::Waits }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let request = ShareRequest::CancelCopy { at: session.at(&self.image), reason: self.reason };
        let mut view: WorkflowView = session.ask(Request::Share(request)).await?;
        if !self.no_wait {
            let started = Started { workflow_id: view.workflow_id, joined: true, image_id: String::new() };
            view = follow::to_rest(session, &started).await?;
            if let Some(trouble) = view.trouble().filter(|_| view.state != "Undone") {
                return Err(trouble.into());
            }
        }
        session.screen.give(&view, |view| {
            let state = if view.state == "Undone" { "stopped; nothing of it stays" } else { "going to stop" };
            format!("{}: {state}\n", view.label)
        });
        Ok(())
    }
}
