//! `kiln user …`: users of an account, who may do what policies let them.

use clap::{Args, Subcommand};
use service::{AccessRequest, AttachedPolicy, Because, Request, Started, UserView, Users};

use crate::confirm::confirm;
use crate::exit::Stop;
use crate::follow;
use crate::key::keys_text;
use crate::session::Session;
use crate::table::{Column, draw, facts};

/// What may be done with users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Create a user
    Create(Create),
    /// List users
    List,
    /// Show a user, its keys and its policies
    Show(User),
    /// Delete a user that has neither keys nor policies
    Delete(Delete),
}

/// A user to create.
#[derive(Debug, Args)]
#[command(after_help = "A user may do nothing before a policy is attached to it: see `kiln policy attach`.

Examples:
  kiln user create alice
  kiln user create ci --comments 'the build machine'
  kiln policy attach AliyunECSReadOnlyAccess --user alice
  kiln key create --user alice")]
pub(crate) struct Create {
    /// Its name: 1 to 64 letters, digits and `.` `-` `_`
    name: String,
    /// What people call it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    display_name: String,
    /// What is to be said of it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    comments: String,
}

/// A user.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln user show alice
  kiln user show alice --output json")]
pub(crate) struct User {
    /// Its name
    name: String,
}

/// A user to delete.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln user delete alice
  kiln user delete alice --yes")]
pub(crate) struct Delete {
    /// Its name
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl UserCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::Create(_) | Self::Delete(_) => Because::Waits,
            Self::List | Self::Show(_) => Because::Looks,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Create(create) => create.run(session).await,
            Self::List => list(session).await,
            Self::Show(User { name }) => {
                let user: UserView = session.ask(Request::Access(AccessRequest::UserShow(name))).await?;
                session.screen.give(&user, |user| text(session, user));
                Ok(())
            }
            Self::Delete(Delete { name, yes }) => {
                confirm(session, &format!("the user `{name}` will be deleted"), yes)?;
                done(session, AccessRequest::UserDelete(name.clone())).await?;
                gone(session, "UserName", "user", &name);
                Ok(())
            }
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let Self { name, display_name, comments } = self;
        done(session, AccessRequest::UserCreate { name: name.clone(), display_name, comments }).await?;
        let user: UserView = session.ask(Request::Access(AccessRequest::UserShow(name))).await?;
        session.screen.give(&user, |user| format!("created the user `{}` ({})\n", user.user_name, user.arn));
        let name = user.user_name;
        session.screen.say(&format!("let it do something with `kiln policy attach POLICY --user {name}`"));
        Ok(())
    }
}

/// Asks for a change, and waits until it is made.
pub(crate) async fn done(session: &Session, request: AccessRequest) -> Result<(), Stop> {
    let started: Started = session.ask(Request::Access(request)).await?;
    follow::to_end(session, &started).await?;
    Ok(())
}

/// Tells that something was deleted.
pub(crate) fn gone(session: &Session, field: &str, what: &str, name: &str) {
    let deleted = std::collections::BTreeMap::from([(field, name), ("Status", "Deleted")]);
    session.screen.give(&deleted, |_| format!("deleted the {what} `{name}`\n"));
}

/// The names of policies, one after the other.
pub(crate) fn names(policies: &[AttachedPolicy]) -> String {
    policies.iter().map(|policy| policy.policy_name.as_str()).collect::<Vec<_>>().join(", ")
}

async fn list(session: &Session) -> Result<(), Stop> {
    let users: Users = session.ask(Request::Access(AccessRequest::UserList)).await?;
    session.screen.give(&users, |users| {
        let columns = [
            Column::Whole("NAME"),
            Column::Number("KEYS"),
            Column::Text("POLICIES"),
            Column::Spare("CREATED"),
        ];
        let row = |user: &UserView| {
            let created = user.create_date.replace('T', " ").trim_end_matches('Z').to_owned();
            let keys = user.access_keys.len().to_string();
            vec![user.user_name.clone(), keys, names(&user.policies), created]
        };
        draw(&session.screen, &columns, &users.users.iter().map(row).collect::<Vec<_>>())
    });
    if users.users.is_empty() {
        session.screen.say("no users yet: `kiln user create` makes one");
    }
    Ok(())
}

fn text(session: &Session, user: &UserView) -> String {
    let display = if user.display_name == user.user_name { "" } else { &*user.display_name };
    let facts = facts(
        &session.screen,
        &[
            ("name", user.user_name.clone()),
            ("called", display.to_owned()),
            ("comments", user.comments.clone()),
            ("number", user.user_id.clone()),
            ("resource", user.arn.clone()),
            ("created", user.create_date.clone()),
            ("policies", names(&user.policies)),
        ],
    );
    if user.access_keys.is_empty() {
        return facts;
    }
    format!("{facts}\n{}", keys_text(session, &user.access_keys))
}
