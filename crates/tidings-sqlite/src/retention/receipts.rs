//! Merging old receipts.

use rusqlite::{Connection, params};
use tidings_core::store::StoreError;

use super::CHUNK;
use crate::error::from_native;
use crate::store::SqliteStore;

/// Merges the oldest receipts of each consumer that has more than `receipts_max`; returns how many were merged away.
pub(super) async fn merge(store: &SqliteStore, receipts_max: u64) -> Result<u64, StoreError> {
    let max = i64::try_from(receipts_max.max(1)).unwrap_or(i64::MAX);
    let long = store
        .ask("counting receipts", move |connection| {
            let mut statement =
                connection.prepare(include_str!("../../queries/retention_long_receipts.sql"))?;
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            statement.query_map([max], read)?.collect::<rusqlite::Result<Vec<(String, i64)>>>()
        })
        .await?;
    let mut merged = 0;
    for (consumer, count) in long {
        let mut excess = count - max;
        while excess > 0 {
            let rows = excess.min(i64::from(CHUNK)) + 1;
            merge_oldest(store, &consumer, rows).await?;
            excess -= rows - 1;
            merged += (rows - 1).unsigned_abs();
        }
    }
    Ok(merged)
}

async fn merge_oldest(store: &SqliteStore, consumer: &str, rows: i64) -> Result<(), StoreError> {
    let (consumer, database) = (consumer.to_owned(), store.shared.env.database.clone());
    store
        .write("merging receipts", move |connection| {
            replace(connection, &consumer, rows)
                .map_err(|source| from_native(&database, "merging receipts", source))
        })
        .await
}

fn replace(connection: &Connection, consumer: &str, rows: i64) -> rusqlite::Result<()> {
    let sum = include_str!("../../queries/retention_oldest_receipts.sql");
    let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<[i64; 4]> {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
    };
    let [first, last, count, at] = connection.query_row(sum, params![consumer, rows], read)?;
    connection.execute(include_str!("../../queries/retention_drop_receipts.sql"), params![consumer, rows])?;
    let insert = include_str!("../../queries/receipt_insert.sql");
    connection.execute(insert, params![consumer, first, last, count, at])?;
    Ok(())
}
