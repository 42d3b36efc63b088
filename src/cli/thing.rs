//! What the commands on disks, snapshots, buckets and tags have in common.

use clap::Args;
use service::{Because, Called, Family, Started, ThingAt, Trouble, WorkflowView};

use crate::exit::Stop;
use crate::follow;
use crate::image_import::tag;
use crate::session::Session;

/// What something new is called.
#[derive(Debug, Args)]
pub(crate) struct Naming {
    /// Its name: 2 to 128 characters
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// A description
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// A tag; may be given again
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
}

impl Naming {
    pub(crate) fn called(self) -> Called {
        Called { name: self.name, description: self.description, tags: self.tags }
    }
}

pub(crate) fn because(no_wait: bool) -> Because {
    if no_wait { Because::Looks } else { Because::Waits }
}

/// A disk or a snapshot as it was named, in the region meant.
pub(crate) fn at(session: &Session, thing: &str) -> ThingAt {
    ThingAt { thing: thing.to_owned(), region: session.region.clone() }
}

/// The one with that id, wherever it is.
pub(crate) fn by_id(id: &str) -> ThingAt {
    ThingAt { thing: id.to_owned(), region: None }
}

/// `KEY` or `KEY=VALUE`.
#[expect(clippy::unnecessary_wraps, reason = "a parser of the command line may fail")]
pub(crate) fn tag_wanted(text: &str) -> Result<(String, Option<String>), String> {
    Ok(match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    })
}

/// Tags in a line.
pub(crate) fn tags_text(tags: &std::collections::BTreeMap<String, String>) -> String {
    let tags: Vec<_> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    tags.join(" ")
}

/// How a deletion ended.
pub(crate) enum End {
    /// What was there is gone.
    Deleted,
    /// What was being made never came to be, and has undone itself.
    Stopped,
}

/// Waits for a deletion; one of what was still being made is the end of its making.
pub(crate) async fn deleted(session: &Session, started: &Started) -> Result<End, Stop> {
    if !started.joined {
        follow::to_end(session, started).await?;
        return Ok(End::Deleted);
    }
    let view: WorkflowView = follow::to_rest(session, started).await?;
    match view.state.as_str() {
        "Undone" => Ok(End::Stopped),
        "Done" => {
            let why = format!("`{}` was finished before its making could be stopped", started.image_id);
            Err(Trouble::new(Family::Refused, "Operation.Conflict", why).advise("delete it once more").into())
        }
        _ => Err(view.trouble().map_or_else(
            || Stop::Trouble(Trouble::new(Family::Ours, "InternalError", "its making did not end")),
            Stop::Trouble,
        )),
    }
}
