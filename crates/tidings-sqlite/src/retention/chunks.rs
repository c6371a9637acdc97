//! Deleting in short transactions.

use std::sync::atomic::Ordering::Relaxed;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use tidings_core::store::StoreError;

use super::CHUNK;
use crate::error::from_native;
use crate::store::SqliteStore;

/// Deletes messages through this position that nobody needs, and keeps the number of removed ones in the same
/// transactions.
pub(super) async fn delete_messages(store: &SqliteStore, through: i64) -> Result<u64, StoreError> {
    let (mut deleted, mut after) = (0, i64::MIN);
    loop {
        let run = move |connection: &Connection| delete_after(connection, after, through);
        let (rows, last) = in_transaction(store, "deleting old messages", run).await?;
        deleted += rows;
        after = last;
        if rows < u64::from(CHUNK) {
            return Ok(deleted);
        }
    }
}

/// Deletes one chunk; returns how many rows it had and the last one's position.
fn delete_after(connection: &Connection, after: i64, through: i64) -> rusqlite::Result<(u64, i64)> {
    let sql = include_str!("../../queries/retention_delete_messages.sql");
    let mut statement = connection.prepare_cached(sql)?;
    let positions = statement.query_map(params![through, CHUNK, after], |row| row.get::<_, i64>(0))?;
    let (mut rows, mut last) = (0_u32, after);
    for position in positions {
        rows += 1;
        last = last.max(position?);
    }
    connection.execute(include_str!("../../queries/log_removed_add.sql"), [rows])?;
    Ok((rows.into(), last))
}

pub(super) async fn delete_outcomes(store: &SqliteStore, now: Timestamp) -> Result<u64, StoreError> {
    let sql = include_str!("../../queries/retention_delete_outcomes.sql");
    in_chunks(store, "deleting expired outcomes", sql, now.as_microsecond()).await
}

/// Deletes what is known about old discarded messages that are gone, as far as no receipt needs it.
pub(super) async fn delete_discarded(store: &SqliteStore, cutoff: i64) -> Result<(), StoreError> {
    let sql = include_str!("../../queries/retention_delete_discarded.sql");
    in_chunks(store, "deleting discarded rows", sql, cutoff).await?;
    let sql = include_str!("../../queries/retention_blank_discarded.sql");
    in_chunks(store, "emptying discarded rows", sql, cutoff).await.map(drop)
}

/// Runs a statement with a bound and a row limit until it finds nothing more.
async fn in_chunks(
    store: &SqliteStore,
    name: &'static str,
    sql: &'static str,
    bound: i64,
) -> Result<u64, StoreError> {
    let mut changed = 0;
    loop {
        let run =
            move |connection: &Connection| connection.prepare_cached(sql)?.execute(params![bound, CHUNK]);
        let rows = in_transaction(store, name, run).await? as u64;
        changed += rows;
        if rows < u64::from(CHUNK) {
            return Ok(changed);
        }
    }
}

/// Counts the log's messages once, when it seems full: somebody may have deleted some by hand, and publishing must not be
/// refused for their sake.
pub(super) async fn count_again(store: &SqliteStore) -> Result<(), StoreError> {
    if store.shared.counted_again.swap(true, Relaxed) {
        return Ok(());
    }
    let run = |connection: &Connection| {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let sql = include_str!("../../queries/log_count.sql");
        let (count, newest): (i64, i64) = connection.query_row(sql, [], read)?;
        connection.execute(include_str!("../../queries/log_removed_set.sql"), [newest - count])
    };
    in_transaction(store, "counting the log", run).await.map(drop)
}

pub(super) async fn in_transaction<T: Send + 'static>(
    store: &SqliteStore,
    name: &'static str,
    run: impl Fn(&Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
) -> Result<T, StoreError> {
    let database = store.shared.env.database.clone();
    store.write(name, move |inside| run(inside).map_err(|source| from_native(&database, name, source))).await
}
