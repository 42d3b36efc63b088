//! `kiln image …`: what there is, and its story. Changing, importing and exporting have their own files.

use clap::{Args, Subcommand};
use service::{Because, ImageView, Images, Request, Story, bytes_text};

use crate::exit::Stop;
use crate::image_change::{Delete, Modify, Turn};
use crate::image_copy::{CancelCopy, Copy};
use crate::image_export::Export;
use crate::image_import::Import;
use crate::image_share::{OfImage, Publish, Share, Unshare};
use crate::session::Session;
use crate::table::{Column, draw, facts};

/// What may be done with images.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Make an image of a disk file on this computer
    Import(Import),
    /// List images
    List(List),
    /// Show one image
    Show(One),
    /// Change name, description, family or tags
    Modify(Modify),
    /// Deprecate an image: its family falls back to the one before
    Deprecate(Turn),
    /// Restore a deprecated image
    Restore(Turn),
    /// Delete an image and give its space back
    Delete(Delete),
    /// Write an image to a file
    Export(Export),
    /// Copy an image to other regions, or one that is shared with you within its region
    Copy(Copy),
    /// Stop a copy and undo what it began
    CancelCopy(CancelCopy),
    /// Share an image with other accounts
    Share(Share),
    /// Share an image with other accounts no more
    Unshare(Unshare),
    /// Show with whom an image is shared
    Shares(OfImage),
    /// Let everybody in the region use an image
    Publish(Publish),
    /// Make a published image yours alone again
    Unpublish(Publish),
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

/// Which images.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln image list
  kiln image list --family debian
  kiln image list --output json | jq -r '.Images[].ImageId'")]
pub(crate) struct List {
    /// Only those of this family
    #[arg(long)]
    family: Option<String>,
}

impl ImageCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::List(_) | Self::Show(_) | Self::History(_) | Self::Shares(_) => Because::Looks,
            Self::Import(import) => import.because(),
            Self::Export(export) => export.because(),
            Self::Modify(modify) => modify.because(),
            Self::Deprecate(turn) | Self::Restore(turn) => turn.because(),
            Self::Delete(delete) => delete.because(),
            Self::Copy(copy) => copy.because(),
            Self::CancelCopy(cancel) => cancel.because(),
            Self::Share(share) => share.because(),
            Self::Unshare(unshare) => unshare.because(),
            Self::Publish(publish) | Self::Unpublish(publish) => publish.because(),
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Import(import) => import.run(session).await,
            Self::List(list) => list.run(session).await,
            Self::Show(one) => show(session, &one.image).await,
            Self::Modify(modify) => modify.run(session).await,
            Self::Deprecate(turn) => turn.deprecate(session).await,
            Self::Restore(turn) => turn.restore(session).await,
            Self::Delete(delete) => delete.run(session).await,
            Self::Export(export) => export.run(session).await,
            Self::Copy(copy) => copy.run(session).await,
            Self::CancelCopy(cancel) => cancel.run(session).await,
            Self::Share(share) => share.run(session).await,
            Self::Unshare(unshare) => unshare.run(session).await,
            Self::Shares(image) => image.shares(session).await,
            Self::Publish(publish) => publish.publish(session).await,
            Self::Unpublish(publish) => publish.unpublish(session).await,
            Self::History(one) => history(session, &one.image).await,
        }
    }
}

impl List {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let request = Request::ImageList { region: session.region.clone(), family: self.family };
        let images: Images = session.ask(request).await?;
        session.screen.give(&images, |images| list_text(session, &images.images));
        if images.images.is_empty() {
            session.screen.say("no images yet; `kiln image import FILE --name NAME` makes one");
        }
        Ok(())
    }
}

/// Images as a table; none as nothing.
pub(crate) fn list_text(session: &Session, images: &[ImageView]) -> String {
    if images.is_empty() {
        return String::new();
    }
    let one_region = images.iter().all(|image| image.region_id == images[0].region_id);
    let mut columns = vec![
        Column::Whole("ID"),
        Column::Text("NAME"),
        Column::Text("FAMILY"),
        Column::State("STATUS"),
        Column::Number("SIZE"),
        Column::Spare("CREATED"),
    ];
    if !one_region {
        columns.push(Column::Text("REGION"));
    }
    let row = |image: &ImageView| {
        let mark = if image.is_family_image { "*" } else { "" };
        let mut row = vec![
            image.image_id.clone(),
            image.image_name.clone(),
            format!("{}{mark}", image.image_family),
            image.status.clone(),
            bytes_text(image.disk_size_bytes),
            image.creation_time.chars().take(10).collect(),
        ];
        if !one_region {
            row.push(image.region_id.clone());
        }
        row
    };
    draw(&session.screen, &columns, &images.iter().map(row).collect::<Vec<_>>())
}

async fn show(session: &Session, image: &str) -> Result<(), Stop> {
    let view: ImageView = session.ask(Request::ImageShow(session.at(image))).await?;
    session.screen.give(&view, |view| facts(&session.screen, &facts_of(view)));
    Ok(())
}

/// An image as lines of a name and a value.
pub(crate) fn facts_of(view: &ImageView) -> Vec<(&'static str, String)> {
    let family = match (view.image_family.as_str(), view.is_family_image) {
        ("", _) => String::new(),
        (family, true) => format!("{family} (stands for it)"),
        (family, false) => family.to_owned(),
    };
    let tags: Vec<_> = view.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let exact = |bytes: u64| format!("{} ({bytes} bytes)", bytes_text(bytes));
    vec![
        ("Image", view.image_id.clone()),
        ("Name", view.image_name.clone()),
        ("Family", family),
        ("Status", view.status.clone()),
        ("Description", view.description.clone()),
        ("Tags", tags.join(" ")),
        ("Region", view.region_id.clone()),
        ("Created", view.creation_time.clone()),
        ("Disk", exact(view.disk_size_bytes)),
        ("Data", exact(view.data_bytes)),
        ("Added to store", exact(view.stored_bytes)),
        ("Snapshot", view.snapshot_id.clone()),
        ("Content", view.content_root.clone()),
        ("Made from", format!("{} ({})", view.source_path, view.source_format)),
    ]
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
