//! What handlers get: a context that reads and writes tables, publishes and sends.

mod core;
pub(crate) mod in_handler;
mod origin;
mod slot;
mod sql;
#[cfg(feature = "sqlx")]
mod typed;

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use jiff::Timestamp;
use tidings_core::contract::{Command, Event, Job};
use tidings_core::error::Result;
use tidings_core::ids::MessageId;
use tidings_core::store::Savepoint;
use tidings_core::trace::TraceContext;

pub(crate) use self::core::CtxCore;
use crate::jobs::{Enqueue, Enqueued, IntoEnqueue, UniqueKeyTaken, Within};
pub(crate) use origin::Origin;
pub(crate) use slot::TxSlot;
pub use sql::{NoRow, PortableTx, Sql, sql};
#[cfg(feature = "sqlx")]
pub use typed::{BegunTx, TypedDriver, TypedTx};
#[cfg(feature = "sqlx")]
pub(crate) use typed::{Fetched, Inspected, Mark, of_the_store};

/// A boxed future that can move between threads.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How a handler talks to its tables: [`Portable`], or a database of sqlx such as `sqlx::Sqlite`.
#[diagnostic::on_unimplemented(
    message = "`Ctx<{Self}>` does not exist",
    note = "use `Ctx` for portable SQL on every store; for sqlx on SQLite `Ctx<sqlx::Sqlite>` (feature `sqlite` of `tidings`), on PostgreSQL `Ctx<sqlx::Postgres>` (feature `postgres`)"
)]
pub trait Driver: Send + 'static {
    /// The name under which stores offer it.
    const NAME: &'static str;
    /// The one store that has it, if not all do.
    const STORE: Option<&'static str>;
}

/// The database of sqlx that a typed driver has, and the store that offers it.
pub(crate) fn database_of(driver: &str) -> Option<(&'static str, &'static str)> {
    let known: &[(&str, Option<&'static str>, &'static str)] = &[
        #[cfg(feature = "sqlite")]
        (<sqlx::Sqlite as Driver>::NAME, <sqlx::Sqlite as Driver>::STORE, "`sqlx::Sqlite`"),
        #[cfg(feature = "postgres")]
        (<sqlx::Postgres as Driver>::NAME, <sqlx::Postgres as Driver>::STORE, "`sqlx::Postgres`"),
        (Portable::NAME, Portable::STORE, ""),
    ];
    let (_, store, database) = known.iter().find(|(name, ..)| *name == driver)?;
    Some((database, (*store)?))
}

/// Portable statements made by [`sql`](fn@sql), on every store.
pub struct Portable;

impl Driver for Portable {
    const NAME: &'static str = "native";
    const STORE: Option<&'static str> = None;
}

/// What a command handler, listener or reply handler works with.
///
/// Everything done through it happens in one transaction that also holds the consumer's cursor: tables, published
/// events and sent commands are committed together or not at all. The transaction is taken when the handler first
/// touches a table; publishing alone takes it only at the end.
pub struct Ctx<D = Portable> {
    core: Box<CtxCore>,
    driver: PhantomData<fn() -> D>,
}

impl<D: Driver> Ctx<D> {
    pub(crate) fn wrap(core: Box<CtxCore>) -> Self {
        Self { core, driver: PhantomData }
    }

    pub(crate) fn unwrap(self) -> Box<CtxCore> {
        self.core
    }

    /// Publishes an event, in this transaction. Its payload is checked against its contract here and now.
    ///
    /// # Errors
    /// If the module does not own the event, or the payload breaks the contract; the error names the field.
    #[allow(clippy::unused_async, reason = "publishing may wait, once stores spill large transactions")]
    pub async fn publish<E: Event>(&mut self, event: E) -> Result<MessageId> {
        self.core.publish(&event)
    }

    /// Sends a command as a durable message, in this transaction: it will be carried out after the commit. Its
    /// outcome is stored; a rejection that nobody handles is listed.
    ///
    /// # Errors
    /// If the module does not declare that it [sends](crate::Module::sends) the command.
    #[allow(clippy::unused_async, reason = "see `publish`")]
    pub async fn send<C: Command>(&mut self, command: C) -> Result<MessageId> {
        self.core.send(&command, None)
    }

    /// Like [`send`](Self::send); the outcome goes to this module's reply handler of that name.
    ///
    /// # Errors
    /// As [`send`](Self::send), and if the module has no such reply handler for this command.
    #[allow(clippy::unused_async, reason = "see `publish`")]
    pub async fn send_with_reply<C: Command>(
        &mut self,
        command: C,
        reply_handler: &str,
    ) -> Result<MessageId> {
        self.core.send(&command, Some(reply_handler))
    }

