//! Jobs that have ended.

use jiff::Timestamp;
use tidings_core::store::{Retention, StoreError};

use crate::error::meaning;
use crate::pool::{Alone as _, Pool};
use crate::rows::column;

/// So many go in one transaction.
const CHUNK: i64 = 5_000;

/// Deletes those that ended longer ago than they are kept, and of the others the oldest beyond a number; none whose unique key
/// is taken now.
pub(crate) async fn delete_ended(
    pool: &Pool,
    retention: &Retention,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let failed = |error| meaning("deleting jobs that have ended", error);
    let age_max = i64::try_from(retention.jobs_age_max.as_micros()).unwrap_or(i64::MAX);
    let cutoff = now.as_microsecond().saturating_sub(age_max);
    let old = delete_before(pool, (cutoff, i64::MIN), now).await?;
    let newest = sqlx::query(include_str!("../../queries/retention_jobs_bound.sql"))
        .bind(cutoff)
        .bind(i64::try_from(retention.jobs_max).unwrap_or(i64::MAX))
        .bind(now.as_microsecond())
        .optional(pool)
        .await
        .map_err(failed)?;
    let Some(newest) = newest else { return Ok(old) };
    let place: i64 = column(&newest, "place")?;
    Ok(old + delete_before(pool, (column(&newest, "ended_at")?, place + 1), now).await?)
}

async fn delete_before(
    pool: &Pool,
    (ended_at, place): (i64, i64),
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    loop {
        let row = sqlx::query(include_str!("../../queries/retention_delete_jobs.sql"))
            .bind(ended_at)
            .bind(place)
            .bind(now.as_microsecond())
            .bind(CHUNK)
            .one(pool)
            .await
            .map_err(|error| meaning("deleting jobs that have ended", error))?;
        let jobs: i64 = column(&row, "jobs")?;
        deleted += jobs.unsigned_abs();
        if jobs < CHUNK {
            return Ok(deleted);
        }
    }
}
