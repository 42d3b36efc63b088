//! `kiln image share`, `unshare`, `shares`, `publish` and `unpublish`.

use clap::Args;
use domain::AccountId;
use service::{Because, ImageAt, Request, ShareRequest, ShareView, Shares, Started, Term};

use crate::exit::Stop;
use crate::follow;
use crate::session::Session;
use crate::span::{span_ms, time_ms};
use crate::table::{Column, draw};

/// With whom to share.
#[derive(Debug, Args)]
#[command(
    after_help = "Those it is shared with find it by its id, start instances of it and copy it within its region;
they cannot change, share, export or delete it. Sharing it again only changes until when.

Examples:
  kiln image share web-3 --with 200000
  kiln image share web-3 --with 200000 300000 --for 30d
  kiln image share web-3 --with 200000 --until 2027-01-31"
)]
pub(crate) struct Share {
    /// Id or name of the image
    image: String,
    /// The accounts
    #[arg(long = "with", value_name = "ACCOUNT", required = true, num_args = 1..)]
    accounts: Vec<String>,
    /// Until then; for ever if nothing is said
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    until: Option<i64>,
    /// For so long, like 30d or 12h
    #[arg(long = "for", value_name = "SPAN", value_parser = span_ms, conflicts_with = "until")]
    span: Option<i64>,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// With whom to share no more.
#[derive(Debug, Args)]
#[command(
    after_help = "They find it no more from that moment on. Copies they have made are theirs, and stay.

Examples:
  kiln image unshare web-3 --from 200000
  kiln image unshare web-3 --all"
)]
#[command(group(clap::ArgGroup::new("whom").required(true).args(["accounts", "all"])))]
pub(crate) struct Unshare {
    /// Id or name of the image
    image: String,
    /// The accounts
    #[arg(long = "from", value_name = "ACCOUNT", num_args = 1..)]
    accounts: Vec<String>,
    /// All it is shared with
    #[arg(long)]
    all: bool,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// An image of which the shares are asked for.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln image shares web-3
  kiln image shares web-3 --output json | jq -r '.Accounts[].AccountId'")]
pub(crate) struct OfImage {
    /// Id or name of the image
    image: String,
}

/// An image for everybody, or for everybody no more.
#[derive(Debug, Args)]
#[command(
    after_help = "Everybody in its region finds a published image and starts instances of it; while it is
published it is neither copied, exported nor deleted.

Examples:
  kiln image publish web-3
  kiln image unpublish web-3"
)]
pub(crate) struct Publish {
    /// Id or name of the image
    image: String,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

fn because(no_wait: bool) -> Because {
    if no_wait { Because::Looks } else { Because::Waits }
}

fn ids(accounts: Vec<String>) -> Vec<AccountId> {
    accounts.into_iter().map(AccountId).collect()
}

impl Share {
    pub(crate) fn because(&self) -> Because {
        because(self.no_wait)
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let term = match (self.until, self.span) {
            (Some(until_ms), _) => Term::Until(until_ms),
            (_, Some(ms)) => Term::For(ms),
            _ => Term::Ever,
        };
        let at = session.at(&self.image);
        change(session, ShareRequest::Share { at, with: ids(self.accounts), term }, self.no_wait).await
    }
}

impl Unshare {
    pub(crate) fn because(&self) -> Because {
        because(self.no_wait)
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let from = (!self.all).then(|| ids(self.accounts));
        change(session, ShareRequest::Unshare { at: session.at(&self.image), from }, self.no_wait).await
    }
}

impl Publish {
    pub(crate) fn because(&self) -> Because {
        because(self.no_wait)
    }

    pub(crate) async fn publish(self, session: &Session) -> Result<(), Stop> {
        change(session, ShareRequest::Publish(session.at(&self.image)), self.no_wait).await
    }

    pub(crate) async fn unpublish(self, session: &Session) -> Result<(), Stop> {
        change(session, ShareRequest::Unpublish(session.at(&self.image)), self.no_wait).await
    }
}

impl OfImage {
    pub(crate) async fn shares(self, session: &Session) -> Result<(), Stop> {
        show(session, session.at(&self.image)).await
    }
}

/// Does it, and prints with whom the image is shared then.
async fn change(session: &Session, request: ShareRequest, no_wait: bool) -> Result<(), Stop> {
    let started: Started = session.ask(Request::Share(request)).await?;
    if no_wait {
        follow::leave(session, &started);
        return Ok(());
    }
    follow::to_end(session, &started).await?;
    show(session, ImageAt { image: started.image_id, region: None }).await
}

async fn show(session: &Session, at: ImageAt) -> Result<(), Stop> {
    let shares: Shares = session.ask(Request::Share(ShareRequest::Shares(at))).await?;
    session.screen.give(&shares, |shares| {
        if shares.accounts.is_empty() {
            return String::new();
        }
        let columns = [Column::Whole("ACCOUNT"), Column::Whole("SINCE"), Column::Whole("UNTIL")];
        let row = |share: &ShareView| {
            let until = if share.until_time.is_empty() { "for ever" } else { &share.until_time };
            vec![share.account_id.clone(), share.shared_time.clone(), until.to_owned()]
        };
        draw(&session.screen, &columns, &shares.accounts.iter().map(row).collect::<Vec<_>>())
    });
    let id = &shares.image_id;
    if shares.is_public {
        session.screen.say(&format!("`{id}` is everybody's in `{}`", shares.region_id));
    } else if shares.accounts.is_empty() {
        session.screen.say(&format!("`{id}` is shared with nobody"));
    }
    Ok(())
}
