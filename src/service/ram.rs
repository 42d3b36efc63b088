//! Use cases on users, policies and roles of an account.

use std::sync::Arc;

use domain::access::{ATTACHED, Arn, Attachment, POLICIES, Policy, ROLES, Role, USERS, User};
use domain::image::house;
use domain::policy::{SYSTEM_POLICIES, SystemPolicy, system_policy};
use domain::{AccountId, rules};
use engine::Workflow;
use event::{Actor, Refusal, Rows, View};
use workflows::{
    AttachPolicy, CreatePolicy, CreateRole, CreateUser, DeletePolicy, DeleteRole, DeleteUser, DetachPolicy,
    Ports,
};

use crate::asked::Asked;
use crate::keys::key_views;
use crate::lookup::account;
use crate::request::Reply;
use crate::request_access::{AccessRequest, Grantee, PolicyType};
use crate::view::{Started, time_text};
use crate::view_access::{AttachedPolicy, Policies, PolicyView, RoleView, Roles, UserView, Users};
use crate::{Service, Trouble};

impl Service {
    pub(crate) async fn access(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        request: AccessRequest,
    ) -> Result<Reply, Trouble> {
        use AccessRequest as R;
        let account = account(&actor);
        Ok(match request {
            R::UserCreate { name, display_name, comments } => {
                let flow = CreateUser { account, name, display_name, comments };
                self.decide(actor, asked, flow, |view, it| rules::create_user(view, it.wanted()))
                    .await?
                    .into()
            }
            R::UserDelete(name) => {
                let flow = DeleteUser { user: Arn::user(&account, &name), account };
                let rule = |view: &View<'_>, it: DeleteUser| rules::delete_user(view, &it.user, &it.account);
                self.decide(actor, asked, flow, rule).await?.into()
            }
            R::PolicyCreate { name, description, document } => {
                let flow = CreatePolicy { account, name, description, document };
                self.decide(actor, asked, flow, |view, it| rules::create_policy(view, it.wanted()))
                    .await?
                    .into()
            }
            R::PolicyDelete(name) => {
                if let Some(system) = system_policy(&name) {
                    let why = format!("the policy `{}` is of the system, and stays", system.name);
                    return Err(Refusal::new("EntityNotExist.Policy", why)
                        .advise("`kiln policy list` says which are the account's own")
                        .into());
                }
                let flow = DeletePolicy { policy: Arn::policy(&account, &name), account };
                let rule =
                    |view: &View<'_>, it: DeletePolicy| rules::delete_policy(view, &it.policy, &it.account);
                self.decide(actor, asked, flow, rule).await?.into()
            }
            R::Attach { policy, policy_type, to } => {
                let policy = policy_arn(&account, &policy, policy_type);
                let flow = AttachPolicy { policy, to: grantee(&account, &to), account };
                let rule = |view: &View<'_>, it: AttachPolicy| {
                    rules::attach_policy(view, &it.policy, &it.to, &it.account)
                };
                self.decide(actor, asked, flow, rule).await?.into()
            }
            R::Detach { policy, policy_type, from } => {
                let policy = policy_arn(&account, &policy, policy_type);
                let flow = DetachPolicy { policy, from: grantee(&account, &from), account };
                let rule = |view: &View<'_>, it: DetachPolicy| {
                    rules::detach_policy(view, &it.policy, &it.from, &it.account)
                };
                self.decide(actor, asked, flow, rule).await?.into()
            }
            R::RoleCreate { name, description, trust, session_s_max } => {
                let trust = trust.unwrap_or_else(|| trusting(&account));
                let session_s_max = session_s_max.unwrap_or(rules::SESSION_S_DEFAULT);
                let flow = CreateRole { account, name, description, trust, session_s_max };
                self.decide(actor, asked, flow, |view, it| rules::create_role(view, it.wanted()))
                    .await?
                    .into()
            }
            R::RoleDelete(name) => {
                let flow = DeleteRole { role: Arn::role(&account, &name), account };
                let rule = |view: &View<'_>, it: DeleteRole| rules::delete_role(view, &it.role, &it.account);
                self.decide(actor, asked, flow, rule).await?.into()
            }
            R::UserList => self.users(&account)?.into(),
            R::UserShow(name) => self.user(&account, &name)?.into(),
            R::PolicyList(policy_type) => self.policy_list(&account, policy_type)?.into(),
            R::PolicyShow { name, policy_type } => self.policy(&account, &name, policy_type)?.into(),
            R::RoleList => self.roles(&account)?.into(),
            R::RoleShow(name) => self.role(&account, &name)?.into(),
        })
    }

    /// Starts an operation that is one decide, if its rule says yes now.
    pub(crate) async fn decide<W: Workflow<Ports = Ports> + Clone, T>(
        &self,
        actor: Actor,
        asked: &Asked,
        flow: W,
        rule: impl FnOnce(&View<'_>, W) -> Result<T, Refusal>,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let snapshot = self.engine.snapshot()?;
        rule(&View::new(&snapshot, &house(), self.clock.now_ms()), flow.clone())?;
        drop(snapshot);
        let about = flow.subjects().first().map(|subject| subject.0.clone()).unwrap_or_default();
        self.begin(actor, asked, flow, about).await
    }

    fn users(&self, account: &AccountId) -> Result<Users, Trouble> {
        let rows = self.engine.snapshot()?;
        let users = USERS.list(&rows, &house(), &[account.as_str()]);
        Ok(Users { users: users.into_iter().map(|user| user_view(&rows, account, user)).collect() })
    }

    fn user(&self, account: &AccountId, name: &str) -> Result<UserView, Trouble> {
        let (rows, house) = (self.engine.snapshot()?, house());
        let view = View::new(&rows, &house, self.clock.now_ms());
        Ok(user_view(&rows, account, rules::own_user(&view, &Arn::user(account, name), account)?))
    }

    fn roles(&self, account: &AccountId) -> Result<Roles, Trouble> {
        let rows = self.engine.snapshot()?;
        let roles = ROLES.list(&rows, &house(), &[account.as_str()]);
        Ok(Roles { roles: roles.into_iter().map(|role| role_view(&rows, account, role)).collect() })
    }

    fn role(&self, account: &AccountId, name: &str) -> Result<RoleView, Trouble> {
        let (rows, house) = (self.engine.snapshot()?, house());
        let view = View::new(&rows, &house, self.clock.now_ms());
        Ok(role_view(&rows, account, rules::own_role(&view, &Arn::role(account, name), account)?))
    }

    fn policy_list(&self, account: &AccountId, wanted: Option<PolicyType>) -> Result<Policies, Trouble> {
        let rows = self.engine.snapshot()?;
        // One look at all that is attached, and not one for each policy.
        let attached = ATTACHED.list(&rows, &house(), &[account.as_str()]);
        let mut policies = Vec::new();
        if wanted != Some(PolicyType::System) {
            let own = POLICIES.list(&rows, &house(), &[account.as_str()]);
            policies.extend(own.into_iter().map(|policy| custom_view(&attached, policy)));
        }
        if wanted != Some(PolicyType::Custom) {
            policies.extend(SYSTEM_POLICIES.iter().map(|policy| system_view(&attached, policy)));
        }
        Ok(Policies { policies })
    }

    fn policy(
        &self,
        account: &AccountId,
        name: &str,
        wanted: Option<PolicyType>,
    ) -> Result<PolicyView, Trouble> {
        let (rows, house) = (self.engine.snapshot()?, house());
        let attached = ATTACHED.list(&rows, &house, &[account.as_str()]);
        if let Some(system) = system_policy(name).filter(|_| wanted != Some(PolicyType::Custom)) {
            return Ok(system_view(&attached, system));
        }
        let arn = match wanted {
            Some(PolicyType::System) => Arn::system_policy(name),
            _ => Arn::policy(account, name),
        };
        let view = View::new(&rows, &house, self.clock.now_ms());
        Ok(custom_view(&attached, rules::own_policy(&view, &arn, account)?))
    }
}

