//! What a story is, and the book that holds them all.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use event::{Refusal, Scope, Subject};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::again::Next;
use crate::kinds::Started;
use crate::{Error, Flow};

/// Why a story does not go on. Hand it on with `?`; a story may look at [`Halt::Refused`] and
/// [`Halt::Failed`] and go another way, the others it cannot keep from happening.
#[derive(Clone, Debug)]
pub enum Halt {
    /// A decide said no.
    Refused(Refusal),
    /// A step failed for good.
    Failed(Refusal),
    /// The flow is cancelled or has turned: nothing goes forward any more.
    Turned,
    /// Nothing is sure any more; the flow parks and a person is told this.
    Park(String),
    /// The log has stopped, so the process has to.
    Stopped(Error),
    /// The story goes on as a new flow; made by [`Flow::continue_as`].
    Continued(Box<Next>),
}

impl Halt {
    /// Whether it ends the whole story, and not only what is being tried.
    pub(crate) fn is_grave(&self) -> bool {
        matches!(self, Self::Park(_) | Self::Stopped(_) | Self::Continued(_))
    }
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Stopped(error)
    }
}

/// An operation: its input, and the story of its steps.
#[async_trait]
pub trait Workflow: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What its steps may reach.
    type Ports: Send + Sync + 'static;
    /// What it yields.
    type Output: Serialize + DeserializeOwned + Send + 'static;
    /// Its name, verb first.
    const NAME: &'static str;
    /// Its version; raised when the steps change, unless every golden log still replays.
    const VERSION: u32;

    /// The scope it belongs to.
    fn scope(&self) -> Scope;
    /// What a person calls it: ``import `web-1` ``.
    fn label(&self) -> String;
    /// What it is about, by id, as far as that is known when it starts.
    fn subjects(&self) -> Vec<Subject> {
        Vec::new()
    }
    /// The story. It runs again from the beginning after a restart, with what it did before
    /// answered from the log, so it must do nothing but through `flow`.
    async fn run(self, flow: &Flow<Self::Ports>) -> Result<Self::Output, Halt>;
}

impl Started {
    /// The first record of a flow with this story and input.
    pub(crate) fn of<W: Workflow>(workflow: &W) -> Self {
        Self {
            name: W::NAME.to_owned(),
            version: W::VERSION,
            label: workflow.label(),
            input: rmp_serde::to_vec_named(workflow).expect("an input is plain data"),
            subjects: workflow.subjects(),
            lineage: None,
        }
    }
}

type Told = Pin<Box<dyn Future<Output = Result<Vec<u8>, Halt>> + Send>>;
type Story<P> = Arc<dyn Fn(Flow<P>, Vec<u8>) -> Told + Send + Sync>;

/// All stories a program knows, by name and version.
pub struct Book<P> {
    stories: HashMap<(String, u32), Story<P>>,
}

impl<P: Send + Sync + 'static> Default for Book<P> {
    fn default() -> Self {
        Self { stories: HashMap::new() }
    }
}

impl<P: Send + Sync + 'static> Book<P> {
    /// The book with one more story in it.
    #[must_use]
    pub fn with<W: Workflow<Ports = P>>(mut self) -> Self {
        let story: Story<P> = Arc::new(|flow, input| {
            Box::pin(async move {
                let input: W = rmp_serde::from_slice(&input)
                    .map_err(|error| Halt::Park(format!("its input does not decode: {error}")))?;
                let output = input.run(&flow).await?;
                Ok(rmp_serde::to_vec_named(&output).expect("an output is plain data"))
            })
        });
        self.stories.insert((W::NAME.to_owned(), W::VERSION), story);
        self
    }

    /// Name and version of every story in it.
    pub fn stories(&self) -> impl Iterator<Item = (String, u32)> + '_ {
        self.stories.keys().cloned()
    }

    pub(crate) fn find(&self, name: &str, version: u32) -> Result<Story<P>, Error> {
        let found = self.stories.get(&(name.to_owned(), version)).cloned();
        found.ok_or_else(|| Error::UnknownWorkflow { name: name.to_owned(), version })
    }
}
