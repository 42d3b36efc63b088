//! `kiln policy …`: what users and roles may do.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;
use service::{AccessRequest, Because, Grantee, Policies, PolicyView, Request};

use crate::confirm::confirm;
use crate::exit::Stop;
use crate::session::Session;
use crate::table::{Column, draw, facts};
use crate::user::{done, gone};

/// What may be done with policies.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Create a policy
    Create(Create),
    /// List policies: the account's own, and those of the system
    List,
    /// Show what a policy says, and who has it
    Show(Policy),
    /// Delete a policy that nobody has
    Delete(Delete),
    /// Give a user or a role a policy
    Attach(Attach),
    /// Take a policy from a user or a role
    Detach(Detach),
}

/// A policy to create.
#[derive(Debug, Args)]
#[command(
    after_help = "A document says what is allowed and what is denied; a Deny wins, and what nobody allows is denied.
Conditions may be on acs:SourceIp, acs:CurrentTime and acs:SecureTransport.

Examples:
  kiln policy create look --document look.json
  echo '{\"Version\":\"1\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"ecs:Describe*\",\"Resource\":\"*\"}]}' |
    kiln policy create look --document -
  kiln policy attach look --user alice"
)]
pub(crate) struct Create {
    /// Its name: 1 to 128 letters, digits and `-`
    name: String,
    /// The document; `-` for the standard input
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
}

/// A policy.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln policy show look
  kiln policy show AliyunECSFullAccess --output json")]
pub(crate) struct Policy {
    /// Its name
    name: String,
}

/// A policy to delete.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln policy delete look
  kiln policy delete look --yes")]
pub(crate) struct Delete {
    /// Its name
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// A policy, and who is to have it.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("to").required(true).args(["user", "role"])))]
#[command(after_help = "Examples:
  kiln policy attach AliyunECSReadOnlyAccess --user alice
  kiln policy attach look --role importer")]
pub(crate) struct Attach {
    /// Its name
    policy: String,
    /// To this user
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// To this role
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

/// A policy, and who has it.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("from").required(true).args(["user", "role"])))]
#[command(after_help = "Examples:
  kiln policy detach AliyunECSReadOnlyAccess --user alice
  kiln policy detach look --role importer")]
pub(crate) struct Detach {
    /// Its name
    policy: String,
    /// From this user
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// From this role
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

/// What became of a policy.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Became {
    policy_name: String,
    of: String,
    is_attached: bool,
}

impl PolicyCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::List | Self::Show(_) => Because::Looks,
            _ => Because::Waits,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Create(create) => create.run(session).await,
            Self::List => list(session).await,
            Self::Show(Policy { name }) => {
                let policy = show(session, name).await?;
                session.screen.give(&policy, |policy| text(session, policy));
                Ok(())
            }
            Self::Delete(Delete { name, yes }) => {
                confirm(session, &format!("the policy `{name}` will be deleted"), yes)?;
                done(session, AccessRequest::PolicyDelete(name.clone())).await?;
                gone(session, "PolicyName", "policy", &name);
                Ok(())
            }
            Self::Attach(Attach { policy, user, role }) => {
                let (to, of) = grantee(user, role)?;
                let request = AccessRequest::Attach { policy: policy.clone(), policy_type: None, to };
                done(session, request).await?;
                let became = Became { policy_name: policy, of, is_attached: true };
                session.screen.give(&became, |it| format!("attached `{}` to `{}`\n", it.policy_name, it.of));
                Ok(())
            }
            Self::Detach(Detach { policy, user, role }) => {
                let (from, of) = grantee(user, role)?;
                let request = AccessRequest::Detach { policy: policy.clone(), policy_type: None, from };
                done(session, request).await?;
                let became = Became { policy_name: policy, of, is_attached: false };
                session
                    .screen
                    .give(&became, |it| format!("detached `{}` from `{}`\n", it.policy_name, it.of));
                Ok(())
            }
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let Self { name, document: file, description } = self;
        let document = document(&file)?;
        done(session, AccessRequest::PolicyCreate { name: name.clone(), description, document }).await?;
        let policy = show(session, name).await?;
        session.screen.give(&policy, |policy| format!("created the policy `{}`\n", policy.policy_name));
        let name = policy.policy_name;
        session.screen.say(&format!("give it to somebody with `kiln policy attach {name} --user USER`"));
        Ok(())
    }
}

async fn show(session: &Session, name: String) -> Result<PolicyView, Stop> {
    session.ask(Request::Access(AccessRequest::PolicyShow { name, policy_type: None })).await
}

/// The text of a document.
pub(crate) fn document(file: &Path) -> Result<String, Stop> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| Stop::Usage(format!("reading the document `{}`: {error}", file.display())))
}

/// Who is meant, and how that is said.
fn grantee(user: Option<String>, role: Option<String>) -> Result<(Grantee, String), Stop> {
    match (user, role) {
        (Some(name), _) => Ok((Grantee::User(name.clone()), format!("user/{name}"))),
        (_, Some(name)) => Ok((Grantee::Role(name.clone()), format!("role/{name}"))),
        _ => Err(Stop::Usage("say who: `--user USER` or `--role ROLE`".to_owned())),
    }
}

async fn list(session: &Session) -> Result<(), Stop> {
    let policies: Policies = session.ask(Request::Access(AccessRequest::PolicyList(None))).await?;
    session.screen.give(&policies, |policies| {
        let columns =
            [Column::Whole("NAME"), Column::Text("TYPE"), Column::Number("ATTACHED"), Column::Text("FOR")];
        let row = |policy: &PolicyView| {
            let attached = policy.attachment_count.to_string();
            vec![policy.policy_name.clone(), policy.policy_type.clone(), attached, policy.description.clone()]
        };
        draw(&session.screen, &columns, &policies.policies.iter().map(row).collect::<Vec<_>>())
    });
    Ok(())
}

fn text(session: &Session, policy: &PolicyView) -> String {
    facts(
        &session.screen,
        &[
            ("name", policy.policy_name.clone()),
            ("type", policy.policy_type.clone()),
            ("for", policy.description.clone()),
            ("created", policy.create_date.clone()),
            ("attached to", policy.attached_to.join(", ")),
            ("says", policy.policy_document.clone()),
        ],
    )
}
