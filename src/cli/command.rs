//! The surface: global options, and the groups of commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use domain::RegionId;
use remote::{Keys, Remote};
use service::{Because, House, Manner, Wiring};

use crate::account::AccountCommand;
use crate::audit::Audit;
use crate::backup::{Backup, Restore};
use crate::batch::BatchCommand;
use crate::bucket::BucketCommand;
use crate::completions::Completions;
use crate::demo::Demo;
use crate::disk::DiskCommand;
use crate::distribution::DistributionCommand;
use crate::exit::{CODES, Stop};
use crate::explain::Explain;
use crate::family::FamilyCommand;
use crate::image::ImageCommand;
use crate::key::KeyCommand;
use crate::policy::PolicyCommand;
use crate::quota::QuotaCommand;
use crate::region::RegionCommand;
use crate::retention::RetentionCommand;
use crate::role::RoleCommand;
use crate::schedule::ScheduleCommand;
use crate::screen::Screen;
use crate::serve::Serve;
use crate::session::{At, Session};
use crate::snapshot::SnapshotCommand;
use crate::tag::TagCommand;
use crate::task::TaskCommand;
use crate::top::Top;
use crate::user::UserCommand;
use crate::workflow::WorkflowCommand;

/// What is acknowledged is safe, so a clean end is a courtesy: it may not keep a person waiting.
const CLOSING_MAX: Duration = Duration::from_secs(3);

/// Where an access key and its secret are found: in the environment, so that neither is in a shell's history.
const KEY_VARIABLES: [&str; 2] = ["KILN_ACCESS_KEY_ID", "KILN_ACCESS_KEY_SECRET"];

/// The heading of what every command takes.
const EVERYWHERE: &str = "Options of every command";

/// Kiln keeps the disk images of virtual machines: imports, verifies, deduplicates, exports them,
/// and loses nothing when the plug is pulled.
#[derive(Debug, Parser)]
#[command(name = "kiln", version, arg_required_else_help = true, subcommand_required = true)]
#[command(args_override_self = true)]
#[command(after_help = "Examples:
  kiln image import debian.qcow2 --name debian-12 --family debian
  kiln image list
  kiln image export debian-12 --to copy.raw --format raw
  kiln workflow watch
  kiln demo")]
#[command(after_long_help = format!("Examples:
  kiln image import debian.qcow2 --name debian-12 --family debian
  kiln image list
  kiln image export debian-12 --to copy.raw --format raw
  kiln workflow watch
  kiln demo

