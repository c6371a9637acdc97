//! Merging old receipts.

use rusqlite::{Connection, OptionalExtension, params};
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
            let merged_now = merge_oldest(store, &consumer, rows).await?;
            if merged_now == 0 {
                break;
            }
            excess -= merged_now;
            merged += merged_now.unsigned_abs();
        }
    }
    Ok(merged)
}

async fn merge_oldest(store: &SqliteStore, consumer: &str, rows: i64) -> Result<i64, StoreError> {
    let (consumer, database) = (consumer.to_owned(), store.shared.env.database.clone());
    store
        .write("merging receipts", move |connection| {
            replace(connection, &consumer, rows)
                .map_err(|source| from_native(&database, "merging receipts", source))
        })
        .await
}

/// Makes one receipt of the oldest ones of the earliest life that has several; returns how many are fewer.
fn replace(connection: &Connection, consumer: &str, rows: i64) -> rusqlite::Result<i64> {
    let life = include_str!("../../queries/retention_receipts_life.sql");
    let Some(life) = connection.query_row(life, [consumer], |row| row.get::<_, i64>(0)).optional()? else {
        return Ok(0);
    };
    let sum = include_str!("../../queries/retention_oldest_receipts.sql");
    let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<[i64; 5]> {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?])
    };
    let of = params![consumer, rows, life];
    let [first, last, count, at, merged] = connection.query_row(sum, of, read)?;
    connection.execute(include_str!("../../queries/retention_drop_receipts.sql"), of)?;
    let insert = include_str!("../../queries/receipt_merged_insert.sql");
    connection.execute(insert, params![consumer, first, last, count, at, life])?;
    Ok(merged - 1)
}
