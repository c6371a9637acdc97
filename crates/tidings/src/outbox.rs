//! Publishing from code that has a transaction of its own, or none.

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

    fn envelope<E: Event>(&self, event: &E) -> Result<Envelope> {
        let origin = Origin::nobody(self.trace.child());
        let mut envelope = self.shared.event_envelope(&self.module, event, &origin)?;
        envelope.correlation_id = envelope.id;
        Ok(envelope)
    }

    fn refuse_inside_handler(&self, call: &'static str) -> Result<()> {
        match in_handler::current() {
            Some(handler) => Err(Error::permanent(SendError::InsideHandler { handler, call })),
            None => Ok(()),
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use sqlx::SqliteConnection;
    use tidings_sqlite::{LentConnection, OwnedSqliteTx, SqliteStore};

    use super::{
        Enqueue, Enqueued, EnqueuedMany, Error, Event, IntoEnqueue, Job, MessageId, NewJob, Outbox, Result,
        UniqueKeyTaken, Within, told_all,
    };

    impl Outbox {
        /// Begins a transaction that can write, after whoever waits for the writer already. A `BEGIN` of your own that
        /// reads first and writes later can fail with `SQLITE_BUSY` at once; this one cannot.
        ///
        /// # Errors
        /// If the store is not SQLite, or is overloaded. Fails at once inside a handler, whose transaction is open.
        pub async fn begin(&self) -> Result<OutboxTx> {
            self.refuse_inside_handler("outbox.begin")?;
            let tx = self.store()?.begin_within(self.shared.config.limits()).await?;
            Ok(OutboxTx { outbox: self.clone(), tx })
        }

        /// Publishes inside a transaction of your own, of sqlx on the same database file: the event is published if and
        /// only if that transaction commits. Begin it with `BEGIN IMMEDIATE`.
        ///
        /// # Errors
        /// As [`publish_now`](Self::publish_now).
        pub async fn publish<E: Event>(&self, tx: &mut SqliteConnection, event: &E) -> Result<MessageId> {
            let envelope = self.envelope(event)?;
            self.store()?.append_on(tx, std::slice::from_ref(&envelope)).await?;
            Ok(envelope.id)
        }

        /// Enqueues a job of the module inside a transaction of your own, of sqlx on the same database file: the job exists
        /// if and only if that transaction commits. Begin it with `BEGIN IMMEDIATE`. Await it after its options.
        ///
        /// # Errors
        /// As of [`Ctx::enqueue`](crate::Ctx::enqueue).
        pub fn enqueue_in<'a, J: Job>(&'a self, tx: &'a mut SqliteConnection, job: J) -> Enqueue<'a, J> {
            Enqueue::new(Within::Foreign(self, tx), job)
        }

        /// Enqueues jobs, in order, inside a transaction of your own; as [`enqueue_in`](Self::enqueue_in). A unique key that
        /// is taken concerns that job alone.
        ///
        /// # Errors
        /// As [`enqueue_in`](Self::enqueue_in), but for keys that are taken; no job is enqueued then.
        pub async fn enqueue_many_in<T: IntoEnqueue>(
            &self,
            tx: &mut SqliteConnection,
            jobs: impl IntoIterator<Item = T>,
        ) -> Result<Vec<Result<Enqueued, UniqueKeyTaken>>> {
            Within::Foreign(self, tx).enqueue_many(jobs).await
        }

        pub(crate) async fn enqueue_foreign(
            &self,
            tx: &mut SqliteConnection,
            jobs: Vec<NewJob>,
        ) -> Result<EnqueuedMany> {
            let rows = self.store()?.enqueue_on(tx, &jobs).await?;
            Ok(told_all(&jobs, rows))
        }

        fn store(&self) -> Result<&SqliteStore> {
            let store = self.shared.store.as_any().downcast_ref();
            store.ok_or_else(|| Error::permanent("the store is not SQLite"))
        }
    }

    /// A transaction outside handlers; see [`Outbox::begin`]. Dropping it rolls it back.
    pub struct OutboxTx {
        outbox: Outbox,
        tx: OwnedSqliteTx,
    }

    impl OutboxTx {
        /// The connection, for statements: `sqlx::query(..).execute(&mut *tx.connection().await?)`.
        ///
        /// # Errors
        /// If the transaction was taken back because it had used up `store.write_budget_ms`.
        pub async fn connection(&mut self) -> Result<LentConnection<'_>> {
            Ok(self.tx.connection().await?)
        }

        /// Publishes an event in this transaction.
        ///
        /// # Errors
        /// As [`Outbox::publish_now`].
        pub async fn publish<E: Event>(&mut self, event: &E) -> Result<MessageId> {
            let envelope = self.outbox.envelope(event)?;
            self.tx.append(std::slice::from_ref(&envelope)).await?;
            Ok(envelope.id)
        }

        /// Enqueues a job of the module in this transaction; await it after its options.
        ///
        /// # Errors
        /// As of [`Ctx::enqueue`](crate::Ctx::enqueue).
        pub fn enqueue<J: Job>(&mut self, job: J) -> Enqueue<'_, J> {
            Enqueue::new(Within::Begun(self), job)
        }

        /// Enqueues jobs, in order, in this transaction. A unique key that is taken concerns that job alone.
        ///
        /// # Errors
        /// As [`enqueue`](Self::enqueue), but for keys that are taken; no job is enqueued then.
        pub async fn enqueue_many<T: IntoEnqueue>(
            &mut self,
            jobs: impl IntoIterator<Item = T>,
        ) -> Result<Vec<Result<Enqueued, UniqueKeyTaken>>> {
            Within::Begun(self).enqueue_many(jobs).await
        }

        pub(crate) fn outbox(&self) -> &Outbox {
            &self.outbox
        }

        pub(crate) async fn enqueue_here(&mut self, jobs: Vec<NewJob>) -> Result<EnqueuedMany> {
            let rows = self.tx.enqueue(&jobs).await?;
            Ok(told_all(&jobs, rows))
        }

        /// Commits; returns when that is durable.
        ///
        /// # Errors
        /// If the transaction was taken back or ended by the database; nothing is committed then.
        pub async fn commit(self) -> Result<()> {
            Ok(self.tx.commit().await?)
        }

        /// Rolls back.
        ///
        /// # Errors
        /// If the transaction had been taken back before.
        pub async fn rollback(self) -> Result<()> {
            Ok(self.tx.rollback().await?)
        }
    }
}

#[cfg(feature = "sqlite")]
pub use sqlite::OutboxTx;
