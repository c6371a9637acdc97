//! A connection of sqlx with the store's hooks, and the control of its transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqlSafeStr, SqlStr, SqliteConnection};
use tidings_core::store::{StoreError, Tx};
use tokio::sync::{Mutex, MutexGuard};

use super::driver::SqlxDriver;
use super::nesting;
use crate::config::{SqliteConfig, Synchronous};
use crate::env::Env;
use crate::error::{EndedBy, from_sqlx};
use crate::job::Job;
use crate::native::{PROGRESS_STEPS, lost};
use crate::open::KEEP_SAVEPOINTS_IN_MEMORY;
use crate::tx::SqliteTx;
use crate::wake::Topic;
use crate::watchdog::Slot;
use crate::writer::{Driver, Turn, Writer, commit_error};

/// One connection, opened when it is first needed.
pub(crate) struct Typed {
    pub(crate) env: Arc<Env>,
    pub(crate) slot: Arc<Slot>,
    options: SqliteConnectOptions,
    /// Restores what a work's own PRAGMA may have left on the connection, and begins, in one hop.
    begin: SqlStr,
    begin_read: SqlStr,
    inner: Arc<Mutex<Inner>>,
    pub(crate) flags: Arc<Flags>,
}

pub(crate) struct Inner {
    /// Present while a transaction is lent.
    pub(crate) connection: Option<SqliteConnection>,
    pub(crate) nested: bool,
    /// Counts how often it was lent and taken back, so that who has kept a transaction does not get at the next one.
    pub(crate) lending: u64,
    pub(crate) topics: Vec<Topic>,
    /// The trouble of the database that ended the lent transaction.
    pub(crate) ended_by: Option<EndedBy>,
}

#[derive(Default)]
pub(crate) struct Flags {
    /// Set while the writer itself commits; at any other time a commit is a work's own and is refused.
    committing: AtomicBool,
    /// The transaction was ended by something else than its owner.
    lost: AtomicBool,
}

impl Flags {
    pub(crate) fn begin(&self) {
        self.lost.store(false, Relaxed);
    }

    pub(crate) fn lose(&self) {
        self.lost.store(true, Relaxed);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Relaxed)
    }
}

impl Typed {
    pub(crate) fn new(config: &SqliteConfig, env: Arc<Env>, slot: Arc<Slot>, read_only: bool) -> Self {
        let inner = Inner { connection: None, nested: false, lending: 0, topics: Vec::new(), ended_by: None };
        Self {
            env,
            slot,
            options: options(config, read_only),
            begin: begin_sql(config, "OFF", "BEGIN IMMEDIATE"),
            begin_read: begin_sql(config, "ON", "BEGIN"),
            inner: Arc::new(Mutex::new(inner)),
            flags: Arc::default(),
        }
    }

