//! `kiln distribution …`: in which regions the newest images of a family are, and with whom they are shared.

use clap::{ArgGroup, Args, Subcommand};
use domain::upkeep::{Distribution, Goal, Kind};
use domain::{AccountId, RegionId};
use service::{Because, UpkeepCreate};

use crate::exit::Stop;
use crate::session::Session;
use crate::upkeep::{self, Common};

/// What may be done with distribution lists.
#[derive(Debug, Subcommand)]
pub(crate) enum DistributionCommand {
    /// Create a distribution list
    Create(Create),
    /// Change what a distribution list says
    Change(Change),
    #[command(flatten)]
    Common(Common),
}

/// A distribution list to create.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).multiple(true).args(["to_region", "share_with"])))]
#[command(
    after_help = "A run copies what is missing to each region, into the same family, and shares it there and at
home with each account. What is there is left as it is, and what could not be done is done by the next run: a
region that was away is caught up. What leaves the list is neither deleted nor unshared; --region is where the
images come from.

Nothing is done until it is run: by hand, or by a schedule.

Examples:
  kiln distribution create golden --family debian-12 --to-region cn-beijing --share-with 200000
  kiln distribution plan golden
  kiln distribution run golden
  kiln schedule create golden-out 'every 1h' distribution.run distribution=golden"
)]
pub(crate) struct Create {
    /// Its name: 1 to 64 letters, digits, `-`, `_` and `.`
    name: String,
    /// The family
    #[arg(long, value_name = "FAMILY")]
    family: String,
    /// A region to copy to; several if given several times
    #[arg(long, value_name = "REGION")]
    to_region: Vec<String>,
    /// An account to share with; several if given several times
    #[arg(long, value_name = "ACCOUNT")]
    share_with: Vec<String>,
    /// How many of the newest images are to be everywhere
    #[arg(long, value_name = "COUNT", default_value = "1")]
    newest: u32,
}

/// What is to change of one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln distribution change golden --add-region cn-shanghai
  kiln distribution change golden --remove-region cn-beijing --add-account 300000
  kiln distribution change golden --newest 3")]
pub(crate) struct Change {
    /// Its name or id
    name: String,
    /// Copy to this region as well
    #[arg(long, value_name = "REGION")]
    add_region: Vec<String>,
    /// Copy to this region no more
    #[arg(long, value_name = "REGION")]
    remove_region: Vec<String>,
    /// Share with this account as well
    #[arg(long, value_name = "ACCOUNT")]
    add_account: Vec<String>,
    /// Share with this account no more
    #[arg(long, value_name = "ACCOUNT")]
    remove_account: Vec<String>,
    /// How many of the newest images are to be everywhere
    #[arg(long, value_name = "COUNT")]
    newest: Option<u32>,
}

impl DistributionCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::Common(common) if common.looks() => Because::Looks,
            _ => Because::Waits,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Create(create) => create.run(session).await,
            Self::Change(change) => change.run(session).await,
            Self::Common(common) => common.run(session, Kind::Distribution).await,
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let list = Distribution {
            newest: self.newest,
            to: self.to_region.into_iter().map(RegionId).collect(),
            share_with: self.share_with.into_iter().map(AccountId).collect(),
        };
        let (name, family, region) = (self.name, self.family, session.region.clone());
        upkeep::create(session, UpkeepCreate { name, family, region, goal: Goal::Distribution(list) }).await
    }
}

impl Change {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let view = upkeep::show(session, Kind::Distribution, &self.name).await?;
        let Some(now) = view.distribution else { return Ok(()) };
        let changed = |now: Vec<String>, add: Vec<String>, remove: &[String], what: &str| {
            if let Some(absent) = remove.iter().find(|one| !now.contains(one)) {
                return Err(Stop::Usage(format!("the list names no {what} `{absent}`")));
            }
            Ok(now.into_iter().filter(|one| !remove.contains(one)).chain(add).collect::<Vec<String>>())
        };
        let to = changed(now.to_regions, self.add_region, &self.remove_region, "region")?;
        let share_with = changed(now.share_with, self.add_account, &self.remove_account, "account")?;
        let list = Distribution {
            newest: self.newest.unwrap_or(now.newest),
            to: to.into_iter().map(RegionId).collect(),
            share_with: share_with.into_iter().map(AccountId).collect(),
        };
        upkeep::change(session, Kind::Distribution, &self.name, Goal::Distribution(list)).await
    }
}
