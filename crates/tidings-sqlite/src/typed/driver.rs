//! The sqlx connection as a work borrows it.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqliteConnection};
use tidings_core::envelope::Envelope;
use tidings_core::store::{StoreError, TableScope};
use tidings_core::value::{Row, Value};
use tokio::sync::OwnedMutexGuard;

use super::append::{append, conclude};
use super::connection::{Inner, Typed, connected};
use super::{nesting, values};
use crate::env::Env;
use crate::error::{EndedBy, from_sqlx, shorten, sqlx_code};
use crate::exec::{Exec, Param, Statements};
use crate::native::lost;
use crate::tx::SqliteTx;
use crate::wake::{note_message, note_queue};

/// A transaction of the typed driver: reach its connection with [`SqlxTx::connection`].
pub type SqlxTx = SqliteTx<SqlxDriver>;

/// The connection of sqlx that a work borrows.
pub struct SqlxDriver {
    inner: OwnedMutexGuard<Inner>,
    typed: Arc<Typed>,
}

impl SqlxTx {
    /// The connection, for `sqlx::query(..).execute(tx.connection())`. A `begin()` on it becomes a savepoint; COMMIT and
    /// ROLLBACK are refused. Statements on other modules' tables are found by
    /// [`SqliteStore::check_tables`](crate::SqliteStore::check_tables) only.
    pub fn connection(&mut self) -> &mut SqliteConnection {
        // It is there for as long as the transaction is lent: only the writer takes it away, and only when it is back.
        self.exec.inner.connection.as_mut().expect("a lent transaction has its connection")
    }
}

impl SqlxDriver {
    pub(super) fn new(inner: OwnedMutexGuard<Inner>, typed: Arc<Typed>) -> Self {
        Self { inner, typed }
    }

    /// The connection if the transaction is still there and within its budget.
    fn enter(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        if self.typed.slot.is_over() {
            return Err(self.typed.slot.budget_error());
        }
        if self.typed.flags.is_lost() {
            return Err(lost("an earlier statement of this work ended it", None));
        }
        connected(&mut self.inner)
    }

    fn explain(&mut self, context: String, source: sqlx::Error) -> StoreError {
        const INTERRUPT: i32 = 9;
        let code = sqlx_code(&source).map(|code| code & 0xff);
        if code == Some(INTERRUPT) && self.typed.slot.is_over() {
            return self.typed.slot.budget_error();
        }
        if !self.typed.flags.is_lost() {
            return from_sqlx(&self.typed.env.database, context, source);
        }
        match EndedBy::trouble(&context, code.unwrap_or_default(), &source) {
            None => lost(&context, Some(source.into())),
            ended_by => {
                self.inner.ended_by = ended_by;
                from_sqlx(&self.typed.env.database, context, source)
            }
        }
    }

    fn note(&mut self, messages: &[Envelope], newest: Option<i64>) {
        messages.iter().for_each(|message| note_message(&mut self.inner.topics, message));
        newest.into_iter().for_each(|newest| self.typed.env.fullness.appended(newest));
    }

    fn context(scope: TableScope<'_>, sql: &str) -> String {
        format!("module `{}`: statement `{}`", scope.module, shorten(sql))
    }

    /// Refuses other modules' tables and a wrong number of parameters, both of which sqlx would let pass.
    fn check(&self, scope: TableScope<'_>, sql: &str, params: &[Value]) -> Result<(), StoreError> {
        self.typed.env.checker.check(&self.typed.env.owners, scope.module, sql)?;
        self.typed
            .env
            .checker
            .check_parameters(sql, params.len())
            .map_err(|problem| StoreError::Sql { context: Self::context(scope, sql), source: problem.into() })
    }
}

impl Statements for SqlxDriver {
    fn env(&self) -> &Env {
        &self.typed.env
    }

    async fn execute(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let query = values::bind_own(sqlx::query(sql), params);
        let done = query.execute(self.enter()?).await;
        done.map(|done| done.rows_affected()).map_err(|source| self.explain(shorten(sql), source))
    }

    async fn query(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let query = values::bind_own(sqlx::query(sql), params);
        let rows =
            query.fetch_all(self.enter()?).await.and_then(|rows| rows.iter().map(values::read).collect());
        rows.map_err(|source| self.explain(shorten(sql), source))
    }

    fn wake_queue(&mut self, queue: &str) {
        note_queue(&mut self.inner.topics, queue);
    }
}

impl Exec for SqlxDriver {
    async fn append(&mut self, messages: &[Envelope]) -> Result<(), StoreError> {
        let done = append(self.enter()?, messages).await;
        let newest =
            done.map_err(|source| self.explain(format!("appending {} messages", messages.len()), source))?;
        self.note(messages, newest);
        Ok(())
    }

    async fn conclude(&mut self, messages: &[Envelope], outcome: &[Param<'_>]) -> Result<u64, StoreError> {
        let context = || format!("storing a command's outcome and its {} messages", messages.len());
        let done = conclude(self.enter()?, messages, outcome).await;
        let (changed, newest) = done.map_err(|source| self.explain(context(), source))?;
        self.note(messages, newest);
        Ok(changed)
    }

    async fn module_execute(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> Result<u64, StoreError> {
        self.check(scope, sql, params)?;
        let query = values::bind(sqlx::query(AssertSqlSafe(sql)), params);
        let done = query.execute(self.enter()?).await;
        done.map(|done| done.rows_affected())
            .map_err(|source| self.explain(Self::context(scope, sql), source))
    }

    async fn module_fetch(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        self.check(scope, sql, params)?;
        let query = values::bind(sqlx::query(AssertSqlSafe(sql)), params);
        let rows = query.fetch_all(self.enter()?).await;
        rows.and_then(values::rows).map_err(|source| self.explain(Self::context(scope, sql), source))
    }

    async fn control(&mut self, sql: &str) -> Result<(), StoreError> {
        let done = sqlx::query(AssertSqlSafe(sql)).execute(self.enter()?).await;
        done.map(drop).map_err(|source| self.explain(sql.to_owned(), source))
    }

    async fn undo(&mut self) -> Result<(), StoreError> {
        let nested = self.inner.nested;
        let innermost = usize::from(nested);
        let connection = self.enter()?;
        let done = nesting::rollback_to_depth(connection, innermost).await;
        done.map_err(|source| self.explain("undoing the work so far".to_owned(), source))?;
        if nested {
            return self.control("ROLLBACK TO tidings_work").await;
        }
        // The first work of a group has the transaction to itself and no savepoint: it ended the whole, and begins anew.
        self.typed.flags.begin();
        let begun = nesting::begin(connected(&mut self.inner)?, "BEGIN IMMEDIATE".into_sql_str()).await;
        begun.map_err(|source| {
            self.typed.flags.lose();
            self.explain("beginning anew".to_owned(), source)
        })
    }
}
