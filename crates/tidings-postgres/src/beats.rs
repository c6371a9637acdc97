//! The connection of heartbeats. It is beside the pool, so that handlers that hold all of that for long do not cost a process
//! that is alive what it holds.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tidings_core::store::{StoreError, WorkerId};
use tokio::sync::Mutex;

use crate::connect::Target;
use crate::error::{Sort, meaning, sort};
use crate::pool::beginning;

/// Once with the connection that there was, and once with a new one; or as often as others were in the way.
const TRIES_MAX: u32 = 8;

pub(crate) struct Beats {
    target: Target,
    line: Mutex<Line>,
}

/// Taken out while it is used: whoever gives up waiting for an answer closes it by that.
enum Line {
    Down,
    Up(Box<PgConnection>),
    Closed,
}

impl Beats {
    pub(crate) fn new(target: Target) -> Self {
        Self { target, line: Mutex::new(Line::Down) }
    }

    /// Renews a worker's lease.
    pub(crate) async fn beat(&self, worker: WorkerId) -> Result<Vec<PgRow>, StoreError> {
        let mut line = self.line.lock().await;
        let mut tries = 1;
        loop {
            let mut connection = match std::mem::replace(&mut *line, Line::Down) {
                Line::Up(connection) => connection,
                Line::Down => Box::new(self.target.connect_again().await.map_err(failed)?),
                Line::Closed => {
                    *line = Line::Closed;
                    return Err(StoreError::Closed);
                }
            };
            let error = match self.ask(&mut connection, worker).await {
                Ok(rows) => {
                    *line = Line::Up(connection);
                    return Ok(rows);
                }
                Err(error) => error,
            };
            // A connection that met an error is not used again: there is one beat in some seconds, and a new one knows nothing old.
            drop(connection);
            if tries == TRIES_MAX || !matches!(sort(&error), Sort::Lost | Sort::Stale | Sort::Conflict) {
                return Err(failed(error));
            }
            tries += 1;
        }
    }

    async fn ask(&self, connection: &mut PgConnection, worker: WorkerId) -> Result<Vec<PgRow>, sqlx::Error> {
        let query = sqlx::query(include_str!("../queries/worker_heartbeat.sql")).bind(worker.0);
        if !self.target.behind_pooler {
            return query.fetch_all(connection).await;
        }
        let mut tx = connection.begin_with(AssertSqlSafe(beginning("BEGIN", true))).await?;
        let rows = query.fetch_all(&mut *tx).await?;
        tx.commit().await.map(|()| rows)
    }

    pub(crate) async fn close(&self) {
        if let Line::Up(connection) = std::mem::replace(&mut *self.line.lock().await, Line::Closed) {
            // It is of no use any more in any case.
            drop(connection.close().await);
        }
    }
}

fn failed(error: sqlx::Error) -> StoreError {
    meaning("renewing a worker's lease", error)
}
