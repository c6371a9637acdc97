//! Merging old receipts.

use sqlx::Row as _;
use tidings_core::store::StoreError;

use super::{CHUNK, turn};
use crate::error::meaning;
use crate::pool::Pool;
use crate::rows::number;

/// Merges the oldest stable receipts of each consumer that has more than `receipts_max`; returns how many were merged away.
pub(super) async fn merge(pool: &Pool, receipts_max: u64) -> Result<u64, StoreError> {
    let max = i64::try_from(receipts_max.max(1)).unwrap_or(i64::MAX);
    let failed = |error| meaning("counting receipts", error);
    let Some(mut tx) = turn(pool).await? else { return Ok(0) };
    let long = sqlx::query(include_str!("../../queries/retention_long_receipts.sql"))
        .bind(max)
        .fetch_all(&mut *tx)
        .await
        .map_err(failed)?;
    tx.rollback().await.map_err(failed)?;
    let mut merged = 0;
    for row in long {
        let consumer: String = row.try_get("consumer").map_err(failed)?;
        let mut excess = number::<i64>(&row, "count")? - max;
        while excess > 0 {
            let merged_now = merge_oldest(pool, &consumer, excess.min(CHUNK) + 1).await?;
            if merged_now == 0 {
                break;
            }
            excess -= merged_now;
            merged += merged_now.unsigned_abs();
        }
    }
    Ok(merged)
}

/// Makes one receipt of the oldest ones; returns how many are fewer.
async fn merge_oldest(pool: &Pool, consumer: &str, rows: i64) -> Result<i64, StoreError> {
    let failed = |error| meaning(format!("merging receipts of `{consumer}`"), error);
    let Some(mut tx) = turn(pool).await? else { return Ok(0) };
    let merged = sqlx::query(include_str!("../../queries/receipts_merge.sql"))
        .bind(consumer)
        .bind(rows)
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    merged.map_or(Ok(0), |row| Ok(number::<i64>(&row, "merged")? - 1))
}
