//! A transaction in the hands of code that is no work: a caller that begins, goes on and commits by itself.

use async_trait::async_trait;
use sqlx::PgConnection;
use tidings_core::envelope::Envelope;
use tidings_core::store::{Enqueued, Limits, NewJob, StoreError, Tx, Work};

use crate::PostgresStore;
use crate::tx::PgTx;
use crate::typed::Doubt;

const NAME: &str = "a transaction begun outside of handlers (`outbox.begin()`)";

/// A read-write transaction in the caller's hands, on a connection of its own. Dropping it rolls it back.
///
/// What is not used for a little longer than the budget of a write transaction is ended by the server.
pub struct OwnedPgTx(PgTx);

impl PostgresStore {
    /// Begins a transaction for code that runs outside the runtime's works.
    ///
    /// # Errors
    /// As of [`transact`](tidings_core::store::Store::transact).
    pub async fn begin_within(&self, limits: Limits) -> Result<OwnedPgTx, StoreError> {
        Ok(OwnedPgTx(self.begin_for(&Named, limits).await?))
    }

    /// Commits such a transaction; returns when that is durable. Whoever waits for what it wrote is woken.
    ///
    /// # Errors
    /// [`StoreError::TransactionLost`] if a statement in it had failed, or what the database says. Nothing is committed
    /// then, but after [`StoreError::Unknown`]: the connection broke during the commit, and it may have happened.
    pub async fn commit(&self, tx: OwnedPgTx) -> Result<(), StoreError> {
        self.commit_for(tx.0, &Named).await
    }
}

impl OwnedPgTx {
    /// The connection, for statements: `sqlx::query(..).execute(tx.connection()?)`.
    ///
    /// # Errors
    /// If the transaction has ended.
    pub fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        let (connection, mut doubt) = self.0.typed()?;
        doubt.unseen();
        Ok(connection)
    }

    /// The connection, and whom to tell what became of each statement on it. What was told need not be asked for before the commit,
    /// which saves a round trip.
    ///
    /// # Errors
    /// If the transaction has ended.
    pub fn typed(&mut self) -> Result<(&mut PgConnection, Doubt<'_>), StoreError> {
        self.0.typed()
    }

    /// Appends messages. They exist if and only if the transaction commits.
    ///
    /// # Errors
    /// [`StoreError::LogFull`], or what the database says.
    pub async fn append(&mut self, messages: &[Envelope]) -> Result<(), StoreError> {
        self.0.append(messages).await
    }

    /// Enqueues jobs. They exist if and only if the transaction commits.
    ///
    /// # Errors
    /// What the database says.
    pub async fn enqueue(&mut self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        self.0.enqueue(jobs).await
    }

    /// Rolls back; returns when that is done.
    pub async fn rollback(mut self) {
        self.0.rollback().await;
    }
}

/// A name for the errors of something that is no work.
struct Named;

#[async_trait]
impl Work for Named {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    async fn run(&self, tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        (tx, Ok(()))
    }
}
