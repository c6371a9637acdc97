//! One connection, for code that waits.

use std::time::{Duration, Instant};

use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection};
use tokio::runtime::Runtime;

pub(crate) struct Client {
    runtime: Runtime,
    url: String,
    connection: Option<PgConnection>,
}

/// How long a server may take that has to answer. Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { runtime: runtime.expect("a runtime can be made"), url: url.to_owned(), connection: None }
    }

    /// Rows of one query, which has no effect that must not come twice.
    pub(crate) fn try_rows(&mut self, sql: &str) -> Result<Vec<PgRow>, sqlx::Error> {
        let Self { runtime, url, connection } = self;
        let rows = runtime.block_on(async {
            let connection = match connection {
                Some(connection) => connection,
                None => connection.insert(PgConnection::connect(url).await?),
            };
            sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(connection).await
        });
        if rows.is_err() {
            self.connection = None;
        }
        rows
    }

    /// The same, of a server that may have been restarted since, or is not there yet.
    pub(crate) fn rows(&mut self, sql: &str) -> Vec<PgRow> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.try_rows(sql) {
                Ok(rows) => return rows,
                Err(error) => assert!(Instant::now() < until, "the server does not answer: {error}; {sql}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // The server may be gone.
            let _said_goodbye = self.runtime.block_on(connection.close());
        }
    }
}
