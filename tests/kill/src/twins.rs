//! Stores with a planted bug, each of a kind that only a kill at the wrong moment brings to light.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tidings_core::envelope::Cursor;
use tidings_core::store::{JobEnd, JobLease, Lease, Limits, Receipt, Store, StoreError, Tx, Work};
use tidings_testkit::layer::{Layer, Layered};
use tidings_testkit::script::{Op, Script};
use tokio::sync::oneshot;
use tokio::task::{self, JoinSet};

use crate::plan::{Place, Twin};

/// Puts a bug around a store.
#[must_use]
pub fn plant(twin: Twin, store: Arc<dyn Store>, place: &Place) -> Arc<dyn Store> {
    match twin {
        Twin::CursorBefore => {
            Arc::new(Layered::new(store, Arc::new(CursorApart { first: true, moves: Moves::default() })))
        }
        Twin::CursorAfter => {
            Arc::new(Layered::new(store, Arc::new(CursorApart { first: false, moves: Moves::default() })))
        }
        Twin::EarlyAck => early(store, "command `"),
        Twin::EarlyFinish => early(store, FINISHES),
        Twin::FinishApart => Arc::new(Layered::new(store, Arc::new(FinishApart::default()))),
        Twin::NoFenceForPartitions => match place {
            // Nobody else can have the file.
            Place::Sqlite { .. } => store,
            Place::Postgres { url } => Arc::new(Layered::new(store, Arc::new(NoFenceForPartitions::of(url)))),
        },
        Twin::NoFence => Arc::new(Layered::new(store, Arc::new(NoFence))),
        // Not in the store, but in the application.
        Twin::KeyPerAttempt => store,
    }
}

/// The moves that transactions under way have left for later.
#[derive(Default)]
struct Moves {
    withheld: Mutex<HashMap<u64, Op>>,
    transactions: AtomicU64,
}

tokio::task_local! {
    /// Whose transaction this is. Of the work and not of its task or thread, since a store may run it where it likes.
    static TRANSACTION: u64;
}

impl Moves {
    fn withheld(&self) -> MutexGuard<'_, HashMap<u64, Op>> {
        self.withheld.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A work whose moves can be told from those of others.
    fn numbered(&self, work: Arc<dyn Work>) -> (u64, Arc<dyn Work>) {
        let number = self.transactions.fetch_add(1, Ordering::Relaxed);
        (number, Arc::new(Numbered { work, number }))
    }

    fn put(&self, op: Op) {
        // What is not numbered moves no cursor.
        let _moved = TRANSACTION.try_with(|number| self.withheld().insert(*number, op));
    }

    fn take(&self, number: u64) -> Option<Op> {
        self.withheld().remove(&number)
    }
}

struct Numbered {
    work: Arc<dyn Work>,
    number: u64,
}

#[async_trait]
impl Work for Numbered {
    fn name(&self) -> String {
        self.work.name()
    }

    fn driver(&self) -> &'static str {
        self.work.driver()
    }

    fn drains_log(&self) -> bool {
        self.work.drains_log()
    }

    async fn run(&self, tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        TRANSACTION.scope(self.number, self.work.run(tx)).await
    }
}

/// Moves cursors in a transaction of their own.
struct CursorApart {
    /// Before the effects, not after them.
    first: bool,
    moves: Moves,
}

#[async_trait]
impl Layer for CursorApart {
    async fn advance(
        &self,
        _tx: &mut dyn Tx,
        lease: &Lease,
        to: &Cursor,
        handled: Option<&Receipt>,
    ) -> Result<(), StoreError> {
        self.moves.put(Op::Advance(lease.clone(), to.clone(), handled.cloned()));
        Ok(())
    }

    async fn transact(
        &self,
        inner: &dyn Store,
        work: Arc<dyn Work>,
        limits: Limits,
    ) -> Result<(), StoreError> {
        let name = work.name();
        let (number, work) = self.moves.numbered(work);
        // What finishes a job cannot be rehearsed: its transaction is lent to a task that uses it once.
        if self.first && !name.starts_with(FINISHES) {
            // Only a rehearsal tells where the cursor will go.
            let rehearsed = inner.transact(Arc::new(Undone(work.clone())), limits).await;
            let Some(op) = self.moves.take(number) else {
                return if matches!(rehearsed, Err(StoreError::Undone)) {
                    inner.transact(work, limits).await
                } else {
                    rehearsed
                };
            };
            inner.transact(Arc::new(Script::named("the cursor", vec![op])), limits).await?;
            let done = inner.transact(work, limits).await;
            drop(self.moves.take(number));
            return done;
        }
        inner.transact(work, limits).await?;
        match self.moves.take(number) {
            Some(op) => inner.transact(Arc::new(Script::named("the cursor", vec![op])), limits).await,
            None => Ok(()),
        }
    }
}

/// Runs a work, and keeps nothing of it.
struct Undone(Arc<dyn Work>);

#[async_trait]
impl Work for Undone {
    fn name(&self) -> String {
        self.0.name()
    }

    fn driver(&self) -> &'static str {
        self.0.driver()
    }

    fn drains_log(&self) -> bool {
        self.0.drains_log()
    }

    async fn run(&self, tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let (tx, result) = self.0.run(tx).await;
        (tx, result.and(Err(StoreError::Undone)))
    }
}

/// How the names of works begin that finish jobs.
const FINISHES: &str = "job `";

/// Completes jobs in a transaction of their own, after what they write.
#[derive(Default)]
struct FinishApart {
    /// The ends of the attempts that are finishing, by the task in which they run.
    withheld: Mutex<HashMap<task::Id, Ends>>,
}

