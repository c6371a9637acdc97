//! The store: what the runtime holds.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Connection as _, PgPool};
use tidings_core::envelope::Cursor;
use tidings_core::error::Error;
use tidings_core::ids::MessageId;
use tidings_core::store::{
    Batch, ConsumerSpec, Filter, Holding, Lease, Limits, Maintenance, Migration, ParkedKeys, ParkedMessage,
    Retention, Store, StoreError, Watch, Work,
};
use tokio::sync::watch;

use crate::connect::{Doubts, Target};
use crate::error::{Sort, meaning, sort};
use crate::fullness::Fullness;
use crate::watch::Waiter;
use crate::{PostgresConfig, consumers, lives, log, migrate, outcomes, parking, retention, schema};

/// A log in a PostgreSQL database.
pub struct PostgresStore {
    pub(crate) pool: PgPool,
    pub(crate) config: PostgresConfig,
    pub(crate) doubts: Arc<Doubts>,
    pub(crate) fullness: Arc<Fullness>,
    pub(crate) commits: watch::Sender<u64>,
    /// The log's messages were counted since it was opened.
    pub(crate) counted_again: AtomicBool,
    /// What this process holds, to give back in order.
    held: Mutex<BTreeMap<Arc<str>, Lease>>,
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
        let doubts = Arc::<Doubts>::default();
        let pool = target.pool(&config, doubts.clone());
        let fullness = Arc::default();
        Ok(Self {
            pool,
            config,
            doubts,
            fullness,
            commits: watch::Sender::new(0),
            counted_again: AtomicBool::new(false),
            held: Mutex::default(),
        })
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Waits for the answer to a question of the store's own, but not for ever: a network that swallows packets tells
    /// nobody. The connection is closed with the question.
    async fn answer<T>(
        &self,
        what: &str,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let within = self.config.answer_timeout;
        match tokio::time::timeout(within + self.config.acquire_timeout, question).await {
            Ok(answer) => answer,
            Err(_elapsed) => {
                let context = format!("{what}: the server has not answered within {within:?}");
                Err(StoreError::Busy { context, source: None })
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
        if self.write(work.as_ref(), limits).await? {
            self.commits.send_modify(|count| *count += 1);
        }
        Ok(())
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

    async fn register(&self, spec: &ConsumerSpec, now: Timestamp) -> Result<(), StoreError> {
        self.answer("registering a consumer", lives::register(&self.pool, spec, now)).await?;
        // It may stand before all others.
        self.fullness.forget();
        Ok(())
    }

    async fn retire(&self, consumer: &str, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        self.answer("retiring a consumer", lives::retire(&self.pool, consumer, reason, now)).await
    }

    fn own_tables(&self, _owners: &[(String, Vec<String>)]) {
        // Who touches which table only the server's parser can tell; roles and grants are PostgreSQL's way to keep them apart.
    }

    async fn hold(&self, consumer: &str) -> Result<Holding, StoreError> {
        let holding = self.answer("holding a consumer", consumers::hold(&self.pool, consumer)).await?;
        let lease = holding.lease.clone();
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(lease.consumer.clone(), lease);
        Ok(holding)
    }

    async fn read_after(&self, cursor: &Cursor, filter: &Filter, limit: usize) -> Result<Batch, StoreError> {
        let reading = log::read_after(&self.pool, self.config.reader, cursor, filter, limit);
        self.answer("reading the log", reading).await
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
        self.answer("looking for due messages", parking::due(&self.pool, consumer, now, limit)).await
    }

    fn watch(&self, _filter: &Filter) -> Box<dyn Watch> {
        self.waiter()
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
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        for lease in held.values() {
            consumers::give_back(&self.pool, lease).await?;
        }
        self.pool.close().await;
        Ok(())
    }
}
