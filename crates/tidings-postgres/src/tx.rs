//! One transaction on a connection of its own.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgTransactionManager;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Postgres, SqlSafeStr as _};
use sqlx_core::transaction::TransactionManager as _;
use tidings_core::envelope::{Cursor, Envelope, Position};
use tidings_core::store::{
    Begun, Claim, Claimed, ClaimedJob, Enqueued, JobEnd, JobLease, Lease, NewJob, OutcomeRecord, Parked,
    Receipt, Savepoint, Settled, StoreError, TableScope, Tx, WorkerId,
};
use tidings_core::value::{Row, Value};

use crate::error::{Sort, is_definite, meaning, shorten, sort};
use crate::fullness::Fullness;
use crate::watch::Touched;
use crate::{check_statement, consumers, jobs, log, outcomes, parking, values};

/// What the store keeps to itself about a transaction that it has lent.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    /// A statement failed and nothing was rolled back since. PostgreSQL then answers COMMIT with a rollback and no
    /// error, so a work that swallowed the failure would be told that it committed.
    failed: bool,
    /// Statements ran whose end nobody here has seen; see typed.rs.
    pub(crate) doubtful: bool,
    /// The work got in another's way, or its connection is gone: it may run again, whatever it made of that itself.
    pub(crate) again: Option<Again>,
    /// What others may wait for, once it has committed.
    pub(crate) touched: Touched,
}

/// Why a work may run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It got in another's way.
    Conflict,
    /// Its connection is gone.
    Lost,
    /// What its connection had prepared is of no use any more.
    Stale,
}

/// An open transaction of the store's, as the port lends it: it can be had from a [`Tx`] by
/// [`as_any_mut`](Tx::as_any_mut). Dropping it closes its connection, since nobody knows what it was in the middle of; the server then
/// rolls back.
pub struct PgTx {
    /// Taken out at the end: the port hands the transaction back in a box that only lends it.
    inner: Option<PoolConnection<Postgres>>,
    fullness: Arc<Fullness>,
    /// Appends are accepted at the hard limit, too.
    drains_log: bool,
    /// Nothing may be written, by the user's own wish.
    reads_only: bool,
    savepoints: u32,
    jobs: Arc<jobs::Jobs>,
    pub(crate) kept: Kept,
}

/// What a transaction is opened for.
#[derive(Clone)]
pub(crate) struct Purpose {
    pub(crate) begin: String,
    pub(crate) fullness: Arc<Fullness>,
    pub(crate) jobs: Arc<jobs::Jobs>,
    pub(crate) drains_log: bool,
    pub(crate) reads_only: bool,
}

impl PgTx {
    /// Begins a transaction. A connection on which that fails is closed.
    pub(crate) async fn begin(
        mut connection: PoolConnection<Postgres>,
        purpose: Purpose,
    ) -> Result<Self, sqlx::Error> {
        let begin = AssertSqlSafe(purpose.begin).into_sql_str();
        if let Err(error) = PgTransactionManager::begin(&mut connection, Some(begin)).await {
            connection.close_on_drop();
            return Err(error);
        }
        Ok(Self {
            inner: Some(connection),
            fullness: purpose.fullness,
            jobs: purpose.jobs,
            drains_log: purpose.drains_log,
            reads_only: purpose.reads_only,
            savepoints: 0,
            kept: Kept::default(),
        })
    }

    /// Takes the transaction out of its box, if it is one of this store's and was not taken before.
    pub(crate) fn take(mut boxed: Box<dyn Tx>) -> Result<Self, StoreError> {
        let tx = boxed.as_any_mut().downcast_mut::<Self>().ok_or_else(foreign)?;
        Ok(Self {
            inner: Some(tx.inner.take().ok_or_else(foreign)?),
            fullness: tx.fullness.clone(),
            jobs: tx.jobs.clone(),
            drains_log: tx.drains_log,
            reads_only: tx.reads_only,
            savepoints: tx.savepoints,
            kept: tx.kept.clone(),
        })
    }

    fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.inner.as_deref_mut().ok_or_else(foreign)
    }

    /// The connection, and what is kept.
    pub(crate) fn parts(&mut self) -> Result<(&mut PgConnection, &mut Kept), StoreError> {
        Ok((self.inner.as_deref_mut().ok_or_else(foreign)?, &mut self.kept))
    }

    /// Takes note of a failure. Errors that the database has no part in leave the transaction as it was.
    fn noted<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let harmless = |error: &StoreError| {
            matches!(
                error,
                StoreError::Fenced { .. }
                    | StoreError::NotFound { .. }
                    | StoreError::IdempotencyKeyUsed
                    | StoreError::LogFull { .. }
            )
        };
        if let Err(error) = &result {
            self.kept.failed |= !harmless(error);
            self.kept.again = self.kept.again.or_else(|| again(error));
        }
        // A query that writes is to blame itself, and no other store would let it.
        result.map_err(|error| match error {
            StoreError::ReadOnly { source: Some(source), .. } if self.reads_only => {
                StoreError::Sql { context: "a query may not write".to_owned(), source }
            }
            other => other,
        })
    }

    /// What failed has been rolled back, so the transaction is as good as before.
    fn mended(&mut self) {
        self.kept.failed = false;
        self.kept.again = None;
    }

    async fn command(&mut self, sql: String) -> Result<(), StoreError> {
        let context = sql.clone();
        let done = self.connection()?.execute(AssertSqlSafe(sql)).await;
        let done = done.map(|_| ()).map_err(|error| meaning(context, error));
        self.noted(done)
    }

    /// Refuses an append while the log is full.
    async fn room(&mut self) -> Result<(), StoreError> {
        if self.drains_log {
            return Ok(());
        }
        let fullness = self.fullness.clone();
        fullness.check(self.connection()?).await
    }

    /// Commits. Where no answer comes, or the session is ended before it does, what became of it is not known.
    pub(crate) async fn commit(mut self, work: String, within: Duration) -> Result<(), StoreError> {
        if self.kept.failed {
            self.rollback().await;
            let context = format!("a statement of {work} failed, and the work went on as if it had not");
            return Err(StoreError::TransactionLost { context, source: None });
        }
        if let Err(error) = self.check_doubtful(&work).await {
            self.rollback().await;
            return Err(error);
        }
        let committed = tokio::time::timeout(within, PgTransactionManager::commit(self.connection()?)).await;
        match committed {
            Ok(Ok(())) => {
                self.inner = None;
                Ok(())
            }
            Ok(Err(error)) if is_definite(&error) => {
                // The server has done so already. The driver does not know.
                self.rollback().await;
                Err(meaning(format!("committing {work}"), error))
            }
            // The connection broke after COMMIT was sent: whether it arrived is anybody's guess.
            Ok(Err(error)) => {
                tracing::warn!(work, error = %error, "the connection was lost during a commit");
                Err(StoreError::Unknown { work })
            }
            Err(_elapsed) => Err(StoreError::Unknown { work }),
        }
    }

    /// Rolls back, and gives the connection to the next. Where that fails it is closed, which undoes as much.
    pub(crate) async fn rollback(&mut self) {
        const ROLLBACK_WAIT: Duration = Duration::from_secs(2);
        let Ok(connection) = self.connection() else { return };
        let rolled_back =
            tokio::time::timeout(ROLLBACK_WAIT, PgTransactionManager::rollback(connection)).await;
        if let Ok(Ok(())) = rolled_back {
            self.inner = None;
        }
    }
}

impl Drop for PgTx {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.inner {
            connection.close_on_drop();
        }
    }
}

/// Whether an error of this store says that the work may run again.
fn again(error: &StoreError) -> Option<Again> {
    let StoreError::Busy { source: Some(source), .. } = error else { return None };
    again_of(source.downcast_ref()?)
}

/// The same of an error of the driver's.
pub(crate) fn again_of(error: &sqlx::Error) -> Option<Again> {
    match sort(error) {
        Sort::Conflict => Some(Again::Conflict),
        Sort::Lost => Some(Again::Lost),
        Sort::Stale => Some(Again::Stale),
        _ => None,
    }
}

fn foreign() -> StoreError {
    let context = "the work handed back another transaction than it was given".to_owned();
    StoreError::TransactionLost { context, source: None }
}

