//! `kiln quota …`.

use clap::{Args, Subcommand};
use domain::AccountId;
use domain::image::Quotas;
use service::{Because, QuotaItem, QuotaView, QuotaViews, Request, ShareRequest, Started};

use crate::exit::Stop;
use crate::follow;
use crate::session::Session;
use crate::table::{Column, draw};

/// What may be done with quotas.
#[derive(Debug, Subcommand)]
pub(crate) enum QuotaCommand {
    /// Show how much an account has, and may have, in each region
    Show(Show),
    /// Set how much an account may have in a region
    Set(Set),
}

/// Whose quotas.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln quota show
  kiln quota show --region cn-beijing
  kiln quota show --of 200000 --output json")]
pub(crate) struct Show {
    /// Of this account; the operator may name any
    #[arg(long, value_name = "ACCOUNT")]
    of: Option<String>,
}

/// What to set.
#[derive(Debug, Args)]
#[command(
    after_help = "The operator sets quotas; what is not said stays. One below what is there only stops more.

Examples:
  kiln quota set --of 200000 --images 50
  kiln quota set --of 200000 --region cn-beijing --image-shares 100 --exports 2"
)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args([
    "images", "snapshots", "disks", "families", "family_images", "shares", "image_shares", "exports",
])))]
pub(crate) struct Set {
    /// Of this account
    #[arg(long, value_name = "ACCOUNT")]
    of: Option<String>,
    /// Images
    #[arg(long, value_name = "COUNT")]
    images: Option<u32>,
    /// Snapshots
    #[arg(long, value_name = "COUNT")]
    snapshots: Option<u32>,
    /// Disks
    #[arg(long, value_name = "COUNT")]
    disks: Option<u32>,
    /// Families
    #[arg(long, value_name = "COUNT")]
    families: Option<u32>,
    /// Images in a family
    #[arg(long, value_name = "COUNT")]
    family_images: Option<u32>,
    /// Shares of all images together
    #[arg(long, value_name = "COUNT")]
    shares: Option<u32>,
    /// Accounts one image is shared with
    #[arg(long, value_name = "COUNT")]
    image_shares: Option<u32>,
    /// Exports at the same time
    #[arg(long, value_name = "COUNT")]
    exports: Option<u32>,
}

impl QuotaCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::Show(_) => Because::Looks,
            Self::Set(_) => Because::Waits,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Show(show) => give(session, show.of.map(AccountId)).await,
            Self::Set(set) => set.run(session).await,
        }
    }
}

impl Set {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let account = self.of.map(AccountId);
        let quotas = Quotas {
            images: self.images,
            snapshots: self.snapshots,
            disks: self.disks,
            families: self.families,
            family_images: self.family_images,
            shares: self.shares,
            image_shares: self.image_shares,
            exports: self.exports,
        };
        let region = session.region.clone();
        let request = ShareRequest::QuotaSet { account: account.clone(), region, quotas };
        let started: Started = session.ask(Request::Share(request)).await?;
        follow::to_end(session, &started).await?;
        give(session, account).await
    }
}

async fn give(session: &Session, account: Option<AccountId>) -> Result<(), Stop> {
    let request = ShareRequest::QuotaShow { account, region: session.region.clone() };
    let quotas: QuotaViews = session.ask(Request::Share(request)).await?;
    session.screen.give(&quotas, |quotas| {
        let columns = [
            Column::Text("REGION"),
            Column::Text("WHAT"),
            Column::Number("USED"),
            Column::Number("QUOTA"),
            Column::Spare("IS"),
        ];
        let row = |view: &QuotaView, item: &QuotaItem| {
            vec![
                view.region_id.clone(),
                item.name.clone(),
                item.used.map(|used| used.to_string()).unwrap_or_default(),
                item.limit.to_string(),
                if item.is_set { "set" } else { "default" }.to_owned(),
            ]
        };
        let rows = quotas.quotas.iter().flat_map(|view| view.items.iter().map(move |item| row(view, item)));
        draw(&session.screen, &columns, &rows.collect::<Vec<_>>())
    });
    Ok(())
}
