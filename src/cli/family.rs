//! `kiln family …`.

use clap::{Args, Subcommand};
use service::{Families, FamilyView, Request};

use crate::exit::Stop;
use crate::image_list::list_text;
use crate::image_show::facts_of;
use crate::session::Session;
use crate::table::{Column, draw, facts};

/// What may be asked of families.
#[derive(Debug, Subcommand)]
pub(crate) enum FamilyCommand {
    /// List families, each with the image it stands for
    List,
    /// Show the image a family stands for, and the others in it
    Show(Show),
}

/// A family.
#[derive(Debug, Args)]
#[command(after_help = "A family stands for its newest image that is Available and not deprecated.

Examples:
  kiln family show debian
  kiln family show debian --output json | jq -r .ImageId
  kiln image deprecate debian-13 && kiln family show debian    # rolls back")]
pub(crate) struct Show {
    /// Its name
    family: String,
}

impl FamilyCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let region = session.region.clone();
        match self {
            Self::List => {
                let families: Families = session.ask(Request::FamilyList { region }).await?;
                session.screen.give(&families, |families| list(session, families));
                if families.families.is_empty() {
                    session.screen.say("no families yet; `kiln image import … --family NAME` begins one");
                }
            }
            Self::Show(show) => {
                let view: FamilyView =
                    session.ask(Request::FamilyShow { family: show.family, region }).await?;
                session.screen.give(&view, |view| {
                    let members = list_text(session, &view.members);
                    format!("{}\n{members}", facts(&session.screen, &facts_of(&view.image)))
                });
            }
        }
        Ok(())
    }
}

fn list(session: &Session, families: &Families) -> String {
    if families.families.is_empty() {
        return String::new();
    }
    let columns = [
        Column::Text("FAMILY"),
        Column::Text("STANDS FOR"),
        Column::Whole("ID"),
        Column::Number("IMAGES"),
        Column::Text("REGION"),
    ];
    let rows = families.families.iter().map(|family| {
        let name = if family.image_name.is_empty() { "(none Available)" } else { &family.image_name };
        let (id, region) = (family.image_id.clone(), family.region_id.clone());
        vec![family.image_family.clone(), name.to_owned(), id, family.images.to_string(), region]
    });
    draw(&session.screen, &columns, &rows.collect::<Vec<_>>())
}
