//! The store: connections, and transactions on them.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgTransaction};
use tidings_core::envelope::Cursor;
use tidings_core::error::Error;
use tidings_core::ids::MessageId;
use tidings_core::store::{
    Batch, Claim, Claimed, ConsumerSpec, Filter, Holding, JobEnd, JobLease, Lease, Limits, Maintenance,
    Migration, ParkedKeys, ParkedMessage, Retention, Store, StoreError, Watch, Work,
};
use tokio::sync::watch;

use crate::error::{meaning, not_in_the_spike};
use crate::jobs::Jobs;
use crate::tx::PgTx;
use crate::watch::Waiter;
use crate::{PostgresConfig, consumers, log, migrate, parking};

/// A log in a PostgreSQL database.
pub struct PostgresStore {
    pool: PgPool,
    config: PostgresConfig,
    commits: watch::Sender<u64>,
    /// What this process holds, to give back in order.
    held: Mutex<BTreeMap<Arc<str>, Lease>>,
    jobs: Arc<Jobs>,
}

impl PostgresStore {
    /// Connects, and makes the log's tables if they are not there.
    ///
    /// # Errors
    /// If the URL does not parse, the server cannot be reached, or the tables cannot be made.
    pub async fn open(config: PostgresConfig) -> Result<Self, StoreError> {
        let mut options = PgConnectOptions::from_str(&config.url)
            .map_err(|error| meaning("reading the database's URL", error))?
            // The suites and the reasoning in cursor.rs hold for this level, whatever the server's default is.
            .options([("default_transaction_isolation", "read committed")]);
        if let Some(schema) = &config.schema {
            options = options.options([("search_path", schema)]);
        }
        let pool = PgPoolOptions::new()
            .max_connections(config.connections_max)
            .acquire_timeout(Duration::from_secs(30))
            .connect_with(options)
            .await
            .map_err(|error| meaning("connecting to PostgreSQL", error))?;
        migrate::set_up(&pool, config.schema.as_deref()).await?;
        Ok(Self {
            pool,
            config,
            commits: watch::Sender::new(0),
            held: Mutex::default(),
            jobs: Arc::default(),
        })
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    pub(crate) fn poll_interval(&self) -> Duration {
        self.config.poll_interval
    }

    /// Begins a transaction on a connection of its own, within the time the work may wait.
    async fn begin(
        &self,
        work: &dyn Work,
        limits: Limits,
        statement: &'static str,
    ) -> Result<PgTransaction<'static>, StoreError> {
        if work.driver() != "native" {
            return Err(not_in_the_spike(&format!("works on driver `{}`", work.driver())));
        }
        let started = Instant::now();
        let begin = self.pool.begin_with(statement);
        let begun = match limits.wait {
            Some(wait) => tokio::time::timeout(wait, begin).await,
            None => Ok(begin.await),
        };
        let begun = begun.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        begun.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => StoreError::Timeout {
                work: work.name(),
                waited: started.elapsed(),
                waited_for: Some("a connection, of which all are busy".to_owned()),
            },
            other => meaning(format!("beginning {}", work.name()), other),
        })
    }

    /// Runs a work against a transaction. When it fails, panics or takes too long, the transaction is rolled back.
    async fn run(&self, work: &dyn Work, limits: Limits, tx: PgTx) -> Result<PgTx, StoreError> {
        let running = AssertUnwindSafe(work.run(Box::new(tx))).catch_unwind();
        let Ok(ended) = tokio::time::timeout(limits.budget, running).await else {
            return Err(StoreError::Budget { work: work.name(), budget: limits.budget });
        };
        let (tx, result) = ended.map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            StoreError::Panicked { work: work.name(), message: text.to_owned() }
        })?;
        let tx = PgTx::take(tx)?;
        match result {
            Ok(()) => Ok(tx),
            Err(error) => {
                tx.rollback().await?;
                Err(error)
            }
        }
    }
}