{CODES}"))]
pub(crate) struct Kiln {
    /// The data directory
    #[arg(help = "The data directory [default: $XDG_DATA_HOME/kiln, or ~/.local/share/kiln]")]
    #[arg(long, global = true, value_name = "DIR", env = "KILN_DATA", hide_env_values = true)]
    #[arg(help_heading = EVERYWHERE)]
    data: Option<PathBuf>,
    /// How to print: for people, or for programs
    #[arg(long, global = true, value_name = "FORM", default_value = "table", help_heading = EVERYWHERE)]
    output: Output,
    /// The region meant [default: cn-hangzhou for what is made, all for what is looked for]
    #[arg(long, global = true, value_name = "REGION", help_heading = EVERYWHERE)]
    region: Option<String>,
    /// The account to act as
    #[arg(help = "The account to act as [default: 100000]")]
    #[arg(long, global = true, value_name = "ACCOUNT", env = "KILN_ACCOUNT", hide_env_values = true)]
    #[arg(help_heading = EVERYWHERE)]
    account: Option<String>,
    /// The server to ask instead of a data directory: http://HOST:PORT
    #[arg(long, global = true, value_name = "URL", env = "KILN_ENDPOINT", hide_env_values = true)]
    #[arg(help_heading = EVERYWHERE)]
    endpoint: Option<String>,
    /// Only find out whether it could be done, and do nothing
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    dry_run: bool,
    /// Do it once: the same command with the same token is not done twice within a day
    #[arg(long, global = true, value_name = "TOKEN", help_heading = EVERYWHERE)]
    client_token: Option<String>,
    /// Print data and errors, nothing else
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Import, list, change, export and delete images
    #[command(subcommand)]
    Image(ImageCommand),
    /// See and tell which image a family stands for
    #[command(subcommand)]
    Family(FamilyCommand),
    /// Make, list and delete disks
    #[command(subcommand)]
    Disk(DiskCommand),
    /// Take, list, change, copy and delete snapshots
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Make and delete buckets, put files into them and get them out
    #[command(subcommand)]
    Bucket(BucketCommand),
    /// Put tags on images, snapshots and disks, and find by them
    #[command(subcommand)]
    Tag(TagCommand),
    /// See and cancel imports and exports, as the ECS API tells of them
    #[command(subcommand)]
    Task(TaskCommand),
    /// See, wait for, stop and release operations
    #[command(subcommand)]
    Workflow(WorkflowCommand),
    /// Look on at what goes on at this moment
    Top(Top),
    /// Do many operations of one manifest
    #[command(subcommand)]
    Batch(BatchCommand),
    /// Start operations by the clock: create, preview, pause and make up for schedules
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// Say which images of a family stay, and deprecate and delete the others
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// Say in which regions a family's images are to be, and with whom they are shared
    #[command(subcommand)]
    Distribution(DistributionCommand),
    /// Read the log, and prove that it and everything made of it is as it was written
    #[command(subcommand)]
    Audit(Audit),
    /// Write a backup of everything while it is in use
    Backup(Backup),
    /// Make a data directory from a backup, as of a moment
    Restore(Restore),
    /// See regions, give back space, check what is stored
    #[command(subcommand)]
    Region(RegionCommand),
    /// Create and list accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// Create, list, switch off and delete access keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Create, list and delete users of an account, who may do what policies let them
    #[command(subcommand)]
    User(UserCommand),
    /// Write policies, and attach them to users and roles
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Create, list and delete roles, which users assume for a while
    #[command(subcommand)]
    Role(RoleCommand),
    /// See and set how much an account may have
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// Answer clients of the ECS API, until it is ended
    Serve(Serve),
    /// Show it all on a disk made for the purpose, in under a minute
    Demo(Demo),
    /// Explain a code: what it means, what is the likely cause, what to do
    Explain(Explain),
    /// Print completions for a shell
    Completions(Completions),
}

impl Command {
    fn because(&self) -> Because {
        match self {
            Self::Image(command) => command.because(),
            Self::Disk(command) => command.because(),
            Self::Snapshot(command) => command.because(),
            Self::Bucket(command) => command.because(),
            Self::Tag(command) => command.because(),
            Self::Workflow(command) => command.because(),
            Self::Batch(command) => command.because(),
            Self::Task(command) => command.because(),
            Self::Schedule(command) => command.because(),
            Self::Retention(command) => command.because(),
            Self::Distribution(command) => command.because(),
            Self::Region(command) => command.because(),
            Self::Family(command) => command.because(),
            Self::Account(command) => command.because(),
            Self::Key(command) => command.because(),
            Self::Role(command) => command.because(),
            Self::Policy(command) => command.because(),
            Self::User(command) => command.because(),
            Self::Quota(command) => command.because(),
            Self::Serve(_) => Because::Waits,
            Self::Audit(_)
            | Self::Top(_)
            | Self::Backup(_)
            | Self::Restore(_)
            | Self::Demo(_)
            | Self::Explain(_)
            | Self::Completions(_) => Because::Looks,
        }
    }
}

impl Kiln {
    /// The screen it asks for.
    pub(crate) fn screen(&self) -> Screen {
        Screen::new(self.output == Output::Json, self.quiet)
    }

