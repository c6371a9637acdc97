//! The native driver: rusqlite, used from the thread that owns the connection.
//!
//! The connection sits behind a mutex that nobody contends for; it is there so that a transaction that its work kept
//! can be refused instead of writing into somebody else's.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode};
use tidings_core::envelope::Envelope;
use tidings_core::store::{StoreError, TableScope};
use tidings_core::value::{Row, Value};

use crate::columns::Columns;
use crate::env::Env;
use crate::error::{EndedBy, from_native, shorten};
use crate::exec::{Exec, Param, Statements};
use crate::guard::Guard;
use crate::internal::Inside;
use crate::module_sql;
use crate::statements::{APPEND, OUTCOME_INSERT, append_params};
use crate::tx::SqliteTx;
use crate::wake::{Topic, note_message, note_queue};
use crate::watchdog::Slot;

/// Virtual machine steps between two looks at the clock's verdict: well under a millisecond.
pub(crate) const PROGRESS_STEPS: i32 = 4_000;
const STATEMENTS_CACHED: usize = 256;

/// The savepoint around each work but the first of a group.
const ENCLOSE_WORK: &str = "SAVEPOINT tidings_work";
const KEEP_WORK: &str = "RELEASE tidings_work";
const UNDO_WORK: &str = "ROLLBACK TO tidings_work";

/// A transaction of the native driver; see [`SqliteTx`].
pub type NativeTx = SqliteTx<NativeDriver>;

/// One connection and its bookkeeping.
pub(crate) struct Native {
    pub(crate) env: Arc<Env>,
    pub(crate) slot: Arc<Slot>,
    inner: Mutex<Inner>,
    guard: Guard,
    /// Set while the thread itself commits; at any other time a commit is a work's own and is refused.
    committing: Arc<AtomicBool>,
    read_only: bool,
}

struct Inner {
    connection: Connection,
    /// Changes whenever the transaction is lent or taken back.
    turn: u64,
    /// The work's writes are enclosed in a savepoint of their own.
    nested: bool,
    /// Whom to wake after the commit.
    topics: Vec<Topic>,
    /// The trouble of the database that ended the lent transaction.
    ended_by: Option<EndedBy>,
}

impl Native {
    pub(crate) fn new(
        connection: Connection,
        env: Arc<Env>,
        slot: Arc<Slot>,
        read_only: bool,
    ) -> Result<Arc<Self>, StoreError> {
        let guard = Guard::default();
        let committing = Arc::new(AtomicBool::new(false));
        hook(&connection, &slot, &guard, &committing)
            .map_err(|source| from_native(&env.database, "setting the connection's hooks", source))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        let inner = Inner { connection, turn: 0, nested: false, topics: Vec::new(), ended_by: None };
        Ok(Arc::new(Self { env, slot, inner: Mutex::new(inner), guard, committing, read_only }))
    }

    /// Lends the open transaction to one work.
    pub(crate) fn lend(self: &Arc<Self>, nested: bool, drains_log: bool) -> NativeTx {
        let mut inner = self.lock();
        inner.turn += 1;
        inner.nested = nested;
        inner.ended_by = None;
        SqliteTx::new(NativeDriver { native: self.clone(), turn: inner.turn }, drains_log)
    }

    /// Voids what was lent.
    pub(crate) fn take_back(&self) {
        self.lock().turn += 1;
    }

    pub(crate) fn begin(&self, sql: &str) -> Result<(), StoreError> {
        self.control(sql)
    }

    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        self.committing.store(true, Relaxed);
        let committed = self.control("COMMIT");
        self.committing.store(false, Relaxed);
        committed
    }

    /// Ends the transaction, if there is one.
    pub(crate) fn rollback(&self) -> Result<(), StoreError> {
        if self.is_lost() { Ok(()) } else { self.control("ROLLBACK") }
    }

    pub(crate) fn enclose_work(&self) -> Result<(), StoreError> {
        self.control(ENCLOSE_WORK)
    }

    pub(crate) fn keep_work(&self) -> Result<(), StoreError> {
        self.control(KEEP_WORK)
    }

    pub(crate) fn undo_work(&self) -> Result<(), StoreError> {
        self.control(UNDO_WORK)?;
        self.keep_work()
    }

    /// Whether no transaction is open. SQLite ends it by itself on some errors, and what is run then would be
    /// committed at once, statement by statement.
    pub(crate) fn is_lost(&self) -> bool {
        self.lock().connection.is_autocommit()
    }

    pub(crate) fn take_topics(&self) -> Vec<Topic> {
        std::mem::take(&mut self.lock().topics)
    }

    /// The trouble of the database that ended the transaction of the last work, if that was it.
    pub(crate) fn ended_by(&self) -> Option<StoreError> {
        self.lock().ended_by.take().map(|ended| ended.error(&self.env.database))
    }

    /// Uses the connection outside of any work.
    pub(crate) fn with<T>(&self, run: impl FnOnce(&Connection) -> T) -> T {
        run(&self.lock().connection)
    }

    fn control(&self, sql: &str) -> Result<(), StoreError> {
        let inner = self.lock();
        let run = || inner.connection.prepare_cached(sql)?.execute([]);
        run().map(drop).map_err(|source| from_native(&self.env.database, sql, source))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A work that panicked inside leaves nothing half-done here: what it wrote is rolled back.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hook(
    connection: &Connection,
    slot: &Arc<Slot>,
    guard: &Guard,
    committing: &Arc<AtomicBool>,
) -> rusqlite::Result<()> {
    let (slot, guard, committing) = (slot.clone(), guard.clone(), committing.clone());
    connection.progress_handler(PROGRESS_STEPS, Some(move || slot.is_over()))?;
    connection.commit_hook(Some(move || !committing.load(Relaxed)))?;
    connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| guard.authorize(context)))
}