    /// Waits until whoever borrowed the connection has given it back.
    pub(crate) async fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().await
    }

    /// Whether somebody has the connection just now.
    pub(super) fn is_borrowed(&self) -> bool {
        self.inner.try_lock().is_err()
    }

    pub(crate) fn shared(&self) -> Arc<Mutex<Inner>> {
        self.inner.clone()
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> Result<(), StoreError> {
        self.begin_with(&self.begin).await
    }

    async fn begin_with(&self, sql: &SqlStr) -> Result<(), StoreError> {
        let mut inner = self.lock().await;
        if inner.connection.is_none() {
            inner.connection = Some(self.connect().await.map_err(|error| self.explain("connecting", error))?);
        }
        self.flags.begin();
        // Through sqlx's own transaction manager, so that a user's `begin()` inside becomes a savepoint.
        let begun = nesting::begin(connected(&mut inner)?, sql.clone()).await;
        begun.map_err(|error| self.explain("beginning a transaction", error))
    }

    pub(crate) async fn commit(&self) -> Result<(), StoreError> {
        let mut inner = self.lock().await;
        let connection = connected(&mut inner)?;
        self.flags.committing.store(true, Relaxed);
        let committed = nesting::commit(connection).await;
        self.flags.committing.store(false, Relaxed);
        committed.map_err(|error| self.explain("COMMIT", error))
    }

    /// Commits what was lent to a caller, and wakes those who wait for its messages.
    pub(crate) async fn commit_lent(&self, name: &str) -> Result<(), StoreError> {
        if self.flags.is_lost() {
            return Err(lost("a statement in it ended it before", None));
        }
        self.settle().await?;
        self.commit().await.map_err(|error| commit_error(name.to_owned(), error))?;
        self.env.counters.committed(1);
        let appended = std::mem::take(&mut self.lock().await.topics);
        self.env.watchers.notify(&appended);
        Ok(())
    }

    /// Ends the transaction. A connection that lost it is replaced: sqlx still counts itself inside one.
    pub(crate) async fn rollback(&self) -> Result<(), StoreError> {
        let mut inner = self.lock().await;
        inner.topics.clear();
        let Some(mut connection) = inner.connection.take() else { return Ok(()) };
        if self.flags.is_lost() {
            return Ok(());
        }
        let ended = nesting::rollback_to_depth(&mut connection, 0).await;
        ended.map_err(|error| self.explain("ROLLBACK", error))?;
        inner.connection = Some(connection);
        Ok(())
    }

    pub(crate) async fn close(&self) {
        let connection = self.lock().await.connection.take();
        if let Some(connection) = connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "a connection was not closed in order");
        }
    }

    async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        let (slot, flags, lost) = (self.slot.clone(), self.flags.clone(), self.flags.clone());
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(PROGRESS_STEPS, move || !slot.is_over());
        // sqlx turns `false` into a rollback.
        handle.set_commit_hook(move || flags.committing.load(Relaxed));
        handle.set_rollback_hook(move || lost.lose());
        drop(handle);
        Ok(connection)
    }

    /// Runs a statement about the work's savepoint.
    async fn control(&self, sql: &'static str) -> Result<(), StoreError> {
        let mut inner = self.lock().await;
        if self.flags.is_lost() {
            return Err(lost("the transaction was ended by a statement", None));
        }
        let connection = connected(&mut inner)?;
        sqlx::query(sql).execute(connection).await.map(drop).map_err(|error| self.explain(sql, error))
    }

    /// Waits until sqlx's thread is idle, and ends what the work began through sqlx and left open.
    ///
    /// A statement whose future was dropped goes on over there until it is interrupted, so this belongs inside the
    /// work's budget; and a dropped `Transaction` has merely queued its rollback.
    pub(super) async fn settle(&self) -> Result<(), StoreError> {
        let mut inner = self.lock().await;
        let Some(connection) = inner.connection.as_mut() else { return Ok(()) };
        connection.ping().await.map_err(|error| self.explain("waiting for the connection", error))?;
        if self.flags.is_lost() {
            return Ok(());
        }
        let ended = nesting::rollback_to_depth(connection, 1).await;
        ended.map_err(|error| self.explain("ending an inner transaction", error))
    }

    /// Whether nothing that the work began through sqlx is open, or still on its way to its end: sqlx counts it until the
    /// connection's thread has ended it.
    async fn is_level(&self) -> bool {
        let mut inner = self.lock().await;
        inner.connection.as_mut().is_some_and(|connection| nesting::depth(connection) == 1)
    }

    pub(crate) fn explain(&self, context: &str, error: sqlx::Error) -> StoreError {
        from_sqlx(&self.env.database, context, error)
    }
}

fn options(config: &SqliteConfig, read_only: bool) -> SqliteConnectOptions {
    let synchronous = match config.synchronous {
        Synchronous::Full => SqliteSynchronous::Full,
        Synchronous::Normal => SqliteSynchronous::Normal,
        Synchronous::Off => SqliteSynchronous::Off,
    };
    let mut options = SqliteConnectOptions::new()
        .filename(&config.path)
        .busy_timeout(config.busy_timeout)
        .synchronous(synchronous)
        .foreign_keys(true)
        .pragma("journal_size_limit", config.wal_bytes_max.to_string())
        .disable_statement_logging();
    if let Some(pages_max) = config.pages_max {
        options = options.pragma("max_page_count", pages_max.to_string());
    }
    if let Some(vfs) = &config.vfs {
        options = options.vfs(vfs.clone());
    }
    let (name, value) = if read_only { ("query_only", "on") } else { KEEP_SAVEPOINTS_IN_MEMORY };
    options.pragma(name, value)
}

