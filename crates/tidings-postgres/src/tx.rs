//! One transaction on a connection of its own.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::postgres::PgTransaction;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use tidings_core::envelope::{Cursor, Envelope, Position};
use tidings_core::store::{
    Begun, Claim, Claimed, ClaimedJob, Enqueued, JobEnd, JobLease, Lease, NewJob, OutcomeRecord, Parked,
    Receipt, Savepoint, Settled, StoreError, TableScope, Tx, WorkerId,
};
use tidings_core::value::{Row, Value};

use crate::error::{meaning, not_in_the_spike};
use crate::watch::Touched;
use crate::{consumers, log, parking, values};

/// An open transaction. Dropping it rolls it back.
pub(crate) struct PgTx {
    /// Taken out at the end: the port hands the transaction back in a box that only lends it.
    inner: Option<PgTransaction<'static>>,
    savepoints: u32,
    /// A statement failed and nothing was rolled back since. PostgreSQL then answers COMMIT with a rollback and no
    /// error, so a work that swallowed the failure would be told that it committed.
    failed: bool,
    pub(crate) touched: Touched,
}

impl PgTx {
    pub(crate) fn new(inner: PgTransaction<'static>) -> Self {
        Self { inner: Some(inner), savepoints: 0, failed: false, touched: Touched::default() }
    }

    /// Takes the transaction out of its box, if it is one of this store's and was not taken before.
    pub(crate) fn take(mut boxed: Box<dyn Tx>) -> Result<Self, StoreError> {
        let tx = boxed.as_any_mut().downcast_mut::<Self>().ok_or_else(foreign)?;
        let inner = Some(tx.inner.take().ok_or_else(foreign)?);
        Ok(Self {
            inner,
            savepoints: tx.savepoints,
            failed: tx.failed,
            touched: std::mem::take(&mut tx.touched),
        })
    }

    fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.inner.as_deref_mut().ok_or_else(foreign)
    }

    /// Takes note of a failure. Errors that the database has no part in leave the transaction as it was.
    fn noted<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let harmless = |error: &StoreError| {
            matches!(
                error,
                StoreError::Fenced { .. } | StoreError::NotFound { .. } | StoreError::IdempotencyKeyUsed
            )
        };
        self.failed |= result.as_ref().is_err_and(|error| !harmless(error));
        result
    }

    async fn command(&mut self, sql: String) -> Result<(), StoreError> {
        let context = sql.clone();
        let done = self.connection()?.execute(AssertSqlSafe(sql)).await;
        let done = done.map(|_| ()).map_err(|error| meaning(context, error));
        self.noted(done)
    }

    pub(crate) async fn commit(self, work: String) -> Result<(), StoreError> {
        if self.failed {
            let context = format!("a statement of {work} failed, and the work went on as if it had not");
            return Err(StoreError::TransactionLost { context, source: None });
        }
        match self.inner.ok_or_else(foreign)?.commit().await {
            Ok(()) => Ok(()),
            // The connection broke after COMMIT was sent: whether it arrived is anybody's guess.
            Err(sqlx::Error::Io(_) | sqlx::Error::Protocol(_)) => Err(StoreError::Unknown { work }),
            Err(error) => Err(meaning(format!("committing {work}"), error)),
        }
    }

    pub(crate) async fn rollback(self) -> Result<(), StoreError> {
        self.inner.ok_or_else(foreign)?.rollback().await.map_err(|error| meaning("rolling back", error))
    }
}

fn foreign() -> StoreError {
    let context = "the work handed back another transaction than it was given".to_owned();
    StoreError::TransactionLost { context, source: None }
}

#[async_trait]
impl Tx for PgTx {
    async fn append(&mut self, messages: &[Envelope]) -> Result<(), StoreError> {
        self.touched.append(messages);
        let done = log::append(self.connection()?, messages).await;
        self.noted(done)
    }

    async fn advance(
        &mut self,
        lease: &Lease,
        to: &Cursor,
        handled: Option<&Receipt>,
    ) -> Result<(), StoreError> {
        let done = consumers::advance(self.connection()?, lease, to, handled).await;
        self.noted(done)
    }

    async fn park(&mut self, lease: &Lease, parked: &[Parked]) -> Result<(), StoreError> {
        let done = async {
            consumers::check_fence(self.connection()?, lease).await?;
            parking::park(self.connection()?, lease, parked).await
        };
        let done = done.await;
        self.noted(done)
    }

    async fn settle(&mut self, lease: &Lease, position: Position, how: &Settled) -> Result<(), StoreError> {
        let done = async {
            consumers::check_fence(self.connection()?, lease).await?;
            parking::settle(self.connection()?, lease, position, how).await?;
            consumers::clear_begun(self.connection()?, lease).await
        };
        let done = done.await;
        self.noted(done)
    }

    async fn begin_batch(&mut self, lease: &Lease, begun: &Begun) -> Result<(), StoreError> {
        let done = async {
            consumers::check_fence(self.connection()?, lease).await?;
            consumers::begin_batch(self.connection()?, lease, begun).await
        };
        let done = done.await;
        self.noted(done)
    }

    async fn record_outcome(&mut self, _outcome: &OutcomeRecord) -> Result<(), StoreError> {
        Err(not_in_the_spike("outcomes of commands"))
    }

    async fn enqueue(&mut self, _jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn claim_jobs(&mut self, _claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn claim_suspect(
        &mut self,
        _worker: WorkerId,
        _queues: &[Arc<str>],
        _names: &[Arc<str>],
        _now: Timestamp,
    ) -> Result<Option<ClaimedJob>, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn end_attempts(
        &mut self,
        _ends: &[(JobLease, JobEnd)],
        _at: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn report_progress(&mut self, _lease: &JobLease, _progress: &str) -> Result<(), StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn move_cron(&mut self, _name: &str, _from: Timestamp, _to: Timestamp) -> Result<bool, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn execute(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> Result<u64, StoreError> {
        let done = values::query(sql, params).execute(self.connection()?).await;
        let done = done.map(|done| done.rows_affected());
        self.noted(done.map_err(|error| meaning(format!("module `{}`: {sql}", scope.module), error)))
    }

    async fn fetch(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        let context = || format!("module `{}`: {sql}", scope.module);
        let rows = values::query(sql, params).fetch_all(self.connection()?).await;
        let rows = self.noted(rows.map_err(|error| meaning(context(), error)))?;
        values::rows(&rows).map_err(|error| meaning(context(), error))
    }

    async fn savepoint(&mut self) -> Result<Savepoint, StoreError> {
        self.savepoints += 1;
        let savepoint = Savepoint(self.savepoints);
        self.command(format!("SAVEPOINT tidings_{}", savepoint.0)).await?;
        Ok(savepoint)
    }

    async fn rollback_to(&mut self, Savepoint(number): Savepoint) -> Result<(), StoreError> {
        self.command(format!("ROLLBACK TO SAVEPOINT tidings_{number}")).await?;
        self.failed = false;
        self.command(format!("RELEASE SAVEPOINT tidings_{number}")).await
    }

    async fn release(&mut self, Savepoint(number): Savepoint) -> Result<(), StoreError> {
        self.command(format!("RELEASE SAVEPOINT tidings_{number}")).await
    }

    async fn undo(&mut self) -> Result<(), StoreError> {
        // The transaction is this work's alone, so all of it can go; a failed one is mended by that, too.
        self.command("ROLLBACK AND CHAIN".to_owned()).await?;
        self.failed = false;
        self.touched = Touched::default();
        Ok(())
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
