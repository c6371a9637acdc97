//! Jobs that have ended.

use rusqlite::{Connection, params};
use tidings_core::store::StoreError;

use super::CHUNK;
use super::chunks::in_transaction;
use crate::store::SqliteStore;

/// Deletes those that ended before the cutoff, and of the others the oldest beyond a number; none whose unique key is taken
/// now.
pub(super) async fn delete(
    store: &SqliteStore,
    cutoff: i64,
    jobs_max: u64,
    now: i64,
) -> Result<u64, StoreError> {
    let old = delete_ended_before(store, cutoff, u64::MAX, now).await?;
    let count = move |connection: &Connection| {
        let sql = include_str!("../../queries/retention_count_jobs.sql");
        connection.query_row(sql, [now], |row| row.get::<_, u32>(0))
    };
    let left = u64::from(store.ask("counting the jobs that have ended", count).await?);
    let beyond = delete_ended_before(store, i64::MAX, left.saturating_sub(jobs_max), now).await?;
    Ok(old + beyond)
}

async fn delete_ended_before(
    store: &SqliteStore,
    cutoff: i64,
    most: u64,
    now: i64,
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    while deleted < most {
        let limit = u64::from(CHUNK).min(most - deleted);
        let run = move |connection: &Connection| delete_chunk(connection, cutoff, limit, now);
        let rows = in_transaction(store, "deleting jobs that have ended", run).await?;
        deleted += rows;
        if rows < limit {
            break;
        }
    }
    Ok(deleted)
}

fn delete_chunk(connection: &Connection, cutoff: i64, limit: u64, now: i64) -> rusqlite::Result<u64> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut old = connection.prepare_cached(include_str!("../../queries/retention_old_jobs.sql"))?;
    let places = old.query_map(params![cutoff, limit, now], |row| row.get(0))?;
    let places = places.collect::<rusqlite::Result<Vec<i64>>>()?;
    let mut job = connection.prepare_cached(include_str!("../../queries/retention_delete_job.sql"))?;
    let mut attempts =
        connection.prepare_cached(include_str!("../../queries/retention_delete_attempts.sql"))?;
    for place in &places {
        attempts.execute([place])?;
        job.execute([place])?;
    }
    Ok(places.len() as u64)
}