/// The native connection as a work borrows it.
pub struct NativeDriver {
    native: Arc<Native>,
    turn: u64,
}

impl NativeDriver {
    /// Runs against the connection if the transaction is still this work's, within its budget, and open.
    fn with<T>(
        &self,
        context: impl FnOnce() -> String,
        run: impl FnOnce(&mut Inner) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut inner = self.enter()?;
        run(&mut inner).map_err(|source| self.explain(&mut inner, context(), source))
    }

    fn enter(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let inner = self.native.lock();
        if inner.turn != self.turn {
            return Err(lost("it is over: it was kept for longer than the work it was lent to", None));
        }
        if self.native.slot.is_over() {
            return Err(self.native.slot.budget_error());
        }
        if inner.connection.is_autocommit() {
            return Err(lost("an earlier statement of this work ended it", None));
        }
        Ok(inner)
    }

    fn explain(&self, inner: &mut Inner, context: String, source: rusqlite::Error) -> StoreError {
        let code = source.sqlite_error_code();
        if code == Some(ErrorCode::OperationInterrupted) && self.native.slot.is_over() {
            return self.native.slot.budget_error();
        }
        if code == Some(ErrorCode::ReadOnly) && self.native.read_only {
            return StoreError::Sql {
                context: format!("a query cannot write: {context}"),
                source: source.into(),
            };
        }
        if !inner.connection.is_autocommit() {
            return from_native(&self.native.env.database, context, source);
        }
        let code = source.sqlite_error().map_or(0, |error| error.extended_code);
        match EndedBy::trouble(&context, code, &source) {
            None => lost(&context, Some(source.into())),
            ended_by => {
                inner.ended_by = ended_by;
                from_native(&self.native.env.database, context, source)
            }
        }
    }

    /// The connection itself, for the store's internal works.
    pub(crate) fn connection<T>(
        &mut self,
        run: impl FnOnce(&Inside<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let inner = self.enter()?;
        let native = &self.native;
        run(&Inside { connection: &inner.connection, guard: &native.guard, owners: &native.env.owners })
    }

    fn append_to(&self, inner: &mut Inner, messages: &[Envelope]) -> rusqlite::Result<()> {
        if !messages.is_empty() {
            append(inner, messages)?;
            self.native.env.fullness.appended(inner.connection.last_insert_rowid());
        }
        Ok(())
    }

    fn module<T>(
        &self,
        scope: TableScope<'_>,
        sql: &str,
        run: impl FnOnce(&Connection, &str) -> Result<T, module_sql::Problem>,
    ) -> Result<T, StoreError> {
        let mut inner = self.enter()?;
        let entered = self.native.guard.enter(&self.native.env.owners, scope.module, sql);
        run(&inner.connection, &entered.sql).map_err(|problem| {
            let context = || format!("module `{}`: statement `{}`", scope.module, shorten(sql));
            match problem {
                module_sql::Problem::Parameters(problem) => {
                    StoreError::Sql { context: context(), source: problem.into() }
                }
                module_sql::Problem::Driver(source) => {
                    entered.refusal().unwrap_or_else(|| self.explain(&mut inner, context(), source))
                }
            }
        })
    }
}

pub(crate) fn lost(context: &str, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::TransactionLost { context: context.to_owned(), source }
}

// Nothing here ever waits, so the futures are ready when they are made and cost no allocation.
impl Statements for NativeDriver {
    fn env(&self) -> &Env {
        &self.native.env
    }

