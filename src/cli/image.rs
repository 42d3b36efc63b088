//! `kiln image …`: the commands there are, and an image's story. Everything else has a file of its own.

use clap::{Args, Subcommand};
use service::{Because, Request, Story};

use crate::exit::Stop;
use crate::image_change::{Delete, Modify, Turn};
use crate::image_check::Check;
use crate::image_create::Create;
use crate::image_export::Export;
use crate::image_import::Import;
use crate::image_list::List;
use crate::image_show::show;
use crate::session::Session;

/// What may be done with images.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Make an image of disk files, on this computer or in a bucket
    Import(Import),
    /// Make an image of snapshots
    Create(Create),
    /// List images
    List(List),
    /// Show one image
    Show(One),
    /// Check an image's file systems: would an instance of it start, and be reached
    Check(Check),
    /// Change name, description, family, tags and what is said of the machine
    Modify(Modify),
    /// Deprecate an image: its family falls back to the one before
    Deprecate(Turn),
    /// Restore a deprecated image
    Restore(Turn),
    /// Delete an image and give its space back
    Delete(Delete),
    /// Write an image to files, or to a bucket
    Export(Export),
    /// Tell an image's story from the log, in plain words
    History(One),
}

/// An image.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln image show debian-12
  kiln image show m-bp67acfmxazb4p0a2b3c --output json
  kiln image history debian-12")]
pub(crate) struct One {
    /// Its id or its name
    image: String,
}

impl ImageCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::List(_) | Self::Show(_) | Self::History(_) => Because::Looks,
            Self::Import(import) => import.because(),
            Self::Create(create) => create.because(),
            Self::Check(check) => check.because(),
            Self::Export(export) => export.because(),
            Self::Modify(modify) => modify.because(),
            Self::Deprecate(turn) | Self::Restore(turn) => turn.because(),
            Self::Delete(delete) => delete.because(),
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Import(import) => import.run(session).await,
            Self::Create(create) => create.run(session).await,
            Self::Check(check) => check.run(session).await,
            Self::List(list) => list.run(session).await,
            Self::Show(one) => show(session, &one.image).await,
            Self::Modify(modify) => modify.run(session).await,
            Self::Deprecate(turn) => turn.deprecate(session).await,
            Self::Restore(turn) => turn.restore(session).await,
            Self::Delete(delete) => delete.run(session).await,
            Self::Export(export) => export.run(session).await,
            Self::History(one) => history(session, &one.image).await,
        }
    }
}

async fn history(session: &Session, image: &str) -> Result<(), Stop> {
    let story: Story = session.ask(Request::ImageHistory(session.at(image))).await?;
    session.screen.give(&story, story_text);
    Ok(())
}

/// A story, a sentence a line, with a day's name only where the day changes.
pub(crate) fn story_text(story: &Story) -> String {
    let mut text = String::new();
    let mut day = "";
    for sentence in &story.history {
        let (date, time) = sentence.time.split_once('T').unwrap_or((&sentence.time, ""));
        if date != day {
            day = date;
            text.extend([date, "\n"]);
        }
        text.extend(["  ", time.trim_end_matches('Z'), "  ", &sentence.text, "\n"]);
    }
    text
}
