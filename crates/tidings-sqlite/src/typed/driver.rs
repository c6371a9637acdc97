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
///
/// It is locked for one statement at a time. A work may lend its transaction to others, who may keep it for too long, or
/// for ever: it is taken back from them all the same, and is not there any more for what they do with it later.
pub struct SqlxDriver {
    /// What [`SqlxTx::connection`] has given out; nobody can tell how long that is in use, so until the next statement.
    given_out: Option<OwnedMutexGuard<Inner>>,
    /// Which lending of the connection this is.
    lending: u64,
    typed: Arc<Typed>,
}

impl SqlxTx {
    /// The connection, for `sqlx::query(..).execute(tx.connection())`. A `begin()` on it becomes a savepoint; COMMIT and
    /// ROLLBACK are refused. Statements on other modules' tables are found by
    /// [`SqliteStore::check_tables`](crate::SqliteStore::check_tables) only.
    ///
    /// # Errors
    /// If the transaction was taken back.
    pub async fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let inner = self.exec.lock().await?;
        connected(self.exec.given_out.insert(inner))
    }
}

impl SqlxDriver {
    pub(super) fn new(lending: u64, typed: Arc<Typed>) -> Self {
        Self { given_out: None, lending, typed }
    }

    /// The connection's lock if the transaction is still lent to this work.
    async fn lock(&mut self) -> Result<OwnedMutexGuard<Inner>, StoreError> {
        let inner = match self.given_out.take() {
            Some(inner) => inner,
            None => self.typed.shared().lock_owned().await,
        };
        if inner.lending != self.lending {
            return Err(lost("it was taken back from who had kept it for too long", None));
        }
        Ok(inner)
    }

    /// The same if the transaction is still there and within its budget.
    async fn enter(&mut self) -> Result<OwnedMutexGuard<Inner>, StoreError> {
        let inner = self.lock().await?;
        if self.typed.slot.is_over() {
            return Err(self.typed.slot.budget_error());
        }
        if self.typed.flags.is_lost() {
            return Err(lost("an earlier statement of this work ended it", None));
        }
        Ok(inner)
    }

    fn explain(&self, inner: &mut Inner, context: String, source: sqlx::Error) -> StoreError {
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
                inner.ended_by = ended_by;
                from_sqlx(&self.typed.env.database, context, source)
            }
        }
    }

    fn note(&self, inner: &mut Inner, messages: &[Envelope], newest: Option<i64>) {
        messages.iter().for_each(|message| note_message(&mut inner.topics, message));
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
        let mut inner = self.enter().await?;
        let done = query.execute(connected(&mut inner)?).await;
        done.map(|done| done.rows_affected()).map_err(|source| self.explain(&mut inner, shorten(sql), source))
    }

    async fn query(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let query = values::bind_own(sqlx::query(sql), params);
        let mut inner = self.enter().await?;
        let rows = query
            .fetch_all(connected(&mut inner)?)
            .await
            .and_then(|rows| rows.iter().map(values::read).collect());
        rows.map_err(|source| self.explain(&mut inner, shorten(sql), source))
    }

    fn wake_queue(&mut self, queue: &str) {
        if let Some(inner) = &mut self.given_out {
            note_queue(&mut inner.topics, queue);
        } else if let Ok(mut inner) = self.typed.shared().try_lock()
            && inner.lending == self.lending
        {
            // Nobody else locks it before it is taken back; and then there is nothing to wake for.
            note_queue(&mut inner.topics, queue);
        }
    }
}

impl Exec for SqlxDriver {
    async fn append(&mut self, messages: &[Envelope]) -> Result<(), StoreError> {
        let mut inner = self.enter().await?;
        let done = append(connected(&mut inner)?, messages).await;
        let newest = done.map_err(|source| {
            self.explain(&mut inner, format!("appending {} messages", messages.len()), source)
        })?;
        self.note(&mut inner, messages, newest);
        Ok(())
    }

    async fn conclude(&mut self, messages: &[Envelope], outcome: &[Param<'_>]) -> Result<u64, StoreError> {
        let context = || format!("storing a command's outcome and its {} messages", messages.len());
        let mut inner = self.enter().await?;
        let done = conclude(connected(&mut inner)?, messages, outcome).await;
        let (changed, newest) = done.map_err(|source| self.explain(&mut inner, context(), source))?;
        self.note(&mut inner, messages, newest);
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
        let mut inner = self.enter().await?;
        let done = query.execute(connected(&mut inner)?).await;
        done.map(|done| done.rows_affected())
            .map_err(|source| self.explain(&mut inner, Self::context(scope, sql), source))
    }

    async fn module_fetch(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        self.check(scope, sql, params)?;
        let query = values::bind(sqlx::query(AssertSqlSafe(sql)), params);
        let mut inner = self.enter().await?;
        let rows = query.fetch_all(connected(&mut inner)?).await;
        rows.and_then(values::rows)
            .map_err(|source| self.explain(&mut inner, Self::context(scope, sql), source))
    }

    async fn control(&mut self, sql: &str) -> Result<(), StoreError> {
        let mut inner = self.enter().await?;
        let done = sqlx::query(AssertSqlSafe(sql)).execute(connected(&mut inner)?).await;
        done.map(drop).map_err(|source| self.explain(&mut inner, sql.to_owned(), source))
    }

    async fn undo(&mut self) -> Result<(), StoreError> {
        let mut inner = self.enter().await?;
        let nested = inner.nested;
        let innermost = usize::from(nested);
        let done = nesting::rollback_to_depth(connected(&mut inner)?, innermost).await;
        done.map_err(|source| self.explain(&mut inner, "undoing the work so far".to_owned(), source))?;
        if nested {
            drop(inner);
            return self.control("ROLLBACK TO tidings_work").await;
        }
        // The first work of a group has the transaction to itself and no savepoint: it ended the whole, and begins anew.
        self.typed.flags.begin();
        let begun = nesting::begin(connected(&mut inner)?, "BEGIN IMMEDIATE".into_sql_str()).await;
        begun.map_err(|source| {
            self.typed.flags.lose();
            self.explain(&mut inner, "beginning anew".to_owned(), source)
        })
    }
}
