//! Outcomes that have expired, and what is known about discarded messages.

use jiff::Timestamp;
use tidings_core::store::StoreError;

use super::{CHUNK, turn};
use crate::error::meaning;
use crate::pool::Pool;

pub(super) async fn delete_outcomes(pool: &Pool, now: Timestamp) -> Result<u64, StoreError> {
    let sql = include_str!("../../queries/retention_delete_outcomes.sql");
    in_chunks(pool, "deleting expired outcomes", sql, now.as_microsecond()).await
}

/// Deletes what is known about old discarded messages that are gone, as far as no receipt needs it.
pub(super) async fn delete_discarded(pool: &Pool, cutoff: i64) -> Result<(), StoreError> {
    let sql = include_str!("../../queries/retention_delete_discarded.sql");
    in_chunks(pool, "deleting discarded rows", sql, cutoff).await?;
    let sql = include_str!("../../queries/retention_blank_discarded.sql");
    in_chunks(pool, "emptying discarded rows", sql, cutoff).await.map(drop)
}

/// Runs a statement with a bound and a row limit until it finds nothing more.
async fn in_chunks(pool: &Pool, context: &str, sql: &'static str, bound: i64) -> Result<u64, StoreError> {
    let failed = |error| meaning(context, error);
    let mut changed = 0;
    loop {
        let Some(mut tx) = turn(pool).await? else { return Ok(changed) };
        let rows = sqlx::query(sql).bind(bound).bind(CHUNK).execute(&mut *tx).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        changed += rows.rows_affected();
        if rows.rows_affected() < CHUNK.unsigned_abs() {
            return Ok(changed);
        }
    }
}
