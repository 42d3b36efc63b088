//! `kiln retention …`: which images of a family stay, and what becomes of the others.

use clap::{ArgGroup, Args, Subcommand};
use domain::rules::GRACE_MS_DEFAULT;
use domain::upkeep::{Goal, Kind, Retention};
use service::{Because, UpkeepCreate};

use crate::exit::Stop;
use crate::session::Session;
use crate::span::span_ms;
use crate::upkeep::{self, Common};

/// What may be done with retention policies.
#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    /// Create a retention policy
    Create(Create),
    /// Change what a retention policy says
    Change(Change),
    #[command(flatten)]
    Common(Common),
}

/// A retention policy to create.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).multiple(true).args(["keep", "younger_than"])))]
#[command(
    after_help = "An image stays while any of this is true of it. The newest Available image of a family always
stays, and so does one that a family was told to stand for, that is being exported or copied, that something was
made from, or that is shared. Every other is deprecated, and deleted when its grace time is over. Each region is
counted for itself; --region names one of them.

Nothing is done until it is run: by hand, or by a schedule.

Examples:
  kiln retention create golden --family debian-12 --keep 5 --younger-than 30d --grace 7d
  kiln retention plan golden
  kiln retention run golden
  kiln schedule create golden '0 4 * * *' retention.run retention=golden"
)]
pub(crate) struct Create {
    /// Its name: 1 to 64 letters, digits, `-`, `_` and `.`
    name: String,
    /// The family
    #[arg(long, value_name = "FAMILY")]
    family: String,
    /// So many of the newest Available images stay
    #[arg(long, value_name = "COUNT")]
    keep: Option<u32>,
    /// Images younger than that stay
    #[arg(long, value_name = "SPAN", value_parser = span_ms)]
    younger_than: Option<i64>,
    /// How long an image is deprecated before it is deleted
    #[arg(
        help = "How long an image is deprecated before it is deleted, `none` for until the next run [default: 7d]"
    )]
    #[arg(long, value_name = "SPAN", value_parser = age)]
    grace: Option<Maybe<i64>>,
    /// Images that disks or other images were made from go as well; those stay whole
    #[arg(long)]
    in_use: bool,
    /// Images that are shared go as well: their shares end when they are deprecated
    #[arg(long)]
    shared: bool,
}

/// What is to change of one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln retention change golden --keep 3
  kiln retention change golden --younger-than none --grace 14d
  kiln retention change golden --shared no")]
pub(crate) struct Change {
    /// Its name or id
    name: String,
    /// So many of the newest Available images stay; `none` to count none
    #[arg(long, value_name = "COUNT", value_parser = count)]
    keep: Option<Maybe<u32>>,
    /// Images younger than that stay; `none` for no matter how young
    #[arg(long, value_name = "SPAN", value_parser = age)]
    younger_than: Option<Maybe<i64>>,
    /// How long an image is deprecated before it is deleted; `none` for until the next run
    #[arg(long, value_name = "SPAN", value_parser = age)]
    grace: Option<Maybe<i64>>,
    /// Whether images that something was made from go as well: yes or no
    #[arg(long, value_name = "ANSWER", value_parser = answer)]
    in_use: Option<bool>,
    /// Whether images that are shared go as well: yes or no
    #[arg(long, value_name = "ANSWER", value_parser = answer)]
    shared: Option<bool>,
}

/// Something that may be said to be none.
#[derive(Clone, Copy, Debug)]
struct Maybe<T>(Option<T>);

fn count(text: &str) -> Result<Maybe<u32>, String> {
    let number = || text.parse().map_err(|_| "it is a whole number, or `none`".to_owned());
    if text == "none" { Ok(Maybe(None)) } else { number().map(|count| Maybe(Some(count))) }
}

fn age(text: &str) -> Result<Maybe<i64>, String> {
    if text == "none" { Ok(Maybe(None)) } else { span_ms(text).map(|ms| Maybe(Some(ms))) }
}

fn answer(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("it is answered with `yes` or `no`".to_owned()),
    }
}

impl RetentionCommand {
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
            Self::Common(common) => common.run(session, Kind::Retention).await,
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let retention = Retention {
            keep: self.keep,
            younger_ms: self.younger_than,
            grace_ms: self.grace.map_or(GRACE_MS_DEFAULT, |grace| grace.0.unwrap_or_default()),
            in_use: self.in_use,
            shared: self.shared,
        };
        let (name, family, region) = (self.name, self.family, session.region.clone());
        upkeep::create(session, UpkeepCreate { name, family, region, goal: Goal::Retention(retention) }).await
    }
}

impl Change {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let view = upkeep::show(session, Kind::Retention, &self.name).await?;
        let Some(now) = view.retention else { return Ok(()) };
        let retention = Retention {
            keep: self.keep.map_or(now.keep, |keep| keep.0),
            younger_ms: self
                .younger_than
                .map_or(now.younger_than_seconds.map(|seconds| seconds * 1000), |younger| younger.0),
            grace_ms: self.grace.map_or(now.grace_seconds * 1000, |grace| grace.0.unwrap_or_default()),
            in_use: self.in_use.unwrap_or(now.in_use),
            shared: self.shared.unwrap_or(now.shared),
        };
        upkeep::change(session, Kind::Retention, &self.name, Goal::Retention(retention)).await
    }
}