#[async_trait]
impl Tx for PgTx {
    async fn append(&mut self, messages: &[Envelope]) -> Result<(), StoreError> {
        let done = async {
            self.room().await?;
            log::append(self.connection()?, messages).await
        };
        let done = done.await;
        let newest = self.noted(done)?;
        self.kept.touched.append(messages);
        self.fullness.appended(newest);
        Ok(())
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

    async fn record_outcome(&mut self, outcome: &OutcomeRecord) -> Result<(), StoreError> {
        let done = outcomes::record(self.connection()?, outcome).await;
        self.noted(done)
    }

    async fn conclude(&mut self, messages: &[Envelope], outcome: &OutcomeRecord) -> Result<(), StoreError> {
        let done = async {
            if !messages.is_empty() {
                self.room().await?;
            }
            outcomes::conclude(self.connection()?, messages, outcome).await
        };
        let done = done.await;
        let newest = self.noted(done)?;
        self.kept.touched.append(messages);
        self.fullness.appended(newest);
        Ok(())
    }

    async fn enqueue(&mut self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        let done = jobs::enqueue(self.connection()?, jobs).await;
        for queue in jobs::queues_of(jobs) {
            self.kept.touched.queue(&queue);
        }
        self.noted(done)
    }

    async fn claim_jobs(&mut self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let in_memory = self.jobs.clone();
        let done = jobs::claim_jobs(self.connection()?, &in_memory.sweeps, claim).await;
        self.noted(done)
    }

    async fn claim_suspect(
        &mut self,
        worker: WorkerId,
        queues: &[(Arc<str>, Option<u32>)],
        names: &[Arc<str>],
        now: Timestamp,
    ) -> Result<Option<ClaimedJob>, StoreError> {
        let done = jobs::claim_suspect(self.connection()?, worker, queues, names, now).await;
        self.noted(done)
    }

    async fn end_attempts(
        &mut self,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        let done = jobs::end_attempts(self.connection()?, ends, at).await;
        let (good, queues) = self.noted(done)?;
        for queue in &queues {
            self.kept.touched.queue(queue);
        }
        Ok(good)
    }

    async fn report_progress(&mut self, lease: &JobLease, progress: &str) -> Result<(), StoreError> {
        let done = jobs::report_progress(self.connection()?, lease, progress).await;
        self.noted(done)
    }

    async fn move_cron(&mut self, name: &str, from: Timestamp, to: Timestamp) -> Result<bool, StoreError> {
        let done = jobs::move_cron(self.connection()?, name, from, to).await;
        self.noted(done)
    }

    async fn execute(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> Result<u64, StoreError> {
        check_statement(scope.module, sql)?;
        let done = values::query(sql, params).execute(self.connection()?).await;
        let done = done.map(|done| done.rows_affected());
        self.noted(done.map_err(|error| values::failed(scope.module, sql, params, error)))
    }

    async fn fetch(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        check_statement(scope.module, sql)?;
        let rows = values::query(sql, params).fetch_all(self.connection()?).await;
        let rows = self.noted(rows.map_err(|error| values::failed(scope.module, sql, params, error)))?;
        // Not noted: the statement has succeeded, and the transaction is as good as before.
        values::rows(&rows).map_err(|source| StoreError::Sql {
            context: format!("module `{}`: {}", scope.module, shorten(sql)),
            source: source.into(),
        })
    }

    async fn savepoint(&mut self) -> Result<Savepoint, StoreError> {
        self.savepoints += 1;
        let savepoint = Savepoint(self.savepoints);
        self.command(format!("SAVEPOINT tidings_{}", savepoint.0)).await?;
        Ok(savepoint)
    }

    async fn rollback_to(&mut self, Savepoint(number): Savepoint) -> Result<(), StoreError> {
        self.command(format!("ROLLBACK TO SAVEPOINT tidings_{number}")).await?;
        self.mended();
        self.command(format!("RELEASE SAVEPOINT tidings_{number}")).await
    }

    async fn release(&mut self, Savepoint(number): Savepoint) -> Result<(), StoreError> {
        self.command(format!("RELEASE SAVEPOINT tidings_{number}")).await
    }

    async fn undo(&mut self) -> Result<(), StoreError> {
        // The transaction is this work's alone, so all of it can go; a failed one is mended by that, too.
        self.command("ROLLBACK AND CHAIN".to_owned()).await?;
        self.mended();
        self.kept.touched = Touched::default();
        Ok(())
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