/// The policy that is meant. No account can make one of a name that the system has.
fn policy_arn(account: &AccountId, name: &str, wanted: Option<PolicyType>) -> Arn {
    let is_system = match wanted {
        Some(wanted) => wanted == PolicyType::System,
        None => system_policy(name).is_some(),
    };
    if is_system { Arn::system_policy(name) } else { Arn::policy(account, name) }
}

fn grantee(account: &AccountId, of: &Grantee) -> Arn {
    match of {
        Grantee::User(name) => Arn::user(account, name),
        Grantee::Role(name) => Arn::role(account, name),
    }
}

/// A role's trust in the users of its account.
fn trusting(account: &AccountId) -> String {
    let principal = format!(r#"{{"RAM":["acs:ram::{account}:root"]}}"#);
    format!(
        r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{principal}}}]}}"#
    )
}

fn policies_of(rows: &dyn Rows, account: &AccountId, of: &Arn) -> Vec<AttachedPolicy> {
    let view = |attachment: Attachment| AttachedPolicy {
        policy_name: attachment.policy.name().to_owned(),
        policy_type: type_word(&attachment.policy).to_owned(),
        attach_date: time_text(attachment.since_ms),
    };
    ATTACHED.list(rows, &house(), &[account.as_str(), of.relative()]).into_iter().map(view).collect()
}