    fn execute(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<u64, StoreError>> + Send {
        let done = self.with(|| shorten(sql), |inner| run(&inner.connection, sql, params));
        std::future::ready(done)
    }

    fn execute_each(
        &mut self,
        sql: &'static str,
        rows: &[&[Param<'_>]],
    ) -> impl Future<Output = Result<u64, StoreError>> + Send {
        let done = self.with(
            || shorten(sql),
            |inner| {
                let mut statement = inner.connection.prepare_cached(sql)?;
                let run = |row: &&[Param<'_>]| {
                    bind(&mut statement, row)?;
                    statement.raw_execute().map(|changed| changed as u64)
                };
                rows.iter().map(run).sum()
            },
        );
        std::future::ready(done)
    }

    fn query(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<Vec<Vec<Value>>, StoreError>> + Send {
        let rows = self.with(
            || shorten(sql),
            |inner| {
                let mut statement = inner.connection.prepare_cached(sql)?;
                bind(&mut statement, params)?;
                module_sql::read_rows(&mut statement)
            },
        );
        std::future::ready(rows)
    }

    fn read<T: Send>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        mut read: impl FnMut(&mut Columns<'_>) -> Result<T, StoreError> + Send,
    ) -> impl Future<Output = Result<Vec<T>, StoreError>> + Send {
        let rows = self.with(
            || shorten(sql),
            |inner| {
                let mut statement = inner.connection.prepare_cached(sql)?;
                bind(&mut statement, params)?;
                let mut rows = statement.raw_query();
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    found.push(read(&mut Columns::new(row)));
                }
                Ok(found)
            },
        );
        std::future::ready(rows.and_then(|rows| rows.into_iter().collect()))
    }

    fn wake_queue(&mut self, queue: &str) {
        note_queue(&mut self.native.lock().topics, queue);
    }
}

impl Exec for NativeDriver {
    fn append(&mut self, messages: &[Envelope]) -> impl Future<Output = Result<(), StoreError>> + Send {
        std::future::ready(self.with(
            || format!("appending {} messages", messages.len()),
            |inner| self.append_to(inner, messages),
        ))
    }

    fn conclude(
        &mut self,
        messages: &[Envelope],
        outcome: &[Param<'_>],
    ) -> impl Future<Output = Result<u64, StoreError>> + Send {
        let done = self.with(
            || format!("storing a command's outcome and its {} messages", messages.len()),
            |inner| {
                self.append_to(inner, messages)?;
                run(&inner.connection, OUTCOME_INSERT, outcome)
            },
        );
        std::future::ready(done)
    }

    fn module_execute(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> impl Future<Output = Result<u64, StoreError>> + Send {
        let done = self.module(scope, sql, |connection, text| module_sql::execute(connection, text, params));
        std::future::ready(done)
    }

    fn module_fetch(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send {
        let rows = self.module(scope, sql, |connection, text| module_sql::fetch(connection, text, params));
        std::future::ready(rows)
    }

    fn control(&mut self, sql: &str) -> impl Future<Output = Result<(), StoreError>> + Send {
        let done =
            self.with(|| sql.to_owned(), |inner| inner.connection.prepare_cached(sql)?.execute([]).map(drop));
        std::future::ready(done)
    }

    fn undo(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send {
        let done = self.with(
            || "undoing the work so far".to_owned(),
            |inner| {
                let run = |sql: &str| inner.connection.prepare_cached(sql)?.execute([]).map(drop);
                if inner.nested {
                    return run(UNDO_WORK);
                }
                // The first work of a group has the transaction to itself and no savepoint.
                run("ROLLBACK")?;
                run("BEGIN IMMEDIATE")
            },
        );
        std::future::ready(done)
    }
}

fn append(inner: &mut Inner, messages: &[Envelope]) -> rusqlite::Result<()> {
    let mut statement = inner.connection.prepare_cached(APPEND)?;
    for message in messages {
        let traceparent = message.trace.traceparent();
        bind(&mut statement, &append_params(message, traceparent.as_deref()))?;
        statement.raw_execute()?;
        note_message(&mut inner.topics, message);
    }
    Ok(())
}

pub(crate) fn run(connection: &Connection, sql: &str, params: &[Param<'_>]) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, params)?;
    statement.raw_execute().map(|changed| changed as u64)
}

fn bind(statement: &mut rusqlite::Statement<'_>, params: &[Param<'_>]) -> rusqlite::Result<()> {
    for (index, param) in params.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, param)?;
    }
    Ok(())
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Int(int) => ValueRef::Integer(int),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
