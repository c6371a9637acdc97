//! The store: connections, and transactions on them.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::str::FromStr as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgTransaction};
use sqlx::{PgPool, Row as _};
use tidings_core::envelope::Cursor;
use tidings_core::error::Error;
use tidings_core::ids::MessageId;
use tidings_core::store::{
    Batch, ConsumerSpec, Crew, Filter, Holding, Lease, Limits, Maintenance, Migration, ParkedKeys,
    ParkedMessage, Retention, Store, StoreError, Watch, Work, WorkerId,
};
use tokio::task::JoinSet;

use crate::error::{meaning, not_in_the_spike};
use crate::tail::Tail;
use crate::tell::Teller;
use crate::tx::PgTx;
use crate::watch::{Touched, Watchers};
use crate::{PostgresConfig, consumers, log, migrate, parking, workers};

/// A log in a PostgreSQL database.
pub struct PostgresStore {
    pool: PgPool,
    config: PostgresConfig,
    watchers: Arc<Watchers>,
    teller: Arc<Teller>,
    /// What looks and tells in the background; ends with the store.
    background: Mutex<JoinSet<()>>,
    /// What this process holds, to give back in order.
    held: Mutex<BTreeMap<(Arc<str>, u16), Lease>>,
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
            .options([("default_transaction_isolation", "read committed")])
            // A process that freezes inside a transaction keeps the rows it has locked, and so others from taking over.
            .options([("idle_in_transaction_session_timeout", IDLE_MAX)]);
        if let Some(schema) = &config.schema {
            options = options.options([("search_path", schema)]);
        }
        let pool = PgPoolOptions::new()
            .max_connections(config.connections_max)
            .acquire_timeout(Duration::from_secs(30))
            .connect_with(options.clone())
            .await
            .map_err(|error| meaning("connecting to PostgreSQL", error))?;
        migrate::set_up(&pool, config.schema.as_deref()).await?;
        Self::start(pool, config, options).await
    }

    async fn start(
        pool: PgPool,
        config: PostgresConfig,
        options: PgConnectOptions,
    ) -> Result<Self, StoreError> {
        let watchers = Arc::<Watchers>::default();
        let (channel, voice) = (channel(&pool).await?, MessageId::new().to_string());
        let teller = Arc::new(Teller {
            pool: pool.clone(),
            watchers: watchers.clone(),
            channel: channel.clone(),
            voice: voice.clone(),
            is_alone: AtomicBool::new(false),
        });
        let one = || {
            // Polling waits for it meanwhile.
            let patience = Duration::from_secs(1);
            PgPoolOptions::new().max_connections(1).acquire_timeout(patience).connect_lazy_with(options)
        };
        let listen = config.listen.then(|| (one(), channel));
        let tail = Tail::new(pool.clone(), watchers.clone(), config.poll_interval, voice, listen);
        let mut background = JoinSet::new();
        background.spawn(tail.run());
        background.spawn(teller.clone().run());
        let (background, held) = (Mutex::new(background), Mutex::default());
        Ok(Self { pool, config, watchers, teller, background, held })
    }

    /// Says that a transaction which this store did not run itself, a user's own, has committed, and what it has touched:
    /// who waits for that is woken at once, in all processes. Without it he finds it within the poll interval.
    pub fn committed(&self, touched: &Touched) {
        self.watchers.committed(touched);
    }

    pub(crate) fn crew_has_changed(&self) {
        self.committed(&Touched::crew());
    }

    pub(crate) fn queue_waiter(&self, queue: &str) -> Box<dyn Watch> {
        self.watchers.watch_queue(queue, self.config.poll_interval)
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<(Arc<str>, u16), Lease>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Longer than a transaction may take that is not frozen, and shorter than a lease.
const IDLE_MAX: &str = "10s";

/// Where processes tell each other that something has changed: one channel for each schema.
async fn channel(pool: &PgPool) -> Result<String, StoreError> {
    let failed = |error| meaning("asking for the schema", error);
    let row = sqlx::query("SELECT current_schema()").fetch_one(pool).await.map_err(failed)?;
    let schema: Option<String> = row.try_get(0).map_err(failed)?;
    let name = format!("tidings_{}", schema.unwrap_or_default());
    // PostgreSQL refuses longer ones.
    Ok(name.chars().take(CHANNEL_CHARS_MAX).collect())
}

const CHANNEL_CHARS_MAX: usize = 63;

#[async_trait]
impl Store for PostgresStore {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    async fn transact(&self, work: Arc<dyn Work>, limits: Limits) -> Result<(), StoreError> {
        let tx = PgTx::new(self.begin(work.as_ref(), limits, "BEGIN").await?);
        let tx = self.run(work.as_ref(), limits, tx).await?;
        let touched = tx.touched.clone();
        tx.commit(work.name()).await?;
        self.committed(&touched);
        Ok(())
    }

    async fn read(&self, work: Arc<dyn Work>, limits: Limits) -> Result<(), StoreError> {
        let statement = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let tx = PgTx::new(self.begin(work.as_ref(), limits, statement).await?);
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

    async fn register(&self, spec: &ConsumerSpec, now: Timestamp) -> Result<u16, StoreError> {
        let partitions = consumers::register(&self.pool, spec, now).await?;
        self.crew_has_changed();
        Ok(partitions)
    }

    async fn retire(&self, consumer: &str, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        consumers::retire(&self.pool, consumer, reason, now).await
    }

    fn own_tables(&self, _owners: &[(String, Vec<String>)]) {
        // The spike cannot tell who touches which table; roles and grants are PostgreSQL's way to.
    }

    async fn hold(&self, consumer: &str, partition: u16, worker: WorkerId) -> Result<Holding, StoreError> {
        let holding = consumers::hold(&self.pool, consumer, partition, worker).await?;
        let lease = holding.lease.clone();
        self.held().insert((lease.consumer.clone(), partition), lease);
        Ok(holding)
    }

    async fn give_back(&self, lease: &Lease) -> Result<(), StoreError> {
        consumers::give_back(&self.pool, lease).await?;
        let mut held = self.held();
        let place = (lease.consumer.clone(), lease.partition);
        if held.get(&place).is_some_and(|held| held.fence == lease.fence) {
            held.remove(&place);
        }
        drop(held);
        self.crew_has_changed();
        Ok(())
    }

    async fn crew(&self) -> Result<Crew, StoreError> {
        let crew = workers::crew(&self.pool).await?;
        self.teller.is_alone.store(crew.members.len() <= 1, Ordering::Relaxed);
        Ok(crew)
    }

    fn watch_crew(&self) -> Box<dyn Watch> {
        self.watchers.watch_crew()
    }

    async fn read_after(&self, cursor: &Cursor, filter: &Filter, limit: usize) -> Result<Batch, StoreError> {
        log::read_after(&self.pool, self.config.reader, cursor, filter, limit).await
    }

    async fn parked_keys(&self, consumer: &str, partition: u16) -> Result<ParkedKeys, StoreError> {
        let failed = |error| meaning("taking a connection".to_owned(), error);
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        consumers::read_parked(&mut connection, consumer, partition).await
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    async fn due(
        &self,
        consumer: &str,
        partition: u16,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ParkedMessage>, StoreError> {
        parking::due(&self.pool, consumer, partition, now, limit).await
    }

    fn watch(&self, filter: &Filter) -> Box<dyn Watch> {
        self.watchers.watch_messages(filter)
    }

    async fn acknowledge_rejection(&self, _id: MessageId) -> Result<(), StoreError> {
        Err(not_in_the_spike("rejections"))
    }

    async fn maintain(&self, _retention: &Retention, _now: Timestamp) -> Result<Maintenance, StoreError> {
        Err(not_in_the_spike("retention"))
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
        let held = std::mem::take(&mut *self.held());
        for lease in held.values() {
            consumers::give_back(&self.pool, lease).await?;
        }
        if !held.is_empty() {
            self.crew_has_changed();
        }
        // The last words are said before nobody is there to say them.
        let mut background =
            std::mem::take(&mut *self.background.lock().unwrap_or_else(PoisonError::into_inner));
        background.shutdown().await;
        if !self.pool.is_closed() {
            self.teller.tell().await;
        }
        self.pool.close().await;
        self.watchers.wake_all();
        Ok(())
    }
}
