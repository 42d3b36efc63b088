//! `kiln family …`.

use clap::{Args, Subcommand};
use service::{Because, Families, FamilyView, Request};

use crate::exit::Stop;
use crate::family_move::{Promote, Rollback, Unpin};
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
    /// Let a family stand for an image, newer ones or not
    Promote(Promote),
    /// Let a family stand for the image before the present one
    Rollback(Rollback),
    /// Let a family stand for its newest image again
    Unpin(Unpin),
}

/// A family.
#[derive(Debug, Args)]
#[command(
    after_help = "A family stands for its newest image that is Available and not deprecated, or for the one it was
promoted to. One of another account is written acs:ACCOUNT:FAMILY, here and wherever an image is asked for; of
its images those count that are shared with you.

Examples:
  kiln family show debian
  kiln family show debian --output json | jq -r .ImageId
  kiln family show acs:200000:debian
  kiln image deprecate debian-13 && kiln family show debian    # rolls back"
)]
pub(crate) struct Show {
    /// Its name, or acs:ACCOUNT:FAMILY
    family: String,
}

impl FamilyCommand {
    pub(crate) fn because(&self) -> Because {
        let no_wait = match self {
            Self::List | Self::Show(_) => true,
            Self::Promote(promote) => promote.no_wait(),
            Self::Rollback(rollback) => rollback.no_wait(),
            Self::Unpin(unpin) => unpin.no_wait(),
        };
        if no_wait { Because::Looks } else { Because::Waits }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let region = session.region.clone();
        match self {
            Self::Promote(promote) => return promote.run(session).await,
            Self::Rollback(rollback) => return rollback.run(session).await,
            Self::Unpin(unpin) => return unpin.run(session).await,
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
                session.screen.give(&view, |view| family_text(session, view));
            }
        }
        Ok(())
    }
}

/// The image it stands for, its images there, and its other regions.
fn family_text(session: &Session, view: &FamilyView) -> String {
    let mut lines = facts_of(&view.image);
    let pinned = match (view.pinned_image_id.as_str(), view.is_pinned) {
        ("", _) => String::new(),
        (_, true) => "to this image; `kiln family unpin` lets it stand for its newest".to_owned(),
        (image, false) => format!("to {image}, which is not Available now"),
    };
    lines.insert(3, ("Pinned", pinned));
    let elsewhere = view.regions.iter().filter(|region| region.region_id != view.image.region_id);
    let elsewhere = elsewhere.map(|region| {
        let name = if region.image_name.is_empty() { "(none Available)" } else { &region.image_name };
        let pinned = if region.is_pinned { ", pinned" } else { "" };
        format!("{}: {name}{pinned}", region.region_id)
    });
    lines.push(("Elsewhere", elsewhere.collect::<Vec<_>>().join("; ")));
    format!("{}\n{}", facts(&session.screen, &lines), list_text(session, &view.members))
}

pub(crate) fn list(session: &Session, families: &Families) -> String {
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
        let name = if family.is_pinned { format!("{name} (pinned)") } else { name.to_owned() };
        let (id, region) = (family.image_id.clone(), family.region_id.clone());
        vec![family.image_family.clone(), name, id, family.images.to_string(), region]
    });
    draw(&session.screen, &columns, &rows.collect::<Vec<_>>())
}