    /// Does what it asks for.
    pub(crate) async fn run(self, wiring: &Wiring) -> Result<(), Stop> {
        let screen = self.screen();
        let because = self.command.because();
        let command = match self.command {
            Command::Completions(completions) => {
                completions.run();
                return Ok(());
            }
            Command::Explain(explain) => return explain.run(&screen),
            Command::Demo(demo) => return demo.run().await,
            Command::Restore(restore) => return restore.run(wiring, &screen).await,
            other => other,
        };
        let manner = Manner { dry_run: self.dry_run, token: self.client_token, ..Manner::default() };
        let place = if let Some(endpoint) = self.endpoint {
            At::There(Remote::new(endpoint.parse()?, keys()?, manner))
        } else {
            let dir = self.data.map_or_else(default_dir, Ok)?;
            let dir = std::path::absolute(&dir)
                .map_err(|error| Stop::Usage(format!("`{}`: {error}", dir.display())))?;
            let told = screen.clone();
            let house = House::new(dir, wiring.clone(), because, Box::new(move |line| told.say(line)));
            At::Here(house.asking(self.account, manner).signing_with(signing_key()))
        };
        let traces = match &command {
            Command::Serve(serve) => serve.traces(&screen)?,
            _ => None,
        };
        let session = Session { place, screen, region: self.region.map(RegionId::from) };
        let done = match command {
            Command::Image(command) => command.run(&session).await,
            Command::Family(command) => command.run(&session).await,
            Command::Disk(command) => command.run(&session).await,
            Command::Snapshot(command) => command.run(&session).await,
            Command::Bucket(command) => command.run(&session).await,
            Command::Tag(command) => command.run(&session).await,
            Command::Workflow(command) => command.run(&session).await,
            Command::Batch(command) => command.run(&session).await,
            Command::Task(command) => command.run(&session).await,
            Command::Top(top) => top.run(&session).await,
            Command::Schedule(command) => command.run(&session).await,
            Command::Retention(command) => command.run(&session).await,
            Command::Distribution(command) => command.run(&session).await,
            Command::Audit(command) => command.run(&session).await,
            Command::Backup(backup) => backup.run(&session).await,
            Command::Account(command) => command.run(&session).await,
            Command::Key(command) => command.run(&session).await,
            Command::Role(command) => command.run(&session).await,
            Command::Policy(command) => command.run(&session).await,
            Command::User(command) => command.run(&session).await,
            Command::Quota(command) => command.run(&session).await,
            Command::Region(command) => command.run(&session).await,
            Command::Serve(serve) => serve.run(&session).await,
            Command::Demo(_) | Command::Explain(_) | Command::Completions(_) | Command::Restore(_) => Ok(()),
        };
        if let At::Here(house) = session.place {
            let _ = tokio::time::timeout(CLOSING_MAX, house.close()).await;
        }
        // What was under way has been left by now, and its spans have ended.
        if let Some(traces) = traces {
            traces.end().await;
        }
        done
    }
}

/// The access key by which a server elsewhere knows who asks.
fn keys() -> Result<Keys, Stop> {
    let [id, secret] = KEY_VARIABLES.map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let (Some(id), Some(secret)) = (id, secret) else {
        let [id, secret] = KEY_VARIABLES;
        return Err(Stop::usage(
            format!("a server asks who you are, and {id} and {secret} are not both set"),
            "set them to a key; `kiln key create` there makes one",
        ));
    };
    Ok(Keys { id, secret })
}

/// Where the key lies that signs heads of the log; none where nobody says and there is no home, and then it lies in
/// the data directory.
fn signing_key() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = || set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    set("KILN_SIGNING_KEY").or_else(|| config().map(|config| config.join("kiln/signing.key")))
}

/// Where data is kept when nobody says.
fn default_dir() -> Result<PathBuf, Stop> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    let base = base.ok_or_else(|| {
        let why = "no data directory is named, and there is no HOME to keep one in";
        Stop::usage(why, "give `--data DIR`, or set KILN_DATA")
    })?;
    Ok(base.join("kiln"))
}
