//! `kiln account …`.

use clap::{Args, Subcommand};
use domain::AccountId;
use serde::Serialize;
use service::{AccountView, Accounts, Because, Request, ShareRequest, Started, WorkflowView};

use crate::exit::Stop;
use crate::follow;
use crate::session::Session;
use crate::table::{Column, draw};

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
    after_help = "An account is there for ever. What it has is seen by nobody else, unless it shares it.

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
        let created = Created { account_id: view.output, account_name: self.name };
        session.screen.give(&created, |created| {
            format!("created the account `{}` ({})\n", created.account_name, created.account_id)
        });
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