    /// Enqueues a job of this module, in this transaction: it will be done after the commit. Options come before the
    /// `await`:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use serde::{Deserialize, Serialize};
    /// # use tidings::{Ctx, Job, Result};
    /// # #[derive(Job, Serialize, Deserialize)]
    /// # #[job("inventory.reorder")]
    /// # struct Reorder { sku: String }
    /// async fn sold_out(ctx: &mut Ctx, sku: String) -> Result<()> {
    ///     let job = Reorder { sku: sku.clone() };
    ///     let enqueued = ctx.enqueue(job).delay(Duration::from_secs(60)).key("sku", &sku).unique(&sku).await?;
    ///     tracing::debug!(id = %enqueued.id, is_new = enqueued.is_new);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// If the job is another module's or has no handler, if its payload is larger than `jobs.body_bytes_max`, or if its
    /// unique key is taken by a job with another payload ([`UniqueKeyTaken`](crate::UniqueKeyTaken)).
    pub fn enqueue<J: Job>(&mut self, job: J) -> Enqueue<'_, J> {
        Enqueue::new(Within::Handler(&mut self.core), job)
    }

    /// Enqueues jobs, in order, in this transaction. Options of a single one are said with
    /// [`ToEnqueue`](crate::ToEnqueue). A unique key that is taken concerns that job alone: the others are enqueued.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue), but for keys that are taken; no job is enqueued then.
    pub async fn enqueue_many<T: IntoEnqueue>(
        &mut self,
        jobs: impl IntoIterator<Item = T>,
    ) -> Result<Vec<Result<Enqueued, UniqueKeyTaken>>> {
        Within::Handler(&mut self.core).enqueue_many(jobs).await
    }

    /// In a handler of [batches](crate::batch): says that what is published or sent from now on is caused by the event at
    /// this position of the batch, so that it belongs to that event's flow and trace. Without it, what a batch of several
    /// events publishes begins a flow of its own, with no cause. In other handlers the one message is the cause already.
    ///
    /// # Errors
    /// If the batch has no event at that position.
    pub fn caused_by(&mut self, position: usize) -> Result<()> {
        self.core.caused_by(position)
    }

    /// Marks a place to go back to: tables and whatever is published, sent or enqueued after it.
    ///
    /// # Errors
    /// The database's.
    pub async fn savepoint(&mut self) -> Result<CtxSavepoint> {
        // What was enqueued before is not to be undone with what comes after.
        self.core.write_jobs().await?;
        let tx = self.core.tx().await.savepoint().await?;
        Ok(CtxSavepoint { tx, outgoing: self.core.outgoing.len() })
    }

    /// Undoes everything since the savepoint.
    ///
    /// # Errors
    /// The database's.
    pub async fn rollback_to(&mut self, savepoint: CtxSavepoint) -> Result<()> {
        self.core.tx().await.rollback_to(savepoint.tx).await?;
        self.core.outgoing.truncate(savepoint.outgoing);
        self.core.jobs.clear();
        Ok(())
    }

    /// Keeps everything since the savepoint.
    ///
    /// # Errors
    /// The database's.
    pub async fn release(&mut self, savepoint: CtxSavepoint) -> Result<()> {
        Ok(self.core.tx().await.release(savepoint.tx).await?)
    }

    /// Business time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }

    /// The id of the message or command that is being handled; nil in a batch of several, until
    /// [`caused_by`](Self::caused_by) names one.
    #[must_use]
    pub fn message_id(&self) -> MessageId {
        self.core.origin.id
    }

    /// The flow this belongs to; nil where [`message_id`](Self::message_id) is.
    #[must_use]
    pub fn correlation_id(&self) -> MessageId {
        self.core.origin.correlation_id
    }

    /// The trace context of this handling; outgoing messages carry it.
    #[must_use]
    pub fn trace(&self) -> &TraceContext {
        &self.core.origin.trace
    }
}

impl Ctx<Portable> {
    /// The transaction, for portable statements. It is taken from the store at the first statement.
    pub fn tx(&mut self) -> PortableTx<'_> {
        PortableTx(&mut self.core)
    }
}

/// A place to go back to; see [`Ctx::savepoint`].
#[must_use = "a savepoint is either released or rolled back to"]
pub struct CtxSavepoint {
    tx: Savepoint,
    outgoing: usize,
}

/// What a query handler works with: a consistent snapshot that cannot be written to.
pub struct QueryCtx<D = Portable> {
    core: Box<CtxCore>,
    driver: PhantomData<fn() -> D>,
}

impl<D: Driver> QueryCtx<D> {
    pub(crate) fn wrap(core: Box<CtxCore>) -> Self {
        Self { core, driver: PhantomData }
    }

    pub(crate) fn unwrap(self) -> Box<CtxCore> {
        self.core
    }

    /// Business time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }
}

impl QueryCtx<Portable> {
    /// The snapshot, for portable statements.
    pub fn tx(&mut self) -> PortableTx<'_> {
        PortableTx(&mut self.core)
    }
}
