//! `kiln account …`.

use clap::{Args, Subcommand};
use domain::AccountId;
use serde::Serialize;
use service::{
    AccountView, Accounts, Because, KeyCreated, KeyRequest, Request, Secret, ShareRequest, Started,
    WorkflowView,
};

use crate::exit::Stop;
use crate::follow;
use crate::key::TOLD_ONCE;
use crate::session::Session;
use crate::table::{Column, draw, facts};

/// What may be done with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Create an account
    Create(Create),
    /// List accounts
    List,
}

/// An account to create.
#[derive(Debug, Args)]
#[command(
    after_help = "An account is there for ever. What it has is seen by nobody else, unless it shares it. Its first
access key is made with it; the secret is told this once, and kept sealed. `kiln key` makes more.

Examples:
  kiln account create builders
  kiln account create builders --id 200000 --output json | jq -r .AccountId
  kiln --account 200000 image list"
)]
pub(crate) struct Create {
    /// What people call it
    name: String,
    /// Its id, a decimal number; a fresh one if it is left out
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// An account that is there now.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    account_id: String,
    account_name: String,
    access_key_id: String,
    access_key_secret: Secret,
}

impl AccountCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::Create(_) => Because::Waits,
            Self::List => Because::Looks,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Create(create) => create.run(session).await,
            Self::List => list(session).await,
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let (name, account) = (self.name.clone(), self.id.map(AccountId));
        let request = Request::Share(ShareRequest::AccountCreate { name, account });
        let started: Started = session.ask(request).await?;
        let view: WorkflowView = follow::to_end(session, &started).await?;
        let request = KeyRequest::Create { account: Some(AccountId(view.output.clone())), user: None };
        let key: KeyCreated = session.ask(Request::Key(request)).await?;
        let created = Created {
            account_id: view.output,
            account_name: self.name,
            access_key_id: key.access_key_id,
            access_key_secret: key.access_key_secret,
        };
        session.screen.give(&created, |created| {
            let facts = facts(
                &session.screen,
                &[
                    ("access key", created.access_key_id.clone()),
                    ("secret", created.access_key_secret.0.clone()),
                ],
            );
            format!("created the account `{}` ({})\n{facts}", created.account_name, created.account_id)
        });
        session.screen.say(TOLD_ONCE);
        session.screen.say(&format!("act as it with `--account {}`, or KILN_ACCOUNT", created.account_id));
        Ok(())
    }
}

async fn list(session: &Session) -> Result<(), Stop> {
    let accounts: Accounts = session.ask(Request::Share(ShareRequest::AccountList)).await?;
    session.screen.give(&accounts, |accounts| {
        let columns = [Column::Whole("ID"), Column::Text("NAME"), Column::Text("MAY")];
        let row = |account: &AccountView| {
            let may = if account.is_operator { "what concerns all accounts" } else { "" };
            vec![account.account_id.clone(), account.account_name.clone(), may.to_owned()]
        };
        draw(&session.screen, &columns, &accounts.accounts.iter().map(row).collect::<Vec<_>>())
    });
    Ok(())
}