impl PostgresStore {
    pub(crate) fn waiter(&self) -> Box<dyn Watch> {
        Box::new(Waiter { commits: self.commits.subscribe(), poll_interval: self.config.poll_interval })
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    async fn transact(&self, work: Arc<dyn Work>, limits: Limits) -> Result<(), StoreError> {
        let tx = PgTx::new(self.begin(work.as_ref(), limits, "BEGIN").await?, self.jobs.clone());
        let mut tx = self.run(work.as_ref(), limits, tx).await?;
        let (appended, queues) = (tx.appended, std::mem::take(&mut tx.queues));
        tx.commit(work.name()).await?;
        if appended {
            self.commits.send_modify(|count| *count += 1);
        }
        self.jobs.watchers.wake(queues.iter().map(|queue| &**queue));
        Ok(())
    }

    async fn end_and_claim(
        &self,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
        claim: Option<&Claim<'_>>,
    ) -> Result<(Vec<bool>, Claimed), StoreError> {
        self.end_and_claim_at_once(ends, at, claim).await
    }

    async fn read(&self, work: Arc<dyn Work>, limits: Limits) -> Result<(), StoreError> {
        let statement = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let tx = PgTx::new(self.begin(work.as_ref(), limits, statement).await?, self.jobs.clone());
        self.run(work.as_ref(), limits, tx).await?.rollback().await
    }

    async fn migrate(
        &self,
        module: &str,
        migrations: &[Migration],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        migrate::migrate(&self.pool, module, migrations, now).await
    }

    async fn register(&self, spec: &ConsumerSpec, now: Timestamp) -> Result<(), StoreError> {
        consumers::register(&self.pool, spec, now).await
    }

    async fn retire(&self, consumer: &str, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        consumers::retire(&self.pool, consumer, reason, now).await
    }

    fn own_tables(&self, _owners: &[(String, Vec<String>)]) {
        // The spike cannot tell who touches which table; roles and grants are PostgreSQL's way to.
    }

    async fn hold(&self, consumer: &str) -> Result<Holding, StoreError> {
        let holding = consumers::hold(&self.pool, consumer).await?;
        let lease = holding.lease.clone();
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(lease.consumer.clone(), lease);
        Ok(holding)
    }

    async fn read_after(&self, cursor: &Cursor, filter: &Filter, limit: usize) -> Result<Batch, StoreError> {
        log::read_after(&self.pool, self.config.reader, cursor, filter, limit).await
    }

    async fn parked_keys(&self, consumer: &str) -> Result<ParkedKeys, StoreError> {
        let failed = |error| meaning("taking a connection".to_owned(), error);
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        consumers::read_parked(&mut connection, consumer).await
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    async fn due(
        &self,
        consumer: &str,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ParkedMessage>, StoreError> {
        parking::due(&self.pool, consumer, now, limit).await
    }

    fn watch(&self, _filter: &Filter) -> Box<dyn Watch> {
        self.waiter()
    }

    async fn acknowledge_rejection(&self, _id: MessageId) -> Result<(), StoreError> {
        Err(not_in_the_spike("rejections"))
    }

    async fn maintain(&self, retention: &Retention, now: Timestamp) -> Result<Maintenance, StoreError> {
        let jobs_deleted = crate::jobs::delete_ended(&self.pool, retention, now).await?;
        Ok(Maintenance { jobs_deleted, ..Maintenance::default() })
    }

    fn is_transient(&self, error: &Error) -> bool {
        let by_store = error.find::<StoreError>().is_some_and(StoreError::is_transient);
        let code = error.find::<sqlx::Error>().and_then(|error| error.as_database_error()?.code());
        by_store || code.is_some_and(|code| matches!(&*code, "40001" | "40P01"))
    }

    fn is_store_trouble(&self, error: &Error) -> bool {
        let by_store = error.find::<StoreError>().is_some_and(StoreError::is_trouble_of_the_store);
        let code = error.find::<sqlx::Error>().and_then(|error| error.as_database_error()?.code());
        // Out of disk or memory, an error of the system underneath, damaged data.
        by_store || code.is_some_and(|code| matches!(&*code, "53100" | "53200" | "58000" | "58030" | "XX001"))
    }

    async fn close(&self) -> Result<(), StoreError> {
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        for lease in held.values() {
            consumers::give_back(&self.pool, lease).await?;
        }
        self.pool.close().await;
        Ok(())
    }
}
