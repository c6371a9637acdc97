//! What the two drivers have in common: running the store's own statements.

use std::future::Future;

use tidings_core::envelope::Envelope;
use tidings_core::store::{StoreError, TableScope};
use tidings_core::value::{Row, Value};

use crate::columns::Columns;
use crate::env::Env;

/// A parameter of one of the store's own statements, borrowed.
#[derive(Clone, Copy)]
pub(crate) enum Param<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl<'a> Param<'a> {
    pub(crate) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }

    pub(crate) fn int(int: Option<i64>) -> Self {
        int.map_or(Self::Null, Self::Int)
    }
}

/// Runs the store's own statements in an open transaction.
pub(crate) trait Statements: Send {
    fn env(&self) -> &Env;

    /// Runs one of the store's own statements, with parameters `?1`, `?2` and so on.
    fn execute(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Runs one of the store's own statements once for each row of parameters; returns the number of rows changed in all.
    fn execute_each(
        &mut self,
        sql: &'static str,
        rows: &[&[Param<'_>]],
    ) -> impl Future<Output = Result<u64, StoreError>> + Send {
        async move {
            let mut changed = 0;
            for row in rows {
                changed += self.execute(sql, row).await?;
            }
            Ok(changed)
        }
    }

    /// Runs one of the store's own queries.
    fn query(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<Vec<Vec<Value>>, StoreError>> + Send;

    /// Runs one of the store's own queries, and reads each row.
    fn read<T: Send>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        mut read: impl FnMut(&mut Columns<'_>) -> Result<T, StoreError> + Send,
    ) -> impl Future<Output = Result<Vec<T>, StoreError>> + Send {
        async move {
            let rows = self.query(sql, params).await?;
            rows.iter().map(|row| read(&mut Columns::new(row))).collect()
        }
    }

    /// Remembers to wake, after the commit, those who work on a queue.
    fn wake_queue(&mut self, queue: &str);
}

/// All that a work's transaction offers, on either driver.
pub(crate) trait Exec: Statements {
    /// Inserts messages into the log and remembers whom to wake after the commit.
    fn append(&mut self, messages: &[Envelope]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Appends messages and stores a command's outcome; returns how many rows the outcome changed.
    fn conclude(
        &mut self,
        messages: &[Envelope],
        outcome: &[Param<'_>],
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Runs a module's statement.
    fn module_execute(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Runs a module's query.
    fn module_fetch(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// Runs one statement of transaction control inside the work's own savepoint.
    fn control(&mut self, sql: &str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Undoes everything since the work began.
    fn undo(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;
}
