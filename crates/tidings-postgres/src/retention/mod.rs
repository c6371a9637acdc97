//! Keeping the tables bounded.
//!
//! Every process of an application maintains its database, and one at a time does: each step is a short transaction under a
//! lock that nobody waits for. Who finds it taken leaves the step to the other, and goes on.

mod merge;
mod messages;
mod rows;
mod stable;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::{PgConnection, Postgres, Row as _};
use tidings_core::store::{Maintenance, Retention, StoreError};

use crate::error::meaning;
use crate::fullness;
use crate::pool::Pool;
use crate::rows::column;
use crate::store::PostgresStore;

type Transaction = sqlx::Transaction<'static, Postgres>;

/// What somebody has locked by hand is left to the next round: a stop, too, waits for the statement that runs.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '2s'";

/// Rows deleted in one transaction: few enough that whoever waits for one of them hardly notices.
const CHUNK: i64 = 1_000;

pub(crate) async fn maintain(
    store: &PostgresStore,
    retention: &Retention,
    now: Timestamp,
) -> Result<Maintenance, StoreError> {
    let pool = store.pool();
    store.fullness.limit_to(retention.messages_hard_max);
    let cutoff = cutoff(retention.age_max, now);
    // First, since what a young receipt spans is kept.
    stable::make_stable(pool).await?;
    let receipts_merged = merge::merge(pool, retention.receipts_max).await?;
    messages::count(pool).await?;
    let messages_deleted = messages::delete(pool, cutoff, retention.messages_max).await?;
    let outcomes_deleted = rows::delete_outcomes(pool, now).await?;
    rows::delete_discarded(pool, cutoff).await?;
    let jobs_deleted = crate::jobs::delete_ended(pool, retention, now).await?;

    let mut tx = begin(pool).await?;
    let mut messages = fullness::messages(&mut tx).await?;
    if messages >= retention.messages_hard_max && messages::count_again(pool, &store.counted_again).await? {
        messages = fullness::messages(&mut tx).await?;
    }
    let held_by = held_by(&mut tx, messages, cutoff, retention.messages_max).await?;
    store.fullness.forget();
    Ok(Maintenance { messages_deleted, outcomes_deleted, receipts_merged, jobs_deleted, messages, held_by })
}

/// What keeps the log from being shorter, when it is over its bounds.
async fn held_by(
    connection: &mut PgConnection,
    messages: u64,
    cutoff: i64,
    messages_max: u64,
) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(include_str!("../../queries/retention_oldest.sql"))
        .fetch_optional(&mut *connection)
        .await;
    let Some(oldest) = row.map_err(|error| meaning("looking at the oldest message", error))? else {
        return Ok(None);
    };
    if messages <= messages_max && column::<i64>(&oldest, "time")? >= cutoff {
        return Ok(None);
    }
    fullness::holder(connection).await
}

/// The microsecond before which something is old.
fn cutoff(age_max: Duration, now: Timestamp) -> i64 {
    let age = SignedDuration::try_from(age_max).unwrap_or(SignedDuration::MAX);
    now.checked_sub(age).map_or(i64::MIN, Timestamp::as_microsecond)
}

/// A transaction of maintenance.
async fn begin(pool: &Pool) -> Result<Transaction, StoreError> {
    pool.begin_with(BEGIN).await.map_err(|error| meaning("connecting for maintenance", error))
}

/// The same, or `None` while another process has its turn.
async fn turn(pool: &Pool) -> Result<Option<Transaction>, StoreError> {
    let failed = |error| meaning("taking a turn at maintenance", error);
    let mut tx = begin(pool).await?;
    let mine = sqlx::query(include_str!("../../queries/retention_lock.sql")).fetch_one(&mut *tx).await;
    match mine.and_then(|row| row.try_get::<bool, _>("mine")).map_err(failed)? {
        true => Ok(Some(tx)),
        false => Ok(None),
    }
}
