//! The store's own statements on a connection of sqlx that no work has.

use sqlx::SqliteConnection;
use tidings_core::store::StoreError;
use tidings_core::value::Value;

use super::values;
use crate::env::Env;
use crate::error::{from_sqlx, shorten};
use crate::exec::{Param, Statements};
use crate::wake::{Topic, note_queue};

pub(super) struct Bare<'c> {
    pub(super) connection: &'c mut SqliteConnection,
    pub(super) env: &'c Env,
    /// Whom to wake after the commit.
    pub(super) topics: &'c mut Vec<Topic>,
}

impl Statements for Bare<'_> {
    fn env(&self) -> &Env {
        self.env
    }

    async fn execute(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let done = values::bind_own(sqlx::query(sql), params).execute(&mut *self.connection).await;
        done.map(|done| done.rows_affected())
            .map_err(|source| from_sqlx(&self.env.database, shorten(sql), source))
    }

    async fn query(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let rows = values::bind_own(sqlx::query(sql), params).fetch_all(&mut *self.connection).await;
        rows.and_then(|rows| rows.iter().map(values::read).collect())
            .map_err(|source| from_sqlx(&self.env.database, shorten(sql), source))
    }

    fn wake_queue(&mut self, queue: &str) {
        note_queue(self.topics, queue);
    }
}
