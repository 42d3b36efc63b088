//! `kiln role …`: roles of an account, which users assume for a while.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use service::{AccessRequest, Because, Request, RoleView, Roles};

use crate::confirm::confirm;
use crate::exit::Stop;
use crate::policy::document;
use crate::session::Session;
use crate::table::{Column, draw, facts};
use crate::user::{done, gone, names};

/// What may be done with roles.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// Create a role
    Create(Create),
    /// List roles
    List,
    /// Show a role, whom it trusts, and its policies
    Show(Role),
    /// Delete a role that has no policies; tokens of it are worth nothing from then on
    Delete(Delete),
}

/// A role to create.
#[derive(Debug, Args)]
#[command(
    after_help = "A role may do nothing before a policy is attached to it. Who may assume it is said by the
document, and has to be let by a policy of its own too (AliyunSTSAssumeRoleAccess).

Examples:
  kiln role create importer
  kiln role create importer --trust trust.json --max-session-duration 7200
  kiln policy attach AliyunECSImageImportRolePolicy --role importer"
)]
pub(crate) struct Create {
    /// Its name: 1 to 64 letters, digits and `.` `-` `_`
    name: String,
    /// The document that says whom it trusts; the users of the account if it is left out
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// Seconds that a session of it lasts at most, 3600 to 43200 [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    max_session_duration: Option<u32>,
}

/// A role.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln role show importer
  kiln role show importer --output json")]
pub(crate) struct Role {
    /// Its name
    name: String,
}

/// A role to delete.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln role delete importer
  kiln role delete importer --yes")]
pub(crate) struct Delete {
    /// Its name
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl RoleCommand {
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
            Self::Show(Role { name }) => {
                let role: RoleView = session.ask(Request::Access(AccessRequest::RoleShow(name))).await?;
                session.screen.give(&role, |role| text(session, role));
                Ok(())
            }
            Self::Delete(Delete { name, yes }) => {
                confirm(session, &format!("the role `{name}` will be deleted"), yes)?;
                done(session, AccessRequest::RoleDelete(name.clone())).await?;
                gone(session, "RoleName", "role", &name);
                Ok(())
            }
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let trust = self.trust.as_deref().map(document).transpose()?;
        let request = AccessRequest::RoleCreate {
            name: self.name.clone(),
            description: self.description,
            trust,
            session_s_max: self.max_session_duration,
        };
        done(session, request).await?;
        let role: RoleView = session.ask(Request::Access(AccessRequest::RoleShow(self.name))).await?;
        session.screen.give(&role, |role| format!("created the role `{}` ({})\n", role.role_name, role.arn));
        let name = role.role_name;
        session.screen.say(&format!("let it do something with `kiln policy attach POLICY --role {name}`"));
        Ok(())
    }
}

async fn list(session: &Session) -> Result<(), Stop> {
    let roles: Roles = session.ask(Request::Access(AccessRequest::RoleList)).await?;
    session.screen.give(&roles, |roles| {
        let columns =
            [Column::Whole("NAME"), Column::Text("POLICIES"), Column::Text("FOR"), Column::Spare("CREATED")];
        let row = |role: &RoleView| {
            let created = role.create_date.replace('T', " ").trim_end_matches('Z').to_owned();
            vec![role.role_name.clone(), names(&role.policies), role.description.clone(), created]
        };
        draw(&session.screen, &columns, &roles.roles.iter().map(row).collect::<Vec<_>>())
    });
    if roles.roles.is_empty() {
        session.screen.say("no roles yet: `kiln role create` makes one");
    }
    Ok(())
}

fn text(session: &Session, role: &RoleView) -> String {
    facts(
        &session.screen,
        &[
            ("name", role.role_name.clone()),
            ("for", role.description.clone()),
            ("number", role.role_id.clone()),
            ("resource", role.arn.clone()),
            ("created", role.create_date.clone()),
            ("session", format!("{} seconds at most", role.max_session_duration)),
            ("policies", names(&role.policies)),
            ("trusts", role.assume_role_policy_document.clone()),
        ],
    )
}
