//! Modify name, description and retention of a snapshot.

use async_trait::async_trait;
use domain::events::SnapshotModified;
use domain::{AccountId, RegionId, SnapshotId, image, rules};
use engine::{Halt, Workflow};
use event::{Refusal, Scope, Subject, View};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a modification is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModifySnapshot {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Its name; empty for none.
    #[serde(default)]
    pub name: Option<String>,
    /// Its description; empty for none.
    #[serde(default)]
    pub description: Option<String>,
    /// Days it is kept for since its creation; 0 for ever.
    #[serde(default)]
    pub retention_days: Option<u32>,
}

#[async_trait]
impl Workflow for ModifySnapshot {
    type Ports = Ports;
    type Output = SnapshotId;
    const NAME: &'static str = "modify_snapshot";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("modify the snapshot `{}`", self.snapshot)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.snapshot.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<SnapshotId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| it.rule(view)))  // SnapshotModified
            .point_of_no_return("it is one event; the log keeps what was before").await?;
        Ok(self.snapshot)
    }
}

impl ModifySnapshot {
    /// Asks the rule.
    pub fn rule(&self, view: &View<'_>) -> Result<SnapshotModified, Refusal> {
        let (name, description) = (self.name.as_deref(), self.description.as_deref());
        rules::modify_snapshot(view, &self.snapshot, name, description, self.retention_days)
    }
}