type Ends = Vec<(JobLease, JobEnd)>;

impl FinishApart {
    fn withheld(&self) -> MutexGuard<'_, HashMap<task::Id, Ends>> {
        self.withheld.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Layer for FinishApart {
    async fn end_attempts(
        &self,
        tx: &mut dyn Tx,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        let is_finishing = task::try_id().is_some_and(|task| {
            let mut withheld = self.withheld();
            let of_task = withheld.get_mut(&task);
            of_task.map(|withheld| withheld.extend_from_slice(ends)).is_some()
        });
        if is_finishing { Ok(vec![true; ends.len()]) } else { tx.end_attempts(ends, at).await }
    }

    async fn transact(
        &self,
        inner: &dyn Store,
        work: Arc<dyn Work>,
        limits: Limits,
    ) -> Result<(), StoreError> {
        let Some(task) = task::try_id().filter(|_| work.name().starts_with(FINISHES)) else {
            return inner.transact(work, limits).await;
        };
        self.withheld().insert(task, Ends::new());
        let done = inner.transact(work, limits).await;
        let ends = self.withheld().remove(&task).unwrap_or_default();
        done?;
        // Here is where a kill must fall; without this only few do.
        tokio::time::sleep(LINGERS).await;
        inner.transact(Arc::new(Ending(ends)), limits).await
    }
}

/// Ends attempts, and nothing else.
struct Ending(Ends);

#[async_trait]
impl Work for Ending {
    fn name(&self) -> String {
        "ending attempts".to_owned()
    }

    async fn run(&self, mut tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let ended = tx.end_attempts(&self.0, Timestamp::now()).await;
        (tx, ended.map(drop))
    }
}

/// Lets an attempt end that is void.
struct NoFence;

#[async_trait]
impl Layer for NoFence {
    async fn end_attempts(
        &self,
        tx: &mut dyn Tx,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        Ok(tx.end_attempts(ends, at).await?.into_iter().map(|_void| true).collect())
    }
}

/// Shows the store the newest lease on a partition, whoever moves its cursor.
struct NoFenceForPartitions(sqlx::Result<PgPool>);

impl NoFenceForPartitions {
    fn of(url: &str) -> Self {
        Self(PgPoolOptions::new().max_connections(2).connect_lazy(url))
    }

    async fn newest(&self, lease: &Lease) -> Option<Lease> {
        let sql = "SELECT fence FROM tidings_partitions WHERE consumer = $1 AND partition = $2";
        let query = sqlx::query_scalar(sql).bind(&*lease.consumer).bind(lease.partition.cast_signed());
        let fence: i64 = query.fetch_one(self.0.as_ref().ok()?).await.ok()?;
        Some(Lease { fence, ..lease.clone() })
    }
}

#[async_trait]
impl Layer for NoFenceForPartitions {
    async fn advance(
        &self,
        tx: &mut dyn Tx,
        lease: &Lease,
        to: &Cursor,
        handled: Option<&Receipt>,
    ) -> Result<(), StoreError> {
        let newest = self.newest(lease).await;
        tx.advance(newest.as_ref().unwrap_or(lease), to, handled).await
    }
}

fn early(store: Arc<dyn Store>, of: &'static str) -> Arc<dyn Store> {
    let inner = store.clone();
    Arc::new(Layered::new(store, Arc::new(EarlyAck { inner, of })))
}

/// Answers when the work has run, without waiting for its commit.
struct EarlyAck {
    inner: Arc<dyn Store>,
    /// How the names of such works begin.
    of: &'static str,
}

#[async_trait]
impl Layer for EarlyAck {
    async fn transact(
        &self,
        _inner: &dyn Store,
        work: Arc<dyn Work>,
        limits: Limits,
    ) -> Result<(), StoreError> {
        // Only of those that somebody relies on.
        if !work.name().starts_with(self.of) {
            return self.inner.transact(work, limits).await;
        }
        let (tell, told) = oneshot::channel();
        let work = Arc::new(Telling { work, tell: Mutex::new(Some(tell)) });
        let inner = self.inner.clone();
        // Until it answers it belongs to whoever waits for the answer, and is cancelled with that.
        let mut commit = JoinSet::new();
        commit.spawn(async move { inner.transact(work, limits).await });
        if told.await.is_ok() {
            commit.detach_all();
            return Ok(());
        }
        // It did not run, or did not go well.
        let committed = commit.join_next().await.and_then(Result::ok);
        committed.unwrap_or(Err(StoreError::Closed))
    }
}

/// How much later than its answer a commit comes, or than its effects a completion.
const LINGERS: Duration = Duration::from_millis(10);

/// Tells when a work has gone well.
struct Telling {
    work: Arc<dyn Work>,
    tell: Mutex<Option<oneshot::Sender<()>>>,
}

#[async_trait]
impl Work for Telling {
    fn name(&self) -> String {
        self.work.name()
    }

    fn driver(&self) -> &'static str {
        self.work.driver()
    }

    fn drains_log(&self) -> bool {
        self.work.drains_log()
    }

    async fn run(&self, tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let (tx, result) = self.work.run(tx).await;
        let tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tell) = tell.filter(|_| result.is_ok()) {
            // Whoever asked may have stopped waiting.
            let _gone = tell.send(());
            // Between the answer and the commit is where a kill must fall; without this only few do.
            tokio::time::sleep(LINGERS).await;
        }
        (tx, result)
    }
}