fn type_word(policy: &Arn) -> &'static str {
    if *policy == Arn::system_policy(policy.name()) { "System" } else { "Custom" }
}

fn user_view(rows: &dyn Rows, account: &AccountId, user: User) -> UserView {
    let name = user.arn.name().to_owned();
    UserView {
        access_keys: key_views(rows, account, Some(&name)),
        policies: policies_of(rows, account, &user.arn),
        display_name: if user.display_name.is_empty() { name.clone() } else { user.display_name },
        user_name: name,
        user_id: user.id,
        comments: user.comments,
        arn: user.arn.0,
        create_date: time_text(user.created_ms),
    }
}

fn role_view(rows: &dyn Rows, account: &AccountId, role: Role) -> RoleView {
    RoleView {
        role_name: role.arn.name().to_owned(),
        policies: policies_of(rows, account, &role.arn),
        role_id: role.id,
        description: role.description,
        arn: role.arn.0,
        assume_role_policy_document: role.trust,
        max_session_duration: role.session_s_max,
        create_date: time_text(role.created_ms),
    }
}

fn attached_to(attached: &[Attachment], policy: &Arn) -> Vec<String> {
    let those = attached.iter().filter(|attachment| attachment.policy == *policy);
    those.map(|attachment| attachment.to.relative().to_owned()).collect()
}

fn custom_view(attached: &[Attachment], policy: Policy) -> PolicyView {
    PolicyView {
        policy_name: policy.arn.name().to_owned(),
        policy_type: "Custom".to_owned(),
        attached_to: attached_to(attached, &policy.arn),
        description: policy.description,
        policy_document: policy.document,
        attachment_count: policy.attached,
        create_date: time_text(policy.created_ms),
    }
}

fn system_view(attached: &[Attachment], policy: &SystemPolicy) -> PolicyView {
    let attached_to = attached_to(attached, &Arn::system_policy(policy.name));
    PolicyView {
        policy_name: policy.name.to_owned(),
        policy_type: "System".to_owned(),
        description: policy.description.to_owned(),
        policy_document: policy.document.to_owned(),
        attachment_count: u32::try_from(attached_to.len()).unwrap_or(u32::MAX),
        create_date: String::new(),
        attached_to,
    }
}
