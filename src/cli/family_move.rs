//! `kiln family promote`, `rollback` and `unpin`.

use clap::Args;
use domain::RegionId;
use service::{Families, FamilyTo, FamilyWhere, Request, ShareRequest, Started};

use crate::exit::Stop;
use crate::family::list;
use crate::follow;
use crate::session::Session;

/// In which regions.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// In this region; may be given again
    #[arg(long = "region", value_name = "REGION", id = "region")]
    regions: Vec<String>,
    /// In all regions where the family, or the image, is
    #[arg(long, conflicts_with = "region")]
    all_regions: bool,
}

/// What to promote.
#[derive(Debug, Args)]
#[command(
    after_help = "The family stands for that image, newer ones or not, until the image is not Available any more or
the family is told otherwise. In several regions it happens in all or in none: each region's image is the one
named, the one of its name there, or its copy.

Examples:
  kiln family promote web web-3
  kiln family promote web web-3 --region cn-hangzhou --region cn-beijing
  kiln family promote web web-3 --all-regions"
)]
pub(crate) struct Promote {
    /// The family
    family: String,
    /// Id or name of the image
    image: String,
    #[command(flatten)]
    place: Where,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// What to roll back.
#[derive(Debug, Args)]
#[command(after_help = "To the newest Available image that is older than the present one, in each region.

Examples:
  kiln family rollback web
  kiln family rollback web --all-regions")]
pub(crate) struct Rollback {
    /// The family
    family: String,
    #[command(flatten)]
    place: Where,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// What to unpin.
#[derive(Debug, Args)]
#[command(after_help = "The family stands for its newest Available image again, wherever it was promoted.

Examples:
  kiln family unpin web
  kiln family unpin web --region cn-beijing")]
pub(crate) struct Unpin {
    /// The family
    family: String,
    #[command(flatten)]
    place: Where,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

impl Where {
    fn regions(self) -> FamilyWhere {
        match (self.all_regions, self.regions.is_empty()) {
            (true, _) => FamilyWhere::All,
            (false, true) => FamilyWhere::One,
            (false, false) => FamilyWhere::Named(self.regions.into_iter().map(RegionId).collect()),
        }
    }
}

impl Promote {
    pub(crate) fn no_wait(&self) -> bool {
        self.no_wait
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let to = FamilyTo::Image(self.image);
        change(session, self.family, to, self.place, self.no_wait).await
    }
}

impl Rollback {
    pub(crate) fn no_wait(&self) -> bool {
        self.no_wait
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        change(session, self.family, FamilyTo::Before, self.place, self.no_wait).await
    }
}

impl Unpin {
    pub(crate) fn no_wait(&self) -> bool {
        self.no_wait
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        change(session, self.family, FamilyTo::Newest, self.place, self.no_wait).await
    }
}

/// Tells the family, and prints what it stands for then, region by region.
async fn change(
    session: &Session,
    family: String,
    to: FamilyTo,
    place: Where,
    no_wait: bool,
) -> Result<(), Stop> {
    let request = ShareRequest::FamilyMove { family: family.clone(), to, regions: place.regions() };
    let started: Started = session.ask(Request::Share(request)).await?;
    if no_wait {
        follow::leave(session, &started);
        return Ok(());
    }
    follow::to_end(session, &started).await?;
    let mut families: Families = session.ask(Request::FamilyList { region: None }).await?;
    families.families.retain(|known| known.image_family == family);
    session.screen.give(&families, |families| list(session, families));
    Ok(())
}
