//! Change a batch: pause it, let it go on, cancel it; stop it, note how far it has come, end it; forget lines, and it.

use async_trait::async_trait;
use domain::batch::{BatchChange, BatchId};
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// Why a change of a batch is not taken back.
const ONE: &str = "it is one event; another change follows it";

/// What is to become true of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeBatch {
    /// Whose it is.
    pub account: AccountId,
    /// The batch.
    pub batch: BatchId,
    /// Its name, for people.
    pub name: String,
    /// What is to become true.
    pub change: BatchChange,
}

#[async_trait]
impl Workflow for ChangeBatch {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "change_batch";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        let what = match &self.change {
            BatchChange::Pause { .. } => "pause",
            BatchChange::Resume { .. } => "resume",
            BatchChange::Cancel { .. } => "cancel",
            BatchChange::Stop { .. } => "stop",
            BatchChange::Note(_) => "note the progress of",
            BatchChange::End(_) => "end",
            BatchChange::ForgetLines { .. } => "forget lines of",
            BatchChange::Forget => "forget",
        };
        format!("{what} the batch `{}`", self.name)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.batch.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        let scope = image::house();
        match self.change.clone() {
            BatchChange::Pause { reason } => _ = flow
                .decide(scope, of(&self, move |view, it| rules::pause_batch(view, &it.account, &it.batch, &reason)))
                .point_of_no_return(ONE).await?,                                           // BatchPaused
            BatchChange::Resume { reason } => _ = flow
                .decide(scope, of(&self, move |view, it| rules::resume_batch(view, &it.account, &it.batch, &reason)))
                .point_of_no_return(ONE).await?,                                           // BatchResumed
            BatchChange::Cancel { reason, hard } => _ = flow
                .decide(scope, of(&self, move |view, it| {
                    rules::cancel_batch(view, &it.account, &it.batch, &reason, hard)
                }))
                .point_of_no_return(ONE).await?,                                           // BatchCancelled
            BatchChange::Stop { why, counts } => _ = flow
                .decide(scope, of(&self, move |view, it| {
                    rules::stop_batch(view, &it.account, &it.batch, &why, counts)
                }))
                .point_of_no_return(ONE).await?,                                           // BatchStopped
            BatchChange::Note(note) => _ = flow
                .decide(scope, of(&self, move |view, it| rules::note_batch(view, &it.account, &it.batch, note)))
                .point_of_no_return(ONE).await?,                                           // BatchNoted
            BatchChange::End(counts) => _ = flow
                .decide(scope, of(&self, move |view, it| rules::end_batch(view, &it.account, &it.batch, counts)))
                .point_of_no_return(ONE).await?,                                           // BatchEnded
            BatchChange::ForgetLines { below } => _ = flow
                .decide(scope, of(&self, move |view, it| rules::forget_lines(view, &it.account, &it.batch, below)))
                .point_of_no_return(ONE).await?,                                           // BatchLinesForgotten
            BatchChange::Forget => _ = flow
                .decide(scope, of(&self, |view, it| rules::forget_batch(view, &it.account, &it.batch)))
                .point_of_no_return(ONE).await?,                                           // BatchForgotten
        }
        Ok(())
    }
}

impl ChangeBatch {
    /// Asks the rule, and is told only whether it would have it.
    pub fn check(&self, view: &event::View<'_>) -> Result<(), event::Refusal> {
        let (account, batch) = (&self.account, &self.batch);
        match &self.change {
            BatchChange::Pause { reason } => rules::pause_batch(view, account, batch, reason).map(drop),
            BatchChange::Resume { reason } => rules::resume_batch(view, account, batch, reason).map(drop),
            BatchChange::Cancel { reason, hard } => {
                rules::cancel_batch(view, account, batch, reason, *hard).map(drop)
            }
            BatchChange::Stop { why, counts } => {
                rules::stop_batch(view, account, batch, why, *counts).map(drop)
            }
            BatchChange::Note(note) => rules::note_batch(view, account, batch, note.clone()).map(drop),
            BatchChange::End(counts) => rules::end_batch(view, account, batch, *counts).map(drop),
            BatchChange::ForgetLines { below } => rules::forget_lines(view, account, batch, *below).map(drop),
            BatchChange::Forget => rules::forget_batch(view, account, batch).map(drop),
        }
    }
}
