//! `kiln key …`: the keys with which programs sign what they ask for.

use clap::{Args, Subcommand};
use domain::access::AccessKeyId;
use serde::Serialize;
use service::{Because, KeyCreated, KeyRequest, KeyView, Keys, Request, Started};

use crate::confirm::confirm;
use crate::exit::Stop;
use crate::follow;
use crate::session::Session;
use crate::table::{Column, draw, facts};

/// What is said beside a secret.
pub(crate) const TOLD_ONCE: &str = "keep the secret: it is not told again";

/// What may be done with access keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create an access key, and tell its secret once
    Create(Create),
    /// List access keys
    List(List),
    /// Let requests be signed with a key again
    Enable(Key),
    /// Let requests be signed with a key no more, until it is enabled
    Disable(Key),
    /// Delete a key for ever
    Delete(Delete),
}

/// A key to create.
#[derive(Debug, Args)]
#[command(
    after_help = "To rotate: create a second key, hand it out, disable the first, and delete it when nothing breaks.

Examples:
  kiln key create
  kiln key create --user alice
  kiln --account 200000 key create --output json"
)]
pub(crate) struct Create {
    /// The user it speaks for; the account itself if it is left out
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

/// Which keys.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln key list
  kiln key list --user alice
  kiln --account 200000 key list --output json")]
pub(crate) struct List {
    /// Those of a user alone
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

/// A key.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln key disable LTAI5tQnKxExample0000001
  kiln key enable LTAI5tQnKxExample0000001")]
pub(crate) struct Key {
    /// Its id
    #[arg(value_name = "ID")]
    key: String,
}

/// A key to delete.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln key delete LTAI5tQnKxExample0000001
  kiln key delete LTAI5tQnKxExample0000001 --yes")]
pub(crate) struct Delete {
    /// Its id
    #[arg(value_name = "ID")]
    key: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// What became of a key.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Became {
    access_key_id: String,
    status: &'static str,
}

impl KeyCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::List(_) => Because::Looks,
            _ => Because::Waits,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Create(Create { user }) => create(session, user).await,
            Self::List(List { user }) => list(session, user).await,
            Self::Enable(Key { key }) => {
                let request = KeyRequest::Enable(key.as_str().into());
                change(session, request, &key, ("enabled", "Active")).await
            }
            Self::Disable(Key { key }) => {
                let request = KeyRequest::Disable(key.as_str().into());
                change(session, request, &key, ("disabled", "Inactive")).await
            }
            Self::Delete(Delete { key, yes }) => {
                confirm(session, &format!("the access key `{key}` will be deleted"), yes)?;
                let request = KeyRequest::Delete(AccessKeyId::from(key.as_str()));
                change(session, request, &key, ("deleted", "Deleted")).await
            }
        }
    }
}

async fn create(session: &Session, user: Option<String>) -> Result<(), Stop> {
    let key: KeyCreated = session.ask(Request::Key(KeyRequest::Create { account: None, user })).await?;
    session.screen.give(&key, |key| created_text(session, key));
    session.screen.say(TOLD_ONCE);
    Ok(())
}

/// A key that was created, with its secret.
fn created_text(session: &Session, key: &KeyCreated) -> String {
    let secret = key.access_key_secret.0.clone();
    facts(&session.screen, &[("access key", key.access_key_id.clone()), ("secret", secret)])
}

async fn list(session: &Session, user: Option<String>) -> Result<(), Stop> {
    let keys: Keys = session.ask(Request::Key(KeyRequest::List { account: None, user })).await?;
    session.screen.give(&keys, |keys| keys_text(session, &keys.access_keys));
    if keys.access_keys.is_empty() {
        session.screen.say("no access keys yet: `kiln key create` makes one");
    }
    Ok(())
}

/// Keys as a table.
pub(crate) fn keys_text(session: &Session, keys: &[KeyView]) -> String {
    let columns =
        [Column::Whole("ID"), Column::State("STATUS"), Column::Text("USER"), Column::Spare("CREATED")];
    let row = |key: &KeyView| {
        let created = key.create_date.replace('T', " ").trim_end_matches('Z').to_owned();
        vec![key.access_key_id.clone(), key.status.clone(), key.user_name.clone(), created]
    };
    draw(&session.screen, &columns, &keys.iter().map(row).collect::<Vec<_>>())
}

async fn change(
    session: &Session,
    request: KeyRequest,
    key: &str,
    (verb, status): (&str, &'static str),
) -> Result<(), Stop> {
    let started: Started = session.ask(Request::Key(request)).await?;
    follow::to_end(session, &started).await?;
    session.screen.give(&Became { access_key_id: key.to_owned(), status }, |became| {
        format!("{verb} the access key `{}`\n", became.access_key_id)
    });
    Ok(())
}
