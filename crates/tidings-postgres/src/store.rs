//! The store: what the runtime holds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Connection as _, Row as _};
use tidings_core::envelope::Cursor;
use tidings_core::error::Error;
use tidings_core::ids::MessageId;
use tidings_core::store::{
    Batch, ConsumerSpec, Crew, EndAndClaim, Filter, Holding, Lease, Limits, Maintenance, Migration,
    ParkedKeys, ParkedMessage, Retention, Store, StoreError, Watch, Work, WorkerId,
};
use tokio::task::JoinSet;

use crate::beats::Beats;
use crate::connect::{Doubts, Target};
use crate::error::{Sort, meaning, sort};
use crate::fullness::Fullness;
use crate::jobs::Jobs;
use crate::pool::{Alone as _, Pool};
use crate::tail::Tail;
use crate::tell::Teller;
use crate::watch::{Touched, Watchers};
use crate::{
    PostgresConfig, consumers, life, lives, log, migrate, outcomes, parking, retention, schema, workers,
};

/// Connections for [`PostgresStore::queues`], beside those of `connections_max`.
const QUEUES_CONNECTIONS: u32 = 2;

/// A log in a PostgreSQL database.
pub struct PostgresStore {
    pub(crate) pool: Pool,
    /// For ends and claims of jobs, which need not wait for handlers, nor they for them. Few, because a server's process that has
    /// just done the same does it in half the time.
    pub(crate) queues: Pool,
    pub(crate) config: PostgresConfig,
    pub(crate) doubts: Arc<Doubts>,
    pub(crate) beats: Beats,
    pub(crate) fullness: Arc<Fullness>,
    watchers: Arc<Watchers>,
    teller: Arc<Teller>,
    /// What looks and tells in the background; ends with the store.
    background: Mutex<JoinSet<()>>,
    /// The log's messages were counted since it was opened.
    pub(crate) counted_again: AtomicBool,
    /// What this process holds, to give back in order.
    held: Mutex<BTreeMap<(Arc<str>, u16), Lease>>,
    pub(crate) jobs: Arc<Jobs>,
}

impl PostgresStore {
    /// Connects, and makes Tidings' tables or brings them up to date, if [`PostgresConfig::auto_migrate`] says so.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where the URL does not parse, the server cannot be reached or is too old, or lets this role
    /// not in; [`StoreError::NewerSchema`], [`StoreError::NotMigrated`], or that the role may not make tables. Each says
    /// what to do, and none shows the password.
    pub async fn open(config: PostgresConfig) -> Result<Self, StoreError> {
        let target = Target::of(&config)?;
        let mut connection = target.connect(config.acquire_timeout).await?;
        schema::ready(&mut connection, &config, &target).await?;
        // It has answered; how it takes the farewell changes nothing.
        drop(connection.close().await);
        Self::start(target, config).await
    }

    async fn start(target: Target, config: PostgresConfig) -> Result<Self, StoreError> {
        let doubts = Arc::<Doubts>::default();
        let pool = target.pool(&config, config.connections_max, &doubts);
        let queues = target.pool(&config, QUEUES_CONNECTIONS, &doubts);
        life::begin(&pool).await?;
        let watchers = Arc::<Watchers>::default();
        let (channel, voice) = (channel(&pool).await?, MessageId::new().to_string());
        let teller = Arc::new(Teller {
            pool: pool.clone(),
            watchers: watchers.clone(),
            channel: channel.clone(),
            voice: voice.clone(),
            own: AtomicI64::default(),
            is_alone: AtomicBool::new(false),
        });
        let listens = config.listen && !config.behind_pooler;
        let listen = listens.then(|| (target.single(), channel));
        let tail = Tail::new(pool.clone(), watchers.clone(), config.poll_interval, voice, listen);
        let mut background = JoinSet::new();
        background.spawn(tail.run());
        background.spawn(teller.clone().run());
        Ok(Self {
            pool,
            queues,
            config,
            doubts,
            beats: Beats::new(target),
            fullness: Arc::default(),
            watchers,
            teller,
            background: Mutex::new(background),
            counted_again: AtomicBool::new(false),
            held: Mutex::default(),
            jobs: Arc::default(),
        })
    }

    /// Says that a transaction which this store did not run itself, a user's own, has committed, and what it has touched:
    /// who waits for that is woken at once, in all processes. Without it he finds it within the poll interval.
    pub fn committed(&self, touched: &Touched) {
        self.watchers.committed(touched);
    }

    /// Takes note of the worker that this process has become.
    pub(crate) fn is_enlisted_as(&self, worker: WorkerId) {
        self.teller.own.store(worker.0, Ordering::Relaxed);
    }

    pub(crate) fn crew_has_changed(&self) {
        self.committed(&Touched::crew());
    }

