//! `kiln image check`.

use clap::Args;
use serde::Serialize;
use service::{Because, DetectionView, ImageAt, ImageRequest, ImageView, Request, Started};

use crate::exit::Stop;
use crate::follow;
use crate::image_show::check_text;
use crate::session::Session;

/// An image to check.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads the image's file systems, and tells what an instance of it may stumble over. It changes
nothing about the image, and what it found stays with it: `kiln image show` has it as well.

Examples:
  kiln image check web-3
  kiln image check web-3 --output json | jq '.Items[] | select(.RiskLevel != \"\")'"
)]
pub(crate) struct Check {
    /// Id or name of the image
    image: String,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// What a check came to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Checked {
    image_id: String,
    image_name: String,
    #[serde(flatten)]
    detection: DetectionView,
}

impl Check {
    pub(crate) fn because(&self) -> Because {
        if self.no_wait { Because::Looks } else { Because::Waits }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let request = Request::Image(ImageRequest::Check(session.at(&self.image)));
        let started: Started = session.ask(request).await?;
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        follow::to_end(session, &started).await?;
        let at = ImageAt { image: started.image_id, region: None };
        let image: ImageView = session.ask(Request::ImageShow(at)).await?;
        let none = || DetectionView { status: "Finished".to_owned(), items: Vec::new() };
        let detection = image.detection.unwrap_or_else(none);
        let checked = Checked { image_id: image.image_id, image_name: image.image_name, detection };
        session.screen.give(&checked, |checked| {
            let items = &checked.detection.items;
            let risky = items.iter().filter(|item| !item.risk_level.is_empty()).count();
            let what = match risky {
                0 => "nothing is wrong".to_owned(),
                1 => "one thing may go wrong".to_owned(),
                count => format!("{count} things may go wrong"),
            };
            let text = check_text(session, &checked.detection);
            format!("checked `{}` ({}); {what}\n{text}", checked.image_name, checked.image_id)
        });
        Ok(())
    }
}