/// No statement of a module may set these, but code that takes the connection itself can, and `query_only` would break
/// the writer until the next start. `defer_foreign_keys` ends with each transaction by itself.
fn begin_sql(config: &SqliteConfig, query_only: &str, begin: &str) -> SqlStr {
    let synchronous = config.synchronous.pragma();
    let sql = format!(
        "PRAGMA query_only = {query_only}; PRAGMA foreign_keys = ON; PRAGMA synchronous = {synchronous}; {begin}"
    );
    AssertSqlSafe(sql).into_sql_str()
}

pub(crate) fn connected(inner: &mut Inner) -> Result<&mut SqliteConnection, StoreError> {
    inner.connection.as_mut().ok_or_else(|| lost("it is over", None))
}

/// The typed driver as the writer controls it, for one group.
pub(crate) struct TypedControl {
    typed: Arc<Typed>,
    /// A savepoint is open and holds nothing, for the next work.
    enclosed: bool,
}

impl TypedControl {
    pub(crate) fn new(typed: Arc<Typed>) -> Self {
        Self { typed, enclosed: false }
    }
}

impl Driver for TypedControl {
    async fn begin(&mut self) -> Result<(), StoreError> {
        self.enclosed = false;
        self.typed.begin().await
    }

    async fn begin_read(&mut self) -> Result<(), StoreError> {
        self.typed.begin_with(&self.typed.begin_read).await
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.typed.commit().await
    }

    async fn rollback(&mut self) -> Result<(), StoreError> {
        self.typed.rollback().await
    }

    async fn enclose_work(&mut self) -> Result<(), StoreError> {
        if !std::mem::replace(&mut self.enclosed, true) {
            self.typed.control("SAVEPOINT tidings_work; PRAGMA query_only = OFF").await?;
        }
        Ok(())
    }

    async fn keep_work(&mut self) -> Result<(), StoreError> {
        // One savepoint ends and the next begins in one hop; the commit ends the last one with everything else. What the
        // work may have forbidden the connection must not meet the next one.
        self.typed.control("RELEASE tidings_work; SAVEPOINT tidings_work; PRAGMA query_only = OFF").await
    }

    async fn undo_work(&mut self) -> Result<(), StoreError> {
        self.typed.control("ROLLBACK TO tidings_work; PRAGMA query_only = OFF").await
    }

    async fn is_lost(&mut self) -> bool {
        self.typed.flags.is_lost()
    }

    async fn lend(&mut self, nested: bool, drains_log: bool) -> Result<Box<dyn Tx>, StoreError> {
        let mut inner = self.typed.lock().await;
        inner.lending += 1;
        inner.nested = nested;
        inner.ended_by = None;
        Ok(Box::new(SqliteTx::new(SqlxDriver::new(inner.lending, self.typed.clone()), drains_log)))
    }

    async fn take_back(&mut self, ended_enclosed: bool) {
        // Waits for the connection, should a task that the work left behind still hold it.
        self.typed.lock().await.lending += 1;
        if ended_enclosed && self.typed.is_level().await {
            return;
        }
        if let Err(error) = self.typed.settle().await {
            tracing::warn!(%error, "a work's inner transaction could not be ended");
            self.typed.flags.lose();
        }
    }

    async fn ended_by(&mut self) -> Option<StoreError> {
        self.typed.lock().await.ended_by.take().map(|ended| ended.error(&self.typed.env.database))
    }

    async fn take_topics(&mut self) -> Vec<Topic> {
        std::mem::take(&mut self.typed.lock().await.topics)
    }

    fn next(&self, writer: &Writer) -> Option<Job> {
        match writer.queue.pop_if(|turn| matches!(turn, Turn::Typed(_)))? {
            Turn::Typed(job) => Some(job),
            _ => None,
        }
    }
}
