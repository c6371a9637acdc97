//! The application: modules joined with a store.

mod borders;
mod build;
mod consumers;
mod dead_letters;
mod flow;
mod former;
mod job_borders;
mod lost;
mod maintenance;
mod manifest;
mod orphans;
mod readable;
mod shared;
mod shutdown;

use std::sync::Arc;

use tidings_core::contract::{Command, Query};
use tidings_core::store::{Store, StoreError};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use borders::Contradiction;
pub use build::{AppBuilder, BuildError};
pub use dead_letters::{DeadLetterError, DeadLetters};
pub use manifest::{Consumes, Does, Manifest, ModuleManifest, Publishes, Recurs};
pub(crate) use orphans::Orphans;
#[cfg(feature = "testing")]
pub(crate) use readable::allowed_samples;
pub(crate) use shared::{Consumer, ConsumerWork, Shared};
pub use shutdown::ShutdownError;

use crate::command::{Caller, SendCommand};
use crate::crew::Post;
use crate::jobs::{Jobs, Queues};
use crate::query::AskQuery;
use crate::{Outbox, QueryError, SendError};

/// A running application. Cheap to clone; the last word is [`shutdown`](Self::shutdown).
#[derive(Clone)]
pub struct App {
    pub(crate) shared: Arc<Shared>,
    running: Arc<Running>,
}

struct Running {
    stop: watch::Sender<bool>,
    tasks: tokio::sync::Mutex<JoinSet<()>>,
    /// The store's closing, once it has begun.
    closing: tokio::sync::Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
    posts: Arc<[Post]>,
    manifest: Manifest,
}

impl App {
    /// Begins an application.
    pub fn builder() -> AppBuilder {
        AppBuilder::default()
    }

    /// Sends a command and waits for its outcome: `app.send(PlaceOrder { .. }).await?`. Options come before the
    /// `await`: `.idempotency_key("..")`, `.deadline(..)`, `.trace(..)`.
    ///
    /// Not for use inside a handler, where it fails at once: there, `ctx.send` sends a durable message.
    pub fn send<C: Command>(&self, command: C) -> SendCommand<'_, C> {
        SendCommand::new(self, command)
    }

    /// Sends a command given by name and JSON text, as an edge does. Unknown fields are refused.
    ///
    /// # Errors
    /// As [`send`](Self::send), and for a name or payload that is not known; the output is JSON text.
    pub async fn send_json(&self, name: &str, payload: &[u8], caller: Caller) -> Result<String, SendError> {
        crate::command::send_json(&self.shared, name, payload, caller).await
    }

    /// Asks a query on a read-only snapshot.
    pub fn ask<Q: Query>(&self, query: Q) -> AskQuery<'_, Q> {
        AskQuery::new(self, query)
    }

    /// Asks a query given by name and JSON text, as an edge does. Unknown fields are refused.
    ///
    /// # Errors
    /// As [`ask`](Self::ask), and for a name or payload that is not known; the answer is JSON text.
    pub async fn ask_json(&self, name: &str, payload: &[u8], caller: Caller) -> Result<String, QueryError> {
        crate::query::ask_json(&self.shared, name, payload, caller).await
    }

    /// Publishes from code that has a transaction of its own, on behalf of a module.
    ///
    /// # Errors
    /// If the application has no such module.
    pub fn outbox(&self, module: &str) -> Result<Outbox, SendError> {
        Outbox::new(&self.shared, module)
    }

    /// Who publishes, consumes and sends what: drawn from the running code, so it is complete.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.running.manifest
    }

    /// Dead letters: list, retry, discard.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetters<'_> {
        DeadLetters { app: self }
    }

    /// Jobs: list, cancel, retry, discard.
    #[must_use]
    pub fn jobs(&self) -> Jobs<'_> {
        Jobs { app: self }
    }

    /// Queues of jobs: list, pause, resume.
    #[must_use]
    pub fn queues(&self) -> Queues<'_> {
        Queues { app: self }
    }

    /// The read API of the store: consumers, parked messages, flows, outcomes, jobs.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// The consumers that run here.
    #[cfg(feature = "testing")]
    pub(crate) fn consumers(&self) -> impl Iterator<Item = &Arc<Consumer>> {
        self.running.posts.iter().map(|post| &post.consumer)
    }

    fn post(&self, consumer: &str) -> Option<&Post> {
        self.running.posts.iter().find(|post| &*post.consumer.spec.name == consumer)
    }
}
