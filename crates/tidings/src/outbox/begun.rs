//! A transaction that the store began for code outside of handlers.

use std::ops::DerefMut;

use async_trait::async_trait;
use sqlx::Database;
use tidings_core::contract::{Event, Job};
use tidings_core::envelope::Envelope;
use tidings_core::error::Result;
use tidings_core::ids::MessageId;
use tidings_core::store::{NewJob, StoreError};

use super::Outbox;
use crate::ctx::{BegunTx, Fetched, Inspected, Mark, TypedDriver};
use crate::jobs::{Enqueue, Enqueued, EnqueuedMany, IntoEnqueue, UniqueKeyTaken, Within, told_all};

impl Outbox {
    /// Begins a transaction that can write, outside of handlers, on the database that is named: `sqlx::Sqlite` or
    /// `sqlx::Postgres`.
    ///
    /// On SQLite it comes after whoever waits for the writer already. A `BEGIN` of your own that reads first and writes later
    /// can fail with `SQLITE_BUSY` at once; this one cannot.
    ///
    /// ```
    /// # async fn example<E: tidings::Event>(outbox: tidings::Outbox, placed: E) -> tidings::Result<()> {
    /// let mut tx = outbox.begin::<sqlx::Sqlite>().await?;
    /// sqlx::query("INSERT INTO orders (sku) VALUES ('tea')").execute(tx.tx()).await?;
    /// tx.publish(&placed).await?;
    /// tx.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the store is of another database, or is overloaded. Fails at once inside a handler, whose transaction is open.
    pub async fn begin<DB: TypedDriver>(&self) -> Result<OutboxTx<DB>> {
        self.refuse_inside_handler("outbox.begin")?;
        Ok(OutboxTx { tx: DB::Owned::begin(self).await?, outbox: self.clone() })
    }
}

/// A transaction outside handlers; see [`Outbox::begin`]. Dropping it rolls it back.
pub struct OutboxTx<DB: TypedDriver> {
    outbox: Outbox,
    tx: DB::Owned,
}

/// What a store's own kind of such a transaction does.
#[async_trait]
pub(crate) trait OwnedTx<DB: Database>: Send + Sized {
    type Lent<'t>: DerefMut<Target = DB::Connection> + Send
    where
        Self: 't;

    async fn begin(outbox: &Outbox) -> Result<Self>;
    async fn lend(&mut self) -> Result<Self::Lent<'_>, StoreError>;
    /// The connection for one use that is seen to its end.
    async fn borrow(&mut self) -> Result<(Self::Lent<'_>, Mark<'_>), StoreError>;
    fn fetch_many(&mut self, query: Inspected<DB>) -> Fetched<'_, DB>;
    async fn append(&mut self, messages: &[Envelope]) -> Result<(), StoreError>;
    async fn enqueue(&mut self, jobs: &[NewJob]) -> Result<Vec<tidings_core::store::Enqueued>, StoreError>;
    async fn commit(self, outbox: &Outbox) -> Result<()>;
    async fn rollback(self) -> Result<(), StoreError>;
}

/// An [`OutboxTx`] of any database.
#[async_trait]
pub(crate) trait Begun: Send {
    fn outbox(&self) -> &Outbox;
    async fn enqueue_here(&mut self, jobs: Vec<NewJob>) -> Result<EnqueuedMany>;
}

impl<DB: TypedDriver> OutboxTx<DB> {
    /// The transaction, as an executor for `sqlx::query!` and its kin: `sqlx::query(..).execute(tx.tx())`. Statements are checked
    /// against the module's tables, as in handlers.
    pub fn tx(&mut self) -> BegunTx<'_, DB> {
        BegunTx { outbox: &self.outbox, tx: &mut self.tx }
    }

    /// The connection itself, for code that asks for one: `known(&mut *tx.connection().await?)`. What becomes of its statements nobody
    /// sees, so that on PostgreSQL the commit asks the server whether they have failed, which takes a round trip more than with
    /// [`tx`](Self::tx).
    ///
    /// # Errors
    /// If the transaction was taken back because it had used up `store.write_budget_ms`.
    pub async fn connection(
        &mut self,
    ) -> Result<impl DerefMut<Target = DB::Connection> + Send + use<'_, DB>> {
        Ok(self.tx.lend().await?)
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

    /// Commits; returns when that is durable.
    ///
    /// # Errors
    /// If the transaction was taken back or ended by the database; nothing is committed then.
    pub async fn commit(self) -> Result<()> {
        self.tx.commit(&self.outbox).await
    }

    /// Rolls back.
    ///
    /// # Errors
    /// If the transaction had been taken back before.
    pub async fn rollback(self) -> Result<()> {
        Ok(self.tx.rollback().await?)
    }
}

#[async_trait]
impl<DB: TypedDriver> Begun for OutboxTx<DB> {
    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    async fn enqueue_here(&mut self, jobs: Vec<NewJob>) -> Result<EnqueuedMany> {
        let rows = self.tx.enqueue(&jobs).await?;
        Ok(told_all(&jobs, rows))
    }
}
