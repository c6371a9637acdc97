//! Emptying the write-ahead log.

use std::time::Duration;

use rusqlite::Connection;
use tidings_core::store::StoreError;

use super::Writer;
use crate::error::from_native;

impl Writer {
    /// Moves all of the write-ahead log into the database and cuts the file to nothing, if no reader still needs it.
    /// Returns whether that was done.
    pub(super) fn checkpoint(&self) -> Result<bool, StoreError> {
        let done = self.native.with(|connection| {
            // Nobody is waited for: whoever reads may take long, and all who write would wait as well.
            connection.busy_timeout(Duration::ZERO)?;
            let emptied = empty(connection);
            connection.busy_timeout(self.config.busy_timeout)?;
            emptied
        });
        done.map_err(|source| from_native(&self.env.database, "emptying the write-ahead log", source))
    }
}

fn empty(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = include_str!("../../queries/wal_checkpoint.sql");
    connection.query_row(sql, [], |row| row.get::<_, bool>(0)).map(|busy| !busy)
}
