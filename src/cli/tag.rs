//! `kiln tag …`: tags on images, snapshots and disks.

use clap::{Args, Subcommand};
use serde::Serialize;
use service::{Because, Request, Started, TagRequest, Tags};

use crate::exit::Stop;
use crate::follow;
use crate::image_import::tag;
use crate::session::Session;
use crate::table::{Column, draw};
use crate::thing::{because, tag_wanted};

/// What may be done with tags.
#[derive(Debug, Subcommand)]
pub(crate) enum TagCommand {
    /// Put tags on resources: on all that are named, or on none
    Add(Add),
    /// Take tags off resources
    Remove(Remove),
    /// List tags, a line for each resource and tag
    List(List),
}

/// Tags to put on.
#[derive(Debug, Args)]
#[command(after_help = "All resources are in one region. A key that is there already gets the new value.

Examples:
  kiln tag add debian-12 --tag env=prod --tag team=web
  kiln tag add s-bp67acfmxazb4p0a2b3c d-bp67acfmxazb4p0a2b3c --tag env=test")]
pub(crate) struct Add {
    /// Ids, or names of images
    #[arg(required = true, value_name = "RESOURCE")]
    resources: Vec<String>,
    /// A tag; may be given again
    #[arg(long = "tag", required = true, value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// Tags to take off.
#[derive(Debug, Args)]
#[command(after_help = "The system's own tags, whose keys begin with `acs:`, stay.

Examples:
  kiln tag remove debian-12 --key draft
  kiln tag remove debian-12 s-bp67acfmxazb4p0a2b3c --all")]
#[command(group(clap::ArgGroup::new("what").required(true).args(["keys", "all"])))]
pub(crate) struct Remove {
    /// Ids, or names of images
    #[arg(required = true, value_name = "RESOURCE")]
    resources: Vec<String>,
    /// The key of a tag; may be given again
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// All tags there are
    #[arg(long)]
    all: bool,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// Which tags.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln tag list
  kiln tag list debian-12
  kiln tag list --tag env=prod --output json | jq -r '.TagResources[].ResourceId'")]
pub(crate) struct List {
    /// Only of these: ids, or names of images
    #[arg(value_name = "RESOURCE")]
    resources: Vec<String>,
    /// Only this tag, of what has it; may be given again, and then all are needed
    #[arg(long = "tag", value_name = "KEY[=VALUE]", value_parser = tag_wanted)]
    tags: Vec<(String, Option<String>)>,
}

/// What a change came to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Changed {
    resources: Vec<String>,
    workflow_id: event::FlowId,
}

impl TagCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::Add(add) => because(add.no_wait),
            Self::Remove(remove) => because(remove.no_wait),
            Self::List(_) => Because::Looks,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Add(Add { resources, tags, no_wait }) => {
                let (remove, all) = (Vec::new(), false);
                let region = session.region.clone();
                let request = TagRequest::Change { resources, region, set: tags, remove, all };
                change(session, request, no_wait).await
            }
            Self::Remove(Remove { resources, keys, all, no_wait }) => {
                let (region, set) = (session.region.clone(), Vec::new());
                let request = TagRequest::Change { resources, region, set, remove: keys, all };
                change(session, request, no_wait).await
            }
            Self::List(list) => list.run(session).await,
        }
    }
}

async fn change(session: &Session, request: TagRequest, no_wait: bool) -> Result<(), Stop> {
    let resources = match &request {
        TagRequest::Change { resources, .. } | TagRequest::List { resources, .. } => resources.clone(),
    };
    let started: Started = session.ask(Request::Tag(request)).await?;
    if no_wait {
        follow::leave(session, &started);
        return Ok(());
    }
    follow::to_end(session, &started).await?;
    let changed = Changed { resources, workflow_id: started.workflow_id };
    session.screen.give(&changed, |changed| {
        let named: Vec<_> = changed.resources.iter().map(|named| format!("`{named}`")).collect();
        format!("changed the tags of {}\n", named.join(", "))
    });
    Ok(())
}

impl List {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let region = session.region.clone();
        let request = TagRequest::List { resources: self.resources, region, tags: self.tags };
        let tags: Tags = session.ask(Request::Tag(request)).await?;
        session.screen.give(&tags, |tags| {
            if tags.tag_resources.is_empty() {
                return String::new();
            }
            let columns =
                [Column::Text("TYPE"), Column::Whole("ID"), Column::Text("KEY"), Column::Text("VALUE")];
            let rows = tags.tag_resources.iter().map(|row| {
                vec![
                    row.resource_type.clone(),
                    row.resource_id.clone(),
                    row.tag_key.clone(),
                    row.tag_value.clone(),
                ]
            });
            draw(&session.screen, &columns, &rows.collect::<Vec<_>>())
        });
        if tags.tag_resources.is_empty() {
            session.screen.say("no such tags; `kiln tag add RESOURCE --tag KEY=VALUE` puts one on");
        }
        Ok(())
    }
}
