//! Publishing from code that has a transaction of its own, or none.

#[cfg(feature = "sqlx")]
mod begun;
#[cfg(feature = "sqlx")]
mod own;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::sync::Arc;

use tidings_core::contract::{Event, Job};
use tidings_core::envelope::Envelope;
use tidings_core::error::{Error, Result};
use tidings_core::ids::MessageId;
use tidings_core::store::NewJob;
use tidings_core::trace::TraceContext;

use crate::app::Shared;
use crate::command::SendError;
use crate::ctx::{Origin, in_handler};
use crate::jobs::{Enqueue, Enqueued, EnqueuedMany, IntoEnqueue, UniqueKeyTaken, Within, told_all};
use crate::module::ModuleFacts;
use crate::unit::{self, Access, Unit};

#[cfg(feature = "sqlx")]
pub use begun::OutboxTx;
#[cfg(feature = "sqlx")]
pub(crate) use begun::{Begun, OwnedTx};
#[cfg(feature = "sqlx")]
pub use own::OutboxConnection;
#[cfg(feature = "sqlx")]
pub(crate) use own::Own;

/// Publishes on behalf of a module, outside its handlers. Made by [`App::outbox`](crate::App::outbox).
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
    module: Arc<ModuleFacts>,
    trace: TraceContext,
}

impl Outbox {
    pub(crate) fn new(shared: &Arc<Shared>, module: &str) -> Result<Self, SendError> {
        let unknown = || SendError::NoModule { module: module.to_owned() };
        let module = shared.modules.get(module).cloned().ok_or_else(unknown)?;
        Ok(Self { shared: shared.clone(), module, trace: TraceContext::default() })
    }

    /// The trace that what is published belongs to; without it each event begins one.
    #[must_use]
    pub fn with_trace(mut self, trace: TraceContext) -> Self {
        self.trace = trace;
        self
    }

    /// Publishes one event in a transaction of its own; returns when it is durable.
    ///
    /// # Errors
    /// If the module does not own the event or the payload breaks its contract; the store's. Fails at once inside a
    /// handler, where `ctx.publish` is the way.
    pub async fn publish_now<E: Event>(&self, event: &E) -> Result<MessageId> {
        self.refuse_inside_handler("publish_now")?;
        let envelope = self.envelope(event)?;
        let id = envelope.id;
        let messages: Arc<[Envelope]> = Arc::new([envelope]);
        let unit = Unit {
            name: self.module.name.clone(),
            driver: "native",
            start: Box::new(move |slot| {
                let messages = messages.clone();
                Box::pin(async move {
                    let mut tx = slot.take().await;
                    let appended = tx.append(&messages).await.map_err(Error::from);
                    (Some(tx), appended)
                })
            }),
        };
        unit::run(&self.shared, unit, self.shared.config.limits(), Access::Write).await?;
        Ok(id)
    }

    /// Enqueues one job of the module in a transaction of its own; await it after its options. It returns when it is
    /// durable.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use tidings::{App, Job, Result};
    /// # #[derive(Job, Serialize, Deserialize)]
    /// # #[job("inventory.reorder")]
    /// # struct Reorder { sku: String }
    /// async fn reorder(app: &App, sku: String) -> Result<()> {
    ///     let enqueued = app.outbox("inventory")?.enqueue(Reorder { sku: sku.clone() }).unique(&sku).await?;
    ///     tracing::info!(job = %enqueued.id, is_new = enqueued.is_new);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As of [`Ctx::enqueue`](crate::Ctx::enqueue); the store's. Fails at once inside a handler, where `ctx.enqueue` is the
    /// way.
    pub fn enqueue<J: Job>(&self, job: J) -> Enqueue<'_, J> {
        Enqueue::new(Within::Outbox(self), job)
    }

    /// Enqueues jobs, in order, in one transaction of its own. A unique key that is taken concerns that job alone.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue), but for keys that are taken; no job is enqueued then.
    pub async fn enqueue_many<T: IntoEnqueue>(
        &self,
        jobs: impl IntoIterator<Item = T>,
    ) -> Result<Vec<Result<Enqueued, UniqueKeyTaken>>> {
        Within::Outbox(self).enqueue_many(jobs).await
    }

    /// Prepares jobs that nothing causes.
    pub(crate) fn prepare<T>(
        &self,
        prepare: impl FnOnce(&Shared, &ModuleFacts, &Origin) -> Result<T>,
    ) -> Result<T> {
        prepare(&self.shared, &self.module, &Origin::nobody(self.trace.child()))
    }

    pub(crate) async fn enqueue_now(&self, jobs: Vec<NewJob>) -> Result<EnqueuedMany> {
        self.refuse_inside_handler("outbox.enqueue")?;
        let jobs: Arc<[NewJob]> = jobs.into();
        let to_write = jobs.clone();
        let unit = Unit {
            name: self.module.name.clone(),
            driver: "native",
            start: Box::new(move |slot| {
                let jobs = to_write.clone();
                Box::pin(async move {
                    let mut tx = slot.take().await;
                    let enqueued = tx.enqueue(&jobs).await.map_err(Error::from);
                    (Some(tx), enqueued)
                })
            }),
        };
        let rows = unit::run(&self.shared, unit, self.shared.config.limits(), Access::Write).await?;
        Ok(told_all(&jobs, rows))
    }

    /// The payload that publishing would write, after the same checks; nothing is published. For tests of what a module
    /// publishes.
    ///
    /// # Errors
    /// If the module does not own the event or the payload breaks its contract.
    pub fn payload<E: Event>(&self, event: &E) -> Result<String> {
        self.shared.event_payload(&self.module, event).map(|(_, payload)| payload)
    }

    /// The message that publishing would append, after the same checks; nothing is published. For transactions of other
    /// drivers than sqlx: on PostgreSQL, `tidings_postgres::foreign` has the row to insert and the statement. Each call makes a
    /// message of its own.
    ///
    /// # Errors
    /// If the module does not own the event or the payload breaks its contract.
    pub fn envelope<E: Event>(&self, event: &E) -> Result<Envelope> {
        let origin = Origin::nobody(self.trace.child());
        let mut envelope = self.shared.event_envelope(&self.module, event, &origin)?;
        envelope.correlation_id = envelope.id;
        Ok(envelope)
    }

    /// Whether the module may run a statement, as far as the store can tell.
    #[cfg(feature = "sqlx")]
    pub(crate) fn check_tables(&self, sql: &str) -> Result<(), tidings_core::store::StoreError> {
        self.shared.check_tables(&self.module, sql)
    }

    fn refuse_inside_handler(&self, call: &'static str) -> Result<()> {
        match in_handler::current() {
            Some(handler) => Err(Error::permanent(SendError::InsideHandler { handler, call })),
            None => Ok(()),
        }
    }
}