    pub(crate) fn queue_waiter(&self, queue: &str) -> Box<dyn Watch> {
        self.watchers.watch_queue(queue)
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<(Arc<str>, u16), Lease>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the answer to a question of the store's own, but not for ever: a network that swallows packets tells
    /// nobody. The connection is closed with the question.
    pub(crate) async fn answer<T>(
        &self,
        what: &str,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let within = self.config.answer_timeout;
        let mut question = std::pin::pin!(question);
        match tokio::time::timeout(within + self.config.acquire_timeout, &mut question).await {
            Ok(answer) => answer,
            Err(_elapsed) => {
                // Before the question is dropped: its connection is asked then whether it still answers.
                self.doubts.lost();
                let context = format!("{what}: the server has not answered within {within:?}");
                Err(StoreError::Busy { context, source: None })
            }
        }
    }
}

impl PostgresStore {
    /// Wakes everybody in this process who waits for something to be written, and has other processes look for messages. For
    /// transactions that this store does not see commit; without it they are found within the poll interval.
    pub fn wake(&self) {
        self.watchers.wake_all();
        self.watchers.tell_of_messages();
    }

    pub(crate) fn fullness(&self) -> &Fullness {
        &self.fullness
    }

    pub(crate) fn schema(&self) -> Option<&str> {
        self.config.schema.as_deref()
    }
}

/// Where processes tell each other that something has changed: one channel for each schema.
async fn channel(pool: &Pool) -> Result<String, StoreError> {
    let failed = |error| meaning("asking for the schema", error);
    let row = sqlx::query("SELECT current_schema()").one(pool).await.map_err(failed)?;
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
        let touched = self.write(work.as_ref(), limits).await?;
        self.committed(&touched);
        Ok(())
    }

    fn at_once(&self) -> Option<&dyn EndAndClaim> {
        Some(self)
    }

    async fn read(&self, work: Arc<dyn Work>, limits: Limits) -> Result<(), StoreError> {
        self.look(work.as_ref(), limits).await
    }

    async fn migrate(
        &self,
        module: &str,
        migrations: &[Migration],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        migrate::migrate(&self.pool, self.config.auto_migrate, module, migrations, now).await
    }

    async fn register(&self, spec: &ConsumerSpec, now: Timestamp) -> Result<u16, StoreError> {
        let registering = lives::register(&self.pool, spec, now);
        let partitions = self.answer("registering a consumer", registering).await?;
        // It may stand before all others.
        self.fullness.forget();
        self.crew_has_changed();
        Ok(partitions)
    }

    async fn retire(&self, consumer: &str, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        self.answer("retiring a consumer", lives::retire(&self.pool, consumer, reason, now)).await
    }

    fn own_tables(&self, _owners: &[(String, Vec<String>)]) {
        // Who touches which table only the server's parser can tell; roles and grants are PostgreSQL's way to keep them apart.
    }

    async fn hold(&self, consumer: &str, partition: u16, worker: WorkerId) -> Result<Holding, StoreError> {
        let holding = consumers::hold(&self.pool, consumer, partition, worker);
        let holding = self.answer("holding a consumer", holding).await?;
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
        self.teller.looks_at(&crew);
        Ok(crew)
    }

    fn watch_crew(&self) -> Box<dyn Watch> {
        self.watchers.watch_crew()
    }

    async fn read_after(&self, cursor: &Cursor, filter: &Filter, limit: usize) -> Result<Batch, StoreError> {
        let reading = log::read_after(&self.pool, self.config.reader, cursor, filter, limit);
        self.answer("reading the log", reading).await
    }

    async fn parked_keys(&self, consumer: &str, partition: u16) -> Result<ParkedKeys, StoreError> {
        let failed = |error| meaning("taking a connection".to_owned(), error);
        let mut connection = self.pool.lone().await.map_err(failed)?;
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
        let due = parking::due(&self.pool, consumer, partition, now, limit);
        self.answer("looking for due messages", due).await
    }

    fn watch(&self, filter: &Filter) -> Box<dyn Watch> {
        self.watchers.watch_messages(filter)
    }

    async fn acknowledge_rejection(&self, id: MessageId) -> Result<(), StoreError> {
        outcomes::acknowledge(&self.pool, id).await
    }

    async fn maintain(&self, retention: &Retention, now: Timestamp) -> Result<Maintenance, StoreError> {
        retention::maintain(self, retention, now).await
    }

    fn is_transient(&self, error: &Error) -> bool {
        let by_store = error.find::<StoreError>().is_some_and(StoreError::is_transient);
        let by_driver = error.find::<sqlx::Error>().map(sort);
        by_store || matches!(by_driver, Some(Sort::Conflict | Sort::Lost | Sort::Stale | Sort::Busy))
    }

    fn is_store_trouble(&self, error: &Error) -> bool {
        // What this store has classified it has looked at more closely: a query that writes is read-only, too.
        match error.find::<StoreError>() {
            Some(error) => error.is_trouble_of_the_store(),
            None => matches!(
                error.find::<sqlx::Error>().map(sort),
                Some(Sort::Full | Sort::Io | Sort::Corrupt | Sort::ReadOnly)
            ),
        }
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
        self.beats.close().await;
        self.queues.close().await;
        self.pool.close().await;
        self.watchers.wake_all();
        Ok(())
    }
}
